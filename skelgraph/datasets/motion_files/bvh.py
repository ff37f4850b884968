"""BVH, Biovision's hierarchical data: a tree of offsets and Euler angles for each frame.

The format is described by M. Meredith and S. Maddock, "Motion Capture File Formats Explained", 2001. It says nothing of
the unit of length or of the axes. Rotations are composed in the order in which the file lists the channels, the first
outermost. Position channels stand in place of the OFFSET, as in Blender and MotionBuilder.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike

import numpy as np
import roma
import torch
from torch import Tensor

from skelgraph.datasets.motion_files.motion import Motion, check_room
from skelgraph.datasets.motion_files.text_file import TextFile
from skelgraph.errors import DataError
from skelgraph.geometry import forward_kinematics
from skelgraph.text import plain, shown

_CHANNEL = re.compile(r"([xyz])(position|rotation)", re.IGNORECASE)


def is_bvh(head: bytes) -> bool:
    """Whether a file that begins so is of this format."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:9].upper() == b"HIERARCHY"


@dataclass
class _Joint:
    """A joint, or the end of the last bone of a chain: its place and channels in the file."""

    name: str
    parent: int
    line: int
    offset: list[float] | None = None
    channels: tuple[tuple[str, str], ...] | None = None  # of axis and kind: ("Z", "rotation")
    is_end: bool = False


def read_bvh(path: str | PathLike[str]) -> Motion:
    """Read a BVH file. End sites are joints too: that of ``Head`` is ``Head_end``, a second one ``Head_end2``.

    Args:
        path: The file.

    Raises:
        DataError: The file cannot be read, is damaged or a part of one, has several roots, or holds numbers that are
            not finite.
    """
    text = TextFile.read(path)
    joints, line = _read_hierarchy(text)
    frames, frame_rate = _read_frames(text, line, sum(len(joint.channels or ()) for joint in joints))
    check_room(len(frames), len(joints), text.size, text.label)
    positions = _pose(joints, torch.from_numpy(frames))
    return Motion(
        torch.stack(positions, 1).numpy(),
        tuple(joint.name for joint in joints),
        frame_rate,
        parents=tuple(joint.parent for joint in joints),
    )


def _statements(text: TextFile) -> Iterator[tuple[int, list[str]]]:
    """The statements of the hierarchy, each with its line; braces are statements, wherever they stand."""
    for number, line in enumerate(text.lines):
        for statement in re.split(r"([{}])", line):
            if words := statement.split():
                yield number, words


def _read_hierarchy(text: TextFile) -> tuple[list[_Joint], int]:
    """The joints in the order of the file, and the line behind MOTION."""
    joints: list[_Joint] = []
    inside: list[int] = []  # the joints whose braces are open
    declared: int | None = None  # the joint whose brace comes next
    for line, (keyword, *words) in _statements(text):
        match keyword.upper():
            case "HIERARCHY":
                continue
            case "MOTION" if joints and not inside and declared is None:
                return joints, line + 1
            case "{" if declared is not None:
                inside.append(declared)
                declared = None
                continue
            case "}" if inside and declared is None:
                _check_joint(text, joints[inside.pop()])
                continue
        if declared is not None or keyword in "{}":
            raise text.error(line, f"found {shown(keyword)}, which does not belong here: the braces do not match.")
        current = joints[inside[-1]] if inside else None
        match keyword.upper():
            case "ROOT" if joints:
                raise text.error(
                    line,
                    f"a second root, {shown(' '.join(words))}, after {shown(joints[0].name)}; expected one: save each "
                    "figure in a file of its own.",
                )
            case "ROOT" | "JOINT" | "END" if (current is None) == (keyword.upper() == "ROOT") and words:
                if current is not None and current.is_end:
                    raise text.error(line, f"{shown(' '.join(words))} hangs on an end site.")
                name, parent = " ".join(words), inside[-1] if inside else -1
                is_end = keyword.upper() == "END"
                if is_end:
                    count = sum(joint.is_end and joint.parent == parent for joint in joints) + 1
                    name = f"{joints[parent].name}_end{count if count > 1 else ''}"
                declared = len(joints)
                joints.append(_Joint(name, parent, line, is_end=is_end))
            case "OFFSET" if current is not None and current.offset is None:
                current.offset = text.numbers(line, words, 3)
            case "CHANNELS" if current is not None and not current.is_end and current.channels is None:
                current.channels = _read_channels(text, line, words)
            case _:
                raise text.error(line, f"found {shown(' '.join([keyword, *words]))}, which does not belong here.")
    raise DataError(f"{text.label}: ends within the hierarchy, at line {len(text.lines)}; expected MOTION.")


