"""The named skeletons: joint order, bones, symmetry and parts of the data sets and keypoint detectors of the field.

A layout is written with joint names, not numbers. ``*`` stands for ``left`` and ``right``; a bone chain runs from the
root outwards; a joint that no chain leads to is the root. ``left_x`` and ``right_x`` are a symmetric pair.

Every layout is one tree. ``coco17``, ``coco_wholebody_body23``, ``body25b`` and ``blazepose33`` have no joint at the
middle of the hips: their tree hangs from the nose, shoulders on the nose and hips on the shoulders, so that it is the
same on both sides (that of ``openpose_coco18`` from the neck). Where a detector draws
closed loops (hips, hands, feet) the tree leaves out one bone of each.

Every layout of a whole body has the parts ``left_arm``, ``right_arm``, ``left_leg`` and ``right_leg`` (shoulder and hip
included, hands and feet as well), ``head`` for facial keypoints if there are any and ``torso`` for what is left; no
joint is in two. Other layouts, such as a hand, need neither parts nor symmetric pairs.
"""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, TypeAlias

from skelgraph.errors import TopologyError, unknown_name
from skelgraph.files import read_json
from skelgraph.options import checked
from skelgraph.text import plain, shown
from skelgraph.topology.skeleton import Skeleton

SkeletonLike: TypeAlias = Skeleton | str | Mapping[str, Any] | PathLike[str]

_REGISTRY: dict[str, Skeleton] = {}


def as_skeleton(name_or_skeleton: SkeletonLike) -> Skeleton:
    """Return a named skeleton, that of a JSON file (:func:`read_skeleton`) or that of plain data,
    :meth:`Skeleton.to_dict`; a :class:`Skeleton` comes back as it is.

    Args:
        name_or_skeleton: Which one; a text that ends in ``.json``, and a path, are the name of a file.

    Raises:
        SkelgraphError: If no skeleton has that name (near names are listed), or the file or the data make none.
    """
    if isinstance(name_or_skeleton, Skeleton):
        return name_or_skeleton
    if isinstance(name_or_skeleton, Mapping):
        try:
            return Skeleton(**name_or_skeleton)
        except TypeError as error:
            raise TopologyError(f"the data of a skeleton are not the arguments of Skeleton: {error}") from None
    if isinstance(name_or_skeleton, PathLike):
        return read_skeleton(name_or_skeleton)
    if not isinstance(name_or_skeleton, str):
        raise TopologyError(
            f"skeleton is {shown(name_or_skeleton)}; expected a name or a Skeleton, such as Skeleton(parents) (graph "
            "layers also take a Graph)"
        )
    if name_or_skeleton in _REGISTRY:
        return _REGISTRY[name_or_skeleton]
    if name_or_skeleton.endswith(".json"):
        return read_skeleton(name_or_skeleton)
    raise unknown_name("skeleton", name_or_skeleton, _REGISTRY)


def skeleton_config(layout: SkeletonLike) -> str | dict[str, Any]:
    """What a file keeps of a skeleton: the name of a layout of this library, else its data.

    A name that only the caller has registered would mean nothing to who reads the file.
    """
    known = as_skeleton(layout)
    return known.name if known.name is not None and _BUILT_IN.get(known.name) == known else known.to_dict()


def read_skeleton(path: str | PathLike[str]) -> Skeleton:
    """Read a skeleton from a JSON file of the arguments of :class:`Skeleton`, as ``json.dumps(skeleton.to_dict())``
    writes it: ``parents``, and if there are ``joint_names``, ``symmetric_pairs``, ``parts`` and ``name``.

    Raises:
        TopologyError: If the file cannot be read or holds no skeleton.
    """
    data, name = read_json(path, TopologyError), plain(str(path), 1000)
    if not isinstance(data, dict):
        raise TopologyError(f"{name}: found {shown(data)}, expected an object with parents, joint_names, ...")
    try:
        return as_skeleton(data)
    except TopologyError as error:
        raise TopologyError(f"{name}: {error}") from error


