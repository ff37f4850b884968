"""Any graph that is not a skeleton: a mesh, one level of a coarsened body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from skelgraph.errors import TopologyError
from skelgraph.topology.layouts import SkeletonLike
from skelgraph.topology.layouts import skeleton as as_skeleton
from skelgraph.topology.skeleton import Skeleton


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

    def __init__(
        self, num_nodes: int, edge_index: Tensor, edge_weight: Tensor | None = None, name: str | None = None
    ) -> None:
        edges = torch.as_tensor(edge_index)
        if edges.dim() != 2 or edges.size(0) != 2 or edges.is_floating_point():
            raise TopologyError(f"edge_index has shape {tuple(edges.shape)} of {edges.dtype}; expected integers (2, E)")
        weights = torch.ones(edges.size(1)) if edge_weight is None else torch.as_tensor(edge_weight)
        if weights.shape != edges.shape[1:] or not weights.isfinite().all():
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
    def from_adjacency(cls, adjacency: Tensor, name: str | None = None) -> Graph:
        """Return the graph of the non-zero entries of a matrix; entry ``[i, j]`` carries node ``j`` to node ``i``.

        Raises:
            TopologyError: If the matrix is not square.
        """
        matrix = torch.as_tensor(adjacency)
        if matrix.dim() != 2 or matrix.size(0) != matrix.size(1):
            raise TopologyError(f"adjacency has shape {tuple(matrix.shape)}; expected (N, N)")
        receiver, sender = matrix.nonzero().t()
        return cls(matrix.size(0), torch.stack([sender, receiver]), matrix[receiver, sender], name)

    def __repr__(self) -> str:  # noqa: D105
        return f"Graph({self.name or 'unnamed'}, num_nodes={self.num_nodes}, num_edges={self.edge_index.size(1)})"

    @property
    def num_joints(self) -> int:
        """The number of nodes, by the name that layers know it by."""
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
        matrix = torch.zeros(self.num_nodes, self.num_nodes, dtype=torch.float64)
        sender, receiver = self.edge_index
        matrix[receiver, sender] = self.edge_weight
        if normalization is None:
            return matrix.to(dtype)
        degree = matrix.sum(dim=1)
        degree = torch.where(degree > 0, degree, 1)
        if normalization == "row":
            return (matrix / degree[:, None]).to(dtype)
        if normalization == "sym":
            scale = degree.rsqrt()
            return (scale[:, None] * matrix * scale).to(dtype)
        raise TopologyError(f"normalization is {normalization!r}; expected None, 'row' or 'sym'")

    def binary(self) -> Graph:
        """Return the graph with weight 1 on every edge."""
        return Graph(self.num_nodes, self.edge_index, name=self.name)


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
