"""Motion files that tests write, in the layout of those that programs and databases write."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Joint(NamedTuple):
    """A joint of a BVH file: name, parent, OFFSET, channels, and the OFFSETs of its end sites."""

    name: str
    parent: str | None
    offset: tuple[float, float, float]
    channels: str = "Zrotation Xrotation Yrotation"
    ends: tuple[tuple[float, float, float], ...] = ()


_ROOT = "Xposition Yposition Zposition Zrotation Xrotation Yrotation"


def side(name: str, parent: str, offset: Sequence[float], **more: Any) -> list[Joint]:
    """A joint and its mirror image; ``*`` is the side."""
    x, y, z = offset
    return [
        Joint(name.replace("*", s), parent.replace("*", s), (sign * x, y, z), **more)
        for s, sign in (("Left", 1), ("Right", -1))
    ]


LAFAN = [
    Joint("Hips", None, (0, 92.0, 0), _ROOT),
    *side("*UpLeg", "Hips", (9.5, -2.0, 0)),
    *side("*Leg", "*UpLeg", (0, -43.0, 0)),
    *side("*Foot", "*Leg", (0, -42.0, 0)),
    *side("*Toe", "*Foot", (0, -5.0, 14.0), ends=((0, 0, 5.0),)),
    Joint("Spine", "Hips", (0, 8.0, 0)),
    Joint("Spine1", "Spine", (0, 12.0, 0)),
    Joint("Spine2", "Spine1", (0, 12.0, 0)),
    Joint("Neck", "Spine2", (0, 20.0, 0)),
    Joint("Head", "Neck", (0, 11.0, 1.0), ends=((0, 16.0, 0),)),
    *side("*Shoulder", "Spine2", (4.0, 17.0, 0)),
    *side("*Arm", "*Shoulder", (14.0, 0, 0)),
    *side("*ForeArm", "*Arm", (28.0, 0, 0)),
    *side("*Hand", "*ForeArm", (25.0, 0, 0), ends=((9.0, 0, 0),)),
]
"""The joints of LAFAN1 and of many programs: centimetres, y up, T-pose."""


def bvh_text(joints: Sequence[Joint], frames: np.ndarray, frame_time: str = "0.033333", *, tab: str = "\t") -> str:
    """A BVH file: the hierarchy depth first, one line for each frame."""
    lines, order = ["HIERARCHY"], []

    def write(joint: Joint, depth: int) -> None:
        order.append(joint)
        space = tab * depth
        lines.append(f"{space}{'ROOT' if joint.parent is None else 'JOINT'} {joint.name}")
        lines.append(f"{space}{{")
        lines.append(f"{space}{tab}OFFSET " + " ".join(f"{x:.6f}" for x in joint.offset))
        lines.append(f"{space}{tab}CHANNELS {len(joint.channels.split())} {joint.channels} ")
        for child in joints:
            if child.parent == joint.name:
                write(child, depth + 1)
        for end in joint.ends:
            inner = space + tab
            lines.extend(
                [f"{inner}End Site", f"{inner}{{", f"{inner}{tab}OFFSET {' '.join(map(str, end))}", f"{inner}}}"]
            )
        lines.append(f"{space}}}")

    write(next(joint for joint in joints if joint.parent is None), 0)
    lines += ["MOTION", f"Frames: {len(frames)}", f"Frame Time: {frame_time}"]
    lines += [" ".join(f"{x:.6f}" for x in row) + " " for row in frames]
    return "\n".join(lines) + "\n"


def bvh_motion(joints: Sequence[Joint], length: int, seed: int, height: float = 92.0) -> np.ndarray:
    """Channels of somebody who walks on the spot and waves: every joint sways by some degrees."""
    rng = np.random.default_rng(seed)
    columns = [channel for joint in joints for channel in joint.channels.split()]
    time = np.arange(length)[:, None] / 30
    values = 12 * np.sin(rng.uniform(2, 6, len(columns)) * time + rng.uniform(0, 6, len(columns)))
    positions = [i for i, channel in enumerate(columns) if channel.endswith("position")]
    values[:, positions] = values[:, positions] + [0, height, 0] * (len(positions) // 3)
    return values


# --- ASF/AMC


class Bone(NamedTuple):
    """A bone of an ASF file."""

    name: str
    parent: str
    direction: tuple[float, float, float]
    length: float
    axis: tuple[float, float, float] = (0, 0, 0)
    dof: str = ""


def _bones(
    name: str, parent: str, direction: Sequence[float], length: float, axis: Any = (0, 0, 0), dof: str = ""
) -> Any:
    x, y, z = direction
    return [
        Bone(
            name.replace("*", s),
            parent.replace("*", s),
            (k * x, y, z),
            length,
            (axis[0], k * axis[1], k * axis[2]),
            dof,
        )
        for s, k in (("l", 1), ("r", -1))
    ]


CMU = [
    *_bones("*hipjoint", "root", (0.62, -0.71, 0.33), 2.48),
    *_bones("*femur", "*hipjoint", (0.342, -0.9397, 0), 7.4, (0, 0, 20), "rx ry rz"),
    *_bones("*tibia", "*femur", (0.342, -0.9397, 0), 7.2, (0, 0, 20), "rx"),
    *_bones("*foot", "*tibia", (0.02, -0.1, 0.99), 2.2, (-90, 0, 20), "rx rz"),
    *_bones("*toes", "*foot", (0, 0, 1), 1.1, (-90, 0, 20), "rx"),
    Bone("lowerback", "root", (0.01, 0.99, -0.02), 2.0, dof="rx ry rz"),
    Bone("upperback", "lowerback", (0, 0.99, 0.02), 2.0, dof="rx ry rz"),
    Bone("thorax", "upperback", (0, 0.99, 0.01), 2.0, dof="rx ry rz"),
    Bone("lowerneck", "thorax", (0, 0.99, -0.03), 1.7, dof="rx ry rz"),
    Bone("upperneck", "lowerneck", (0, 0.99, 0.2), 1.6, dof="rx ry rz"),
    Bone("head", "upperneck", (0, 0.99, 0.1), 1.6, dof="rx ry rz"),
    *_bones("*clavicle", "thorax", (0.9, 0.38, -0.05), 3.5, dof="ry rz"),
    *_bones("*humerus", "*clavicle", (1, 0, 0), 5.0, (180, 30, 90), "rx ry rz"),
    *_bones("*radius", "*humerus", (1, 0, 0), 3.3, (180, 30, 90), "rx"),
    *_bones("*wrist", "*radius", (1, 0, 0), 1.7, (180, 30, 90), "ry"),
    *_bones("*hand", "*wrist", (1, 0, 0), 0.6, (180, 30, 90), "rx rz"),
    *_bones("*fingers", "*hand", (1, 0, 0), 0.5, (180, 30, 90), "rx"),
    *_bones("*thumb", "*wrist", (0.7, 0, 0.7), 0.7, (180, -15, 90), "rx rz"),
]
"""The 30 bones of the CMU database, in its unit (0.45 inches) and with y up."""


def asf_text(bones: Sequence[Bone], length: float = 0.45, angle: str = "deg", more: str = "") -> str:
    """An ASF file, as the CMU's are: comments, documentation, limits, trailing blanks."""
    lines = [
        "# AST/ASF file generated using VICON BodyLanguage",
        "# -----------------------------------------------",
        ":version 1.10",
        ":name VICON",
        ":units",
        "  mass 1.0",
        f"  length {length}",
        f"  angle {angle}",
        ":documentation",
        "   .ast/.asf automatically generated from VICON data using",
        "   VICON BodyBuilder and BodyLanguage model FoxedUp or BRILLIANT.MOD",
        ":root",
        "   order TX TY TZ RX RY RZ",
        "   axis XYZ",
        "   position 0 0 0  ",
        "   orientation 0 0 0 ",
        ":bonedata",
    ]
    for i, bone in enumerate(bones):
        lines += ["  begin", f"     id {i + 1} ", f"     name {bone.name}"]
        lines += ["     direction {} {} {} ".format(*bone.direction), f"     length {bone.length} "]
        lines += ["     axis {} {} {}  XYZ  ".format(*bone.axis)]
        if bone.dof:
            lines += [f"    dof {bone.dof} "]
            limits = ["(-180.0 180.0)"] * len(bone.dof.split())
            lines += [f"{'    limits ' if j == 0 else '           '}{limit}" for j, limit in enumerate(limits)]
        lines += ["  end"]
    lines += [":hierarchy", "  begin"]
    for parent in ["root", *(bone.name for bone in bones)]:
        if children := [bone.name for bone in bones if bone.parent == parent]:
            lines.append(f"    {parent} {' '.join(children)}")
    return "\r\n".join([*lines, "  end", more]) + "\r\n"


