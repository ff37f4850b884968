"""Bones: their lengths over a stretch, poses whose bones keep them, and the size of a body."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from skelgraph.errors import SkelgraphError
from skelgraph.lifting.judging import joints_of
from skelgraph.text import shown
from skelgraph.topology import Skeleton

BELOW_ANKLE = 0.039
"""How high the ankles are above the ground, in body heights: Drillis and Contini, Body segment parameters, 1966."""

_SMALLEST = 1e-9  # metres
_MEASURED = (
    *("head_top", "neck", "pelvis", "left_hip", "left_knee", "left_ankle"),
    *("right_hip", "right_knee", "right_ankle"),
)


def bone_lengths(poses: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """The length of the bone from each joint to its parent: the median over all poses, and of a bone and its mirror
    image their mean, where the skeleton says what is left and right.

    Args:
        poses: ``(T, J, 3)``.
        skeleton: The joints.

    Returns:
        ``(J,)``; 0 of roots.
    """
    parents = np.array(skeleton.parents)
    lengths = np.median(np.linalg.norm(poses - poses[:, parents], axis=-1), axis=0)
    lengths[parents == -1] = 0
    return (lengths + lengths[list(skeleton.mirror_index)]) / 2 if skeleton.symmetry_known else lengths


def shaped(
    poses: np.ndarray, skeleton: Skeleton, height: float | None, known: Mapping[int, float] | None, rigid: bool
) -> tuple[np.ndarray, float]:
    """Poses of a person of a known size, with rigid bones, and the number that they were scaled by for that.

    Args:
        poses: ``(T, J, 3)`` of one stretch.
        skeleton: The joints.
        height: How tall the person is, metres: poses are scaled so.
        known: Metres of the bone from a joint to its parent, by its id: poses are scaled to the sum of them, and rigid
            bones take them.
        rigid: Give each bone one length.

    Raises:
        SkelgraphError: If the skeleton lacks joints that the height is measured by.
    """
    scale = 1.0 if height is None else _scale(height, body_height(poses, skeleton), "heights")
    poses = poses * scale
    if known is None and not rigid:
        return poses, scale
    lengths = bone_lengths(poses, skeleton)
    if known is not None:
        joints, metres = [*known], np.array([*known.values()])
        ratio = _scale(metres.sum(), lengths[joints].sum(), "bone_lengths")
        poses, lengths, scale = poses * ratio, lengths * ratio, scale * ratio
        lengths[joints] = metres
    return (with_bones(poses, skeleton, lengths) if rigid else poses), scale


def with_bones(poses: np.ndarray, skeleton: Skeleton, lengths: np.ndarray) -> np.ndarray:
    """The poses with bones of these lengths, in the directions that they have, built up from the root.

    Args:
        poses: ``(T, J, 3)``; no bone has the length 0.
        skeleton: The joints.
        lengths: Of the bone from each joint to its parent, ``(J,)``.
    """
    built = poses.copy()
    parents = skeleton.parents
    for joint in sorted(range(skeleton.num_joints), key=lambda joint: _depth(joint, parents)):
        if (parent := parents[joint]) >= 0:
            bone = poses[:, joint] - poses[:, parent]
            length = np.linalg.norm(bone, axis=-1, keepdims=True)
            built[:, joint] = built[:, parent] + bone * (lengths[joint] / np.maximum(length, _SMALLEST))
    return built


def _depth(joint: int, parents: tuple[int, ...]) -> int:
    depth = 0
    while (joint := parents[joint]) >= 0:
        depth += 1
    return depth


def known_lengths(given: Mapping[str, float], skeleton: Skeleton) -> dict[int, float]:
    """Lengths of bones by the ids of their joints.

    Args:
        given: Metres of the bone from a joint to its parent, by the name of the joint.
        skeleton: The joints.

    Raises:
        SkelgraphError: If there is no such bone, or a length is not positive.
    """
    lengths = {}
    for name, length in given.items():
        joint = skeleton.index(name)
        if skeleton.parents[joint] == -1:
            raise SkelgraphError(f"bone_lengths has {shown(name)}, the root; expected joints that have a parent")
        lengths[joint] = length
    if not lengths:
        raise SkelgraphError("bone_lengths is empty; expected metres by the names of joints, or None")
    return lengths


def body_height(poses: np.ndarray, skeleton: Skeleton) -> float:
    """How tall a body of these poses is when it stands: the median over them of the way from the top of the head by
    the neck to the pelvis and along the legs (their mean), and what lies below the ankles.

    Args:
        poses: ``(T, J, 3)``.
        skeleton: The joints.

    Raises:
        SkelgraphError: If it lacks some of these joints.
    """
    found = joints_of(poses, skeleton, "mpi_inf_3dhp17", _MEASURED)
    trunk, legs = found[:, :3], found[:, 3:].reshape(len(poses), 2, 3, 3)
    way = _way(trunk) + _way(legs).mean(1)
    return float(np.median(way)) / (1 - BELOW_ANKLE)


def _scale(given: float, found: float, name: str) -> float:
    if found < _SMALLEST:
        raise SkelgraphError(f"the lifted body has no size ({found:g} m), and cannot be scaled to {name}")
    return given / found


def _way(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.diff(points, axis=-2), axis=-1).sum(-1)
