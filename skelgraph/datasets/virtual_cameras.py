"""Cameras for motion that no camera filmed: a ring around each clip, from which all of it is seen."""

from __future__ import annotations

import math
from random import Random
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from skelgraph.datasets.cameras import Camera
from skelgraph.errors import DataError
from skelgraph.geometry import look_at, world_to_camera

Elevation = Annotated[float, Field(ge=-80, le=80)]
"""Of a camera above the horizon, degrees."""

SIZE = 1000
"""Width and height of the images, pixels."""
MARGIN = 0.9
"""The part of the image, around its middle, that all joints are in."""
BODY_LENGTHS = 3.0
"""Cameras are at least so many times as far away as the body is long, as those of Human3.6M are."""


def virtual_cameras(
    positions: np.ndarray,
    count: int,
    *,
    key: str = "",
    distance: float | None = None,
    elevation: Elevation = 10.0,
    focal: float = 1145.0,
    label: str = "the motion",
) -> tuple[Camera, ...]:
    """Cameras that stand still around a motion, evenly in angle, look at the middle of it and see every joint in every
    frame; without lens distortion. Where the first one stands is a random function of ``key`` alone.

    Args:
        positions: World positions ``(T, J, 3)``, metres, z up; NaN where a joint is not known.
        count: How many cameras.
        key: Key of the random numbers.
        distance: From the middle of the motion, metres; ``None``: the least at which all is seen, and at least
            :data:`BODY_LENGTHS` times the longest side of the box around a body.
        elevation: How far above the horizon they stand, as seen from the middle, degrees.
        focal: Focal length, pixels of an image of 1000 x 1000.
        label: What moves, for messages.

    Returns:
        The cameras, named ``virtual0``, ``virtual1``, ...

    Raises:
        DataError: If a joint is not in view from that distance.
    """
    world = torch.from_numpy(positions)
    known = world.isfinite().all(-1)
    points = world[known]
    if not len(points):
        raise DataError(f"{label}: no joint is known in any frame.")
    middle = (points.amin(0) + points.amax(0)) / 2
    # Python promises that seeding with a text and `random()` give the same numbers in every version.
    first = Random(key).random() * 2 * math.pi
    angles = [first + 2 * math.pi * i / count for i in range(count)]
    height = math.radians(elevation)
    rays = [
        torch.tensor(
            [math.cos(height) * math.cos(a), math.cos(height) * math.sin(a), math.sin(height)], dtype=world.dtype
        )
        for a in angles
    ]
    orientations = [look_at(ray, torch.zeros_like(ray)) for ray in rays]
    # In the axes of a camera in the middle, a point (x, y, z) is in view from a distance d if |x|, |y| <= t (d + z).
    tangent, needed = MARGIN * SIZE / 2 / focal, 0.0
    for orientation in orientations:
        x, y, z = world_to_camera(points, orientation, middle).unbind(-1)
        needed = max(needed, float((torch.maximum(x.abs(), y.abs()) / tangent - z).max()))
    if distance is None:
        unknown = ~known[..., None]
        low, high = world.masked_fill(unknown, torch.inf).amin(1), world.masked_fill(unknown, -torch.inf).amax(1)
        distance = max(needed, BODY_LENGTHS * float((high - low).amax()))
    elif distance < needed:
        raise DataError(
            f"{label}: not every joint is in view of cameras at a distance of {distance:g} m (camera_distance) with a "
            f"focal length of {focal:g} px; expected {math.ceil(needed * 100) / 100:g} m or more."
        )
    intrinsics = (focal, focal, SIZE / 2, SIZE / 2, 0.0, 0.0, 0.0, 0.0, 0.0)
    return tuple(
        Camera(
            f"virtual{i}",
            SIZE,
            SIZE,
            intrinsics,
            tuple(orientation.tolist()),
            tuple((middle + distance * ray).tolist()),
            "none",
        )
        for i, (orientation, ray) in enumerate(zip(orientations, rays, strict=True))
    )