def amc_text(frames: Sequence[Mapping[str, Sequence[float]]], unit: str = "DEGREES", first: int = 1) -> str:
    """An AMC file."""
    lines = [r"#!OML:ASF F:\VICON\USERDATA\INSTALL\rory3\rory3.ASF", ":FULLY-SPECIFIED", f":{unit}"]
    for i, frame in enumerate(frames):
        lines += [str(first + i), *(f"{name} {' '.join(f'{x:.9g}' for x in values)}" for name, values in frame.items())]
    return "\r\n".join(lines) + "\r\n"


def amc_motion(bones: Sequence[Bone], length: int, seed: int, height: float = 17.0) -> list[dict[str, list[float]]]:
    """Somebody who sways at all joints, some units above the floor."""
    rng = np.random.default_rng(seed)
    counts = {"root": 6} | {bone.name: len(bone.dof.split()) for bone in bones if bone.dof}
    pace, phase = ({name: rng.uniform(2, 6, n) for name, n in counts.items()} for _ in range(2))
    frames = []
    for t in range(length):
        frame = {name: (10 * np.sin(pace[name] * t / 120 + phase[name])).tolist() for name in counts}
        frame["root"][:3] = [frame["root"][0] / 10, height, frame["root"][2] / 10]
        frames.append(frame)
    return frames


