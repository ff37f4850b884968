"""New cameras around moving people."""

from __future__ import annotations

import math
from typing import NamedTuple

import roma
import torch
from torch import Generator, Tensor

from skelgraph.geometry import beside_a_body, pose_sizes, project
from skelgraph.training.transforms.random import normal, uniform

ELEVATION = (-15.0, 45.0)
"""Of the camera above the horizon, as the middle of the body sees it, degrees."""
DISTANCE = (2.0, 10.0)
"""From the middle of the body, metres; larger where the whole body is not in view, and nearer by its size to what is
smaller than a body."""
FOCAL = (0.8, 2.5)
"""Focal length in widths of the picture, log-uniform."""
ASPECT = (9 / 16, 16 / 9)
"""Height of the picture in widths of it, log-uniform."""
MARGIN = 0.97
"""The part of the picture, around its middle, that all joints are in."""
NEAREST = 0.3
"""Smallest depth of a joint, metres, likewise."""


class Views(NamedTuple):
    """Windows as new cameras see them.

    Args:
        positions: ``(B, T, J, 3)``, metres, camera axes (x right, y down, z forward).
        keypoints_2d: ``(B, T, J, 2)``, screen-normalised; 0 where the joint is not known.
        intrinsics: ``(B, 9)`` for the normalised screen, without lens distortion.
        height: Half the height of the picture, in half widths of it, ``(B,)``.
        rotation: Camera to world axes, ``(B, 3, 3)``.
        centre: The camera in the axes and from the origin of the positions that were given, ``(B, 3)``, metres.
    """

    positions: Tensor
    keypoints_2d: Tensor
    intrinsics: Tensor
    height: Tensor
    rotation: Tensor
    centre: Tensor


def new_views(
    positions: Tensor, visible: Tensor | None = None, *, roll: float = 0.0, generator: Generator | None = None
) -> Views:
    r"""Film each window by a camera of its own, which stands still and sees every known joint in every frame.

    The middle of the window is that of the box around all its joints. Drawn are: azimuth (uniform), elevation
    :data:`ELEVATION` and distance :data:`DISTANCE` of the camera as seen from the middle (uniform), :data:`FOCAL` and
    :data:`ASPECT` (log-uniform), the roll about the optical axis (normal), and where in the picture the middle is
    (uniform where the body leaves room). Distances are those of bodies; cameras come nearer to smaller poses, such as
    hands, in the proportion of :func:`~skelgraph.geometry.beside_a_body`. Azimuth and elevation are exact wherever that
    is: for a middle seen along :math:`c` (camera axes after the roll was taken back) the optical axis dips below the
    horizon by

    .. math::
        \arcsin\frac{\sin e}{\sqrt{c_y^2 + c_z^2}} - \operatorname{atan2}(c_y, c_z)

    A joint :math:`p` relative to the middle, in camera axes, is inside the picture if
    :math:`|p_x + d c_x| \le L_x (p_z + d c_z)` and likewise for y, which is linear in the distance :math:`d`: the
    largest bound of all joints replaces a smaller distance.

    Args:
        positions: ``(B, T, J, 3)``, metres, world axes (z up).
        visible: Which joints are known, ``(B, T, J)``; the others are not looked at.
        roll: Standard deviation of the roll, degrees.
        generator: Of the random numbers; ``None``: torch's own.

    Returns:
        What the cameras see; float32 and float64 alike.
    """
    count = len(positions)

    def draw(low: float, high: float) -> Tensor:
        return uniform(positions, count, low=low, high=high, generator=generator)

    azimuth = draw(-math.pi, math.pi)
    elevation = draw(*map(math.radians, ELEVATION))
    scale = beside_a_body(pose_sizes(positions, visible)).to(positions)
    distance = scale * draw(*DISTANCE)
    focal = 2 * draw(*map(math.log, FOCAL)).exp()  # in half widths
    height = draw(*map(math.log, ASPECT)).exp()
    place = uniform(positions, count, 2, low=-1, high=1, generator=generator)
    turn = math.radians(roll) * normal(positions, count, generator=generator)

    points, middle = _around_middle(positions, visible)
    rolled = roma.rotvec_to_rotmat(torch.stack((0 * turn, 0 * turn, turn), -1))
    edge = MARGIN / focal[:, None] * torch.stack((torch.ones_like(height), height), -1)  # tangents of the picture

    ahead = torch.nn.functional.pad(positions.new_ones(count, 1), (2, 0))  # the optical axis
    centred = points @ (_level(azimuth, elevation) @ rolled)
    distance = torch.maximum(distance, _needed(centred, ahead, edge, scale))
    seen, aside = centred + (distance[:, None] * ahead)[:, None], torch.zeros_like(place)
    for _ in range(2):  # beside the middle of the picture a body is larger than in it
        extent = (seen[..., :2] / seen[..., 2:] - aside[:, None]).abs().amax(1)
        aside = place * (edge - extent).clamp(min=0)
        towards = torch.nn.functional.normalize(torch.cat((aside, ahead[:, 2:]), -1), dim=-1)
        _, down, forward = (rolled @ towards[..., None]).squeeze(-1).unbind(-1)
        dip = (elevation.sin() / torch.hypot(down, forward)).clamp(-1, 1).arcsin() - torch.atan2(down, forward)
        rotation = _level(azimuth, dip) @ rolled
        turned = points @ rotation
        needed = torch.maximum(distance, _needed(turned, towards, edge, scale))
        seen = turned + (needed[:, None] * towards)[:, None]
    seen, distance = seen.view_as(positions), needed

    zero = torch.zeros_like(focal)
    intrinsics = torch.stack((focal, focal, *[zero] * 7), -1)
    keypoints = project(seen, intrinsics[:, None], "none")
    if visible is not None:
        keypoints = torch.where(visible[..., None], keypoints, 0)
    centre = middle - (rotation @ (distance[:, None] * towards)[..., None]).squeeze(-1)
    return Views(seen, keypoints, intrinsics, height, rotation, centre)


