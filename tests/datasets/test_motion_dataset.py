"""Own motion as a data set: folders, subjects, cameras, what is not known; and trained on from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import motion_writers as writers
import numpy as np
import pytest
import tiny_mocap
import torch
from motion_writers import write_text

from skelgraph.__main__ import main
from skelgraph.datasets import MotionFiles, load_dataset, read_motion_file
from skelgraph.datasets.joint_maps import find_joint_map, map_joints
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.geometry import camera_to_world, project
from skelgraph.topology import as_skeleton

LAFAN = writers.LAFAN
H36M = as_skeleton("h36m17")


def write_bvh(path: Path, seed: int, length: int = 31, **options: Any) -> Path:
    return write_text(path, writers.bvh_text(LAFAN, writers.bvh_motion(LAFAN, length, seed), **options))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two subjects in sub-folders of two, one beside them, and files that are no motion."""
    top = tmp_path / "lab"
    write_bvh(top / "studio" / "ann" / "walk 1.bvh", 1)
    write_bvh(top / "studio" / "ann" / "walk 2.BVH", 2, length=20)
    write_bvh(top / "studio" / "bob" / "jump.bvh", 3, length=25)
    write_bvh(top / "eve.bvh", 4)
    write_text(top / "readme.txt", "notes")
    write_text(top / "studio" / "ann" / "._walk 1.bvh", "\0\5\x16\7")  # of macOS
    return top


def load(path: Path, *subjects: str, **options: Any) -> Any:
    return load_dataset(
        "motion", "train", data_3d=path, subjects=subjects or None, **{"unit": "cm", "up": "y"} | options
    )


def world_of(path: Path) -> np.ndarray:
    motion = read_motion_file(path).in_world("cm", "y", "a")
    return map_joints(motion, find_joint_map(motion, H36M, "a"), H36M, "a").positions


def test_a_folder(folder: Path) -> None:
    dataset = load(folder, "studio/ann", "eve")
    assert isinstance(dataset, MotionFiles)
    assert (dataset.name, dataset.subjects, dataset.actions) == ("motion", ("studio/ann", "eve"), ("eve", "walk"))
    assert dataset.frame_rate == pytest.approx(30, rel=1e-4)
    assert [(clip.action, clip.camera, clip.length) for clip in dataset.clips[:5]] == [
        *(("walk 1", f"virtual{i}", 31) for i in range(4)),
        ("walk 2", "virtual0", 20),
    ]
    assert len(dataset) == 4 * (31 + 20 + 31)
    # what was filmed is what the file holds, in metres and z up
    world = world_of(folder / "studio" / "ann" / "walk 1.bvh")
    assert 0.5 < np.median(world[:, H36M.index("head"), 2]) - np.median(world[:, H36M.index("left_foot"), 2]) < 1.8
    for clip in dataset.clips[:4]:
        rows = slice(clip.start, clip.start + clip.length)
        camera = (dataset.poses_3d[rows] + dataset.root_3d[rows, None]).double()
        orientation, translation, intrinsics = (
            torch.tensor(v, dtype=torch.float64) for v in (clip.orientation, clip.translation, clip.intrinsics)
        )
        np.testing.assert_allclose(camera_to_world(camera, orientation, translation), world, atol=1e-6)
        pixels = project(camera, intrinsics, "none") / 500 - 1
        torch.testing.assert_close(pixels, dataset.keypoints_2d[rows].double(), atol=1e-5, rtol=0)
        assert pixels.abs().max() <= 0.9 + 1e-6


def test_subjects(folder: Path, tmp_path: Path) -> None:
    assert load(folder, "studio").subjects == ("studio/ann", "studio/bob")
    assert load(folder / "studio", "bob").subjects == ("bob",)
    assert load(folder / "eve.bvh", "eve").actions == ("eve",)
    assert load(folder, "studio", actions=["jump"]).subjects == ("studio/bob",)
    with pytest.raises(DataError, match=r"has no subject 'train'; it has: eve, studio/ann, studio/bob"):
        load(folder)
    with pytest.raises(DataError, match="has no subject 'stud'"):
        load(folder, "stud")
    for split in ("train", "test"):
        write_bvh(tmp_path / "split" / split / "a" / "x.bvh", 1)
        assert load_dataset("motion", split, data_3d=tmp_path / "split", unit="cm", up="y").subjects == (f"{split}/a",)
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        DataError, match=r"has no motion files; expected names that end in \.bvh, \.amc, \.npz, \.c3d, \.trc"
    ):
        load(tmp_path / "empty", "a")


