"""Mixer blocks of GraphMLP and MLP-Graph: perceptrons along the joints or channels, combined with graph layers."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from skelgraph.nn.conv import PartitionedGraphConv, WeightedJacobiConv
from skelgraph.nn.dropout import Dropout
from skelgraph.nn.features import check_batch, check_features
from skelgraph.nn.init import MadeOfParts
from skelgraph.nn.norm import JointBatchNorm
from skelgraph.options import Channels, CheckedOptions, Rate
from skelgraph.topology import SkeletonLike, as_skeleton

PathRate = Annotated[float, Field(ge=0, lt=1)]
"""Probability ``p`` that a branch is dropped; less than 1, since a branch that is kept is divided by ``1 - p``."""


class FeedForward(CheckedOptions, MadeOfParts):
    """Perceptron of one hidden layer with GELU, along the last dimension.

    Args:
        channels: Channels at input and output.
        hidden_channels: Channels of the hidden layer.
        dropout: Dropout rate after each linear map.
        norm: Normalise after each linear map.

    Shapes:
        - input ``(..., channels)``, output ``(..., channels)``
    """

    def __init__(self, channels: Channels, hidden_channels: Channels, dropout: Rate = 0.0, norm: bool = False) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, hidden_channels)
        self.norm1 = nn.LayerNorm(hidden_channels) if norm else nn.Identity()
        self.linear2 = nn.Linear(hidden_channels, channels)
        self.norm2 = nn.LayerNorm(channels) if norm else nn.Identity()
        self.gelu = nn.GELU()
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., channels)`` to ``(..., channels)``."""
        check_features(self, x, self.linear1.in_features)
        h = self.dropout(self.gelu(self.norm1(self.linear1(x))))
        return self.dropout(self.norm2(self.linear2(h)))


class DropPath(CheckedOptions, nn.Module):
    """Stochastic depth of `"Deep Networks with Stochastic Depth" <https://arxiv.org/abs/1603.09382>`_: in training,
    drops a residual branch of whole poses and scales up the others.

    Args:
        p: Probability that the branch of a pose is dropped.

    Shapes:
        - input ``(..., J, C)``, output ``(..., J, C)``

    Raises:
        SkelgraphError: If the probability is not in [0, 1).
    """

    def __init__(self, p: PathRate = 0.0) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Drop or scale each ``(J, C)``."""
        check_features(self, x)
        if self.p == 0 or not self.training:
            return x
        kept = torch.empty(*x.shape[:-2], 1, 1, dtype=x.dtype, device=x.device).bernoulli_(1 - self.p)
        return x * (kept / (1 - self.p))

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


class GraphMLPBlock(CheckedOptions, MadeOfParts):
    r"""Block of `"GraphMLP: A Graph MLP-Like Architecture for 3D Human Pose Estimation"
    <https://arxiv.org/abs/2206.06420>`_: perceptrons along joints and along channels, each in parallel with a graph
    layer.

    .. math::
        \mathbf{X} \leftarrow \mathbf{X} + \mathrm{MLP}_J(\mathbf{T}^\top)^\top + G_1(\mathbf{T}), \quad
        \mathbf{T} = \mathrm{LN}_J(\mathbf{X}); \qquad
        \mathbf{X} \leftarrow \mathbf{X} + \mathrm{MLP}_C(\mathbf{T}) + G_2(\mathbf{T}), \quad
        \mathbf{T} = \mathrm{LN}_C(\mathbf{X})

    :math:`G` is a :class:`PartitionedGraphConv`; :math:`\mathrm{LN}_J` normalises each channel over the joints.

    Args:
        channels: Channels at input and output.
        skeleton: Skeleton or layout name.
        token_channels: Hidden width of the perceptron along the joints.
        mlp_channels: Hidden width of the perceptron along the channels.
        dropout: Dropout rate of the perceptrons.
        drop_path: Probability that a pose skips the sum of both branches.
        token_norm: Normalise inside the perceptron along the joints, as for input of several frames.

    Shapes:
        - input ``(..., J, C)``, output ``(..., J, C)``

    Initialisation: the default of every layer.

    Code and paper: normalising over the joints hides a constant offset of a channel from this branch.
    """

    def __init__(
        self,
        channels: Channels,
        skeleton: SkeletonLike,
        token_channels: Channels,
        mlp_channels: Channels,
        dropout: Rate = 0.1,
        drop_path: PathRate = 0.0,
        token_norm: bool = False,
    ) -> None:
        super().__init__()
        num_joints = as_skeleton(skeleton).num_joints
        self.joint_norm = nn.LayerNorm(num_joints, eps=1e-6)
        self.joint_mlp = FeedForward(num_joints, token_channels, dropout, norm=token_norm)
        self.graph_conv1 = PartitionedGraphConv(channels, channels, skeleton)
        self.channel_norm = nn.LayerNorm(channels, eps=1e-6)
        self.channel_mlp = FeedForward(channels, mlp_channels, dropout)
        self.graph_conv2 = PartitionedGraphConv(channels, channels, skeleton)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., J, C)`` to ``(..., J, C)``."""
        check_features(self, x, self.graph_conv1.in_channels, self.graph_conv1.num_nodes)
        t = self.joint_norm(x.mT)
        x = x + self.drop_path(self.joint_mlp(t).mT + self.graph_conv1(t.mT))
        t = self.channel_norm(x)
        return x + self.drop_path(self.channel_mlp(t) + self.graph_conv2(t))


