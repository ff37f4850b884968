"""The residual graph network that SemGCN and most of its successors share."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from skelgraph.models.lifter import FrameLifter
from skelgraph.nn import ConvFactory, GraphConvBlock, ResidualGraphBlock
from skelgraph.topology import SkeletonLike


class ResidualGCN(FrameLifter):
    r"""Input block, residual blocks of two graph layers each, output graph layer, of any graph operator.

    .. math:: \mathbf{Y} = \mathrm{conv}_{out}(R_n(\dots R_1(G_{in}(\mathbf{X}))))

    Args:
        skeleton: Skeleton or layout name.
        conv: The graph operator: a layer class, or any function of ``(in_channels, out_channels, skeleton)``.
        hidden_channels: Width.
        num_blocks: Number of residual blocks.
        dropout: Dropout rate after each hidden layer.
        attention: Makes a block ``(..., J, C) -> (..., J, C)`` that follows the input block and every residual block.
        in_channels: Channels of a 2D joint.
        out_channels: Channels of a 3D joint.

    Shapes:
        - input ``(B, J, 2)`` or ``(B, T, J, 2)``, output ``(B, J, 3)``
    """

    def __init__(
        self,
        skeleton: SkeletonLike,
        conv: ConvFactory,
        hidden_channels: int = 128,
        num_blocks: int = 4,
        dropout: float = 0.0,
        attention: Callable[[], nn.Module] | None = None,
        in_channels: int = 2,
        out_channels: int = 3,
    ) -> None:
        super().__init__(skeleton, in_channels, out_channels)
        self.input_block = GraphConvBlock(conv(in_channels, hidden_channels, self.skeleton), dropout)
        self.blocks = nn.ModuleList(
            ResidualGraphBlock(conv, hidden_channels, self.skeleton, dropout) for _ in range(num_blocks)
        )
        self.attention = nn.ModuleList(attention() if attention else nn.Identity() for _ in range(num_blocks + 1))
        self.head = conv(hidden_channels, out_channels, self.skeleton)

    def forward_features(self, x: Tensor) -> Tensor:
        """The features ``(B, J, hidden_channels)`` of ``(B, J, 2)`` before the output layer."""
        h = self.attention[0](self.input_block(x))
        for block, attention in zip(self.blocks, list(self.attention)[1:], strict=True):
            h = attention(block(h))
        return h

    def lift_frame(self, x: Tensor) -> Tensor:
        """Lift ``(B, J, 2)`` to ``(B, J, 3)``."""
        return self.head(self.forward_features(x))
