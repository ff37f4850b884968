"""Joints in the middle of others: in poses, keypoints, masks and confidences, and in what training makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from skelgraph.datasets import MotionClip, PoseDataset, load_dataset
from skelgraph.datasets.joining import joined, of_share
from skelgraph.datasets.synthetic import SyntheticMocap
from skelgraph.datasets.synthetic.synthetic_mocap import CAMERAS
from skelgraph.datasets.world import WorldWindows
from skelgraph.errors import DataError, TopologyError
from skelgraph.topology import Skeleton, as_skeleton, convert_keypoints
from skelgraph.topology.convert import middle_weights
from skelgraph.training import AugmentationConfig
from skelgraph.training.transforms.augmentation import Augmentation

H36M = as_skeleton("h36m17")


def of(name: str) -> int:
    return H36M.index(name)


def made(points: torch.Tensor) -> torch.Tensor:
    """Hip, thorax and spine, by hand."""
    hip = (points[..., of("left_hip"), :] + points[..., of("right_hip"), :]) / 2
    thorax = (points[..., of("left_shoulder"), :] + points[..., of("right_shoulder"), :]) / 2
    return torch.stack((hip, thorax, (hip + thorax) / 2), -2)


MIDDLE = [of("hip"), of("thorax"), of("spine")]
OTHERS = [joint for joint in range(17) if joint not in MIDDLE]


def swaying(up: str = "z", middles: bool = False, seed: int = 0) -> PoseDataset:
    """Joints anywhere, so that no middle is one by itself; the same motion where up is y."""
    positions = np.random.default_rng(seed).normal((0, 0, 1), 0.3, (9, 17, 3))
    clips = [MotionClip(f"S{seed}", "sway 1", camera, positions) for camera in CAMERAS[:2]]
    data = PoseDataset(clips, skeleton=H36M, name="sway", split="train", frame_rate=50.0, unchecked=True)
    data.up = up  # type: ignore[assignment]
    return data.put_in_middles() if middles else data


def test_poses_keypoints_and_root() -> None:
    before, after = swaying(), swaying(middles=True)
    world = before.poses_3d + before.root_3d[:, None]
    moved = after.poses_3d + after.root_3d[:, None]
    torch.testing.assert_close(moved[:, OTHERS], world[:, OTHERS])
    torch.testing.assert_close(moved[:, MIDDLE], made(world))
    torch.testing.assert_close(after.keypoints_2d[:, MIDDLE], made(before.keypoints_2d))
    assert torch.equal(after.keypoints_2d[:, OTHERS], before.keypoints_2d[:, OTHERS])
    assert not after.poses_3d[:, 0].any()
    again = after.copy().put_in_middles()
    torch.testing.assert_close(again.poses_3d, after.poses_3d)


def test_they_are_those_of_a_detector() -> None:
    """A detector's shoulders and hips lead to the same points, by the rule that lifting takes."""
    coco = torch.rand(5, 17, 2, dtype=torch.float64)
    found = convert_keypoints(coco, "coco17", "h36m17", dimensions=2, rule="body")
    torch.testing.assert_close(torch.from_numpy(middle_weights("h36m17")) @ found, found)


def test_what_is_not_known() -> None:
    data = swaying()
    data.confidence = torch.rand(18, 17, generator=torch.Generator().manual_seed(0)) + 0.1
    data.visible_3d = torch.ones(18, 17, dtype=torch.bool)
    data.visible_3d[3, of("left_hip")] = data.visible_3d[5, of("right_shoulder")] = False
    data.confidence[7, of("left_shoulder")] = 0
    least = data.confidence.clone()
    data.put_in_middles()
    assert data.visible_3d is not None
    assert data.confidence is not None
    assert not data.visible_3d[3].any()  # the root is not known
    assert (~data.visible_3d[5]).nonzero().flatten().tolist() == sorted(
        [of("spine"), of("thorax"), of("right_shoulder")]
    )
    hips, shoulders = (least[:, [of(f"{side}_{part}") for side in ("left", "right")]] for part in ("hip", "shoulder"))
    assert torch.equal(data.confidence[:, of("hip")], hips.amin(1))
    assert torch.equal(data.confidence[:, of("spine")], torch.cat((hips, shoulders), 1).amin(1))
    assert (data.confidence[7] == 0).nonzero().flatten().tolist() == sorted(
        [of("spine"), of("thorax"), of("left_shoulder")]
    )


