"""The errors of 3D poses: poses are given in metres, errors are returned in millimetres or percent.

A NaN in a pose gives NaN (in PCK and AUC: a joint that is never within the threshold). With ``visible``, the mask of
the joints whose true position is known, the others count in no mean, whatever their values. The training losses
:mod:`skelgraph.nn.losses` of the same names are in metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.geometry import procrustes
from skelgraph.geometry.pose_pairs import check_pose_pair, check_visible, zero_unknown
from skelgraph.text import shown

Align = Literal["root", "scale", "procrustes"]

AUC_THRESHOLDS_MM: Sequence[float] = range(150)
"""0, 1, ... 149 mm, as in GraphMLP's 3DHP evaluation."""

AUC31_THRESHOLDS_MM: Sequence[float] = range(0, 151, 5)
"""0, 5, ... 150 mm, as in PoseAug's 3DHP evaluation."""


def joint_error(
    pred: Tensor, target: Tensor, align: Align | None = None, root: int = 0, visible: Tensor | None = None
) -> Tensor:
    """Distance of every predicted joint from its target, after an optional alignment of each pose.

    Args:
        pred: Predicted poses ``(..., J, 3)``, metres.
        target: True poses ``(..., J, 3)``, metres.
        align: ``None`` takes the poses as they are; ``"root"`` moves both roots to the origin; ``"scale"`` rescales the
            prediction about the origin by least squares (N-MPJPE); ``"procrustes"`` moves it by the best similarity.
        root: Joint that ``"root"`` aligns.
        visible: Which joints count, boolean ``(..., J)``; all unless given. The alignment is estimated from them alone.

    Returns:
        Errors ``(..., J)``, millimetres; differentiable. NaN for joints that do not count, and with ``"root"`` for all
        joints of a pose whose root does not.

    Raises:
        SkelgraphError: The shapes differ or do not end with ``(J, 3)``, or ``align`` is unknown.

    Example:
        >>> import torch
        >>> from skelgraph.metrics import joint_error
        >>> target = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.5, 0.0]])
        >>> joint_error(target + torch.tensor([0.0, 0.0, 0.1]), target)
        tensor([100., 100.])
        >>> joint_error(target + torch.tensor([0.0, 0.0, 0.1]), target, align="root")
        tensor([0., 0.])
    """
    check_pose_pair(pred, target)
    if visible is not None:
        pred, target = zero_unknown(visible, pred, target)
    if align == "root":
        if visible is not None:
            visible = visible & visible[..., root, None]
        pred, target = pred - pred[..., root, None, :], target - target[..., root, None, :]
    elif align == "scale":
        smallest = 1e-12  # square metres; a prediction that is collapsed to the origin stays there
        size = pred.square().sum((-2, -1), keepdim=True).clamp_min(smallest)
        pred = pred * ((pred * target).sum((-2, -1), keepdim=True) / size)
    elif align == "procrustes":
        pred = procrustes(pred, target, visible=visible)
    elif align is not None:
        raise SkelgraphError(f"align is {shown(align)}; expected None, 'root', 'scale' or 'procrustes'")
    error = 1000 * torch.linalg.vector_norm(pred - target, dim=-1)
    return error if visible is None else torch.where(visible, error, torch.nan)


