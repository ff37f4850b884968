"""The named groups of hyperedges: body parts, sides, halves and more, for any skeleton that has parts and symmetry.

Every rule is written in terms of the tree, the symmetric pairs and the parts of a skeleton; arms and legs are the parts
that have ``arm`` or ``leg`` as a word of their name. The groups of ``h36m17`` are those of published pose networks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from skelgraph.errors import TopologyError, unknown_name
from skelgraph.text import shown
from skelgraph.topology.layouts import SkeletonLike, as_skeleton
from skelgraph.topology.skeleton import Skeleton

HyperedgeLists = list[list[int]]

# The joints that bend in the middle of a limb, as the named layouts call them.
_MIDDLE = {"elbow", "knee", "fore_arm", "leg"}


def hyperedge_groups(skeleton: SkeletonLike, name: str) -> HyperedgeLists:
    """Return the hyperedges of one named group, each a list of ascending joint ids.

    Args:
        skeleton: The skeleton, or the name of a layout.
        name: One of

            - ``"parts"``: the torso, then every other part, right before left. The torso reaches out to the joints by
              which the other parts hang on the body, so that it shares a joint with each of them; without a part
              called ``torso`` it is these joints alone.
            - ``"sides"``: the right joints; the left joints.
            - ``"halves"``: the upper body; the lower body, which is the legs and the joint that they hang on.
            - ``"sym"``: every symmetric pair.
            - ``"parts10"``: lower trunk, upper trunk and the upper and lower half of every limb.
            - ``"chains2"``, ``"chains3"``, ``"chains4"``: all directed paths of so many bones.
            - ``"contralateral"``: right leg and left arm; left leg and right arm.
            - ``"extremities"``: the joints without children.
            - ``"whole"``: all joints.

    Raises:
        TopologyError: If the skeleton lacks what the group is made of.
        SkelgraphError: If there is no such group.
    """
    if not isinstance(name, str) or name not in _GROUPS:
        raise unknown_name("group of hyperedges", name, _GROUPS)
    return [sorted(hyperedge) for hyperedge in _GROUPS[name](as_skeleton(skeleton))]


def possible_groups(skeleton: SkeletonLike, names: Iterable[str]) -> list[str]:
    """Return those of the named groups that a skeleton can have.

    Args:
        skeleton: The skeleton, or the name of a layout.
        names: Names of :func:`hyperedge_groups`.
    """
    possible = []
    for name in names:
        try:
            hyperedge_groups(skeleton, name)
        except TopologyError:  # it lacks what the group is made of
            continue
        possible.append(name)
    return possible


def _parts(skeleton: Skeleton) -> HyperedgeLists:
    _need(skeleton, "parts", bool(skeleton.parts), "body parts")
    others = [skeleton.parts[part] for part in _right_before_left(skeleton) if part != "torso"]
    torso = set(skeleton.parts.get("torso", ())).union(*(_attached(skeleton, part) for part in others))
    return [list(torso), *map(list, others)]


def _sides(skeleton: Skeleton) -> HyperedgeLists:
    _need(skeleton, "sides", bool(skeleton.symmetric_pairs), "symmetric pairs")
    return [list(skeleton.right), list(skeleton.left)]


def _halves(skeleton: Skeleton) -> HyperedgeLists:
    legs = _limbs(skeleton, "leg", "halves")
    limb_joints = _joints(legs + _limbs(skeleton, "arm", None))
    lower = _joints(legs) | (_hung_on(skeleton, legs) - limb_joints)
    return [[joint for joint in range(skeleton.num_joints) if joint not in lower], list(lower)]


def _sym(skeleton: Skeleton) -> HyperedgeLists:
    _need(skeleton, "sym", bool(skeleton.symmetric_pairs), "symmetric pairs")
    return [list(pair) for pair in skeleton.symmetric_pairs]


def _parts10(skeleton: Skeleton) -> HyperedgeLists:
    arms, legs = (_limbs(skeleton, kind, "parts10") for kind in ("arm", "leg"))
    shoulders, hips = _hung_on(skeleton, arms), _hung_on(skeleton, legs)
    lower = _between(skeleton, shoulders | hips)
    upper = shoulders | set(range(skeleton.num_joints)) - _joints(arms + legs) - lower
    arm_halves, leg_halves = ([_limb_halves(skeleton, limb) for limb in limbs] for limbs in (arms, legs))
    return [
        list(lower),
        list(upper),
        *(half for leg in leg_halves for half in leg),
        *(arm[half] for half in (0, 1) for arm in arm_halves),
    ]


def _chains(num_bones: int) -> Callable[[Skeleton], HyperedgeLists]:
    def chains(skeleton: Skeleton) -> HyperedgeLists:
        paths = [[joint, *_ancestors(skeleton, joint)[:num_bones]] for joint in range(skeleton.num_joints)]
        paths = [path for path in paths if len(path) == num_bones + 1]
        _need(skeleton, f"chains{num_bones}", bool(paths), f"directed path of {num_bones} bones")
        return paths

    return chains


def _contralateral(skeleton: Skeleton) -> HyperedgeLists:
    _need(skeleton, "contralateral", bool(skeleton.symmetric_pairs), "symmetric pairs")
    arms, legs = (_joints(_limbs(skeleton, kind, "contralateral")) for kind in ("arm", "leg"))
    right, left = set(skeleton.right), set(skeleton.left)
    return [list(legs & right | arms & left), list(legs & left | arms & right)]


def _extremities(skeleton: Skeleton) -> HyperedgeLists:
    return [[joint for joint in range(skeleton.num_joints) if joint not in skeleton.parents]]


def _whole(skeleton: Skeleton) -> HyperedgeLists:
    return [list(range(skeleton.num_joints))]


_GROUPS: dict[str, Callable[[Skeleton], HyperedgeLists]] = {
    "parts": _parts,
    "sides": _sides,
    "halves": _halves,
    "sym": _sym,
    "parts10": _parts10,
    "chains2": _chains(2),
    "chains3": _chains(3),
    "chains4": _chains(4),
    "contralateral": _contralateral,
    "extremities": _extremities,
    "whole": _whole,
}
HYPEREDGE_GROUPS = tuple(_GROUPS)
"""The names of all groups."""


def _need(skeleton: Skeleton, group: str, found: bool, what: str) -> None:
    if not found:
        raise TopologyError(f"group {shown(group)} cannot be made: {skeleton!r} has no {what}")


def _right_before_left(skeleton: Skeleton) -> list[str]:
    """The parts as declared, but of two that mirror each other the right one first."""
    if not skeleton.symmetric_pairs:
        return list(skeleton.parts)
    mirror, right = skeleton.mirror_index, set(skeleton.right)
    names = {frozenset(members): part for part, members in skeleton.parts.items()}
    order: list[str] = []
    for part, members in skeleton.parts.items():
        twin = names.get(frozenset(mirror[joint] for joint in members), part)
        order += sorted({part, twin} - set(order), key=lambda name: right.isdisjoint(skeleton.parts[name]))
    return order


def _limbs(skeleton: Skeleton, kind: str, group: str | None) -> list[tuple[int, ...]]:
    """The parts that have ``kind`` as a word of their name; ``group`` needs at least one."""
    found = [p for p in _right_before_left(skeleton) if kind in re.split(r"[\W_]+", p.lower())]
    if group is not None:
        _need(skeleton, group, bool(found), f"part with {shown(kind)} in its name")
    return [skeleton.parts[part] for part in found]


def _joints(parts: Iterable[Iterable[int]]) -> set[int]:
    return {joint for part in parts for joint in part}


def _attached(skeleton: Skeleton, part: Iterable[int]) -> set[int]:
    """The joints of a part by which it hangs on the rest of the body."""
    members = set(part)
    return {joint for joint in members if skeleton.parents[joint] not in members}


def _hung_on(skeleton: Skeleton, parts: Iterable[Iterable[int]]) -> set[int]:
    """The joints outside of the parts that these hang on."""
    return {skeleton.parents[joint] for part in parts for joint in _attached(skeleton, part)} - {-1}


def _ancestors(skeleton: Skeleton, joint: int) -> list[int]:
    """Parent, grandparent, ... up to the root."""
    ancestors = []
    while (joint := skeleton.parents[joint]) != -1:
        ancestors.append(joint)
    return ancestors


def _between(skeleton: Skeleton, joints: set[int]) -> set[int]:
    """All joints on the paths between any two of ``joints``."""
    ends = sorted(joints)
    to_ends = skeleton.hop_distance()[:, ends]
    on_path = to_ends.unsqueeze(1) + to_ends.unsqueeze(2) == to_ends[ends]
    return set(on_path.any(dim=(1, 2)).nonzero().flatten().tolist())


def _limb_halves(skeleton: Skeleton, limb: tuple[int, ...]) -> HyperedgeLists:
    """A limb cut at the joint where it bends, which belongs to both halves, as does where it hangs to the upper one."""
    middle = _middle(skeleton, limb)
    lower = {joint for joint in limb if joint == middle or middle in _ancestors(skeleton, joint)}
    return [list(set(limb) - lower | {middle} | _hung_on(skeleton, [limb])), list(lower)]


def _middle(skeleton: Skeleton, limb: tuple[int, ...]) -> int:
    """The elbow or knee, told by its name, else the joint in the middle of the longest chain of the limb."""
    for joint in limb:
        if re.sub(r"^(left|right)_", "", skeleton.joint_names[joint]) in _MIDDLE:
            return joint
    members = set(limb)
    chains = [[joint, *(a for a in _ancestors(skeleton, joint) if a in members)] for joint in limb]
    chain = max(chains, key=len)[::-1]
    return chain[(len(chain) - 1) // 2]
