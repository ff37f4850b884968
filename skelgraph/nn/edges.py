"""The edges of the graph that a layer is bound to, and the partitions that they fall into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from skelgraph.errors import TopologyError
from skelgraph.fixed import on_cpu
from skelgraph.ops import EdgePattern, SparseAdjacency
from skelgraph.topology import Graph, Skeleton

LearnOn = Literal["pairs", "edges"]
"""What an adjacency is learned on: a number for every pair of nodes (matrices), or one for every edge."""

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
    num_nodes: int

    @classmethod
    def of_matrix(cls, matrix: Tensor) -> Edges:
        """The non-zero entries of a matrix ``(J, J)``, dense or sparse."""
        matrix = matrix.to_sparse_coo().coalesce()
        receiver, sender = matrix.indices()
        return cls(receiver, sender, matrix.values(), len(matrix)).select(matrix.values() != 0)

    def to_matrix(self) -> Tensor:
        """The matrix ``(J, J)``."""
        edge_index = torch.stack([self.sender, self.receiver])
        return SparseAdjacency.from_edges(edge_index, self.values, self.num_nodes).to_dense().squeeze(0)

    def double(self) -> Edges:
        """The same with values in float64."""
        return self._replace(values=self.values.double())

    def select(self, which: Tensor) -> Edges:
        """Some of the edges, by a mask or in another order."""
        return Edges(self.receiver[which], self.sender[which], self.values[which], self.num_nodes)

    def transposed(self) -> Edges:
        """The edges the other way, row by row."""
        order = (self.sender * self.num_nodes + self.receiver).argsort()
        return self._replace(receiver=self.sender, sender=self.receiver).select(order)

    @on_cpu
    def closed(self, symmetric: bool) -> Edges:
        """The edges on which an adjacency is learned: these, all self loops and, to symmetrise, the reverse of every
        edge; the values of those that are new are 0."""
        loops = torch.arange(self.num_nodes)
        reverse = (self.sender, self.receiver) if symmetric else (loops[:0], loops[:0])
        receiver = torch.cat([self.receiver, reverse[0], loops])
        sender = torch.cat([self.sender, reverse[1], loops])
        keys, place = torch.unique(receiver * self.num_nodes + sender, return_inverse=True)
        values = self.values.new_zeros(len(keys)).index_add(0, place[: len(self.values)], self.values)
        return Edges(keys // self.num_nodes, keys % self.num_nodes, values, self.num_nodes)

    def with_identity(self) -> Edges:
        """The edges of the matrix plus the identity."""
        edges = self.closed(symmetric=False)
        return edges._replace(values=edges.values + (edges.receiver == edges.sender))

    def pattern(self, part: Partition, num_parts: int, dense: bool = False) -> EdgePattern:
        """The edges without their values, in partitions."""
        index = torch.stack([part(self.receiver, self.sender), self.receiver, self.sender])
        return EdgePattern(index, (num_parts, self.num_nodes, self.num_nodes), dense)

    def learned(
        self, part: Partition, num_parts: int, learn_on: LearnOn, dense: bool, symmetric: bool
    ) -> tuple[Tensor, Tensor | EdgePattern]:
        """What an adjacency that is learned on these edges starts from, and how it is split.

        Returns:
            ``learn_on="pairs"``: the matrix ``(J, J)`` and the masks ``(K, J, J)``; ``learn_on="edges"``: the values
            ``(E)`` of the :meth:`closed` edges and their pattern.
        """
        if learn_on == "pairs":
            return self.to_matrix(), partition_masks(part, num_parts, self.num_nodes)
        closed = self.closed(symmetric)
        return closed.values, closed.pattern(part, num_parts, dense)


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
    return graph_edges(skeleton, adjacency, normalization, self_loops).to_matrix()
