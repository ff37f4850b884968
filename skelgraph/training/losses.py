"""What is minimised: the table of losses on root-relative poses in metres, and weighted sums of them.

:mod:`skelgraph.nn.losses` holds the functions; they are imported when they are called, so that the losses can be listed
without PyTorch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from skelgraph.errors import SkelgraphError
from skelgraph.options import SumOf
from skelgraph.registry import Registry
from skelgraph.text import shown

if TYPE_CHECKING:
    from torch import Tensor

    from skelgraph.nn import PoseLoss
    from skelgraph.nn.losses import LossSum
    from skelgraph.topology import Skeleton

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class LossInfo:
    """What is known of a registered loss.

    Attributes:
        name: Its name.
        make: Makes the loss for poses of a skeleton.
        unit: Unit of its values, with poses in metres.
        help: What it is, in a few words.
        over_time: Whether it compares the frames of a window.
    """

    name: str
    make: Callable[[Skeleton], PoseLoss]
    unit: str
    help: str
    over_time: bool = False


LOSSES: Registry[LossInfo] = Registry("loss")
"""The registered losses by name."""

_EXAMPLE = "0.9*mse + 0.1*l1"
LOSS_SUM = SumOf(LOSSES, _EXAMPLE, or_none=True)
"""The losses of a network: sums of registered ones; ``none`` where its refined poses alone are judged."""
REFINE_LOSS_SUM = SumOf(LOSSES, _EXAMPLE)
"""The losses of refined poses."""


def loss_terms(expression: str) -> list[tuple[float, LossInfo]]:
    """The weights and the losses in a sum, as the setting ``loss`` has it: ``0.9*mse + 0.1*l1``.

    Raises:
        ValueError: If the text is no such sum.
    """
    return [(weight, LOSSES[name]) for weight, name in LOSS_SUM.terms(expression)]


def make_loss(expression: str, skeleton: Skeleton) -> LossSum:
    """The loss of poses of a skeleton that a sum stands for; without any term it is 0.

    Raises:
        SkelgraphError: If a loss cannot be taken of poses of this skeleton.
        ValueError: As :func:`loss_terms`.
    """
    from skelgraph.nn.losses import LossSum

    return LossSum([(weight, info.make(skeleton)) for weight, info in loss_terms(expression)])


def loss_label(expression: str, refine_expression: str | None = None) -> str:
    """What is minimised with its unit, for people: ``0.9*mse + 0.1*l1 loss (m² + m)``.

    Args:
        expression: The loss of the network.
        refine_expression: That of the refined poses; ``None``: there are none. Without any, only the head of the
            expected errors is trained.
    """
    sums = {expression: expression}
    if refine_expression is not None:
        sums[f"({refine_expression}) of refined poses"] = refine_expression
    terms = {part: loss_terms(text) for part, text in sums.items()}
    if not any(terms.values()):
        return "loss of the expected errors"
    units = dict.fromkeys(info.unit for part in terms.values() for _, info in part)
    return f"{' + '.join(part for part in terms if terms[part])} loss ({' + '.join(units)})"


def register_loss(
    name: str,
    *,
    unit: str,
    help: str,  # noqa: A002
    over_time: bool = False,
) -> Callable[[Function], Function]:
    """Decorate a loss: a function of predicted and true poses ``(..., J, 3)`` in metres that returns a scalar.

    It takes the keyword ``visible``, a boolean mask ``(..., J)`` of the joints that count or ``None``;
    :func:`skelgraph.nn.of_visible` gives it to a function that is a mean over joints. A loss that needs to know the
    joints is decorated as a function of the ``skeleton`` alone that returns such a function.

    Args:
        name: Name of the loss, an identifier, to stand in sums: ``0.9*mse + 0.1*l1``.
        unit: Unit of its values: ``"m"``, ``"m²"``; metrics are in millimetres.
        help: What it is, in a few words, for the help of the command line.
        over_time: Whether it compares frames, and needs poses ``(B, T, J, 3)`` of at least two.

    Raises:
        SkelgraphError: If the name is taken or no identifier, or the function does not take ``visible``.
    """

    def register(function: Function) -> Function:
        # of_visible keeps the signature of what it wraps in sight
        taken = list(inspect.signature(function, follow_wrapped=False).parameters)
        if taken != ["skeleton"] and "visible" not in taken:
            raise SkelgraphError(f"loss {name!r} does not take visible=, the mask of the joints that count")
        if isinstance(name, str) and (name == "none" or not name.isidentifier()):
            raise SkelgraphError(f"name of a loss is {shown(name)}; expected an identifier that is not none")
        make = function if taken == ["skeleton"] else lambda skeleton: function
        LOSSES.add(name, LossInfo(name, make, unit, help, over_time), function)
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


@register_loss("p_mpjpe", unit="m", help="mpjpe after alignment of each pose by a similarity")
def _p_mpjpe(pred: Tensor, target: Tensor, *, visible: Tensor | None = None) -> Tensor:
    from skelgraph.nn.losses import p_mpjpe_loss

    return p_mpjpe_loss(pred, target, visible=visible)


@register_loss("symmetry", unit="m", help="by how much left bones are longer than right ones, negative too, summed")
def _symmetry(skeleton: Skeleton) -> PoseLoss:
    from skelgraph.nn.regularizers import SymmetryLoss

    return SymmetryLoss(skeleton)


@register_loss(
    "smoothness", unit="m²", help="mean squared step between frames, weighted by joint, that of ST-GCN", over_time=True
)
def _smoothness(skeleton: Skeleton) -> PoseLoss:
    from skelgraph.nn.regularizers import SmoothnessLoss

    return SmoothnessLoss(skeleton)
