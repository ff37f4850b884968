"""RS-Net."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

from skelgraph.models.lifter import FrameLifter
from skelgraph.models.registry import register_model
from skelgraph.models.state_dicts import OfficialLayout, StateDict, join_hops, join_non_local, per_hop_options
from skelgraph.nn import Dropout, EmbeddedGaussianNonLocal, RegularSplittingConv
from skelgraph.options import Amount, Channels, Count, Rate
from skelgraph.topology import SkeletonLike


class _SplittingBlock(nn.Module):
    """Two layers with a skip around both; only the first is normalised, only the second activated."""

    def __init__(self, conv1: RegularSplittingConv, conv2: RegularSplittingConv, dropout: float | None) -> None:
        super().__init__()
        self.conv1 = conv1
        self.norm = nn.LayerNorm(conv1.out_channels)
        self.dropout = Dropout(dropout or 0.0)
        self.conv2 = conv2
        self.activation = _activation(dropout)

    def forward(self, h: Tensor, initial: Tensor) -> Tensor:
        """Map features and initial features ``(..., J, C)`` to ``(..., J, C)``."""
        u = self.dropout(self.norm(self.conv1(h, initial)))
        return h + self.activation(self.conv2(u, initial))


def _activation(dropout: float | None) -> nn.Module:
    """GELU; where a dropout rate is given, even 0, the released code puts a second GELU after the dropout."""
    return nn.GELU() if dropout is None else nn.Sequential(nn.GELU(), Dropout(dropout), nn.GELU())


def _convert(state: StateDict) -> StateDict:
    return join_non_local(join_hops(state, "adj2_", "affinity.offset", torch.stack))


@register_model(
    "rs_net",
    paper="Regular Splitting Graph Network for 3D Human Pose Estimation (IEEE TIP 2023)",
    url="https://arxiv.org/abs/2305.05785",
    published_skeleton="h36m16",
    published={"gt": (37.28, None), "hr, 96 channels, refined": (47.0, 38.6)},
)
class RSNet(FrameLifter):
    r"""RS-Net of `"Regular Splitting Graph Network for 3D Human Pose Estimation" <https://arxiv.org/abs/2305.05785>`_:
    residual blocks of two :class:`~skelgraph.nn.RegularSplittingConv` that all see the features of the first layer, and
    a non-local block.

    .. math::
        \mathbf{H}_0 = \sigma(\mathrm{conv}_{in}(\mathbf{X}, \mathbf{X})), \qquad
        \mathbf{H}_i = \mathbf{H}_{i-1}
        + \sigma(\mathrm{conv}(\mathrm{LN}(\mathrm{conv}(\mathbf{H}_{i-1}, \mathbf{H}_0)), \mathbf{H}_0)), \qquad
        \mathbf{Y} = \mathrm{conv}_{out}(\mathrm{NonLocal}(\mathbf{H}_n), \mathbf{H}_0)

    Args:
        skeleton: Skeleton or layout name; published on ``h36m16``.
        hidden_channels: Width of every hop; concatenated, a joint has ``(num_hops + 1) * hidden_channels`` features.
            Published with 64 for ground truth, 96 for detections.
        num_blocks: Number of residual blocks.
        num_hops: The highest hop.
        dropout: Dropout rate. It also selects the activation :math:`\sigma`, in training and in evaluation: with a
            rate, even 0, it is GELU, dropout and GELU again, as in all published results; with ``None`` it is one GELU.
        in_channels: Channels of a 2D joint.
        out_channels: Channels of a 3D joint.

    Shapes:
        - input ``(B, J, 2)`` or ``(B, T, J, 2)``, output ``(B, J, 3)``
        - 1 767 491 parameters on ``h36m16``, 3 923 971 with 96 channels. The released code counts 1 768 079 and
          3 924 847: it also stores biases that no layer reads.

    Code and paper: the released activation applies GELU twice, which is not the same function as one GELU. Released
    training normalises the non-local block with ``BatchNorm2d``, whose gradients are wrong for its strides on some CPU
    builds.
    """

    official = OfficialLayout(
        options=functools.partial(per_hop_options, weight="gconv_input.gconv.W2"),
        keys=(
            (r"^gconv_input\.", "input_conv."),
            *((rf"^gconv_layers\.gconv{n}\.", f"blocks.{(n - 1) // 2}.conv{2 - n % 2}.") for n in range(1, 9)),
            (r"^gconv_output\.", "head."),
            (r"\.conv1\.ln\.", ".norm."),
            (r"\.gconv\.", "."),
            (r"\.W\.0\.", ".out."),
            (r"\.W\.1\.", ".norm."),
            (r"\.W$", ".weight"),
            (r"\.W2$", ".initial_weight"),
            (r"\.M$", ".modulation"),
        ),
        convert=_convert,
    )

    def __init__(
        self,
        skeleton: SkeletonLike = "h36m16",
        hidden_channels: Channels = 64,
        num_blocks: Count = 4,
        num_hops: Amount = 3,
        dropout: Rate | None = 0.2,
        in_channels: Channels = 2,
        out_channels: Channels = 3,
    ) -> None:
        super().__init__(skeleton, in_channels, out_channels)
        conv = functools.partial(RegularSplittingConv, skeleton=self.skeleton, num_hops=num_hops)
        width = hidden_channels * (num_hops + 1)
        self.input_conv = conv(in_channels, width)
        self.activation = _activation(dropout)
        self.blocks = nn.ModuleList(
            _SplittingBlock(conv(width, width), conv(width, width), dropout) for _ in range(num_blocks)
        )
        self.non_local = EmbeddedGaussianNonLocal(width)
        self.head = conv(width, out_channels, reduce="sum")

    def _features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = initial = self.activation(self.input_conv(x))
        for block in self.blocks:
            h = block(h, initial)
        return self.non_local(h), initial

    def forward_features(self, x: Tensor) -> Tensor:
        """The features ``(B, J, (num_hops + 1) * hidden_channels)`` of ``(B, J, 2)`` before the output layer."""
        return self._features(x)[0]

    def lift_frame(self, x: Tensor) -> Tensor:
        """Lift ``(B, J, 2)`` to ``(B, J, 3)``."""
        return self.head(*self._features(x))