def test_units_are_asked_for_and_checked(folder: Path) -> None:
    with pytest.raises(DataError, match=r"walk 1\.bvh: does not say its unit of length"):
        load(folder, "studio/ann", unit=None)
    with pytest.raises(DataError, match=r"walk 1\.bvh: does not say which axis points up"):
        load(folder, "studio/ann", up=None)
    with pytest.raises(DataError, match=r"looks like centimetres \(a body of 1\.\d+ m; divide by 100\)"):
        load(folder, "studio/ann", unit="m")
    with pytest.raises(
        SkelgraphError, match="unit is 'km'; expected 'm', 'cm', 'mm' or 'inch', a number above 0 or none"
    ):
        load(folder, "studio/ann", unit="km")
    same = load(folder, "studio/ann", unit=0.01)
    torch.testing.assert_close(same.poses_3d, load(folder, "studio/ann").poses_3d)


def test_virtual_cameras_and_real_ones(folder: Path, tmp_path: Path) -> None:
    two = load(folder, "eve", virtual_cameras=2, camera_seed=5)
    assert [clip.camera for clip in two.clips] == ["virtual0", "virtual1"]
    assert torch.equal(two.keypoints_2d, load(folder, "eve", virtual_cameras=2, camera_seed=5).keypoints_2d)
    assert not torch.equal(two.keypoints_2d, load(folder, "eve", virtual_cameras=2).keypoints_2d)
    far = load(folder, "eve", camera_distance=12.0, camera_elevation=0.0, camera_focal=2000.0)
    assert far.root_3d[:, 2].mean() == pytest.approx(12, abs=0.5)
    assert far.clips[0].intrinsics[:2] == (2000.0, 2000.0)
    with pytest.raises(DataError, match=r"eve\.bvh: not every joint is in view of cameras at a distance of 1 m"):
        load(folder, "eve", camera_distance=1.0)

    cameras = tmp_path / "cameras.json"
    cameras.write_text(json.dumps({"cameras": tiny_mocap.CAMERAS}))
    real = load(folder, "studio", cameras=cameras)
    assert [clip.camera for clip in real.clips] == ["cam0", "cam1"] * 3
    assert real.clips[0].distortion == "opencv"
    with pytest.raises(DataError, match="virtual_cameras is 3, but cameras are given"):
        load(folder, "eve", cameras=cameras, virtual_cameras=3)


def test_gaps_are_not_known(tmp_path: Path) -> None:
    names = list(H36M.joint_names)
    positions = tiny_mocap.motion(40, 0).astype(np.float64) * 1000
    positions[3, 5] = positions[7, 0] = np.nan
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.c3d").write_bytes(writers.c3d_bytes(names, positions, 100, up="+Z"))
    write_text(tmp_path / "train" / "b.trc", writers.trc_text(names, positions, 100))
    dataset = load_dataset("motion", "train", data_3d=tmp_path, up="z", virtual_cameras=1)
    expected = np.ones((40, 17), bool)
    expected[3, 5] = expected[7] = False  # without its root, no pose is known
    np.testing.assert_array_equal(dataset.visible_3d, np.concatenate([expected, expected]))
    assert dataset.confidence is not None
    assert (dataset.confidence[3, 5], dataset.confidence[3, 4]) == (0, 1)
    lengths = [
        (dataset.poses_3d[rows, 1] - dataset.poses_3d[rows, 2]).norm(dim=-1) for rows in (slice(40), slice(40, 80))
    ]
    torch.testing.assert_close(*lengths, atol=1e-5, rtol=0)  # they are seen from other sides


def test_frame_rates_of_a_folder(folder: Path) -> None:
    write_bvh(folder / "studio" / "zoe" / "run.bvh", 9, length=41, frame_time="0.016667")
    with pytest.raises(
        DataError,
        match=r"run\.bvh: has 59\.99.* frames a second, .*walk 1\.bvh has 30\.0.*; expected one rate, or frame_rate",
    ):
        load(folder, "studio")
    same = load(folder, "studio", frame_rate=30.0)
    assert [clip.length for clip in same.clips[::4]] == [31, 20, 25, 21]
    assert same.frame_rate == 30
    fast = load(folder, "studio", frame_rate=60.0, downsample=2)
    assert [clip.length for clip in fast.clips[::4]] == [31, 20, 25, 21]
    assert fast.frame_rate == 30


def test_the_cmu_as_it_comes(tmp_path: Path) -> None:
    """One folder for each subject with its skeleton: no unit, no axis, no frame rate in the files."""
    for subject, size in (("02", 1.0), ("35", 0.9)):
        bones = [bone._replace(length=bone.length * size) for bone in writers.CMU]
        write_text(tmp_path / subject / f"{subject}.asf", writers.asf_text(bones))
        for trial in ("01", "02"):
            frames = writers.amc_motion(bones, 25, int(subject + trial))
            write_text(tmp_path / subject / f"{subject}_{trial}.amc", writers.amc_text(frames))
    options = {"unit": "inch", "up": "y", "frame_rate": 120.0, "skeleton": "h36m16"}
    dataset = load(tmp_path, "35", "02", downsample=2, **options)
    assert dataset.subjects == ("35", "02")
    assert dataset.frame_rate == 60
    thigh = (dataset.poses_3d[:, 1] - dataset.poses_3d[:, 2]).norm(dim=-1).reshape(2, -1)
    expected = 7.4 * np.linalg.norm([0.342, 0.9397]) * 0.0254 / 0.45
    torch.testing.assert_close(thigh, torch.tensor([[0.9], [1.0]]).expand_as(thigh) * expected, atol=1e-5, rtol=0)
    with pytest.raises(DataError, match=r"02_01\.amc: does not say its frame rate"):
        load(tmp_path, "02", **options | {"frame_rate": None})


