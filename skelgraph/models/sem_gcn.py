"""SemGCN."""

from __future__ import annotations

from skelgraph.models.registry import register_model
from skelgraph.models.residual_gcn import OFFICIAL_KEYS, ResidualGCN, convert_official, official_options
from skelgraph.models.state_dicts import OfficialLayout
from skelgraph.nn import GroupedNonLocal, SemGraphConv
from skelgraph.options import Channels, Count, Rate
from skelgraph.topology import SkeletonLike


@register_model(
    "sem_gcn",
    paper="Semantic Graph Convolutional Networks for 3D Human Pose Regression (CVPR 2019)",
    url="https://arxiv.org/abs/1904.03345",
    published_skeleton="h36m16",
    published={"gt": (42.14, 33.53), "gt, non-local": (40.78, 31.46), "sh, non-local": (61.24, 47.71)},
    published_seconds=0.012,
)
class SemGCN(ResidualGCN):
    """SemGCN of `"Semantic Graph Convolutional Networks for 3D Human Pose Regression" <https://arxiv.org/abs/1904.03345>`_:
    a residual network of :class:`~skelgraph.nn.SemGraphConv`, optionally with a non-local block after each residual
    block.

    Args:
        skeleton: Skeleton or layout name; published on ``h36m16``.
        hidden_channels: Width.
        num_blocks: Number of residual blocks.
        non_local: Add :class:`~skelgraph.nn.GroupedNonLocal` after the input block and after each residual block.
        dropout: Dropout rate after each hidden layer.
        in_channels: Channels of a 2D joint.
        out_channels: Channels of a 3D joint.

    Shapes:
        - input ``(B, J, 2)`` or ``(B, T, J, 2)``, output ``(B, J, 3)``
        - 267 343 parameters on ``h36m16``, 434 703 with ``non_local``

    Code and paper: the paper's bone-vector loss is not in the released code; the network is the same.
    """

    official = OfficialLayout(
        options=official_options,
        keys=(*OFFICIAL_KEYS, (r"\.e$", ".attention.logits")),
        convert=convert_official,
    )

    def __init__(
        self,
        skeleton: SkeletonLike = "h36m16",
        hidden_channels: Channels = 128,
        num_blocks: Count = 4,
        non_local: bool = False,
        dropout: Rate = 0.0,
        in_channels: Channels = 2,
        out_channels: Channels = 3,
    ) -> None:
        super().__init__(
            skeleton,
            SemGraphConv,
            hidden_channels,
            num_blocks,
            dropout,
            attention=GroupedNonLocal if non_local else None,
            in_channels=in_channels,
            out_channels=out_channels,
        )
