"""Graph convolutions that differ in what shares a weight: all edges, those of a joint, or none."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.nn.conditional_adjacency import ConditionalAdjacency, ExpertMode
from skelgraph.nn.conv.skeleton_conv import SkeletonConv
from skelgraph.nn.edges import LearnOn, Partition, graph_edges, is_neighbour, one_partition
from skelgraph.nn.features import accepts_flat_batch
from skelgraph.ops import EdgePattern, SparseAdjacency, graph_conv
from skelgraph.ops.graph_conv import Order
from skelgraph.options import Amount, Channels, Rate
from skelgraph.topology import GraphLike


def _self_upper_lower(receiver: Tensor, sender: Tensor) -> Tensor:
    return (sender > receiver).long() + 2 * (sender < receiver)


def _by_sender(receiver: Tensor, sender: Tensor) -> Tensor:
    return sender + torch.zeros_like(receiver)


class _Rule(NamedTuple):
    """How the edges are split (``None``: into as many as there are joints), and whose the weights are: of all joints,
    the sender or the receiver."""

    num_parts: int | None
    part: Partition
    owner: Literal["all", "sender", "receiver"]


Sharing = Literal["vanilla", "dc_vanilla", "preagg", "dc_preagg", "postagg", "dc_postagg", "convst", "nosharing"]
SHARING: dict[Sharing, _Rule] = {
    "vanilla": _Rule(1, one_partition, "all"),
    "dc_vanilla": _Rule(2, is_neighbour, "all"),
    "preagg": _Rule(1, one_partition, "sender"),
    "dc_preagg": _Rule(2, is_neighbour, "sender"),
    "postagg": _Rule(1, one_partition, "receiver"),
    "dc_postagg": _Rule(2, is_neighbour, "receiver"),
    "convst": _Rule(3, _self_upper_lower, "all"),
    "nosharing": _Rule(None, _by_sender, "receiver"),
}
_ORDER: dict[str, Order] = {"all": "auto", "sender": "transform", "receiver": "aggregate"}


class WeightSharingConv(SkeletonConv):
    r"""Graph convolutions of `"A Comprehensive Study of Weight Sharing in Graph Networks for 3D Human Pose Estimation"
    <https://www.ecva.net/papers/eccv_2020/papers_ECCV/papers/123550324.pdf>`_ (ECCV 2020), from one weight for all
    edges to one for each.

    .. math::
        \mathbf{y}_i = \sum_j q_{ij} \, \mathbf{x}_j \mathbf{W}_{ij} + \mathbf{b}

    =================  ================================================================  =======================
    ``sharing``        :math:`\mathbf{W}_{ij}` is                                        shape of ``weight``
    =================  ================================================================  =======================
    ``"vanilla"``      one matrix (full sharing)                                         ``(1, C_in, C_out)``
    ``"preagg"``       the sender's (pre-aggregation)                                    ``(1, J, C_in, C_out)``
    ``"postagg"``      the receiver's (post-aggregation)                                 ``(1, J, C_in, C_out)``
    ``"dc_..."``       as the above, with another one for :math:`i = j` (decoupled)      2 in place of 1
    ``"convst"``       one each for :math:`j = i`, :math:`j > i`, :math:`j < i`          ``(3, C_in, C_out)``
    ``"nosharing"``    its own; that of :math:`j` to :math:`i` is ``weight[j, i]``       ``(J, J, C_in, C_out)``
    =================  ================================================================  =======================

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output.
        skeleton: Skeleton, layout name or :class:`~skelgraph.topology.Graph`.
        sharing: A name of the table.
        bias: Add a learned bias per channel.
        adjacency: The matrix ``(J, J)`` of :math:`q_{ij}`; by default the row-normalised bones with self
            loops, of a graph its row-normalised edges as they are.
        num_experts: If positive, the matrix depends on the pose: see :class:`~skelgraph.nn.ConditionalAdjacency`, also
            for the following arguments.
        expert_mode: How the experts act on the adjacency.
        symmetric: Symmetrise the matrix of every pose; without experts it stays as it is.
        routing_dropout: Dropout rate at the gate of the experts.
        learn_on: What ``"nosharing"`` has a weight for, and every expert a number. ``"pairs"``: every pair of joints,
            as released. ``"edges"``: every edge, and 0 for the other pairs; the number of parameters grows with the
            edges, for large graphs. Other kinds of sharing without experts are the same with both.
        dense: How the layer computes: ``True``: dense matrices, ``False``: edge lists (needs ``learn_on="edges"``),
            ``None``: dense for pairs, for edges up to 2**17 entries. Parameters and answers are the same.
            Without experts, the other kinds of sharing learn the same on both.

    Calls take PyG's ``edge_index`` ``(2, E)`` in place of the bound graph, for batches ``x (N, C_in)`` of different
    graphs (and, with leading dimensions, for one large graph): with ``"vanilla"``, ``"dc_vanilla"`` and ``"convst"``,
    whose weights belong to no joint. :math:`q_{ij}` is the row-normalised ``edge_weight``, 1 by default; self loops are
    edges like others (``torch_geometric.utils.add_self_loops``), and a node without edges receives the bias alone.

    Shapes:
        - input: ``(..., J, C_in)`` or ``(B * J, C_in)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``
        - ``bias`` ``(C_out)``; with experts ``conditional.experts`` ``(num_experts, J, J)`` and ``conditional.routing``
        - learned on edges, ``weight`` of ``"nosharing"`` is ``(E, C_in, C_out)`` and ``conditional.experts``
          ``(num_experts, E)``, for the edges row by row: the non-zero entries of the adjacency and, with experts, the
          self loops and, if ``symmetric``, the reverse of all

    Raises:
        SkelgraphError: If the input is not on this skeleton or has other channels, ``sharing`` or ``expert_mode`` is
            unknown, or the adjacency has another shape.

    Initialisation: ``weight`` Xavier-uniform over the whole tensor with gain 1.414; bias uniform within ``1 /
    sqrt(weight.size(2))``.

    Code and paper: ``"nosharing"`` takes the adjacency transposed, as released (``adjacency=A.T`` undoes it).
    ``"convst"`` follows the joint numbering, as released; on bones alone it is towards and away from the root wherever
    parents come before their children. The released ``"postagg"`` cannot run; this is what its equation says. The
    released ``"preagg"`` ignores its experts: for its weights set ``num_experts=0``.

    Example:
        >>> conv = WeightSharingConv(2, 8, "h36m17", sharing="dc_preagg", num_experts=4)
        >>> conv(torch.randn(4, 17, 2)).shape
        torch.Size([4, 17, 8])
    """

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        skeleton: GraphLike,
        sharing: Sharing = "dc_preagg",
        bias: bool = True,
        adjacency: Tensor | None = None,
        num_experts: Amount = 0,
        expert_mode: ExpertMode = "add",
        symmetric: bool = True,
        routing_dropout: Rate = 0.2,
        learn_on: LearnOn = "pairs",
        dense: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        self.sharing = sharing
        rule, num_joints = SHARING[sharing], self.skeleton.num_joints
        num_parts = rule.num_parts or num_joints
        learned_on = learn_on if num_experts or sharing == "nosharing" else "edges"
        self.dense = self.choose_dense(num_parts + num_experts, dense, learned_on)
        self.order = _ORDER[rule.owner]
        edges = graph_edges(self.skeleton, adjacency)
        if sharing == "nosharing":
            edges = edges.transposed()
        if num_experts and learned_on == "edges":
            edges = edges.closed(symmetric)
        part, as_matrices = rule.part, self.dense
        self.own_senders: EdgePattern | None = None
        if sharing == "nosharing" and learned_on == "edges":
            self.own_senders = own_senders(edges.receiver, num_joints, self.dense)
            part, num_parts, as_matrices = one_partition, 1, False  # that is what the weights of the edges are for
            weight = torch.empty(len(edges.values), in_channels, out_channels)
        else:
            weight = _empty_weight(rule.owner, num_parts, num_joints, in_channels, out_channels)
        self.conditional: ConditionalAdjacency | None = None
        if num_experts:
            fixed, partition = edges.learned(part, num_parts, learned_on, as_matrices, symmetric)
            self.conditional = ConditionalAdjacency(
                in_channels, fixed, partition, num_experts, expert_mode, symmetric, dropout=routing_dropout
            )
        else:
            self.register_adjacency(edges.pattern(part, num_parts, as_matrices), edges.values)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def forward(self, x: Tensor, edge_index: Tensor | None = None, edge_weight: Tensor | None = None) -> Tensor:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``, on the bound graph or that of ``edge_index``."""
        if edge_index is None:
            return self._on_own_graph(x)
        rule = SHARING[self.sharing]
        if rule.owner != "all" or self.conditional is not None:
            raise SkelgraphError(f"{self} has weights of single joints or experts, which belong to its own graph")
        receiver, sender, values, num_nodes = self.edges_of_call(x, edge_index, edge_weight)
        index = torch.stack([rule.part(receiver, sender), receiver, sender])
        adjacency = SparseAdjacency(index, values, (self.weight.size(0), num_nodes, num_nodes))
        return graph_conv(x, self.weight, adjacency, bias=self.bias)

    @accepts_flat_batch
    def _on_own_graph(self, x: Tensor) -> Tensor:
        adjacency: Any = self.fixed_adjacency() if self.conditional is None else self.conditional(x)
        if self.own_senders is None:
            return graph_conv(x, self.weight, adjacency, bias=self.bias, order=self.order)
        # every edge has a weight of its own: a copy of its sender is a sender of its own, with that weight
        x = x.index_select(-2, adjacency.index[2])
        adjacency = self.own_senders(adjacency.values, adjacency.per_sample)
        return graph_conv(x, self.weight.unsqueeze(0), adjacency, bias=self.bias, order="transform")

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{super().extra_repr()}, sharing={self.sharing}"


def _empty_weight(owner: str, parts: int, num_joints: int, in_channels: int, out_channels: int) -> Tensor:
    """Weights ``(K, [J,] C_in, C_out)``; those per joint lie in memory in the order in which the product reads them, so
    that no forward pass copies these large tensors."""
    if owner == "all":
        return torch.empty(parts, in_channels, out_channels)
    if owner == "sender":
        return torch.empty(num_joints, in_channels, parts, out_channels).movedim(2, 0)
    return torch.empty(num_joints, parts, in_channels, out_channels).transpose(0, 1)


def own_senders(receiver: Tensor, num_nodes: int, dense: bool) -> EdgePattern:
    """The edges to these receivers, each from a sender of its own."""
    num_edges = len(receiver)
    index = torch.stack([torch.zeros_like(receiver), receiver, torch.arange(num_edges, device=receiver.device)])
    return EdgePattern(index, (1, num_nodes, num_edges), dense)
