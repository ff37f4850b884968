"""Joints, bones and hyperedges that update one another: the block of NEHSNet as a layer."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.fixed import FixedBuffers
from skelgraph.nn.dropout import Dropout
from skelgraph.nn.features import check_batch, check_features, check_flags
from skelgraph.nn.hyper.relation_attention import Mask, RelationAttention
from skelgraph.nn.init import xavier
from skelgraph.nn.mixer import FeedForward
from skelgraph.options import Amount, Channels, CheckedOptions, Count, Positive, Rate
from skelgraph.topology import HypergraphLike, as_hypergraph

Update = Literal["linear", "pool"]
Fusion = Literal["gate", "mean", "concat"]


class NodeEdgeHyperedgeConv(CheckedOptions, nn.Module):
    r"""One layer on features of joints, bones and hyperedges, as in networks that refine nodes and edges together
    (`CensNet <https://www.ijcai.org/proceedings/2019/369>`_) and let joints query bones (`HDFormer
    <https://arxiv.org/abs/2302.01825>`_). It is our design of the block of :class:`~skelgraph.models.NEHSNet`, whose
    code is not published.

    With layer-normalised features :math:`\mathbf{x}, \mathbf{z}, \mathbf{y}` of joints, bones and hyperedges, bones
    take the difference of their ends and the mean of the hyperedges that hold them, hyperedges the means of their
    joints and of the bones inside them:

    .. math::
        \mathbf{Z} \leftarrow \mathbf{Z} + \phi(\mathbf{B}^\top \mathbf{x} \mathbf{W}_{ve} +
        \bar{\mathbf{S}} \mathbf{y} \mathbf{W}_{he} + \mathbf{b}_{ve}), \qquad
        \mathbf{Y} \leftarrow \mathbf{Y} + \phi(\bar{\mathbf{H}} \mathbf{x} \mathbf{W}_{vh} +
        \bar{\mathbf{S}}' \mathbf{z} \mathbf{W}_{eh} + \mathbf{b}_{vh})

    Joints then attend to joints, bones and hyperedges (:class:`RelationAttention`), weigh the three messages by a
    learned gate, and go through a perceptron:

    .. math::
        \mathbf{X} \leftarrow \mathbf{X} + \Big( \sum_s g_s \mathbf{u}_s \Big) \mathbf{W}_f + \mathbf{b}_f, \quad
        \mathbf{g} = \mathrm{softmax}([\mathbf{u}_V, \mathbf{u}_E, \mathbf{u}_H] \mathbf{W}_g + \mathbf{b}_g); \qquad
        \mathbf{X} \leftarrow \mathbf{X} + \mathrm{MLP}(\mathrm{LN}(\mathbf{X}))

    Args:
        channels: Channels of joints, bones and hyperedges.
        hypergraph: A hypergraph that has a skeleton (its weights are not used), or a skeleton or layout name for the
            default groups of :meth:`~skelgraph.topology.JointHypergraph.from_skeleton`.
        heads: Heads of each attention.
        use_bones: Have bones; without them ``bone_attr`` is ``None``.
        use_hyperedges: Have hyperedges; without them ``hyperedge_attr`` is ``None``.
        exchange: Send messages between bones and hyperedges.
        update: ``"linear"`` as above; ``"pool"`` adds the sums of the messages as they are, without maps and
            activation.
        fusion: ``"gate"`` as above; ``"mean"``: equal weights; ``"concat"``: one map of the concatenated messages. With
            joints alone there is nothing to fuse, and no :math:`\mathbf{W}_f`.
        mask: How joints see bones and hyperedges, see :class:`RelationAttention`; with ``"hard"`` joints still see each
            other softly.
        ffn_ratio: Hidden width of the perceptron relative to ``channels``.
        dynamic_hyperedges: Number of further hyperedges, whose soft memberships are learned from the features of the
            joints: softmax over the hyperedges of a linear map. Joints see their means without a bias.
        temperature: Of that softmax.
        dropout: Dropout rate of updates, attention weights, fused messages and the perceptron.

    Shapes:
        - input: ``x (..., J, C)``, ``bone_attr (..., K, C)`` for the bones in the order of ``skeleton.edges``,
          ``hyperedge_attr (..., M, C)``; or all flattened as in a PyG batch, ``(B * J, C)`` and so on
        - output: ``(x, bone_attr, hyperedge_attr)`` of the same shapes; with ``return_gates`` also the gates ``(..., J,
          S)`` of the streams in the order joints, bones, hyperedges (``None`` where nothing is gated)

    Raises:
        SkelgraphError: If an option has an unknown value, the heads do not divide the channels, or the hypergraph has
            no skeleton.
        SkelgraphError: If an input is missing or has another shape.

    Initialisation: Xavier-uniform weights, zero biases, zero gate: all streams weigh the same.

    Without messages between bones and hyperedges nothing reads their first normalisation; it is kept, so that the
    options change the number of parameters as published for this design, and gets zero gradients.

    Example:
        >>> layer = NodeEdgeHyperedgeConv(24, "h36m17")
        >>> x, bones, hyperedges = layer(torch.randn(4, 17, 24), torch.randn(4, 16, 24), torch.randn(4, 15, 24))
        >>> x.shape, bones.shape, hyperedges.shape
        (torch.Size([4, 17, 24]), torch.Size([4, 16, 24]), torch.Size([4, 15, 24]))
    """

    def __init__(
        self,
        channels: Channels,
        hypergraph: HypergraphLike,
        heads: Count = 6,
        *,
        use_bones: bool = True,
        use_hyperedges: bool = True,
        exchange: bool = True,
        update: Update = "linear",
        fusion: Fusion = "gate",
        mask: Mask = "soft",
        ffn_ratio: Positive = 2.0,
        dynamic_hyperedges: Amount = 0,
        temperature: Positive = 1.0,
        dropout: Rate = 0.0,
    ) -> None:
        super().__init__()
        if dynamic_hyperedges and not use_hyperedges:
            raise SkelgraphError(f"dynamic_hyperedges is {dynamic_hyperedges}; expected 0 without use_hyperedges")
        hypergraph = as_hypergraph(hypergraph)
        self.channels = channels
        self.temperature = temperature
        bones, members = hypergraph.bone_incidence(), hypergraph.incidence
        inside = hypergraph.bones_in_hyperedges() if exchange and use_bones and use_hyperedges else None

        def attention(distance: Tensor, mask: Mask = mask) -> RelationAttention:
            return RelationAttention(channels, channels, distance, heads, mask=mask, dropout=dropout)

        self.node_norm = nn.LayerNorm(channels)
        self.node_attention = attention(hypergraph.hop_distance(), "soft" if mask == "hard" else mask)
        self.bone = self.hyperedge = None
        if use_bones:
            others = None if inside is None else _Gather(inside, mean=True)
            self.bone = _Stream(_Gather(bones.mT), others, attention(hypergraph.bone_hops()), update, dropout)
        if use_hyperedges:
            others = None if inside is None else _Gather(inside.mT, mean=True)
            means = _Gather(members.mT, mean=True)
            self.hyperedge = _Stream(means, others, attention(hypergraph.hyperedge_hops()), update, dropout)
        self.assign = nn.Linear(channels, dynamic_hyperedges, bias=False) if dynamic_hyperedges else None

        num_streams = 1 + use_bones + use_hyperedges
        self.gate = nn.Linear(num_streams * channels, num_streams) if num_streams > 1 and fusion == "gate" else None
        self.concat = fusion == "concat"
        joined = num_streams * channels if self.concat else channels
        self.fuse = nn.Linear(joined, channels) if num_streams > 1 else None
        self.ffn_norm = nn.LayerNorm(channels)
        self.ffn = FeedForward(channels, round(ffn_ratio * channels), dropout)
        self.dropout = Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        self.node_norm.reset_parameters()
        self.node_attention.reset_parameters()
        for stream in (self.bone, self.hyperedge):
            if stream is not None:
                stream.reset_parameters()
        for linear in (self.assign, self.gate, self.fuse, self.ffn.linear1, self.ffn.linear2):
            if linear is not None:
                xavier(linear)
        if self.gate is not None:
            nn.init.zeros_(self.gate.weight)
        self.ffn_norm.reset_parameters()

    def forward(
        self,
        x: Tensor,
        bone_attr: Tensor | None = None,
        hyperedge_attr: Tensor | None = None,
        return_gates: bool = False,
    ) -> tuple[Tensor | None, ...]:
        """Map ``x (..., J, C)``, ``bone_attr (..., K, C)`` and ``hyperedge_attr (..., M, C)`` to the same shapes."""
        check_flags(return_gates=return_gates)
        num_joints = self.node_attention.num_joints
        self._check("x", x, num_joints)
        num_bones = None if self.bone is None else self.bone.attention.num_tokens
        self._check("bone_attr", bone_attr, num_bones)
        num_hyperedges = None if self.hyperedge is None else self.hyperedge.attention.num_tokens
        self._check("hyperedge_attr", hyperedge_attr, num_hyperedges)
        if bone_attr is not None and num_bones is not None:
            check_batch(self, x, num_joints, bone_attr, num_bones, "bones", exact=True)
        if hyperedge_attr is not None and num_hyperedges is not None:
            check_batch(self, x, num_joints, hyperedge_attr, num_hyperedges, "hyperedges", exact=True)
        if x.dim() == 2:
            streams = ((x, num_joints), (bone_attr, num_bones), (hyperedge_attr, num_hyperedges))
            poses = (value if value is None else value.unflatten(0, (-1, count)) for value, count in streams)
            rows = self(*poses, return_gates=return_gates)
            return tuple(value if value is None else value.flatten(0, 1) for value in rows)

        node = self.node_norm(x)
        messages = [self.node_attention(node, node)]
        bone = None if self.bone is None else self.bone.norm(bone_attr)  # both are read before either is updated
        hyperedge = None if self.hyperedge is None else self.hyperedge.norm(hyperedge_attr)
        if self.bone is not None and bone_attr is not None:
            bone_attr = self.bone.update(bone_attr, node, hyperedge)
            messages.append(self.bone.read(bone_attr, node))
        if self.hyperedge is not None and hyperedge_attr is not None:
            hyperedge_attr = self.hyperedge.update(hyperedge_attr, node, bone)
            messages.append(self.hyperedge.read(hyperedge_attr, node, self.dynamic_tokens(node)))
        message, gates = self._fuse(messages)
        x = x + self.dropout(message)
        x = x + self.ffn(self.ffn_norm(x))
        return (x, bone_attr, hyperedge_attr, gates) if return_gates else (x, bone_attr, hyperedge_attr)

    def dynamic_tokens(self, node: Tensor) -> Tensor | None:
        """The features ``(..., R, C)`` of the dynamic hyperedges of ``(..., J, C)``; ``None`` if there are none."""
        if self.assign is None:
            return None
        membership = (self.assign(node) / self.temperature).softmax(dim=-1)
        return membership.mT @ node / membership.sum(dim=-2).unsqueeze(-1).clamp_min(1e-12)

    def _fuse(self, messages: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        if self.fuse is None:
            return messages[0], None
        joined = torch.cat(messages, dim=-1)
        if self.concat:
            return self.fuse(joined), None
        if self.gate is None:
            return self.fuse(torch.stack(messages).mean(dim=0)), None
        gates = self.gate(joined).softmax(dim=-1)
        weighted = [g * u for g, u in zip(gates.split(1, dim=-1), messages, strict=True)]
        return self.fuse(sum(weighted[1:], weighted[0])), gates

    def _check(self, name: str, value: Tensor | None, count: int | None) -> None:
        if value is None or count is None:
            if (value is None) != (count is None):
                state = "missing" if value is None else "given, but the layer has no such stream"
                raise SkelgraphError(f"NodeEdgeHyperedgeConv: {name} is {state}")
            return
        check_features(self, value, self.channels, count, name, flat=True)

    def extra_repr(self) -> str:
        """Channels."""
        return f"{self.channels}"


class _Stream(nn.Module):
    """Bones or hyperedges: how their features are updated, and how joints read them.

    Args:
        from_joints: Their messages from the joints.
        from_others: Their messages from the hyperedges or bones, if they take any.
        attention: Of the joints to them.
        update: As in :class:`NodeEdgeHyperedgeConv`.
        dropout: Dropout rate of the update.
    """

    def __init__(
        self,
        from_joints: _Gather,
        from_others: _Gather | None,
        attention: RelationAttention,
        update: Update,
        dropout: float,
    ) -> None:
        super().__init__()
        channels = attention.in_channels
        self.from_joints = from_joints
        self.from_others = from_others
        self.norm = nn.LayerNorm(channels)
        num_messages = 1 if from_others is None else 2
        self.map = nn.Linear(num_messages * channels, channels) if update == "linear" else None
        self.token_norm = nn.LayerNorm(channels)
        self.attention = attention
        self.dropout = Dropout(dropout)

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        for part in (self.norm, self.token_norm, self.attention):
            part.reset_parameters()
        if self.map is not None:
            xavier(self.map, columns=self.map.out_features)

    def update(self, state: Tensor, node: Tensor, other: Tensor | None) -> Tensor:
        """The new features ``(..., T, C)`` from those of joints and of hyperedges or bones, all normalised."""
        messages = [self.from_joints(node)]
        if self.from_others is not None:
            messages.append(self.from_others(other))
        else:  # nothing reads ``norm``: keep it in the graph, or distributed training waits for its gradient
            state = state + 0 * sum(parameter.sum() for parameter in self.norm.parameters())
        if self.map is None:
            return state + self.dropout(sum(messages[1:], messages[0]))
        return state + self.dropout(nn.functional.gelu(self.map(torch.cat(messages, dim=-1))))

    def read(self, state: Tensor, node: Tensor, extra: Tensor | None = None) -> Tensor:
        """What joints ``(..., J, C)`` take from ``(..., T, C)``."""
        return self.attention(node, self.token_norm(state), extra)


class _Gather(FixedBuffers):
    """Sums along the rows of a fixed matrix of whole numbers, or means; an empty row gives zeros.

    The matrix is normalised in use: whole numbers are exact in float32, their means exact in the precision at hand.
    """

    matrix: Tensor
    counts: Tensor | None

    def __init__(self, matrix: Tensor, mean: bool = False) -> None:
        super().__init__()
        counts = matrix.sum(dim=1, keepdim=True).clamp(min=1) if mean else None
        self.register_buffer("matrix", matrix.contiguous(), persistent=False)
        self.register_buffer("counts", counts, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., S, C)`` to ``(..., T, C)``."""
        return (self.matrix if self.counts is None else self.matrix / self.counts) @ x
