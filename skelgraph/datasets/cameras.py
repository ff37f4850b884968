"""Cameras and the JSON files that describe them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any

from skelgraph.errors import DataError, NoSubjectError, unknown_name
from skelgraph.files import read_json
from skelgraph.geometry import DISTORTIONS, Distortion
from skelgraph.text import plain, shown

#: The published cameras of Human3.6M: four per subject.
H36M_CAMERAS = Path(__file__).with_name("cameras_h36m.json")


_H36M_FORMULA = (
    "u = X/Z, v = Y/Z (clipped to [-1,1]); r2 = u^2+v^2; rad = 1+k1*r2+k2*r2^2+k3*r2^3; tan = p1*u+p2*v; "
    "x_px = fx*(u*(rad+tan)+p1*r2)+cx; y_px = fy*(v*(rad+tan)+p2*r2)+cy"
)
"""Human3.6M's model as older camera files spell it out, in which no camera names its lens model."""

_FIELDS = (
    "id",
    "res_w",
    "res_h",
    "focal_length",
    "center",
    "radial_distortion",
    "tangential_distortion",
    "orientation",
    "translation",
)
"""What the entry of a camera in a file has."""

_LARGEST_IMAGE = 10**6


@dataclass(frozen=True)
class Camera:
    """A camera, as far as it is calibrated. What is not known of it is ``None``, never a guess: without intrinsics
    nothing is projected and nothing back-projected, without orientation and translation there is no way to the world.

    Args:
        id: Name of the camera.
        width: Image width in pixels.
        height: Image height in pixels.
        intrinsics: ``(fx, fy, cx, cy, k1, k2, k3, p1, p2)``, the first four in pixels.
        orientation: Unit quaternion ``(w, x, y, z)`` that turns camera axes (x right, y down, z forward) to world axes.
        translation: Camera centre in the world, metres; known if the orientation is.
        distortion: Lens model that the last five intrinsics belong to, see :func:`skelgraph.geometry.project`:
            ``"opencv"``, the published cameras' ``"human36m"``, or ``"none"``.

    Raises:
        DataError: A value is not of that kind.
    """

    id: str
    width: int
    height: int
    intrinsics: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None
    translation: tuple[float, ...] | None = None
    distortion: Distortion = "opencv"

    def __post_init__(self) -> None:  # noqa: D105
        if not all(_is_number(size) and 0 < size <= _LARGEST_IMAGE for size in (self.width, self.height)):
            found = f"{shown(self.width)} x {shown(self.height)}"
            raise DataError(f"resolution {found}, expected positive numbers of pixels up to {_LARGEST_IMAGE}.")
        for name, count in (("intrinsics", 9), ("orientation", 4), ("translation", 3)):
            numbers = getattr(self, name)
            if numbers is None:
                continue
            if not isinstance(numbers, Sequence) or len(numbers) != count or not all(map(_is_number, numbers)):
                raise DataError(f"{name} is {shown(numbers)}, expected {count} finite numbers.")
        if (self.orientation is None) != (self.translation is None):
            known, unknown = ("translation", "orientation")[:: 1 if self.orientation is None else -1]
            raise DataError(f"{unknown} is None, but {known} is known; expected both or none.")
        if self.intrinsics is not None and min(self.intrinsics[:2]) <= 0:
            raise DataError(f"focal length {shown(self.intrinsics[:2])}, expected positive numbers of pixels.")
        if self.orientation is not None and abs(math.hypot(*self.orientation) - 1) > 1e-3:
            raise DataError(f"orientation {shown(self.orientation)} is not a unit quaternion.")
        if self.distortion not in DISTORTIONS:
            raise DataError(str(unknown_name("distortion", self.distortion, DISTORTIONS)))
        if self.distortion == "none" and self.intrinsics is not None and any(self.intrinsics[4:]):
            raise DataError(f"distortion is 'none', but its coefficients are {shown(self.intrinsics[4:])}.")


