"""People who move before a camera that is known, and networks whose answers are known."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from skelgraph.geometry import project
from skelgraph.models import FrameLifter, PoseLifter
from skelgraph.topology import SkeletonLike, as_skeleton

SIZE = (1080, 1920)
RATE = 29.97
FOCAL = (1530.0, 1490.0)
CENTRE = (520.0, 1010.0)
INTRINSICS = (*FOCAL, *CENTRE)


def smooth(rng: np.random.Generator, frames: int, *shape: int) -> np.ndarray:
    """Smooth functions of time between about -1 and 1."""
    time = np.linspace(0, 2, frames).reshape(-1, *[1] * len(shape))
    return np.sin(2 * np.pi * (rng.uniform(0.2, 0.7, shape) * time + rng.uniform(0, 1, shape)))


def moving(seed: int, frames: int, skeleton: str = "h36m17") -> tuple[np.ndarray, np.ndarray]:
    """Root-relative poses of a body with rigid bones, left and right of other lengths, and its way."""
    rng, layout = np.random.default_rng(seed), as_skeleton(skeleton)
    poses = np.zeros((frames, layout.num_joints, 3))
    for joint, parent in enumerate(layout.parents):  # parents come first in this layout
        if parent >= 0:
            direction = rng.normal(size=3) + 0.5 * smooth(rng, frames, 3)
            direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
            poses[:, joint] = poses[:, parent] + rng.uniform(0.1, 0.4) * direction
    return poses, np.array([0.1, -0.3, 4.0]) + np.array([0.5, 0.2, 0.8]) * smooth(rng, frames, 3)


def seen(poses: np.ndarray, roots: np.ndarray, intrinsics: tuple[float, ...] = INTRINSICS) -> np.ndarray:
    """Where the camera sees them, and confidences that tell joints and frames apart."""
    points = torch.from_numpy(poses + roots[:, None])
    pixels = project(points, torch.tensor(intrinsics, dtype=torch.float64), "none").numpy()
    confidence = np.random.default_rng(9).uniform(0.3, 0.9, pixels.shape[:-1])
    return np.concatenate([pixels, confidence[..., None]], -1)


class Knows(FrameLifter):
    """Answers with the pose whose keypoints, normalised as it expects them, are those that it is given."""

    def __init__(
        self, inputs: np.ndarray, poses: np.ndarray, skeleton: str = "h36m17", tolerance: float = 1e-6
    ) -> None:
        super().__init__(skeleton)
        self.register_buffer("inputs", torch.from_numpy(inputs))
        self.register_buffer("answers", torch.from_numpy(poses))
        self.scale = nn.Parameter(torch.ones((), dtype=torch.float64))
        self.tolerance = tolerance

    def lift_frame(self, x: Tensor) -> Tensor:
        distance, which = torch.cdist(x.flatten(1), self.inputs.flatten(1)).min(1)
        assert distance.max() < self.tolerance, "this is not what the network was trained on"
        return self.answers[which] * self.scale


class Window(PoseLifter):
    """What the keypoints are at a distance of some metres, moved a little by all that it sees, with random weights."""

    def __init__(self, skeleton: SkeletonLike = "h36m17", num_frames: int = 9, in_channels: int = 2) -> None:
        super().__init__(skeleton, in_channels=in_channels, num_frames=num_frames)
        with torch.random.fork_rng():
            torch.manual_seed(3)
            count = self.skeleton.num_joints
            self.hidden = nn.Linear(num_frames * count * in_channels, 32)
            self.out = nn.Linear(32, count * 3)
        self.largest = 0

    def lift(self, clip: Tensor) -> Tensor:
        self.largest = max(self.largest, len(clip))
        flat = torch.nn.functional.pad(1.7 * clip[:, clip.size(1) // 2, :, :2], (0, 1))
        return flat - flat[:, :1] + 0.3 * self.out(self.hidden(clip.flatten(1)).tanh()).unflatten(1, (-1, 3))
