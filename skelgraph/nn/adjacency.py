"""Learned adjacency matrices on a fixed pattern, and the split into self and neighbours."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from skelgraph.errors import TopologyError
from skelgraph.fixed import FixedBuffers, on_cpu
from skelgraph.ops import EdgePattern, SparseAdjacency
from skelgraph.options import Channels, CheckedOptions
from skelgraph.topology import Graph, Skeleton

MASKED = -9e15
"""Logit of an absent edge: exactly 0 after the softmax, while a row without any edge becomes uniform, not NaN."""


class SoftmaxAdjacency(CheckedOptions, FixedBuffers):
    r"""Row-softmax over one learned logit per edge, :math:`S_{ij} = \mathrm{softmax}_j(e_{ij})` on a fixed pattern.

    Args:
        pattern: Boolean or numeric ``(..., I, J)``; non-zero where an edge carries node ``j`` to node ``i``. Or a
            pattern of edges: then the matrices are never built.
        channels: Number of independent matrices on the same pattern.
        across: On a pattern of edges, let one softmax run over all partitions of a receiver.

    Shapes:
        - ``logits``: ``(channels, nnz)``, the edges row by row, 1 at the start
        - output: ``(..., I, J)`` if ``channels`` is 1, else ``(channels, ..., I, J)``; on a pattern of edges a
          :class:`~skelgraph.ops.SparseAdjacency`, in which a row without any edge is zero, not uniform
    """

    index: Tensor
    blank: Tensor

    def __init__(self, pattern: Tensor | EdgePattern, channels: Channels = 1, across: bool = False) -> None:
        super().__init__()
        self.edges = pattern if isinstance(pattern, EdgePattern) else None
        self.across = across
        self.shape: tuple[int, ...]
        if isinstance(pattern, EdgePattern):
            self.shape, num_edges = pattern.size, pattern.index.size(1)
        else:
            self.shape = tuple(pattern.shape)
            self.register_buffer("index", (pattern != 0).flatten().nonzero().flatten(), persistent=False)
            self.register_buffer(
                "blank",
                pattern.new_full((1, pattern.numel()), MASKED, dtype=torch.get_default_dtype()),
                persistent=False,
            )
            num_edges = self.index.numel()
        self.logits = nn.Parameter(torch.empty(channels, num_edges))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Give all edges of a node the same weight."""
        nn.init.ones_(self.logits)

    def forward(self) -> Tensor | SparseAdjacency:
        """The matrices for the present logits."""
        channels = self.logits.size(0)
        if self.edges is not None:
            values = self.edges.softmax(self.logits, self.across)
            return self.edges(values.squeeze(0) if channels == 1 else values)
        if channels == 1:
            return self.blank.scatter(1, self.index.unsqueeze(0), self.logits).view(self.shape).softmax(dim=-1)
        logits = self.blank.expand(channels, -1).scatter(1, self.index.expand(channels, -1), self.logits)
        return logits.view(channels, *self.shape).softmax(dim=-1)

    def extra_repr(self) -> str:
        """Pattern size and number of edges."""
        return f"{self.shape}, edges={self.logits.size(1)}, channels={self.logits.size(0)}"


