"""Modulated GCN."""

from __future__ import annotations

import functools
from typing import Any, Literal

from torch import Tensor, nn

from skelgraph.models.registry import register_model
from skelgraph.models.residual_gcn import OFFICIAL_KEYS, ResidualGCN, convert_official, official_options
from skelgraph.models.state_dicts import OfficialLayout, StateDict
from skelgraph.nn import EmbeddedGaussianNonLocal, GroupedNonLocal, ModulatedGraphConv
from skelgraph.options import Channels, Count, Rate
from skelgraph.topology import SkeletonLike

Variant = Literal["gt", "benchmark"]
_PUBLISHED: dict[Variant, dict[str, Any]] = {
    "gt": {"hidden_channels": 128, "dropout": 0.0, "modulation_init": "ones"},
    "benchmark": {"hidden_channels": 384, "dropout": 0.2, "modulation_init": "xavier"},
}


def _options(state: StateDict) -> dict[str, Any]:
    variant = "benchmark" if "non_local.theta.weight" in state else "gt"
    return official_options(state) | {"variant": variant}


@register_model(
    "modulated_gcn",
    paper="Modulated Graph Convolutional Network for 3D Human Pose Estimation (ICCV 2021)",
    url="https://openaccess.thecvf.com/content/ICCV2021/html/"
    "Zou_Modulated_Graph_Convolutional_Network_for_3D_Human_Pose_Estimation_ICCV_2021_paper.html",
    published_skeleton="h36m16",
    published={"gt": (38.25, 30.06), "gt, paper": (37.43, 29.73), "cpn, benchmark, refined": (49.4, 39.1)},
    published_seconds=0.08,
)
class ModulatedGCN(ResidualGCN):
    """Modulated GCN of `"Modulated Graph Convolutional Network for 3D Human Pose Estimation"
    <https://openaccess.thecvf.com/content/ICCV2021/html/Zou_Modulated_Graph_Convolutional_Network_for_3D_Human_Pose_Estimation_ICCV_2021_paper.html>`_:
    a residual network of :class:`~skelgraph.nn.ModulatedGraphConv`, in the two forms that are released under this name.

    ``"gt"``, for ground-truth keypoints of 16 joints, is the plain network. ``"benchmark"``, for detections of 17
    joints, is wider, has an :class:`~skelgraph.nn.EmbeddedGaussianNonLocal` before the output layer, dropout, and
    another initialisation of the modulation; it is published with a :class:`~skelgraph.nn.PostRefine` after it.

    Args:
        skeleton: Skeleton or layout name; published on ``h36m16`` (``"gt"``) and ``h36m17`` (``"benchmark"``).
        variant: ``"gt"`` or ``"benchmark"``.
        hidden_channels: Width; by default 128 and 384 as published.
        num_blocks: Number of residual blocks.
        non_local: Add :class:`~skelgraph.nn.GroupedNonLocal` after the input block and after each residual block.
        dropout: Dropout rate after each hidden layer; by default 0 and 0.2 as published.
        in_channels: Channels of a 2D joint.
        out_channels: Channels of a 3D joint.

    Shapes:
        - input ``(B, J, 2)`` or ``(B, T, J, 2)``, output ``(B, J, 3)``
        - ``"gt"``: 287 923 parameters on ``h36m16``, 455 283 with ``non_local``; ``"benchmark"``: 2 731 840 on
          ``h36m17``

    Raises:
        SkelgraphError: If the variant is unknown.

    Code and paper: two different networks are released under one name. The second normalises its non-local block with
    ``BatchNorm2d``, whose gradients are wrong for its strides on some CPU builds.
    """

    official = OfficialLayout(
        options=_options,
        keys=(*OFFICIAL_KEYS, (r"\.M$", ".modulation"), (r"\.adj2$", ".affinity.offset")),
        convert=convert_official,
    )

    def __init__(
        self,
        skeleton: SkeletonLike = "h36m16",
        variant: Variant = "gt",
        hidden_channels: Channels | None = None,
        num_blocks: Count = 4,
        non_local: bool = False,
        dropout: Rate | None = None,
        in_channels: Channels = 2,
        out_channels: Channels = 3,
    ) -> None:
        published = _PUBLISHED[variant]
        width: int = published["hidden_channels"] if hidden_channels is None else hidden_channels
        super().__init__(
            skeleton,
            functools.partial(ModulatedGraphConv, modulation_init=published["modulation_init"]),
            width,
            num_blocks,
            published["dropout"] if dropout is None else dropout,
            attention=GroupedNonLocal if non_local else None,
            in_channels=in_channels,
            out_channels=out_channels,
        )
        self.non_local = EmbeddedGaussianNonLocal(width) if variant == "benchmark" else nn.Identity()

    def forward_features(self, x: Tensor) -> Tensor:
        """The features ``(B, J, hidden_channels)`` of ``(B, J, 2)`` before the output layer."""
        return self.non_local(super().forward_features(x))
