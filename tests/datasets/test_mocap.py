"""Own motion files: the real CMU files, and `load_dataset`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_mocap
import torch

from skelgraph import datasets
from skelgraph.datasets import MocapNPZ, SyntheticMocap, load_dataset
from skelgraph.errors import DataError, SkelgraphError, TopologyError
from skelgraph.topology import as_skeleton, matching_joints

Files = dict[str, Any]


@pytest.fixture(scope="module")
def files(shared_dir: Callable[[str], Path]) -> Files:
    folder = shared_dir("data")
    return {
        "data_3d": folder / "data_3d_cmu.npz",
        "data_2d": folder / "data_2d_cmu_gt.npz",
        "cameras": folder / "cameras_cmu.json",
    }


@pytest.fixture(scope="module")
def train(files: Files) -> MocapNPZ:
    return MocapNPZ(**files, split="train")


@pytest.fixture(scope="module")
def test(files: Files) -> MocapNPZ:
    return MocapNPZ(**files, split="test")


def test_counts_of_the_real_files(train: MocapNPZ, test: MocapNPZ) -> None:
    assert (len(train), len(train.clips)) == (80692, 66 * 4)
    assert (len(test), len(test.clips)) == (10872, 6 * 4)
    assert " ".join(train.actions) == (
        "basketball basketball_signal directing_traffic jumping running soccer walking walking_extra"
    )
    assert test.actions == ("basketball", "jumping", "running", "soccer", "walking", "washwindow")
    assert (test.name, test.subjects, test.frame_rate, test.is_synthetic) == ("mocap", ("test",), 50.0, False)
    assert [clip.camera for clip in test.clips[:4]] == ["cam0", "cam1", "cam2", "cam3"]


def test_projection_gives_the_keypoints_of_the_file(files: Files, test: MocapNPZ) -> None:
    projected = MocapNPZ(files["data_3d"], None, files["cameras"], split="test")
    difference_px = (projected.keypoints_2d - test.keypoints_2d).abs().max() * 500
    assert difference_px < 0.001


def test_error_of_the_mean_pose(train: MocapNPZ, test: MocapNPZ) -> None:
    """The figure that the files come with: 215 mm over all test frames."""
    error_mm = (test.poses_3d - train.mean_pose()).norm(dim=-1).mean() * 1000
    assert abs(error_mm - 215) < 1


def test_other_subjects_and_sixteen_joints(files: Files, test: MocapNPZ) -> None:
    other = MocapNPZ(**files, split="test", subjects=["S02", "test"], downsample=5)
    assert other.subjects == ("S02", "test")
    assert other.frame_rate == 10
    less = MocapNPZ(**files, split="test", skeleton="h36m16")
    kept = [*range(9), *range(10, 17)]
    assert torch.equal(less.poses_3d, test.poses_3d[:, kept])
    assert torch.equal(less.keypoints_2d, test.keypoints_2d[:, kept])


def test_reading_takes_seconds(files: Files) -> None:
    start = time.perf_counter()
    MocapNPZ(**files, split="train")
    assert time.perf_counter() - start < 10


def test_missing_subject(files: Files, own: Files) -> None:
    with pytest.raises(DataError, match=r"data_3d_cmu\.npz: positions_3d: has no subject 'S1'; it has: .*test"):
        MocapNPZ(**files, subjects=["S1"])
    with pytest.raises(DataError, match=r"'test'; it has: train\. Name those of the split: subjects \(--test-subj"):
        load_dataset("mocap", "test", **own)
    with pytest.raises(DataError, match=r"has no subject 'S1'; it has: train\.$"):
        load_dataset("mocap", "test", **own, subjects=["S1"])
    with pytest.raises(DataError, match=r"subject 'test'\.npz: there is no such file\.$"):
        load_dataset("mocap", "test", **{**own, "data_3d": "subject 'test'.npz"})  # whose name says nothing
    with pytest.raises(SkelgraphError, match="unknown split 'val'"):
        MocapNPZ(**files, split="val")


@pytest.fixture
def own(tmp_path: Path, camera: datasets.Camera) -> Files:
    """Files of somebody's own: one subject, one camera."""
    fields = {
        "id": camera.id,
        "res_w": camera.width,
        "res_h": camera.height,
        "focal_length": camera.intrinsics[:2],
        "center": camera.intrinsics[2:4],
        "radial_distortion": camera.intrinsics[4:7],
        "tangential_distortion": camera.intrinsics[7:],
        "orientation": camera.orientation,
        "translation": camera.translation,
        "distortion": camera.distortion,
    }
    cameras = tmp_path / "cameras.json"
    cameras.write_text(json.dumps({"cameras": [fields]}))
    data_3d = tmp_path / "own_3d.npz"
    np.savez(data_3d, positions_3d={"train": {"jump": np.random.default_rng(0).normal(size=(5, 17, 3))}})  # type: ignore[arg-type]
    return {"data_3d": data_3d, "cameras": cameras}


