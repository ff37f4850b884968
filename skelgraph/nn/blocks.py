"""The blocks that graph networks are made of: convolution block, residual block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from skelgraph.nn.conv.skeleton_conv import SkeletonConv
from skelgraph.nn.dropout import Dropout
from skelgraph.nn.hyper.hyper_conv import HyperConv
from skelgraph.nn.init import MadeOfParts
from skelgraph.nn.norm import JointBatchNorm
from skelgraph.options import Channels, CheckedOptions, Rate
from skelgraph.topology import Graph, Skeleton

ConvFactory = Callable[[int, int, Any], SkeletonConv | HyperConv]
"""Makes a graph or hyperedge layer from ``(in_channels, out_channels, skeleton)``, as the class of a layer does."""


class GraphConvBlock(CheckedOptions, MadeOfParts):
    """Graph layer, batch normalisation, ReLU, dropout.

    Further inputs, such as initial features, are passed to the layer.

    Args:
        conv: The graph or hyperedge layer; its ``out_channels`` are normalised.
        dropout: Dropout rate.

    Shapes:
        - input ``(..., J, C_in)``, output ``(..., J, C_out)``
    """

    def __init__(self, conv: SkeletonConv | HyperConv, dropout: Rate = 0.0) -> None:
        super().__init__()
        self.conv = conv
        self.norm = JointBatchNorm(conv.out_channels)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, *initial: Tensor) -> Tensor:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``."""
        return self.dropout(self.norm(self.conv(x, *initial)).relu())


class ResidualGraphBlock(CheckedOptions, MadeOfParts):
    r"""Two graph blocks with a skip around both, :math:`\mathbf{Y} = \mathbf{X} + G_2(G_1(\mathbf{X}))`; no activation
    after the sum.

    Args:
        conv: Makes the two graph layers.
        channels: Channels at input and output.
        skeleton: The skeleton or graph of the layers.
        dropout: Dropout rate of each block.
    """

    def __init__(self, conv: ConvFactory, channels: Channels, skeleton: Skeleton | Graph, dropout: Rate = 0.0) -> None:
        super().__init__()
        self.block1 = GraphConvBlock(conv(channels, channels, skeleton), dropout)
        self.block2 = GraphConvBlock(conv(channels, channels, skeleton), dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., J, C)`` to ``(..., J, C)``."""
        return x + self.block2(self.block1(x))
