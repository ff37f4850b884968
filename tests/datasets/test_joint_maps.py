"""Joints of motion files as joints of layouts: the known conventions and maps of users."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import motion_writers as writers
import numpy as np
import pytest
from motion_writers import write_text

from skelgraph import as_skeleton
from skelgraph.datasets import Motion, read_motion_file
from skelgraph.datasets.joint_maps import CONVENTIONS, convention_map, find_joint_map, map_joints, read_joint_map
from skelgraph.errors import DataError

H36M = as_skeleton("h36m17")


def named(*names: str) -> Motion:
    """A motion of joints of which the n-th is at (n, 10 n, 0)."""
    places = np.arange(len(names))[:, None] * [1.0, 10.0, 0.0]
    return Motion(np.stack([places, places + 1]), names, 50.0)


@pytest.mark.parametrize("known", CONVENTIONS)
def test_every_convention_is_a_whole_layout(known: str) -> None:
    layout = as_skeleton(CONVENTIONS[known].layout)
    joints = convention_map(CONVENTIONS[known])
    assert set(joints) == set(layout.joint_names)
    mirror = dict(zip(layout.joint_names, (layout.joint_names[i] for i in layout.mirror_index), strict=True))
    left, right = CONVENTIONS[known].sides
    for target, sources in joints.items():
        assert sum(sources.values()) == pytest.approx(1)
        if "left" in target:  # its mirror image is made of the mirror images
            assert {s.replace(left, right, 1) for s in sources} == set(joints[mirror[target]])
    motion = named(*dict.fromkeys(source for sources in joints.values() for source in sources))
    found = find_joint_map(motion, layout, "a")
    assert map_joints(motion, found, layout, "a").positions.shape == (2, layout.num_joints, 3)


def world(path: Path, unit: Any) -> dict[str, np.ndarray]:
    motion = read_motion_file(path).in_world(unit, "y", "a")
    mapped = map_joints(motion, find_joint_map(motion, H36M, "a"), H36M, "a")
    assert mapped.joint_names == H36M.joint_names
    return dict(zip(H36M.joint_names, mapped.positions[0], strict=True))


def stands_upright(joints: dict[str, np.ndarray]) -> None:
    """A person in a T-pose who looks along -y: z up, left at +x, metres."""
    for side, sign in (("left", 1), ("right", -1)):
        leg, arm = (
            [joints[f"{side}_{part}"] for part in parts.split()] for parts in ("hip knee foot", "shoulder elbow wrist")
        )
        assert [point[2] for point in leg] == sorted((point[2] for point in leg), reverse=True)
        assert all(0.3 < np.linalg.norm(b - a) < 0.5 for a, b in itertools.pairwise(leg))
        assert all(0.2 < sign * (b - a)[0] < 0.35 for a, b in itertools.pairwise(arm))
        assert sign * joints[f"{side}_hip"][0] > 0.05
    spine = [joints[name][2] for name in ("hip", "spine", "thorax", "neck_nose", "head")]
    assert spine == sorted(spine)
    assert 0.5 < spine[-1] - spine[0] < 0.9
    np.testing.assert_allclose(joints["hip"], (joints["left_hip"] + joints["right_hip"]) / 2)


def test_lafan_stands_upright(tmp_path: Path) -> None:
    frames = writers.bvh_motion(writers.LAFAN, 1, 0) * 0
    joints = world(write_text(tmp_path / "a.bvh", writers.bvh_text(writers.LAFAN, frames)), "cm")
    stands_upright(joints)
    np.testing.assert_allclose(joints["head"], [0, -0.01, 0.79], atol=1e-9)  # the end of Head, y forward in the file


def test_the_cmu_stands_upright(tmp_path: Path) -> None:
    still = [{name: [0.0] * len(values) for name, values in writers.amc_motion(writers.CMU, 1, 0)[0].items()}]
    write_text(tmp_path / "02.asf", writers.asf_text(writers.CMU))
    joints = world(write_text(tmp_path / "02_01.amc", writers.amc_text(still)), "inch")
    stands_upright(joints)
    assert joints["left_knee"][2] - joints["left_foot"][2] == pytest.approx(7.2 * 0.9397 * 0.0254 / 0.45)


def test_own_names_come_first() -> None:
    motion = named(*reversed(H36M.joint_names), "LeftArm", "extra")
    mapped = map_joints(motion, find_joint_map(motion, H36M, "a"), H36M, "a")
    np.testing.assert_array_equal(mapped.positions[0, :, 0], np.arange(17)[::-1])
    assert mapped.parents == H36M.parents
    fewer = as_skeleton("h36m16")
    assert map_joints(motion, find_joint_map(motion, fewer, "a"), fewer, "a").positions.shape == (2, 16, 3)


def test_sixteen_joints_need_sixteen() -> None:
    motion = named(*[j.name for j in writers.LAFAN if j.name != "Head"], "Head_end")
    with pytest.raises(
        DataError, match=r"skeleton h36m17 are not found by their names: of the names of MotionBuilder it lacks Head;"
    ):
        find_joint_map(motion, H36M, "a")
    assert "head" in find_joint_map(motion, as_skeleton("h36m16"), "a")  # it has no neck/nose, which Head is
    with pytest.raises(DataError, match=r"Expected skeleton h36m16 \(--skeleton\), whose joints it has, a joint_map"):
        find_joint_map(motion, H36M, "a")
    lifted = named(*as_skeleton("h36m16").joint_names)  # files of `skelgraph lift` have the names of its network
    with pytest.raises(DataError, match=r"Expected skeleton h36m16 \(--skeleton\), whose joints it has, a joint_map"):
        find_joint_map(lifted, H36M, "a")


def test_names_that_nobody_knows() -> None:
    with pytest.raises(
        DataError,
        match=r"joints of skeleton coco17 are .*no names are known for its joints; it has x, y\. Expected a joint_map",
    ):
        find_joint_map(named("x", "y"), as_skeleton("coco17"), "a")


def write_map(tmp_path: Path, document: Any) -> Path:
    path = tmp_path / "map.json"
    path.write_text(json.dumps(document))
    return path


def test_a_map_of_the_user(tmp_path: Path) -> None:
    skeleton = as_skeleton({"parents": [-1, 0], "joint_names": ["root", "tip"], "name": "stick"})
    found = read_joint_map(write_map(tmp_path, {"root": {"a": 0.25, "c": 0.75, "b": 0}, "tip": "c", "more": "z"}))
    motion = named("a", "b", "c")
    motion.positions[1, 1] = np.nan  # of no weight
    mapped = map_joints(motion, found, skeleton, "a")
    np.testing.assert_allclose(mapped.positions[:, :, 1], [[15, 20], [16, 21]])
    motion.positions[1, 0] = np.nan
    assert map_joints(motion, found, skeleton, "a").visible.tolist() == [[True, True], [False, True]]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], r"map\.json: found \[\], expected an object of joints"),
        ({"root": 3}, "joint 'root' is 3; expected the name of a joint"),
        ({"root": {"a": 0.5, "b": 0.4}}, "weights from 0 to 1 that sum to 1"),
        ({"root": {"a": 2, "b": -1}}, "weights from 0 to 1 that sum to 1"),
        ({"root": {"a": "1"}}, "weights from 0 to 1 that sum to 1"),
        ({"root": {"a": True}}, "weights from 0 to 1 that sum to 1"),
        ({"root": {}}, "weights from 0 to 1 that sum to 1"),
        ({"root": "a"}, "a.bvh: the joint map has no 'tip', a joint of skeleton stick; it has root"),
        ({"root": "x", "tip": "b"}, "a.bvh: has no joint 'x', of which 'root' is made; it has a, b, b"),
        ({"root": "a", "tip": "b"}, "a.bvh: has 2 joints of the name 'b', of which 'tip' is made"),
    ],
)
def test_bad_maps(tmp_path: Path, document: Any, message: str) -> None:
    skeleton = as_skeleton({"parents": [-1, 0], "joint_names": ["root", "tip"], "name": "stick"})
    with pytest.raises(DataError, match=message):
        map_joints(named("a", "b", "b"), read_joint_map(write_map(tmp_path, document)), skeleton, "a.bvh")