def test_load_dataset(own: Files) -> None:
    dataset = load_dataset("mocap", "train", **own)
    assert isinstance(dataset, MocapNPZ)
    assert len(dataset) == 5
    assert dataset.clips[0].action_name == "jump"
    assert load_dataset("mocap", "train", **own, skeleton="h36m16", downsample=2).poses_3d.shape == (3, 16, 3)
    synthetic = load_dataset("synthetic", "test", downsample=50)
    assert isinstance(synthetic, SyntheticMocap)
    assert synthetic.is_synthetic
    human36m = {"train": {"jump": np.random.default_rng(0).normal(size=(5, 32, 3))}}
    path = own["data_3d"].with_name("data_3d_h36m.npz")
    np.savez(path, positions_3d={"S1": human36m["train"]})  # type: ignore[arg-type]
    assert load_dataset("human36m", "train", data_3d=path, subjects=["S1"]).name == "human36m"
    assert {"human36m", "mocap", "motion", "synthetic"} <= set(datasets.DATASETS)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mocup", {}, "unknown dataset 'mocup'; did you mean mocap"),
        ("mocap", {}, "'mocap' needs data_3d"),
        ("human36m", {}, "'human36m' needs data_3d"),
        ("mocap", {"data_3d": "a.npz"}, "'mocap' needs cameras"),
        (
            "mocap",
            {"data_3d": "a.npz", "keypoints": "cpn"},
            "'mocap' has no use for: keypoints; it takes: data_3d, cam",
        ),
        ("synthetic", {"second": 2}, "'synthetic' has no use for: second; did you mean seconds"),
        ("synthetic", {"subjects": "S1"}, r"subjects is the text 'S1'; expected a sequence of names, \['S1'\]"),
        ("synthetic", {"actions": "walk"}, "actions is the text 'walk'"),
        ("human36m", {"data_3d": "a.npz", "cameras": "c.json"}, "'human36m' has no use for: cameras"),
        ("synthetic", {"data_3d": "a.npz", "data_2d": "b.npz"}, "'synthetic' has no use for: data_3d, data_2d"),
        ("human36m", {"data_3d": "absent.npz"}, r"absent\.npz: there is no such file"),
    ],
)
def test_load_dataset_errors(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SkelgraphError, match=message):
        load_dataset(name, "train", **options)


def test_files_of_another_layout(tmp_path: Path) -> None:
    """The joints are found by what they mean; what the layout lacks is named, and other files are refused."""
    positions, keypoints = tiny_mocap.arrays()
    ids = matching_joints("h36m17", "mpi_inf_3dhp17")
    for subject in positions:
        for action in positions[subject]:
            positions[subject][action] = positions[subject][action][:, ids]
            keypoints[subject][action] = [view[:, ids] for view in keypoints[subject][action]]
    other = tiny_mocap.write(tmp_path / "other", positions, keypoints)
    plain = tiny_mocap.write(tmp_path / "plain")
    for skeleton in ("h36m17", "h36m16"):
        found = load_dataset("mocap", "test", **other, skeleton=skeleton, layout="mpi_inf_3dhp17")
        expected = load_dataset("mocap", "test", **plain, skeleton=skeleton)
        assert torch.equal(found.poses_3d, expected.poses_3d)
        assert torch.equal(found.keypoints_2d, expected.keypoints_2d)
    (tmp_path / "mine.json").write_text(json.dumps(as_skeleton("mpi_inf_3dhp17").to_dict()))
    found = load_dataset("mocap", "test", **other, layout=str(tmp_path / "mine.json"))
    assert found.skeleton == as_skeleton("h36m17")
    with pytest.raises(TopologyError, match="has no joint for hip, spine, thorax, neck_nose, head of"):
        load_dataset("mocap", "test", **other, layout="coco17")
    with pytest.raises(DataError, match="found an array of 17 joints, expected the 28 of layout mpi_inf_3dhp28"):
        load_dataset("mocap", "test", **other, layout="mpi_inf_3dhp28")
