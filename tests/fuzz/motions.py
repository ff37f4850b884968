"""Motion files that are damaged, forged or of another kind."""

from __future__ import annotations

import json
import random
import re
import shutil
import struct
from pathlib import Path
from typing import Any

from skelgraph.datasets import load_dataset, read_motion_file
from skelgraph.datasets.joint_maps import read_joint_map

from . import archives, silly
from .case import Case, Room

WORDS = [
    "nan",
    "inf",
    "-1",
    "0",
    "1e999",
    "1e300",
    "-1e-300",
    "999999999999",
    "9" * 5000,
    "x",
    "",
    "{",
    "}",
    "\0",
    "\x1b[31m",
    "\ud7ff",
    "1_0",
    "0x10",
    "٣",
    "JOINT",
    "ROOT",
    "End Site",
    "MOTION",
    "CHANNELS 999999999 Xrotation",
    ":hierarchy",
    "begin",
    "root",
    "# ",
    "\t\t\t",
    "a" * 100_000,
]
"""What stands in a text in place of a word."""


def spoilt_text(rng: random.Random, text: str) -> tuple[str, str]:
    """A text with a line or a word changed, doubled or lost."""
    lines = text.splitlines(keepends=True)
    at = rng.randrange(min(len(lines), 400))
    kind = rng.choice(["word", "word", "word", "line lost", "line doubled", "lines swapped", "many lines"])
    if kind == "word":
        words = re.split(r"(\s+)", lines[at])
        i, word = rng.randrange(len(words)), rng.choice(WORDS)
        words[i] = word
        lines[at] = "".join(words)
        kind = f"word {word[:20]!r} in line {at + 1}"
    elif kind == "line lost":
        del lines[at]
    elif kind == "line doubled":
        lines.insert(at, lines[at])
    elif kind == "lines swapped":
        other = rng.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    else:
        lines[at:at] = [lines[at]] * rng.choice([100, 20_000])
    return kind, "".join(lines)


def _c3d(rng: random.Random, content: bytes) -> tuple[str, bytes]:
    """A C3D file with some of its numbers changed, mostly those of its head and parameters."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at = rng.randrange(rng.choice([24, 24, 1500, len(changed) - 4]))
        new = rng.choice(
            [b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff", b"\0\0\xc0\x7f", struct.pack("<f", 1e30), b"U"]
        )
        changed[at : at + len(new)] = new
    return f"numbers at {at}", bytes(changed)


def motions(rng: random.Random, number: int, room: Room) -> Case:
    """A motion file, the skeleton or body that it needs, or a map of its joints; read by itself or as a data set."""
    suffix = ("bvh", "amc", "asf", "trc", "c3d", "npz", "own.npz", "own.json", "json")[number % 9]
    for name in ("motion.asf", "motion.amc", "smplh_female.npz"):
        shutil.copy(room.good / name, room.own / name)
    if suffix == "json":
        return _joint_map(rng, room)
    path, content = room.own / f"motion.{suffix}", (room.good / f"motion.{suffix}").read_bytes()
    fate = rng.random()
    if fate < 0.25:
        what, content = archives.damage(rng, content)
    elif fate < 0.3:
        what, content = archives.noise(rng)
    elif suffix == "own.json":
        document = json.loads(content)
        what = silly.spoil(rng, document)
        content = json.dumps(document, default=str, skipkeys=True).encode("utf-8", "surrogatepass")
    elif suffix in ("c3d", "npz", "own.npz"):
        what, content = _c3d(rng, content)
    else:
        what, text = spoilt_text(rng, content.decode())
        content = text.encode("utf-8", "surrogatepass")
    path.write_bytes(content)
    read = room.own / "motion.amc" if suffix == "asf" else path
    return Case(f"{suffix}: {what}", lambda: _use(read, room.own))


def _use(path: Path, own: Path) -> None:
    motion = read_motion_file(path, smpl=own)
    asked: dict[str, Any] = {"unit": None if motion.unit else 0.01, "up": None if motion.up else "y"}
    data = load_dataset(
        "motion",
        "train",
        data_3d=path,
        subjects=[path.name.removesuffix(path.suffix)],
        smpl=own,
        frame_rate=motion.frame_rate or 100.0,
        skeleton="smpl24" if path.name == "motion.npz" else "h36m17",
        virtual_cameras=2,
        **asked,
    )
    data.windows(3)[0]


def _joint_map(rng: random.Random, room: Room) -> Case:
    document: Any = {"hip": {"LeftUpLeg": 0.5, "RightUpLeg": 0.5}, "head": "Head_end"}
    what = silly.spoil(rng, document)
    content = json.dumps(document, default=str, skipkeys=True).encode("utf-8", "surrogatepass")
    if rng.random() < 0.3:
        what, content = archives.damage(rng, content)
    path = room.own / "map.json"
    path.write_bytes(content)
    return Case(f"joint map: {what}", lambda: read_joint_map(path))