def test_amass_as_it_comes(tmp_path: Path) -> None:
    """Subjects in folders of data sets, and a file of the subject's body beside its motion."""
    (tmp_path / "smplh" / "female").mkdir(parents=True)
    np.savez(tmp_path / "smplh" / "female" / "model.npz", **writers.smplh_model(num_vertices=6890))
    for name, seed in (("KIT/3", 1), ("KIT/4", 2), ("CMU/01", 3)):
        (tmp_path / "amass" / name).mkdir(parents=True)
        np.savez(tmp_path / "amass" / name / "walk_poses.npz", **writers.amass_arrays(30, seed))
        np.savez(tmp_path / "amass" / name / "shape.npz", betas=np.zeros(16), gender="female")
    options = {"unit": None, "up": None, "smpl": tmp_path / "smplh", "unchecked": True}
    dataset = load(tmp_path / "amass", "KIT", **options)
    assert dataset.subjects == ("KIT/3", "KIT/4")
    assert (dataset.frame_rate, dataset.poses_3d.shape[1:]) == (120, (17, 3))
    assert load(tmp_path / "amass", "CMU", skeleton="smpl24", **options).poses_3d.shape[1:] == (24, 3)
    with pytest.raises(DataError, match=r"expected smpl \(--smpl\)"):
        load(tmp_path / "amass", "KIT", **options | {"smpl": None})


def test_own_joints(folder: Path, tmp_path: Path) -> None:
    own = read_motion_file(folder / "eve.bvh").skeleton("lab")
    dataset = load(folder, "studio", skeleton=own)
    assert dataset.poses_3d.shape[1:] == (27, 3)
    arm = as_skeleton({"parents": [-1, 0, 1], "joint_names": ["a", "b", "c"], "symmetric_pairs": []})
    joint_map = tmp_path / "arm.json"
    joint_map.write_text(json.dumps({"a": "LeftArm", "b": {"LeftForeArm": 0.5, "LeftHand": 0.5}, "c": "LeftHand_end"}))
    assert load(folder, "studio", skeleton=arm, joint_map=joint_map).poses_3d.shape[1:] == (3, 3)
    with pytest.raises(
        DataError, match=r"walk 1\.bvh: the joints of skeleton without a name are not found by their names"
    ):
        load(folder, "studio", skeleton=arm)


def test_a_damaged_file_is_named(folder: Path) -> None:
    path = folder / "studio" / "bob" / "jump.bvh"
    path.write_text(path.read_text()[:-300])
    with pytest.raises(DataError, match=r"jump\.bvh: .*(is it a part of a file|no table of numbers)"):
        load(folder, "studio")


COMMAND = ["train", "--dataset", "motion", "--unit", "cm", "--up", "y"]
COMMAND += ["--max-epochs", "2", "--batch-size", "32", "--device", "cpu", "--no-progress"]


@pytest.mark.slow
@pytest.mark.parametrize("skeleton", ["h36m17", "own"])
def test_training_from_the_command_line(
    folder: Path, tmp_path: Path, skeleton: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "eve.bvh" if skeleton == "own" else None
    options = ["--data-3d", str(folder), "--train-subjects", "studio", "--test-subjects", "eve"]
    options += ["--virtual-cameras", "2", "--skeleton", str(path or skeleton), "--data-option", "camera_seed=3"]
    assert main([*COMMAND, *options, "--out", str(tmp_path / "run")]) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["epochs"] == 2
    assert metrics["dataset"]["subjects"] == ["eve"]
    assert metrics["dataset"]["frames"] == 62
    assert np.isfinite(metrics["mpjpe_mm"])
    settings = json.loads((tmp_path / "run" / "config.json").read_text())["config"]["data"]
    assert (settings["unit"], settings["up"], settings["virtual_cameras"]) == ("cm", "y", 2)
    if skeleton == "own":
        assert "does not say what is left" in " ".join(capsys.readouterr().out.split())
    # the checkpoint knows its data
    checkpoint = str(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert main(["evaluate", "--checkpoint", checkpoint, "--out", str(tmp_path / "judged"), "--device", "cpu"]) == 0
    assert json.loads((tmp_path / "judged" / "metrics.json").read_text())["mpjpe_mm"] == pytest.approx(
        metrics["mpjpe_mm"]
    )


def test_the_command_line_says_what_is_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    options = ["--data-3d", str(folder), "--train-subjects", "studio", "--test-subjects", "eve", "--unit", "none"]
    assert main([*COMMAND, *options]) == 2
    assert "does not say its unit of length; expected unit (--unit)" in " ".join(capsys.readouterr().err.split())
