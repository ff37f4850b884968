"""Motion that is written: read back by our readers and by those of other programs."""

from __future__ import annotations

import json
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import tiny_mocap

from skelgraph import as_skeleton
from skelgraph.datasets import Motion, read_motion_file, write_motion
from skelgraph.errors import DataError, SkelgraphError

H36M = as_skeleton("h36m17")


def rigid(positions: np.ndarray, parents: tuple[int, ...]) -> np.ndarray:
    """Positions whose bones keep the lengths of the first frame, with free directions."""
    result = positions.copy()
    for joint, parent in enumerate(parents):  # parents come first in the layouts used here
        if parent != -1:
            bone = positions[:, joint] - positions[:, parent]
            length = np.linalg.norm(bone[0])
            result[:, joint] = result[:, parent] + bone / np.linalg.norm(bone, axis=-1, keepdims=True) * length
    return result


@pytest.fixture
def motion() -> Motion:
    """Nobody's regular walk: every bone on its own, far from the origin, z up, metres."""
    rng = np.random.default_rng(3)
    steps = np.cumsum(rng.normal(scale=0.05, size=(40, 17, 3)), 0)
    positions = rigid(tiny_mocap.motion(40, 0) + steps + [3.0, -2.0, 0.5], H36M.parents)
    return Motion(positions, H36M.joint_names, 29.97, unit=1.0, up="z", parents=H36M.parents)


def back(path: Path, motion: Motion) -> Motion:
    write_motion(path, motion)
    return read_motion_file(path)


def y_up(positions: np.ndarray) -> np.ndarray:
    return np.stack([positions[..., 0], positions[..., 2], -positions[..., 1]], -1)


def seen(motion: Motion) -> Motion:
    """With two gaps."""
    positions = motion.positions.copy()
    positions[3, 5] = np.nan
    positions[0, 0] = np.nan
    return replace(motion, positions=positions)


@pytest.mark.parametrize("end", [".npz", ".json"])
@pytest.mark.parametrize("bare", [False, True])
def test_own_files_lose_nothing(tmp_path: Path, motion: Motion, end: str, bare: bool) -> None:
    motion = seen(motion)
    if bare:
        motion = Motion(motion.positions, motion.joint_names, None)
    result = back(tmp_path / f"a{end}", motion)
    for field in fields(Motion):
        np.testing.assert_equal(getattr(result, field.name), getattr(motion, field.name), field.name)
    assert result.unit == motion.unit
    assert result.up == motion.up


def test_own_files_without_this_library(tmp_path: Path, motion: Motion) -> None:
    motion = seen(motion)
    write_motion(tmp_path / "a.npz", motion)
    write_motion(tmp_path / "a.json", motion)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["positions"], motion.positions)
        assert arrays["joint_names"].tolist() == list(motion.joint_names)
        assert (arrays["frame_rate"], arrays["unit"], arrays["up"]) == (29.97, 1.0, "z")
        assert tuple(arrays["parents"]) == motion.parents
    document = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    assert document["positions"][0][0] is None
    assert document["positions"][39][16] == motion.positions[39, 16].tolist()


def test_trc(tmp_path: Path, motion: Motion) -> None:
    motion = seen(motion)
    for unit, scale in ((0.001, 1.0), (0.0254, 0.0254)):  # TRC has no word of inches: metres
        result = back(tmp_path / "a.trc", replace(motion, unit=unit))
        np.testing.assert_allclose(result.positions, y_up(motion.positions) * scale, atol=1e-6)
        assert result.unit == (unit if unit == 0.001 else 1.0)
        assert result.joint_names == motion.joint_names
        assert result.frame_rate == pytest.approx(29.97)


@pytest.mark.parametrize("end", [".npz", ".json", ".trc", ".c3d"])
@pytest.mark.parametrize("first", [0, 167, 70000])
def test_a_stretch_says_where_it_begins_in_the_video(tmp_path: Path, motion: Motion, end: str, first: int) -> None:
    if end == ".c3d":
        pytest.importorskip("ezc3d")
    result = back(tmp_path / f"a{end}", replace(motion, first_frame=first))
    assert result.first_frame == first
    slower = result.at_rate(29.97 / 2, "a")
    assert (slower.first_frame, len(slower.positions)) == (round(first / 2), 20)