# --- TRC and C3D


def trc_text(
    names: Sequence[str], positions: np.ndarray, rate: float = 60, units: str = "mm", end: str = "\t\r\n"
) -> str:
    """A TRC file: gaps are nothing between tabs."""
    keys = [
        "DataRate",
        "CameraRate",
        "NumFrames",
        "NumMarkers",
        "Units",
        "OrigDataRate",
        "OrigDataStartFrame",
        "OrigNumFrames",
    ]
    values = [rate, rate, len(positions), len(names), units, rate, 1, len(positions)]
    lines = [
        "PathFileType\t4\t(X/Y/Z)\tmotion.trc",
        "\t".join(keys),
        "\t".join(map(str, values)),
        "Frame#\tTime\t" + "\t\t\t".join(names),
        "\t\t" + "\t".join(f"{axis}{i + 1}" for i in range(len(names)) for axis in "XYZ"),
        "",
    ]
    for i, frame in enumerate(positions):
        cells = ["" if np.isnan(x) else f"{x:.5f}" for x in frame.ravel()]
        lines.append("\t".join([str(i + 1), f"{i / rate:.3f}", *cells]))
    return end.join(lines) + end


_WIDTH = {"c": -1, "b": 1, "i": 2, "f": 4}


def c3d_bytes(
    names: Sequence[str],
    positions: np.ndarray,
    rate: float = 100,
    units: str = "mm",
    *,
    processor: int = 84,
    scale: float = -1.0,
    up: str | None = None,
    analog: int = 0,
    more: Mapping[tuple[str, str], tuple[str, Any]] | None = None,
) -> bytes:
    """A C3D file for Intel (84), DEC (85) or MIPS (86), of floats (a negative scale) or of integers; NaN is a gap."""
    order = ">" if processor == 86 else "<"
    frames, points = positions.shape[:2]

    def number(form: str, *values: float) -> bytes:
        if form != "f":
            return struct.pack(f"{order}{len(values)}{form}", *values)
        if processor != 85:
            return np.asarray(values, f"{order}f4").tobytes()
        halves = (np.asarray(values, "<f4") * 4).view("<u2").reshape(-1, 2)[:, ::-1]
        return np.ascontiguousarray(halves).tobytes()

    parameters: dict[tuple[str, str], tuple[str, Any]] = {
        ("POINT", "USED"): ("i", [points]),
        ("POINT", "RATE"): ("f", [rate]),
    }
    chunks = [list(names[i : i + 255]) for i in range(0, max(len(names), 1), 255)]
    for i, chunk in enumerate(chunks):
        parameters["POINT", f"LABELS{i + 1 if i else ''}"] = ("c", chunk)
    if units:
        parameters["POINT", "UNITS"] = ("c", [units])
    if up is not None:
        parameters["POINT", "Y_SCREEN"] = ("c", [up])
    parameters |= more or {}
    groups = list(dict.fromkeys(group for group, _ in parameters))
    body = b""
    for i, group in enumerate(groups):
        body += struct.pack("bb", len(group), -(i + 1)) + group.encode() + struct.pack(f"{order}HB", 3, 0)
    for (group, name), (kind, values) in parameters.items():
        if kind == "c":
            width = max(map(len, values), default=1)
            data, shape = "".join(value.ljust(width) for value in values).encode("latin-1"), [width, len(values)]
        else:
            data, shape = number({"b": "b", "i": "H", "f": "f"}[kind], *values), [len(values)]
        content = struct.pack(f"bB{len(shape)}B", _WIDTH[kind], len(shape), *shape) + data + b"\0"
        body += struct.pack("bb", -len(name), groups.index(group) + 1) + name.encode()  # locked, as most are
        body += struct.pack(f"{order}H", len(content) + 2) + content
    body += b"\0\0"
    blocks = -(-(len(body) + 4) // 512)
    section = (struct.pack("4B", 1, 0x50, blocks, processor) + body).ljust(512 * blocks, b"\0")
    start = 2 + blocks
    head = struct.pack("BB", 2, 0x50) + number("H", points, analog, 1, min(frames, 65535), 10) + number("f", scale)
    head += number("H", start, 1 if analog else 0) + number("f", rate)

    known = np.isfinite(positions).all(-1)
    words = np.zeros((frames, points, 4))
    words[..., :3] = np.where(known[..., None], positions, 0) / (scale if scale > 0 else 1)
    words[..., 3] = np.where(known, 5, -1)
    rows = np.concatenate([words.reshape(frames, -1), np.full((frames, analog), 7)], 1)
    data = number("f", *rows.ravel()) if scale < 0 else np.round(rows).astype(f"{order}i2").tobytes()
    return head.ljust(512, b"\0") + section + data.ljust(-(-len(data) // 512) * 512, b"\0")


# --- AMASS


def smplh_model(
    num_shapes: int = 16, num_vertices: int = 200, joints: int = 52, seed: int = 0
) -> dict[str, np.ndarray]:
    """A body in the layout of SMPL+H, of random shape: its joints are where a person's are, up to a random error."""
    rng = np.random.default_rng(seed)
    body = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19]
    extra = [] if joints == 52 else [15, 15, 15]
    fingers = [wrist if i % 3 == 0 else -2 for wrist in (20, 21) for i in range(15)]
    parents = [*body, *extra]
    for parent in fingers:
        parents.append(len(parents) - 1 if parent == -2 else parent)
    regressor = rng.random((joints, num_vertices)) ** 8
    return {
        "f": rng.integers(0, num_vertices, (20, 3)).astype(np.uint32),
        "v_template": rng.normal(scale=0.3, size=(num_vertices, 3)),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "shapedirs": rng.normal(scale=0.02, size=(num_vertices, 3, num_shapes)),
        "weights": rng.random((num_vertices, joints)),
        "posedirs": rng.normal(size=(num_vertices, 3, 9 * (joints - 1))) * 0.001,
        "kintree_table": np.stack([np.array(parents), np.arange(joints)]).astype(np.uint32),
    }


def amass_arrays(length: int, seed: int, joints: int = 52, gender: Any = "female") -> dict[str, Any]:
    """The members of an AMASS file."""
    rng = np.random.default_rng(seed)
    time = np.arange(length)[:, None] / 120
    count = 3 * joints
    return {
        "poses": 0.3 * np.sin(rng.uniform(2, 6, count) * time + rng.uniform(0, 6, count)),
        "trans": np.stack([time[:, 0], 0 * time[:, 0], 0.9 + 0 * time[:, 0]], 1),
        "betas": rng.normal(size=16),
        "dmpls": rng.normal(size=(length, 8)),
        "gender": np.array(gender),
        "mocap_framerate": np.array(120.0),
    }


def write_text(path: Path, text: str) -> Path:
    """Write a text as it is, with its own ends of lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path
