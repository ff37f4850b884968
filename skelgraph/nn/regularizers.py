"""What is asked of poses whatever their targets are: bones alike on both sides, motion without jerks."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError, TopologyError
from skelgraph.fixed import FixedBuffers, on_cpu
from skelgraph.geometry.pose_pairs import check_visible
from skelgraph.nn.losses import mse_loss
from skelgraph.topology import SkeletonLike, as_skeleton

_MIDDLE = re.compile(
    r"(elbow|forearm|low(er)?arm|knee|shin|calf|low(er)?leg|(?<!up)(?<!upper)leg)(joint)?(left|right|[lr])?$"
)
"""The names of the joints in the middle of an arm or a leg, in lower case, letters alone."""


@on_cpu
def symmetric_bones(skeleton: SkeletonLike) -> Tensor:
    """The pairs of bones that are each other's mirror image, ``(P, 2, 2)``: of each pair the left and the right bone,
    of each bone its two joints. On ``h36m17`` these are the six published ones.

    Raises:
        TopologyError: If the skeleton does not say what is left and right, or has no such pair.
    """
    skeleton = as_skeleton(skeleton)
    mirror = skeleton.mirror_index
    pairs: dict[frozenset[frozenset[int]], list[list[int]]] = {}
    for left, right in skeleton.symmetric_pairs:
        if (parent := skeleton.parents[left]) not in (-1, right):
            bones = [[parent, left], [mirror[parent], right]]
            pairs.setdefault(frozenset(map(frozenset, bones)), bones)
    if not pairs:
        raise TopologyError(f"{skeleton!r} has no bone with a mirror image; expected symmetric_pairs of joints")
    return torch.tensor(list(pairs.values()))


def symmetry_loss(pred: Tensor, bones: Tensor, visible: Tensor | None = None) -> Tensor:
    r"""Sum over pairs of bones of the mean difference of their lengths, of poses ``(..., J, 3)``, metres.

    .. math:: \sum_{(l, r)} \mathrm{mean} \left( |\mathbf{b}_l| - |\mathbf{b}_r| \right)

    Args:
        pred: Predicted poses ``(..., J, 3)``, metres.
        bones: :func:`symmetric_bones` of their skeleton, on the device of the poses or the CPU.
        visible: Which joints count, boolean ``(..., J)``; a pair counts where its joints do. All unless given.

    Returns:
        Scalar, metres.

    Code and paper: the difference is signed in the released codes (`ST-GCN
    <https://github.com/vanoracai/Exploiting-Spatial-temporal-Relationships-for-3D-Pose-Estimation-via-Graph-Convolutional-Networks>`_
    and those that come from it), so that the term can be negative, and falls when right bones grow.
    """
    ends = pred[..., bones, :]
    lengths = (ends[..., 0, :] - ends[..., 1, :]).norm(dim=-1)
    difference = (lengths[..., 0] - lengths[..., 1]).flatten(0, -2)
    if visible is None:
        return difference.mean(0).sum()
    known = check_visible(visible, pred)[..., bones].flatten(-2).all(-1).flatten(0, -2)
    return (torch.where(known, difference, 0).sum(0) / known.sum(0).clamp(min=1)).sum()


@on_cpu
def smoothness_weights(skeleton: SkeletonLike) -> Tensor:
    """The weight of each joint in :func:`smoothness_loss`, ``(J,)``: 2.5 for elbows and knees, 1 for what is beyond
    them, which moves most, and 4 for all other joints. Elbows and knees are told by the names of the joints
    (``left_elbow``, ``LeftForeArm``, ``r_shin``); a skeleton without any has 4 everywhere."""
    skeleton = as_skeleton(skeleton)
    middle = [_MIDDLE.search(re.sub(r"[^a-z]", "", name.lower())) is not None for name in skeleton.joint_names]
    weights = []
    for joint, parent in enumerate(skeleton.parents):
        while parent != -1 and not middle[parent]:
            parent = skeleton.parents[parent]
        weights.append(1.0 if parent != -1 else 2.5 if middle[joint] else 4.0)
    return torch.tensor(weights)


def smoothness_loss(pred: Tensor, weights: Tensor, visible: Tensor | None = None) -> Tensor:
    r"""Mean squared weighted step from each frame to the next, of poses ``(..., T, J, 3)``: a term of `ST-GCN's
    <https://github.com/vanoracai/Exploiting-Spatial-temporal-Relationships-for-3D-Pose-Estimation-via-Graph-Convolutional-Networks>`_
    second stage of training.

    .. math:: \mathrm{mean} \left( w_j (\mathbf{p}_{t+1,j} - \mathbf{p}_{t,j}) \right)^2

    Args:
        pred: Predicted poses ``(..., T, J, 3)``, metres, at least two frames.
        weights: One per joint ``(J,)``, such as :func:`smoothness_weights`, on the device of the poses.
        visible: Which joints count, boolean ``(..., T, J)``; a step counts where its two ends do. All unless given.

    Returns:
        Scalar, square metres.

    Raises:
        SkelgraphError: If there are no two frames.
    """
    if pred.dim() < 3 or pred.size(-3) < 2:
        raise SkelgraphError(f"poses have shape {tuple(pred.shape)}; expected (..., T, J, 3), at least two frames")
    step = (pred[..., 1:, :, :] - pred[..., :-1, :, :]) * weights.to(pred.dtype)[:, None]
    both = None
    if visible is not None:
        check_visible(visible, pred)
        both = visible[..., 1:, :] & visible[..., :-1, :]
    return mse_loss(step, torch.zeros_like(step), visible=both)


class SymmetryLoss(FixedBuffers):
    """:func:`symmetry_loss` of poses of a skeleton, in the form of a loss; the true poses have no part in it."""

    bones: Tensor

    def __init__(self, skeleton: SkeletonLike) -> None:
        super().__init__()
        self.register_buffer("bones", symmetric_bones(skeleton), persistent=False)

    def forward(self, pred: Tensor, target: Tensor, *, visible: Tensor | None = None) -> Tensor:
        """Return the loss of poses ``(..., J, 3)``, metres, on the joints of a mask ``(..., J)``."""
        return symmetry_loss(pred, self.bones, visible)


class SmoothnessLoss(FixedBuffers):
    """:func:`smoothness_loss` of poses of a skeleton, likewise."""

    weights: Tensor

    def __init__(self, skeleton: SkeletonLike) -> None:
        super().__init__()
        self.register_buffer("weights", smoothness_weights(skeleton), persistent=False)

    def forward(self, pred: Tensor, target: Tensor, *, visible: Tensor | None = None) -> Tensor:
        """Return the loss of poses ``(..., T, J, 3)``, metres, on the joints of a mask ``(..., T, J)``."""
        return smoothness_loss(pred, self.weights, visible)
