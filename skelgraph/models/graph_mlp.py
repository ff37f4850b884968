"""GraphMLP."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from skelgraph.models.lifter import PoseLifter
from skelgraph.models.registry import register_model
from skelgraph.models.state_dicts import OfficialLayout, StateDict, count, split_slices
from skelgraph.nn import GraphMLPBlock
from skelgraph.nn.mixer import PathRate
from skelgraph.options import Channels, Count, Frames, Rate
from skelgraph.topology import SkeletonLike


def _options(state: StateDict) -> dict[str, Any]:
    token_map = "mlp_gcn.blocks.0.mlp_1.fc1"
    token_weight = state.get(f"{token_map}.0.weight")  # models of several frames have normalisations here as well
    return {
        "num_frames": state["embedding.weight"].size(1) // 2,
        "hidden_channels": state["embedding.weight"].size(0),
        "token_channels": (state[f"{token_map}.weight"] if token_weight is None else token_weight).size(0),
        "mlp_channels": state["mlp_gcn.blocks.0.mlp_2.fc1.weight"].size(0),
        "num_blocks": count(state, r"mlp_gcn\.blocks\.(\d+)\."),
        "out_channels": state["head.weight"].size(0),
    }


def _convert(state: StateDict) -> StateDict:
    """Drop the fixed adjacency, which the authors store in every layer."""
    learned = {key: value for key, value in state.items() if key != "A" and not key.endswith("adj")}
    return split_slices(learned, num_slices=4)


@register_model(
    "graph_mlp",
    paper="GraphMLP: A Graph MLP-Like Architecture for 3D Human Pose Estimation (Pattern Recognition 2024)",
    url="https://arxiv.org/abs/2206.06420",
    published_skeleton="h36m17",
    published={
        "cpn": (49.2, None),
        "cpn, 27 frames": (45.5, None),
        "cpn, 81 frames": (44.5, None),
        "cpn, 243 frames": (43.8, None),
    },
)
class GraphMLP(PoseLifter):
    """GraphMLP of `"GraphMLP: A Graph MLP-Like Architecture for 3D Human Pose Estimation"
    <https://arxiv.org/abs/2206.06420>`_: blocks of perceptrons along joints and channels, each in parallel with a graph
    layer.

    All frames of a joint form its input features; the graph is that of one frame.

    Args:
        skeleton: Skeleton or layout name; published on ``h36m17``.
        num_frames: Frames of the input window: published with 1, 27, 81 and 243.
        hidden_channels: Width.
        token_channels: Hidden width of the perceptrons along the joints.
        mlp_channels: Hidden width of the perceptrons along the channels.
        num_blocks: Number of blocks.
        dropout: Dropout rate of the perceptrons.
        drop_path: Probability that a pose skips a branch in the last block; it grows linearly from 0 in the first.
        in_channels: Channels of a 2D joint.
        out_channels: Channels of a 3D joint.

    Shapes:
        - input ``(B, J, 2)`` or ``(B, T, J, 2)``, output ``(B, J, 3)``
        - 9 488 284 parameters on ``h36m17``; 9 516 546, 9 571 842 and 9 737 730 for 27, 81 and 243 frames

    Code and paper: the published errors are without the second stage, which trains a :class:`~skelgraph.nn.PostRefine`
    along. The released code stores the fixed adjacency 1 + 3 ``num_blocks`` times; the import drops it.
    """

    official = OfficialLayout(
        options=_options,
        keys=(
            (r"^mlp_gcn\.", ""),
            (r"\.gcn_([12])\.conv\.", r".graph_conv\1."),
            (r"\.norm1\.", ".joint_norm."),
            (r"\.norm2\.", ".channel_norm."),
            (r"\.mlp_1\.", ".joint_mlp."),
            (r"\.mlp_2\.", ".channel_mlp."),
            (r"\.fc([12])\.1\.", r".norm\1."),
            (r"\.fc([12])\.(0\.)?", r".linear\1."),
        ),
        convert=_convert,
    )

    def __init__(
        self,
        skeleton: SkeletonLike = "h36m17",
        num_frames: Frames = 1,
        hidden_channels: Channels = 512,
        token_channels: Channels = 256,
        mlp_channels: Channels = 1024,
        num_blocks: Count = 3,
        dropout: Rate = 0.1,
        drop_path: PathRate = 0.2,
        in_channels: Channels = 2,
        out_channels: Channels = 3,
    ) -> None:
        super().__init__(skeleton, in_channels, out_channels, num_frames)
        self.embedding = nn.Linear(num_frames * in_channels, hidden_channels)
        self.blocks = nn.ModuleList(
            GraphMLPBlock(
                hidden_channels, self.skeleton, token_channels, mlp_channels, dropout, p, token_norm=num_frames > 1
            )
            for p in torch.linspace(0, drop_path, num_blocks, device="cpu").tolist()
        )
        self.norm = nn.LayerNorm(hidden_channels, eps=1e-6)
        self.head = nn.Linear(hidden_channels, out_channels)

    def forward_features(self, keypoints_2d: Tensor) -> Tensor:
        """The features ``(B, J, hidden_channels)`` of ``(B, J, 2)`` or ``(B, T, J, 2)`` before the output layer."""
        clip = self.window(keypoints_2d)
        h = self.embedding(clip.permute(0, 2, 3, 1).flatten(2))  # all x of a joint, then all y
        for block in self.blocks:
            h = block(h)
        return self.norm(h)

    def lift(self, clip: Tensor) -> Tensor:
        """Lift ``(B, num_frames, J, 2)`` to ``(B, J, 3)``."""
        return self.head(self.forward_features(clip))
