"""SemGCN."""

from __future__ import annotations

from typing import Any

import torch

from skelgraph.models.official import OfficialLayout, StateDict, count
from skelgraph.models.registry import register_model
from skelgraph.models.residual_gcn import ResidualGCN
from skelgraph.nn import GroupedNonLocal, SemGraphConv
from skelgraph.topology import SkeletonLike
from skelgraph.topology import skeleton as as_skeleton


def _options(state: StateDict) -> dict[str, Any]:
    non_local = any(".nonlocal." in key for key in state)
    layers = count(state, r"gconv_layers\.(\d+)\.")
    return {
        "hidden_channels": state["gconv_input.0.gconv.W"].size(2),
        "num_blocks": layers // 2 if non_local else layers,
        "non_local": non_local,
        "in_channels": state["gconv_input.0.gconv.W"].size(1),
        "out_channels": state["gconv_output.W"].size(2),
    }


def join_non_local(state: StateDict) -> StateDict:
    """Join the separate maps of the official grouped non-local blocks, and drop their convolution axes."""
    joined = dict(state)
    for prefix in {key.split(".theta.")[0] for key in state if ".theta." in key}:
        for kind in ("weight", "bias"):
            parts = [joined.pop(f"{prefix}.{name}.{kind}") for name in ("theta", "phi.0", "g.0")]
            joined[f"{prefix}.theta_phi_g.{kind}"] = (
                torch.cat(parts).flatten(1) if kind == "weight" else torch.cat(parts)
            )
        joined[f"{prefix}.score"] = joined.pop(f"{prefix}.concat_project.0.weight").view(2, -1)
        joined[f"{prefix}.out.weight"] = joined[f"{prefix}.out.weight"].flatten(1)
    return joined


def _convert(state: StateDict) -> StateDict:
    """With non-local blocks the released code interleaves both kinds in one list: residual blocks even, non-local
    odd."""
    renamed = {}
    interleaved = any(".nonlocal." in key for key in state)
    for key, value in state.items():
        head, *rest = key.split(".")
        if head == "blocks" and interleaved:
            index = int(rest[0])
            head, rest[0] = ("attention", str(index // 2 + 1)) if index % 2 else ("blocks", str(index // 2))
        renamed[".".join([head, *rest]).replace(".nonlocal.", ".")] = value
    return join_non_local(renamed)


@register_model(
    "sem_gcn",
    paper="Semantic Graph Convolutional Networks for 3D Human Pose Regression (CVPR 2019)",
    url="https://arxiv.org/abs/1904.03345",
    published_skeleton="h36m16",
    published={"gt": (42.14, 33.53), "gt, non-local": (40.78, 31.46), "sh, non-local": (61.24, 47.71)},
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
        options=_options,
        keys=(
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
            (r"\.e$", ".attention.logits"),
        ),
        convert=_convert,
    )

    def __init__(
        self,
        skeleton: SkeletonLike = "h36m16",
        hidden_channels: int = 128,
        num_blocks: int = 4,
        non_local: bool = False,
        dropout: float = 0.0,
        in_channels: int = 2,
        out_channels: int = 3,
    ) -> None:
        layout = as_skeleton(skeleton)
        super().__init__(
            layout,
            SemGraphConv,
            hidden_channels,
            num_blocks,
            dropout,
            attention=(lambda: GroupedNonLocal(hidden_channels, layout)) if non_local else None,
            in_channels=in_channels,
            out_channels=out_channels,
        )
