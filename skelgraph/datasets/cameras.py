"""Calibrated cameras and the JSON files that describe them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from skelgraph.errors import DataError

#: The published cameras of Human3.6M: four per subject.
H36M_CAMERAS = Path(__file__).with_name("cameras_h36m.json")


@dataclass(frozen=True)
class Camera:
    """A calibrated camera, with the lens model of Human3.6M.

    Args:
        id: Name of the camera.
        width: Image width in pixels.
        height: Image height in pixels.
        intrinsics: ``(fx, fy, cx, cy, k1, k2, k3, p1, p2)``, the first four in pixels.
        orientation: Unit quaternion ``(w, x, y, z)`` that turns camera axes (x right, y down, z forward) to world axes.
        translation: Camera centre in the world, metres.
    """

    id: str
    width: int
    height: int
    intrinsics: tuple[float, ...]
    orientation: tuple[float, ...]
    translation: tuple[float, ...]


def read_cameras(path: str | PathLike[str], subjects: Iterable[str]) -> dict[str, tuple[Camera, ...]]:
    """Read the cameras that filmed each subject.

    The file holds ``{"cameras": [camera, ...]}`` where every subject was filmed by the same cameras, or
    ``{"cameras": {subject: [camera, ...]}}``. A camera is an object with ``id``, ``res_w``, ``res_h``,
    ``focal_length`` (2 numbers, pixels), ``center`` (2, pixels), ``radial_distortion`` (3),
    ``tangential_distortion`` (2), ``orientation`` (4) and ``translation`` (3, metres); other entries are ignored.

    Args:
        path: JSON file.
        subjects: The subjects whose cameras are wanted.

    Raises:
        DataError: The file cannot be read, lacks a subject, or a camera lacks a field or has a wrong one.
    """
    try:
        rigs = json.loads(Path(path).read_text(encoding="utf-8"))["cameras"]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f'{path}: is not a JSON file of the form {{"cameras": ...}} ({error}).') from error

    if isinstance(rigs, list):
        rigs = dict.fromkeys(subjects := list(subjects), rigs)
    result = {}
    for subject in subjects:
        if not isinstance(rigs, dict) or not isinstance(rigs.get(subject), list):
            known = ", ".join(rigs) if isinstance(rigs, dict) else "none"
            raise DataError(f"{path}: no cameras for subject {subject!r}; there are cameras for: {known}.")
        result[subject] = tuple(
            _camera(entry, f"{path}: subject {subject}, camera {i}") for i, entry in enumerate(rigs[subject])
        )
    return result


def _camera(entry: Any, where: str) -> Camera:
    def numbers(field: str, count: int) -> tuple[float, ...]:
        value = tuple(float(number) for number in entry[field])
        if len(value) != count or not all(map(math.isfinite, value)):
            raise DataError(f"{where}: {field} is {entry[field]}, expected {count} finite numbers.")
        return value

    try:
        camera = Camera(
            id=str(entry["id"]),
            width=int(entry["res_w"]),
            height=int(entry["res_h"]),
            intrinsics=(
                *numbers("focal_length", 2),
                *numbers("center", 2),
                *numbers("radial_distortion", 3),
                *numbers("tangential_distortion", 2),
            ),
            orientation=numbers("orientation", 4),
            translation=numbers("translation", 3),
        )
    except KeyError as error:
        raise DataError(f"{where}: has no {error}.") from error
    except (TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where}: {error}.") from error
    if camera.width <= 0 or camera.height <= 0:
        raise DataError(f"{where}: resolution {camera.width} x {camera.height}, expected a positive number of pixels.")
    if abs(math.hypot(*camera.orientation) - 1) > 1e-3:
        raise DataError(f"{where}: orientation {camera.orientation} is not a unit quaternion.")
    return camera
