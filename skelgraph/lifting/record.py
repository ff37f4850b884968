"""``lift.json``: of which source a result is and with which settings, and at the end what was made."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from skelgraph.errors import DataError, SkelgraphError
from skelgraph.files import open_regular, read_json, write_file
from skelgraph.lifting.bones import body_height
from skelgraph.lifting.lifted import FocalSource, NotLifted
from skelgraph.lifting.outputs import Result, stretch_names
from skelgraph.lifting.settings import LiftSettings
from skelgraph.models.shipped import weights_path
from skelgraph.options import check_options, option_types
from skelgraph.text import plain
from skelgraph.topology import Skeleton

RECORD = "lift.json"
_FORMAT = "skelgraph lift"


def begun_record(source: dict[str, Any], settings: LiftSettings, unused: Sequence[str] = ()) -> dict[str, Any]:
    """What ``lift.json`` says from the beginning on.

    Args:
        source: What tells whether a source is still the same.
        settings: What decides the results.
        unused: Those of its detection that mean nothing to this source, and are left out.
    """
    weights = weights_path(settings.weights)
    values = settings.to_dict()
    values["detection"] = {name: value for name, value in values["detection"].items() if name not in unused}
    begun = {"format": _FORMAT, "source": source, "weights": _digest(weights), "settings": values, "unused": [*unused]}
    if settings.lifting.calibration is not None:
        begun["calibration"] = _digest(Path(settings.lifting.calibration))
    return _as_json(begun)


@dataclass(frozen=True)
class _Stretch:
    """What the record says of an unbroken stretch of a person."""

    person: int
    first_frame: int
    last_frame: int
    file: str
    frames_without_place: int
    height_m: float | None
    feet_above_floor_m: float | None


@dataclass(frozen=True)
class _Facts:
    """What it says besides of a result."""

    files: tuple[str, ...]
    warnings: tuple[str, ...]
    num_frames: int
    frame_rate: float | None
    image_size: tuple[int, int] | None
    intrinsics: tuple[float, float, float, float]
    focal: FocalSource
    detector: str | None
    gravity: tuple[float, float, float]
    gravity_from: str
    camera: str | None
    lens_bends_px: float | None
    height_from: Literal["the network", "given"]


def told(result: Result, settings: LiftSettings, files: Sequence[str], warnings: Sequence[str]) -> dict[str, Any]:
    """What the record says of a result.

    Args:
        result: The result.
        settings: What decided it.
        files: The names of its files.
        warnings: What is odd about it.
    """
    lifted = result.lifted
    fx, fy, cx, cy = lifted.intrinsics.tolist()
    facts = _Facts(
        files=tuple(files),
        warnings=tuple(warnings),
        num_frames=lifted.num_frames,
        frame_rate=lifted.frame_rate,
        image_size=lifted.image_size,
        intrinsics=(fx, fy, cx, cy),
        focal=lifted.focal_source,
        detector=None if result.video is None else settings.detection.detector,
        gravity=result.camera.gravity,
        gravity_from=result.camera.gravity_from,
        camera=result.camera.name,
        lens_bends_px=result.camera.bend,
        height_from="the network" if settings.lifting.height is None else "given",
    )
    stretches = [
        _Stretch(
            person=one.person,
            first_frame=one.first_frame,
            last_frame=one.last_frame,
            file=name,
            frames_without_place=int(np.isnan(one.root).any(-1).sum()),
            height_m=_height(one.poses, lifted.skeleton),
            feet_above_floor_m=_above_floor(positions),
        )
        for one, name, positions in zip(lifted.people, stretch_names(lifted), result.positions, strict=True)
    ]
    return asdict(facts) | {"people": [*map(asdict, stretches)], "not_lifted": [*map(asdict, lifted.not_lifted)]}


def is_told(record: dict[str, Any]) -> bool:
    """Whether a record that is read says all that :func:`told` says: it may be damaged, or of another version."""
    people, lost = record.get("people"), record.get("not_lifted")
    if not isinstance(people, list) or not isinstance(lost, list):
        return False
    pairs = [(_Facts, record), *((_Stretch, one) for one in people), *((NotLifted, one) for one in lost)]
    return all(_says(kind, values) for kind, values in pairs)


def _says(kind: type, values: Any) -> bool:
    if not isinstance(values, dict) or not option_types(kind).keys() <= values.keys():
        return False
    try:
        check_options(kind, values, RECORD)
    except SkelgraphError:
        return False
    return True


def _height(poses: np.ndarray, skeleton: Skeleton) -> float | None:
    """How tall somebody is over a stretch, metres; ``None`` if these joints do not tell it."""
    try:
        return body_height(poses, skeleton)
    except SkelgraphError:
        return None


def _above_floor(positions: np.ndarray) -> float | None:
    """How high the lowest joint of somebody is above the floor, the median over the frames, metres; ``None`` if nobody
    knows where the person is."""
    known = np.isfinite(positions).all((1, 2))
    return float(np.median(positions[known, :, 2].min(1))) if known.any() else None


def write_record(out: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Write a record into the folder of its result; returns it as it is read again."""
    write_file(out / RECORD, json.dumps(record, indent=2, allow_nan=False).encode())
    return _as_json(record)


def read_record(out: Path) -> dict[str, Any] | None:
    """The record in a folder; ``None`` if there is none.

    Raises:
        SkelgraphError: If it is damaged or of another program.
    """
    path = out / RECORD
    if not path.exists():
        return None
    record = read_json(path, SkelgraphError)
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        raise SkelgraphError(f"{plain(str(path), 500)} is not of skelgraph lift: choose another folder")
    return record


def _as_json(record: dict[str, Any]) -> dict[str, Any]:
    """As it comes out of JSON again, to be compared with what is found."""
    found: dict[str, Any] = json.loads(json.dumps(record))
    return found


def _digest(path: Path) -> str:
    """SHA-256 of a file, which tells training that went on, or a calibration made anew, under the same name."""
    with open_regular(path, DataError) as file:
        status = os.fstat(file.fileno())
        return _digest_of(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _digest_of(path: Path, size: int, modified: int) -> str:
    """The same, anew when the file has changed."""
    with open_regular(path, DataError) as file:
        digest = hashlib.sha256()
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()
