"""NEHSNet: a node-edge-hyperedge network matched to the published facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.models.lifter import PoseLifter
from skelgraph.models.registry import register_model
from skelgraph.nn.hyper.node_edge_hyperedge_conv import Fusion, NodeEdgeHyperedgeConv, Update
from skelgraph.nn.hyper.relation_attention import Mask
from skelgraph.nn.init import xavier
from skelgraph.options import Amount, Channels, Count, Frames, Positive, Rate
from skelgraph.topology import JointHypergraph, Skeleton, SkeletonLike
from skelgraph.topology.hyperedge_groups import possible_groups
from skelgraph.topology.hypergraph import DEFAULT_GROUPS

FrameMode = Literal["center", "concat"]
JointChannels = Annotated[int, Field(ge=2, le=2**16)]
HyperedgeSpec = Annotated[
    str | Sequence[str] | Sequence[Sequence[int | str]],
    "names of groups of hyperedges, or a list of joints for each hyperedge (JointHypergraph.hyperedges are such lists)",
]


class NEHSFeatures(NamedTuple):
    """The streams after the last block: joints ``x (B, J, C)``, bones ``bone_attr (B, K, C)``, hyperedges
    ``hyperedge_attr (B, M, C)``, and the gates ``(B, blocks, J, streams)`` in the order joints, bones, hyperedges;
    ``None`` for what the model lacks."""

    x: Tensor
    bone_attr: Tensor | None
    hyperedge_attr: Tensor | None
    gates: Tensor | None


@register_model(
    "nehs_net",
    paper="NEHSNet: A Node-Edge-Hyperedge Synergy Network for 2D-to-3D Human Pose Estimation (2025), our design of it",
    url="https://github.com/HFG1021/NEHSNet",
    published_skeleton="h36m17",
    published={"cpn": (49.50, 38.83)},
)
class NEHSNet(PoseLifter):
    """A node-edge-hyperedge network matched to the published facts of `NEHSNet
    <https://github.com/HFG1021/NEHSNet>`_; **not a port**: its model code, weights and paper are not published.

    Known: the title, depth, width, heads and dropout, 4.05 million parameters, the training recipe and the errors on
    Human3.6M (49.50 and 38.83 mm; the 2D keypoints are not named, errors of this size fit CPN detections). Our design,
    after published relatives: everything inside, which is :class:`~skelgraph.nn.NodeEdgeHyperedgeConv` on features of
    joints (position), bones (vector, length, midpoint) and hyperedges (mean and spread of their joints). No official
    checkpoint can be loaded; the published errors are a mark to compare with.

    Args:
        skeleton: Skeleton or layout name; published on ``h36m17``.
        depth: Number of blocks.
        d_model: Width.
        n_heads: Heads of each attention.
        dropout: Dropout rate.
        use_bones: Have a stream of bones.
        use_hyperedges: Have a stream of hyperedges.
        exchange: Send messages between bones and hyperedges.
        update: Update of bones and hyperedges: ``"linear"``, or ``"pool"`` without learned maps.
        fusion: How joints fuse the streams: ``"gate"``, ``"mean"`` or ``"concat"``.
        mask: How joints see bones and hyperedges: ``"soft"``, ``"hard"`` (incident ones only) or ``"none"``.
        ffn_ratio: Hidden width of the perceptrons relative to ``d_model``.
        hyperedges: Names of :func:`~skelgraph.topology.hyperedge_groups`, or lists of joints, ids or names. By default
            ``parts``, ``sides``, ``halves`` and ``sym``; of these, a skeleton without body parts or symmetry has those
            that it can have, or else one hyperedge of all joints.
        frame_mode: ``"center"`` lifts the centre frame of a clip alone; ``"concat"`` joins the features of
            ``in_frames`` frames at the input.
        in_frames: Frames of the window, odd; for ``"concat"`` only, and needed there.
        dynamic_hyperedges: Number of further hyperedges per block with learned soft memberships.
        return_features: Return ``(pose, NEHSFeatures)`` instead of the pose; may be switched on a built model.
        in_channels: Channels of a 2D joint, x and y first; bones and hyperedges are given these two alone.

    Shapes:
        - input ``(B, J, 2)`` or ``(B, T, J, 2)``, output ``(B, J, 3)``
        - 4 047 600 parameters on ``h36m17``; 2 697 741 without bones, 2 698 227 without hyperedges, 1 538 877 without
          both

    Raises:
        SkelgraphError: If an option has an unknown value, ``n_heads`` does not divide ``d_model``, ``in_frames`` and
            ``frame_mode`` do not fit, or the skeleton lacks what a named group is made of.

    Initialisation: Xavier-uniform weights, zero biases, positions normal with deviation 0.02, zero gates.
    """

    bones: Tensor
    members: Tensor

    def __init__(
        self,
        skeleton: SkeletonLike = "h36m17",
        depth: Count = 3,
        d_model: Channels = 252,
        n_heads: Count = 6,
        dropout: Rate = 0.3,
        use_bones: bool = True,
        use_hyperedges: bool = True,
        exchange: bool = True,
        update: Update = "linear",
        fusion: Fusion = "gate",
        mask: Mask = "soft",
        ffn_ratio: Positive = 2.0,
        hyperedges: HyperedgeSpec | None = None,
        frame_mode: FrameMode = "center",
        in_frames: Frames | None = None,
        dynamic_hyperedges: Amount = 0,
        return_features: bool = False,
        in_channels: JointChannels = 2,
    ) -> None:
        if (in_frames is None) != (frame_mode == "center"):
            raise SkelgraphError(f"in_frames is {in_frames} with frame_mode {frame_mode!r}; 'concat' alone needs it")
        super().__init__(skeleton, in_channels, num_frames=in_frames or 1)
        self.return_features = return_features
        self.hypergraph = _hypergraph(self.skeleton, hyperedges)
        bones = torch.tensor(self.skeleton.edges, dtype=torch.long, device="cpu").view(-1, 2)
        members = self.hypergraph.incidence.mT
        self.register_buffer("bones", bones, persistent=False)
        self.register_buffer("members", members.contiguous(), persistent=False)
        frames = self.num_frames
        self.node_embedding = _Embedding(in_channels * frames, d_model, self.skeleton.num_joints)
        self.bone_embedding = _Embedding(5 * frames, d_model, len(bones)) if use_bones else None
        self.hyperedge_embedding = _Embedding(4 * frames, d_model, len(members)) if use_hyperedges else None
        self.blocks = nn.ModuleList(
            NodeEdgeHyperedgeConv(
                d_model,
                self.hypergraph,
                n_heads,
                use_bones=use_bones,
                use_hyperedges=use_hyperedges,
                exchange=exchange,
                update=update,
                fusion=fusion,
                mask=mask,
                ffn_ratio=ffn_ratio,
                dynamic_hyperedges=dynamic_hyperedges,
                dropout=dropout,
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, self.out_channels)
        xavier(self.head)

    def forward(self, keypoints_2d: Tensor) -> Any:
        """Lift ``(B, J, 2)`` or ``(B, T, J, 2)`` to ``(B, J, 3)``, beside :class:`NEHSFeatures` if asked for."""
        features = self.streams(keypoints_2d)
        pose = self.head(self.norm(features.x))
        return (pose, features) if self.return_features else pose

    def forward_features(self, keypoints_2d: Tensor) -> Tensor:
        """The features ``(B, J, d_model)`` of ``(B, J, 2)`` or ``(B, T, J, 2)`` before the output layer."""
        return self.norm(self.streams(keypoints_2d).x)

    def streams(self, keypoints_2d: Tensor) -> NEHSFeatures:
        """The three streams of ``(B, J, 2)`` or ``(B, T, J, 2)`` after the last block, and the gates of all blocks."""
        clip = self.window(keypoints_2d)
        x, bone_attr, hyperedge_attr = self.node_embedding(clip), None, None
        if self.bone_embedding is not None:
            bone_attr = self.bone_embedding(_bone_features(clip[..., :2], self.bones))
        if self.hyperedge_embedding is not None:
            hyperedge_attr = self.hyperedge_embedding(_hyperedge_features(clip[..., :2], self.members))
        gates = []
        for block in self.blocks:
            x, bone_attr, hyperedge_attr, gate = block(x, bone_attr, hyperedge_attr, return_gates=True)
            gates.append(gate)
        return NEHSFeatures(x, bone_attr, hyperedge_attr, None if gates[0] is None else torch.stack(gates, dim=1))


class _Embedding(nn.Module):
    """Linear map of the features of a token, all frames joined, plus a learned position."""

    def __init__(self, in_channels: int, channels: int, num_tokens: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, channels)
        self.position = nn.Parameter(torch.empty(num_tokens, channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the map and the positions."""
        xavier(self.linear)
        nn.init.normal_(self.position, std=0.02)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(B, T, N, C_in)`` to ``(B, N, C)``."""
        return self.linear(features.permute(0, 2, 3, 1).flatten(2)) + self.position


_SMALLEST = 1e-8  # under the roots: finite gradients for a bone or hyperedge of no extent


def _bone_features(x: Tensor, bones: Tensor) -> Tensor:
    """Vector, length and midpoint of every bone, ``(..., K, 5)``."""
    parent, child = x[..., bones[:, 0], :], x[..., bones[:, 1], :]
    vector = child - parent
    length = (vector.square().sum(dim=-1, keepdim=True) + _SMALLEST).sqrt()
    return torch.cat((vector, length, (parent + child) / 2), dim=-1)


def _hyperedge_features(x: Tensor, members: Tensor) -> Tensor:
    """Mean and deviation per axis of the joints of every hyperedge, ``(..., M, 4)``."""
    share = (members / members.sum(dim=1, keepdim=True)).unsqueeze(-1)
    joints = x.unsqueeze(-3)  # sums, not products of matrices: these lose digits under autocast
    mean = (share * joints).sum(dim=-2)
    variance = (share * (joints - mean.unsqueeze(-2)).square()).sum(dim=-2)
    return torch.cat((mean, (variance + _SMALLEST).sqrt()), dim=-1)


def _hypergraph(skeleton: Skeleton, hyperedges: HyperedgeSpec | None) -> JointHypergraph:
    if hyperedges is None:
        return JointHypergraph.from_skeleton(skeleton, possible_groups(skeleton, DEFAULT_GROUPS) or "whole")
    names: list[Any] = [hyperedges] if isinstance(hyperedges, str) else list(hyperedges)
    if all(isinstance(name, str) for name in names):
        return JointHypergraph.from_skeleton(skeleton, names)
    return JointHypergraph.from_lists(skeleton.num_joints, names, skeleton=skeleton)