class MLPGraphBlock(CheckedOptions, MadeOfParts):
    r"""Block of `"Spatio-temporal MLP-graph network for 3D human pose estimation" <https://arxiv.org/abs/2308.15313>`_:
    a perceptron along the joints, then two :class:`WeightedJacobiConv`, which carry the initial features on.

    .. math::
        \mathbf{X} \leftarrow \mathbf{X} + \mathrm{MLP}_J(\mathrm{LN}_C(\mathbf{X})^\top)^\top; \qquad
        \mathbf{X} \leftarrow \mathbf{X} + F_2(F_1(\mathbf{X}, \mathbf{X}_0), \mathbf{X}_0 \mathbf{V}_1), \quad
        F = [\mathrm{WJ}, \mathrm{BN}, \mathrm{GELU}, \mathrm{Dropout}]

    Args:
        channels: Channels at input and output, and hidden width of the perceptron.
        skeleton: Skeleton or layout name.
        graph_channels: Channels between the two graph layers.
        dropout: Dropout rate after each graph layer.
        mlp_dropout: Dropout rate of the perceptron.
        alpha: Weight of the initial features.
        neighbours: Let joints receive from their neighbours, see :class:`WeightedJacobiConv`.

    Shapes:
        - input: features ``(..., J, C)`` and initial features ``(..., J, C)``; output ``(..., J, C)``

    Initialisation: the default of every layer.

    Code and paper: the second graph layer receives the initial features as projected by the first.
    """

    def __init__(
        self,
        channels: Channels,
        skeleton: SkeletonLike,
        graph_channels: Channels,
        dropout: Rate = 0.2,
        mlp_dropout: Rate = 0.0,
        alpha: Rate = 0.1,
        neighbours: bool = False,
    ) -> None:
        super().__init__()
        self.joint_norm = nn.LayerNorm(channels)
        self.joint_mlp = FeedForward(as_skeleton(skeleton).num_joints, channels, mlp_dropout)
        self.conv1 = WeightedJacobiConv(channels, graph_channels, skeleton, alpha=alpha, neighbours=neighbours)
        self.norm1 = JointBatchNorm(graph_channels)
        self.conv2 = WeightedJacobiConv(graph_channels, channels, skeleton, alpha=alpha, neighbours=neighbours)
        self.norm2 = JointBatchNorm(channels)
        self.gelu = nn.GELU()
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, x0: Tensor) -> Tensor:
        """Map ``(..., J, C)`` and initial features ``(..., J, C)`` to ``(..., J, C)``."""
        for features, name in ((x, "input"), (x0, "initial features")):
            check_features(self, features, self.conv1.in_channels, self.conv1.num_nodes, name)
        check_batch(self, x, x.size(-2), x0, x0.size(-2), "nodes")
        x = x + self.joint_mlp(self.joint_norm(x).mT).mT
        x0 = self.conv1.project(x0)
        h = self.dropout(self.gelu(self.norm1(self.conv1.sweep(x, x0))))
        return x + self.dropout(self.gelu(self.norm2(self.conv2(h, x0))))