def register_skeleton(skeleton: Skeleton, overwrite: bool = False) -> None:
    """Make a skeleton available under its name.

    Args:
        skeleton: A skeleton that has a name.
        overwrite: Replace another skeleton of that name.

    Raises:
        TopologyError: If the skeleton has no name, or a different one has it already.
    """
    if not isinstance(skeleton, Skeleton) or skeleton.name is None:
        raise TopologyError(f"skeleton is {shown(skeleton)}; expected a Skeleton with a name")
    if not overwrite and _REGISTRY.get(skeleton.name, skeleton) != skeleton:
        raise TopologyError(
            f"skeleton: another skeleton is registered as {shown(skeleton.name)}; expected a new name or overwrite=True"
        )
    _REGISTRY[skeleton.name] = skeleton


@checked
def list_skeletons(pattern: str = "*") -> list[str]:
    """Return the names of the registered skeletons that match a shell-style pattern, sorted."""
    return sorted(fnmatch.filter(_REGISTRY, pattern))


def _both_sides(text: str) -> Iterable[str]:
    return (text.replace("*", "left"), text.replace("*", "right")) if "*" in text else (text,)


def _layout(
    name: str,
    joints: str,
    chains: Iterable[str],
    parts: Mapping[str, str] | None = None,
    symmetric_pairs: Sequence[tuple[int, int]] | Literal["names"] = "names",
) -> None:
    """Register a layout from its joints in order, its bone chains and, if it has any, its parts. Its symmetric pairs
    are told by the names of its joints; ``()`` if every joint is its own mirror image."""
    names = joints.split()
    index = {joint: i for i, joint in enumerate(names)}
    parents = [-1] * len(names)
    for pattern in chains:
        for chain in _both_sides(pattern):
            way = [index[joint] for joint in chain.split()]
            for parent, child in itertools.pairwise(way):
                parents[child] = parent
    register_skeleton(
        Skeleton(
            parents,
            joint_names=names,
            symmetric_pairs=symmetric_pairs,
            parts={
                part: sorted(index[joint] for joint in members.split())
                for part_pattern, member_pattern in (parts or {}).items()
                for part, members in zip(_both_sides(part_pattern), _both_sides(member_pattern), strict=True)
            },
            name=name,
        )
    )


# Human3.6M, the 17 joints of the 2D-to-3D lifting literature ("foot" is the ankle):
# https://github.com/facebookresearch/VideoPose3D/blob/main/common/h36m_dataset.py
_layout(
    "h36m17",
    joints="""
        hip right_hip right_knee right_foot left_hip left_knee left_foot spine thorax neck_nose head
        left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist
    """,
    chains=[
        "hip spine thorax neck_nose head",
        "hip *_hip *_knee *_foot",
        "thorax *_shoulder *_elbow *_wrist",
    ],
    parts={
        "torso": "hip spine thorax neck_nose head",
        "*_arm": "*_shoulder *_elbow *_wrist",
        "*_leg": "*_hip *_knee *_foot",
    },
)

# h36m17 without neck/nose: https://github.com/garyzhao/SemGCN/blob/master/common/h36m_dataset.py
_layout(
    "h36m16",
    joints="""
        hip right_hip right_knee right_foot left_hip left_knee left_foot spine thorax head
        left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist
    """,
    chains=[
        "hip spine thorax head",
        "hip *_hip *_knee *_foot",
        "thorax *_shoulder *_elbow *_wrist",
    ],
    parts={
        "torso": "hip spine thorax head",
        "*_arm": "*_shoulder *_elbow *_wrist",
        "*_leg": "*_hip *_knee *_foot",
    },
)

# Human3.6M, all 32 joints of the raw files; several coincide. The 17 selected ones have the names of h36m17:
# https://github.com/facebookresearch/VideoPose3D/blob/main/common/h36m_dataset.py
_layout(
    "h36m32",
    joints="""
        hip right_hip right_knee right_foot right_toe right_toe_tip left_hip left_knee left_foot left_toe left_toe_tip
        spine_base spine thorax neck_nose head
        left_clavicle left_shoulder left_elbow left_wrist left_thumb left_thumb_tip left_hand left_hand_tip
        right_clavicle right_shoulder right_elbow right_wrist right_thumb right_thumb_tip right_hand right_hand_tip
    """,
    chains=[
        "hip spine_base spine thorax neck_nose head",
        "hip *_hip *_knee *_foot *_toe *_toe_tip",
        "spine *_clavicle *_shoulder *_elbow *_wrist *_thumb *_thumb_tip",
        "*_wrist *_hand *_hand_tip",
    ],
    parts={
        "torso": "hip spine_base spine thorax neck_nose head",
        "*_arm": "*_clavicle *_shoulder *_elbow *_wrist *_thumb *_thumb_tip *_hand *_hand_tip",
        "*_leg": "*_hip *_knee *_foot *_toe *_toe_tip",
    },
)

