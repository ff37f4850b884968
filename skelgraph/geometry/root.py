"""Where a root-relative pose stands in front of a camera."""

from __future__ import annotations

import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.geometry.pose_pairs import check_visible
from skelgraph.geometry.tensors import check_tensors

_SMALLEST = 1e-12  # squared extent of the rays: 1e-6 of the distance, far less than a pixel


def estimate_root(pose: Tensor, keypoints_2d: Tensor, intrinsics: Tensor, visible: Tensor | None = None) -> Tensor:
    r"""Estimate where the root of a pose is, so that the pose is seen where the keypoints are: linear least squares in
    full perspective. (`"Monocular 3D Human Pose Estimation In The Wild Using Improved CNN Supervision"
    <https://arxiv.org/abs/1611.09813>`_ solves the problem in weak perspective.)

    A joint :math:`\mathbf{P}_j + \mathbf{t}` is seen along the ray :math:`(a_j, b_j, 1)` if

    .. math::
        P_{jx} + t_x = a_j (P_{jz} + t_z), \qquad P_{jy} + t_y = b_j (P_{jz} + t_z)

    which is linear in :math:`\mathbf{t}`. With :math:`q_j = a_j P_{jz} - P_{jx}`, :math:`r_j = b_j P_{jz} - P_{jy}` and
    bars for means over joints, the best depth is

    .. math::
        t_z = -\frac{\sum_j (a_j - \bar a)(q_j - \bar q) + (b_j - \bar b)(r_j - \bar r)}
                    {\sum_j (a_j - \bar a)^2 + (b_j - \bar b)^2}

    and :math:`t_x = \bar q + \bar a t_z`, :math:`t_y = \bar r + \bar b t_z`. Lens distortion is ignored. Differentiable
    in all arguments.

    Args:
        pose: Poses relative to the root ``(..., J, 3)``, metres, camera axes (z forward).
        keypoints_2d: Where the joints are seen ``(..., J, 2)``, in the unit of the intrinsics.
        intrinsics: ``(..., 4)`` = fx, fy, cx, cy or the 9 numbers of :func:`project`, of which the first 4 are used.
        visible: Which joints the estimate is made from, boolean ``(..., J)``; all unless given. The values of the
            others, NaN included, change nothing.

    Returns:
        The root ``(..., 3)``, metres, camera axes; its last number is the depth. NaN, with a gradient of 0, where there
        is no answer: the keypoints (of one joint, or all at one point) have no extent, or the best depth is not in
        front of the camera.

    Raises:
        SkelgraphError: The last dimensions are not ``(J, 3)``, ``(J, 2)`` and 4 or 9, or ``visible`` is no such mask.

    Example:
        >>> import torch
        >>> from skelgraph.geometry import estimate_root, project
        >>> pose = torch.tensor([[0.0, 0.0, 0.0], [0.2, -0.5, 0.1], [-0.2, 0.7, 0.3]])
        >>> camera = torch.tensor([2.3, 2.3, 0.0, 0.0])
        >>> estimate_root(pose, project(pose + torch.tensor([0.5, 0.1, 5.0]), camera, "none"), camera)
        tensor([0.5000, 0.1000, 5.0000])
    """
    check_tensors(pose=pose, keypoints_2d=keypoints_2d, intrinsics=intrinsics)
    if pose.ndim < 2 or pose.shape[-1] != 3 or keypoints_2d.shape[-2:] != (pose.shape[-2], 2):
        raise SkelgraphError(
            f"pose has shape {tuple(pose.shape)} and keypoints_2d {tuple(keypoints_2d.shape)}; expected (..., J, 3) "
            "and (..., J, 2)"
        )
    if intrinsics.ndim == 0 or intrinsics.shape[-1] not in (4, 9):
        raise SkelgraphError(f"intrinsics has shape {tuple(intrinsics.shape)}; expected (..., 4) or (..., 9)")
    focal, centre = intrinsics[..., None, :4].split(2, dim=-1)
    ray = (keypoints_2d - centre) / focal
    count: int | Tensor = pose.shape[-2]
    if visible is not None:
        known = check_visible(visible, pose)[..., None]
        ray, pose = torch.where(known, ray, 0), torch.where(known, pose, 0)
        count = known.sum(-2, keepdim=True).clamp(min=1)
    shift = ray * pose[..., 2:] - pose[..., :2]  # q and r
    mean_ray, mean_shift = ray.sum(-2, keepdim=True) / count, shift.sum(-2, keepdim=True) / count
    spread, moved = ray - mean_ray, shift - mean_shift
    if visible is not None:
        spread, moved = torch.where(known, spread, 0), torch.where(known, moved, 0)
    extent = spread.square().sum((-2, -1))
    depth = -(spread * moved).sum((-2, -1)) / extent.clamp(min=_SMALLEST)
    across = mean_shift[..., 0, :] + mean_ray[..., 0, :] * depth[..., None]
    root = torch.cat((across, depth[..., None]), -1)
    return torch.where(((extent > _SMALLEST) & (depth > 0))[..., None], root, torch.nan)
