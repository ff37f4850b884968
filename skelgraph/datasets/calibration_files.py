"""Calibrated cameras in the files of other programs: focal length, size of the picture, how the camera is turned.

``Calib.toml`` of Pose2Sim, AniPose, FreeMoCap and aniposelib holds a table for each camera in OpenCV's convention: the
matrix in pixels and the rotation from the world to the camera (x right, y down, z forward) as a rotation vector.
Qualisys' ``.qca.txt`` is XML: intrinsics in 64ths of a pixel, and the rotation from the camera to the world, whose
camera looks along -z with y up; which coefficients of the lens it means, no document of theirs says, and they are taken
as written.

Neither says which axis of the world points up, so gravity is told with the axis that the caller names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import roma
import torch

from skelgraph.datasets.units import Axis
from skelgraph.errors import DataError
from skelgraph.files import as_path, open_regular, read_toml, read_xml
from skelgraph.geometry import project
from skelgraph.text import plain, shown

_QUALISYS_UNITS = 64.0  # of a pixel
_UPRIGHT, _STEEP = 0.3, 0.9  # least of gravity along the y axis of a camera that does not look down or up steeply
_LARGEST_IMAGE = 10**6


@dataclass(frozen=True)
class CalibratedCamera:
    """A camera of a calibration, as far as lifting needs it.

    Args:
        name: Its name in the file.
        image_size: Width and height of its pictures in pixels.
        focal: fx and fy in pixels.
        principal_point: Where the optical axis meets the picture, in pixels.
        distortion: k1, k2, k3, p1, p2 of OpenCV's lens model.
        rotation: From the axes of the world to those of the camera (x right, y down, z forward); ``None`` if the file
            holds intrinsics alone.

    Shapes:
        ``rotation``: ``(3, 3)``, float64.
    """

    name: str
    image_size: tuple[int, int]
    focal: tuple[float, float]
    principal_point: tuple[float, float]
    distortion: tuple[float, float, float, float, float]
    rotation: np.ndarray | None

    def gravity(self, up: Axis) -> tuple[float, float, float]:
        """The direction of gravity in the axes of the camera.

        Args:
            up: The axis of the calibrated world that points up, which no file says.

        Raises:
            DataError: The file does not say how the camera is turned, or the camera would be upside down or lie
                on its side.
        """
        if self.rotation is None:
            raise DataError(f"camera {plain(self.name)}: the calibration says nothing of how it is turned.")
        x, y, z = (-self.rotation[:, "xyz".index(up)]).tolist()
        if y < _UPRIGHT and abs(z) < _STEEP:
            raise DataError(
                f"camera {plain(self.name)}: with {up} up in the world of the calibration it would be upside down or "
                f"lie on its side (gravity {x:.2f}, {y:.2f}, {z:.2f} in its axes); expected the axis that points up, y "
                "or z."
            )
        return x, y, z

    @property
    def bend(self) -> float:
        """How far the lens moves a point of the picture from where a lens without distortion would show it, at most, in
        pixels: what is lost where distortion is ignored."""
        width, height = self.image_size
        side = np.linspace(0, 1, 21)
        pixels = np.stack(np.meshgrid(side * width, side * height), -1).reshape(-1, 2)
        rays = np.column_stack([(pixels - self.principal_point) / self.focal, np.ones(len(pixels))])
        intrinsics = torch.tensor([*self.focal, *self.principal_point, *self.distortion], dtype=torch.float64)
        bent = project(torch.from_numpy(rays), intrinsics, "opencv").numpy()
        return float(np.linalg.norm(bent - pixels, axis=-1).max())


def read_calibration(path: str | PathLike[str]) -> dict[str, CalibratedCamera]:
    """The cameras of a calibration by their names.

    Args:
        path: ``Calib.toml`` of Pose2Sim or AniPose, or Qualisys' ``.qca.txt``; the content tells which.

    Raises:
        DataError: The file cannot be read, is none of these, or a camera lacks something or has something that cannot
            be.

    Example:
        >>> from skelgraph.datasets import read_calibration
        >>> camera = read_calibration("Calib.toml")["cam01"]  # doctest: +SKIP
        >>> lifter(keypoints, focal=camera.focal, principal_point=camera.principal_point)  # doctest: +SKIP
        >>> lifted.in_world(camera.gravity("z"))  # doctest: +SKIP
    """
    path = as_path(path, DataError)
    label = plain(str(path), 1000)
    with open_regular(path, DataError) as file:
        is_xml = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    cameras: dict[str, CalibratedCamera] = {}
    for camera in _qualisys(path, label) if is_xml else _toml(path, label):
        if camera.name in cameras:
            raise DataError(f"{label}: has two cameras {shown(camera.name)}, expected a name for each.")
        cameras[camera.name] = camera
    if not cameras:
        raise DataError(f"{label}: has no cameras; expected a table for each with name, size, matrix and rotation.")
    return cameras


def _toml(path: Path, label: str) -> list[CalibratedCamera]:
    tables = {
        key: table
        for key, table in read_toml(path, DataError).items()
        if isinstance(table, dict) and ("matrix" in table or "size" in table)
    }
    places = [*(table.get(key) for table in tables.values() for key in ("rotation", "translation"))]
    without_extrinsics = all(place is None or place == [0, 0, 0] for place in places)
    return [_of_table(key, table, f"{label}: camera {plain(key)}", without_extrinsics) for key, table in tables.items()]


def _of_table(key: str, table: Mapping[str, Any], label: str, without_extrinsics: bool) -> CalibratedCamera:
    """The camera of a table; of intrinsics alone Pose2Sim writes rotations and translations of 0."""
    name = table.get("name", key)
    if not isinstance(name, str | int):
        raise DataError(f"{label}: its name is {shown(name)}, expected a text.")
    if table.get("fisheye"):
        raise DataError(f"{label}: is a fisheye camera; expected one whose pictures are those of a pinhole, about.")
    matrix = table.get("matrix")
    rows = matrix if isinstance(matrix, list) and len(matrix) == 3 else [None] * 3
    (fx, _, cx), (_, fy, cy), _ = (_numbers(row, 3, f"{label}: a row of matrix") for row in rows)
    k1, k2, p1, p2, k3 = [*_numbers(table.get("distortions", [0.0] * 5), (4, 5), f"{label}: distortions"), 0.0][:5]
    turn = None if without_extrinsics else _numbers(table.get("rotation"), 3, f"{label}: rotation")
    rotation = None if turn is None else roma.rotvec_to_rotmat(torch.tensor(turn, dtype=torch.float64)).numpy()
    size = _numbers(table.get("size"), 2, f"{label}: size")
    return _camera(label, str(name), size, (fx, fy), (cx, cy), (k1, k2, k3, p1, p2), rotation)


def _qualisys(path: Path, label: str) -> list[CalibratedCamera]:
    found = read_xml(path, DataError).findall("cameras/camera")
    return [_of_element(camera, f"{label}: camera {plain(camera.get('serial', '?'))}") for camera in found]


def _of_element(camera: Element, label: str) -> CalibratedCamera:
    def numbers(tag: str, names: Sequence[str]) -> list[float]:
        element = camera.find(tag)
        if element is None:
            raise DataError(f"{label}: has no {tag}.")
        return _numbers([element.get(name) for name in names], len(names), f"{label}: {', '.join(names)} of {tag}")

    if camera.get("viewrotation", "0") != "0":
        raise DataError(f"{label}: its view is rotated by {shown(camera.get('viewrotation'))}; expected 0.")
    left, right, top, bottom = numbers("fov_video", ("left", "right", "top", "bottom"))
    of_pixels = ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV")
    fx, fy, cx, cy = (number / _QUALISYS_UNITS for number in numbers("intrinsic", of_pixels))
    radial = [f"radialDistortion{i}" for i in (1, 2, 3)]
    k1, k2, k3, p1, p2 = numbers("intrinsic", (*radial, "tangentalDistortion1", "tangentalDistortion2"))
    turn = numbers("transform", [f"r{row}{column}" for row in "123" for column in "123"])
    rotation = np.diag([1.0, -1.0, -1.0]) @ np.reshape(turn, (3, 3))  # the columns are the axes of the world
    size = (right - left + 1, bottom - top + 1)
    return _camera(
        label, camera.get("serial", ""), size, (fx, fy), (cx - left, cy - top), (k1, k2, k3, p1, p2), rotation
    )


def _camera(
    label: str,
    name: str,
    size: Sequence[float],
    focal: tuple[float, float],
    centre: tuple[float, float],
    distortion: tuple[float, float, float, float, float],
    rotation: np.ndarray | None,
) -> CalibratedCamera:
    """The camera, if it can be one."""
    if not all(1 <= side <= _LARGEST_IMAGE for side in size):
        raise DataError(f"{label}: its pictures are {shown(tuple(size))}, expected width and height in pixels.")
    if min(focal) <= 0:
        raise DataError(f"{label}: its focal length is {shown(focal)}, expected positive numbers of pixels.")
    if not all(0 < place < side for place, side in zip(centre, size, strict=True)):
        raise DataError(
            f"{label}: its optical axis meets the picture at {shown(centre)}, expected a place in a picture of "
            f"{size[0]:.0f} x {size[1]:.0f} pixels."
        )
    if rotation is not None and not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3):
        raise DataError(f"{label}: how it is turned is {shown(rotation)}, expected a rotation.")
    return CalibratedCamera(name, (round(size[0]), round(size[1])), focal, centre, distortion, rotation)


def _numbers(values: Any, count: int | tuple[int, ...], what: str) -> list[float]:
    """Finite numbers, as numbers or as texts."""
    counts = count if isinstance(count, tuple) else (count,)
    try:
        if isinstance(values, list) and len(values) in counts and not any(isinstance(v, bool) for v in values):
            numbers = [float(value) for value in values]
            if all(map(math.isfinite, numbers)):
                return numbers
    except (TypeError, ValueError, OverflowError):
        pass
    raise DataError(f"{what}: found {shown(values)}, expected {' or '.join(map(str, counts))} finite numbers.")
