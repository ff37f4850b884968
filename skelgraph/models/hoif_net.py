"""HOIF-Net."""

from __future__ import annotations

import functools

from torch import Tensor, nn

from skelgraph.models.lifter import FrameLifter
from skelgraph.models.registry import register_model
from skelgraph.models.state_dicts import OfficialLayout, StateDict, join_logits, per_hop_options
from skelgraph.nn import GraphConvBlock, ImplicitFairingConv, fairing_beta
from skelgraph.nn.conv.high_order_graph_conv import HopFusion, Hops
from skelgraph.options import Amount, Channels, Count, Positive, Rate
from skelgraph.topology import SkeletonLike


def _convert(state: StateDict) -> StateDict:
    # eight blocks in the middle of the official numbering are stored and never called
    return join_logits({key: value for key, value in state.items() if not key.startswith("gconv_layers.")})


@register_model(
    "hoif_net",
    paper="Higher-Order Implicit Fairing Networks for 3D Human Pose Estimation (BMVC 2021)",
    url="https://arxiv.org/abs/2111.00950",
    published_skeleton="h36m16",
    published={"gt": (39.16, 30.83), "cpn": (54.80, 42.90)},
)
class HOIFNet(FrameLifter):
    r"""HOIF-Net of `"Higher-Order Implicit Fairing Networks for 3D Human Pose Estimation"
    <https://arxiv.org/abs/2111.00950>`_: a chain of :class:`~skelgraph.nn.ImplicitFairingConv` that all see the
    features of the first layer.

    .. math::
        \mathbf{H}_0 = G_1(\mathbf{X}, \mathbf{X}), \qquad
        \mathbf{H}_i = G_{i+1}(\mathbf{H}_{i-1}, \mathbf{H}_0), \qquad
        \mathbf{Y} = \mathrm{conv}_{out}(\mathbf{H}_n, \mathbf{H}_0)

    Args:
        skeleton: Skeleton or layout name; published on ``h36m16`` (ground truth) and ``h36m17`` (detections).
        hidden_channels: Width of every hop; concatenated, a joint has ``(num_hops + 1) * hidden_channels`` features.
        num_layers: Number of hidden layers after the first.
        num_hops: The highest hop.
        hops: What counts as a hop, see :class:`~skelgraph.nn.HighOrderGraphConv`.
        alpha: Share of the initial features.
        strength: The :math:`\lambda` of :func:`~skelgraph.nn.fairing_beta`.
        dropout: Dropout rate after each hidden layer.
        in_channels: Channels of a 2D joint.
        out_channels: Channels of a 3D joint.

    Shapes:
        - input ``(B, J, 2)`` or ``(B, T, J, 2)``, output ``(B, J, 3)``
        - 536 447 parameters on ``h36m16``, 536 587 on ``h36m17``. The released code counts 1 069 307 and 1 069 559: it
          also stores eight layers that are never called and biases that no layer reads. The published 1.20M belong to
          ``hidden_channels=96``.

    Code and paper: the released code gives the output layer the scale :math:`\beta` of the first layer, and has no
    residual connections other than the initial one.
    """

    official = OfficialLayout(
        options=functools.partial(per_hop_options, weight="gconv_input.gconv.W"),
        keys=(
            (r"^gconv_input\.", "input_block."),
            *((rf"^gconv_layers\.gconv{n}\.", f"blocks.{i}.") for i, n in enumerate((1, 2, 3, 4, 5, 6, 7, 16))),
            (r"^gconv_output\.", "head."),
            (r"\.gconv\.", ".conv."),
            (r"\.bn\.", ".norm."),
            (r"\.W$", ".weight"),
        ),
        convert=_convert,
    )

    def __init__(
        self,
        skeleton: SkeletonLike = "h36m16",
        hidden_channels: Channels = 64,
        num_layers: Count = 8,
        num_hops: Amount = 3,
        hops: Hops = "walk",
        alpha: Rate = 0.5,
        strength: Positive = 0.5,
        dropout: Rate = 0.0,
        in_channels: Channels = 2,
        out_channels: Channels = 3,
    ) -> None:
        super().__init__(skeleton, in_channels, out_channels)
        width = hidden_channels * (num_hops + 1)

        def conv(c_in: int, c_out: int, layer: int, reduce: HopFusion = "cat") -> ImplicitFairingConv:
            beta = fairing_beta(layer, strength)
            return ImplicitFairingConv(
                c_in, c_out, self.skeleton, num_hops=num_hops, hops=hops, reduce=reduce, alpha=alpha, beta=beta
            )

        self.input_block = GraphConvBlock(conv(in_channels, width, 1), dropout)
        self.blocks = nn.ModuleList(
            GraphConvBlock(conv(width, width, layer), dropout) for layer in range(2, num_layers + 2)
        )
        self.head = conv(width, out_channels, 1, reduce="sum")

    def _features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = initial = self.input_block(x)
        for block in self.blocks:
            h = block(h, initial)
        return h, initial

    def forward_features(self, x: Tensor) -> Tensor:
        """The features ``(B, J, (num_hops + 1) * hidden_channels)`` of ``(B, J, 2)`` before the output layer."""
        return self._features(x)[0]

    def lift_frame(self, x: Tensor) -> Tensor:
        """Lift ``(B, J, 2)`` to ``(B, J, 3)``."""
        return self.head(*self._features(x))
