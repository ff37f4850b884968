"""Which joints of a motion file are those of a layout: the names that programs and databases give, and maps of users.

A joint is one of the file or the middle of several. ``*`` stands for a side, which some spell ``Left`` and ``Right``,
others ``L`` and ``R``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from skelgraph.datasets.motion_files import Motion
from skelgraph.errors import DataError
from skelgraph.files import read_json
from skelgraph.text import plain, shown
from skelgraph.topology import Skeleton, as_skeleton, list_skeletons
from skelgraph.topology.convert import combine_joints

JointMap = Mapping[str, Mapping[str, float]]
"""For each joint that is wanted, the joints of the file that it is a convex combination of, with their weights."""


class Convention(NamedTuple):
    """The joint names of a program or a database, and the layout that they are brought into.

    Attributes:
        layout: The layout of the joints that are made.
        sides: What ``*`` stands for on the left and on the right.
        joints: For each joint of the layout the joints that it is the middle of.
    """

    layout: str
    sides: tuple[str, str]
    joints: dict[str, str]


_LIMBS = {
    "*_hip": "*UpLeg",
    "*_knee": "*Leg",
    "*_foot": "*Foot",
    "*_shoulder": "*Arm",
    "*_elbow": "*ForeArm",
    "*_wrist": "*Hand",
}
_MIXAMO = _LIMBS | {"hip": "LeftUpLeg RightUpLeg", "spine": "Spine1", "thorax": "Neck", "neck_nose": "Head"}

CONVENTIONS = {
    # 38 bones, named at their ends; wrist, thorax and the middle of the neck as in the published conversions of it
    "CMU ASF/AMC": Convention(
        "h36m17",
        ("l", "r"),
        {
            "hip": "lhipjoint rhipjoint",
            "*_hip": "*hipjoint",
            "*_knee": "*femur",
            "*_foot": "*tibia",
            "spine": "lowerback",
            "thorax": "thorax",
            "neck_nose": "lowerneck upperneck",
            "head": "head",
            "*_shoulder": "*clavicle",
            "*_elbow": "*humerus",
            "*_wrist": "*wrist",
        },
    ),
    # B. Hahne's conversion of it to BVH, with the bones of MotionBuilder
    "CMU BVH": Convention(
        "h36m17",
        ("Left", "Right"),
        _LIMBS
        | {
            "hip": "LeftUpLeg RightUpLeg",
            "spine": "Spine",
            "thorax": "Neck",
            "neck_nose": "Neck1 Head",
            "head": "Head_end",
        },
    ),
    "Mixamo": Convention("h36m17", ("Left", "Right"), _MIXAMO | {"head": "HeadTop_End"}),
    # MotionBuilder's names, as in LAFAN1; the top of the head is the end of its last bone
    "MotionBuilder": Convention("h36m17", ("Left", "Right"), _MIXAMO | {"head": "Head_end"}),
    "Bandai Namco": Convention(
        "h36m17",
        ("_L", "_R"),
        {
            "hip": "UpperLeg_L UpperLeg_R",
            "*_hip": "UpperLeg*",
            "*_knee": "LowerLeg*",
            "*_foot": "Foot*",
            "spine": "Spine Chest",
            "thorax": "Neck",
            "neck_nose": "Head",
            "head": "Head_end",
            "*_shoulder": "UpperArm*",
            "*_elbow": "LowerArm*",
            "*_wrist": "Hand*",
        },
    ),
    "Xsens MVN": Convention(
        "h36m17",
        ("Left", "Right"),
        {
            "hip": "LeftHip RightHip",
            "*_hip": "*Hip",
            "*_knee": "*Knee",
            "*_foot": "*Ankle",
            "spine": "Chest2",
            "thorax": "Neck",
            "neck_nose": "Head",
            "head": "Head_end",
            "*_shoulder": "*Shoulder",
            "*_elbow": "*Elbow",
            "*_wrist": "*Wrist",
        },
    ),
    # the joints of SMPL, SMPL+H and SMPL-X
    "AMASS": Convention(
        "h36m17",
        ("left", "right"),
        {
            "hip": "left_hip right_hip",
            "*_hip": "*_hip",
            "*_knee": "*_knee",
            "*_foot": "*_ankle",
            "spine": "spine2",
            "thorax": "neck",
            "neck_nose": "head",
            "head": "head_top",
            "*_shoulder": "*_shoulder",
            "*_elbow": "*_elbow",
            "*_wrist": "*_wrist",
        },
    ),
    # the hand of SMPL, which has no fingers, is where they begin
    "AMASS with fingers": Convention(
        "smpl24",
        ("left", "right"),
        {name: name for name in as_skeleton("smpl24").joint_names[:22]} | {"*_hand": "*_index1 *_middle1 *_ring1"},
    ),
    # what Pose2Sim writes of the keypoints of Halpe
    "Pose2Sim": Convention(
        "h36m17",
        ("L", "R"),
        {
            "hip": "Hip",
            "*_hip": "*Hip",
            "*_knee": "*Knee",
            "*_foot": "*Ankle",
            "spine": "Hip Neck",
            "thorax": "Neck",
            "neck_nose": "Nose",
            "head": "Head",
            "*_shoulder": "*Shoulder",
            "*_elbow": "*Elbow",
            "*_wrist": "*Wrist",
        },
    ),
}
"""The known names, by whom they are of. The first that fits is taken."""


def convention_map(convention: Convention) -> JointMap:
    """The map of a convention, with both sides written out."""
    made: dict[str, dict[str, float]] = {}
    for target, pattern in convention.joints.items():
        for side, spelling in zip(("left", "right"), convention.sides, strict=True) if "*" in target else [("", "")]:
            sources = pattern.replace("*", spelling).split()
            made[target.replace("*", side)] = {source: 1 / len(sources) for source in sources}
    return made


def read_joint_map(path: str | PathLike[str]) -> JointMap:
    """Read a user's own map from a JSON file: for each joint that is wanted one of the motion files, or several with
    weights that sum to 1, ``{"head": "Head_end", "hip": {"LeftUpLeg": 0.5, "RightUpLeg": 0.5}, ...}``.

    Raises:
        DataError: If the file cannot be read, or holds no such map.
    """
    document, label = read_json(path, DataError), plain(str(path), 1000)
    if not isinstance(document, dict) or not document:
        raise DataError(f"{label}: found {shown(document)}, expected an object of joints.")
    made: dict[str, dict[str, float]] = {}
    for target, sources in document.items():
        weights: Any = {sources: 1.0} if isinstance(sources, str) else sources
        if (
            not isinstance(weights, dict)
            or not all(type(weight) in (int, float) and 0 <= weight <= 1 for weight in weights.values())
            or abs(sum(weights.values()) - 1) > 1e-3
        ):
            raise DataError(
                f"{label}: joint {shown(target)} is {shown(sources)}; expected the name of a joint, or names with "
                "weights from 0 to 1 that sum to 1."
            )
        made[target] = {source: float(weight) for source, weight in weights.items() if weight}
    return made


def find_joint_map(motion: Motion, wanted: Skeleton, label: str) -> JointMap:
    """The map that brings a motion to a skeleton: by the skeleton's own names if the file has them all, else by the
    first of :data:`CONVENTIONS` that has the wanted joints and whose names the file has.

    Args:
        motion: The motion.
        wanted: The skeleton.
        label: Name of the file, for messages.

    Raises:
        DataError: If there is none; the message names what the nearest convention lacks, and layouts whose joints the
            file has.
    """
    found, lacking = _known_map(motion, wanted)
    if found is not None:
        return found
    reason = "no names are known for its joints"
    if lacking:
        nearest = min(lacking, key=lambda known: len(lacking[known]))
        reason = f"of the names of {nearest} it lacks {', '.join(lacking[nearest])}"
    layouts = [name for name in list_skeletons() if _known_map(motion, as_skeleton(name))[0] is not None]
    instead = f"skeleton {' or '.join(layouts)} (--skeleton), whose joints it has, " if layouts else ""
    raise DataError(
        f"{label}: the joints of skeleton {plain(wanted.name or 'without a name')} are not found by their names: "
        f"{reason}; it has {', '.join(map(plain, motion.joint_names[:60]))}. Expected {instead}a joint_map "
        "(--joint-map), or the skeleton of the file itself."
    )


def _known_map(motion: Motion, wanted: Skeleton) -> tuple[JointMap | None, dict[str, list[str]]]:
    """The map by the skeleton's own names or by a convention, and what the file lacks of the names of each one."""
    names = set(motion.joint_names)
    if names.issuperset(wanted.joint_names):
        return {name: {name: 1.0} for name in wanted.joint_names}, {}
    lacking: dict[str, list[str]] = {}
    for known, convention in CONVENTIONS.items():
        joints = convention_map(convention)
        if not joints.keys() >= set(wanted.joint_names):
            continue
        joints = {name: joints[name] for name in wanted.joint_names}
        lacking[known] = list(dict.fromkeys(s for sources in joints.values() for s in sources if s not in names))
        if not lacking[known]:
            return joints, {}
    return None, lacking


