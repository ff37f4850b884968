"""Motion files, bodies and cameras that are damaged, forged or of another kind."""

from __future__ import annotations

import copy
import io
import json
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tiny_mocap

from skelgraph.datasets import Human36M, MocapNPZ, read_cameras, read_npz, read_smpl

from . import archives, pickles, silly
from .archives import Member
from .case import Case, Room
from .seeds import smpl_model


def _header(shape: Any = (), descr: Any = "|O", **more: Any) -> bytes:
    """The beginning of an npy file."""
    text = repr({"descr": descr, "fortran_order": False, "shape": shape, **more}).encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def _npy(value: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, value, allow_pickle=True)
    return stream.getvalue()


def _object(value: Any) -> np.ndarray:
    """The array of objects that NumPy makes of a value; around one nested too deeply to be saved as axes, a box."""
    array = np.array(value, dtype=object)
    if array.ndim > 32:
        array = np.empty((), dtype=object)
        array[()] = value
    return array


def _boxed(pickled: bytes) -> bytes:
    """An npy file that holds one object: the array around it is that of a real file, the object is ``pickled``."""
    array = np.empty((), dtype=object)
    array[()] = marker = "the object goes here"
    whole = pickle.dumps(array, protocol=2)
    return _header() + whole.replace(pickles.plain(marker).partition(b"q")[0], pickled, 1)


def _silly_array(rng: random.Random, positions: np.ndarray) -> Any:
    return rng.choice(
        [
            lambda: positions[:, :15],
            lambda: positions[:0],
            lambda: positions[:, :0],
            lambda: positions[..., :2],
            lambda: positions[0],
            lambda: positions * np.nan,
            lambda: positions * 1e30,
            lambda: positions.astype(np.float64) * 1e39,
            lambda: positions * 1e300,
            lambda: positions * 0,
            lambda: positions - [0, 5, 0][: positions.shape[-1]],
            lambda: positions.astype(np.float16),
            lambda: positions.astype(">f4"),
            lambda: positions.astype(np.int8),
            lambda: positions.astype(bool),
            lambda: positions.astype(object),
            lambda: positions.astype(str),
            lambda: positions.astype(np.complex64),
            lambda: np.asfortranarray(positions),
            lambda: list(positions),
            lambda: positions.tolist(),
            lambda: np.zeros(3, dtype=[("a", "f4"), ("b", "O")]),
            lambda: np.array(["x"] * 5),
            lambda: np.zeros((0,)),
            lambda: np.array(5.0),
            lambda: [positions, None],
            lambda: {"x": positions},
            lambda: silly.plain_value(rng),
        ]
    )()


def _metadata(rng: random.Random) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "layout_name": "h36m",
        "num_joints": 17,
        "keypoints_symmetry": [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]],
    }
    silly.spoil(rng, metadata)
    return metadata


def _content(rng: random.Random, room: Room, keypoints: bool) -> tuple[str, bytes]:
    """A motion file."""
    positions, films = tiny_mocap.arrays()
    name = "positions_2d" if keypoints else "positions_3d"
    good: dict[str, Any] = films if keypoints else positions
    path = room.good / ("data_2d.npz" if keypoints else "data_3d.npz")
    fate = rng.random()
    if fate < 0.15:
        return archives.damage(rng, path.read_bytes())
    if fate < 0.19:
        return archives.noise(rng)
    if fate < 0.55:
        small = {subject: {"walk 1": np.zeros((2, 17, 3))} for subject in ("train", "S1")}
        what, pickled = pickles.document(rng, room, small)
        start = rng.choice([_header(), _header((1,)), _header(()), b""])
        content = start + pickled if rng.random() < 0.4 else _boxed(pickled[2:-1])
        member = rng.choice([name] * 8 + ["metadata", "other"])
        members = [Member.of(f"{member}.npy", content)]
        if member != name:
            members.append(Member.of(f"{name}.npy", _npy(np.array(good, dtype=object))))
        return f"{what} in {member}", archives.archive(members)
    if fate < 0.80:
        subject = rng.choice(["train", "test"])
        action = rng.choice(list(good[subject]))
        whole: Any = good
        if rng.random() < 0.6:
            if keypoints and rng.random() < 0.7:
                good[subject][action][0] = _silly_array(rng, good[subject][action][0])
            else:
                good[subject][action] = _silly_array(rng, positions[subject][action])
            what = "array changed"
        elif rng.random() < 0.7:
            what = silly.spoil(rng, good, silly.plain_value)
        else:
            whole, what = silly.plain_value(rng), "another object"
        arrays: dict[str, Any] = {name: _object(whole) if rng.random() < 0.9 else _object([whole, 1])}
        if rng.random() < 0.3:
            arrays["metadata"] = np.array(_metadata(rng), dtype=object)
            what += ", metadata"
        return what, archives.archive([Member.of(f"{key}.npy", _npy(value)) for key, value in arrays.items()])
    return _archive(rng, name, _npy(np.array(good, dtype=object)))