def _read_channels(text: TextFile, line: int, words: list[str]) -> tuple[tuple[str, str], ...]:
    found = [_CHANNEL.fullmatch(word) for word in words[1:]]
    channels = tuple((match[1].upper(), match[2].lower()) for match in found if match)
    positions = [channel for channel in channels if channel[1] == "position"]
    if not words or words[0] != str(len(found)) or len(channels) < len(found) or len({*positions}) < len(positions):
        raise text.error(
            line,
            f"found CHANNELS {shown(' '.join(words))}, expected their number and as many of Xposition, Yposition, "
            "Zposition (each once), Xrotation, Yrotation and Zrotation.",
        )
    return channels


def _check_joint(text: TextFile, joint: _Joint) -> None:
    missing = "OFFSET" if joint.offset is None else "CHANNELS" if joint.channels is None and not joint.is_end else ""
    if missing:
        raise text.error(joint.line, f"{shown(joint.name)} has no {missing}.")


def _read_frames(text: TextFile, line: int, num_channels: int) -> tuple[np.ndarray, float]:
    """The values of all channels in every frame ``(T, channels)``, and the frame rate."""
    filled = [(number, row) for number, row in enumerate(text.lines[line:], line) if row.strip()]
    head = "\n".join(row for _, row in filled[:2])
    match = re.fullmatch(r"\s*frames\s*:\s*(\d{1,12})\s*\n\s*frame\s+time\s*:\s*(\S+)\s*", head, re.IGNORECASE)
    if match is None:
        raise text.error(line, f"found {shown(head)} behind MOTION, expected 'Frames: ' and 'Frame Time: '.")
    (frame_time,) = text.numbers(filled[1][0], [match[2]])
    if not 1e-6 < frame_time < 1e6:
        raise text.error(filled[1][0], f"the frame time is {frame_time:g} s.")
    rows = [row for _, row in filled[2:]]
    if len(rows) != int(match[1]) or not rows:
        raise DataError(
            f"{text.label}: says that it has {match[1]} frames, and holds {len(rows)}; is it a part of a file?"
        )
    try:
        frames = np.loadtxt(io.StringIO("\n".join(rows)), comments=None, ndmin=2)
    except ValueError as error:
        raise DataError(f"{text.label}: the frames are no table of numbers ({plain(error)}).") from None
    if frames.shape[1] != num_channels:
        raise DataError(
            f"{text.label}: found {frames.shape[1]} numbers in a frame, expected one for each of the {num_channels} "
            "channels."
        )
    if not np.isfinite(frames).all():
        frame = int(np.isfinite(frames).all(1).argmin())
        raise text.error(filled[2 + frame][0], f"a number of frame {frame} is not finite.")
    return frames, 1 / frame_time


def _pose(joints: list[_Joint], frames: Tensor) -> list[Tensor]:
    """The position of every joint, each ``(T, 3)``."""
    rotations, offsets, column = [], [], 0
    for joint in joints:
        channels = joint.channels or ()
        values = frames[:, column : column + len(channels)]
        column += len(channels)
        offset = frames.new_tensor(joint.offset)
        if joint.parent == -1 or any(kind == "position" for _, kind in channels):
            offset = offset.repeat(len(frames), 1)
        for i, (axis, kind) in enumerate(channels):
            if kind == "position":
                offset[:, "XYZ".index(axis)] = values[:, i]
        turns = [i for i, (_, kind) in enumerate(channels) if kind == "rotation"]
        order = "".join(channels[i][0] for i in turns)
        identity = torch.eye(3, dtype=frames.dtype)
        rotations.append(roma.euler_to_rotmat(order, values[:, turns], degrees=True) if turns else identity)
        offsets.append(offset)
    return forward_kinematics([joint.parent for joint in joints], rotations, offsets)[1]
