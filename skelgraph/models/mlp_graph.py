"""MLP-Graph."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from skelgraph.models.lifter import PoseLifter
from skelgraph.models.registry import register_model
from skelgraph.models.state_dicts import OfficialLayout, StateDict, count
from skelgraph.nn import MLPGraphBlock
from skelgraph.options import Channels, Count, Frames, Rate
from skelgraph.topology import SkeletonLike


def _options(state: StateDict) -> dict[str, Any]:
    return {
        "num_frames": state["to_patch_embedding.weight"].size(1) // 2,
        "hidden_channels": state["to_patch_embedding.weight"].size(0),
        "graph_channels": state["gconv_layers.mixer_blocks.0.gconv.graphConv.W"].size(2),
        "num_blocks": count(state, r"gconv_layers\.mixer_blocks\.(\d+)\."),
        "out_channels": state["gconv_layers.mlp_head.0.weight"].size(0),
    }


def _convert(state: StateDict) -> StateDict:
    """Drop the leading axis of length 1 of the residual weight and the modulation."""
    names = ("initial_weight", ".modulation")
    return {key: value.squeeze(0) if key.endswith(names) else value for key, value in state.items()}


@register_model(
    "mlp_graph",
    paper="Spatio-temporal MLP-graph network for 3D human pose estimation (BMVC 2023)",
    url="https://arxiv.org/abs/2308.15313",
    published_skeleton="h36m16",
    published={"gt": (36.34, 28.97), "hr, 243 frames, refined": (44.14, None)},
    published_seconds=0.05,
)
class MLPGraph(PoseLifter):
    """MLP-Graph of `"Spatio-temporal MLP-graph network for 3D human pose estimation" <https://arxiv.org/abs/2308.15313>`_:
    blocks of a perceptron along the joints and two :class:`~skelgraph.nn.WeightedJacobiConv`.

    All frames of a joint form its input features; every block receives the embedding as initial features.

    Args:
        skeleton: Skeleton or layout name; published on ``h36m16``.
        num_frames: Frames of the input window: published with 1 and 243.
        hidden_channels: Width; 384 in the published model for detected 2D.
        graph_channels: Channels between the two graph layers of a block; 768 in the model for detected 2D.
        num_blocks: Number of blocks.
        dropout: Dropout rate after each graph layer.
        mlp_dropout: Dropout rate of the perceptrons.
        alpha: Weight of the initial features in the graph layers.
        neighbours: Let joints receive from their neighbours as in the paper, see
            :class:`~skelgraph.nn.WeightedJacobiConv`; the published accuracies are without.
        in_channels: Channels of a 2D joint.
        out_channels: Channels of a 3D joint.

    Shapes:
        - input ``(B, J, 2)`` or ``(B, T, J, 2)``, output ``(B, J, 3)``
        - 627 763 parameters on ``h36m16``, 689 715 for 243 frames; 5 419 059 and 5 604 915 in the wide model

    Code and paper: without ``neighbours`` only the perceptrons move information between joints. The published 243-frame
    accuracy is with :class:`~skelgraph.nn.PostRefine`, whose dropout was active in their tests.
    """

    official = OfficialLayout(
        options=_options,
        keys=(
            (r"^to_patch_embedding\.", "embedding."),
            (r"^gconv_layers\.layer_norm\.", "norm."),
            (r"^gconv_layers\.mlp_head\.0\.", "head."),
            (r"^gconv_layers\.mixer_blocks\.", "blocks."),
            (r"\.spatial_mix\.0\.", ".joint_norm."),
            (r"\.spatial_mix\.2\.net\.0\.", ".joint_mlp.linear1."),
            (r"\.spatial_mix\.2\.net\.3\.", ".joint_mlp.linear2."),
            (r"\.gconv\.norm", ".norm"),
            (r"\.gconv\.graphConv\.", ".conv1."),
            (r"\.gconv\.graphConvII\.", ".conv2."),
            (r"\.W$", ".weight"),
            (r"\.W2$", ".initial_weight"),
            (r"\.M$", ".modulation"),
            (r"\.adj2_1$", ".affinity.offset"),
        ),
        convert=_convert,
    )

    def __init__(
        self,
        skeleton: SkeletonLike = "h36m16",
        num_frames: Frames = 1,
        hidden_channels: Channels = 128,
        graph_channels: Channels = 256,
        num_blocks: Count = 3,
        dropout: Rate = 0.2,
        mlp_dropout: Rate = 0.0,
        alpha: Rate = 0.1,
        neighbours: bool = False,
        in_channels: Channels = 2,
        out_channels: Channels = 3,
    ) -> None:
        super().__init__(skeleton, in_channels, out_channels, num_frames)
        self.embedding = nn.Linear(num_frames * in_channels, hidden_channels)
        self.blocks = nn.ModuleList(
            MLPGraphBlock(hidden_channels, self.skeleton, graph_channels, dropout, mlp_dropout, alpha, neighbours)
            for _ in range(num_blocks)
        )
        self.norm = nn.LayerNorm(hidden_channels)
        self.head = nn.Linear(hidden_channels, out_channels)

    def forward_features(self, keypoints_2d: Tensor) -> Tensor:
        """The features ``(B, J, hidden_channels)`` of ``(B, J, 2)`` or ``(B, T, J, 2)`` before the output layer."""
        clip = self.window(keypoints_2d)
        initial = h = self.embedding(clip.transpose(1, 2).flatten(2))  # x and y of the first frame, of the second, ...
        for block in self.blocks:
            h = block(h, initial)
        return self.norm(h)

    def lift(self, clip: Tensor) -> Tensor:
        """Lift ``(B, num_frames, J, 2)`` to ``(B, J, 3)``."""
        return self.head(self.forward_features(clip))
