"""The left-right mirror image of a pose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.geometry.camera import Distortion
from skelgraph.geometry.tensors import check_tensors


def mirror(points: Tensor, mirror_index: Sequence[int] | Tensor) -> Tensor:
    """Mirror poses: negate x and swap left and right joints.

    Args:
        points: Poses ``(..., J, D)`` whose first coordinate is centred: the normalised screen, or camera axes relative
            to the root. Further coordinates (y, depth, a confidence) are kept.
        mirror_index: For each joint the joint of the other side, ``J`` numbers, such as ``Skeleton.mirror_index``.

    Returns:
        Mirrored poses ``(..., J, D)``; mirroring twice gives the poses back.

    Raises:
        SkelgraphError: The poses have another number of joints than ``mirror_index``.
    """
    check_tensors(points=points)
    index = torch.as_tensor(mirror_index, device=points.device)
    if points.ndim < 2 or points.shape[-2] != len(index):
        raise SkelgraphError(
            f"points has shape {tuple(points.shape)}; expected (..., {len(index)}, D) for this mirror_index"
        )
    x, rest = points.index_select(-2, index).tensor_split((1,), dim=-1)
    return torch.cat((-x, rest), -1)


def mirror_intrinsics(intrinsics: Tensor, distortion: Distortion) -> Tensor:
    """The camera that sees mirrored points where the mirrored image has them: the centre ``cx`` changes its side, and
    so does the tangential coefficient that is not symmetric in x: ``p1`` of Human3.6M's lens model, ``p2`` of OpenCV's.

    Args:
        intrinsics: ``(..., 9)`` = fx, fy, cx, cy, k1, k2, k3, p1, p2 for the normalised screen, whose middle is 0.
        distortion: The lens model, see :func:`~skelgraph.geometry.project`.

    Returns:
        Intrinsics ``(..., 9)``.
    """
    check_tensors(intrinsics=intrinsics)
    centre_x, p1, p2 = 2, 7, 8
    sign = torch.ones_like(intrinsics)
    sign[..., [centre_x, p1 if distortion == "human36m" else p2]] = -1
    return intrinsics * sign


def flip_average(
    model: Callable[[Tensor], Tensor], keypoints_2d: Tensor, mirror_index: Sequence[int] | Tensor
) -> Tensor:
    """Average the prediction for a pose and the mirrored prediction for the mirrored pose, the field's test-time flip.

    Args:
        model: Maps ``(..., J, 2)`` to ``(..., J, 3)``; should be in eval mode, it is called twice.
        keypoints_2d: Normalised keypoints ``(..., J, 2)``.
        mirror_index: For each joint the joint of the other side, such as ``Skeleton.mirror_index``.

    Returns:
        The averaged prediction ``(..., J, 3)``.

    Raises:
        SkelgraphError: The poses have another number of joints than ``mirror_index``.
    """
    return (model(keypoints_2d) + mirror(model(mirror(keypoints_2d, mirror_index)), mirror_index)) / 2
