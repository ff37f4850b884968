"""The body parts of a skeleton as the joints of a coarser one."""

from __future__ import annotations

from collections.abc import Sequence

from skelgraph.errors import TopologyError
from skelgraph.options import check_option
from skelgraph.text import shown
from skelgraph.topology.layouts import SkeletonLike, as_skeleton
from skelgraph.topology.skeleton import Skeleton


def body_parts(skeleton: SkeletonLike) -> list[list[int]]:
    """Split the joints of any skeleton into connected groups.

    A group holds neighbouring joints that are in the same parts of the skeleton; if it has no parts, unbranched limbs
    and the joints between them. On ``h36m17`` these are the five published ones: torso, arms and legs.

    Args:
        skeleton: The skeleton, or the name of a layout.

    Returns:
        The joint ids of every group; each joint is in one group.
    """
    skeleton = as_skeleton(skeleton)
    degree = skeleton.adjacency().sum(dim=1).tolist()
    labels: list[object] = [
        tuple(part for part, members in skeleton.parts.items() if joint in members) if skeleton.parts else branches > 2
        for joint, branches in enumerate(degree)
    ]
    groups: dict[int, list[int]] = {}
    for joint in range(skeleton.num_joints):
        top = joint
        while (parent := skeleton.parents[top]) != -1 and labels[parent] == labels[top]:
            top = parent
        groups.setdefault(top, []).append(joint)
    return list(groups.values())


def part_skeleton(skeleton: SkeletonLike, parts: Sequence[Sequence[int]]) -> Skeleton:
    """Contract connected groups of joints to one joint each.

    Args:
        skeleton: The fine skeleton, or the name of a layout.
        parts: Groups of its joints, such as :func:`body_parts`; each joint is in one group.

    Returns:
        A skeleton with a joint for every group, bones where a bone joins two groups, and symmetric pairs of the groups
        that mirror each other (undeclared where those of the joints are).

    Raises:
        TopologyError: If a joint is in no group or in several.
    """
    skeleton = as_skeleton(skeleton)
    parts = check_option("parts", parts, Sequence[Sequence[int]])
    if sorted(joint for members in parts for joint in members) != list(range(skeleton.num_joints)):
        raise TopologyError(f"parts is {shown(parts)}; expected each of {skeleton.num_joints} joints in one group")
    owner = {joint: part for part, members in enumerate(parts) for joint in members}
    parents = {owner[child]: owner[parent] for parent, child in skeleton.edges if owner[parent] != owner[child]}
    if not skeleton.symmetry_known:
        return Skeleton([parents.get(part, -1) for part in range(len(parts))])
    mirrored = [{owner[skeleton.mirror_index[joint]] for joint in members} for members in parts]
    return Skeleton(
        [parents.get(part, -1) for part in range(len(parts))],
        symmetric_pairs=[(a, b) for b in range(len(parts)) for a in range(b) if mirrored[a] == {b}],
    )
