"""How the adjacency of a graph layer is made: its edges and their partitions, and weights learned on them.

A layer hands what these modules return to :func:`~skelgraph.ops.graph_conv` and need not know whether it is matrices or
edge lists: that is a property of the :class:`~skelgraph.ops.EdgePattern`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from skelgraph.errors import TopologyError
from skelgraph.fixed import FixedBuffers, on_cpu
from skelgraph.ops import Adjacency, EdgePattern, SparseAdjacency
from skelgraph.ops.sparse import edge_places
from skelgraph.options import Channels, CheckedOptions
from skelgraph.topology import Graph, Skeleton

MASKED = -9e15
"""Logit of an absent edge: exactly 0 after the softmax, while a row without any edge becomes uniform, not NaN."""

LearnOn = Literal["pairs", "edges"]
"""What an adjacency is learned on: a number for every pair of nodes (matrices), or one for every edge."""


class SoftmaxAdjacency(CheckedOptions, FixedBuffers):
    r"""Row-softmax over one learned logit per edge, :math:`S_{ij} = \mathrm{softmax}_j(e_{ij})` on fixed edges.

    Args:
        pattern: The edges. Or a mask ``(..., I, J)``, boolean or numeric, non-zero where an edge carries node ``j`` to
            node ``i``.
        channels: Number of independent adjacencies on the same edges; by default one, without an axis for it.
        over_partitions: One softmax over the edges of a receiver in all partitions, not one in each.

    Shapes:
        - ``logits``: ``(channels or 1, E)``, in the order of the edges (of a mask row by row), 1 at the start
        - output: the matrices ``(K, [channels,] I, J)`` of the edges or the same as a
          :class:`~skelgraph.ops.SparseAdjacency`, rows without edges 0; of a mask ``([channels,] ..., I, J)``, rows
          without edges uniform
    """

    index: Tensor | None
    blank: Tensor | None
    mask: Tensor | None

    def __init__(
        self, pattern: Tensor | EdgePattern, channels: Channels | None = None, over_partitions: bool = False
    ) -> None:
        super().__init__()
        self.per_channel = channels is not None
        self.over_partitions = over_partitions
        self.edges = pattern if isinstance(pattern, EdgePattern) else None
        mask = places = None
        if isinstance(pattern, Tensor):
            self.shape = tuple(pattern.shape)
            places = (pattern != 0).flatten().nonzero().flatten()
            num_edges = places.numel()
        else:
            self.shape = (1, *pattern.size[1:]) if over_partitions else pattern.size
            num_edges = pattern.index.size(1)
            if pattern.dense:
                places = pattern.places(over_partitions)
                mask = SparseAdjacency(pattern.index, torch.ones(num_edges, device="cpu"), pattern.size).to_dense()
        blank = None if places is None else torch.full((1, torch.Size(self.shape).numel()), MASKED, device="cpu")
        self.register_buffer("index", places, persistent=False)
        self.register_buffer("blank", blank, persistent=False)
        self.register_buffer("mask", mask, persistent=False)
        self.logits = nn.Parameter(torch.empty(channels or 1, num_edges))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Give all edges of a node the same weight."""
        nn.init.ones_(self.logits)

    def forward(self) -> Adjacency:
        """The adjacency for the present logits."""
        if self.blank is None or self.index is None:
            assert self.edges is not None
            values = self.edges.softmax(self.logits, self.over_partitions)
            return self.edges(values if self.per_channel else values.squeeze(0))
        if not self.per_channel:
            logits = self.blank.scatter(1, self.index.unsqueeze(0), self.logits)
            matrices = logits.view(self.shape).softmax(dim=-1)
            return matrices if self.mask is None else matrices * self.mask
        channels = self.logits.size(0)
        logits = self.blank.expand(channels, -1).scatter(1, self.index.expand(channels, -1), self.logits)
        matrices = logits.view(channels, *self.shape).softmax(dim=-1)
        return matrices if self.mask is None else matrices.movedim(0, -3) * self.mask.unsqueeze(-3)

    def extra_repr(self) -> str:
        """Pattern size and number of edges."""
        return f"{self.shape}, edges={self.logits.size(1)}, channels={self.logits.size(0)}"


