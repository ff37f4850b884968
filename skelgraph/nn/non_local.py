"""Non-local blocks: attention of every joint to every joint (or group of joints)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError, TopologyError
from skelgraph.fixed import FixedBuffers
from skelgraph.nn.features import check_features
from skelgraph.nn.norm import JointBatchNorm
from skelgraph.options import Channels, CheckedOptions
from skelgraph.text import shown
from skelgraph.topology import Graph, GraphLike, Skeleton, SkeletonLike, as_skeleton
from skelgraph.topology.arrays import pad_groups


class _NonLocal(CheckedOptions, FixedBuffers):
    """Base of the non-local blocks: linear maps of every joint, attention by :meth:`attend`, which each block defines,
    a projection with normalisation, and a skip."""

    _num_nodes: int | None = None
    """Nodes of the input, for blocks that are bound to a skeleton."""

    def __init__(self, channels: Channels, inner_channels: Channels | None) -> None:
        super().__init__()
        self.channels = channels
        self.inner = channels // 2 if inner_channels is None else inner_channels
        if self.inner < 1:
            raise SkelgraphError(f"channels={channels} leaves no inner channel; expected at least 2, or inner_channels")
        self.theta_phi_g = nn.Linear(channels, 3 * self.inner)
        self.out = nn.Linear(self.inner, channels)
        self.norm = JointBatchNorm(channels)

    def attend(self, theta: Tensor, phi_g: Tensor) -> Tensor:
        """Gather ``(..., J, inner)`` from queries ``(..., J, inner)`` and joined keys and values ``(..., J, 2 *
        inner)``."""
        raise TypeError(f"{type(self).__name__} must define attend()")

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., J, C)`` to ``(..., J, C)``."""
        check_features(self, x, self.channels, self._num_nodes)
        theta, phi_g = self.theta_phi_g(x).split((self.inner, 2 * self.inner), dim=-1)
        return self.norm(self.out(self.attend(theta, phi_g))) + x


