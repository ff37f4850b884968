"""This library's own files of motion: the fields of :class:`Motion`, as arrays in npz or as JSON.

Both hold ``positions`` ``(T, J, 3)`` and ``joint_names``, and as far as they are known ``frame_rate``, ``unit`` (metres
of the unit of length), ``up``, ``parents``, ``first_frame`` and ``deviations`` ``(T, J)``. Where a joint is not known
there is NaN, in JSON ``null`` in place of its three numbers. JSON also has ``"format": "skelgraph motion"``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np

from skelgraph.datasets.motion_files.motion import Motion, check_first_frame
from skelgraph.errors import DataError
from skelgraph.files import read_json, read_npz
from skelgraph.text import plain, shown

_FORMAT = "skelgraph motion"
_LARGEST = 2**28  # bytes of JSON
_SAID = ("frame_rate", "unit", "up", "parents", "first_frame")


def is_motion_npz(head: bytes) -> bool:
    """Whether a file that begins so is an npz file whose first member are positions."""
    return head.startswith(b"PK") and head[30:43] == b"positions.npy"


def is_motion_json(head: bytes) -> bool:
    """Whether a file that begins so is this library's JSON."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and f'"{_FORMAT}"'.encode() in head


def read_motion_npz(path: str | PathLike[str]) -> Motion:
    """Read motion from the arrays of an npz file.

    Raises:
        DataError: The file cannot be read, is damaged or lacks a member, or its members do not fit together.
    """
    members = read_npz(path, ("positions", "joint_names"), (*_SAID, "deviations"))
    said = {
        name: value.tolist() if isinstance(value, np.ndarray) and value.ndim < 2 else value
        for name, value in members.items()
    }
    return _motion({**said, "positions": members["positions"]}, plain(str(path), 1000))


def read_motion_json(path: str | PathLike[str]) -> Motion:
    """Read motion from this library's JSON.

    Raises:
        DataError: The file cannot be read, is damaged or lacks a key, or its values do not fit together.
    """
    label, data = plain(str(path), 1000), read_json(path, DataError, _LARGEST)
    if not isinstance(data, dict) or data.get("format") != _FORMAT or not isinstance(data.get("positions"), list):
        raise DataError(f"{label}: found {shown(data)}, expected an object with format {_FORMAT!r} and positions.")
    unknown = [None, None, None]
    frames = [
        [unknown if joint is None else joint for joint in frame] if isinstance(frame, list) else frame
        for frame in data["positions"]
    ]
    try:
        positions = np.array(frames, dtype=object).astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"{label}: positions are no table of numbers: expected frames of joints of x, y, z.") from None
    told = data.get("deviations")
    try:
        deviations = None if told is None else np.array(told, dtype=object).astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"{label}: deviations are no table of numbers: expected frames of joints.") from None
    return _motion({**data, "positions": positions, "deviations": deviations}, label)


def motion_npz(motion: Motion) -> bytes:
    """The content of an npz file of the motion."""
    buffer = io.BytesIO()
    names = np.array(motion.joint_names)
    told: dict[str, Any] = {} if motion.deviations is None else {"deviations": motion.deviations}
    np.savez_compressed(buffer, positions=motion.positions, joint_names=names, **_said(motion), **told)
    return buffer.getvalue()


def motion_json(motion: Motion) -> bytes:
    """The content of a JSON file of the motion."""
    frames = [
        [joint if seen else None for joint, seen in zip(joints, known, strict=True)]
        for joints, known in zip(motion.positions.tolist(), motion.visible.tolist(), strict=True)
    ]
    document = {"format": _FORMAT, "joint_names": motion.joint_names, **_said(motion), "positions": frames}
    if motion.deviations is not None:
        document["deviations"] = motion.deviations.tolist()
    return json.dumps(document, allow_nan=False).encode()


def _said(motion: Motion) -> dict[str, Any]:
    return {name: value for name in _SAID if (value := getattr(motion, name)) is not None}


def _motion(data: Mapping[str, Any], label: str) -> Motion:
    positions, names = data["positions"], data.get("joint_names")
    if (
        not isinstance(positions, np.ndarray)
        or positions.dtype.kind not in "fiu"
        or positions.ndim != 3
        or not len(positions)
        or positions.shape[2] != 3
        or np.isinf(positions).any()
    ):
        raise DataError(f"{label}: positions are {shown(positions)}, expected finite numbers (T, J, 3), or NaN.")
    count = positions.shape[1]
    if not isinstance(names, list) or not _is_list(names, str, count) or len(set(names)) != count or not count:
        raise DataError(
            f"{label}: joint_names are {shown(names)}, expected a name of its own for each of {count} joints."
        )
    for name in ("frame_rate", "unit"):
        number = data.get(name)
        if number is not None and not (isinstance(number, int | float) and 0 < number < 1e6):
            raise DataError(f"{label}: {name} is {shown(number)}, expected a number above 0.")
    if data.get("up") not in (None, "y", "z"):
        raise DataError(f"{label}: up is {shown(data['up'])}, expected y or z.")
    first = data.get("first_frame")
    if first is not None and type(first) is not int:
        raise DataError(f"{label}: first_frame is {shown(first)}, expected the number of a frame.")
    deviations = data.get("deviations")
    if deviations is not None and not (
        isinstance(deviations, np.ndarray)
        and deviations.dtype.kind in "fiu"
        and deviations.shape == positions.shape[:2]
        and np.isfinite(deviations).all()
        and (deviations >= 0).all()
    ):
        raise DataError(
            f"{label}: deviations are {shown(deviations)}, expected finite numbers from 0 on, {positions.shape[:2]} as "
            "of the positions."
        )
    parents = data.get("parents")
    if parents is not None and not (_is_list(parents, int, count) and all(-1 <= parent < count for parent in parents)):
        raise DataError(f"{label}: parents are {shown(parents)}, expected the parent of each of {count} joints, or -1.")
    return Motion(
        positions.astype(np.float64),
        tuple(names),
        None if data.get("frame_rate") is None else float(data["frame_rate"]),
        unit=None if data.get("unit") is None else float(data["unit"]),
        up=data.get("up"),
        parents=None if parents is None else tuple(parents),
        deviations=None if deviations is None else deviations.astype(np.float64),
        first_frame=None if first is None else check_first_frame(first, label),
    )


def _is_list(value: Any, kind: type, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(type(item) is kind for item in value)
