"""Checks of a predicted and a true pose, and of the mask of the joints that are known."""

from __future__ import annotations

import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.geometry.tensors import check_tensors


def check_pose_pair(first: Tensor, second: Tensor, names: tuple[str, str] = ("pred", "target")) -> None:
    """Check that two tensors are poses ``(..., J, 3)`` of the same shape.

    Args:
        first: The first poses.
        second: The second poses.
        names: What to call them in the message.

    Raises:
        SkelgraphError: They are not.
    """
    check_tensors(**dict(zip(names, (first, second), strict=True)))
    if first.shape != second.shape or first.ndim < 2 or first.shape[-1] != 3:
        raise SkelgraphError(
            f"{names[0]} has shape {tuple(first.shape)} and {names[1]} {tuple(second.shape)}; "
            "expected (..., J, 3) for both"
        )


def check_visible(visible: Tensor, pose: Tensor) -> Tensor:
    """Return the mask of the known joints of a pose ``(..., J, 3)``, a boolean ``(..., J)``, checked.

    Raises:
        SkelgraphError: It has another shape, or is not boolean.
    """
    check_tensors(visible=visible)
    if visible.dtype != torch.bool or visible.shape != pose.shape[:-1]:
        raise SkelgraphError(
            f"visible is {visible.dtype} of shape {tuple(visible.shape)}; expected torch.bool of shape "
            f"{tuple(pose.shape[:-1])}"
        )
    return visible


def zero_unknown(visible: Tensor, pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return both poses ``(..., J, 3)`` with 0 in place of the joints that are not known, which may be NaN.

    Args:
        visible: Which joints are known, boolean ``(..., J)``.
        pred: Predicted poses.
        target: True poses.

    Raises:
        SkelgraphError: ``visible`` is not such a mask.
    """
    known = check_visible(visible, pred)[..., None]
    return torch.where(known, pred, 0), torch.where(known, target, 0)