def map_joints(motion: Motion, joint_map: JointMap, wanted: Skeleton, label: str) -> Motion:
    """The motion of a skeleton's joints; where one of those that a joint is made of is not known, it is NaN.

    Args:
        motion: The motion.
        joint_map: What each joint is made of.
        wanted: The skeleton.
        label: Name of the file, for messages.

    Raises:
        DataError: If the map lacks a joint of the skeleton, or the file one of the map or has it twice.
    """
    weights = np.zeros((wanted.num_joints, len(motion.joint_names)))
    for row, target in enumerate(wanted.joint_names):
        if target not in joint_map:
            raise DataError(
                f"{label}: the joint map has no {shown(target)}, a joint of skeleton "
                f"{plain(wanted.name or 'without a name')}; it has {', '.join(map(plain, list(joint_map)[:40]))}."
            )
        for source, weight in joint_map[target].items():
            count = motion.joint_names.count(source)
            if count != 1:
                found = f"has {count} joints of the name" if count else "has no joint"
                raise DataError(
                    f"{label}: {found} {shown(source)}, of which {shown(target)} is made; it has "
                    f"{', '.join(map(plain, motion.joint_names[:60]))}."
                )
            weights[row, motion.joint_names.index(source)] = weight
    sources = np.where(motion.visible[..., None], motion.positions, np.nan)
    mapped, known = combine_joints(sources, weights)
    return replace(
        motion,
        positions=np.where(known[..., None], mapped, np.nan),
        joint_names=wanted.joint_names,
        parents=wanted.parents,
    )
