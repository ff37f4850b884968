"""TRC, the marker trajectories of Motion Analysis, as OpenSim and Pose2Sim write them: a table between tabs.

The format is that of https://opensimconfluence.atlassian.net/wiki/spaces/OpenSim/pages/53089972/Marker+.trc+Files. It
says the unit of length, and nothing of the axes (where OpenSim reads one, y points up). Programs count frames from 0 or
from 1; the times tell which frame of its recording a file begins with.
"""

from __future__ import annotations

from os import PathLike

import numpy as np

from skelgraph.datasets.motion_files.motion import Motion, check_first_frame, check_room, metres_of
from skelgraph.datasets.motion_files.text_file import TextFile
from skelgraph.datasets.units import UNITS
from skelgraph.errors import DataError
from skelgraph.text import shown

_MISSING = ("", "nan", "-nan")


def is_trc(head: bytes) -> bool:
    """Whether a file that begins so is of this format."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"PathFileType")


def read_trc(path: str | PathLike[str]) -> Motion:
    """Read a TRC file. Where a marker was not seen there is nothing, or NaN, in place of its numbers.

    Args:
        path: The file.

    Raises:
        DataError: The file cannot be read, is damaged or a part of one, or names no unit that is known.
    """
    text = TextFile.read(path)
    filled = [(number, line) for number, line in enumerate(text.lines) if line.strip()]
    if len(filled) < 6:
        raise DataError(f"{text.label}: has {len(filled)} lines, expected five of a head and one for each frame.")
    (_, keys), (line, values) = filled[1:3]
    head = dict(zip(keys.split(), values.split(), strict=False))
    (rate,) = text.numbers(line, [head.get("DataRate", "")], 1)
    if rate <= 0:
        raise text.error(line, f"the data rate is {rate:g}, expected more than 0.")
    unit = metres_of(head.get("Units", ""), text.label)

    line, titles = filled[3]
    names = [name.strip() for name in titles.split("\t") if name.strip()][2:]
    rows = filled[5:]
    for key, count in (("NumMarkers", len(names)), ("NumFrames", len(rows))):
        if head.get(key) != str(count):
            raise DataError(
                f"{text.label}: says {key} {shown(head.get(key))}, and has {count}; is it a part of a file?"
            )
    check_room(len(rows), len(names), text.size, text.label)
    line, row = rows[0]
    (time,) = text.numbers(line, row.split("\t")[1:2], 1)
    first = check_first_frame(round(time * rate), f"{text.label}: line {line + 1}: the time {time:g} s")
    positions = np.full((len(rows), 3 * len(names)), np.nan)
    for frame, (line, row) in enumerate(rows):
        cells = [cell.strip() for cell in row.rstrip().split("\t")]
        found = cells[2 : 2 + 3 * len(names)]
        if any(cells[2 + 3 * len(names) :]):
            raise text.error(line, f"found {len(cells) - 2} numbers, expected 3 for each of {len(names)} markers.")
        known = [i for i, cell in enumerate(found) if cell.lower() not in _MISSING]
        positions[frame, known] = text.numbers(line, [found[i] for i in known])
    return Motion(positions.reshape(len(rows), -1, 3), tuple(names), rate, unit=unit, first_frame=first)


def trc_content(motion: Motion, name: str, label: str) -> bytes:
    """The content of a TRC file of the motion, in its axes; a unit that TRC has no name for becomes metres.

    Args:
        motion: Motion that says its unit and its frame rate.
        name: The name of the file, which the format repeats inside.
        label: Name of the file, for messages.

    Raises:
        DataError: The motion does not say its frame rate.
    """
    if motion.frame_rate is None or motion.unit is None:
        raise DataError(f"{label}: the motion does not say its {'unit' if motion.frame_rate else 'frame rate'}.")
    units = next((unit for unit in ("m", "cm", "mm") if UNITS[unit] == motion.unit), None)
    positions = motion.positions * (1 if units else motion.unit)
    frames, joints = positions.shape[:2]
    rate = f"{motion.frame_rate:.10g}"
    first = motion.first_frame or 0
    axes = [f"{axis}{joint + 1}" for joint in range(joints) for axis in "XYZ"]
    head = [
        ["PathFileType", "4", "(X/Y/Z)", name],
        [
            "DataRate",
            "CameraRate",
            "NumFrames",
            "NumMarkers",
            "Units",
            "OrigDataRate",
            "OrigDataStartFrame",
            "OrigNumFrames",
        ],
        [rate, rate, str(frames), str(joints), units or "m", rate, str(first + 1), str(frames)],
        ["Frame#", "Time", *(cell for joint in motion.joint_names for cell in (joint, "", ""))],
        ["", "", *axes],
        [],
    ]
    rows = (
        [str(frame + 1), f"{frame / motion.frame_rate:.6f}", *("" if np.isnan(x) else f"{x:.6f}" for x in row)]
        for frame, row in enumerate(positions.reshape(frames, -1), first)
    )
    return "".join("\t".join(cells) + "\n" for cells in [*head, *rows]).encode()
