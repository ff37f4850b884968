"""The one way in: a motion file of any format, known by its content."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from typing import NamedTuple

from skelgraph.datasets.motion_files import acclaim, amass, bvh, c3d, own_files, trc
from skelgraph.datasets.motion_files.motion import Motion
from skelgraph.errors import DataError
from skelgraph.files import open_regular
from skelgraph.text import plain

Path = str | PathLike[str]


class Format(NamedTuple):
    """A format of motion files.

    Attributes:
        suffix: The end of its files' names, in a folder of them.
        begins: Whether a file that begins so is of this format.
        read: Its reader, of the file and the folder of body models.
    """

    suffix: str
    begins: Callable[[bytes], bool]
    read: Callable[[Path, Path | None], Motion]


FORMATS = {
    "BVH": Format(".bvh", bvh.is_bvh, lambda path, smpl: bvh.read_bvh(path)),
    "ASF/AMC": Format(".amc", acclaim.is_amc, lambda path, smpl: acclaim.read_acclaim(path)),
    "npz": Format(".npz", own_files.is_motion_npz, lambda path, smpl: own_files.read_motion_npz(path)),
    "AMASS": Format(".npz", amass.is_npz, amass.read_amass),
    "C3D": Format(".c3d", c3d.is_c3d, lambda path, smpl: c3d.read_c3d(path)),
    "TRC": Format(".trc", trc.is_trc, lambda path, smpl: trc.read_trc(path)),
    "JSON": Format(".json", own_files.is_motion_json, lambda path, smpl: own_files.read_motion_json(path)),
}
"""The formats by their names."""


def read_motion_file(path: Path, *, smpl: Path | None = None) -> Motion:
    """Read a motion file of any of :data:`FORMATS`; its content tells which.

    Args:
        path: The file. Of ASF/AMC it is the AMC file; the ASF file lies in the same folder.
        smpl: Body model for AMASS, or the folder of such.

    Returns:
        The positions of its joints, and what it says of them.

    Raises:
        DataError: The file cannot be read, is of no known format, damaged or a part of one.
    """
    with open_regular(path, DataError) as file:
        head = file.read(4096)
    for form in FORMATS.values():
        if form.begins(head):
            return form.read(path, smpl)
    name = plain(str(path), 1000)
    if acclaim.is_asf(head):
        raise DataError(f"{name}: is the skeleton of AMC files; expected one of these.")
    raise DataError(f"{name}: begins like no motion file that can be read: {', '.join(FORMATS)}.")
