"""The local-to-global spatio-temporal graph network of Cai et al."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from skelgraph.models.lifter import PoseLifter
from skelgraph.models.registry import register_model
from skelgraph.models.state_dicts import OfficialLayout, StateDict, count, join_non_local, split_slices
from skelgraph.nn import Dropout, EmbeddedGaussianNonLocal, JointBatchNorm, PartitionedGraphConv
from skelgraph.options import Channels, Frames, Rate
from skelgraph.topology import Skeleton, SkeletonLike, body_parts, part_skeleton
from skelgraph.topology.arrays import pad_groups


class _SpatioTemporalBlock(nn.Module):
    """Graph layer, then a linear map, each with batch normalisation, and a skip around both.

    ``skip`` false leaves the skip out; it is a normalised linear map where the number of channels changes.
    """

    def __init__(
        self, in_channels: int, channels: int, skeleton: Skeleton, num_frames: int, dropout: float, skip: bool = True
    ) -> None:
        super().__init__()
        self.graph_conv = PartitionedGraphConv(in_channels, channels, skeleton, num_frames=num_frames)
        self.norm1 = JointBatchNorm(channels)
        self.linear = nn.Linear(channels, channels)
        self.norm2 = JointBatchNorm(channels)
        self.dropout = Dropout(dropout)
        self.skip: nn.Module | None = nn.Identity() if skip else None
        if skip and in_channels != channels:
            self.skip = nn.Sequential(nn.Linear(in_channels, channels), JointBatchNorm(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, T * J, C_in)`` to ``(B, T * J, C_out)``."""
        h = self.dropout(self.norm1(self.graph_conv(x)).relu())
        h = self.dropout(self.norm2(self.linear(h)))
        return (h if self.skip is None else h + self.skip(x)).relu()


def _options(state: StateDict) -> dict[str, Any]:
    widths = [
        state[f"st_gcn_networks.{i}.tcn.0.weight"].size(0) for i in range(count(state, r"st_gcn_networks\.(\d+)\."))
    ]
    return {
        "num_frames": 1 if state["conv4.0.weight"].size(2) == 1 else 3,
        "hidden_channels": tuple(widths),
        "part_channels": state["conv4.0.weight"].size(0),
        "fused_channels": state["conv2.0.weight"].size(0),
        "in_channels": state["st_gcn_networks.0.gcn.conv.weight"].size(1),
        "out_channels": state["fcn.1.weight"].size(0),
    }


def _convert(state: StateDict) -> StateDict:
    """Give the slices of the graph layers an axis, and drop the axes of all 1x1 convolutions."""
    num_slices = state["blocks.0.graph_conv.weight"].size(0) // state["blocks.0.norm1.weight"].size(0)
    split = join_non_local(split_slices(state, num_slices))
    split["temporal_conv.weight"] = split["temporal_conv.weight"].squeeze(-1)
    return {key: value.flatten(1) if value.dim() == 4 else value for key, value in split.items()}


