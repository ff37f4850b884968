"""The residual graph network that SemGCN and most of its successors share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from skelgraph.models.lifter import FrameLifter
from skelgraph.models.state_dicts import StateDict, count, join_non_local
from skelgraph.nn import ConvFactory, GraphConvBlock, ResidualGraphBlock
from skelgraph.options import Channels, Count, Rate
from skelgraph.topology import Skeleton, SkeletonLike


class ResidualGCN(FrameLifter):
    r"""Input block, residual blocks of two graph layers each, output graph layer, of any graph operator.

    .. math:: \mathbf{Y} = \mathrm{conv}_{out}(R_n(\dots R_1(G_{in}(\mathbf{X}))))

    A layer of your own goes in as ``conv``, its class or a function that sets its options:
    ``ResidualGCN("h36m17", MyConv)``, ``ResidualGCN("h36m17", functools.partial(MyConv, num_hops=2))``. So does a
    hyperedge layer, on a hypergraph of yours by ``lambda c, d, skeleton: HyperedgeConv(c, d, hypergraph)``. The named
    networks, such as :class:`~skelgraph.models.SemGCN`, are this one with a ``conv`` chosen.

    Args:
        skeleton: Skeleton or layout name.
        conv: The graph operator: a layer class, or any function of ``(in_channels, out_channels, skeleton)``.
        hidden_channels: Width.
        num_blocks: Number of residual blocks.
        dropout: Dropout rate after each hidden layer.
        attention: Makes of ``(hidden_channels, skeleton)`` a block that follows the input block and every residual
            block and maps ``(..., J, C)`` to the same shape.
        in_channels: Channels of a 2D joint.
        out_channels: Channels of a 3D joint.
        input_conv: The operator of the input block, if it is another than ``conv``.
        output_conv: The operator of the output layer, likewise.

    Shapes:
        - input ``(B, J, 2)`` or ``(B, T, J, 2)``, output ``(B, J, 3)``

    Example:
        >>> from skelgraph.nn import SemGraphConv
        >>> model = ResidualGCN("h36m17", SemGraphConv, hidden_channels=16, num_blocks=1)
        >>> model(torch.randn(8, 17, 2)).shape
        torch.Size([8, 17, 3])
    """

    def __init__(
        self,
        skeleton: SkeletonLike,
        conv: ConvFactory,
        hidden_channels: Channels = 128,
        num_blocks: Count = 4,
        dropout: Rate = 0.0,
        attention: Callable[[int, Skeleton], nn.Module] | None = None,
        in_channels: Channels = 2,
        out_channels: Channels = 3,
        input_conv: ConvFactory | None = None,
        output_conv: ConvFactory | None = None,
    ) -> None:
        super().__init__(skeleton, in_channels, out_channels)
        self.input_block = GraphConvBlock((input_conv or conv)(in_channels, hidden_channels, self.skeleton), dropout)
        self.blocks = nn.ModuleList(
            ResidualGraphBlock(conv, hidden_channels, self.skeleton, dropout) for _ in range(num_blocks)
        )
        self.attention = nn.ModuleList(
            attention(hidden_channels, self.skeleton) if attention else nn.Identity() for _ in range(num_blocks + 1)
        )
        self.head = (output_conv or conv)(hidden_channels, out_channels, self.skeleton)

    def forward_features(self, x: Tensor) -> Tensor:
        """The features ``(B, J, hidden_channels)`` of ``(B, J, 2)`` before the output layer."""
        h = self.attention[0](self.input_block(x))
        for block, attention in zip(self.blocks, list(self.attention)[1:], strict=True):
            h = attention(block(h))
        return h

    def lift_frame(self, x: Tensor) -> Tensor:
        """Lift ``(B, J, 2)`` to ``(B, J, 3)``."""
        return self.head(self.forward_features(x))


# The released codes of this family share one layout; every model adds the names of its own operator.

OFFICIAL_KEYS = (
    # Every pattern is applied to what those before it left: "gconv_layers.0.gconv1.gconv.W" becomes first
    # "blocks.0.gconv1.gconv.W", then "blocks.0.block1.gconv.W", "blocks.0.block1.conv.W" and at last
    # "blocks.0.block1.conv.weight".
    (r"\.nonlocal\.", ".non_local."),
    (r"^gconv_input\.0\.", "input_block."),
    (r"^gconv_input\.1\.", "attention.0."),
    (r"^gconv_layers\.", "blocks."),
    (r"^gconv_output\.", "head."),
    (r"\.gconv([12])\.", r".block\1."),
    (r"\.gconv\.", ".conv."),
    (r"\.bn\.", ".norm."),
    (r"\.W\.0\.", ".out."),
    (r"\.W\.1\.", ".norm."),
    (r"\.W$", ".weight"),
)
"""The names of the parts of :class:`ResidualGCN` in the official checkpoints, for :class:`OfficialLayout`."""


def official_options(state: StateDict) -> dict[str, Any]:
    """Infer the options of :class:`ResidualGCN` from official tensors."""
    non_local = any(key.startswith("gconv_input.1.") for key in state)
    layers = count(state, r"gconv_layers\.(\d+)\.")
    return {
        "hidden_channels": state["gconv_input.0.gconv.W"].size(-1),
        "num_blocks": layers // 2 if non_local else layers,
        "non_local": non_local,
        "in_channels": state["gconv_input.0.gconv.W"].size(-2),
        "out_channels": state["gconv_output.W"].size(-1),
    }


def convert_official(state: StateDict) -> StateDict:
    """Separate the official list of layers, which with non-local blocks holds residual blocks at even places and
    non-local blocks at odd ones."""
    renamed = {}
    interleaved = any(key.startswith("attention.") for key in state)
    for key, value in state.items():
        head, *rest = key.split(".")
        if head == "blocks" and interleaved:
            index = int(rest[0])
            head, rest[0] = ("attention", str(index // 2 + 1)) if index % 2 else ("blocks", str(index // 2))
        renamed[".".join([head, *rest]).replace(".non_local.", ".")] = value
    return join_non_local(renamed)
