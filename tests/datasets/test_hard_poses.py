"""Hard poses: ranked against loops, cut, and read from a file."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_mocap
import torch
from torch import Tensor

from skelgraph.datasets import MotionClip, PoseDataset, hard_poses, hardest, load_dataset, rank_by_rareness
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.training import DataConfig, NetworkConfig, TrainConfig, evaluate, train

Make = Callable[..., PoseDataset]


def by_loops(poses: Tensor, others: Tensor, sigma: float) -> list[float]:
    """The mean over joints of the mean over training poses, distance by distance, of the standard library."""
    values = []
    for pose in poses.tolist():
        of_joints = [
            sum(math.exp(-math.dist(point, other[j]) / sigma) for other in others.tolist()) / len(others)
            for j, point in enumerate(pose)
        ]
        values.append(sum(of_joints) / len(of_joints))
    return values


def test_ranking_equals_loops(make_dataset: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every 5th frame of each clip, counted in the clip, by every 10th training pose, counted over all clips."""
    test_set, train_set = make_dataset([13, 4, 11]), make_dataset([27, 8, 36])
    test_set.poses_3d = 0.2 * test_set.poses_3d
    train_set.poses_3d = 0.2 * train_set.poses_3d.flip(0)
    rows = [0, 5, 10, 13, 17, 22, 27]
    values = by_loops(test_set.poses_3d[rows], train_set.poses_3d[::10], 0.05)
    expected = [rows[i] for i in np.argsort(values, kind="stable")]
    shares: list[float] = []
    found = rank_by_rareness(test_set, train_set, 0.05, shares.append)
    assert found.tolist() == expected
    assert shares[-1] == 1.0
    monkeypatch.setattr(hard_poses, "_PAIRS", 17 * 7 * 2)  # two poses at a time
    assert rank_by_rareness(test_set, train_set).tolist() == expected
    similar = hard_poses.similarity(test_set.poses_3d[rows], train_set.poses_3d[::10], 0.05)
    torch.testing.assert_close(similar, torch.tensor(values, dtype=torch.float64), atol=1e-6, rtol=0)
    wide = hard_poses.similarity(test_set.poses_3d[rows], train_set.poses_3d[::10], 0.5)
    torch.testing.assert_close(
        wide.tolist(), by_loops(test_set.poses_3d[rows], train_set.poses_3d[::10], 0.5), atol=1e-6, rtol=0
    )


def test_joints_that_are_not_known_do_not_count() -> None:
    rng = torch.Generator().manual_seed(0)
    poses, others = 0.1 * torch.randn(4, 5, 3, generator=rng), 0.1 * torch.randn(6, 5, 3, generator=rng)
    visible, seen = torch.rand(4, 5, generator=rng) > 0.3, torch.rand(6, 5, generator=rng) > 0.3
    visible[3] = False
    found = hard_poses.similarity(poses, others, 0.05, visible, seen)
    expected = []
    for i in range(3):
        of_joints = [
            np.mean([math.exp(-math.dist(poses[i, j], others[k, j]) / 0.05) for k in range(6) if seen[k, j]])
            for j in range(5)
            if visible[i, j]
        ]
        expected.append(np.mean(of_joints))
    torch.testing.assert_close(found[:3], torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=0)
    assert found[3].isnan()


def test_the_hardest_are_a_view(make_dataset: Make) -> None:
    test_set, train_set = make_dataset([33, 40]), make_dataset([50])
    order = rank_by_rareness(test_set, train_set, 0.1)
    assert len(order) == 7 + 8
    view = hardest(test_set, train_set, 20, 0.1)
    assert view.frames.tolist() == sorted(order[:3].tolist())
    assert view.name == "test, hardest 20 % (sigma 0.1 m)"
    assert test_set.name == "test"
    assert len(hardest(test_set, train_set, 100)) == 15
    assert len(hardest(test_set, train_set, 0.01)) == 1
    part = hardest(test_set[40:], train_set[:20], 100)
    assert part.frames.tolist() == [43, 48, 53, 58, 63, 68]  # every 5th frame of the clip that begins at 33
    windows = view.windows(3)[:]
    assert windows.frame.tolist() == view.frames.tolist()
    with pytest.raises(SkelgraphError, match="percent is 0; expected a number of at most 100 and above 0"):
        hardest(test_set, train_set, 0)
    with pytest.raises(DataError, match="the skeletons of the two sets differ"):
        hardest(test_set, make_dataset([4], skeleton_name="h36m16"), 5)


