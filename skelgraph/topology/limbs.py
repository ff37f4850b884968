"""Arms and legs of a skeleton, by its parts and the names of its joints."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from skelgraph.errors import TopologyError
from skelgraph.text import shown
from skelgraph.topology.layouts import SkeletonLike, as_skeleton
from skelgraph.topology.matching import joint_meanings, spoken
from skelgraph.topology.skeleton import Skeleton

LIMBS = {"left_leg": "*hip", "right_leg": "*hip", "left_arm": "*shoulder", "right_arm": "*shoulder"}
"""The parts that are limbs, and what the joint means that each of them turns about."""


@dataclass(frozen=True)
class Limb:
    """A limb as ids of joints.

    Args:
        start: The joint that the limb turns about: hip or shoulder.
        joints: The joints that move with it, parents first; the start is none of them.
        middle: The end of its first bone: knee or elbow.
        end: The end of its second bone: ankle or wrist.
    """

    start: int
    joints: tuple[int, ...]
    middle: int
    end: int


def limbs(skeleton: SkeletonLike) -> dict[str, Limb]:
    """Find the limbs of a body: the parts :data:`LIMBS` of its skeleton, from hip and shoulder outwards.

    Hips and shoulders are found by what the joints mean (:func:`~skelgraph.topology.matching.joint_meanings`). Where no
    joint of the part is called so, the limb starts at the joint of the part that is nearest to the root.

    Args:
        skeleton: The skeleton, or the name of a layout.

    Returns:
        The limbs by the names of their parts, in the order of :data:`LIMBS`.

    Raises:
        TopologyError: If the skeleton has not these parts, or one of them has not two bones in a row.

    Example:
        >>> limbs("h36m17")["left_leg"]
        Limb(start=4, joints=(5, 6), middle=5, end=6)
    """
    skeleton = as_skeleton(skeleton)
    if missing := [part for part in LIMBS if part not in skeleton.parts]:
        raise TopologyError(
            f"{skeleton!r} has no part {shown(missing[0])}, so that its limbs are not known; "
            f"expected Skeleton(..., parts={{...}}) with {', '.join(LIMBS)}"
        )
    return {part: _limb(skeleton, part, word) for part, word in LIMBS.items()}


def _limb(skeleton: Skeleton, part: str, word: str) -> Limb:
    members, side = skeleton.parts[part], part.split("_")[0]
    words = [spoken(word) for word in joint_meanings(skeleton)]
    tops = [joint for joint in members if skeleton.parents[joint] not in members]
    start = next((joint for joint in members if words[joint] == (word, side)), tops[0])
    joints: list[int] = []
    for joint in (front := [start]):
        children = _children(skeleton, joint, members)
        joints += children
        front += children
    way = [start]
    while len(way) < 3:
        if not (children := _children(skeleton, way[-1], members)):
            raise TopologyError(
                f"{skeleton!r}: the part {shown(part)} has {len(way) - 1} bones in a row from joint "
                f"{shown(skeleton.joint_names[start])} outwards; expected at least 2"
            )
        way.append(children[0])
    return Limb(start, tuple(joints), way[1], way[2])


def _children(skeleton: Skeleton, joint: int, members: Collection[int]) -> list[int]:
    return [child for child in members if skeleton.parents[child] == joint]
