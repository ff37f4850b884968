"""C3D, the binary format of optical motion capture (https://www.c3d.org): markers as joints.

The file says its unit, its frame rate and, if ``POINT:Y_SCREEN`` is there, which axis points up. Files are written with
the package ezc3d; it reads none here, since it crashes on damaged files, and sets aside as much memory as their heads
promise.
"""

from __future__ import annotations

import math
import struct
import tempfile
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from skelgraph.datasets.motion_files.motion import Motion, check_room, metres_of
from skelgraph.datasets.units import Axis
from skelgraph.errors import DataError
from skelgraph.files import open_regular
from skelgraph.text import plain, shown

_BLOCK = 512
_INTEL, _DEC, _MIPS = 84, 85, 86
_UP: dict[str, Axis] = {"+Y": "y", "Y": "y", "+Z": "z", "Z": "z"}


def is_c3d(head: bytes) -> bool:
    """Whether a file that begins so is of this format."""
    return len(head) > 1 and head[1] == 0x50 and head[0] > 1


class _Damaged(Exception):  # noqa: N818 - the reason of a DataError
    pass


def read_c3d(path: str | PathLike[str]) -> Motion:
    """Read the markers of a C3D file that have a name. Where a marker was not seen (a negative residual) it is NaN.

    Args:
        path: The file.

    Raises:
        DataError: The file cannot be read, is damaged or a part of one, or names no unit that is known.
    """
    label = plain(str(path), 1000)
    with open_regular(path, DataError) as file:
        content, size = file.read(), file.size
    try:
        return _read(content, size, label)
    except (_Damaged, struct.error, ValueError, OverflowError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{label}: is damaged or no C3D file ({plain(str(error), 200)}).") from error


def c3d_content(motion: Motion, label: str) -> bytes:
    """The content of a C3D file of the motion, in millimetres, the unit of the field.

    Args:
        motion: Motion that says its unit and its frame rate.
        label: Name of the file, for messages.

    Raises:
        DataError: The motion does not say its unit or frame rate, or ezc3d is not installed.
    """
    if motion.frame_rate is None or motion.unit is None:
        raise DataError(f"{label}: the motion does not say its {'unit' if motion.frame_rate else 'frame rate'}.")
    try:
        import ezc3d
    except ImportError:
        raise DataError(f"{label}: C3D is written with ezc3d: pip install 'skelgraph[mocap]'.") from None
    (frames, joints), first = motion.positions.shape[:2], motion.first_frame or 0
    if frames > 65535 or joints > 255:
        raise DataError(
            f"{label}: {frames} frames of {joints} joints; C3D is written up to 65535 frames and 255 joints, "
            "the other formats without such a bound."
        )
    if not 0 <= first < 2**32 - frames:
        raise DataError(f"{label}: first_frame is {first}; C3D counts frames of a recording from 0 up to 32 bits.")
    document = ezc3d.c3d()
    document["parameters"]["POINT"]["RATE"]["value"] = [motion.frame_rate]
    document["parameters"]["POINT"]["LABELS"]["value"] = list(motion.joint_names)
    document["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    if motion.up is not None:
        document.add_parameter("POINT", "X_SCREEN", ["+X"])
        document.add_parameter("POINT", "Y_SCREEN", [f"+{motion.up.upper()}"])
    document["header"]["points"]["first_frame"] = first
    if first + frames > 65535:  # for which the head has too few bits
        for end, number in (("START", first + 1), ("END", first + frames)):
            document.add_parameter("TRIAL", f"ACTUAL_{end}_FIELD", [number % 2**16, number // 2**16])
    points = np.ones((4, joints, frames))
    points[:3] = motion.positions.transpose(2, 1, 0) * (motion.unit / 0.001)
    document["data"]["points"] = points
    document["data"]["meta_points"]["residuals"] = np.where(motion.visible, 0.0, -1.0).T[None]
    document["data"]["meta_points"]["camera_masks"] = np.zeros((7, joints, frames), dtype=bool)
    with tempfile.TemporaryDirectory() as folder:  # ezc3d writes to files alone
        path = Path(folder) / "motion.c3d"
        document.write(str(path))
        return path.read_bytes()


def _read(content: bytes, size: int, label: str) -> Motion:
    if not is_c3d(content):
        raise _Damaged("its head is that of another format")
    section = (content[0] - 1) * _BLOCK
    if len(content) < section + 4:
        raise _Damaged("it ends before its parameters")
    machine = content[section + 3]
    if machine not in (_INTEL, _DEC, _MIPS):
        raise _Damaged(f"its numbers are those of processor {machine}, expected {_INTEL}, {_DEC} or {_MIPS}")
    order: Literal["<", ">"] = ">" if machine == _MIPS else "<"
    parameters: dict[tuple[str, str], Any] = dict(_parameters(content, section + 4, order, machine))
    points, analog, first, last = struct.unpack_from(f"{order}4H", content, 2)
    scale, rate = (float(_floats(content[at : at + 4], order, machine)[0]) for at in (12, 20))
    (start,) = struct.unpack_from(f"{order}H", content, 16)
    frames = last - first + 1
    ends: list[Any] = [parameters.get(("TRIAL", f"ACTUAL_{end}_FIELD")) for end in ("START", "END")]
    if all(isinstance(end, np.ndarray) and end.size == 2 for end in ends):  # where 16 bits are too few
        low, high = (int(end[0]) % 2**16 + int(end[1]) % 2**16 * 2**16 for end in ends)
        first, frames = low, high - low + 1
    if not points or frames < 1 or not 0 < rate < 1e6 or not np.isfinite(scale) or not scale:
        raise _Damaged(f"it has {points} markers, {frames} frames, the rate {rate:g} and the scale {scale:g}")

    check_room(frames, points, size, label)
    width, row = 4 if scale < 0 else 2, 4 * points + analog
    begin, count = (start - 1) * _BLOCK, frames * row
    if start < 2 or begin + count * width > len(content):
        raise _Damaged(f"it ends before its {frames} frames do")
    raw = content[begin : begin + count * width]
    values = _floats(raw, order, machine) if scale < 0 else np.frombuffer(raw, f"{order}i2")
    markers = values.reshape(frames, row)[:, : 4 * points].reshape(frames, points, 4).astype(np.float64)
    positions, residual = markers[..., :3], markers[..., 3]
    if scale > 0:
        positions = positions * scale
    positions = np.where((residual < 0)[..., None], np.nan, positions)
    if np.isinf(positions).any():
        raise _Damaged("a position is infinite")

    names = _names(parameters, points)
    named = [i for i, name in enumerate(names) if name and not name.startswith("*")]
    if not named:
        raise DataError(f"{label}: none of its {points} markers has a name.")
    return Motion(
        positions[:, named],
        tuple(names[i] for i in named),
        rate,
        unit=metres_of(_text(parameters, "UNITS"), label) if _text(parameters, "UNITS") else None,
        up=_up(parameters, label),
        first_frame=max(first - 1, 0),  # C3D counts from 1
    )


def _parameters(
    content: bytes, at: int, order: Literal["<", ">"], machine: int
) -> Iterator[tuple[tuple[str, str], np.ndarray | list[str]]]:
    """The parameters by group and name: arrays of numbers, or lists of texts."""
    groups: dict[int, str] = {}
    found: list[tuple[int, str, Any]] = []
    while at + 2 <= len(content) and content[at]:
        length, group = struct.unpack_from("bb", content, at)
        name = content[at + 2 : at + 2 + abs(length)].decode("latin-1").strip().upper()
        at += 2 + abs(length)
        (offset,) = struct.unpack_from(f"{order}H", content, at)
        end = at + offset if offset else len(content)
        if group < 0:
            groups[-group] = name
        else:
            found.append((group, name, _value(content[at + 2 : end], order, machine)))
        if not offset:
            break
        at = max(end, at + 2)
    for group, name, value in found:
        yield (groups.get(group, ""), name), value


def _value(content: bytes, order: Literal["<", ">"], machine: int) -> np.ndarray | list[str]:
    kind, rank = struct.unpack_from("bB", content)
    shape = list(content[2 : 2 + rank])
    width, count = abs(kind), math.prod(shape)
    raw = content[2 + rank : 2 + rank + width * count]
    if kind not in (-1, 1, 2, 4) or len(raw) < width * count:
        raise _Damaged("a parameter is not whole")
    if kind == -1:
        length = shape[0] if shape else 1
        return [raw[i : i + length].decode("latin-1").strip(" \0") for i in range(0, len(raw), max(length, 1))]
    return _floats(raw, order, machine) if kind == 4 else np.frombuffer(raw, f"{order}i{width}")


def _floats(raw: bytes, order: Literal["<", ">"], machine: int) -> np.ndarray:
    if machine != _DEC:
        return np.frombuffer(raw, f"{order}f4")
    swapped = np.frombuffer(raw, "<u2").reshape(-1, 2)[:, ::-1].ravel()  # the exponent of DEC is larger by 2
    return np.ascontiguousarray(swapped).view("<f4") / 4


def _names(parameters: dict[tuple[str, str], Any], points: int) -> list[str]:
    """The name of each marker, empty if it has none: more than 255 go on in LABELS2, LABELS3, ..."""
    names: list[str] = []
    for i in range(1, 300):
        more = parameters.get(("POINT", f"LABELS{i if i > 1 else ''}"))
        if not isinstance(more, list):
            break
        names += more
    return [*names, *[""] * points][:points]


def _text(parameters: dict[tuple[str, str], Any], name: str) -> str:
    value = parameters.get(("POINT", name))
    return value[0] if isinstance(value, list) and value else ""


def _up(parameters: dict[tuple[str, str], Any], label: str) -> Axis | None:
    up = _text(parameters, "Y_SCREEN")
    if up and up.upper() not in _UP:
        raise DataError(f"{label}: says that {shown(up)} points up (POINT:Y_SCREEN), expected +Y or +Z.")
    return _UP[up.upper()] if up else None
