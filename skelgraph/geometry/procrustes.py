"""Similarity alignment of poses."""

from __future__ import annotations

from typing import Literal

import roma
import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.geometry.pose_pairs import check_pose_pair, check_visible
from skelgraph.text import shown

_SMALLEST = 1e-6  # a pose of a smaller extent (a micrometre) counts as collapsed to a point


def procrustes(
    source: Tensor,
    target: Tensor,
    scale: bool = True,
    grad: Literal["full", "detached"] = "full",
    visible: Tensor | None = None,
) -> Tensor:
    r"""Align each source pose with its target by the least-squares similarity without reflection, as in
    `"Least-Squares Estimation of Transformation Parameters Between Two Point Patterns"
    <https://doi.org/10.1109/34.88573>`_ (Umeyama, 1991).

    Differentiable in both arguments. Values and gradients stay finite where the best alignment is not unique: a source
    that is collapsed to a point goes to the centre of its target; collinear, planar and mirrored poses take one of the
    best rotations, and the unbounded part of its derivative is damped.

    Args:
        source: Poses to move ``(..., J, 3)``.
        target: Poses to reach ``(..., J, 3)``, same unit (metres).
        scale: Estimate the scale as well as rotation and translation.
        grad: ``"full"``, or ``"detached"``: rotation and scale count as constants in the derivative, which is cheaper.
        visible: Which joints the alignment is estimated from, boolean ``(..., J)``; all unless given. The others move
            along, and their values, NaN included, change nothing else.

    Returns:
        The aligned source ``(..., J, 3)``, in the source's dtype.

    Raises:
        SkelgraphError: The shapes differ or do not end with ``(J, 3)``, ``grad`` is none of these, or ``visible`` is
            not such a mask.
    """
    if grad not in ("full", "detached"):
        raise SkelgraphError(f"grad is {shown(grad)}; expected 'full' or 'detached'")
    check_pose_pair(source, target, ("source", "target"))
    # In float64, as roma's solver computes, and therefore not changed by autocast.
    x, y = source.double(), target.double()
    if visible is None:
        count: int | Tensor = y.shape[-2]
        centre = y.mean(-2, keepdim=True)
        moved = x = x - x.mean(-2, keepdim=True)
        y = y - centre
    else:  # joints at the centre of both poses take no part
        seen = check_visible(visible, source)[..., None]
        count = seen.sum(-2, keepdim=True).clamp(min=1)
        x, y = torch.where(seen, x, 0), torch.where(seen, y, 0)
        centre, centre_x = y.sum(-2, keepdim=True) / count, x.sum(-2, keepdim=True) / count
        moved = source.double() - centre_x
        x, y = torch.where(seen, x - centre_x, 0), torch.where(seen, y - centre, 0)
    with torch.set_grad_enabled(torch.is_grad_enabled() and grad == "full"):
        # At unit extent roma's damping of the derivative is relative, and the scale needs no division by a vanishing
        # pose.
        extent_x, extent_y = _extent(x, count), _extent(y, count)
        unit_x, unit_y = x / extent_x, y / extent_y
        # roma keeps a constant from its first call: made in inference mode, it would break every later gradient
        with torch.inference_mode(False):
            rotation = roma.rigid_vectors_registration(unit_x, unit_y)
        alignment = (unit_x @ rotation.mT * unit_y).sum((-2, -1), keepdim=True) / count
        motion = rotation.mT * (alignment * extent_y / extent_x) if scale else rotation.mT
    return (moved @ motion + centre).to(source.dtype)


def _extent(centred: Tensor, count: int | Tensor) -> Tensor:
    return (centred.square().sum((-2, -1), keepdim=True) / count).clamp_min(_SMALLEST**2).sqrt()