def _archive(rng: random.Random, name: str, good: bytes) -> tuple[str, bytes]:
    """An archive that is one no more, or headers that lie."""
    zeros = _header((1 << 28,), "<f8")
    member = f"{name}.npy"
    descr = rng.choice(["<f8", "|O", "<U9999999", "|V99999999", [("a", "<f4")], "x", None, 3, [["a"]] * 3, "<c16"])
    shape = rng.choice(
        [(2**62,), (2**31, 2**31, 2**31), (-1,), (0, 10**30), (10**10,), "x", None, (1.5,), [[[]]], (1,) * 99]
    )
    version = rng.choice([b"\x93NUMPY\x02\x00", b"\x93NUMPY\x03\x00", b"\x93NUMPY\x09\x00", b"\x93NUMPx\x01\x00"])
    length = rng.choice([0, 10, 2**16 - 1])
    choices: list[tuple[str, Callable[[], list[Member]]]] = [
        ("bomb", lambda: [archives.bomb(rng, member)]),
        ("bomb of an array", lambda: [archives.bomb(rng, member, zeros)]),
        ("bomb of an object", lambda: [archives.bomb(rng, member, _header() + b"\x80\x02")]),
        ("bomb beside", lambda: [Member.of(member, good), archives.bomb(rng, "other.npy", zeros)]),
        ("twice", lambda: [Member.of(member, good), Member.of(member, good)]),
        ("twice, one bad", lambda: [Member.of(member, good), Member.of(member, b"x")]),
        ("as npy and without", lambda: [Member.of(name, good), Member.of(member, good)]),
        ("missing", lambda: [Member.of("other.npy", good)]),
        (
            "strange names",
            lambda: [Member.of(rng.choice(silly.TEXTS) + rng.choice(["", ".npy"]), good) for _ in range(5)],
        ),
        ("long name", lambda: [Member.of("a" * 60_000 + ".npy", good)]),
        ("many members", lambda: [Member.of(f"{i}.npy", b"") for i in range(20_000)]),
        ("wrong checksum", lambda: [Member.of(member, good)._replace(crc=0)]),
        ("wrong size", lambda: [Member.of(member, good)._replace(size=rng.choice([0, 1, 10**6, 2**32 - 2]))]),
        ("wrong method", lambda: [Member.of(member, good)._replace(method=rng.choice([1, 8, 9, 12, 14, 93, 99]))]),
        ("silly header", lambda: [Member.of(member, _header(shape, descr))]),
        ("silly shape", lambda: [Member.of(member, _header(shape, rng.choice(["<f4", "|O", "<i8"])) + bytes(80))]),
        ("silly dtype", lambda: [Member.of(member, _header((3,), descr) + bytes(80))]),
        ("more in the header", lambda: [Member.of(member, _header((3,), "<f8", extra=1) + bytes(80))]),
        ("header of code", lambda: [Member.of(member, _header().replace(b"()", b"__import__('os')"))]),
        ("deep header", lambda: [Member.of(member, _header().replace(b"()", b"(" * 9000 + b")" * 9000))]),
        ("other version", lambda: [Member.of(member, version + _npy(np.zeros(3))[8:])]),
        ("header length", lambda: [Member.of(member, b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + b"{}")]),
        ("cut member", lambda: [Member.of(member, good[: rng.randrange(200)])]),
        ("damaged member", lambda: [Member.of(member, archives.damage(rng, good)[1])]),
    ]
    what, make = rng.choice(choices)
    content = archives.archive(make())
    return (what, content) if rng.random() < 0.9 else (f"{what}, damaged", archives.damage(rng, content)[1])


def npz(rng: random.Random, number: int, room: Room) -> Case:
    """A motion file, read by itself or as a data set."""
    keypoints = rng.random() < 0.3
    what, content = _content(rng, room, keypoints)
    path = room.own / "motion.npz"
    path.write_bytes(content)
    name = "positions_2d" if keypoints else "positions_3d"
    cameras = room.good / "cameras.json"
    others: dict[str, Path] = {"data_3d": room.good / "data_3d.npz", "data_2d": room.good / "data_2d.npz"}
    others["data_2d" if keypoints else "data_3d"] = path
    readers: dict[str, Callable[[], Any]] = {
        "read_npz": lambda: read_npz(path),
        "read_npz(required)": lambda: read_npz(path, [name]),
        "MocapNPZ": lambda: MocapNPZ(others["data_3d"], others["data_2d"], cameras).windows(3)[0],
        "MocapNPZ(test)": lambda: MocapNPZ(others["data_3d"], None, cameras, split="test", downsample=2).windows(1)[0],
        "Human36M": lambda: Human36M(others["data_3d"], others["data_2d"] if keypoints else None, subjects=["S1"]),
    }
    reader = rng.choices(list(readers), [3, 1, 4, 1, 1])[0]
    return Case(f"{reader}: {what}", readers[reader])


