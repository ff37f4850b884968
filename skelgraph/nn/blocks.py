"""The blocks that graph networks are made of: normalisation over joints, convolution block, residual block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn

from skelgraph.nn.conv.skeleton_conv import SkeletonConv
from skelgraph.nn.dropout import Dropout
from skelgraph.nn.features import check_features
from skelgraph.nn.init import MadeOfParts
from skelgraph.options import Channels, CheckedOptions, NotNegative, Rate
from skelgraph.topology import Graph, Skeleton

ConvFactory = Callable[[int, int, Any], SkeletonConv]
"""Makes a graph layer from ``(in_channels, out_channels, skeleton)``; the class of a layer is such a function."""


class JointBatchNorm(CheckedOptions, nn.BatchNorm1d):
    """Batch normalisation of ``(..., J, C)`` per channel, with statistics over poses and joints.

    The same parameters and state dict as :class:`torch.nn.BatchNorm1d`. Channels stay last: normalising rows needs no
    transposed copy, and avoids the two-dimensional kernel whose backward pass is wrong on the CPU for permuted strides.

    Args:
        num_features: Channels.
        eps: Added to the variance.
        momentum: Share of a batch in the running statistics; ``None``: all batches count alike.
        affine: Learn a scale and a shift.
        track_running_stats: Keep running statistics, for evaluation.
    """

    def __init__(
        self,
        num_features: Annotated[int, Field(ge=1, le=2**24)],
        eps: NotNegative = 1e-5,
        momentum: Rate | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that torch gives it
        """Normalise the last dimension."""
        check_features(self, input, self.num_features)
        return super().forward(input.reshape(-1, input.size(-1))).view(input.shape)


class GraphConvBlock(CheckedOptions, MadeOfParts):
    """Graph layer, batch normalisation, ReLU, dropout.

    Further inputs, such as initial features, are passed to the layer.

    Args:
        conv: The graph layer; its ``out_channels`` are normalised.
        dropout: Dropout rate.

    Shapes:
        - input ``(..., J, C_in)``, output ``(..., J, C_out)``
    """

    def __init__(self, conv: SkeletonConv, dropout: Rate = 0.0) -> None:
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
