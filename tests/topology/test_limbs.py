"""Limbs are found by parts and names, whatever the order of the joints."""

from __future__ import annotations

import random

import pytest
from bodies import BODIES

from skelgraph.errors import TopologyError
from skelgraph.topology import Skeleton, as_skeleton, limbs


def named(skeleton: Skeleton, part: str) -> tuple[str, ...]:
    limb = limbs(skeleton)[part]
    return tuple(skeleton.joint_names[joint] for joint in (limb.start, limb.middle, limb.end))


@pytest.mark.parametrize("name", BODIES)
def test_every_body_has_two_legs_and_two_arms(name: str) -> None:
    skeleton = as_skeleton(name)
    found = limbs(skeleton)
    assert list(found) == ["left_leg", "right_leg", "left_arm", "right_arm"]
    for part, limb in found.items():
        assert skeleton.parents[limb.middle] == limb.start
        assert skeleton.parents[limb.end] == limb.middle
        assert {limb.start, *limb.joints} <= set(skeleton.parts[part])
        assert all(skeleton.parents[joint] in (limb.start, *limb.joints[:i]) for i, joint in enumerate(limb.joints))
    for part in ("leg", "arm"):
        left, right = found[f"left_{part}"], found[f"right_{part}"]
        assert {skeleton.mirror_index[joint] for joint in left.joints} == set(right.joints)
        assert skeleton.mirror_index[left.end] == right.end
    joints = [joint for limb in found.values() for joint in (limb.start, *limb.joints)]
    assert len(joints) == len(set(joints))


@pytest.mark.parametrize(
    ("name", "leg", "arm"),
    [
        ("h36m17", ("left_hip", "left_knee", "left_foot"), ("right_shoulder", "right_elbow", "right_wrist")),
        # hips hang from the shoulders here
        ("coco17", ("left_hip", "left_knee", "left_ankle"), ("right_shoulder", "right_elbow", "right_wrist")),
        # clavicles are in the arms; "shoulder" is the clavicle and "arm" the shoulder in the second
        ("smpl24", ("left_hip", "left_knee", "left_ankle"), ("right_shoulder", "right_elbow", "right_wrist")),
        ("cmu_bvh", ("left_up_leg", "left_leg", "left_foot"), ("right_arm", "right_fore_arm", "right_hand")),
    ],
)
def test_they_begin_at_hip_and_shoulder(name: str, leg: tuple[str, ...], arm: tuple[str, ...]) -> None:
    skeleton = as_skeleton(name)
    assert (named(skeleton, "left_leg"), named(skeleton, "right_arm")) == (leg, arm)
    assert not set(limbs(skeleton)["right_arm"].joints) & set(skeleton.parts["right_leg"])


def test_the_order_of_joints_does_not_matter() -> None:
    body = as_skeleton("h36m17")
    names = list(body.joint_names)
    random.Random(1).shuffle(names)
    for part in ("left_leg", "right_leg", "left_arm", "right_arm"):
        assert named(body.subset(names), part) == named(body, part)


def test_what_has_no_limbs_says_so() -> None:
    with pytest.raises(TopologyError, match="no part 'left_leg'"):
        limbs("hand21")
    body = as_skeleton("h36m17")
    short = body.subset([name for name in body.joint_names if name not in ("left_wrist", "right_wrist")])
    with pytest.raises(TopologyError, match=r"'left_arm' has 1 bones in a row from joint 'left_shoulder'"):
        limbs(short)