@pytest.mark.parametrize("frames", [1, 3])
def test_new_views_have_them_too(frames: int) -> None:
    """In the picture they are in the middle in the picture, after the noise; the pose is in the middle in space."""
    data = SyntheticMocap(seconds=0.3, downsample=3, subjects=["S1"], unchecked=True).put_in_middles()
    windows = data.windows(frames, flip=True, targets="all")
    settings = AugmentationConfig(virtual_views=True, roll=12.0, tilt=20.0, mix=0.4, keypoint_noise=3.0)
    batch = Augmentation(windows, settings)(torch.arange(200), torch.Generator().manual_seed(0))
    torch.testing.assert_close(batch.keypoints_2d[..., MIDDLE, :], made(batch.keypoints_2d))
    torch.testing.assert_close(batch.poses_3d[..., MIDDLE, :], made(batch.poses_3d), atol=1e-6, rtol=0)
    spoiled = AugmentationConfig(keypoint_noise=3.0)
    batch = Augmentation(windows, spoiled)(torch.arange(200), torch.Generator().manual_seed(0))
    torch.testing.assert_close(batch.keypoints_2d[..., MIDDLE, :], made(batch.keypoints_2d))


def test_skeletons_without_them_are_refused() -> None:
    with pytest.raises(TopologyError, match="coco17 has no pelvis or neck or spine"):
        middle_weights("coco17")
    with pytest.raises(TopologyError, match="has no pelvis that"):
        middle_weights(Skeleton([-1, 0, 0], joint_names=["pelvis", "left_hip", "tail"]))


def test_joined_data_are_those_of_both() -> None:
    first, second = swaying(), swaying("y", seed=1)
    whole = joined(first, second)
    assert (len(whole), whole.subjects, whole.actions, whole.up) == (36, ("S0", "S1"), ("sway",), "z")
    assert torch.equal(whole.poses_3d, torch.cat((first.poses_3d, second.poses_3d)))
    assert [whole.clips[int(i)].subject for i in whole.clip_id] == ["S0"] * 18 + ["S1"] * 18
    windows = whole.windows(3)
    motion = WorldWindows(windows)[torch.arange(36)].positions
    alone = [WorldWindows(data.windows(3))[torch.arange(18)].positions for data in (first, second)]
    torch.testing.assert_close(motion, torch.cat(alone), atol=1e-5, rtol=0)
    back = joined(second, first)
    assert back.up == "y"
    torch.testing.assert_close(
        WorldWindows(back.windows())[torch.arange(36)].positions[18:, 0], alone[0][:, 1], atol=1e-5, rtol=0
    )


def test_confidences_and_views_are_joined() -> None:
    first, second = swaying()[[4, 2]], swaying(seed=1)
    second.confidence = torch.full((18, 17), 0.5)
    whole = joined(first, second)
    assert whole.frames.tolist() == [4, 2, *range(18, 36)]
    assert whole.confidence is not None
    assert whole.confidence[:18].unique().tolist() == [1.0]
    assert whole.confidence[18:].unique().tolist() == [0.5]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"frame_rate": 25.0}, "50.0 and 25.0 frames a second"),
        ({"frame_rate": None}, "50.0 and None frames a second"),
        ({"skeleton": "h36m16"}, "joints are not the same"),
        ({"middles": True}, "only one of them has its joints in the middles"),
    ],
)
def test_what_does_not_go_together(other: dict[str, Any], message: str) -> None:
    second = swaying(middles=other.pop("middles", False))
    for name, value in other.items():
        setattr(second, name, as_skeleton(value) if name == "skeleton" else value)
    with pytest.raises(DataError, match=message):
        joined(swaying(), second)


def test_share() -> None:
    data = swaying()
    for share, count in ((0.3, 8), (0.75, 54)):
        part = of_share(data, share, 18)
        assert len(part) == count
        assert set(part.frames.tolist()) <= set(range(18))
        assert part.frames.tolist() == sorted(part.frames.tolist())
    whole = joined(data, of_share(swaying(seed=1), 0.75, 18))
    assert len(whole.windows(3)) == 72


def test_loaded_by_name() -> None:
    data = load_dataset("synthetic", "test", subjects=["S9"], actions=["Walking"], middles=True, seconds=0.2)
    torch.testing.assert_close(data.poses_3d[:, MIDDLE], made(data.poses_3d))
