"""Joints, bones and hyperedges that update one another: the block of NEHSNet as a layer."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.nn.hyper.relation_attention import Mask, RelationAttention, check_choice, xavier
from skelgraph.nn.mixer import FeedForward
from skelgraph.topology import SkeletonLike
from skelgraph.topology.hypergraph import JointHypergraph

Lift = Literal["linear", "pool"]
Fusion = Literal["gate", "mean", "concat"]


class NodeEdgeHyperedgeConv(nn.Module):
    r"""One layer on features of joints, bones and hyperedges, as in networks that refine nodes and edges together
    (`CensNet <https://www.ijcai.org/proceedings/2019/369>`_) and let joints query bones (`HDFormer
    <https://arxiv.org/abs/2302.01825>`_). It is our design of the block of :class:`~skelgraph.models.NEHSNet`, whose
    code is not published.

    With layer-normalised features :math:`\mathbf{x}, \mathbf{e}, \mathbf{y}` of joints, bones and hyperedges, bones
    take the difference of their ends and the mean of the hyperedges that hold them, hyperedges the means of their
    joints and of the bones inside them:

    .. math::
        \mathbf{E} \leftarrow \mathbf{E} + \phi(\mathbf{B}^\top \mathbf{x} \mathbf{W}_{ve} +
        \bar{\mathbf{S}} \mathbf{y} \mathbf{W}_{he} + \mathbf{b}_{ve}), \qquad
        \mathbf{Y} \leftarrow \mathbf{Y} + \phi(\bar{\mathbf{H}} \mathbf{x} \mathbf{W}_{vh} +
        \bar{\mathbf{S}}' \mathbf{e} \mathbf{W}_{eh} + \mathbf{b}_{vh})

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
        use_edge: Have bones; without them ``e`` is ``None``.
        use_hyperedge: Have hyperedges; without them ``y`` is ``None``.
        exchange: Send messages between bones and hyperedges.
        lift: ``"linear"`` as above; ``"pool"`` adds the sums of the messages as they are, without maps and activation.
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
        - input: ``x (..., J, C)``, ``e (..., K, C)`` for the bones in the order of ``skeleton.edges``, ``y (..., M,
          C)``; or all flattened as in a PyG batch, ``(B * J, C)`` and so on
        - output: ``(x, e, y)`` of the same shapes; with ``return_gates`` also the gates ``(..., J, S)`` of the streams
          in the order joints, bones, hyperedges (``None`` where nothing is gated)

    Raises:
        SkelgraphError: If an option has an unknown value, the heads do not divide the channels, or the hypergraph has
            no skeleton.
        ValueError: If an input is missing or has another shape.

    Initialisation: Xavier-uniform weights, zero biases, zero gate: all streams weigh the same.

    Without messages between bones and hyperedges nothing reads their first normalisation; it is kept, so that the
    options change the number of parameters as published for this design, and gets zero gradients.

    Example:
        >>> layer = NodeEdgeHyperedgeConv(24, "h36m17")
        >>> x, e, y = layer(torch.randn(4, 17, 24), torch.randn(4, 16, 24), torch.randn(4, 15, 24))
        >>> x.shape, e.shape, y.shape
        (torch.Size([4, 17, 24]), torch.Size([4, 16, 24]), torch.Size([4, 15, 24]))
    """

    def __init__(
        self,
        channels: int,
        hypergraph: JointHypergraph | SkeletonLike,
        heads: int = 6,
        *,
        use_edge: bool = True,
        use_hyperedge: bool = True,
        exchange: bool = True,
        lift: Lift = "linear",
        fusion: Fusion = "gate",
        mask: Mask = "soft",
        ffn_ratio: float = 2.0,
        dynamic_hyperedges: int = 0,
        temperature: float = 1.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_choice("lift", lift, ("linear", "pool"))
        check_choice("fusion", fusion, ("gate", "mean", "concat"))
        if dynamic_hyperedges < 0 or (dynamic_hyperedges and not use_hyperedge):
            raise SkelgraphError(
                f"dynamic_hyperedges is {dynamic_hyperedges}; expected 0 or more, and 0 without use_hyperedge"
            )
        if round(ffn_ratio * channels) < 1 or temperature <= 0:
            raise SkelgraphError(f"ffn_ratio is {ffn_ratio} and temperature {temperature}; expected positive numbers")
        if not isinstance(hypergraph, JointHypergraph):
            hypergraph = JointHypergraph.from_skeleton(hypergraph)
        self.channels = channels
        self.exchange = exchange and use_edge and use_hyperedge
        self.temperature = temperature
        self.sizes = {
            "x": hypergraph.num_nodes,
            "e": hypergraph.bone_incidence().size(1) if use_edge else None,
            "y": hypergraph.num_hyperedges if use_hyperedge else None,
        }
        bones, members = hypergraph.bone_incidence(), hypergraph.incidence.cpu()
        inside = hypergraph.bones_in_hyperedges() if self.exchange else None

        def stream(from_joints: _Gather, others: Tensor | None, distance: Tensor) -> _Stream:
            from_others = None if others is None else _Gather(others, mean=True)
            attention = RelationAttention(channels, channels, distance, heads, mask=mask, dropout=dropout)
            return _Stream(channels, from_joints, from_others, attention, lift, dropout)

        self.node_norm = nn.LayerNorm(channels)
        node_mask: Mask = "soft" if mask == "hard" else mask
        self.node_attention = RelationAttention(
            channels, channels, hypergraph.hop_distance(), heads, mask=node_mask, dropout=dropout
        )
        self.edge = stream(_Gather(bones.mT), inside, hypergraph.bone_hops()) if use_edge else None
        self.hyperedge = None
        if use_hyperedge:
            means = _Gather(members.mT, mean=True)
            self.hyperedge = stream(means, None if inside is None else inside.mT, hypergraph.hyperedge_hops())
        self.assign = nn.Linear(channels, dynamic_hyperedges, bias=False) if dynamic_hyperedges else None

        num_streams = 1 + use_edge + use_hyperedge
        self.gate = nn.Linear(num_streams * channels, num_streams) if num_streams > 1 and fusion == "gate" else None
        self.concat = fusion == "concat"
        joined = num_streams * channels if self.concat else channels
        self.fuse = nn.Linear(joined, channels) if num_streams > 1 else None
        self.ffn_norm = nn.LayerNorm(channels)
        self.ffn = FeedForward(channels, round(ffn_ratio * channels), dropout)
        self.dropout = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        self.node_norm.reset_parameters()
        self.node_attention.reset_parameters()
        for stream in (self.edge, self.hyperedge):
            if stream is not None:
                stream.reset_parameters()
        for linear in (self.assign, self.gate, self.fuse, self.ffn.linear1, self.ffn.linear2):
            if linear is not None:
                xavier(linear)
        if self.gate is not None:
            nn.init.zeros_(self.gate.weight)
        self.ffn_norm.reset_parameters()

    def forward(
        self, x: Tensor, e: Tensor | None = None, y: Tensor | None = None, return_gates: bool = False
    ) -> tuple[Tensor | None, ...]:
        """Map ``x (..., J, C)``, ``e (..., K, C)`` and ``y (..., M, C)`` to the same shapes."""
        self._check(x=x, e=e, y=y)
        if x.dim() == 2:
            batch = (x.size(0) // self.sizes["x"], -1)
            inputs = (value if value is None else value.unflatten(0, batch) for value in (x, e, y))
            outputs = self._forward(*inputs)
            outputs = tuple(value if value is None else value.flatten(0, 1) for value in outputs)
        else:
            outputs = self._forward(x, e, y)
        return outputs if return_gates else outputs[:3]

    def _forward(self, x: Tensor, e: Tensor | None, y: Tensor | None) -> tuple[Tensor | None, ...]:
        node = self.node_norm(x)
        messages = [self.node_attention(node, node)]
        edge = None if self.edge is None else self.edge.norm(e)
        hyperedge = None if self.hyperedge is None else self.hyperedge.norm(y)
        if self.edge is not None:
            e = self.edge.update(e, node, hyperedge)
            messages.append(self.edge.read(e, node))
        if self.hyperedge is not None:
            y = self.hyperedge.update(y, node, edge)
            messages.append(self.hyperedge.read(y, node, self.dynamic_tokens(node)))
        message, gates = self._fuse(messages)
        x = x + self.dropout(message)
        x = x + self.ffn(self.ffn_norm(x))
        return x, e, y, gates

    def dynamic_tokens(self, node: Tensor) -> Tensor | None:
        """The features ``(..., R, C)`` of the dynamic hyperedges of ``(..., J, C)``, ``None`` if there are none."""
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
            return self.fuse(sum(messages) / len(messages)), None
        gates = self.gate(joined).softmax(dim=-1)
        return self.fuse(sum(g * u for g, u in zip(gates.split(1, dim=-1), messages, strict=True))), gates

    def _check(self, **inputs: Tensor | None) -> None:
        for name, value in inputs.items():
            rows = self.sizes[name]
            if rows is None or value is None:
                ...

    def extra_repr(self) -> str:
        """Channels."""
        return f"{self.channels}"
