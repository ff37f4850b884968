"""Small motion in the world for the tests of the datasets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from skelgraph import as_skeleton
from skelgraph.datasets.cameras import Camera
from skelgraph.datasets.pose_dataset import MotionClip, PoseDataset


@pytest.fixture(scope="session")
def camera() -> Camera:
    """A camera 5 m in front of the origin that looks along the world's y axis."""
    half = 0.5**0.5
    return Camera(
        id="front",
        width=1000,
        height=1002,
        intrinsics=(1145.0, 1143.8, 512.5, 515.5, -0.207, 0.248, -0.0031, -0.00098, -0.00142),
        orientation=(half, -half, 0.0, 0.0),
        translation=(0.0, -5.0, 1.0),
        distortion="human36m",
    )


@pytest.fixture(scope="session")
def make_dataset(camera: Camera) -> Callable[..., PoseDataset]:
    """``make_dataset([7, 4])``: a dataset with clips of these lengths; ``actions`` names them."""

    def make(lengths: Sequence[int], actions: Sequence[str] = (), skeleton_name: str = "h36m17") -> PoseDataset:
        rng = np.random.default_rng(0)
        joints = as_skeleton(skeleton_name).num_joints
        clips = [
            MotionClip("S1", actions[i] if actions else f"Walk {i}", camera, rng.normal(scale=0.5, size=(n, joints, 3)))
            for i, n in enumerate(lengths)
        ]
        # Random joints are no body.
        return PoseDataset(clips, skeleton=skeleton_name, name="test", split="train", frame_rate=50, unchecked=True)

    return make
