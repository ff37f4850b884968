"""The linear residual baseline of Martinez et al."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from skelgraph.models.lifter import FrameLifter
from skelgraph.models.registry import register_model
from skelgraph.models.state_dicts import OfficialLayout, StateDict, count
from skelgraph.nn import Dropout
from skelgraph.options import Channels, Count, Rate
from skelgraph.topology import SkeletonLike

Norm: TypeAlias = Literal["batch", "layer"]


class _LinearBlock(nn.Module):
    """Linear map, normalisation, nonlinearity, dropout."""

    def __init__(self, in_features: int, out_features: int, dropout: float, norm: Norm) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.norm = nn.BatchNorm1d(out_features) if norm == "batch" else nn.LayerNorm(out_features)
        self.act = nn.ReLU() if norm == "batch" else nn.GELU()
        self.dropout = Dropout(dropout)
        if norm == "batch":
            nn.init.kaiming_normal_(self.linear.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, in_features)`` to ``(B, out_features)``."""
        return self.dropout(self.act(self.norm(self.linear(x))))


def _options(state: StateDict) -> dict[str, Any]:
    in_joints, out_joints = state["w1.weight"].size(1) // 2, state["w2.weight"].size(0) // 3
    return {
        "hidden_channels": state["w1.weight"].size(0),
        "num_stages": count(state, r"linear_stages\.(\d+)\."),
        "predict_root": out_joints != in_joints - 1,
    }


@register_model(
    "martinez",
    paper="A Simple Yet Effective Baseline for 3D Human Pose Estimation (ICCV 2017)",
    url="https://arxiv.org/abs/1705.03098",
    published_skeleton="h36m16",
    published={"gt": (44.40, 35.25), "sh": (63.48, 48.15)},
)
class Martinez(FrameLifter):
    r"""The linear residual baseline of `"A Simple Yet Effective Baseline for 3D Human Pose Estimation"
    <https://arxiv.org/abs/1705.03098>`_, in the form that the graph networks compare with.

    .. math:: \mathbf{h} \leftarrow \mathbf{h} + F(\mathbf{h}), \qquad
        F = [\mathrm{Linear}, \mathrm{BN}, \mathrm{ReLU}, \mathrm{Dropout}] \times 2

    Args:
        skeleton: Skeleton or layout name; it sets the number of joints only.
        hidden_channels: Width.
        num_stages: Number of residual stages.
        dropout: Dropout rate.
        predict_root: Predict the root joint too. Where it is not predicted it is 0, as in the results published by the
            code of SemGCN.
        in_channels: Channels of a 2D joint.
        out_channels: Channels of a 3D joint.
        norm: ``"batch"``: as published; ``"layer"``: layer normalisation and GELU in its place, default initialisation.
            With cameras and bodies that are new in every step the statistics of a batch are those of no test.

    Shapes:
        - input ``(B, J, 2)`` or ``(B, T, J, 2)``, output ``(B, J, 3)``
        - 4 291 632 parameters on ``h36m16``, 4 288 557 where the root is not predicted

    Initialisation: Kaiming-normal weights, default biases.

    Code and paper: the paper clips every weight matrix to norm 1 and z-scores inputs and targets; the port that is
    reproduced here clips gradients, and this library normalises 2D by the screen and leaves 3D in metres.
    """

    official = OfficialLayout(
        options=_options,
        keys=(
            (r"^w1\.", "input_block.linear."),
            (r"^batch_norm1\.", "input_block.norm."),
            (r"^linear_stages\.", "stages."),
            (r"\.w1\.", ".0.linear."),
            (r"\.w2\.", ".1.linear."),
            (r"\.batch_norm1\.", ".0.norm."),
            (r"\.batch_norm2\.", ".1.norm."),
            (r"^w2\.", "head."),
        ),
    )

    def __init__(
        self,
        skeleton: SkeletonLike = "h36m16",
        hidden_channels: Channels = 1024,
        num_stages: Count = 2,
        dropout: Rate = 0.5,
        predict_root: bool = True,
        in_channels: Channels = 2,
        out_channels: Channels = 3,
        norm: Norm = "batch",
    ) -> None:
        super().__init__(skeleton, in_channels, out_channels)
        num_joints = self.skeleton.num_joints
        self.predict_root = predict_root
        self.input_block = _LinearBlock(num_joints * in_channels, hidden_channels, dropout, norm)
        self.stages = nn.ModuleList(
            nn.Sequential(*(_LinearBlock(hidden_channels, hidden_channels, dropout, norm) for _ in range(2)))
            for _ in range(num_stages)
        )
        self.head = nn.Linear(hidden_channels, (num_joints if predict_root else num_joints - 1) * out_channels)
        if norm == "batch":
            nn.init.kaiming_normal_(self.head.weight)

    def forward_features(self, x: Tensor) -> Tensor:
        """The features ``(B, hidden_channels)`` of ``(B, J, 2)`` before the output layer."""
        h = self.input_block(x.flatten(1))
        for stage in self.stages:
            h = h + stage(h)
        return h

    def lift_frame(self, x: Tensor) -> Tensor:
        """Lift ``(B, J, 2)`` to ``(B, J, 3)``."""
        joints = self.head(self.forward_features(x)).unflatten(-1, (-1, self.out_channels))
        if self.predict_root:
            return joints
        root = self.skeleton.root
        return torch.cat((joints[:, :root], torch.zeros_like(joints[:, :1]), joints[:, root:]), 1)
