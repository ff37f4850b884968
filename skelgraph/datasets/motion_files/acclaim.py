"""ASF and AMC, Acclaim's skeleton and motion files, in which the CMU motion capture database is distributed.

A bone has a direction in the world of the rest pose and axes ``C`` of its own, about which the motion ``M`` turns it:
``L = C M C^-1``. Its orientation is that of its parent times ``L``, and its end lies ``length * direction``, turned by
that, from its beginning (http://mocap.cs.cmu.edu/faqs.php). An order of axes ``XYZ`` means about x first: ``Rz Ry Rx``.

Lengths and root positions are divided by the ``length`` of ``:units``, as the CMU does: its files have 0.45, and are in
inches then. What the unit is, which axis points up and how many frames there are in a second, neither file says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np
import roma
import torch
from torch import Tensor

from skelgraph.datasets.motion_files.motion import Motion, check_room
from skelgraph.datasets.motion_files.text_file import TextFile
from skelgraph.errors import DataError
from skelgraph.files import as_path
from skelgraph.geometry import forward_kinematics
from skelgraph.text import plain, shown

_AXES = re.compile(r"[xyz]{1,3}", re.IGNORECASE)
_DOFS = ("rx", "ry", "rz")
_ROOT_DOFS = ("tx", "ty", "tz", *_DOFS)


@dataclass
class _Bone:
    """A bone, or the root: its motion in the order of the AMC file, its axes and its place in the rest pose."""

    line: int
    name: str = ""
    dofs: tuple[str, ...] = ()
    order: str = "xyz"
    axis: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    direction: list[float] = field(default_factory=list)
    length: float = -1.0
    position: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])  # of the root


@dataclass
class _Skeleton:
    """What an ASF file says; the root is the first bone."""

    text: TextFile
    bones: list[_Bone]
    parents: list[int]
    length: float = 1.0
    degrees: bool | None = None


def is_amc(head: bytes) -> bool:
    """Whether a file that begins so is an AMC file."""
    return _keywords(head)[:1] in (["fully-specified"], ["degrees"], ["radians"], ["samples"]) or b"#!OML:ASF" in head


def is_asf(head: bytes) -> bool:
    """Whether a file that begins so is an ASF file."""
    return _keywords(head)[:1] in (["version"], ["name"], ["units"])


def _keywords(head: bytes) -> list[str]:
    return [word.decode().lower() for word in re.findall(rb"^[ \t]*:([\w-]+)", head, re.MULTILINE)]


def read_acclaim(path: str | PathLike[str]) -> Motion:
    """Read an AMC file with the ASF file of its skeleton: the only one in its folder, or that whose name it begins with
    (``02.asf`` for ``02_01.amc``).

    The joints have the names of the bones, at whose ends they are, and ``root``: the left knee is ``lfemur``.

    Args:
        path: The AMC file.

    Raises:
        DataError: A file cannot be read, is damaged or a part of one; or the ASF file is not found.
    """
    path = as_path(path, DataError)
    text = TextFile.read(path)
    skeleton = _read_skeleton(_find_skeleton(path))
    motion, count, degrees = _read_frames(text, skeleton)
    check_room(count, len(skeleton.bones), text.size + skeleton.text.size, text.label)
    positions = _pose(skeleton, motion, count, degrees)
    return Motion(
        torch.stack(positions, 1).numpy() / skeleton.length,
        tuple(bone.name for bone in skeleton.bones),
        frame_rate=None,
        parents=tuple(skeleton.parents),
    )


def _find_skeleton(path: Path) -> Path:
    try:
        files = sorted(file for file in path.parent.iterdir() if file.suffix.lower() == ".asf")
    except OSError as error:
        raise DataError(f"{plain(str(path.parent), 1000)}: cannot be read: {error.strerror}.") from error
    own = [file for file in files if re.match(re.escape(file.stem) + r"(?![A-Za-z0-9])", path.stem)]
    found = own if len(own) == 1 else files
    if len(found) != 1:
        names = ", ".join(plain(file.name) for file in files[:10]) or "none"
        raise DataError(
            f"{plain(str(path), 1000)}: its skeleton is not known: expected one ASF file in its folder, or one whose "
            f"name it begins with; there is: {names}."
        )
    return found[0]


def _read_skeleton(path: Path) -> _Skeleton:
    text = TextFile.read(path)
    result = _Skeleton(text, [], [])
    bones: dict[str, _Bone] = {}
    parents: dict[str, str] = {}
    section, bone, root = "", None, _Bone(0, "root", _ROOT_DOFS)
    for line, keyword, words in _statements(text):
        if keyword.startswith(":"):
            section = keyword[1:]
            if bone is not None:
                raise text.error(line, f"the bone {shown(bone.name)} has no end.")
            continue
        try:
            match section, keyword:
                case "units", "length":
                    (result.length,) = text.numbers(line, words, 1)
                    if result.length <= 0:
                        raise text.error(line, f"the length of the units is {result.length:g}, expected more than 0.")
                case "units", "angle":
                    result.degrees = _is_degrees(text, line, words[0])
                case "root", "order":
                    root.dofs = _read_dofs(text, line, words, _ROOT_DOFS)
                case "root", "axis":
                    root.order = _read_order(text, line, words[0])
                case "root", "position":
                    root.position = text.numbers(line, words, 3)
                case "root", "orientation":
                    root.axis = text.numbers(line, words, 3)
                case "bonedata", "begin":
                    bone = _Bone(line)
                case "bonedata", "end" if bone is not None:
                    _add_bone(text, bones, bone)
                    bone = None
                case "bonedata", "name" if bone is not None:
                    bone.name = words[0]
                case "bonedata", "direction" if bone is not None:
                    bone.direction = text.numbers(line, words, 3)
                case "bonedata", "length" if bone is not None:
                    (bone.length,) = text.numbers(line, words, 1)
                case "bonedata", "axis" if bone is not None:
                    bone.axis, bone.order = text.numbers(line, words[:3], 3), _read_order(text, line, words[3])
                case "bonedata", "dof" if bone is not None:
                    bone.dofs = _read_dofs(text, line, words, _DOFS)
                case "hierarchy", parent if parent not in ("begin", "end"):
                    for child in words:
                        if child not in bones or child in parents or parent not in ("root", *bones):
                            raise text.error(line, f"{shown(parent)} {shown(child)}: no such bone, or a bone twice.")
                        parents[child] = parent
        except IndexError:
            raise text.error(line, f"{shown(keyword)} has too few words.") from None
    if not bones or section != "hierarchy":
        raise DataError(f"{text.label}: has {len(bones)} bones and ends within the section {shown(section)}.")
    result.bones, result.parents = _from_root(text, root, bones, parents)
    return result


def _statements(text: TextFile) -> Iterator[tuple[int, str, list[str]]]:
    """The lines with something on them: number, first word and the others. Names keep their case, sections do not."""
    for number, line in enumerate(text.lines):
        words = line.partition("#")[0].split()
        if words:
            yield number, words[0].lower() if words[0].startswith(":") else words[0], words[1:]


def _is_degrees(text: TextFile, line: int, word: str) -> bool:
    units = {"deg": True, "degrees": True, "rad": False, "radians": False}
    if word.lower() not in units:
        raise text.error(line, f"the unit of angles is {shown(word)}, expected deg or rad.")
    return units[word.lower()]


def _read_order(text: TextFile, line: int, word: str) -> str:
    if not _AXES.fullmatch(word) or len({*word.lower()}) < 3:
        raise text.error(line, f"the order of the axes is {shown(word)}, expected one such as XYZ.")
    return word.lower()


def _read_dofs(text: TextFile, line: int, words: list[str], known: tuple[str, ...]) -> tuple[str, ...]:
    dofs = tuple(word.lower() for word in words)
    if not {*dofs} <= {*known} or len({*dofs}) < len(dofs):
        raise text.error(line, f"found the motion {shown(' '.join(words))}, expected each once of {' '.join(known)}.")
    return dofs


def _add_bone(text: TextFile, bones: dict[str, _Bone], bone: _Bone) -> None:
    if not bone.name or not bone.direction or bone.length < 0 or bone.name in (*bones, "root"):
        raise text.error(bone.line, f"the bone {shown(bone.name)} is there twice, or lacks its direction or length.")
    bones[bone.name] = bone


def _from_root(
    text: TextFile, root: _Bone, bones: dict[str, _Bone], parents: dict[str, str]
) -> tuple[list[_Bone], list[int]]:
    """All bones, each behind its parent, and the places of their parents."""
    children: dict[str, list[str]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    order, index = [root], {"root": 0}
    for bone in order:  # which grows
        for child in children.get(bone.name, ()):
            index[child] = len(order)
            order.append(bones[child])
    if lost := [name for name in bones if name not in index]:
        raise DataError(f"{text.label}: the bone {shown(lost[0])} hangs on no other in the hierarchy.")
    return order, [-1, *(index[parents[bone.name]] for bone in order[1:])]


def _read_frames(text: TextFile, skeleton: _Skeleton) -> tuple[dict[str, np.ndarray], int, bool]:
    """The motion ``(T, dofs)`` of every bone that moves, the number of frames, and whether angles are degrees."""
    degrees = skeleton.degrees
    dofs = {bone.name: len(bone.dofs) for bone in skeleton.bones if bone.dofs}
    motion: dict[str, list[list[float]]] = {name: [] for name in dofs}
    first, count = 0, 0

    def close(line: int) -> None:
        if missing := [name for name, values in motion.items() if len(values) < count]:
            raise text.error(
                line, f"the frame before has no motion of bone {shown(missing[0])}; is this a part of a file?"
            )

    for line, keyword, words in _statements(text):
        if keyword.startswith(":"):
            if keyword in (":degrees", ":radians"):
                degrees = keyword == ":degrees"
        elif not words and keyword.isdecimal() and len(keyword) < 10:
            close(line)
            first = first if count else int(keyword)
            if int(keyword) != first + count:
                raise text.error(line, f"found frame {keyword}, expected {first + count}.")
            count += 1
        elif len(motion.get(keyword, ())) == count - 1 and keyword in motion:
            motion[keyword].append(text.numbers(line, words, dofs[keyword]))
        else:
            raise text.error(
                line,
                f"found {shown(keyword)}, expected the number of a frame or, once in a frame, a bone that moves in "
                f"{skeleton.text.label}.",
            )
    close(len(text.lines) - 1)
    if not count:
        raise DataError(f"{text.label}: has no frames.")
    if degrees is None:
        raise DataError(f"{text.label}: neither it nor {skeleton.text.label} says whether angles are degrees.")
    return {name: np.array(values) for name, values in motion.items()}, count, degrees


def _pose(skeleton: _Skeleton, motion: dict[str, np.ndarray], count: int, degrees: bool) -> list[Tensor]:
    """The position of the root and of the end of every bone, each ``(T, 3)``, in the unit of the file."""
    rotations, offsets = [], []
    for bone, parent in zip(skeleton.bones, skeleton.parents, strict=True):
        values = torch.from_numpy(motion.get(bone.name, np.empty((count, 0))))
        own = torch.tensor(bone.axis, dtype=torch.float64)
        axes = roma.euler_to_rotmat(bone.order, own, degrees=degrees if skeleton.degrees is None else skeleton.degrees)
        rotation = torch.eye(3, dtype=torch.float64)
        if turns := [i for i, dof in enumerate(bone.dofs) if dof[0] == "r"]:
            order = "".join(bone.dofs[i][1] for i in turns)
            rotation = axes @ roma.euler_to_rotmat(order, values[:, turns], degrees=degrees) @ axes.mT
        rotations.append(rotation)
        if parent == -1:
            offset = torch.tensor(bone.position, dtype=torch.float64).repeat(count, 1)
            for i, dof in enumerate(bone.dofs):
                if dof[0] == "t":
                    offset[:, "xyz".index(dof[1])] += values[:, i]
        else:  # the end of the bone, which turns with it
            offset = rotation @ (torch.tensor(bone.direction, dtype=torch.float64) * bone.length)
        offsets.append(offset)
    return forward_kinematics(skeleton.parents, rotations, offsets)[1]
