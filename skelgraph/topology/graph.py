"""Any graph that is not a skeleton: a mesh, one level of a coarsened body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from skelgraph.errors import TopologyError
from skelgraph.fixed import on_cpu
from skelgraph.options import Int64, check_option
from skelgraph.text import plain
from skelgraph.topology.arrays import to_ids, to_tensor
from skelgraph.topology.layouts import SkeletonLike, as_skeleton
from skelgraph.topology.skeleton import Skeleton, check_hops, check_normalization


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Graph:
    """Nodes and weighted directed edges; self loops are edges like others.

    The layers that need no more of a skeleton than its edges are bound to a graph in the same way:
    ``SemGraphConv(16, 16, graph)``. They take the nodes for joints.

    Args:
        num_nodes: Number of nodes.
        edge_index: Sending and receiving node of every edge, as in PyG; equal edges are joined and their weights added.
        edge_weight: Weights, 1 by default; an edge of weight 0 is none.
        name: A name, for ``repr``.

    Shapes:
        - ``edge_index`` ``(2, E)``, int64, sorted by receiver, then sender; ``edge_weight`` ``(E)``, float64

    Raises:
        TopologyError: If the edges do not fit the nodes.
    """

    num_nodes: int
    edge_index: Tensor
    edge_weight: Tensor
    name: str | None

    @on_cpu
    def __init__(
        self, num_nodes: int, edge_index: Tensor, edge_weight: Tensor | None = None, name: str | None = None
    ) -> None:
        num_nodes, name = check_option("num_nodes", num_nodes, Int64), check_option("name", name, str | None)
        edges = to_ids("edge_index", edge_index)
        if edges.dim() != 2 or edges.size(0) != 2:
            raise TopologyError(f"edge_index has shape {tuple(edges.shape)} of {edges.dtype}; expected integers (2, E)")
        weights = torch.ones(edges.size(1)) if edge_weight is None else to_tensor("edge_weight", edge_weight)
        if weights.is_complex() or weights.shape != edges.shape[1:] or not weights.isfinite().all():
            raise TopologyError(
                f"edge_weight has shape {tuple(weights.shape)}; "
                f"expected a finite number for each of {edges.size(1)} edges"
            )
        if edges.numel() and not 0 <= int(edges.min()) <= int(edges.max()) < num_nodes:
            raise TopologyError(
                f"edge_index holds the nodes {int(edges.min())} to {int(edges.max())}; expected 0 to {num_nodes - 1}"
            )
        sender, receiver = edges.long()
        keys, place = torch.unique(receiver * num_nodes + sender, return_inverse=True)
        sums = torch.zeros(len(keys), dtype=torch.float64).index_add(0, place, weights.double())
        keys, sums = keys[sums != 0], sums[sums != 0]
        fields = {
            "num_nodes": num_nodes,
            "edge_index": torch.stack([keys % num_nodes, keys // num_nodes]) if num_nodes else edges.long(),
            "edge_weight": sums,
            "name": name,
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)

    @classmethod
    @on_cpu
    def from_adjacency(cls, adjacency: Tensor | Sequence[Sequence[float]], name: str | None = None) -> Graph:
        """Return the graph of the non-zero entries of a matrix; entry ``[i, j]`` carries node ``j`` to node ``i``.

        Raises:
            TopologyError: If the matrix is not square.
        """
        matrix = to_tensor("adjacency", adjacency.to_dense() if isinstance(adjacency, Tensor) else adjacency)
        if matrix.dim() != 2 or matrix.size(0) != matrix.size(1):
            raise TopologyError(f"adjacency has shape {tuple(matrix.shape)}; expected (N, N)")
        receiver, sender = matrix.nonzero().t()
        return cls(matrix.size(0), torch.stack([sender, receiver]), matrix[receiver, sender], name)

    def __repr__(self) -> str:  # noqa: D105
        return (
            f"Graph({plain(self.name or 'unnamed')}, num_nodes={self.num_nodes}, num_edges={self.edge_index.size(1)})"
        )

    @property
    def num_joints(self) -> int:
        """Alias of ``num_nodes``, so that a graph can stand in for a skeleton."""
        return self.num_nodes

    def adjacency(
        self, normalization: Literal["row", "sym"] | None = None, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Return the adjacency matrix: entry ``[i, j]`` is the weight of the edge from node ``j`` to node ``i``.

        Args:
            normalization: None, ``"row"`` or ``"sym"``, as for a skeleton; the row of a node without edges stays zero.
            dtype: Floating-point type of the matrix.

        Shapes:
            ``(N, N)``.

        Raises:
            TopologyError: If the normalisation is none of these.
        """
        return self.sparse_adjacency(normalization, dtype).to_dense()

    @on_cpu
    def sparse_adjacency(
        self, normalization: Literal["row", "sym"] | None = None, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Return the matrix of :meth:`adjacency` as a sparse COO tensor, which grows with the edges only."""
        check_normalization(normalization)
        (sender, receiver), weight = self.edge_index, self.edge_weight
        degree = torch.zeros(self.num_nodes, dtype=torch.float64).index_add(0, receiver, weight)
        degree = torch.where(degree > 0, degree, 1)
        if normalization == "row":
            weight = weight / degree[receiver]
        elif normalization == "sym":
            scale = degree.rsqrt()
            weight = scale[receiver] * weight * scale[sender]
        return _sparse_matrix(receiver, sender, weight.to(dtype), self.num_nodes)

    @on_cpu
    def hop_edges(self, k: int, mode: Literal["exact", "within", "walk"] = "exact") -> Tensor:
        """Return the pairs of nodes that are ``k`` hops apart, in the sense of :meth:`Skeleton.hop_mask
        <skelgraph.topology.Skeleton.hop_mask>`; self loops are no hops, and hops follow the direction of the edges.

        Args:
            k: Number of hops, 0 to 1000.
            mode: ``"exact"``, ``"within"`` or ``"walk"``.

        Shapes:
            Sending and receiving nodes ``(2, pairs)``, sorted by receiver, then sender.

        Raises:
            TopologyError: If ``k`` is out of range or the mode is none of these.
        """
        check_hops(k, mode)
        nodes = torch.arange(self.num_nodes)
        sender, receiver = self.edge_index[:, self.edge_index[0] != self.edge_index[1]]
        step = _sparse_matrix(receiver, sender, torch.ones(len(sender)), self.num_nodes)
        reached = _sparse_matrix(nodes, nodes, torch.ones(self.num_nodes), self.num_nodes)
        keys = within = self._keys(reached)
        for _ in range(k):
            reached = torch.sparse.mm(reached, step).coalesce()
            keys = self._keys(reached)
            if mode != "walk":
                keys = keys[torch.isin(keys, within, invert=True)]
                within = torch.cat([within, keys])
            pairs = keys // self.num_nodes, keys % self.num_nodes
            reached = _sparse_matrix(*pairs, torch.ones(len(keys)), self.num_nodes)  # patterns, no counts to overflow
        if mode == "within":
            keys = within.sort().values
        return torch.stack([keys % self.num_nodes, keys // self.num_nodes]) if self.num_nodes else keys.new_empty(2, 0)

    def _keys(self, matrix: Tensor) -> Tensor:
        receiver, sender = matrix.indices()
        return receiver * self.num_nodes + sender

    @on_cpu
    def hop_mask(self, k: int, mode: Literal["exact", "within", "walk"] = "exact") -> Tensor:
        """Return :meth:`hop_edges` as a mask ``(N, N)``, entry ``[i, j]`` for the pair of receiver ``i`` and sender
        ``j``."""
        sender, receiver = self.hop_edges(k, mode)
        mask = torch.zeros(self.num_nodes, self.num_nodes, dtype=torch.bool)
        mask[receiver, sender] = True
        return mask

    def binary(self) -> Graph:
        """Return the graph with weight 1 on every edge."""
        return Graph(self.num_nodes, self.edge_index, name=self.name)


def _sparse_matrix(row: Tensor, column: Tensor, values: Tensor, num_nodes: int) -> Tensor:
    """A sparse matrix of entries that are sorted and each given once."""
    return torch.sparse_coo_tensor(
        torch.stack([row, column]), values, (num_nodes, num_nodes), is_coalesced=True, check_invariants=False
    )


GraphLike: TypeAlias = SkeletonLike | Graph


def as_graph(graph: GraphLike) -> Graph:
    """Return a skeleton, a layout name or a graph as a graph.

    Raises:
        SkelgraphError: If it is none of these.
    """
    if isinstance(graph, Graph):
        return graph
    layout: Skeleton = as_skeleton(graph)
    return Graph(layout.num_joints, layout.edge_index, name=layout.name)