def _around_middle(positions: Tensor, visible: Tensor | None) -> tuple[Tensor, Tensor]:
    """The joints of each window relative to the middle of the box around them ``(B, T * J, 3)``, and this ``(B, 3)``;
    joints that are not known are put there."""
    points = positions.flatten(1, 2)
    if visible is None:
        middle = (points.amin(1) + points.amax(1)) / 2
        return points - middle[:, None], middle
    unknown = ~visible.flatten(1, 2)[..., None]
    low, high = points.masked_fill(unknown, torch.inf).amin(1), points.masked_fill(unknown, -torch.inf).amax(1)
    middle = torch.where(unknown.all(1), 0, (low + high) / 2)
    return (points - middle[:, None]).masked_fill(unknown, 0), middle


def _level(azimuth: Tensor, dip: Tensor) -> Tensor:
    """Camera to world axes, ``(B, 3, 3)``, of cameras without roll whose optical axis dips below the horizon."""
    (sine, cosine), (sink, flat) = ((angle.sin(), angle.cos()) for angle in (azimuth, dip))
    right = torch.stack((sine, -cosine, torch.zeros_like(sine)), -1)
    down = torch.stack((-sink * cosine, -sink * sine, -flat), -1)
    forward = torch.stack((flat * cosine, flat * sine, -sink), -1)
    return torch.stack((right, down, forward), -1)


def _needed(points: Tensor, towards: Tensor, edge: Tensor, scale: Tensor) -> Tensor:
    """The least distance ``(B,)`` of the middle, seen towards ``(B, 3)``, at which points around it ``(B, P, 3)``,
    camera axes, are within the edges ``(B, 2)``."""
    across, ahead = points.split((2, 1), -1)
    aside, on = towards.split((2, 1), -1)
    room = torch.stack((edge * on - aside, edge * on + aside), -1)  # (B, 2, 2): x and y, on either side
    beyond = torch.stack(((across - edge[:, None] * ahead).amax(1), (-across - edge[:, None] * ahead).amax(1)), -1)
    inside = (beyond / torch.maximum(room, 1e-3 * edge[..., None])).amax((1, 2))
    return torch.maximum(inside, ((NEAREST * scale - ahead).amax((1, 2))) / on[:, 0])