def test_an_unusual_pose_is_found(make_dataset: Make) -> None:
    test_set, train_set = make_dataset([50]), make_dataset([50])
    test_set.poses_3d = train_set.poses_3d[:1].repeat(50, 1, 1)
    train_set.poses_3d = test_set.poses_3d.clone()
    test_set.poses_3d[35, 9] += 0.3
    test_set.poses_3d[20] += 0.01
    assert rank_by_rareness(test_set, train_set)[:2].tolist() == [20, 35]  # all joints by a little, one by much
    assert rank_by_rareness(test_set, train_set, 1.0)[:2].tolist() == [35, 20]


# --- a run


def test_a_run_is_tested_on_its_hardest_poses(tmp_path: Path) -> None:
    files = tiny_mocap.write(tmp_path / "data")
    network = NetworkConfig("sem_gcn", {"hidden_channels": 8, "num_blocks": 1})
    config = TrainConfig(str(tmp_path / "out"), network, data=DataConfig("mocap", **files, hardest=30.0))
    config = config.replace(max_epochs=1, device="cpu", progress=False, downsample=3)
    metrics = train(config)
    test_set, train_set = (load_dataset("mocap", split, **files) for split in ("test", "train"))
    expected = hardest(test_set, train_set, 30.0)  # ranked by all training poses, whichever are trained on
    assert metrics["dataset"]["frames"] == len(expected) == 9
    assert metrics["dataset"]["name"] == "mocap, hardest 30 % (sigma 0.05 m)"
    last = tmp_path / "out" / "checkpoints" / "last.ckpt"
    again = evaluate(last, tmp_path / "again", device="cpu", progress=False)
    assert again["mpjpe_mm"] == metrics["mpjpe_mm"]
    whole = evaluate(last, tmp_path / "whole", device="cpu", progress=False, hardest=None)
    assert (whole["dataset"]["frames"], whole["dataset"]["name"]) == (2 * 68, "mocap")
    assert whole["mpjpe_mm"] != metrics["mpjpe_mm"]
    with pytest.raises(SkelgraphError, match=r"hard-sigma is 0\.1, but no poses are ranked: hardest is not given"):
        config.replace(hardest=None, hard_sigma=0.1)
    assert json.dumps(dataclasses.asdict(config.data))


# --- MLP-Graph's file


def lists_of_one(path: Path, poses: Any, keypoints: Any) -> Path:
    """As they are published: object arrays that hold lists of one array."""
    members = {}
    for name, array in (("pose_3d", poses), ("pose_2d", keypoints)):
        members[name] = np.empty(1, dtype=object)
        members[name][0] = array
    np.savez(path, **members)
    return path


@pytest.mark.parametrize("nested", [True, False])
def test_a_file_of_hard_poses(tmp_path: Path, camera: Any, nested: bool) -> None:
    world = tiny_mocap.motion(9, 0)[:, [*range(9), *range(10, 17)]]
    filmed = PoseDataset(
        [MotionClip("S9", "Walk", camera, world)], skeleton="h36m16", name="x", split="test", frame_rate=50
    )
    poses, keypoints = filmed.poses_3d.numpy(), filmed.keypoints_2d.numpy()
    path = tmp_path / "whole_body_S0.05_f5_1_gt.npz"
    if nested:
        lists_of_one(path, poses, keypoints)
    else:  # what numpy makes of a list of one array
        np.savez(path, pose_3d=[poses], pose_2d=[keypoints])
    found = load_dataset("human36m_hard", "test", data_3d=path, skeleton="h36m16")
    assert torch.equal(found.poses_3d, filmed.poses_3d)
    assert torch.equal(found.keypoints_2d, filmed.keypoints_2d)
    assert found.root_3d.isnan().all()
    with pytest.raises(DataError, match="expected split 'test'"):
        load_dataset("human36m_hard", "train", data_3d=path, skeleton="h36m16")
    with pytest.raises(DataError, match=r"found 16 joints, expected the 17 of skeleton h36m17"):
        load_dataset("human36m_hard", "test", data_3d=path)
    for wrong in (poses, np.array(5.0), [poses, poses], {"x": poses}):
        np.savez(path, pose_3d=wrong, pose_2d=keypoints)
        with pytest.raises(DataError, match=r"gt\.npz: pose_3d is .*expected a list of one array"):
            load_dataset("human36m_hard", "test", data_3d=path, skeleton="h36m16")