def mpjpe(pred: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
    """Mean per-joint position error, protocol 1 of Human3.6M.

    Args:
        pred: Predicted poses ``(..., J, 3)``, metres.
        target: True poses ``(..., J, 3)``, metres.
        visible: Which joints count, boolean ``(..., J)``; all unless given.

    Returns:
        Scalar, millimetres; NaN if no joint counts.

    Raises:
        SkelgraphError: The shapes differ or do not end with ``(J, 3)``, or ``visible`` is not such a mask.

    Example:
        >>> import torch
        >>> from skelgraph.metrics import mpjpe
        >>> mpjpe(torch.full((2, 17, 3), 0.1), torch.zeros(2, 17, 3))
        tensor(173.2051)
    """
    return _mean(joint_error(pred, target, visible=visible), visible)


def p_mpjpe(pred: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
    """Mean per-joint position error after aligning each pose by a similarity (no reflection), protocol 2 of Human3.6M.

    Args:
        pred: Predicted poses ``(..., J, 3)``, metres.
        target: True poses ``(..., J, 3)``, metres.
        visible: Which joints count, boolean ``(..., J)``; all unless given.

    Returns:
        Scalar, millimetres; NaN if no joint counts.

    Raises:
        SkelgraphError: The shapes differ or do not end with ``(J, 3)``, or ``visible`` is not such a mask.

    Example:
        >>> import torch
        >>> from skelgraph.metrics import p_mpjpe
        >>> pose = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]])
        >>> bool(p_mpjpe(0.5 * pose + 7.0, pose) < 1e-3)
        True
    """
    return _mean(joint_error(pred, target, align="procrustes", visible=visible), visible)


def n_mpjpe(pred: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
    """Mean per-joint position error after the best rescaling of each pose, of `"Unsupervised Geometry-Aware
    Representation Learning for 3D Human Pose Estimation" <https://arxiv.org/abs/1804.01110>`_.

    Args:
        pred: Predicted poses ``(..., J, 3)``, metres.
        target: True poses ``(..., J, 3)``, metres.
        visible: Which joints count, boolean ``(..., J)``; all unless given.

    Returns:
        Scalar, millimetres; NaN if no joint counts.

    Raises:
        SkelgraphError: The shapes differ or do not end with ``(J, 3)``, or ``visible`` is not such a mask.

    Example:
        >>> import torch
        >>> from skelgraph.metrics import n_mpjpe
        >>> n_mpjpe(torch.full((2, 17, 3), 0.5), torch.ones(2, 17, 3))
        tensor(0.)
    """
    return _mean(joint_error(pred, target, align="scale", visible=visible), visible)


def mpjve(pred: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
    """Mean per-joint velocity error along one clip, of `"3D human pose estimation in video with temporal convolutions
    and semi-supervised training" <https://arxiv.org/abs/1811.11742>`_.

    Args:
        pred: Predicted poses of consecutive frames ``(..., T, J, 3)``, metres.
        target: True poses ``(..., T, J, 3)``, metres.
        visible: Which joints count, boolean ``(..., T, J)``, a velocity where both of its frames do; all unless given.

    Returns:
        Scalar, millimetres per frame step; NaN for a single frame.

    Raises:
        SkelgraphError: The shapes differ or do not end with ``(T, J, 3)``, or ``visible`` is not such a mask.

    Example:
        >>> import torch
        >>> from skelgraph.metrics import mpjve
        >>> target = torch.zeros(3, 17, 3)
        >>> pred = target.clone()
        >>> pred[:, :, 0] = torch.tensor([[0.0], [0.01], [0.03]])
        >>> mpjve(pred, target)
        tensor(15.)
    """
    check_pose_pair(pred, target)
    if pred.ndim < 3:
        raise SkelgraphError(f"pred has shape {tuple(pred.shape)}; expected (..., T, J, 3)")
    if visible is not None:  # a velocity is known where both positions are
        visible = check_visible(visible, pred)
        visible = visible[..., 1:, :] & visible[..., :-1, :]
    return _mean(joint_error(pred.diff(dim=-3), target.diff(dim=-3), visible=visible), visible)


def pck(pred: Tensor, target: Tensor, threshold_mm: float = 150.0, visible: Tensor | None = None) -> Tensor:
    """Percentage of joints that are nearer to their target than a threshold (strictly), of MPI-INF-3DHP.

    Args:
        pred: Predicted poses ``(..., J, 3)``, metres, usually both root-relative.
        target: True poses ``(..., J, 3)``, metres.
        threshold_mm: Threshold, millimetres.
        visible: Which joints count, boolean ``(..., J)``; all unless given.

    Returns:
        Scalar, percent; NaN if no joint counts.

    Raises:
        SkelgraphError: The shapes differ or do not end with ``(J, 3)``, or ``visible`` is not such a mask.

    Example:
        >>> import torch
        >>> from skelgraph.metrics import pck
        >>> pred = torch.tensor([[0.1, 0.0, 0.0], [0.0, 0.2, 0.0]])
        >>> pck(pred, torch.zeros(2, 3))
        tensor(50.)
    """
    return _mean(percent_below(joint_error(pred, target, visible=visible), (threshold_mm,)), visible)


def auc(
    pred: Tensor,
    target: Tensor,
    thresholds_mm: Sequence[float] = AUC_THRESHOLDS_MM,
    visible: Tensor | None = None,
) -> Tensor:
    """Area under the PCK curve: the mean of :func:`pck` over thresholds.

    Two sets of thresholds are in use; results with one are not comparable to results with the other.

    Args:
        pred: Predicted poses ``(..., J, 3)``, metres, usually both root-relative.
        target: True poses ``(..., J, 3)``, metres.
        thresholds_mm: Thresholds in millimetres: 0, 1, ... 149 (GraphMLP) unless given; ``AUC31_THRESHOLDS_MM`` are
            the 31 thresholds 0, 5, ... 150 of PoseAug.
        visible: Which joints count, boolean ``(..., J)``; all unless given.

    Returns:
        Scalar, percent; NaN if no joint counts.

    Raises:
        SkelgraphError: The shapes differ or do not end with ``(J, 3)``, or ``visible`` is not such a mask.

    Example:
        >>> import torch
        >>> from skelgraph.metrics import AUC31_THRESHOLDS_MM, auc
        >>> pred = torch.tensor([[0.0745, 0.0, 0.0]])
        >>> auc(pred, torch.zeros(1, 3))
        tensor(50.)
        >>> auc(pred, torch.zeros(1, 3), AUC31_THRESHOLDS_MM)
        tensor(51.6129)
    """
    return _mean(percent_below(joint_error(pred, target, visible=visible), thresholds_mm), visible)


def percent_below(error: Tensor, thresholds_mm: Sequence[float]) -> Tensor:
    """For each error the percentage of thresholds that it is strictly below: the terms of :func:`pck` and :func:`auc`.

    Args:
        error: Errors of any shape, millimetres.
        thresholds_mm: Thresholds in any order, millimetres.

    Returns:
        Percentages in the shape of the errors.
    """
    thresholds = torch.tensor(sorted(thresholds_mm), dtype=error.dtype, device=error.device)
    reached = torch.bucketize(error, thresholds, right=True)  # how many thresholds are at most the error
    return 100 * (1 - reached.to(error.dtype) / len(thresholds))


def _mean(values: Tensor, visible: Tensor | None) -> Tensor:
    """The mean over the joints that count; NaN where none does."""
    return values.mean() if visible is None else torch.where(visible, values, 0).sum() / visible.sum()