class ModulatedAdjacency(CheckedOptions, FixedBuffers):
    r"""A fixed adjacency plus one learned offset for every pair of nodes, or for every edge (affinity modulation),
    symmetrised: :math:`\hat{\mathbf{A}} = (\mathbf{Q} + \mathbf{Q}^\top) / 2`, :math:`\mathbf{Q} = \mathbf{A} +
    \mathbf{O}`.

    Args:
        adjacency: The fixed matrices ``(J, J)`` or ``(H, J, J)``; or the fixed values ``(E)`` of the edges of
            ``partition``: then :math:`\mathbf{O}` is 0 where no edge is. All digits of float64 count if the module is
            moved to float64.
        symmetric: Symmetrise; otherwise the result is :math:`\mathbf{Q}`.
        partition: Masks ``(K, J, J)`` that every matrix is split with; by default the matrices stay whole. Or the
            edges, if ``symmetric`` with the reverse of each in the same partition.

    Shapes:
        - ``offset``: as ``adjacency``, 1e-6 at the start
        - output: ``(H * K, J, J)``; of edges the same matrices or a :class:`~skelgraph.ops.SparseAdjacency`

    Raises:
        SkelgraphError: If the reverse of an edge is missing.
    """

    fixed: Tensor
    masks: Tensor | None
    reverse: Tensor | None

    def __init__(
        self, adjacency: Tensor, symmetric: bool = True, partition: Tensor | EdgePattern | None = None
    ) -> None:
        super().__init__()
        self.symmetric = symmetric
        self.edges = partition if isinstance(partition, EdgePattern) else None
        self.register_exact("fixed", adjacency)
        self.register_buffer("masks", partition if isinstance(partition, Tensor) else None, persistent=False)
        reverse = self.edges.reverse() if self.edges is not None and symmetric else None
        self.register_buffer("reverse", reverse, persistent=False)
        self.offset = nn.Parameter(torch.empty(adjacency.shape))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start next to the fixed adjacency."""
        nn.init.constant_(self.offset, 1e-6)

    def forward(self) -> Adjacency:
        """The adjacency for the present offsets."""
        learned = self.exact("fixed") + self.offset
        if self.edges is not None:
            if self.reverse is not None:
                learned = torch.lerp(learned, learned.index_select(0, self.reverse), 0.5)
            return self.edges(learned)
        if self.symmetric:
            learned = torch.lerp(learned, learned.mT, 0.5)
        matrices = learned.view(-1, *learned.shape[-2:])
        return matrices if self.masks is None else (matrices.unsqueeze(1) * self.masks).flatten(0, 1)

    def self_loops(self) -> Tensor:
        """The weights of the self loops, the diagonals ``(H * K, J)`` of the matrices."""
        adjacency = self()
        if isinstance(adjacency, SparseAdjacency):
            return adjacency.self_loops()
        return adjacency.diagonal(dim1=-2, dim2=-1)

    def extra_repr(self) -> str:
        """Shape of the matrices."""
        return f"{tuple(self.offset.shape)}" + ("" if self.symmetric else ", symmetric=False")


class AddedEdges(FixedBuffers):
    """Fixed edges that join those of another adjacency, to further senders if need be.

    Args:
        index: Partition, receiver and sender of the edges to add, ``(3, E)``.
        values: Their values ``(E)``.
        size: Number of partitions, receivers and senders of the result; it may have more senders.
        edges: The edges of the other adjacency, by default all pairs.

    Shapes:
        - input: matrices ``(K, [C_out,] I, J)`` or the same as a :class:`~skelgraph.ops.SparseAdjacency`
        - output: the same with the senders of ``size``
    """

    def __init__(
        self, index: Tensor, values: Tensor, size: tuple[int, int, int], edges: EdgePattern | None = None
    ) -> None:
        super().__init__()
        self.joined: EdgePattern | None = None
        if edges is None or edges.dense:
            added = SparseAdjacency(index, values, size).to_dense()
            self.num_new = size[2] - size[1]
        else:
            old, keys = edge_places(edges.index, size), edge_places(index, size)
            is_new = torch.isin(keys, old, invert=True)
            joined = torch.cat([edges.index, index[:, is_new]], dim=1)
            self.joined, self.num_new = EdgePattern(joined, size), int(is_new.sum())
            order = edge_places(joined, size).argsort()
            place = order[torch.searchsorted(edge_places(joined, size)[order], keys)]
            added = values.new_zeros(joined.size(1)).index_add(0, place, values)
        self.register_exact("added", added)

    def forward(self, adjacency: Adjacency) -> Adjacency:
        """Add the edges."""
        added = self.exact("added")
        if isinstance(adjacency, SparseAdjacency):
            assert self.joined is not None
            return self.joined(nn.functional.pad(adjacency.values, (0, self.num_new)) + added)
        if self.num_new:
            adjacency = nn.functional.pad(adjacency, (0, self.num_new))
        return adjacency + (added if adjacency.dim() == 3 else added.unsqueeze(-3))


Partition = Callable[[Tensor, Tensor], Tensor]
"""The partition of every edge, by its receiver and its sender."""


def one_partition(receiver: Tensor, sender: Tensor) -> Tensor:
    """All edges in one partition."""
    return torch.zeros_like(receiver + sender)


def is_neighbour(receiver: Tensor, sender: Tensor) -> Tensor:
    """Two partitions: 0 for self loops, 1 for edges between neighbours."""
    return (receiver != sender).long()


@on_cpu
def partition_masks(part: Partition, num_parts: int, num_joints: int) -> Tensor:
    """A partition of all pairs of nodes as masks ``(K, J, J)``."""
    nodes = torch.arange(num_joints)
    parts = part(nodes[:, None], nodes)
    return torch.stack([parts == k for k in range(num_parts)]).to(torch.get_default_dtype())


def self_and_neighbours(num_joints: int) -> Tensor:
    """Masks ``(2, J, J)`` that split an adjacency into its diagonal (self) and the rest (neighbours)."""
    return partition_masks(is_neighbour, 2, num_joints)


class Edges(NamedTuple):
    """The edges of one graph while a layer is built, row by row.

    Shapes:
        Receivers, senders and values, each ``(E)``.
    """

    receiver: Tensor
    sender: Tensor
    values: Tensor

    @classmethod
    def of_matrix(cls, matrix: Tensor) -> Edges:
        """The non-zero entries of a matrix, dense or sparse."""
        matrix = matrix.to_sparse_coo().coalesce()
        present = matrix.values() != 0
        receiver, sender = matrix.indices()[:, present]
        return cls(receiver, sender, matrix.values()[present])

    def to_matrix(self, num_nodes: int) -> Tensor:
        """The matrix ``(J, J)``."""
        index = torch.stack([torch.zeros_like(self.receiver), self.receiver, self.sender])
        return SparseAdjacency(index, self.values, (1, num_nodes, num_nodes)).to_dense().squeeze(0)

    def transposed(self, num_nodes: int) -> Edges:
        """The edges the other way, row by row."""
        order = (self.sender * num_nodes + self.receiver).argsort()
        return Edges(self.sender[order], self.receiver[order], self.values[order])

    @on_cpu
    def closed(self, num_nodes: int, symmetric: bool) -> Edges:
        """The edges on which an adjacency is learned: these, all self loops and, to symmetrise, the reverse of every
        edge; the values of those that are new are 0."""
        loops = torch.arange(num_nodes)
        reverse = (self.sender, self.receiver) if symmetric else (loops[:0], loops[:0])
        receiver = torch.cat([self.receiver, reverse[0], loops])
        sender = torch.cat([self.sender, reverse[1], loops])
        keys, place = torch.unique(receiver * num_nodes + sender, return_inverse=True)
        values = self.values.new_zeros(len(keys)).index_add(0, place[: len(self.values)], self.values)
        return Edges(keys // num_nodes, keys % num_nodes, values)

    def with_identity(self, num_nodes: int) -> Edges:
        """The edges of the matrix plus the identity."""
        edges = self.closed(num_nodes, symmetric=False)
        return edges._replace(values=edges.values + (edges.receiver == edges.sender))

    def pattern(self, part: Partition, num_parts: int, num_nodes: int, dense: bool = False) -> EdgePattern:
        """The edges without their values, in partitions."""
        index = torch.stack([part(self.receiver, self.sender), self.receiver, self.sender])
        return EdgePattern(index, (num_parts, num_nodes, num_nodes), dense)

    def learned(
        self, part: Partition, num_parts: int, num_nodes: int, learn_on: LearnOn, dense: bool, symmetric: bool
    ) -> tuple[Tensor, Tensor | EdgePattern]:
        """What an adjacency that is learned on these edges starts from, and how it is split.

        Returns:
            ``learn_on="pairs"``: the matrix ``(J, J)`` and the masks ``(K, J, J)``; ``learn_on="edges"``: the values
            ``(E)`` of the :meth:`closed` edges and their pattern.
        """
        if learn_on == "pairs":
            return self.to_matrix(num_nodes), partition_masks(part, num_parts, num_nodes)
        closed = self.closed(num_nodes, symmetric)
        return closed.values, closed.pattern(part, num_parts, num_nodes, dense)


@on_cpu
def graph_edges(
    skeleton: Skeleton | Graph,
    adjacency: Tensor | None = None,
    normalization: Literal["row", "sym"] = "row",
    self_loops: bool = True,
) -> Edges:
    """The edges of :func:`graph_matrix`.

    Raises:
        TopologyError: If the matrix has another shape.
    """
    size, dtype = (skeleton.num_joints, skeleton.num_joints), torch.get_default_dtype()
    if adjacency is None:
        if isinstance(skeleton, Graph):
            adjacency = skeleton.sparse_adjacency(normalization, dtype)
        else:
            adjacency = skeleton.adjacency(normalization, self_loops, dtype)
    if tuple(adjacency.shape) != size:
        raise TopologyError(f"adjacency has shape {tuple(adjacency.shape)}; expected one row per joint of {skeleton!r}")
    return Edges.of_matrix(adjacency.to(dtype))


def graph_matrix(
    skeleton: Skeleton | Graph,
    adjacency: Tensor | None = None,
    normalization: Literal["row", "sym"] = "row",
    self_loops: bool = True,
) -> Tensor:
    """The ``(J, J)`` adjacency that a layer was given, checked; by default the mean over a joint and its neighbours, on
    a graph over the neighbours alone (it has the self loops that it is to have).

    Args:
        skeleton: What the layer is bound to.
        adjacency: The matrix, dense or sparse.
        normalization: That of the default matrix.
        self_loops: Add self loops to the bones of the default matrix.

    Raises:
        TopologyError: If the matrix has another shape.
    """
    edges = graph_edges(skeleton, adjacency, normalization, self_loops)
    return edges.to_matrix(skeleton.num_joints)
