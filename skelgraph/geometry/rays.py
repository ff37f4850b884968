"""Keypoints as a camera sees them that looks at the person: rays, turned to the middle of the box, and their size."""

from __future__ import annotations

import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.geometry.pose_pairs import check_visible
from skelgraph.geometry.tensors import check_tensors

SMALLEST = 1e-3
"""Half a box on the plane at distance 1 is never less: about a pixel, where the focal length is a thousand."""


def rotation_to_axis(ray: Tensor) -> Tensor:
    r"""The rotation that turns a ray to the optical axis without roll: what was vertical beside it stays so.

    First about the vertical, then about the horizontal; for the ray :math:`(a, b, 1)`, with :math:`h^2 = 1 + a^2` and
    :math:`n^2 = 1 + a^2 + b^2`,

    .. math::
        R = \begin{pmatrix} 1/h & 0 & -a/h \\ -ab/(hn) & h/n & -b/(hn) \\ a/n & b/n & 1/n \end{pmatrix},
        \qquad R \, (a, b, 1)^\top = (0, 0, n)^\top

    as in `"Perspective Crop Layers" <https://arxiv.org/abs/2011.13607>`_. The x axis stays in the plane of camera x and
    z. The mirrored ray has the mirrored rotation, :math:`R(-a, b) = M R(a, b) M` with :math:`M` = diag(-1, 1, 1).

    Args:
        ray: Where it meets the plane at distance 1, ``(..., 2)`` = a, b.

    Returns:
        ``(..., 3, 3)``, from the axes of the camera to the turned ones.
    """
    check_tensors(ray=ray)
    a, b = ray.unbind(-1)
    h, n = (1 + a.square()).sqrt(), (1 + a.square() + b.square()).sqrt()
    rows = (1 / h, torch.zeros_like(a), -a / h, -a * b / (h * n), h / n, -b / (h * n), a / n, b / n, 1 / n)
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def turn(points: Tensor, rotation: Tensor) -> Tensor:
    """Turn points ``(..., J, 3)`` by rotations ``(..., 3, 3)``, :math:`R p`; back by ``rotation.mT``.

    No matrix product: under mixed precision that would round the points to three digits.
    """
    check_tensors(points=points, rotation=rotation)
    return (points[..., None, :] * rotation[..., None, :, :]).sum(-1)


def box_view(keypoints_2d: Tensor, intrinsics: Tensor, visible: Tensor | None = None) -> tuple[Tensor, Tensor]:
    r"""The camera at the same place that looks at the middle of the box around the keypoints.

    The rays of the keypoints, :math:`(p - c) / f`, have a box on the plane at distance 1; the ray through its middle is
    turned to the optical axis by :func:`rotation_to_axis`. The size is half of the longer side of the box around the
    turned rays.

    Args:
        keypoints_2d: Image points ``(..., J, 2)`` in the unit of the intrinsics: pixels, or the normalised screen.
        intrinsics: ``(..., 4)`` = fx, fy, cx, cy or the 9 numbers of :func:`project`, of which the first 4 are used:
            distortion is ignored.
        visible: Which joints count, boolean ``(..., J)``; all unless given. The values of the others, NaN included,
            change nothing.

    Returns:
        The rotation ``(..., 3, 3)`` from the axes of the camera to the turned ones, and the size ``(...)``, at least
        :data:`SMALLEST`, as that of one joint. Where no joint is visible: no rotation, and size 1.

    Raises:
        SkelgraphError: The last dimensions are not ``(J, 2)`` and 4 or 9, or ``visible`` is no such mask.
    """
    rays, seen = _rays(keypoints_2d, intrinsics, visible)
    low, high = _box(rays, seen)
    rotation = rotation_to_axis((low + high) / 2)
    low, high = _box(_turned(rays, rotation, seen), seen)
    return rotation, ((high - low).amax(-1) / 2).clamp(min=SMALLEST)


def to_rays(
    keypoints_2d: Tensor, rotation: Tensor, size: Tensor, intrinsics: Tensor, visible: Tensor | None = None
) -> Tensor:
    r"""Keypoints as the turned camera of :func:`box_view` sees them, divided by the size, and the log of the size:
    :math:`(x/z/s, \, y/z/s, \, \log s)` with :math:`(x, y, z) = R \, ((p - c)/f, 1)`.

    The first two are about -1 to 1, wherever in the picture a person is, how large, and whatever the focal length. The
    third is the same for all joints: with the size of a person it tells the distance.

    Args:
        keypoints_2d: Image points ``(..., J, 2)`` in the unit of the intrinsics.
        rotation: ``(..., 3, 3)``; it broadcasts, as the others do: one for all frames of a window.
        size: ``(...)``.
        intrinsics: ``(..., 4)`` or ``(..., 9)``.
        visible: Which joints are seen, boolean ``(..., J)``; the others are put into the middle of the box, 0.

    Returns:
        ``(..., J, 3)``. NaN for a joint 90 degrees or more away from the middle of the box, which has no image there.

    Raises:
        SkelgraphError: As :func:`box_view`.
    """
    check_tensors(rotation=rotation, size=size)
    rays, seen = _rays(keypoints_2d, intrinsics, visible)
    places = _turned(rays, rotation, seen) / size[..., None, None]
    return torch.cat((places, size.log()[..., None, None].expand(*places.shape[:-1], 1)), -1)