# MPI-INF-3DHP, the 17 joints of the test set in the order of its annotation files ("relevant" in mpii_get_joint_set.m
# of the data set, there "Human3.6M compatible"): https://vcai.mpi-inf.mpg.de/3dhp-dataset/. The files that the lifting
# literature prepares from it (data_3d_3dhp.npz) are in the order of h36m17 instead.
_layout(
    "mpi_inf_3dhp17",
    joints="""
        head_top neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist
        right_hip right_knee right_ankle left_hip left_knee left_ankle pelvis spine head
    """,
    chains=[
        "pelvis spine neck head_top",
        "neck head",
        "pelvis *_hip *_knee *_ankle",
        "neck *_shoulder *_elbow *_wrist",
    ],
    parts={
        "torso": "pelvis spine neck head head_top",
        "*_arm": "*_shoulder *_elbow *_wrist",
        "*_leg": "*_hip *_knee *_ankle",
    },
)

# MPI-INF-3DHP, all 28 joints of the training annotations ("all" in mpii_get_joint_set.m of the data set):
# https://vcai.mpi-inf.mpg.de/3dhp-dataset/
_layout(
    "mpi_inf_3dhp28",
    joints="""
        spine3 spine4 spine2 spine pelvis neck head head_top
        left_clavicle left_shoulder left_elbow left_wrist left_hand
        right_clavicle right_shoulder right_elbow right_wrist right_hand
        left_hip left_knee left_ankle left_foot left_toe right_hip right_knee right_ankle right_foot right_toe
    """,
    chains=[
        "pelvis spine spine2 spine3 spine4 neck head head_top",
        "pelvis *_hip *_knee *_ankle *_foot *_toe",
        "neck *_clavicle *_shoulder *_elbow *_wrist *_hand",
    ],
    parts={
        "torso": "pelvis spine spine2 spine3 spine4 neck head head_top",
        "*_arm": "*_clavicle *_shoulder *_elbow *_wrist *_hand",
        "*_leg": "*_hip *_knee *_ankle *_foot *_toe",
    },
)

# COCO keypoints: https://cocodataset.org/#format-data
_layout(
    "coco17",
    joints="""
        nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow
        left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle
    """,
    chains=[
        "nose *_eye *_ear",
        "nose *_shoulder *_elbow *_wrist",
        "*_shoulder *_hip *_knee *_ankle",
    ],
    parts={
        "head": "nose left_eye right_eye left_ear right_ear",
        "*_arm": "*_shoulder *_elbow *_wrist",
        "*_leg": "*_hip *_knee *_ankle",
    },
)

# OpenPose BODY_25, bones as OpenPose draws them, rooted at the middle of the hips:
# https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/doc/02_output.md
_layout(
    "body25",
    joints="""
        nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip
        right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear
        left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel
    """,
    chains=[
        "mid_hip neck nose",
        "nose *_eye *_ear",
        "neck *_shoulder *_elbow *_wrist",
        "mid_hip *_hip *_knee *_ankle *_heel",
        "*_ankle *_big_toe *_small_toe",
    ],
    parts={
        "torso": "neck mid_hip",
        "head": "nose left_eye right_eye left_ear right_ear",
        "*_arm": "*_shoulder *_elbow *_wrist",
        "*_leg": "*_hip *_knee *_ankle *_heel *_big_toe *_small_toe",
    },
)

# OpenPose's COCO model: COCO's joints in an order of its own, and a neck between the shoulders:
# https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/include/openpose/pose/poseParameters.hpp
_layout(
    "openpose_coco18",
    joints="""
        nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist
        right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear
    """,
    chains=[
        "neck nose *_eye *_ear",
        "neck *_shoulder *_elbow *_wrist",
        "*_shoulder *_hip *_knee *_ankle",
    ],
    parts={
        "torso": "neck",
        "head": "nose left_eye right_eye left_ear right_ear",
        "*_arm": "*_shoulder *_elbow *_wrist",
        "*_leg": "*_hip *_knee *_ankle",
    },
)

