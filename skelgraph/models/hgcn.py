"""HGCN."""

from __future__ import annotations

import functools
from typing import Any

from skelgraph.models.registry import register_model
from skelgraph.models.residual_gcn import OFFICIAL_KEYS, ResidualGCN, official_options
from skelgraph.models.state_dicts import OfficialLayout, StateDict, join_logits
from skelgraph.nn import HighOrderGraphConv
from skelgraph.nn.conv.high_order_graph_conv import HopFusion, Hops
from skelgraph.options import Amount, Channels, Count, Rate
from skelgraph.topology import SkeletonLike


def _options(state: StateDict) -> dict[str, Any]:
    options = official_options(state)
    del options["non_local"]
    return options | {"num_hops": state["gconv_input.0.gconv.W"].size(0) - 1}


@register_model(
    "hgcn",
    paper="High-order Graph Convolutional Networks for 3D Human Pose Estimation (BMVC 2020)",
    url="https://www.bmvc2020-conference.com/assets/papers/0550.pdf",
    published_skeleton="h36m16",
    published={"gt": (39.52, 31.07), "cpn": (55.6, 43.7)},
    published_seconds=0.013,
)
class HGCN(ResidualGCN):
    """HGCN of `"High-order Graph Convolutional Networks for 3D Human Pose Estimation"
    <https://www.bmvc2020-conference.com/assets/papers/0550.pdf>`_: a residual network of
    :class:`~skelgraph.nn.HighOrderGraphConv` whose hidden layers concatenate the hops and whose output layer adds them.

    Args:
        skeleton: Skeleton or layout name; published on ``h36m16`` (ground truth) and ``h36m17`` (detections).
        hidden_channels: Width of every hop; concatenated, a joint has ``(num_hops + 1) * hidden_channels`` features.
        num_blocks: Number of residual blocks.
        num_hops: The highest hop.
        hops: What counts as a hop, see :class:`~skelgraph.nn.HighOrderGraphConv`; the paper's is ``"exact"``.
        reduce: How hidden layers fuse the hops, ``"cat"`` or ``"sum"``.
        dropout: Dropout rate after each hidden layer.
        in_channels: Channels of a 2D joint.
        out_channels: Channels of a 3D joint.

    Shapes:
        - input ``(B, J, 2)`` or ``(B, T, J, 2)``, output ``(B, J, 3)``
        - 1 197 055 parameters on ``h36m16``, 1 197 195 on ``h36m17``. The released code counts 1 197 931 and 1 198 071:
          it also stores biases that no layer reads.

    Code and paper: the paper speaks of neighbours at distance k, the released code joins what a walk of exactly k bones
    joins. Of the fusions of the paper only the concatenation is released.
    """

    official = OfficialLayout(
        options=_options,
        keys=OFFICIAL_KEYS,
        convert=join_logits,
    )

    def __init__(
        self,
        skeleton: SkeletonLike = "h36m16",
        hidden_channels: Channels = 96,
        num_blocks: Count = 4,
        num_hops: Amount = 3,
        hops: Hops = "walk",
        reduce: HopFusion = "cat",
        dropout: Rate = 0.0,
        in_channels: Channels = 2,
        out_channels: Channels = 3,
    ) -> None:
        conv = functools.partial(HighOrderGraphConv, num_hops=num_hops, hops=hops)
        super().__init__(
            skeleton,
            functools.partial(conv, reduce=reduce),
            hidden_channels * (num_hops + 1 if reduce == "cat" else 1),
            num_blocks,
            dropout,
            in_channels=in_channels,
            out_channels=out_channels,
            output_conv=functools.partial(conv, reduce="sum"),
        )
