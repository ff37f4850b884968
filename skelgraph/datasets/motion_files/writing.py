"""The one way out: motion as a file of any format that is written, chosen by the end of its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from os import PathLike

import numpy as np

from skelgraph.datasets.motion_files.bvh_writing import bvh_content
from skelgraph.datasets.motion_files.c3d import c3d_content
from skelgraph.datasets.motion_files.motion import Motion
from skelgraph.datasets.motion_files.own_files import motion_json, motion_npz
from skelgraph.datasets.motion_files.trc import trc_content
from skelgraph.datasets.units import UNITS
from skelgraph.errors import DataError
from skelgraph.files import as_path, write_file
from skelgraph.text import plain, shown

WRITTEN: dict[str, Callable[[Motion, str, str], bytes]] = {
    ".npz": lambda motion, name, label: motion_npz(motion),
    ".json": lambda motion, name, label: motion_json(motion),
    ".trc": lambda motion, name, label: trc_content(_with_y_up(motion, label), name, label),
    ".c3d": lambda motion, name, label: c3d_content(motion, label),
    ".bvh": lambda motion, name, label: bvh_content(_in_centimetres(_with_y_up(motion, label), label), label),
}
"""What makes the content of a file out of the motion, its name and its label, by the end of its name."""


def write_motion(path: str | PathLike[str], motion: Motion) -> None:
    """Write motion as a file that other programs open, whole or not at all; :func:`read_motion_file` reads it back.

    ``.npz`` and ``.json`` hold the fields of :class:`Motion`, the others no deviations. C3D is in millimetres and says
    which axis points up. TRC and BVH cannot say it, and programs take y for it: motion with z up is turned, ``(x, y,
    z)`` to ``(x, z, -y)``. BVH is in centimetres; its bones have their mean lengths.

    Args:
        path: The file; the end of its name says the format: ``.npz``, ``.json``, ``.trc``, ``.c3d`` or ``.bvh``.
        motion: The motion. Formats other than npz and JSON need its unit and frame rate, BVH its bones and no gaps.

    Raises:
        DataError: There is no such format, or the motion lacks what the format needs.
        OSError: If the file cannot be written; the error names it.
    """
    path = as_path(path, DataError)
    label = plain(str(path), 1000)
    content = WRITTEN.get(path.suffix.lower())
    if content is None:
        raise DataError(f"{label}: the name of a file of motion ends in {', '.join(WRITTEN)}.")
    if motion.positions.size == 0 or np.isinf(motion.positions).any():
        raise DataError(f"{label}: positions are {shown(motion.positions)}, expected finite numbers, or NaN.")
    names = motion.joint_names
    if len({*names}) < len(names) or any(
        not name.strip() or not name.isprintable() or {*"{}"} & {*name} for name in names
    ):
        raise DataError(f"{label}: joint_names are {shown(names)}, expected different printable names without braces.")
    write_file(path, content(motion, plain(path.name), label))


def _with_y_up(motion: Motion, label: str) -> Motion:
    if motion.up is None:
        raise DataError(f"{label}: the motion does not say which axis points up; expected up: y or z.")
    if motion.up == "y":
        return motion
    x, y, z = np.moveaxis(motion.positions, -1, 0)
    return replace(motion, positions=np.stack([x, z, -y], -1), up="y")


def _in_centimetres(motion: Motion, label: str) -> Motion:
    if motion.unit is None:
        raise DataError(f"{label}: the motion does not say its unit of length; expected unit: metres of it.")
    return replace(motion, positions=motion.positions * (motion.unit / UNITS["cm"]), unit=UNITS["cm"], deviations=None)