def test_other_programs_see_the_time_of_the_video(tmp_path: Path, motion: Motion) -> None:
    trc, ezc3d = pytest.importorskip("trc"), pytest.importorskip("ezc3d")
    late = replace(motion, first_frame=167)
    write_motion(tmp_path / "a.trc", late)
    data = trc.TRCData()
    data.load(str(tmp_path / "a.trc"))
    assert data["OrigDataStartFrame"] == 168
    np.testing.assert_allclose(data["Time"], np.arange(167, 207) / 29.97, atol=1e-6)
    write_motion(tmp_path / "a.c3d", late)
    points = ezc3d.c3d(str(tmp_path / "a.c3d"))["header"]["points"]
    assert (points["first_frame"], points["last_frame"]) == (167, 206)


def test_trc_counts_from_the_time_whatever_its_first_number_is(tmp_path: Path, motion: Motion) -> None:
    """Pose2Sim numbers frames from 0, others from 1, some cut a file and keep its numbers."""
    path = tmp_path / "a.trc"
    write_motion(path, replace(motion, first_frame=3))
    text = path.read_text()
    path.write_text(text.replace("\n4\t", "\n0\t", 1))
    assert read_motion_file(path).first_frame == 3
    path.write_text(text.replace("\n4\t", "\n4\t-", 1))  # before a trigger
    assert read_motion_file(path).first_frame == -3
    path.write_text(text.replace("\n4\t0", "\n4\tnoon ", 1))
    with pytest.raises(DataError, match="line 7: found 'noon"):
        read_motion_file(path)


def test_trc_by_another_reader(tmp_path: Path, motion: Motion) -> None:
    trc = pytest.importorskip("trc")
    write_motion(tmp_path / "a.trc", motion)
    data = trc.TRCData()
    data.load(str(tmp_path / "a.trc"))
    assert data["Markers"] == list(motion.joint_names)
    np.testing.assert_allclose(data["right_foot"], y_up(motion.positions[:, 3]), atol=1e-6)


def test_c3d_by_ezc3d_and_by_us(tmp_path: Path, motion: Motion) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    motion = seen(motion)
    result = back(tmp_path / "a.c3d", motion)
    np.testing.assert_allclose(result.positions, motion.positions * 1000, atol=0.01)
    assert (result.unit, result.up, result.joint_names) == (0.001, "z", motion.joint_names)
    assert result.frame_rate == pytest.approx(29.97, rel=1e-6)
    theirs = ezc3d.c3d(str(tmp_path / "a.c3d"))
    points = theirs["data"]["points"][:3].transpose(2, 1, 0)
    np.testing.assert_array_equal(np.isfinite(points).all(-1), motion.visible)
    np.testing.assert_allclose(points[motion.visible], motion.positions[motion.visible] * 1000, atol=0.01)
    assert theirs["parameters"]["POINT"]["LABELS"]["value"] == list(motion.joint_names)


def of_joints(motion: Motion, names: tuple[str, ...]) -> np.ndarray:
    return motion.positions[:, [motion.joint_names.index(name) for name in names]]


def test_bvh_of_rigid_bones(tmp_path: Path, motion: Motion) -> None:
    result = back(tmp_path / "a.bvh", motion)
    error = np.linalg.norm(of_joints(result, motion.joint_names) - y_up(motion.positions) * 100, axis=-1) * 10
    assert error.max() < 1, f"{error.max()} mm"
    assert result.frame_rate == pytest.approx(29.97)
    assert "hip_to_spine" in result.joint_names  # the bones of this hip do not move with each other


def test_bvh_of_a_body_needs_no_joints_in_between(tmp_path: Path) -> None:
    """Bones that move rigidly with each other hang on one joint, half a turn included."""
    parents, names = (-1, 0, 0, 0, 1), ("a", "b", "c", "d", "e")
    body = np.array([[0, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 2.0], [0, 2, 0]])
    angle = np.radians([0, 90, 179, 180, 181, 360])
    turn = np.stack([[np.cos(angle), -np.sin(angle), 0 * angle], [np.sin(angle), np.cos(angle), 0 * angle]])
    turn = np.concatenate([turn, np.stack([[0 * angle, 0 * angle, 0 * angle + 1]])]).transpose(2, 0, 1)
    positions = np.einsum("tij,kj->tki", turn, body) + np.array([5, 6, 7])
    positions[3, 4] = positions[3, 1] + positions[3, 0] - positions[3, 1]  # folded back to where it came from
    result = back(tmp_path / "a.bvh", Motion(positions, names, 50.0, unit=0.01, up="y", parents=parents))
    assert result.joint_names == ("a", "b", "e", "e_end", "c", "c_end", "d", "d_end")
    np.testing.assert_allclose(of_joints(result, names), positions, atol=1e-4)


