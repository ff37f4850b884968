"""Training losses on poses in metres."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from skelgraph.geometry import procrustes


def p_mpjpe_loss(pred: Tensor, target: Tensor, grad: Literal["full", "detached"] = "full") -> Tensor:
    """Mean joint error after aligning each predicted pose with its target by a similarity; differentiable.

    Its value is that of :func:`skelgraph.metrics.p_mpjpe` in metres. Values and gradients are finite for collapsed,
    planar and symmetric poses too.

    Args:
        pred: Predicted poses ``(..., J, 3)``, metres.
        target: True poses ``(..., J, 3)``, metres.
        grad: ``"full"``, or ``"detached"``: the rotation and scale of the alignment count as constants in the
            derivative, which is cheaper.

    Returns:
        Scalar, metres.

    Raises:
        SkelgraphError: If the shapes differ or do not end with ``(J, 3)``, or ``grad`` is none of these.

    Example:
        >>> import torch
        >>> pred = torch.randn(4, 17, 3, requires_grad=True)
        >>> p_mpjpe_loss(pred, torch.randn(4, 17, 3)).backward()
    """
    return (procrustes(pred, target, grad=grad) - target).norm(dim=-1).mean()


def aligned_pose_loss(
    pred: Tensor, target: Tensor, p_mpjpe_weight: float = 0.5, grad: Literal["full", "detached"] = "full"
) -> Tensor:
    """Mean joint error plus weighted mean joint error after alignment: the loss of `NEHSNet
    <https://github.com/HFG1021/NEHSNet>`_, whose released code cannot send gradients through the second term.

    Args:
        pred: Predicted poses ``(..., J, 3)``, metres.
        target: True poses ``(..., J, 3)``, metres, root-relative; the predicted root is not moved to the origin.
        p_mpjpe_weight: Weight of :func:`p_mpjpe_loss`.
        grad: As in :func:`p_mpjpe_loss`.

    Returns:
        Scalar, metres.

    Raises:
        SkelgraphError: As in :func:`p_mpjpe_loss`.
    """
    aligned = p_mpjpe_loss(pred, target, grad)
    return (pred - target).norm(dim=-1).mean() + p_mpjpe_weight * aligned
