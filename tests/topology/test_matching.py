"""Joints of a layout in another one: by what they mean, never by a name that means something else."""

from __future__ import annotations

import doctest

import pytest

from skelgraph.datasets.mpi_inf_3dhp import OFFICIAL_JOINTS
from skelgraph.errors import TopologyError
from skelgraph.topology import Skeleton, as_skeleton, list_skeletons, matching, matching_joints
from skelgraph.topology.matching import joint_meanings


def named(source: str, wanted: str) -> dict[str, str]:
    """The joint of the source for each joint that is wanted, by names."""
    there, asked = as_skeleton(source), as_skeleton(wanted)
    ids = matching_joints(source, wanted)
    return {name: there.joint_names[i] for name, i in zip(asked.joint_names, ids, strict=True)}


@pytest.mark.parametrize("wanted", ["h36m17", "h36m16"])
def test_mpi_inf_3dhp_as_the_field_prepares_it(wanted: str) -> None:
    assert matching_joints("mpi_inf_3dhp17", wanted) == OFFICIAL_JOINTS[wanted]


def test_layouts_of_one_family() -> None:
    assert named("h36m32", "h36m17") == {name: name for name in as_skeleton("h36m17").joint_names}
    assert named("mpi_inf_3dhp28", "mpi_inf_3dhp17") == {n: n for n in as_skeleton("mpi_inf_3dhp17").joint_names}
    assert matching_joints("h36m17", "h36m16") == (*range(9), *range(10, 17))
    for name in list_skeletons():
        assert matching_joints(name, name) == tuple(range(as_skeleton(name).num_joints))


def test_equal_names_of_other_joints_do_not_match() -> None:
    found = named("mpi_inf_3dhp28", "h36m17")
    assert (found["left_foot"], found["head"], found["neck_nose"]) == ("left_ankle", "head_top", "head")
    back = named("h36m17", "mpi_inf_3dhp17")
    assert (back["right_ankle"], back["head"], back["head_top"]) == ("right_foot", "neck_nose", "head")
    with pytest.raises(TopologyError, match=r"has no joint for spine, neck_nose, head of"):
        matching_joints("smpl24", "h36m17")
    with pytest.raises(TopologyError, match=r"has no joint for hip, spine, thorax, neck_nose, head of"):
        matching_joints("coco17", "h36m17")
    with pytest.raises(TopologyError, match="left_eye, right_eye"):
        matching_joints("h36m17", "coco17")


def test_other_skeletons_are_compared_by_their_names() -> None:
    body = as_skeleton("h36m17")
    order = list(reversed(range(17)))
    parents = [-1 if body.parents[i] < 0 else order.index(body.parents[i]) for i in order]
    mine = Skeleton(parents, [body.joint_names[i] for i in order], name="mine")
    assert matching_joints(mine, "h36m17") == tuple(order)
    assert matching_joints(mine, "h36m16") == tuple(i for i in order if i != 16 - 9)
    with pytest.raises(TopologyError, match="neck_nose"):
        matching_joints(Skeleton([-1, 0], ["hip", "head"]), "h36m17")


def test_every_layout_says_what_its_joints_mean() -> None:
    for name, meanings in matching.MEANINGS.items():
        joints = as_skeleton(name).joint_names
        largest = as_skeleton("h36m32").joint_names if name.startswith("h36m") else joints
        for pattern in meanings:
            assert pattern.replace("*", "left") in largest
        words = matching._meanings(as_skeleton(name))
        assert words is not None
        assert len(set(words.values())) == len(joints), "no two joints mean the same"


def star(names: str | tuple[str, ...], name: str | None = None) -> Skeleton:
    """Joints of these names that all hang from the first."""
    names = tuple(names.split()) if isinstance(names, str) else names
    return Skeleton([-1] + [0] * (len(names) - 1), names, name=name)


@pytest.mark.parametrize("layout", matching.MEANINGS)
def test_joints_of_a_layout_mean_the_same_under_another_name_and_in_another_order(layout: str) -> None:
    given = as_skeleton(layout)
    order = [*range(1, given.num_joints), 0]
    shuffled = star(tuple(given.joint_names[i] for i in order), name="mine")
    assert joint_meanings(shuffled) == tuple(joint_meanings(given)[i] for i in order)
    assert matching_joints(shuffled, given) == tuple(order.index(i) for i in range(given.num_joints))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("hip neck head LeftKnee r_ankle tail", "pelvis neck head_top left_knee right_ankle tail"),
        ("Root Thorax left_foot right_foot whisker", "pelvis neck left_ankle right_ankle whisker"),
        ("root left_ankle left_foot thorax neck", "pelvis left_ankle left_foot thorax neck"),  # each as long as free
        ("root head head_top neck_nose", "pelvis head head_top neck_nose"),
        ("root head neck_nose", "pelvis head_top head"),
        ("pelvis spine1 neck head left_foot", "pelvis spine1 neck upper_neck left_foot"),  # some of SMPL's alone
        ("hip Hip left_knee", "pelvis Hip left_knee"),  # two spellings of one name: as they are written
        ("0 1 2", "0 1 2"),
    ],
)
def test_names_of_own_joints_are_understood(names: str, expected: str) -> None:
    meant = [word.replace(" ", "_") for word in joint_meanings(star(names))]
    assert meant == expected.split()


def test_docstring_example() -> None:
    result = doctest.testmod(matching)
    assert result.attempted
    assert not result.failed