def test_bvh_of_bones_of_changing_length_keeps_their_mean(tmp_path: Path) -> None:
    positions = np.zeros((2, 2, 3))
    positions[:, 1, 0] = [1, 3]
    result = back(tmp_path / "a.bvh", Motion(positions, ("a b", "c"), 10.0, unit=0.01, up="y", parents=(-1, 0)))
    assert result.joint_names[:2] == ("a_b", "c")
    np.testing.assert_allclose(result.positions[:, 1], [[2, 0, 0], [2, 0, 0]], atol=1e-5)


def test_bvh_by_another_reader(tmp_path: Path, motion: Motion) -> None:
    pybvh = pytest.importorskip("pybvh")
    write_motion(tmp_path / "a.bvh", motion)
    theirs = pybvh.read_bvh_file(str(tmp_path / "a.bvh"))
    assert theirs.frame_count == len(motion.positions)
    nodes = [node.name for node in theirs.nodes]
    positions = np.asarray(theirs.node_positions())
    chosen = positions[:, [nodes.index(name) for name in motion.joint_names]]
    error = np.linalg.norm(chosen - y_up(motion.positions) * 100, axis=-1) * 10
    assert error.max() < 1, f"{error.max()} mm"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("a.fbx", {}, "ends in .npz, .json"),
        ("a.bvh", {"parents": None}, "bones with one root"),
        ("a.bvh", {"parents": (-1, -1, *H36M.parents[2:])}, "one root"),
        ("a.bvh", {"unit": None}, "unit of length"),
        ("a.bvh", {"up": None}, "points up"),
        ("a.bvh", {"frame_rate": None}, "frame rate"),
        ("a.trc", {"frame_rate": None}, "frame rate"),
        ("a.trc", {"up": None}, "points up"),
        ("a.c3d", {"unit": None}, "unit"),
        ("a.c3d", {"first_frame": -3}, "first_frame is -3; C3D counts"),
        ("a.json", {"joint_names": ("x",) * 17}, "different"),
        ("a.trc", {"joint_names": ("x\ty", *H36M.joint_names[1:])}, "printable"),
        ("a.npz", {"positions": np.full((1, 17, 3), np.inf)}, "finite"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, motion: Motion, name: str, change: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_motion(tmp_path / name, replace(motion, **change))
    assert not list(tmp_path.iterdir())


def test_bvh_has_no_gaps(tmp_path: Path, motion: Motion) -> None:
    with pytest.raises(DataError, match=r"hip is not known in frame 0, and BVH has no gaps"):
        write_motion(tmp_path / "a.bvh", seen(motion))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"positions": [[', '"positions": [[[1, 2], ', "no table|positions are"),
        ('"unit": 1.0', '"unit": "cm"', "unit is 'cm'"),
        ('"unit": 1.0', '"unit": -1', "unit is -1"),
        ('"up": "z"', '"up": "x"', "up is 'x'"),
        ('"up": "z"', '"up": "z", "first_frame": 1.5', "first_frame is 1.5"),
        ('"up": "z"', '"up": "z", "first_frame": true', "first_frame is True"),
        ('"up": "z"', f'"up": "z", "first_frame": {10**400}', r"first_frame is 2\*\*1328"),
        ('"parents": [-1, 0', '"parents": [-1, 99', "parents are"),
        ('"joint_names": ["hip"', '"joint_names": [7', "joint_names are"),
        ('"positions": [[[', '"positions": [[[1e999, 0, ', "no table|positions are"),
        ('"positions": ', '"other": ', "expected an object"),
    ],
)
def test_damaged_json(tmp_path: Path, motion: Motion, old: str, new: str, message: str) -> None:
    path = tmp_path / "a.json"
    write_motion(path, motion)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SkelgraphError, match=message):
        read_motion_file(path)


def test_damaged_npz(tmp_path: Path, motion: Motion) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, positions=motion.positions)
    with pytest.raises(DataError, match="joint_names"):
        read_motion_file(path)
    np.savez(path, positions=motion.positions[0], joint_names=np.array(motion.joint_names))
    with pytest.raises(DataError, match="positions are"):
        read_motion_file(path)
    write_motion(path, motion)
    assert zipfile.ZipFile(path).namelist()[0] == "positions.npy"
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DataError, match="part of one"):
        read_motion_file(path)
