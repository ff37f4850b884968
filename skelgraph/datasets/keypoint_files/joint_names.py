"""Which joints of a layout those of a file are, where the file names them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skelgraph.datasets.keypoint_files.source import Asked
from skelgraph.errors import DataError
from skelgraph.text import plain
from skelgraph.topology import Skeleton, as_skeleton, list_skeletons
from skelgraph.topology.matching import label as name_of
from skelgraph.topology.matching import spoken


def layout_of_names(names: Sequence[str]) -> str | None:
    """The layout whose joints have these names in this order; ``None`` if none does, or several."""
    words = [spoken(name) for name in names]
    found = [name for name in list_skeletons() if [spoken(joint) for joint in as_skeleton(name).joint_names] == words]
    return found[0] if len(found) == 1 else None


def joints_by_name(
    names: Sequence[str], asked: Asked, label: str, may_lack: bool = False
) -> tuple[Skeleton, np.ndarray]:
    """The layout of a file that names its joints: the caller's, or else the only one whose joints have these names,
    in any order; and the place of each of its joints in the file, -1 if the file lacks it.

    Args:
        names: The names, compared without regard to case, punctuation and where they say left or right.
        asked: What the caller says.
        label: Name of the file, for messages.
        may_lack: Whether the file may lack joints of the layout.

    Raises:
        DataError: If no layout fits, or the file lacks joints of the caller's.
    """
    words = [spoken(name) for name in names]
    listed = ", ".join(map(plain, names[:60]))
    skeleton = asked.skeleton
    if skeleton is None:
        layouts = {name: {spoken(joint) for joint in as_skeleton(name).joint_names} for name in list_skeletons()}
        fitting = [name for name, joints in layouts.items() if joints == {*words}]
        if not fitting and may_lack:
            fitting = [name for name, joints in layouts.items() if joints > {*words}]
        if len(fitting) != 1:
            found = f"are those of {' and '.join(fitting)}" if fitting else "are those of no layout"
            raise DataError(
                f"{label}: its joints {found}: {listed}; expected skeleton (--layout): a layout with joints of these "
                "names."
            )
        skeleton = as_skeleton(fitting[0])
    wanted = [spoken(joint) for joint in skeleton.joint_names]
    lacking = [joint for joint, word in zip(skeleton.joint_names, wanted, strict=True) if word not in words]
    if lacking and (not may_lack or len(lacking) == len(wanted)):
        raise DataError(
            f"{label}: has no joints {', '.join(map(plain, lacking[:60]))} of skeleton {name_of(skeleton)}; it has "
            f"{listed}."
        )
    if doubled := next((name for name, word in zip(names, words, strict=True) if words.count(word) > 1), None):
        raise DataError(f"{label}: two of its joints have the name {plain(doubled)}; it has {listed}.")
    return skeleton, np.array([words.index(word) if word in words else -1 for word in wanted])