@register_model(
    "st_gcn_pose",
    paper="Exploiting Spatial-temporal Relationships for 3D Pose Estimation via Graph Convolutional Networks "
    "(ICCV 2019)",
    url="https://openaccess.thecvf.com/content_ICCV_2019/html/Cai_Exploiting_Spatial-Temporal_Relationships_for_3D_Pose_Estimation_via_Graph_Convolutional_ICCV_2019_paper.html",
    published_skeleton="h36m17",
    published={
        "cpn, 1 frame, refined": (50.62, None),
        "cpn, 3 frames, refined": (49.03, None),
        "cpn, 5 frames, refined": (48.70, None),
    },
)
class STGCNPose(PoseLifter):
    """Local-to-global network of `"Exploiting Spatial-temporal Relationships for 3D Pose Estimation via Graph
    Convolutional Networks" <https://openaccess.thecvf.com/content_ICCV_2019/html/Cai_Exploiting_Spatial-Temporal_Relationships_for_3D_Pose_Estimation_via_Graph_Convolutional_ICCV_2019_paper.html>`_:
    graph layers on all joints of a clip, then on its body parts, a global vector per frame, and non-local attention
    over all joints and frames.

    The network gives all frames of its window, and is trained on all of them: :meth:`forward_sequence`.

    Args:
        skeleton: Skeleton or layout name; published on ``h36m17``. Joints are pooled by
            :func:`~skelgraph.topology.body_parts`.
        num_frames: Frames of the input window: published with 1, 3, 5 and 7.
        hidden_channels: Widths of the blocks on joints.
        part_channels: Width of the blocks on body parts and of the global vector.
        fused_channels: Channels of the joined part and global features.
        dropout: Dropout rate in the blocks.
        global_dropout: Dropout rate of the global vector.
        head_dropout: Dropout rate of the joined features and before the output layer.
        in_channels: Channels of a 2D joint.
        out_channels: Channels of a 3D joint.

    Shapes:
        - input ``(B, J, 2)`` or ``(B, T, J, 2)``, output ``(B, J, 3)``
        - 5 040 455 parameters on ``h36m17`` for any number of frames but one, 3 627 847 for one

    Code and paper: the blocks have no convolution in time, frames meet in the graph only. The input normalisation has
    ``eps`` 0.1, because the released code hands its momentum to the wrong argument.
    The number of frames, if more than one, cannot be inferred from weights: pass ``num_frames`` to ``load_official``,
    which takes 3 by default. In training, a model of one frame needs batches of at least 2 poses.
    """

    part_joints: Tensor
    part_of_joint: Tensor

    official = OfficialLayout(
        options=_options,
        keys=(
            (r"^data_bn\.", "input_norm."),
            (r"^st_gcn_networks\.", "blocks."),
            (r"^st_gcn_pool\.", "part_blocks."),
            (r"\.gcn\.conv\.", ".graph_conv."),
            (r"\.tcn\.0\.", ".norm1."),
            (r"\.tcn\.3\.", ".linear."),
            (r"\.tcn\.4\.", ".norm2."),
            (r"\.residual\.", ".skip."),
            (r"^conv4\.0\.", "temporal_conv."),
            (r"^conv4\.1\.", "global_norm."),
            (r"^conv2\.0\.", "fuse."),
            (r"^conv2\.1\.", "fuse_norm."),
            (r"^non_local\.W\.0\.", "non_local.out."),
            (r"^non_local\.W\.1\.", "non_local.norm."),
            (r"^fcn\.1\.", "head."),
        ),
        convert=_convert,
    )

    def __init__(
        self,
        skeleton: SkeletonLike = "h36m17",
        num_frames: Frames = 3,
        hidden_channels: Annotated[Sequence[Channels], Field(min_length=1, max_length=100)] = (128, 128, 256),
        part_channels: Channels = 512,
        fused_channels: Channels = 256,
        dropout: Rate = 0.05,
        global_dropout: Rate = 0.25,
        head_dropout: Rate = 0.1,
        in_channels: Channels = 2,
        out_channels: Channels = 3,
    ) -> None:
        super().__init__(skeleton, in_channels, out_channels, num_frames)
        parts = body_parts(self.skeleton)
        owner = {joint: i for i, part in enumerate(parts) for joint in part}
        self.register_buffer("part_joints", pad_groups(parts), persistent=False)
        self.register_buffer(
            "part_of_joint", torch.tensor([owner[joint] for joint in sorted(owner)], device="cpu"), persistent=False
        )

        def blocks(widths: Sequence[int], graph: Skeleton, first_skip: bool) -> nn.Sequential:
            return nn.Sequential(
                *(
                    _SpatioTemporalBlock(c_in, c_out, graph, num_frames, dropout, skip=first_skip or i > 0)
                    for i, (c_in, c_out) in enumerate(itertools.pairwise(widths))
                )
            )

        features = hidden_channels[-1] + fused_channels
        self.input_norm = JointBatchNorm(self.skeleton.num_joints * in_channels, eps=0.1)
        self.blocks = blocks((in_channels, *hidden_channels), self.skeleton, first_skip=False)
        self.part_blocks = blocks(
            (hidden_channels[-1], part_channels, part_channels), part_skeleton(self.skeleton, parts), first_skip=True
        )
        reach = 1 if num_frames > 1 else 0
        self.temporal_conv = nn.Conv1d(part_channels, part_channels, 2 * reach + 1, padding=reach)
        self.global_norm = JointBatchNorm(part_channels)
        self.global_dropout = Dropout(global_dropout)
        self.fuse = nn.Linear(2 * part_channels, fused_channels)
        self.fuse_norm = JointBatchNorm(fused_channels)
        self.head_dropout = Dropout(head_dropout)
        self.non_local = EmbeddedGaussianNonLocal(features)
        self.head = nn.Linear(features, out_channels)

    def forward_features(self, keypoints_2d: Tensor) -> Tensor:
        """The features ``(B, num_frames, J, C)`` of ``(B, J, 2)`` or ``(B, T, J, 2)`` before the output layer."""
        clip = self.window(keypoints_2d)
        frames = clip.shape[1:3]
        x = self.input_norm(clip.flatten(2)).view(clip.shape).flatten(1, 2)
        local = self.blocks(x).unflatten(1, frames)
        pooled = local[:, :, self.part_joints].amax(dim=3)
        parts = self.part_blocks(pooled.flatten(1, 2)).unflatten(1, pooled.shape[1:3])
        whole = self.temporal_conv(parts.amax(dim=2).mT).mT
        whole = self.global_dropout(self.global_norm(whole).relu())
        joined = torch.cat([whole.unsqueeze(2).expand_as(parts), parts], dim=-1)
        fused = self.head_dropout(self.fuse_norm(self.fuse(joined)).relu())
        features = torch.cat([local, fused[:, :, self.part_of_joint]], dim=-1)
        return self.non_local(features.flatten(1, 2)).unflatten(1, frames)

    def forward_sequence(self, keypoints_2d: Tensor) -> Tensor:
        """Lift ``(B, T, J, 2)`` to all frames ``(B, num_frames, J, 3)`` of its window, as in training."""
        return self.head(self.head_dropout(self.forward_features(keypoints_2d)))

    def lift(self, clip: Tensor) -> Tensor:
        """Lift ``(B, num_frames, J, 2)`` to ``(B, J, 3)``."""
        return self.forward_sequence(clip)[:, self.num_frames // 2]