def read_cameras(path: str | PathLike[str], subjects: Iterable[str]) -> dict[str, tuple[Camera, ...]]:
    """Read the cameras that filmed each subject.

    The file holds ``{"cameras": [camera, ...]}`` where every subject was filmed by the same cameras, or
    ``{"cameras": {subject: [camera, ...]}}``; the entries of a camera stand in ``docs/data.md``.

    Args:
        path: JSON file.
        subjects: The subjects whose cameras are wanted.

    Raises:
        DataError: The file cannot be read, lacks a subject, or a camera lacks a field or has a wrong one.
    """
    name = plain(str(path), 1000)
    document = read_json(path, DataError)
    if not isinstance(document, dict) or "cameras" not in document:
        raise DataError(f'{name}: is not a JSON file of the form {{"cameras": ...}}, found {shown(document)}.')
    rigs = document["cameras"]
    convention = document.get("convention")
    spelled_out = isinstance(convention, dict) and convention.get("projection") == _H36M_FORMULA
    distortion = "human36m" if spelled_out else "opencv"

    if isinstance(rigs, list):
        rigs = dict.fromkeys(subjects := list(subjects), rigs)
    result = {}
    for subject in subjects:
        if not isinstance(rigs, dict) or not isinstance(rigs.get(subject), list):
            known = ", ".join(map(plain, list(rigs)[:20])) if isinstance(rigs, dict) else "none"
            message = f"{name}: no cameras for subject {shown(subject)}; there are cameras for: {known}."
            raise NoSubjectError(message, subject)
        cameras = tuple(
            _camera(entry, distortion, f"{name}: subject {plain(subject)}, camera {i}")
            for i, entry in enumerate(rigs[subject])
        )
        names = [camera.id for camera in cameras]
        if twice := [name for name in names if names.count(name) > 1]:
            raise DataError(f"{name}: subject {plain(subject)}: two cameras have the id {shown(twice[0])}.")
        result[subject] = cameras
    return result


def _camera(entry: Any, distortion: str, where: str) -> Camera:
    """Build the camera of an entry; ``distortion`` is the lens model of cameras that name none."""

    def numbers(field: str, count: int) -> tuple[float, ...]:
        value = entry[field]
        if not isinstance(value, list) or len(value) != count or not all(map(_is_number, value)):
            raise DataError(f"{field} is {shown(value)}, expected {count} finite numbers.")
        return tuple(map(float, value))

    def pixels(field: str) -> int:
        value = entry[field]
        if not _is_number(value) or value != int(value):
            raise DataError(f"{field} is {shown(value)}, expected a whole number of pixels.")
        return int(value)

    def name(field: str) -> str:
        value = entry[field]
        if not isinstance(value, str | int):
            raise DataError(f"{field} is {shown(value)}, expected a text.")
        return plain(value)

    if not isinstance(entry, dict):
        raise DataError(f"{where}: is {shown(entry)}, expected an object.")
    if entry.get("distortion") == "none":
        entry = {"radial_distortion": [0, 0, 0], "tangential_distortion": [0, 0]} | entry
    if missing := [field for field in _FIELDS if field not in entry]:
        raise DataError(
            f"{where}: has no {', '.join(missing)}; expected are {', '.join(_FIELDS)}, the coefficients of the lens "
            'only where "distortion" is not "none" (docs/data.md, Cameras); found: '
            f"{', '.join(map(plain, list(entry)[:20])) or 'nothing'}."
        )
    try:
        return Camera(
            id=name("id"),
            width=pixels("res_w"),
            height=pixels("res_h"),
            intrinsics=(
                *numbers("focal_length", 2),
                *numbers("center", 2),
                *numbers("radial_distortion", 3),
                *numbers("tangential_distortion", 2),
            ),
            orientation=numbers("orientation", 4),
            translation=numbers("translation", 3),
            distortion=entry.get("distortion", distortion),
        )
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond float64
        return False
