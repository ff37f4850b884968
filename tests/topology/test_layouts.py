"""The named layouts against facts written down a second time, as numbers, from their sources."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bodies import BODIES

from skelgraph.errors import SkelgraphError, TopologyError
from skelgraph.topology import Skeleton, as_skeleton, layouts, list_skeletons, register_skeleton

SIZES = {
    "blazepose33": 33,
    "body25": 25,
    "body25b": 25,
    "cmu_bvh": 31,
    "coco17": 17,
    "coco_wholebody_body23": 23,
    "h36m16": 16,
    "h36m17": 17,
    "h36m32": 32,
    "halpe26": 26,
    "hand21": 21,
    "mpi_inf_3dhp17": 17,
    "mpi_inf_3dhp28": 28,
    "mpii16": 16,
    "ntu25": 25,
    "openpose_coco18": 18,
    "smpl24": 24,
}

H36M17_OF_32 = [j for j in range(32) if j not in {4, 5, 9, 10, 11, 16, *range(20, 25), *range(28, 32)}]

# Parents as published, counted from 0, -1 for the root.
PARENTS = {
    "h36m17": [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15],
    "h36m16": [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 8, 10, 11, 8, 13, 14],
    "h36m32": [
        *(-1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 13, 14),
        *(12, 16, 17, 18, 19, 20, 19, 22, 12, 24, 25, 26, 27, 28, 27, 30),
    ],
    "mpi_inf_3dhp17": [1, 15, 1, 2, 3, 1, 5, 6, 14, 8, 9, 14, 11, 12, -1, 14, 1],
    "mpi_inf_3dhp28": [
        *(2, 0, 3, 4, -1, 1, 5, 6, 5, 8, 9, 10, 11, 5),
        *(13, 14, 15, 16, 4, 18, 19, 20, 21, 4, 23, 24, 25, 26),
    ],
    "smpl24": [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21],
    "mpii16": [1, 2, 6, 6, 3, 4, -1, 6, 7, 8, 11, 12, 7, 7, 13, 14],
    "cmu_bvh": [
        *(-1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 13, 14, 15),
        *(13, 17, 18, 19, 20, 21, 20, 13, 24, 25, 26, 27, 28, 27),
    ],
}

# Bones as the data set or detector draws them, and the first number they count from.
DRAWN_BONES = {
    "body25": (
        "1-8 1-2 1-5 2-3 3-4 5-6 6-7 8-9 9-10 10-11 8-12 12-13 13-14 1-0 0-15 15-17 0-16 16-18 "
        "14-19 19-20 14-21 11-22 22-23 11-24",
        0,
    ),
    "body25b": (
        "0-1 0-2 1-3 2-4 0-5 0-6 5-7 6-8 7-9 8-10 5-11 6-12 11-13 12-14 13-15 14-16 15-19 19-20 15-21 16-22 22-23 "
        "16-24 5-17 6-17 5-18 6-18",
        0,
    ),
    "openpose_coco18": ("1-2 1-5 2-3 3-4 5-6 6-7 1-8 8-9 9-10 1-11 11-12 12-13 1-0 0-14 14-16 0-15 15-17", 0),
    "coco_wholebody_body23": (
        "15-13 13-11 16-14 14-12 11-12 5-11 6-12 5-6 5-7 6-8 7-9 8-10 1-2 0-1 0-2 1-3 2-4 3-5 4-6 15-17 15-18 15-19 "
        "16-20 16-21 16-22",
        0,
    ),
    "halpe26": (
        "0-1 0-2 1-3 2-4 5-18 6-18 5-7 7-9 6-8 8-10 17-18 18-19 19-11 19-12 11-13 12-14 13-15 14-16 "
        "20-24 21-25 23-25 22-24 15-24 16-25",
        0,
    ),
    "coco17": ("16-14 14-12 17-15 15-13 12-13 6-12 7-13 6-7 6-8 7-9 8-10 9-11 2-3 1-2 1-3 2-4 3-5 4-6 5-7", 1),
    "blazepose33": (
        "0-1 1-2 2-3 3-7 0-4 4-5 5-6 6-8 9-10 11-12 11-13 13-15 15-17 15-19 15-21 17-19 12-14 14-16 16-18 16-20 "
        "16-22 18-20 11-23 12-24 23-24 23-25 24-26 25-27 26-28 27-29 28-30 29-31 30-32 27-31 28-32",
        0,
    ),
    "ntu25": (
        "1-2 2-21 3-21 4-3 5-21 6-5 7-6 8-7 9-21 10-9 11-10 12-11 13-1 14-13 15-14 16-15 17-1 18-17 19-18 20-19 "
        "22-23 23-8 24-25 25-12",
        1,
    ),
    "hand21": (
        "0-1 1-2 2-3 3-4 0-5 5-6 6-7 7-8 0-9 9-10 10-11 11-12 0-13 13-14 14-15 15-16 0-17 17-18 18-19 19-20",
        0,
    ),
}
# What the documented spanning trees add to the drawn bones.
ADDED_BONES = {
    "body25": set(),
    "body25b": {(0, 17), (17, 18)},
    "openpose_coco18": {(2, 8), (5, 11)},
    "coco_wholebody_body23": {(0, 5), (0, 6)},
    "halpe26": {(0, 18)},
    "coco17": {(0, 5), (0, 6)},
    "blazepose33": {(0, 9), (0, 10), (0, 11), (0, 12)},
    "ntu25": set(),
    "hand21": set(),
}

# A few joints of every layout by number: enough to catch a shifted or swapped order.
LANDMARKS = {
    "h36m17": {"hip": 0, "right_hip": 1, "left_foot": 6, "thorax": 8, "head": 10, "left_shoulder": 11},
    "h36m16": {"hip": 0, "right_foot": 3, "left_hip": 4, "head": 9, "left_wrist": 12, "right_shoulder": 13},
    "h36m32": {
        "right_toe_tip": 5,
        "spine": 12,
        "head": 15,
        "left_clavicle": 16,
        "left_shoulder": 17,
        "right_wrist": 27,
    },
    "mpi_inf_3dhp17": {"head_top": 0, "neck": 1, "right_shoulder": 2, "left_wrist": 7, "pelvis": 14, "head": 16},
    "mpi_inf_3dhp28": {"spine3": 0, "spine4": 1, "pelvis": 4, "head_top": 7, "left_hand": 12, "right_hip": 23},
    "coco17": {"nose": 0, "left_eye": 1, "left_shoulder": 5, "right_wrist": 10, "left_hip": 11, "right_ankle": 16},
    "body25": {"neck": 1, "right_shoulder": 2, "mid_hip": 8, "right_eye": 15, "left_small_toe": 20, "right_heel": 24},
    "body25b": {"left_eye": 1, "left_shoulder": 5, "head_top": 18, "left_heel": 21, "right_small_toe": 23},
    "openpose_coco18": {
        "neck": 1,
        "right_shoulder": 2,
        "left_shoulder": 5,
        "left_hip": 11,
        "right_eye": 14,
        "left_ear": 17,
    },
    "coco_wholebody_body23": {"left_eye": 1, "right_ankle": 16, "left_small_toe": 18, "right_big_toe": 20},
    "halpe26": {"right_ankle": 16, "head": 17, "neck": 18, "hip": 19, "right_big_toe": 21, "left_heel": 24},
    "mpii16": {"right_ankle": 0, "left_ankle": 5, "pelvis": 6, "head_top": 9, "right_wrist": 10, "left_shoulder": 13},
    "smpl24": {"left_hip": 1, "spine3": 9, "neck": 12, "left_collar": 13, "head": 15, "right_hand": 23},
    "blazepose33": {"left_ear": 7, "left_mouth": 9, "left_pinky": 17, "right_thumb": 22, "right_foot_index": 32},
    "hand21": {
        "wrist": 0,
        "thumb4": 4,
        "forefinger1": 5,
        "middle_finger4": 12,
        "ring_finger2": 14,
        "pinky_finger4": 20,
    },
    "ntu25": {
        "head": 3,
        "right_hand": 11,
        "left_hip": 12,
        "spine_shoulder": 20,
        "left_hand_tip": 21,
        "right_thumb": 24,
    },
    "cmu_bvh": {
        "left_up_leg": 2,
        "lower_back": 11,
        "head": 16,
        "left_shoulder": 17,
        "left_thumb": 23,
        "right_thumb": 30,
    },
}

every_layout = pytest.mark.parametrize("name", SIZES)


@pytest.fixture
def registry() -> Iterator[None]:
    """Put the registry back as it was."""
    before = dict(layouts._REGISTRY)
    yield
    layouts._REGISTRY.clear()
    layouts._REGISTRY.update(before)


def test_the_named_layouts() -> None:
    assert list_skeletons() == sorted(SIZES)
    assert {name: as_skeleton(name).num_joints for name in SIZES} == SIZES
    assert list_skeletons("h36m*") == ["h36m16", "h36m17", "h36m32"]
    assert list_skeletons("nothing*") == []


def test_every_body_is_in_the_list_of_bodies() -> None:
    with_limbs = {name for name in SIZES if {"left_arm", "left_leg"} <= set(as_skeleton(name).parts)}
    assert set(BODIES) == with_limbs, "layouts with arms and legs stand in tests/bodies.py, others do not"


@every_layout
def test_layout_is_consistent(name: str) -> None:
    skel = as_skeleton(name)
    assert skel.name == name
    assert len(skel.roots) == 1
    for left, right in skel.symmetric_pairs:
        assert skel.joint_names[left].startswith("left_")
        assert skel.joint_names[right] == "right_" + skel.joint_names[left].removeprefix("left_")
    sided = {joint for joint, joint_name in enumerate(skel.joint_names) if joint_name.startswith(("left_", "right_"))}
    assert sided == {joint for pair in skel.symmetric_pairs for joint in pair}
    assert list(skel.left) == sorted(skel.left)


@every_layout
def test_mirror_is_an_automorphism(name: str) -> None:
    skel = as_skeleton(name)
    mirror = skel.mirror_index
    assert [mirror[joint] for joint in mirror] == list(range(skel.num_joints))
    assert {(mirror[parent], mirror[child]) for parent, child in skel.edges} == set(skel.edges)


@pytest.mark.parametrize("name", BODIES)
def test_parts_partition_the_joints(name: str) -> None:
    skel = as_skeleton(name)
    assert sorted(joint for joints in skel.parts.values() for joint in joints) == list(range(skel.num_joints))
    assert {"left_arm", "right_arm", "left_leg", "right_leg"} <= set(skel.parts) <= set(PART_NAMES)
    assert {"torso", "head"} & set(skel.parts)
    for limb in ("arm", "leg"):
        mirrored = {skel.mirror_index[joint] for joint in skel.parts[f"left_{limb}"]}
        assert mirrored == set(skel.parts[f"right_{limb}"])
        assert set(skel.parts[f"left_{limb}"]) <= set(skel.left)


PART_NAMES = ("torso", "head", "left_arm", "right_arm", "left_leg", "right_leg")


@pytest.mark.parametrize("name", PARENTS)
def test_published_parents(name: str) -> None:
    assert list(as_skeleton(name).parents) == PARENTS[name]


@pytest.mark.parametrize("name", DRAWN_BONES)
def test_bones_are_the_drawn_ones(name: str) -> None:
    text, first = DRAWN_BONES[name]
    drawn = {frozenset(int(joint) - first for joint in bone.split("-")) for bone in text.split()}
    bones = {frozenset(edge) for edge in as_skeleton(name).edges}
    assert bones - drawn == {frozenset(edge) for edge in ADDED_BONES[name]}


def test_every_layout_has_published_bones() -> None:
    assert set(PARENTS) | set(DRAWN_BONES) == set(SIZES)


@every_layout
def test_joint_order(name: str) -> None:
    assert {joint: as_skeleton(name).index(joint) for joint in LANDMARKS[name]} == LANDMARKS[name]


def test_human36m_sides() -> None:
    assert as_skeleton("h36m17").left == (4, 5, 6, 11, 12, 13)
    assert as_skeleton("h36m17").right == (1, 2, 3, 14, 15, 16)
    assert as_skeleton("h36m16").left == (4, 5, 6, 10, 11, 12)
    assert as_skeleton("h36m16").right == (1, 2, 3, 13, 14, 15)
    assert as_skeleton("h36m32").left == (*range(6, 11), *range(16, 24))
    assert as_skeleton("h36m32").right == (*range(1, 6), *range(24, 32))


def test_human36m_17_of_32() -> None:
    """Both shoulders hang on the spine in the raw files; the selection hangs them on the thorax."""
    selected = as_skeleton("h36m32").subset(H36M17_OF_32)
    expected = list(PARENTS["h36m17"])
    expected[11] = expected[14] = as_skeleton("h36m17").index("spine")
    assert list(selected.parents) == expected
    assert selected.joint_names == as_skeleton("h36m17").joint_names
    assert selected.symmetric_pairs == as_skeleton("h36m17").symmetric_pairs
    assert selected.parts == as_skeleton("h36m17").parts


def test_human36m_16_of_17() -> None:
    full = as_skeleton("h36m17")
    selected = full.subset([joint for joint in full.joint_names if joint != "neck_nose"], name="h36m16")
    assert selected == as_skeleton("h36m16")


def test_mpi_inf_3dhp_17_of_28() -> None:
    selected = [7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6]
    full = as_skeleton("mpi_inf_3dhp28")
    assert tuple(full.joint_names[joint] for joint in selected) == as_skeleton("mpi_inf_3dhp17").joint_names


def test_skeleton_passes_through() -> None:
    skel = Skeleton([-1, 0])
    assert as_skeleton(skel) is skel
    assert as_skeleton("h36m17") is as_skeleton("h36m17")


@pytest.mark.usefixtures("registry")
def test_register() -> None:
    pair = Skeleton([-1, 0], name="pair")
    register_skeleton(pair)
    assert as_skeleton("pair") is pair
    assert "pair" in list_skeletons()
    register_skeleton(Skeleton([-1, 0], name="pair"))  # the same again does no harm
    with pytest.raises(TopologyError, match=r"another skeleton is registered as 'pair'; .* overwrite=True"):
        register_skeleton(Skeleton([-1, -1], name="pair"))
    assert as_skeleton("pair") == pair
    register_skeleton(Skeleton([-1, -1], name="pair"), overwrite=True)
    assert as_skeleton("pair").parents == (-1, -1)


def test_bad_names() -> None:
    with pytest.raises(SkelgraphError, match=r"unknown skeleton 'h36m18'; did you mean .*h36m17"):
        as_skeleton("h36m18")
    with pytest.raises(SkelgraphError, match=r"unknown skeleton '???'; known: .*coco17".replace("?", r"\?")):
        as_skeleton("???")
    with pytest.raises(TopologyError, match=r"skeleton is 17; expected a name or a Skeleton"):
        as_skeleton(17)  # type: ignore[arg-type]
    with pytest.raises(TopologyError, match="expected a Skeleton with a name"):
        register_skeleton(Skeleton([-1]))
    with pytest.raises(TopologyError, match="expected a Skeleton with a name"):
        register_skeleton("h36m17")  # type: ignore[arg-type]