# OpenPose BODY_25B: COCO's joints in its order, feet, upper neck and top of the head as of MPII, which OpenPose joins
# to both shoulders and which here hang on the nose: the file of openpose_coco18.
_layout(
    "body25b",
    joints="""
        nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow
        left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle upper_neck head_top
        left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel
    """,
    chains=[
        "nose *_eye *_ear",
        "nose upper_neck head_top",
        "nose *_shoulder *_elbow *_wrist",
        "*_shoulder *_hip *_knee *_ankle *_heel",
        "*_ankle *_big_toe *_small_toe",
    ],
    parts={
        "head": "nose left_eye right_eye left_ear right_ear upper_neck head_top",
        "*_arm": "*_shoulder *_elbow *_wrist",
        "*_leg": "*_hip *_knee *_ankle *_heel *_big_toe *_small_toe",
    },
)

# COCO-WholeBody, the body part: the first 23 of its 133 keypoints, which are COCO's and those of the feet:
# https://github.com/jin-s13/COCO-WholeBody
_layout(
    "coco_wholebody_body23",
    joints="""
        nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow
        left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle
        left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel
    """,
    chains=[
        "nose *_eye *_ear",
        "nose *_shoulder *_elbow *_wrist",
        "*_shoulder *_hip *_knee *_ankle *_heel",
        "*_ankle *_big_toe",
        "*_ankle *_small_toe",
    ],
    parts={
        "head": "nose left_eye right_eye left_ear right_ear",
        "*_arm": "*_shoulder *_elbow *_wrist",
        "*_leg": "*_hip *_knee *_ankle *_heel *_big_toe *_small_toe",
    },
)

# Halpe, the 26 body keypoints; AlphaPose draws the face apart from the body, here the nose hangs on the neck:
# https://github.com/Fang-Haoshu/Halpe-FullBody
_layout(
    "halpe26",
    joints="""
        nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow
        left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle head neck hip
        left_big_toe right_big_toe left_small_toe right_small_toe left_heel right_heel
    """,
    chains=[
        "hip neck head",
        "neck nose",
        "nose *_eye *_ear",
        "neck *_shoulder *_elbow *_wrist",
        "hip *_hip *_knee *_ankle *_heel *_big_toe",
        "*_heel *_small_toe",
    ],
    parts={
        "torso": "neck hip",
        "head": "nose left_eye right_eye left_ear right_ear head",
        "*_arm": "*_shoulder *_elbow *_wrist",
        "*_leg": "*_hip *_knee *_ankle *_heel *_big_toe *_small_toe",
    },
)

# MPII Human Pose ("head_top" and "upper_neck" as in its joint list): http://human-pose.mpi-inf.mpg.de/#download
_layout(
    "mpii16",
    joints="""
        right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax upper_neck head_top
        right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist
    """,
    chains=[
        "pelvis thorax upper_neck head_top",
        "pelvis *_hip *_knee *_ankle",
        "thorax *_shoulder *_elbow *_wrist",
    ],
    parts={
        "torso": "pelvis thorax upper_neck head_top",
        "*_arm": "*_shoulder *_elbow *_wrist",
        "*_leg": "*_hip *_knee *_ankle",
    },
)

# SMPL, the kinematic tree of the body model: https://meshcapade.wiki/SMPL#skeleton-layout
_layout(
    "smpl24",
    joints="""
        pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3
        left_foot right_foot neck left_collar right_collar head left_shoulder right_shoulder
        left_elbow right_elbow left_wrist right_wrist left_hand right_hand
    """,
    chains=[
        "pelvis spine1 spine2 spine3 neck head",
        "pelvis *_hip *_knee *_ankle *_foot",
        "spine3 *_collar *_shoulder *_elbow *_wrist *_hand",
    ],
    parts={
        "torso": "pelvis spine1 spine2 spine3 neck head",
        "*_arm": "*_collar *_shoulder *_elbow *_wrist *_hand",
        "*_leg": "*_hip *_knee *_ankle *_foot",
    },
)

# MediaPipe BlazePose (its "mouth_left" is "left_mouth" here):
# https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker
_layout(
    "blazepose33",
    joints="""
        nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear right_ear
        left_mouth right_mouth left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist
        left_pinky right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee right_knee
        left_ankle right_ankle left_heel right_heel left_foot_index right_foot_index
    """,
    chains=[
        "nose *_eye_inner *_eye *_eye_outer *_ear",
        "nose *_mouth",
        "nose *_shoulder *_elbow *_wrist *_index",
        "*_wrist *_pinky",
        "*_wrist *_thumb",
        "*_shoulder *_hip *_knee *_ankle *_heel *_foot_index",
    ],
    parts={
        "head": """
            nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer
            left_ear right_ear left_mouth right_mouth
        """,
        "*_arm": "*_shoulder *_elbow *_wrist *_pinky *_index *_thumb",
        "*_leg": "*_hip *_knee *_ankle *_heel *_foot_index",
    },
)

