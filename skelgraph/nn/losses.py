"""Training losses on poses in metres."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from skelgraph.geometry import procrustes
from skelgraph.geometry.pose_pairs import zero_unknown


class PoseLoss(Protocol):
    """A loss on poses ``(..., J, 3)``, if a mask ``(..., J)`` is given on its joints only."""

    def __call__(self, pred: Tensor, target: Tensor, *, visible: Tensor | None = None) -> Tensor:
        """Return a scalar."""


class LossSum(nn.Module):
    """A weighted sum of losses; without any term it is 0.

    Args:
        terms: Weights and losses. The buffers of those that are modules move with the sum.
    """

    def __init__(self, terms: Sequence[tuple[float, PoseLoss]]) -> None:
        super().__init__()
        self.terms = tuple(terms)
        self.parts = nn.ModuleList(loss for _, loss in terms if isinstance(loss, nn.Module))

    def forward(self, pred: Tensor, target: Tensor, *, visible: Tensor | None = None) -> Tensor:
        """Return the loss of poses ``(..., J, 3)``, metres, on the joints of a mask ``(..., J)``: a scalar."""
        total = pred.new_zeros(())
        for weight, loss in self.terms:
            total = total + weight * loss(pred, target, visible=visible)
        return total


def of_visible(loss: Callable[[Tensor, Tensor], Tensor]) -> PoseLoss:
    """Give a loss the argument ``visible``: a boolean mask ``(..., J)`` of the joints that its mean is taken over.

    The loss has to be a mean over all joints to which a joint at its true position adds 0. A joint that is masked out
    changes nothing, even if its value is NaN; where all joints are, the loss is 0.

    Args:
        loss: Maps ``(..., J, 3)`` and ``(..., J, 3)`` to a scalar, such as ``torch.nn.functional.mse_loss``.
    """

    def masked(pred: Tensor, target: Tensor, *, visible: Tensor | None = None) -> Tensor:
        if visible is None:
            return loss(pred, target)
        pred, target = zero_unknown(visible, pred, target)
        return loss(pred, target) * (visible.numel() / visible.sum().clamp(min=1))

    functools.update_wrapper(masked, loss)
    return masked


@of_visible
def mse_loss(pred: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of coordinates of poses ``(..., J, 3)``, square metres."""
    return F.mse_loss(pred, target)


@of_visible
def l1_loss(pred: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of coordinates of poses ``(..., J, 3)``, metres."""
    return F.l1_loss(pred, target)


@of_visible
def smooth_l1_loss(pred: Tensor, target: Tensor) -> Tensor:
    """:func:`l1_loss` that is a parabola below 0.05 m, of poses ``(..., J, 3)``, metres."""
    return F.smooth_l1_loss(pred, target, beta=0.05)


@of_visible
def mpjpe_loss(pred: Tensor, target: Tensor) -> Tensor:
    """Mean joint error of poses ``(..., J, 3)``, metres."""
    return (pred - target).norm(dim=-1).mean()


def p_mpjpe_loss(
    pred: Tensor, target: Tensor, grad: Literal["full", "detached"] = "full", visible: Tensor | None = None
) -> Tensor:
    """Mean joint error after aligning each predicted pose with its target by a similarity; differentiable.

    Its value is that of :func:`skelgraph.metrics.p_mpjpe` in metres. Values and gradients are finite for collapsed,
    planar and symmetric poses too.

    Args:
        pred: Predicted poses ``(..., J, 3)``, metres.
        target: True poses ``(..., J, 3)``, metres.
        grad: ``"full"``, or ``"detached"``: the rotation and scale of the alignment count as constants in the
            derivative, which is cheaper.
        visible: Which joints count, boolean ``(..., J)``; all unless given.

    Returns:
        Scalar, metres.

    Raises:
        SkelgraphError: If the shapes differ or do not end with ``(J, 3)``, or ``grad`` is none of these.

    Example:
        >>> import torch
        >>> pred = torch.randn(4, 17, 3, requires_grad=True)
        >>> p_mpjpe_loss(pred, torch.randn(4, 17, 3)).backward()
    """
    if visible is None:
        return (procrustes(pred, target, grad=grad) - target).norm(dim=-1).mean()
    pred, target = zero_unknown(visible, pred, target)
    return mpjpe_loss(procrustes(pred, target, grad=grad, visible=visible), target, visible=visible)


def aligned_pose_loss(
    pred: Tensor,
    target: Tensor,
    p_mpjpe_weight: float = 0.5,
    grad: Literal["full", "detached"] = "full",
    visible: Tensor | None = None,
) -> Tensor:
    """Mean joint error plus weighted mean joint error after alignment: the loss of `NEHSNet
    <https://github.com/HFG1021/NEHSNet>`_, whose released code cannot send gradients through the second term.

    Args:
        pred: Predicted poses ``(..., J, 3)``, metres.
        target: True poses ``(..., J, 3)``, metres, root-relative; the predicted root is not moved to the origin.
        p_mpjpe_weight: Weight of :func:`p_mpjpe_loss`.
        grad: As in :func:`p_mpjpe_loss`.
        visible: Which joints count, boolean ``(..., J)``; all unless given.

    Returns:
        Scalar, metres.

    Raises:
        SkelgraphError: As in :func:`p_mpjpe_loss`.
    """
    aligned = p_mpjpe_loss(pred, target, grad, visible)
    return mpjpe_loss(pred, target, visible=visible) + p_mpjpe_weight * aligned