def smpl(rng: random.Random, number: int, room: Room) -> Case:
    """A file of a body."""
    model = smpl_model()
    fate = rng.random()
    path = room.own / rng.choice(["body.pkl"] * 4 + ["body.npz"])
    good = (room.good / f"smpl{path.suffix}").read_bytes()
    if fate < 0.2:
        what, content = archives.damage(rng, good)
    elif fate < 0.25:
        what, content = archives.noise(rng)
    elif fate < 0.7:
        key = rng.choice(list(model))
        what, content = pickles.document(rng, room, {key: model[key], **{k: v for k, v in model.items() if k != key}})
        if path.suffix == ".npz":
            content = archives.archive([Member.of("f.npy", _header() + content)])
    elif fate < 0.8 and path.suffix == ".npz":
        what, content = _archive(rng, "f", _npy(model["f"]))
    else:
        key = rng.choice(list(model))
        array = model[key]
        model[key] = rng.choice(
            [
                array[:0],
                array[:, :0],
                array[:, :2],
                array[0],
                array.astype(np.float64) * np.nan,
                array.astype(np.float64) * 1e300,
                array.astype(np.int64) - 5,
                array.astype(np.int64) + 10**12,
                array.astype(object),
                array.astype(str),
                array.astype(np.complex128),
                array.tolist(),
                array.astype(bool),
                array.T,
                silly.plain_value(rng),
            ]
        )
        if rng.random() < 0.2:
            del model[rng.choice(list(model))]
        what = f"{key} changed"
        if path.suffix == ".npz":
            arrays = {
                k: v if isinstance(v, np.ndarray) else np.array([v, 1], dtype=object)[0:1] for k, v in model.items()
            }
            content = archives.archive([Member.of(f"{k}.npy", _npy(v)) for k, v in arrays.items()])
        else:
            content = pickle.dumps(model, protocol=rng.choice([0, 2, 4]))
    path.write_bytes(content)
    return Case(f"read_smpl({path.name}): {what}", lambda: read_smpl(path))


JSON_TEXTS = [
    "",
    "null",
    "[]",
    "{}",
    "3",
    '"x"',
    "{'cameras': []}",
    '{"cameras": ',
    '{"cameras": NaN}',
    "[" * 100_000,
    '{"cameras":' * 50_000,
    '{"cameras": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "\ufeff{}",
    "\x00",
    '{"cameras": {"train": [], "train": []}}',
    '{"cameras": "\\ud800"}',
    "9" * 100_000,
    '{"cameras": ' + "9" * 100_000 + "}",
]
"""Files that are no JSON, or hold no cameras."""

JSON_NUMBERS = [
    "Infinity",
    "-Infinity",
    "NaN",
    "1e999",
    "-1e999",
    "9" * 400,
    "9" * 5000,
    "1" + "0" * 30,
    "-5",
    "0",
    "1e-300",
]
JSON_VALUES = [
    *JSON_NUMBERS,
    "null",
    "true",
    "[]",
    "{}",
    '"x"',
    '"1"',
    "[1]",
    '["a", "b"]',
    "[[1, 2], [3, 4]]",
    '"\\u001b[31m"',
]
JSON_VALUES += ['"\\ud800"', "[" * 900 + "]" * 900, '"' + "a" * 100_000 + '"', "[0, 0, 0, 0]", "[1e200, 1e200, 0, 0]"]


def cameras(rng: random.Random, number: int, room: Room) -> Case:
    """A camera file, read by itself or with its motion."""
    rig: Any = copy.deepcopy(tiny_mocap.CAMERAS)
    document: dict[str, Any] = {"cameras": rig if rng.random() < 0.7 else {"train": rig, "test": rig}}
    fate = rng.random()
    if fate < 0.15:
        what = "other"
        content = rng.choice(JSON_TEXTS).encode("utf-8", "surrogatepass")
    elif fate < 0.25:
        what, content = archives.damage(rng, json.dumps(document).encode(rng.choice(["utf-8", "utf-16", "utf-32"])))
    elif fate < 0.3:
        what, content = archives.noise(rng)
    elif fate < 0.5:
        what = silly.spoil(rng, document)
        content = json.dumps(document, default=str).encode("utf-8", "surrogatepass")
    else:  # in place of a whole entry or of one of its numbers
        camera = rng.choice(rig)
        field = rng.choice(list(camera))
        what = field
        mark = "replaced by the fuzzer"
        if isinstance(camera[field], list) and rng.random() < 0.5:
            camera[field][rng.randrange(len(camera[field]))] = mark
        else:
            camera[field] = mark
        silly_text = rng.choice(JSON_VALUES)
        what += f" = {silly_text[:30]}"
        content = json.dumps(document).replace(json.dumps(mark), silly_text).encode()
    path = room.own / "cameras.json"
    path.write_bytes(content)
    data_3d, data_2d = str(room.good / "data_3d.npz"), rng.choice([str(room.good / "data_2d.npz"), None])
    if rng.random() < 0.4:
        return Case(f"read_cameras: {what}", lambda: read_cameras(path, ["train"]))
    return Case(f"MocapNPZ: {what}", lambda: MocapNPZ(data_3d, data_2d, path).windows(1)[0])
