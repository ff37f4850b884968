"""The animation shows the person upright, whole, in the right colours and at the right speed."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from skelgraph.topology import as_skeleton
from skelgraph.viz.animation import animate_poses
from skelgraph.viz.clip import TRUTH
from skelgraph.viz.drawing import LEFT, RIGHT, rest_positions
from skelgraph.viz.panels import TITLE

BODY = as_skeleton("h36m17")
REST = rest_positions(BODY)  # y up, the left side on our right: somebody who faces the camera


def clip(frames: int = 3, wrong: bool = False) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A person who stands and faces the camera: keypoints, prediction and truth; y goes down."""
    pose = torch.zeros(frames, 17, 3)
    pose[..., :2] = torch.tensor(REST) * torch.tensor([1.0, -1.0])
    pose = pose - pose[:, :1]
    prediction = pose + torch.tensor([0.0, 0.0, 0.3]) * wrong
    return pose[..., :2] * 0.4 + 0.1, prediction, pose


def frames_of(gif: bytes) -> list[np.ndarray]:
    image = Image.open(io.BytesIO(gif))
    frames = []
    for i in range(image.n_frames):
        image.seek(i)
        frames.append(np.asarray(image.convert("RGB")).astype(int))
    return frames


def where(image: np.ndarray, color: str) -> np.ndarray:
    """Rows and columns of the pixels of a colour, without the legend and the title."""
    rgb = np.round(255 * np.array(to_rgb(color)))
    found = np.argwhere(np.abs(image - rgb).max(-1) <= 12)
    height = len(image)
    return found[(found[:, 0] > 0.15 * height) & (found[:, 0] < height - TITLE)]


@pytest.fixture(scope="module")
def panels() -> Callable[[int], np.ndarray]:
    image = frames_of(animate_poses(*clip(wrong=True), BODY))[0]
    width = image.shape[1] // 3
    return lambda i: image[:, i * width : (i + 1) * width]


@pytest.mark.parametrize("panel", [0, 1])
def test_left_and_right_seen_from_the_front(panels: Callable[[int], np.ndarray], panel: int) -> None:
    left, right = where(panels(panel), LEFT), where(panels(panel), RIGHT)
    assert len(left) > 50
    assert len(right) > 50
    assert left[:, 1].min() > right[:, 1].max() - 5


@pytest.mark.parametrize("panel", [0, 1, 2])
def test_upright_and_whole(panels: Callable[[int], np.ndarray], panel: int) -> None:
    """The legs are the lower half of what is coloured, and nothing touches the frame."""
    limbs = np.concatenate([where(panels(panel), LEFT), where(panels(panel), RIGHT)])
    image = panels(panel)
    drawn = np.argwhere(image[int(0.17 * len(image)) : len(image) - TITLE - 2, 12:-12].min(-1) < 130)
    top = drawn[:, 0].min() + int(0.17 * len(image))
    assert limbs[:, 0].min() > top + 5  # the head, in the colour of the centre, is above the limbs
    assert limbs[:, 0].max() < len(image) - TITLE - 3
    assert 3 < limbs[:, 1].min() < limbs[:, 1].max() < image.shape[1] - 3


def test_depth_error_shows_from_the_side_only(panels: Callable[[int], np.ndarray]) -> None:
    """The prediction stands 0.3 m behind the truth."""
    truth, predicted = where(panels(2), TRUTH), where(panels(2), LEFT)  # the right side is behind the left
    assert predicted[:, 1].mean() - truth[:, 1].mean() > 20
    front_truth, front = where(panels(1), TRUTH), np.concatenate([where(panels(1), c) for c in (LEFT, RIGHT)])
    assert abs(front[:, 1].mean() - front_truth[:, 1].mean()) < 10


def test_speed_and_length() -> None:
    gif = animate_poses(*clip(frames=5), BODY, frames_per_second=25)
    image = Image.open(io.BytesIO(gif))
    assert image.info["duration"] == 40 or image.n_frames == 1
    total = 0
    for i in range(image.n_frames):
        image.seek(i)
        total += image.info["duration"]
    assert total == 5 * 40


def test_moving_frames_differ() -> None:
    keypoints, prediction, target = clip(frames=4)
    prediction = prediction + 0.2 * torch.arange(4)[:, None, None] * torch.tensor([1.0, 0.0, 0.0])
    frames = frames_of(animate_poses(keypoints, prediction, target, BODY))
    assert len(frames) == 4
    columns = [where(frame, LEFT)[:, 1].mean() for frame in frames]
    assert np.all(np.diff(columns) > 3)


def test_any_skeleton() -> None:
    coco = as_skeleton("coco17")
    poses = torch.randn(2, coco.num_joints, 3)
    assert animate_poses(poses[..., :2], poses, poses, "coco17").startswith(b"GIF89a")
