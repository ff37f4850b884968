"""Files of 2D keypoints that are damaged, forged or of another kind."""

from __future__ import annotations

import functools
import io
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from keypoint_writers import (
    FRAMES,
    PAW,
    SIZE,
    SPORTS2D,
    coco_annotations,
    coco_results,
    deeplabcut,
    deeplabcut_csv,
    instances,
    mediapipe_long,
    mediapipe_wide,
    names_of,
    objects,
    people,
    sports2d_trc,
    write_deeplabcut_h5,
)

from skelgraph.datasets import Detections, read_keypoints, write_keypoints
from skelgraph.topology import as_skeleton

from . import archives, silly
from .case import Case, Room, Wrong
from .motions import spoilt_text

NUMBERS = [float("nan"), float("inf"), -1.0, 0.0, 1e300, -1e-300, 1e6, 2**70, 10**400, True, None, "7", [1.0]]
"""What stands in place of a number."""


def _openpose() -> Any:
    return {"version": 1.3, "people": [{"person_id": [i], "pose_keypoints_2d": [9.0, 8.0, 0.5] * 25} for i in range(2)]}


def _alphapose() -> Any:
    results = coco_results(people(26))
    return [{**entry, "image_id": f"{entry['image_id']}.jpg", "idx": i} for i, entry in enumerate(results)]


def _alphapose_open() -> Any:
    return {f"{i}.jpg": {"version": "AlphaPose v0.3", "bodies": [{"joints": [9.0, 8.0, 0.5] * 18}]} for i in range(3)}


def _mmpose() -> Any:
    frames = [{"frame_id": frame + 1, "instances": instances(people(17), frame)} for frame in range(FRAMES)]
    return {"meta_info": {"keypoint_id2name": names_of("coco17", 17)}, "instance_info": frames}


DOCUMENTS: dict[str, Callable[[], Any]] = {
    "OpenPose": _openpose,
    "AlphaPose": _alphapose,
    "AlphaPose open": _alphapose_open,
    "COCO results": lambda: coco_results(people(17)),
    "COCO annotations": lambda: coco_annotations(people(17)),
    "MMPose": _mmpose,
    "MMPose frames": lambda: _mmpose()["instance_info"],
    "MMPose lists": lambda: [instances(people(26), frame) for frame in range(FRAMES)],
}
"""Makers of the good documents of JSON."""


def _deeplabcut_csv() -> str:
    columns, values, _ = deeplabcut(True)
    return deeplabcut_csv(columns, values, [*"01234"])


def _trc() -> str:
    names = SPORTS2D.split()
    values = np.random.default_rng(0).uniform(5, 900, (4, len(names), 3)) * [1, 1, 0]
    return sports2d_trc(values, names)


TEXTS: dict[str, Callable[[], str]] = {
    "MediaPipe long": lambda: mediapipe_long(people(33), True, True),
    "MediaPipe wide": lambda: mediapipe_wide(people(33)),
    "DeepLabCut CSV": _deeplabcut_csv,
    "TRC": _trc,
}
"""Makers of the good texts."""


def _own() -> dict[str, Any]:
    found = people(17)
    detections = Detections(
        np.array([keypoints for _, _, keypoints in found]),
        np.array([frame for frame, _, _ in found]),
        as_skeleton("coco17"),
        FRAMES,
        np.array([person for _, person, _ in found]),
        SIZE,
        30.0,
    )
    with tempfile.TemporaryDirectory() as folder:
        write_keypoints(Path(folder) / "a.npz", detections)
        return dict(np.load(Path(folder) / "a.npz"))


ARCHIVES: dict[str, Callable[[], dict[str, Any]]] = {
    "own": _own,
    "reconstruction": lambda: {"reconstruction": np.random.default_rng(0).uniform(5, 900, (2, 4, 17, 3))},
    "detectron": lambda: {
        "boxes": objects([[[], []]] * 3),
        "keypoints": objects([[[], np.random.default_rng(0).uniform(5, 900, (2, 4, 17))]] * 3),
        "metadata": {"w": 1080, "h": 1920},
    },
    "custom": lambda: {
        "positions_2d": {"a.mp4": {"custom": [np.random.default_rng(0).uniform(5, 900, (4, 17, 2))]}},
        "metadata": {"layout_name": "coco", "video_metadata": {"a.mp4": {"w": 1080, "h": 1920}}},
    },
}
"""Makers of the good members of npz files."""


