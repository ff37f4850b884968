"""Which joints of a layout are those of another one.

Names alone do not tell: the ``left_foot`` of Human3.6M is the ankle, that of SMPL the ball of the foot, and their
``head`` are two points as well. So each named layout says what its joints mean, in :data:`MEANINGS`; names that it does
not list mean what they say. A skeleton of the user's own has its joints understood by their names alone: as a named
layout has them, if it has all of these names, else by :data:`ALIASES`. ``*`` stands for left and right.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence

from skelgraph.errors import TopologyError
from skelgraph.text import plain
from skelgraph.topology.layouts import SkeletonLike, as_skeleton, list_skeletons
from skelgraph.topology.skeleton import Skeleton

_H36M = {"hip": "pelvis", "*_foot": "*_ankle", "thorax": "neck", "neck_nose": "head", "head": "head_top"}
_MPI: dict[str, str] = {}
_CMU = {
    "*_up_leg": "*_hip",
    "*_leg": "*_knee",
    "*_foot": "*_ankle",
    "*_shoulder": "*_clavicle",
    "*_arm": "*_shoulder",
    "*_fore_arm": "*_elbow",
    "*_hand": "*_wrist",
    "spine": "lower spine",
    "neck": "lower neck",
    "head": "upper neck",
}

MEANINGS: Mapping[str, Mapping[str, str]] = {
    # as the preparations of MPI-INF-3DHP for networks of Human3.6M's joints have it: https://github.com/paTRICK-swk/P-STMO
    "h36m16": _H36M,
    "h36m17": _H36M,
    "h36m32": _H36M,
    "mpi_inf_3dhp17": _MPI,
    "mpi_inf_3dhp28": _MPI,
    "mpii16": {"thorax": "neck", "upper_neck": "upper neck"},
    "smpl24": {"head": "upper neck"},
    "ntu25": {"spine_base": "pelvis", "spine_mid": "spine", "spine_shoulder": "neck", "neck": "upper neck"},
    "halpe26": {"hip": "pelvis", "head": "head_top"},
    "body25": {"mid_hip": "pelvis"},
    "body25b": {"upper_neck": "upper neck"},
    "openpose_coco18": {},
    "coco_wholebody_body23": {},
    "coco17": {},
    "blazepose33": {},
    # the corners of the eyes and of the mouth and the first knuckles, which BlazePose has as well
    "cmu_bvh": _CMU,
}
"""What the joints of the named layouts mean, in the words of mpi_inf_3dhp28."""

ALIASES: Mapping[str, str] = {
    "hip": "pelvis",
    "mid_hip": "pelvis",
    "hips": "pelvis",
    "root": "pelvis",
    "spine_base": "pelvis",
    "spine_mid": "spine",
    "thorax": "neck",
    "spine_shoulder": "neck",
    "mid_shoulder": "neck",
    "upper_neck": "upper neck",
    "head": "head_top",
    "neck_nose": "head",
    "*_foot": "*_ankle",
}
"""What names of joints mean in a skeleton that has other names than the named layouts, one after the other: each as
long as no joint of the skeleton means that already. So ``left_foot`` is the ankle where there is no ``left_ankle``."""


def matching_joints(source: SkeletonLike, wanted: SkeletonLike) -> tuple[int, ...]:
    """The joint of a layout that each joint of another one is.

    Two of the named layouts are compared by what their joints mean. Another skeleton is compared by the names
    themselves where those of all joints are there, else by what they mean, see :func:`joint_meanings`.

    Args:
        source: The layout that there is.
        wanted: The layout that is wanted.

    Returns:
        Ids in ``source``, one for each joint of ``wanted``.

    Raises:
        TopologyError: If joints have no counterpart; the message names them.

    Example:
        >>> matching_joints("mpi_inf_3dhp17", "h36m17")
        (14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4)
    """
    source, wanted = as_skeleton(source), as_skeleton(wanted)
    known, asked = compared_words(source, wanted)
    if missing := [name for name, word in zip(wanted.joint_names, asked, strict=True) if word not in known]:
        raise TopologyError(
            f"layout {label(source)} has no joint for {', '.join(map(plain, missing))} of {label(wanted)}; it has "
            f"{', '.join(map(plain, source.joint_names[:60]))}"
        )
    return tuple(known.index(word) for word in asked)


def compared_words(source: Skeleton, wanted: Skeleton) -> tuple[Sequence[str], Sequence[str]]:
    """The words by which the joints of two layouts are compared, one for each joint: their meanings, or their names
    where one of the two is no named layout and the first has joints of all names of the second."""
    if None in map(_meanings, (source, wanted)) and set(wanted.joint_names) <= set(source.joint_names):
        return source.joint_names, wanted.joint_names
    return joint_meanings(source), joint_meanings(wanted)


@functools.lru_cache(maxsize=256)
def joint_meanings(skeleton: Skeleton) -> tuple[str, ...]:
    """What the joints of any skeleton mean, in the words of :data:`MEANINGS`, one for each joint.

    Names are read as :func:`spoken` reads them (``LeftKnee`` is ``left_knee``). If all of them are names of a layout,
    they mean what they mean there (if those of several such layouts mean the same); else they are what :data:`ALIASES`
    say. What is in neither means what it says.

    Example:
        >>> joint_meanings(Skeleton([-1, 0, 1, 0], ["hip", "neck", "head", "LFoot"]))
        ('pelvis', 'neck', 'head_top', 'left_ankle')
    """
    if table := _meanings(skeleton):
        return tuple(table[name] for name in skeleton.joint_names)
    known = _vocabulary()
    names = [known.get(spoken(name), name) for name in skeleton.joint_names]
    if len(set(names)) < len(names):  # two spellings of one name
        names = [*skeleton.joint_names]
    layouts = [_meanings(as_skeleton(name)) for name in MEANINGS]
    fitting = {tuple(table[name] for name in names) for table in layouts if table and table.keys() >= set(names)}
    if len(fitting) == 1:
        return fitting.pop()
    for alias, meaning in _both_sides(ALIASES).items():
        if alias in names and meaning not in names:
            names[names.index(alias)] = meaning
    return tuple(names)


def _vocabulary() -> dict[tuple[str, str], str]:
    """All names of joints that are understood, by the way they are compared."""
    layouts = (as_skeleton(name).joint_names for name in MEANINGS)
    return {spoken(name): name for name in (*_both_sides(ALIASES), *(name for names in layouts for name in names))}


def spoken(joint_name: str) -> tuple[str, str]:
    """The name of a joint as it is compared, in lower case and without punctuation, and its side, if it says one.

    Example:
        >>> spoken("LeftUpLeg"), spoken("l_up_leg"), spoken("up-leg left"), spoken("neck1")
        (('*upleg', 'left'), ('*upleg', 'left'), ('*upleg', 'left'), ('neck1', ''))
    """
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", joint_name)]
    sides = {"left": "left", "l": "left", "right": "right", "r": "right"}
    side = next((sides[word] for word in words if word in sides), "")
    return ("*" if side else "") + "".join(word for word in words if word not in sides), side


def label(skeleton: Skeleton) -> str:
    """What a message calls a skeleton."""
    return plain(skeleton.name or "without a name")


def _meanings(skeleton: Skeleton) -> dict[str, str] | None:
    """What each joint of a named layout means; ``None`` of another skeleton."""
    if skeleton.name not in MEANINGS or skeleton.name not in list_skeletons() or as_skeleton(skeleton.name) != skeleton:
        return None
    written = _both_sides(MEANINGS[skeleton.name])
    return {name: written.get(name, name) for name in skeleton.joint_names}


def _both_sides(table: Mapping[str, str]) -> dict[str, str]:
    """A table of names with left and right written out."""
    return {
        pattern.replace("*", side): word.replace("*", side)
        for pattern, word in table.items()
        for side in ("left", "right")
    }