class ModulatedAdjacency(CheckedOptions, FixedBuffers):
    r"""A fixed adjacency plus one learned offset for every pair of nodes (affinity modulation), symmetrised:
    :math:`\hat{\mathbf{A}} = (\mathbf{Q} + \mathbf{Q}^\top) / 2`, :math:`\mathbf{Q} = \mathbf{A} + \mathbf{O}`.

    Args:
        adjacency: The fixed matrices ``(..., J, J)``, or the fixed values ``(E)`` of ``edges``. All digits of float64
            count if the module is moved to float64.
        symmetric: Symmetrise; otherwise the result is :math:`\mathbf{Q}`.
        edges: A pattern of edges, if ``symmetric`` with the reverse of each in the same partition: then the matrices
            are never built. Pairs that no edge joins have no offset: the result is that of matrices whose offsets are
            zero there.

    Shapes:
        - ``offset``: as ``adjacency``, 1e-6 at the start
        - output: ``(..., J, J)``, on edges a :class:`~skelgraph.ops.SparseAdjacency`

    Raises:
        SkelgraphError: If the reverse of an edge is missing.
    """

    fixed: Tensor
    reverse: Tensor | None

    def __init__(self, adjacency: Tensor, symmetric: bool = True, edges: EdgePattern | None = None) -> None:
        super().__init__()
        self.symmetric = symmetric
        self.edges = edges
        self.register_exact("fixed", adjacency)
        reverse = edges.reverse() if edges is not None and symmetric else None
        self.register_buffer("reverse", reverse, persistent=False)
        self.offset = nn.Parameter(torch.empty(adjacency.shape))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start next to the fixed matrix."""
        nn.init.constant_(self.offset, 1e-6)

    def forward(self) -> Tensor | SparseAdjacency:
        """The matrices for the present offsets."""
        matrix = self.exact("fixed") + self.offset
        if self.symmetric:
            mirrored = matrix.mT if self.reverse is None else matrix.index_select(0, self.reverse)
            matrix = torch.lerp(matrix, mirrored, 0.5)
        return matrix if self.edges is None else self.edges(matrix)

    def extra_repr(self) -> str:
        """Shape of the matrices."""
        return f"{tuple(self.offset.shape)}" + ("" if self.symmetric else ", symmetric=False")


@on_cpu
def self_and_neighbours(num_joints: int) -> Tensor:
    """Masks ``(2, J, J)`` that split an adjacency into its diagonal (self) and the rest (neighbours)."""
    eye = torch.eye(num_joints)
    return torch.stack([eye, 1 - eye])


def self_and_neighbour_edges(receiver: Tensor, sender: Tensor, num_nodes: int) -> EdgePattern:
    """Edges with the same split."""
    index = torch.stack([(receiver != sender).long(), receiver, sender])
    return EdgePattern(index, (2, num_nodes, num_nodes))


@on_cpu
def graph_matrix(
    skeleton: Skeleton | Graph,
    adjacency: Tensor | None = None,
    sparse: bool = False,
    normalization: Literal["row", "sym"] = "row",
    self_loops: bool = True,
) -> Tensor:
    """The ``(J, J)`` adjacency that a layer was given, checked; by default the mean over a joint and its neighbours, on
    a graph over the neighbours alone (it has the self loops that it is to have).

    Args:
        skeleton: What the layer is bound to.
        adjacency: The matrix, dense or sparse.
        sparse: Return a coalesced sparse COO tensor.
        normalization: That of the default matrix.
        self_loops: Add self loops to the bones of the default matrix.

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
    if sparse:
        return adjacency.to(dtype).to_sparse_coo().coalesce()
    return (adjacency if adjacency.layout == torch.strided else adjacency.to_dense()).to(dtype)


@on_cpu
def identity(num_nodes: int, sparse: bool = False) -> Tensor:
    """The identity, on request as a coalesced sparse COO tensor."""
    if not sparse:
        return torch.eye(num_nodes)
    diagonal = torch.arange(num_nodes).repeat(2, 1)
    return torch.sparse_coo_tensor(
        diagonal, torch.ones(num_nodes), (num_nodes, num_nodes), is_coalesced=True, check_invariants=False
    )


def edge_list(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Receivers, senders and values of the non-zero entries of a sparse matrix, row by row."""
    present = matrix.values() != 0
    receiver, sender = matrix.indices()[:, present]
    return receiver, sender, matrix.values()[present]


@on_cpu
def learned_edges(matrix: Tensor, symmetric: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Receivers, senders and fixed values of the edges on which an adjacency is learned, row by row: those of a sparse
    matrix, all self loops and, to symmetrise, the reverse of every edge; 0 where the matrix has no entry."""
    receiver, sender, values = edge_list(matrix)
    index = torch.stack([receiver, sender])
    loops = torch.arange(len(matrix)).expand(2, -1)
    index = torch.cat([index, index.flip(0), loops] if symmetric else [index, loops], dim=1)
    values = nn.functional.pad(values, (0, index.size(1) - len(values)))
    joined = torch.sparse_coo_tensor(index, values, matrix.shape, check_invariants=False).coalesce()
    receiver, sender = joined.indices()
    return receiver, sender, joined.values().clone()  # no view of a sparse tensor, which cannot be compiled