def keypoints(rng: random.Random, number: int, room: Room) -> Case:
    """A file or folder of any format but HDF5."""
    path = room.own / "keypoints"
    kinds = [*DOCUMENTS, "OpenPose folder", *TEXTS, *ARCHIVES]
    kind = kinds[number % len(kinds)]
    if kind == "OpenPose folder":
        path.mkdir()
        for name in rng.sample([*silly.TEXTS, "a_1.json", "a_2_keypoints.json", "1.json", "a_99999999999.json"], 8):
            name = name.replace("/", "").replace("\0", "").encode("utf-8", "replace").decode()[:80]
            _, content = _document(rng, _openpose())
            (path / (name if name.endswith(".json") else f"{name}{rng.randrange(4)}.json")).write_bytes(content)
        what = "some files"
    elif kind in DOCUMENTS:
        what, content = _document(rng, DOCUMENTS[kind]())
        path = room.own / "frame_12.json"
    elif kind in TEXTS:
        what, text = spoilt_text(rng, TEXTS[kind]())
        content = text.encode("utf-8", "surrogatepass")
    else:
        what, content = _archive(rng, ARCHIVES[kind]())
    if not path.is_dir():
        fate = rng.random()
        if fate < 0.2:
            what, content = archives.damage(rng, content)
        elif fate < 0.23:
            what, content = archives.noise(rng)
            while what == "HDF5":  # which starts a process
                what, content = archives.noise(rng)
        path.write_bytes(content)
    return Case(f"{kind}: {what}", functools.partial(_use, path, _asked(rng, kind), kind == "own"))


def keypoint_tables(rng: random.Random, number: int, room: Room) -> Case:
    """DeepLabCut's HDF5, which is read in a process of its own."""
    path = room.own / "a.h5"
    columns, values, _ = deeplabcut(number % 2 == 0)
    what = "as it is"
    if rng.random() < 0.4:
        spoilt: Any = [list(column) for column in columns]
        what = silly.spoil(rng, spoilt)
        columns = spoilt if rng.random() < 0.5 else [tuple(c) if isinstance(c, list) else c for c in spoilt]
    try:
        write_deeplabcut_h5(path, columns, values, np.array(rng.choice([range(5), [3, 3, 3, 3, 3], [-1, 0, 1, 2, 3]])))
    except (RecursionError, OSError):  # nested too deeply, or too long for HDF5
        path.write_bytes(b"\x89HDF\r\n\x1a\n")
    if rng.random() < 0.6:
        what, content = archives.damage(rng, path.read_bytes())
        path.write_bytes(content)
    return Case(f"HDF5: {what}", functools.partial(_use, path, {"skeleton": PAW}))


def _document(rng: random.Random, document: Any) -> tuple[str, bytes]:
    """JSON with a value or a number of it changed."""
    if rng.random() < 0.4:
        numbers: list[list[Any]] = []
        todo = [document]
        while todo:
            item = todo.pop()
            todo += [
                value for value in (item.values() if isinstance(item, dict) else item) if isinstance(value, dict | list)
            ]
            if isinstance(item, list) and item and isinstance(item[0], float):
                numbers.append(item)
        spot, value = rng.choice(numbers), rng.choice(NUMBERS)
        for at in rng.sample(range(len(spot)), rng.choice([1, len(spot)])):
            spot[at] = value
        what = f"number {value!s:.20}"
    else:
        what = silly.spoil(rng, document)
    return what, json.dumps(document, default=str, skipkeys=True).encode("utf-8", "surrogatepass")


def _archive(rng: random.Random, members: dict[str, Any]) -> tuple[str, bytes]:
    """An npz file with something else in a member."""
    name = rng.choice(list(members))
    if isinstance(members[name], dict):
        what = silly.spoil(rng, members[name])
    else:
        array = np.asarray(members[name])
        changes: dict[str, Callable[[], Any]] = {
            "NaN": lambda: array * np.nan if array.dtype.kind == "f" else array[..., None],
            "less": lambda: array[..., :-1] if array.ndim else array[None],
            "nothing": lambda: array[:0] if array.ndim else np.zeros(0),
            "reversed": lambda: array[::-1] if array.ndim else array,
            "objects": lambda: array.astype(object),
            "texts": lambda: np.full(array.shape, "1"),
            "10^15 of nothing": lambda: np.lib.stride_tricks.as_strided(np.zeros(1), (10**15, *array.shape[1:-1], 0)),
            "1e300": lambda: np.full(array.shape, 1e300),
            "-7": lambda: np.full(array.shape, -7),
            "silly": lambda: silly.plain_value(rng),
        }
        what = rng.choice([*changes])
        members[name] = changes[what]()
    stream = io.BytesIO()
    try:
        np.savez(stream, **{name: _boxed(value) for name, value in members.items()})
    except (RecursionError, OverflowError):  # what cannot be written
        return what, archives.archive([])
    return f"{name} {what}", stream.getvalue()


def _boxed(value: Any) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    box = np.empty((), dtype=object)
    box[()] = value
    return box


def _asked(rng: random.Random, kind: str) -> dict[str, Any]:
    asked: dict[str, Any] = {"image_size": SIZE}
    if kind == "DeepLabCut CSV":
        asked["skeleton"] = PAW
    if rng.random() < 0.1:
        asked[rng.choice(["skeleton", "image_size", "frame_rate"])] = silly.value(rng)
    return asked


def _use(path: Path, asked: dict[str, Any], own: bool = False) -> None:
    found = read_keypoints(path, **asked)
    seen = found.keypoints[..., 2] > 0
    if not np.isfinite(found.keypoints).all() or found.keypoints[~seen].any() or not (own or seen.any(-1).all()):
        raise Wrong("joints that are not known have numbers, or people nothing")
    if np.abs(found.keypoints[..., :2]).max(initial=0) > 2e7:
        raise Wrong("a joint is no pixel")
    if found.skeleton.name == "coco17":
        found.converted("h36m17")
