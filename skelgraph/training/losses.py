"""What is minimised: the table of losses on root-relative poses ``(B, J, 3)`` in metres.

:mod:`skelgraph.nn.losses` holds the functions; they are imported when they are called, so that the losses can be listed
without PyTorch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from skelgraph.errors import SkelgraphError
from skelgraph.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from skelgraph.nn import PoseLoss

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class LossInfo:
    """What is known of a registered loss. ``unit`` is that of its values, with poses in metres."""

    name: str
    function: PoseLoss
    unit: str
    help: str


LOSSES: Registry[LossInfo] = Registry("loss")
"""The registered losses by name."""


def register_loss(name: str, *, unit: str, help: str) -> Callable[[Function], Function]:  # noqa: A002
    """Decorate a loss: a function of predicted and true poses ``(B, J, 3)`` in metres that returns a scalar.

    It takes the keyword ``visible``, a boolean mask ``(B, J)`` of the joints that count or ``None``;
    :func:`skelgraph.nn.of_visible` gives it to a function that is a mean over joints.

    Args:
        name: Name of the loss.
        unit: Unit of its values: ``"m"``, ``"m²"``; metrics are in millimetres.
        help: What it is, in a few words, for the help of the command line.

    Raises:
        SkelgraphError: If the name is taken, or the function does not take ``visible``.
    """

    def register(function: Function) -> Function:
        # of_visible keeps the signature of what it wraps in sight
        if "visible" not in inspect.signature(function, follow_wrapped=False).parameters:
            raise SkelgraphError(f"loss {name!r} does not take visible=, the mask of the joints that count")
        LOSSES.add(name, LossInfo(name, function, unit, help), function)
        return function

    return register


@register_loss("mpjpe", unit="m", help="mean distance of joints, metres")
def _mpjpe(pred: Tensor, target: Tensor, *, visible: Tensor | None = None) -> Tensor:
    from skelgraph.nn.losses import mpjpe_loss

    return mpjpe_loss(pred, target, visible=visible)


@register_loss("mse", unit="m²", help="mean squared difference of coordinates")
def _mse(pred: Tensor, target: Tensor, *, visible: Tensor | None = None) -> Tensor:
    from skelgraph.nn.losses import mse_loss

    return mse_loss(pred, target, visible=visible)


@register_loss("l1", unit="m", help="mean absolute difference of coordinates")
def _l1(pred: Tensor, target: Tensor, *, visible: Tensor | None = None) -> Tensor:
    from skelgraph.nn.losses import l1_loss

    return l1_loss(pred, target, visible=visible)


@register_loss("smooth_l1", unit="m", help="l1 that is squared below 0.05 m")
def _smooth_l1(pred: Tensor, target: Tensor, *, visible: Tensor | None = None) -> Tensor:
    from skelgraph.nn.losses import smooth_l1_loss

    return smooth_l1_loss(pred, target, visible=visible)


@register_loss("aligned", unit="m", help="mpjpe plus half of it after alignment, that of NEHSNet")
def _aligned(pred: Tensor, target: Tensor, *, visible: Tensor | None = None) -> Tensor:
    from skelgraph.nn.losses import aligned_pose_loss

    return aligned_pose_loss(pred, target, visible=visible)
