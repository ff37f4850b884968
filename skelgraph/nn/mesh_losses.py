"""Losses on poses and meshes of several resolutions, and on the shape of a mesh."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from skelgraph.errors import SkelgraphError
from skelgraph.nn.losses import of_visible


def multi_scale_mse(
    predictions: Sequence[Tensor],
    targets: Sequence[Tensor],
    weights: Sequence[float] = (100.0, 1.0, 1.0),
    visible: Sequence[Tensor] | None = None,
) -> Tensor:
    r"""Weighted sum of the mean squared errors of several resolutions, the training loss of `HGN
    <https://arxiv.org/abs/2111.11927>`_.

    .. math:: 100 \, \mathrm{MSE}_{joints} + \mathrm{MSE}_{coarse} + \mathrm{MSE}_{fine}

    Args:
        predictions: Positions of every resolution, joints first, metres.
        targets: Their true positions.
        weights: Weight of every resolution.
        visible: Which positions of every resolution count, boolean ``(..., N_l)``; all unless given.

    Shapes:
        Each pair ``(..., N_l, 3)``.

    Returns:
        A scalar.

    Raises:
        SkelgraphError: If the numbers of resolutions or the shapes differ.
    """
    shapes = [[tuple(x.shape) for x in group] for group in (predictions, targets)]
    if shapes[0] != shapes[1] or len(weights) != len(predictions):
        raise SkelgraphError(f"predictions {shapes[0]}, targets {shapes[1]} and {len(weights)} weights do not fit")
    masks = [None] * len(weights) if visible is None else visible
    mse = of_visible(F.mse_loss)
    terms = [w * mse(p, t, visible=mask) for w, p, t, mask in zip(weights, predictions, targets, masks, strict=True)]
    return torch.stack(terms).sum()


def edge_length_loss(prediction: Tensor, target: Tensor, edge_index: Tensor) -> Tensor:
    """Mean absolute error of the lengths of the edges of a mesh, as in `Pose2Mesh <https://arxiv.org/abs/2008.09047>`_.

    The released code averages over the sides of all triangles, which on a closed surface is the same.

    Args:
        prediction: Vertices ``(..., V, 3)``.
        target: True vertices ``(..., V, 3)``.
        edge_index: Vertices of every edge ``(2, E)``.

    Returns:
        A scalar in the unit of the vertices.
    """
    return (_edges(prediction, edge_index).norm(dim=-1) - _edges(target, edge_index).norm(dim=-1)).abs().mean()


def normal_loss(prediction: Tensor, target: Tensor, faces: Tensor) -> Tensor:
    """How far the triangles of a mesh are out of the true planes, as in `Pose2Mesh <https://arxiv.org/abs/2008.09047>`_:
    mean absolute cosine between the predicted sides and the true normal of every triangle.

    Args:
        prediction: Vertices ``(..., V, 3)``.
        target: True vertices ``(..., V, 3)``; the normal of a triangle without area is 0.
        faces: Vertices of every triangle ``(F, 3)``.

    Returns:
        A scalar from 0 (all sides in their true planes) to 1.
    """
    sides = F.normalize(_sides(prediction, faces), dim=-1)
    first, second, _ = F.normalize(_sides(target, faces), dim=-1).unbind(dim=-3)
    normal = F.normalize(torch.linalg.cross(first, second), dim=-1)
    return (sides * normal.unsqueeze(-3)).sum(dim=-1).abs().mean()


def laplacian_loss(prediction: Tensor, edge_index: Tensor, target: Tensor | None = None) -> Tensor:
    """Mean squared distance of the vertices of a mesh from the mean of their neighbours: its roughness, as in the
    `Pose2Mesh code <https://github.com/hongsukchoi/Pose2Mesh_RELEASE>`_.

    Args:
        prediction: Vertices ``(..., V, 3)``.
        edge_index: Vertices of every edge, in both directions ``(2, E)``. A vertex without edges adds nothing.
        target: True vertices ``(..., V, 3)``: compare with their distance vectors instead of 0, so that the true
            surface is not smoothed away.

    Returns:
        A scalar in the squared unit of the vertices.
    """
    points = prediction if target is None else prediction - target
    sender, receiver = edge_index
    gathered = torch.zeros_like(points).index_add(-2, receiver, points.index_select(-2, sender))
    count = torch.bincount(receiver, minlength=points.size(-2)).to(points.dtype)[:, None]
    offset = torch.where(count > 0, points - gathered / count.clamp(min=1), 0)
    return offset.square().sum(dim=-1).mean()


def _edges(points: Tensor, edge_index: Tensor) -> Tensor:
    """The vector of every edge, ``(..., E, 3)``."""
    sender, receiver = edge_index
    return points.index_select(-2, receiver) - points.index_select(-2, sender)


def _sides(points: Tensor, faces: Tensor) -> Tensor:
    """The sides of every triangle, ``(..., 3, F, 3)``: first to second, first to third, second to third corner."""
    a, b, c = (points.index_select(-2, corner) for corner in faces.t())
    return torch.stack([b - a, c - a, c - b], dim=-3)
