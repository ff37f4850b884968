"""MPI-INF-3DHP: files in the three layouts in which it is published, and the numbers of the reference."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from skelgraph import as_skeleton
from skelgraph.datasets import MpiInf3DHP, load_dataset
from skelgraph.datasets.mpi_inf_3dhp import OFFICIAL_JOINTS, POSEAUG_FRAMES
from skelgraph.datasets.synthetic import BODIES, generate
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.training import DataConfig

SIZES = {subject: (1920, 1080) if subject in ("TS5", "TS6") else (2048, 2048) for subject in POSEAUG_FRAMES}
OFFICIAL_CAMERAS = [0, 1, 2, 4, 5, 6, 7, 8]


def motion(layout: str, frames: int, key: str) -> np.ndarray:
    """Somebody who walks, in the axes of a camera four metres away, ``(frames, J, 3)`` in metres; the farther to the
    right, the higher the number at the end of the key is."""
    world = generate([(BODIES["S1"], "Walking 1", key)], as_skeleton(layout), max(frames, 2))[0][:frames]
    right, forward, up = (world - torch.tensor([0.0, 0, 1])).unbind(-1)
    return torch.stack((right + 0.05 * int(key[-1]), -up, forward + 4), -1).numpy()


def pixels(positions: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    focal = 0.7 * size[1]
    return focal * positions[..., :2] / positions[..., 2:] + np.array(size) / 2


def write_graphmlp(folder: Path, frames: int = 20, extra: int = 3, cameras: int = 2) -> Path:
    """Lists over cameras; keypoints that go on for some frames and have a third channel that nobody reads."""
    positions: dict[str, Any] = {}
    keypoints: dict[str, Any] = {}
    for subject in (*(f"S{i}" for i in range(1, 9)), *SIZES):
        positions[subject], keypoints[subject] = {}, {}
        for sequence in ("Seq1",) if subject in SIZES else ("Seq1", "Seq2"):
            number = 1 if subject in SIZES else cameras
            long = [motion("h36m17", frames + extra, f"{subject}{sequence}{i}") for i in range(number)]
            seen = [pixels(pose, SIZES.get(subject, (2048, 2048))) for pose in long]
            positions[subject][sequence] = [pose[:frames].astype(np.float32) for pose in long]
            keypoints[subject][sequence] = [np.concatenate((xy, np.full_like(xy[..., :1], 7)), -1) for xy in seen]
    folder.mkdir(exist_ok=True)
    np.savez_compressed(folder / "data_3d_3dhp.npz", positions_3d=positions)  # type: ignore[arg-type]
    np.savez_compressed(folder / "data_2d_3dhp.npz", positions_2d=keypoints)  # type: ignore[arg-type]
    return folder


def poseaug_arrays() -> tuple[np.ndarray, np.ndarray]:
    poses, keypoints = [], []
    for subject, frames in POSEAUG_FRAMES.items():
        seen = motion("h36m16", frames, subject)
        width, height = SIZES[subject]
        keypoints.append(pixels(seen, SIZES[subject]) / width * 2 - [1, height / width])
        poses.append(seen - seen[:, :1])
    return np.concatenate(poses), np.concatenate(keypoints)


def write_official(folder: Path, frames: int = 30) -> Path:
    train: dict[str, Any] = {}
    for subject in range(1, 9):
        for sequence in (1, 2):
            cameras = {}
            for camera in OFFICIAL_CAMERAS:
                seen = motion("mpi_inf_3dhp17", frames, f"{subject}{sequence}{camera}")
                arrays = {"data_2d": pixels(seen, (2048, 2048)), "data_3d": 1000 * seen}
                cameras[str(camera)] = {name: array.astype(np.float32) for name, array in arrays.items()}
            train[f"S{subject} Seq{sequence}"] = [cameras, 25 if subject % 2 else 50]
    test = {}
    for i, (subject, size) in enumerate(SIZES.items()):
        seen = motion("mpi_inf_3dhp17", frames, subject)
        valid = np.arange(frames) % 3 == i % 3
        wrong = np.where(valid[:, None, None], 1000 * seen, 0)  # what is not valid is not to be looked at
        test[subject] = {"data_2d": pixels(seen, size), "data_3d": wrong, "valid": valid.astype(np.uint8)}
    folder.mkdir(exist_ok=True)
    np.savez_compressed(folder / "data_train_3dhp.npz", data=train)  # type: ignore[arg-type]
    np.savez_compressed(folder / "data_test_3dhp.npz", data=test)  # type: ignore[arg-type]
    return folder


# --- GraphMLP's files


def test_graphmlp(tmp_path: Path) -> None:
    folder = write_graphmlp(tmp_path)
    train = load_dataset("mpi_inf_3dhp", "train", data_3d=folder, variant="graphmlp")
    test = load_dataset("mpi_inf_3dhp", "test", data_3d=folder / "data_3d_3dhp.npz", variant="graphmlp")
    assert (len(train), len(train.clips), train.actions) == (8 * 2 * 2 * 20, 32, ("Seq1", "Seq2"))
    assert (len(test), test.subjects, test.actions) == (6 * 20, tuple(SIZES), ("Seq1",))
    assert (train.name, train.scenes, train.frame_rate) == ("mpi_inf_3dhp (graphmlp)", (), None)
    assert test.scenes == ("green screen", "no green screen", "outdoor")
    assert [test.scene_id[test.clip_id == i].unique().tolist() for i in range(6)] == [[0], [0], [1], [1], [2], [2]]
    assert test.protocol.auc_thresholds_mm == tuple(range(150))
    assert test.protocol.joints is None

    clip = next(clip for clip in train.clips if (clip.subject, clip.action, clip.camera) == ("S3", "Seq2", "1"))
    seen = torch.tensor(motion("h36m17", 23, "S3Seq21"))[:20]
    rows = slice(clip.start, clip.start + 20)
    torch.testing.assert_close(train.root_3d[rows].double(), seen[:, 0], atol=1e-6, rtol=0)
    torch.testing.assert_close(train.poses_3d[rows].double(), seen - seen[:, :1], atol=1e-6, rtol=0)
    torch.testing.assert_close(
        train.keypoints_2d[rows].double(),
        torch.tensor(pixels(seen.numpy(), (2048, 2048))) / 1024 - 1,
        atol=1e-6,
        rtol=0,
    )
    outdoor = test.keypoints_2d[test.clip_id == 4]
    expected = pixels(motion("h36m17", 23, "TS5Seq10")[:20], (1920, 1080)) / 960 - [1, 1080 / 1920]
    torch.testing.assert_close(outdoor.double(), torch.tensor(expected), atol=1e-6, rtol=0)
    assert test.confidence is None
    assert {(clip.intrinsics, clip.orientation) for clip in test.clips} == {(None, None)}

    less = MpiInf3DHP(folder, variant="graphmlp", split="test", skeleton="h36m16", subjects=["TS2", "S1"])
    assert torch.equal(less.poses_3d[:20], test.poses_3d[20:40][:, [*range(9), *range(10, 17)]])
    assert (less.scenes, less.scene_id) == ((), None)


# --- PoseAug's and MLP-Graph's files


@pytest.mark.parametrize("name", ["test_3dhp.npz", "3DHP_test.npz"])
def test_poseaug(tmp_path: Path, name: str) -> None:
    poses, keypoints = poseaug_arrays()
    np.savez(tmp_path / name, pose3d=poses, pose2d=keypoints)
    options: dict[str, Any] = {"variant": "poseaug", "skeleton": "h36m16"}
    test = load_dataset("mpi_inf_3dhp", "test", data_3d=tmp_path, **options)
    assert len(test) == 2929
    assert torch.equal(test.poses_3d, torch.tensor(poses).float())
    assert torch.equal(test.keypoints_2d, torch.tensor(keypoints).float())
    assert torch.bincount(test.scene_id).tolist() == [1143, 1058, 728]
    assert test.root_3d.isnan().all()
    assert [clip.width for clip in test.clips] == [2048] * 4 + [1920] * 2
    assert test.protocol.auc_thresholds_mm == tuple(range(0, 151, 5))
    outdoor = MpiInf3DHP(tmp_path / name, split="test", subjects=["TS6"], **options)
    assert torch.equal(outdoor.poses_3d, test.poses_3d[-452:])

    with pytest.raises(DataError, match="variant 'poseaug' has test frames only"):
        MpiInf3DHP(tmp_path, **options)
    with pytest.raises(DataError, match="variant 'poseaug' has the joints of h36m16; found skeleton h36m17"):
        MpiInf3DHP(tmp_path, variant="poseaug", split="test")
    np.savez(tmp_path / name, pose3d=poses[1:], pose2d=keypoints[1:])
    with pytest.raises(DataError, match=r"pose3d has 2928 frames, expected 2929, those of TS1 to TS6"):
        MpiInf3DHP(tmp_path, split="test", **options)
    np.savez(tmp_path / name, pose3d=poses, pose2d=1000 * keypoints)
    with pytest.raises(DataError, match="These keypoints look like pixels; expected normalised ones"):
        MpiInf3DHP(tmp_path, split="test", **options)
    np.savez(tmp_path / name, pose3d=1000 * poses, pose2d=keypoints)
    with pytest.raises(DataError, match="This looks like millimetres"):
        MpiInf3DHP(tmp_path, split="test", **options)


def test_poseaug_of_the_annotations_of_spin(tmp_path: Path, golden: Callable[[str], Any]) -> None:
    g = golden("protocol_3dhp")
    members = {name: g.arrays[f"in/{name}"] for name in ("imgname", "part", "S")}
    np.savez(tmp_path / "mpi_inf_3dhp_valid.npz", **members, center=np.zeros((13, 2)), scale=np.ones(13))
    names = [str(name).split("/") for name in members["imgname"]]
    subjects = [next(part for part in parts if part in SIZES) for parts in names]
    found = sorted(set(subjects))
    test = MpiInf3DHP(
        tmp_path, variant="poseaug", split="test", skeleton="h36m16", subjects=found, unchecked=True
    )  # random points are no body
    order = [i for subject in found for i, of in enumerate(subjects) if of == subject]
    assert {"TS5", "TS6"} & set(found)
    torch.testing.assert_close(test.keypoints_2d.double(), g["out/pose2d"][order], atol=1e-6, rtol=0)
    expected = g["out/pose3d"][order]
    torch.testing.assert_close(test.poses_3d.double(), expected - expected[:, :1], atol=1e-6, rtol=0)

    np.savez(tmp_path / "wrong.npz", **{**members, "imgname": np.array([*members["imgname"][:-1], "TS7/1.jpg"])})
    with pytest.raises(DataError, match=r"wrong\.npz: imgname 'TS7/1\.jpg' names no test sequence"):
        MpiInf3DHP(tmp_path / "wrong.npz", variant="poseaug", split="test", skeleton="h36m16")


# --- the official rule


def test_official_training(tmp_path: Path) -> None:
    train = load_dataset(
        "mpi_inf_3dhp", "train", data_3d=write_official(tmp_path), variant="official", skeleton="mpi_inf_3dhp17"
    )
    assert (len(train), len(train.clips)) == (8 * 2 * 8 * 30, 128)
    assert [clip.camera for clip in train.clips[:8]] == [str(camera) for camera in OFFICIAL_CAMERAS]
    seen = torch.tensor(motion("mpi_inf_3dhp17", 30, "218"))
    clip = next(clip for clip in train.clips if (clip.subject, clip.action, clip.camera) == ("S2", "Seq1", "8"))
    rows = slice(clip.start, clip.start + 30)
    torch.testing.assert_close(train.root_3d[rows].double(), seen[:, 14], atol=1e-5, rtol=0)
    torch.testing.assert_close(train.poses_3d[rows].double(), seen - seen[:, 14:15], atol=1e-5, rtol=0)
    assert train.visible_3d is None


@pytest.mark.parametrize("skeleton", ["mpi_inf_3dhp17", "h36m17", "h36m16"])
def test_official_test_frames_that_are_valid(tmp_path: Path, skeleton: str) -> None:
    test = load_dataset("mpi_inf_3dhp", "test", data_3d=write_official(tmp_path), variant="official", skeleton=skeleton)
    assert (len(test), len(test.poses_3d)) == (60, 180)
    assert test.frames[:3].tolist() == [0, 3, 6]
    assert test.visible_3d[test.frames].all()
    assert torch.bincount(test.scene_id[test.frames]).tolist() == [20, 20, 20]

    order = list(OFFICIAL_JOINTS[skeleton])
    seen = motion("mpi_inf_3dhp17", 30, "TS6")[:, order]
    expected = pixels(seen, (1920, 1080)) / 960 - [1, 1080 / 1920]
    windows = test.windows(5)[:]
    last = windows.keypoints_2d[-1].double()  # around frame 29 of TS6, valid as 29 % 3 == 5 % 3
    torch.testing.assert_close(last, torch.tensor(expected[[27, 28, 29, 29, 29]]), atol=1e-6, rtol=0)
    root = test.skeleton.root
    relative = torch.tensor(seen - seen[:, root : root + 1])
    torch.testing.assert_close(windows.poses_3d[-1].double(), relative[29], atol=1e-6, rtol=0)

    assert len(test.protocol.joints) == 14
    official = as_skeleton("mpi_inf_3dhp17").joint_names
    judged = {official[order[test.skeleton.index(joint)]] for joint in test.protocol.joints}
    assert judged == set(official) - {"pelvis", "spine", "head"}
    assert test.protocol.auc_thresholds_mm == tuple(range(0, 151, 5))


def test_orders_of_joints() -> None:
    """The layouts agree with the permutation of the files: sides, limbs and the places of neck, head and head top."""
    official = as_skeleton("mpi_inf_3dhp17").joint_names
    odd = {"hip": "pelvis", "thorax": "neck", "neck_nose": "head", "head": "head_top"}
    for name in ("h36m17", "h36m16"):
        for joint, source in zip(as_skeleton(name).joint_names, OFFICIAL_JOINTS[name], strict=True):
            assert official[source] == odd.get(joint, joint.replace("foot", "ankle"))


# --- options, damaged files


def test_the_variant_is_never_guessed(tmp_path: Path) -> None:
    write_graphmlp(tmp_path, frames=2, cameras=1)
    with pytest.raises(DataError, match="'mpi_inf_3dhp' needs variant"):
        load_dataset("mpi_inf_3dhp", "test", data_3d=tmp_path)
    with pytest.raises(SkelgraphError, match=r"variant is 'graphmpl'; expected .*did you mean 'graphmlp'"):
        load_dataset("mpi_inf_3dhp", "test", data_3d=tmp_path, variant="graphmpl")
    with pytest.raises(SkelgraphError, match="variant is 'a'; expected 'graphmlp', 'poseaug' or 'official' or none"):
        DataConfig(variant="a")
    with pytest.raises(DataError, match="'mocap' has no use for: variant"):
        load_dataset("mocap", "test", data_3d="x", cameras="y", variant="graphmlp")
    with pytest.raises(DataError, match="the folder has no file data_test_3dhp"):
        load_dataset("mpi_inf_3dhp", "test", data_3d=tmp_path, variant="official")
    with pytest.raises(DataError, match="'official' has no use for data_2d"):
        load_dataset("mpi_inf_3dhp", "test", data_3d=tmp_path, data_2d="x", variant="official")
    write_official(tmp_path, 2)
    with pytest.raises(DataError, match=r"'official' has the joints of .*; found skeleton coco17"):
        load_dataset("mpi_inf_3dhp", "test", data_3d=tmp_path, variant="official", skeleton="coco17")


def changed(folder: Path, name: str, member: str, change: Callable[[Any], Any]) -> None:
    """Rewrite a member of a file after a change."""
    with np.load(folder / name, allow_pickle=True) as file:
        value = file[member].item()
    value = change(value) or value
    np.savez_compressed(folder / name, **{member: np.array(value, dtype=object)})


def at(*keys: Any, value: Any = None) -> Callable[[Any], None]:
    """The change of one entry: another value, or none."""

    def change(nested: Any) -> None:
        for key in keys[:-1]:
            nested = nested[key]
        if value is None:
            del nested[keys[-1]]
        else:
            nested[keys[-1]] = value(nested[keys[-1]])

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("data_3d_3dhp", at("TS2"), r"data_3d_3dhp\.npz: positions_3d: has no subject 'TS2'; it has: S1"),
        ("data_2d_3dhp", at("TS2", "Seq1"), r"data_2d_3dhp\.npz: subject TS2: has no sequence 'Seq1'; it has: none"),
        (
            "data_3d_3dhp",
            at("TS2", "Seq1", value=lambda views: views[0]),
            r"'Seq1': found ndarray \(4, 17, 3\) .* list",
        ),
        (
            "data_2d_3dhp",
            at("TS2", "Seq1", value=lambda views: views * 2),
            "found keypoints of 2 cameras, expected .*1 c",
        ),
        (
            "data_2d_3dhp",
            at("TS2", "Seq1", 0, value=lambda xy: xy[:3]),
            "found 3 frames of keypoints, expected at least 4",
        ),
        ("data_3d_3dhp", at("TS2", "Seq1", 0, value=lambda xyz: 1000 * xyz), "looks like millimetres"),
        ("data_3d_3dhp", at("TS2", "Seq1", 0, value=lambda xyz: xyz[:, 1:]), "found 16 joints, expected the 17"),
        ("data_3d_3dhp", at("TS2", "Seq1", 0, value=lambda xyz: xyz * [1, -1, 1]), "These axes look like y up"),
    ],
)
def test_faults_of_graphmlp_files(tmp_path: Path, name: str, change: Callable[[Any], Any], message: str) -> None:
    folder = write_graphmlp(tmp_path, frames=4, cameras=1)
    changed(folder, f"{name}.npz", "positions_3d" if "3d_" in name else "positions_2d", change)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset("mpi_inf_3dhp", "test", data_3d=folder, variant="graphmlp")
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("split", "change", "message"),
    [
        ("train", lambda data: {"S1": data["S1 Seq1"]}, "data: has no sequence 'S2 Seq1'; it has: S1"),
        (
            "train",
            at("S3 Seq2", value=lambda pair: pair[:1]),
            "S3 Seq2: found .*expected a list of the cameras and the",
        ),
        ("train", at("S3 Seq2", 0, "4", "data_2d"), "S3 Seq2, camera 4: has no entry 'data_2d'; it has: data_3d"),
        ("train", at("S3 Seq2", 0, "4", "data_3d", value=lambda a: a[:, :16]), r"data_3d is ndarray \(4, 16, 3\)"),
        ("train", at("S3 Seq2", 0, "4", "data_3d", value=lambda a: a / 1000), "extent of 0.00"),
        (
            "test",
            at("TS4", "valid", value=lambda valid: valid[1:]),
            "TS4: valid is ndarray .*expected 0 or 1 for each of 4",
        ),
        ("test", at("TS4", "valid", value=lambda valid: valid * 2), "TS4: valid is"),
        ("test", at("TS4", "data_3d", value=lambda a: a.astype(object)), "TS4: data_3d is ndarray"),
        ("test", at("TS4"), "data: has no sequence 'TS4'"),
    ],
)
def test_faults_of_official_files(tmp_path: Path, split: str, change: Callable[[Any], Any], message: str) -> None:
    folder = write_official(tmp_path, frames=4)
    changed(folder, f"data_{split}_3dhp.npz", "data", change)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset("mpi_inf_3dhp", split, data_3d=folder, variant="official", skeleton="mpi_inf_3dhp17")
    assert str(folder) in str(caught.value)


def test_the_settings_reach_the_data(tmp_path: Path) -> None:
    config = DataConfig("mpi_inf_3dhp", data_3d=str(tmp_path), variant="graphmlp")
    assert config.sources() == {"data_3d": str(tmp_path), "data_2d": None, "variant": "graphmlp"}
    assert dataclasses.replace(config, keypoints="cpn").sources()["keypoints"] == "cpn"  # which is refused there
    assert json.dumps(dataclasses.asdict(config))
