"""Windows in the world are the motion that was filmed, whichever camera filmed it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from skelgraph.datasets import Camera, MotionClip, PoseDataset
from skelgraph.datasets.world import WorldWindows
from skelgraph.errors import DataError
from skelgraph.geometry import look_at
from skelgraph.topology import as_skeleton

H36M = as_skeleton("h36m17")
LENGTHS = (7, 4)


def motion(length: int, seed: int) -> np.ndarray:
    """Somebody who crosses the room, z up: each joint on a way of its own."""
    rng = np.random.default_rng(seed)
    way = np.cumsum(rng.normal(0, 0.05, (length, 1, 3)), 0)
    return rng.normal(0, 0.3, (1, 17, 3)) + way + rng.normal(0, 0.02, (length, 17, 3))


def dataset(up: str | None = "z", visible: np.ndarray | None = None) -> PoseDataset:
    """Two clips, each seen by two cameras, one rolled and from above."""
    clips = []
    for i, length in enumerate(LENGTHS):
        for j, roll in enumerate((0.0, 0.4)):
            centre = torch.tensor([4.0 * (-1) ** j, 3.0, 2.5], dtype=torch.float64)
            orientation = look_at(centre, torch.zeros_like(centre), roll)
            camera = Camera(
                f"c{j}",
                1000,
                800,
                (900.0, 900.0, 500.0, 400.0, *[0.0] * 5),
                tuple(orientation.tolist()),
                tuple(centre.tolist()),
            )
            shown = None if visible is None else visible[:length]
            clips.append(MotionClip("S1", f"walk {i}", camera, motion(length, i), None, shown))
    data = PoseDataset(clips, skeleton=H36M, name="room", split="train", frame_rate=50.0, unchecked=True)
    data.up = up  # type: ignore[assignment]
    return data


@pytest.mark.parametrize("causal", [False, True], ids=["centre", "causal"])
@pytest.mark.parametrize("time_reversal", [False, True], ids=["forwards", "backwards"])
def test_it_is_the_motion_itself(causal: bool, time_reversal: bool) -> None:
    data = dataset()
    windows = data.windows(5, flip=True, causal=causal, time_reversal=time_reversal)
    world = WorldWindows(windows)[torch.arange(len(windows))]
    sides = list(H36M.mirror_index)
    backwards = windows._reversed
    for i in range(len(windows)):
        clip = data.clips[int(data.clip_id[world.frame[i]])]
        at = int(world.frame[i]) - clip.start
        steps = np.arange(5) - windows.target
        time = (at - steps if backwards[i] else at + steps).clip(0, clip.length - 1)
        full = motion(clip.length, int(clip.action.split(" ")[1]))
        expected = full[time] - full[at, 0]
        if world.flipped[i]:
            expected = expected[:, sides] * [-1, 1, 1]
        np.testing.assert_allclose(world.positions[i], expected, atol=2e-6)
    assert world.flipped.any()


def test_where_y_points_up() -> None:
    """(x, y, z) becomes (x, -z, y), as of motion files."""
    z_up, y_up = (WorldWindows(dataset(up).windows())[torch.arange(5)].positions for up in ("z", "y"))
    torch.testing.assert_close(y_up, torch.stack((z_up[..., 0], -z_up[..., 2], z_up[..., 1]), -1))


def test_masks_are_mirrored_with_the_joints() -> None:
    visible = np.random.default_rng(0).random((7, 17)) > 0.3
    visible[:, 0] = True
    data = dataset(visible=visible)
    windows = data.windows(3, flip=True)
    world = WorldWindows(windows)[torch.arange(len(windows))]
    assert world.visible is not None
    batch = data.windows(3, flip=True, targets="all")[torch.arange(len(windows))]
    assert torch.equal(world.visible, batch.visible_3d)
    assert not torch.equal(world.visible[: len(data)], world.visible[len(data) :])


def unplaced() -> PoseDataset:
    """One of the cameras stands nobody knows how."""
    data = dataset()
    data.clips[2] = dataclasses.replace(data.clips[2], orientation=None, translation=None)
    return data


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dataset(up=None), r"do not say which axis of their world points up; expected up \(--up\): y or z"),
        (unplaced, r"action 'walk 1', camera c0: how the camera stands in the world is not known"),
    ],
    ids=["up", "orientation"],
)
def test_what_is_not_said_is_not_guessed(make: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        WorldWindows(make().windows())


def test_root_relative_poses_have_no_world() -> None:
    data = dataset()
    data.root_3d[3] = math.nan
    with pytest.raises(DataError, match="root-relative"):
        WorldWindows(data.windows())