def from_rays(rays: Tensor, rotation: Tensor, intrinsics: Tensor) -> Tensor:
    """Image points of turned rays: the inverse of :func:`to_rays`.

    Args:
        rays: ``(..., J, 3)``.
        rotation: ``(..., 3, 3)``.
        intrinsics: ``(..., 4)`` or ``(..., 9)``.

    Returns:
        ``(..., J, 2)``; NaN for points that are not in front of the camera.
    """
    check_tensors(rays=rays, rotation=rotation, intrinsics=intrinsics)
    flat = torch.nn.functional.pad(rays[..., :2] * rays[..., 2:].exp(), (0, 1), value=1.0)
    focal, centre = intrinsics[..., None, :4].split(2, dim=-1)
    return _perspective(turn(flat, rotation.mT)) * focal + centre


def window_rays(keypoints_2d: Tensor, intrinsics: Tensor, visible: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Turned rays of windows in time. All frames of a window share the rotation and the size of its centre frame, so
    that it shows how a person moves; a single frame is a window of one.

    Args:
        keypoints_2d: ``(..., T, J, 2)``, in the unit of the intrinsics.
        intrinsics: One camera for each window, ``(..., 4)`` or ``(..., 9)``.
        visible: Which joints are seen, boolean ``(..., T, J)``; all unless given.

    Returns:
        The rays ``(..., T, J, 3)``, see :func:`to_rays`, and the rotation of each window ``(..., 3, 3)``: poses
        ``(..., J, 3)`` in the axes of the camera have the axes of the rays after ``turn(poses, rotation)``.

    Raises:
        SkelgraphError: As :func:`box_view`.
    """
    check_tensors(keypoints_2d=keypoints_2d)
    if keypoints_2d.ndim < 3:
        raise SkelgraphError(f"keypoints_2d has shape {tuple(keypoints_2d.shape)}; expected (..., T, J, 2)")
    middle = keypoints_2d.shape[-3] // 2
    seen = None if visible is None else check_visible(visible, keypoints_2d)[..., middle, :]
    rotation, size = box_view(keypoints_2d[..., middle, :, :], intrinsics, seen)
    rays = to_rays(keypoints_2d, rotation[..., None, :, :], size[..., None], intrinsics[..., None, :], visible)
    return rays, rotation


def _rays(keypoints_2d: Tensor, intrinsics: Tensor, visible: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Where the rays of keypoints meet the plane at distance 1, ``(..., J, 2)``, and the mask ``(..., J, 1)``. What is
    not visible is on the optical axis, which each turned camera has in front of it: no value or gradient is NaN."""
    check_tensors(keypoints_2d=keypoints_2d, intrinsics=intrinsics)
    if keypoints_2d.ndim < 2 or keypoints_2d.shape[-1] != 2:
        raise SkelgraphError(f"keypoints_2d has shape {tuple(keypoints_2d.shape)}; expected (..., J, 2)")
    if intrinsics.ndim == 0 or intrinsics.shape[-1] not in (4, 9):
        raise SkelgraphError(f"intrinsics has shape {tuple(intrinsics.shape)}; expected (..., 4) or (..., 9)")
    focal, centre = intrinsics[..., None, :4].split(2, dim=-1)
    if visible is None:
        return (keypoints_2d - centre) / focal, None
    seen = check_visible(visible, keypoints_2d)[..., None]
    return (torch.where(seen, keypoints_2d, centre) - centre) / focal, seen


def _box(rays: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor]:
    """Corners ``(..., 2)`` of the box around rays ``(..., J, 2)``; where none is seen, from -1 to 1."""
    if seen is None:
        return rays.amin(-2), rays.amax(-2)
    low = torch.where(seen, rays, torch.inf).amin(-2)
    high = torch.where(seen, rays, -torch.inf).amax(-2)
    some = seen.any(-2)
    return torch.where(some, low, -1), torch.where(some, high, 1)


def _turned(rays: Tensor, rotation: Tensor, seen: Tensor | None) -> Tensor:
    """Turned rays on the plane at distance 1, ``(..., J, 2)``; 0 where they are not seen."""
    turned = _perspective(turn(torch.nn.functional.pad(rays, (0, 1), value=1.0), rotation))
    return turned if seen is None else torch.where(seen, turned, 0)


def _perspective(points: Tensor) -> Tensor:
    depth = points[..., 2:]
    return points[..., :2] / torch.where(depth > 0, depth, torch.nan)
