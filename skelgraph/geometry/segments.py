"""Distances and angles of straight segments."""

from __future__ import annotations

import torch
from torch import Tensor

from skelgraph.geometry.tensors import check_tensors

_SMALLEST = 1e-12  # squared length of a segment that is a point


def segment_distance(first: Tensor, second: Tensor) -> Tensor:
    r"""The shortest distance of two segments :math:`P + s\,u` and :math:`Q + t\,v` with :math:`0 \le s, t \le 1`, by
    the closed form of `"Real-Time Collision Detection" <https://realtimecollisiondetection.net/>`_ (Ericson, 2005,
    5.1.9): the nearest points of both lines, cut to the segments one after the other.

    Args:
        first: The two ends of segments ``(..., 2, 3)``.
        second: Likewise; the leading dimensions broadcast.

    Returns:
        Distances ``(...)``; segments may be parallel, or points.
    """
    check_tensors(first=first, second=second)
    u, v = first[..., 1, :] - first[..., 0, :], second[..., 1, :] - second[..., 0, :]
    between = first[..., 0, :] - second[..., 0, :]
    uu, vv, uv = u.square().sum(-1), v.square().sum(-1), (u * v).sum(-1)
    on_u, on_v = (u * between).sum(-1), (v * between).sum(-1)
    uu, vv = uu.clamp(min=_SMALLEST), vv.clamp(min=_SMALLEST)
    s = ((uv * on_v - on_u * vv) / (uu * vv - uv.square()).clamp(min=_SMALLEST)).clamp(0, 1)
    t = ((uv * s + on_v) / vv).clamp(0, 1)
    s = ((uv * t - on_u) / uu).clamp(0, 1)
    return torch.linalg.vector_norm(between + s[..., None] * u - t[..., None] * v, dim=-1)


def sine_about(first: Tensor, second: Tensor, axis: Tensor) -> Tensor:
    """How far a direction is turned from another one about an axis: the sine of the angle times that of the angles to
    the axis, positive counter-clockwise as seen from its tip.

    Args:
        first: Unit vectors ``(..., 3)``.
        second: Likewise.
        axis: Likewise.

    Raises:
        SkelgraphError: If one is no tensor.
    """
    check_tensors(first=first, second=second, axis=axis)
    return (torch.linalg.cross(first, second, dim=-1) * axis).sum(-1)