# NTU RGB+D (Kinect v2), bones as in the graph of ST-GCN, where the thumb joins the tip of the hand to the hand:
# https://github.com/yysijie/st-gcn/blob/master/net/utils/graph.py
_layout(
    "ntu25",
    joints="""
        spine_base spine_mid neck head left_shoulder left_elbow left_wrist left_hand
        right_shoulder right_elbow right_wrist right_hand left_hip left_knee left_ankle left_foot
        right_hip right_knee right_ankle right_foot spine_shoulder
        left_hand_tip left_thumb right_hand_tip right_thumb
    """,
    chains=[
        "spine_base spine_mid spine_shoulder neck head",
        "spine_base *_hip *_knee *_ankle *_foot",
        "spine_shoulder *_shoulder *_elbow *_wrist *_hand *_thumb *_hand_tip",
    ],
    parts={
        "torso": "spine_base spine_mid spine_shoulder neck head",
        "*_arm": "*_shoulder *_elbow *_wrist *_hand *_thumb *_hand_tip",
        "*_leg": "*_hip *_knee *_ankle *_foot",
    },
)

# CMU motion capture as BVH files: the 31 joints of the hierarchy in file order, without its 7 end sites (38 with them).
# Names as in the files, LeftUpLeg -> left_up_leg; there "shoulder" is the clavicle, "arm" the shoulder joint and "leg"
# the knee, LHipJoint and LThumb are spelt out: https://sites.google.com/a/cgspeed.com/cgspeed/motion-capture
_layout(
    "cmu_bvh",
    joints="""
        hips left_hip_joint left_up_leg left_leg left_foot left_toe_base
        right_hip_joint right_up_leg right_leg right_foot right_toe_base
        lower_back spine spine1 neck neck1 head
        left_shoulder left_arm left_fore_arm left_hand left_finger_base left_hand_index1 left_thumb
        right_shoulder right_arm right_fore_arm right_hand right_finger_base right_hand_index1 right_thumb
    """,
    chains=[
        "hips lower_back spine spine1 neck neck1 head",
        "hips *_hip_joint *_up_leg *_leg *_foot *_toe_base",
        "spine1 *_shoulder *_arm *_fore_arm *_hand *_finger_base *_hand_index1",
        "*_hand *_thumb",
    ],
    parts={
        "torso": "hips lower_back spine spine1 neck neck1 head",
        "*_arm": "*_shoulder *_arm *_fore_arm *_hand *_finger_base *_hand_index1 *_thumb",
        "*_leg": "*_hip_joint *_up_leg *_leg *_foot *_toe_base",
    },
)

# One hand, left or right, from the wrist to the tip of each finger: OneHand10K, with the names of MMPose; also the
# order of FreiHAND and of MediaPipe's hand landmarks. (RHD counts every finger from its tip.) There are no pairs: in a
# mirror a left hand is a right hand, with the same joints.
# https://github.com/open-mmlab/mmpose/blob/main/configs/_base_/datasets/onehand10k.py
_layout(
    "hand21",
    joints="""
        wrist thumb1 thumb2 thumb3 thumb4 forefinger1 forefinger2 forefinger3 forefinger4
        middle_finger1 middle_finger2 middle_finger3 middle_finger4 ring_finger1 ring_finger2 ring_finger3 ring_finger4
        pinky_finger1 pinky_finger2 pinky_finger3 pinky_finger4
    """,
    chains=[
        "wrist thumb1 thumb2 thumb3 thumb4",
        "wrist forefinger1 forefinger2 forefinger3 forefinger4",
        "wrist middle_finger1 middle_finger2 middle_finger3 middle_finger4",
        "wrist ring_finger1 ring_finger2 ring_finger3 ring_finger4",
        "wrist pinky_finger1 pinky_finger2 pinky_finger3 pinky_finger4",
    ],
    symmetric_pairs=(),
)

_BUILT_IN = dict(_REGISTRY)
