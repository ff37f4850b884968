"""What is known of the camera of an input: told by the caller, by a file of its calibration, or assumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from skelgraph.datasets import CalibratedCamera, read_calibration
from skelgraph.errors import SkelgraphError
from skelgraph.lifting.settings import ASSUMED, CALIBRATED, LiftingSettings
from skelgraph.text import plain, shown

LEVEL = (0.0, 1.0, 0.0)
"""Gravity in the axes of a level camera."""
_SAME_SIZE = 0.02  # calibrations are off by the pixels that video codecs add


@dataclass(frozen=True)
class KnownCamera:
    """What is known of a camera.

    Args:
        focal: Focal length in pixels, or fx and fy; ``None``: it is estimated.
        principal_point: Where the optical axis meets the picture; ``None``: in its middle.
        gravity: The direction of gravity in camera axes.
        gravity_from: Who says so.
        name: Its name in the calibration; ``None`` without one.
        bend: Pixels by which its lens moves points of the picture at most, which lifting ignores; ``None`` if nobody
            knows.
    """

    focal: float | tuple[float, float] | None = None
    principal_point: tuple[float, float] | None = None
    gravity: tuple[float, float, float] = LEVEL
    gravity_from: str = ASSUMED
    name: str | None = None
    bend: float | None = None


def known_camera(settings: LiftingSettings, source: str, image_size: tuple[int, int] | None) -> KnownCamera:
    """The camera of an input.

    Args:
        settings: What the caller says.
        source: The name of the input without its end, which may be that of a camera of the calibration.
        image_size: Width and height of its pictures; ``None`` if they are not known.

    Raises:
        SkelgraphError: The calibration has no such camera, or is of pictures of another size, or it says how its
            cameras are turned and the caller does not say which axis of its world points up.
    """
    if settings.calibration is None:
        if settings.gravity is None:
            return KnownCamera(settings.focal, settings.principal_point)
        return KnownCamera(settings.focal, settings.principal_point, settings.gravity, "given")
    label = plain(settings.calibration, 1000)
    camera = _chosen(read_calibration(settings.calibration), settings.camera, source, label)
    if image_size is not None and any(
        abs(known - side) > _SAME_SIZE * side for known, side in zip(camera.image_size, image_size, strict=True)
    ):
        (width, height), found = camera.image_size, "{} x {}".format(*image_size)
        raise SkelgraphError(
            f"{label}: camera {plain(camera.name)} has pictures of {width} x {height}, but those of {plain(source)} "
            f"are {found}; expected pictures of the size that was calibrated"
        )
    known: dict[str, Any] = {"name": camera.name, "bend": camera.bend}
    if camera.rotation is not None:
        if settings.up is None:
            raise SkelgraphError(
                f"{label}: says how its cameras are turned, and not which axis of its world points up; expected up, z "
                "or y (z in Pose2Sim's)"
            )
        known |= {"gravity": camera.gravity(settings.up), "gravity_from": CALIBRATED}
    elif settings.up is not None:
        raise SkelgraphError(f"{label}: does not say how its cameras are turned; expected no up, or gravity")
    return KnownCamera(camera.focal, camera.principal_point, **known)


def _chosen(cameras: dict[str, CalibratedCamera], name: str | None, source: str, label: str) -> CalibratedCamera:
    if name is not None and name not in cameras:
        raise SkelgraphError(f"{label}: has no camera {shown(name)}; it has {_names(cameras)}")
    if name is None and len(cameras) == 1:
        (name,) = cameras
    if name is None and source not in cameras:
        raise SkelgraphError(
            f"{label}: none of its cameras has the name of the input, {shown(source)}; expected camera, one of "
            f"{_names(cameras)}"
        )
    return cameras[source if name is None else name]


def _names(cameras: dict[str, CalibratedCamera]) -> str:
    return ", ".join(plain(name) for name in [*cameras][:20])
