"""Confidences of keypoints and masks of known joints: from files and clips to batches."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_mocap
import torch
from torch_geometric.loader import DataLoader

from skelgraph import as_skeleton
from skelgraph.datasets import Camera, MotionClip, PoseDataset, load_dataset
from skelgraph.errors import DataError

LENGTHS = (6, 9)
MIRROR = list(as_skeleton("h36m17").mirror_index)


@pytest.fixture
def clips(camera: Camera) -> list[MotionClip]:
    """Two clips of a body with random confidences and a random mask that always knows the root."""
    rng = np.random.default_rng(0)
    made = []
    for i, length in enumerate(LENGTHS):
        keypoints = np.concatenate([rng.uniform(0, 1000, (length, 17, 2)), rng.uniform(0.1, 1, (length, 17, 1))], -1)
        visible = rng.random((length, 17)) > 0.3
        visible[:, 0] = True
        made.append(MotionClip("S1", f"Walk {i}", camera, tiny_mocap.motion(length, i), keypoints, visible))
    return made


def build(clips: list[MotionClip], **options: Any) -> PoseDataset:
    settings = {"skeleton": "h36m17", "name": "own", "split": "train", "frame_rate": 50.0, "unchecked": True, **options}
    return PoseDataset(clips, sources=("three.npz", "two.npz"), **settings)


def test_arrays(clips: list[MotionClip]) -> None:
    dataset = build(clips)
    confidence = np.concatenate([clip.keypoints[..., 2] for clip in clips])  # type: ignore[index]
    visible = np.concatenate([clip.visible_3d for clip in clips])  # type: ignore[misc]
    assert dataset.confidence is not None
    assert dataset.visible_3d is not None
    torch.testing.assert_close(dataset.confidence.double(), torch.from_numpy(confidence), atol=1e-7, rtol=0)
    assert torch.equal(dataset.visible_3d, torch.from_numpy(visible))
    assert (dataset.confidence.dtype, dataset.visible_3d.dtype) == (torch.float32, torch.bool)
    plain = build([dataclasses.replace(c, keypoints=c.keypoints[..., :2], visible_3d=None) for c in clips])  # type: ignore[index]
    assert plain.confidence is None
    assert plain.visible_3d is None
    for array in ("keypoints_2d", "poses_3d", "root_3d"):
        assert torch.equal(getattr(dataset, array), getattr(plain, array))
    half = build(clips, downsample=2)
    assert torch.equal(half.confidence, torch.cat((dataset.confidence[:6:2], dataset.confidence[6::2])))
    assert torch.equal(half.visible_3d, torch.cat((dataset.visible_3d[:6:2], dataset.visible_3d[6::2])))


def test_what_is_not_known_may_be_nan(clips: list[MotionClip]) -> None:
    clip = clips[0]
    positions, keypoints = np.array(clip.positions), np.array(clip.keypoints)
    positions[~np.asarray(clip.visible_3d)] = np.nan
    keypoints[2, 3] = np.nan, np.inf, 0
    keypoints[2, 4, 2] = 0  # not found either, but somewhere
    found = build([dataclasses.replace(clip, positions=positions, keypoints=keypoints)])
    plain = build([clip])
    assert found.visible_3d is not None
    for array in (found.keypoints_2d, found.poses_3d, found.root_3d, found.confidence):
        assert array is not None
        assert array.isfinite().all()
    assert torch.equal(found.poses_3d[found.visible_3d], plain.poses_3d[found.visible_3d])
    assert (found.poses_3d[~found.visible_3d] == 0).all()
    assert found.keypoints_2d[2, 3].tolist() == [0, 0]  # the middle of the image, which is its own mirror image
    assert torch.equal(found.keypoints_2d[2, 4], plain.keypoints_2d[2, 4])
    assert found.confidence[2, 3:5].tolist() == [0, 0]


def test_projected_keypoints_of_unknown_joints(clips: list[MotionClip]) -> None:
    positions = np.array(clips[0].positions)
    positions[~np.asarray(clips[0].visible_3d)] = np.nan
    masked = dataclasses.replace(clips[0], positions=positions, keypoints=None)
    whole = dataclasses.replace(clips[1], keypoints=None, visible_3d=None)
    dataset = build([masked, whole])
    expected = torch.cat((torch.from_numpy(np.asarray(clips[0].visible_3d)), torch.ones(9, 17).bool()))
    assert torch.equal(dataset.confidence, expected.float())
    assert torch.equal(dataset.visible_3d, expected)
    assert torch.equal(dataset.keypoints_2d[~expected], torch.zeros(int((~expected).sum()), 2))
    assert build([whole]).confidence is None


def test_poses_without_their_root_are_unknown(clips: list[MotionClip]) -> None:
    visible, positions = np.array(clips[0].visible_3d), np.array(clips[0].positions)
    visible[3, 0] = False
    positions[3, 0] = np.nan
    dataset = build([dataclasses.replace(clips[0], positions=positions, visible_3d=visible)])
    assert dataset.visible_3d is not None
    assert not dataset.visible_3d[3].any()
    assert dataset.visible_3d[[0, 1, 2, 4, 5], 0].all()
    assert (dataset.poses_3d[3] == 0).all()
    assert dataset.root_3d[3].tolist() == [0, 0, 0]


def test_masked_values_change_nothing_that_is_checked(clips: list[MotionClip]) -> None:
    """What is not known may be in millimetres, behind the camera or beyond float32."""
    whole = [dataclasses.replace(clip, keypoints=None) for clip in clips]
    wild = []
    for clip in whole:
        positions = np.array(clip.positions, dtype=np.float64)
        hidden = ~np.asarray(clip.visible_3d)
        positions[hidden] = np.random.default_rng(0).choice([1e39, -1e4, np.nan], (hidden.sum(), 3))
        wild.append(dataclasses.replace(clip, positions=positions))
    dataset, plain = build(wild, unchecked=False), build(whole, unchecked=False)
    assert dataset.visible_3d is not None
    assert torch.equal(dataset.poses_3d[dataset.visible_3d], plain.poses_3d[dataset.visible_3d])
    assert torch.equal(dataset.mean_pose(), plain.mean_pose())


def test_mean_pose(clips: list[MotionClip]) -> None:
    dataset = build(clips)
    assert dataset.visible_3d is not None
    for joint in range(17):
        rows = dataset.visible_3d[:, joint]
        torch.testing.assert_close(dataset.mean_pose()[joint], dataset.poses_3d[rows, joint].mean(0))
    dataset.visible_3d[:, 5] = False
    assert dataset.mean_pose()[5].tolist() == [0, 0, 0]


def test_graphs(clips: list[MotionClip]) -> None:
    dataset = build(clips)
    data = dataset[7]
    assert torch.equal(data.confidence, dataset.confidence[7])
    assert torch.equal(data.visible_3d, dataset.visible_3d[7])
    batch = next(iter(DataLoader(dataset, batch_size=4)))
    assert torch.equal(batch.visible_3d.view(4, 17), dataset.visible_3d[:4])
    assert "confidence" not in build([dataclasses.replace(clips[0], keypoints=None, visible_3d=None)])[0]
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy.visible_3d, dataset.visible_3d)
    assert dataset.to("meta").confidence.device.type == "meta"  # type: ignore[union-attr]


@pytest.mark.parametrize("frames", [1, 5])
def test_windows_flip_masks_and_repeat_edges(clips: list[MotionClip], frames: int) -> None:
    dataset = build(clips)
    confidence, visible = dataset.confidence, dataset.visible_3d
    assert confidence is not None
    assert visible is not None
    batch = dataset.windows(frames, flip=True)[:]
    assert batch.confidence is not None
    assert batch.visible_3d is not None
    assert batch.confidence.shape == (30, frames, 17)
    for row in range(30):
        frame, flipped = int(batch.frame[row]), bool(batch.flipped[row])
        clip = dataset.clips[int(dataset.clip_id[frame])]
        times = [
            min(max(frame + k, clip.start), clip.start + clip.length - 1)
            for k in range(-(frames // 2), frames // 2 + 1)
        ]
        order = MIRROR if flipped else list(range(17))
        assert torch.equal(batch.confidence[row], confidence[times][:, order])
        assert torch.equal(batch.visible_3d[row], visible[frame, order])
    assert (batch.confidence >= 0).all()

    x = batch.network_input(3)
    assert torch.equal(x[..., :2], batch.keypoints_2d)
    assert torch.equal(x[..., 2], batch.confidence)
    assert batch.network_input() is batch.keypoints_2d


def test_networks_take_what_the_data_have(clips: list[MotionClip]) -> None:
    batch = build([dataclasses.replace(clips[0], keypoints=None, visible_3d=None)]).windows()[:2]
    assert (batch.confidence, batch.visible_3d) == (None, None)
    with pytest.raises(DataError, match=r"in_channels of the model is 3; expected 2, .* have a confidence"):
        batch.network_input(3)
    with pytest.raises(DataError, match="in_channels of the model is 4; expected 2"):
        build(clips).windows()[:2].network_input(4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"confidence": 1.5},
            r"two\.npz: .*action 'Walk 0'.*confidence 1\.5 in frame 2, joint right_foot, expected 0 to 1",
        ),
        ({"confidence": -0.1}, r"confidence -0\.1 in frame 2"),
        ({"confidence": np.nan}, "confidence nan in frame 2"),
        ({"keypoint": np.nan}, "keypoints: NaN or infinite in 1 of 6 frames, first in frame 2, joint right_foot"),
        ({"visible": np.full((6, 17), 2)}, r"three\.npz: .*visible_3d: found 2\.0, expected true \(1\) or false \(0\)"),
        ({"visible": np.ones((6, 16))}, "visible_3d: found 16 joints, expected the 17"),
        (
            {"visible": np.ones((5, 17))},
            r"positions: found an array of shape \(6, 17, 3\), but visible_3d has shape \(5, 17",
        ),
        (
            {"visible": np.ones((6, 17, 1))},
            r"visible_3d: found an array of shape \(6, 17, 1\), expected \(frames, 17\)",
        ),
        ({"visible": "yes"}, "visible_3d are not an array of numbers"),
        ({"position": np.nan}, r"positions: NaN .* joint hip.*to be marked.*visible_3d"),
    ],
)
def test_wrong_masks(clips: list[MotionClip], change: dict[str, Any], message: str) -> None:
    keypoints, positions = np.array(clips[0].keypoints), np.array(clips[0].positions)
    visible: Any = clips[0].visible_3d
    (kind, value), *_ = change.items()
    if kind == "confidence":
        keypoints[2, 3, 2] = value
    elif kind == "keypoint":
        keypoints[2, 3, 0] = value
    elif kind == "position":
        positions[2, 0, 1] = value
    else:
        visible = value
    with pytest.raises(DataError, match=message):
        build([dataclasses.replace(clips[0], keypoints=keypoints, positions=positions, visible_3d=visible)])


def test_all_clips_have_a_confidence_or_none(clips: list[MotionClip]) -> None:
    less = dataclasses.replace(clips[1], keypoints=np.asarray(clips[1].keypoints)[..., :2])
    with pytest.raises(
        DataError, match=r"two\.npz: .*action 'Walk 1'.*: the keypoints have no confidence, those of other"
    ):
        build([clips[0], less])


def test_files(tmp_path: Path) -> None:
    positions, keypoints = tiny_mocap.arrays()
    rng = np.random.default_rng(0)
    visible = {s: {a: rng.random((len(p), 17)) > 0.2 for a, p in actions.items()} for s, actions in positions.items()}
    for actions in visible.values():
        for mask in actions.values():
            mask[:, 0] = True
    positions = {
        s: {a: np.where(visible[s][a][..., None], p, np.nan) for a, p in actions.items()}
        for s, actions in positions.items()
    }
    keypoints = {
        s: {
            a: [np.concatenate([view, rng.random((*view.shape[:2], 1))], -1) for view in views]
            for a, views in actions.items()
        }
        for s, actions in keypoints.items()
    }
    files = tiny_mocap.write(tmp_path, positions, keypoints, visible)
    for layout, joints in (("h36m17", range(17)), ("h36m16", [*range(9), *range(10, 17)])):
        dataset = load_dataset("mocap", "train", **files, skeleton=layout)
        assert torch.equal(dataset.visible_3d[:61], torch.from_numpy(visible["train"]["walk 1"][:, list(joints)]))
        expected = torch.from_numpy(keypoints["train"]["walk 1"][1][:, list(joints), 2]).float()
        assert torch.equal(dataset.confidence[61:122], expected)
    del visible["train"]["wave 1"]
    files = tiny_mocap.write(tmp_path, positions, keypoints, visible)
    with pytest.raises(DataError, match=r"data_3d\.npz: visible_3d: subject train: has no action 'wave 1'"):
        load_dataset("mocap", "train", **files)