class EmbeddedGaussianNonLocal(_NonLocal):
    r"""Non-local block in embedded-Gaussian form of `"Non-local Neural Networks" <https://arxiv.org/abs/1711.07971>`_
    (CVPR 2018), over all joints.

    .. math::
        \mathbf{y}_i = \sum_j \mathrm{softmax}_j(\boldsymbol\theta_i^\top \boldsymbol\phi_j) \, \mathbf{g}_j, \qquad
        \mathbf{z} = \mathrm{BN}(\mathbf{W} \mathbf{y}) + \mathbf{x}

    :math:`\boldsymbol\theta, \boldsymbol\phi, \mathbf{g}` are linear maps of each joint. The products are not scaled.

    Args:
        channels: Channels at input and output.
        inner_channels: Channels of the three maps; half of ``channels`` by default.

    Shapes:
        - input ``(..., J, C)``, output ``(..., J, C)``; any number of joints, or of joints times frames
        - ``theta_phi_g`` ``(3 * inner_channels, C)`` and ``out`` ``(C, inner_channels)``, both with bias

    Raises:
        SkelgraphError: If there is no inner channel.

    Initialisation: default weights and biases, zero scale of the last normalisation: the block starts as the identity.

    Code and paper: the released code normalises ``(B, C, 1, J)`` with ``BatchNorm2d``, which takes the same statistics
    over poses and joints; the bias of :math:`\boldsymbol\phi` shifts all scores of a joint alike and has no effect.

    Example:
        >>> EmbeddedGaussianNonLocal(8)(torch.randn(4, 17, 8)).shape
        torch.Size([4, 17, 8])
    """

    def __init__(self, channels: Channels, inner_channels: Channels | None = None) -> None:
        super().__init__(channels, inner_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as released."""
        self.theta_phi_g.reset_parameters()
        self.out.reset_parameters()
        self.norm.reset_parameters()
        nn.init.zeros_(self.norm.weight)

    def attend(self, theta: Tensor, phi_g: Tensor) -> Tensor:
        """Softmax attention of every joint to every joint."""
        phi, g = phi_g.chunk(2, dim=-1)
        return (theta @ phi.mT).softmax(dim=-1) @ g  # at this size faster than the fused kernels

    def extra_repr(self) -> str:
        """Channels."""
        return f"{self.channels}, inner_channels={self.inner}"


class GroupedNonLocal(_NonLocal):
    r"""Non-local block in concatenation form with joints pooled in groups, as in `"Semantic Graph Convolutional
    Networks for 3D Human Pose Regression" <https://arxiv.org/abs/1904.03345>`_.

    .. math::
        \mathbf{y}_i = \frac{1}{P} \sum_{p=1}^{P} \mathrm{ReLU}(\mathbf{w}_a^\top \boldsymbol\theta_i
        + \mathbf{w}_b^\top \boldsymbol\phi_p) \, \mathbf{g}_p, \qquad
        \mathbf{z} = \mathrm{BN}(\mathbf{W} \mathbf{y}) + \mathbf{x}

    :math:`\boldsymbol\theta` is a linear map of each joint, :math:`\boldsymbol\phi_p, \mathbf{g}_p` are maxima of
    linear maps over the joints of group :math:`p`, all with ``channels // 2`` channels.

    Args:
        channels: Channels at input and output.
        skeleton: Skeleton, layout name or :class:`~skelgraph.topology.Graph`.
        groups: The groups of joints; by default :func:`joint_pairs`, which gives the published groups on ``h36m16``;
            on a graph by default every node is a group of its own.

    Shapes:
        - input ``(..., J, C)``, output ``(..., J, C)``

    Raises:
        TopologyError: If the groups do not cover every joint exactly once.

    Initialisation: Kaiming-normal weights, zero biases, and zero scale of the last normalisation: the block starts as
    the identity.

    Code and paper: the authors fix 8 pairs of 16 joints; groups of any size are allowed here (a joint without a
    partner is a group of its own).
    """

    index: Tensor

    def __init__(self, channels: Channels, skeleton: GraphLike, groups: Sequence[Sequence[int]] | None = None) -> None:
        super().__init__(channels, None)
        self.skeleton = skeleton if isinstance(skeleton, Graph) else as_skeleton(skeleton)
        self._num_nodes = num_joints = self.skeleton.num_joints
        if groups is None and isinstance(self.skeleton, Skeleton):
            groups = joint_pairs(self.skeleton)
        elif groups is None:
            groups = [[node] for node in range(num_joints)]
        if sorted(j for group in groups for j in group) != list(range(num_joints)):
            raise TopologyError(f"groups must cover each of the {num_joints} joints exactly once, got {shown(groups)}")
        self.register_buffer("index", pad_groups(groups), persistent=False)
        self.score = nn.Parameter(torch.empty(2, self.inner))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as released."""
        for linear in (self.theta_phi_g, self.out):
            nn.init.kaiming_normal_(linear.weight)
            nn.init.zeros_(linear.bias)
        nn.init.kaiming_normal_(self.score.view(1, -1))
        self.norm.reset_parameters()
        nn.init.zeros_(self.norm.weight)

    def attend(self, theta: Tensor, phi_g: Tensor) -> Tensor:
        """Average over the groups, weighted by their scores."""
        if self.index.size(1) > 1:  # groups of one joint need no maximum, and their order does not matter to the sum
            phi_g = phi_g[..., self.index, :].max(dim=-2).values
        phi, g = phi_g.chunk(2, dim=-1)
        pairwise = (theta @ self.score[0]).unsqueeze(-1) + (phi @ self.score[1]).unsqueeze(-2)
        return pairwise.relu() @ g / self.index.size(0)

    def extra_repr(self) -> str:
        """Channels and number of groups."""
        return f"{self.channels}, groups={self.index.size(0)}"


def joint_pairs(skeleton: SkeletonLike) -> list[list[int]]:
    """Pair the joints of any skeleton by its symmetry: limb ends with their parents, then left with right, then along
    the spine.

    On ``h36m16`` these are the groups of the published SemGCN: (knee, foot) and (elbow, wrist) of each side, the two
    hips, the two shoulders, (hip, spine), (thorax, head). A joint left over is a group of its own. Without symmetric
    pairs all joints are paired in the order of their ids.
    """
    skeleton = as_skeleton(skeleton)
    free = set(range(skeleton.num_joints))
    partner = dict(skeleton.symmetric_pairs) | {right: left for left, right in skeleton.symmetric_pairs}
    leaves = free - set(skeleton.parents)
    pairs: list[list[int]] = []

    def pair(a: int, b: int) -> None:
        if a in free and b in free and a != b:
            pairs.append([a, b])
            free.difference_update((a, b))

    for leaf in sorted(leaves & set(partner)):
        if skeleton.parents[leaf] in partner:
            pair(skeleton.parents[leaf], leaf)
    for left, right in skeleton.symmetric_pairs:
        pair(right, left)
    rest = sorted(free)
    for first, second in zip(rest[::2], rest[1::2], strict=False):
        pair(first, second)
    return pairs + [[joint] for joint in sorted(free)]
