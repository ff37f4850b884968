"""What the call of a hyperedge layer takes for a hypergraph, and how its form is recognised."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch_geometric.data.hypergraph_data import HyperGraphData

from skelgraph.errors import SkelgraphError
from skelgraph.nn.features import is_readable
from skelgraph.text import repr_by_shape, shown
from skelgraph.topology import DHGHypergraph, JointHypergraph, from_dhg
from skelgraph.topology.hypergraph_data import stored_sizes, total

NumEdges: TypeAlias = int | Tensor
"""A number of hyperedges; a tensor holds that of every graph of a batch."""

EMPTY_HYPEREDGES_LIMIT = 2**20
"""How many hyperedges may be without nodes if their number follows from the ids; a wrong id would take all memory."""


class Memberships(NamedTuple):
    """Memberships of nodes in hyperedges, hard or soft, for the call of a layer: what builders of dynamic hyperedges
    return, and how a caller says that a tensor is a matrix.

    Shapes:
        ``incidence`` memberships ``(J, R)`` or per sample ``(..., J, R)``; ``hyperedge_weight`` ``(..., R)``, 1 by
        default, may be negative.
    """

    incidence: Tensor
    hyperedge_weight: Tensor | None = None

    def __repr__(self) -> str:  # noqa: D105
        return repr_by_shape(self)


HypergraphInput: TypeAlias = JointHypergraph | Memberships | HyperGraphData | DHGHypergraph | Tensor
"""What the call of a hyperedge layer takes for a hypergraph, see :func:`read_hypergraph`."""


class HyperedgeIndex(NamedTuple):
    """Incidences as PyG's ``hyperedge_index`` ``(2, nnz)``, all ids in range; equal incidences count as many.

    Shapes:
        ``index`` ``(2, nnz)``, ``hyperedge_weight`` ``(M,)`` if the hyperedges come with weights.
    """

    index: Tensor  # type: ignore[assignment]  # tuple.index
    num_nodes: int
    num_hyperedges: int
    hyperedge_weight: Tensor | None = None


def read_hypergraph(
    hypergraph: HypergraphInput, x: Tensor, num_edges: NumEdges | None = None, num_expected: int | None = None
) -> JointHypergraph | Memberships | HyperedgeIndex:
    """Return the hypergraph of a call in one of three forms. A tensor is recognised by its shape and range, not by its
    type:

    - a matrix ``(J, R)`` or ``(..., J, R)`` of any type is one of memberships; of integers and booleans it holds zeros
      and ones
    - integers ``(2, nnz)`` are PyG's ``hyperedge_index``
    - on two nodes integers ``(2, nnz)`` may be both. They are an index if ``num_edges`` is given, if an entry is
      neither 0 nor 1, or if a matrix would have a hyperedge without nodes; else the caller must say which
    - a sparse matrix ``(J, R)`` (COO, CSR, CSC) of ones lists incidences; entries that are there twice are two

    Args:
        hypergraph: The hypergraph of the call.
        x: The features of the nodes, ``(..., J, C)`` or ``(B * J, C)``.
        num_edges: Number of hyperedges of an index, if the call says it.
        num_expected: Number of hyperedges that weights or features of hyperedges are for, as a default.

    Raises:
        SkelgraphError: If it has none of these forms, or an id is out of range; the message names the incidence.
        SkelgraphError: If an id without ``num_edges`` means more than ``EMPTY_HYPEREDGES_LIMIT`` hyperedges without
            nodes.

    Example:
        >>> x = torch.randn(3, 8)
        >>> read_hypergraph(torch.tensor([[0, 1, 1, 2], [0, 0, 1, 1]]), x).num_hyperedges
        2
        >>> read_hypergraph(torch.tensor([[1, 0], [1, 1], [0, 1]]), x).incidence.tolist()
        [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    """
    if isinstance(hypergraph, JointHypergraph):
        return hypergraph
    if isinstance(hypergraph, Memberships):
        return hypergraph._replace(incidence=hypergraph.incidence.to_dense())
    if isinstance(hypergraph, HyperGraphData):
        num_nodes, num_stored = stored_sizes(hypergraph)
        weight = hypergraph.get("hyperedge_weight", None)
        counts = (num_edges, num_stored, None if weight is None else weight.size(0), num_expected)
        count = next((count for count in counts if count is not None), None)
        return _read_index(hypergraph.edge_index, x.size(-2) if num_nodes is None else num_nodes, count, weight)
    if isinstance(hypergraph, Tensor):
        if hypergraph.layout != torch.strided:
            return _read_sparse(hypergraph)
        if hypergraph.dim() < 2:
            raise SkelgraphError(f"the hypergraph is {shown(hypergraph)}; expected a matrix or an index (2, nnz)")
        if hypergraph.is_floating_point():
            return Memberships(hypergraph)
        if _is_index(hypergraph, x, num_edges, num_expected):
            return _read_index(hypergraph, x.size(-2), num_expected if num_edges is None else num_edges)
        if is_readable(hypergraph) and _strange(hypergraph):
            raise SkelgraphError(
                f"the hypergraph is {shown(hypergraph)} with entries that are neither 0 nor 1; expected an incidence "
                "matrix of zeros and ones (or soft memberships in floating point), or PyG's hyperedge_index (2, nnz)"
            )
        return Memberships(hypergraph.to(x.dtype))
    if hasattr(hypergraph, "e_of_group"):
        return from_dhg(hypergraph)
    raise SkelgraphError(
        f"the call has a hypergraph of type {type(hypergraph).__name__}; expected a JointHypergraph, PyG's "
        "HyperGraphData or hyperedge_index, an incidence matrix or what a builder of hyperedges returns"
    )


def _is_index(tensor: Tensor, x: Tensor, num_edges: NumEdges | None, num_expected: int | None) -> bool:
    """Whether integers are PyG's index and not a matrix of zeros and ones."""
    if tensor.dtype == torch.bool or tensor.dim() != 2 or tensor.size(0) != 2:
        return False
    fits = x.size(-2) == 2 or (x.dim() == 2 and x.size(0) % 2 == 0)  # the rows of a matrix of two nodes
    if not fits or num_edges is not None or num_expected not in (None, tensor.size(1)) or not tensor.numel():
        return True
    readable = is_readable(tensor)
    if readable and (_strange(tensor) or not tensor.any(dim=0).all()):
        return True
    values = "zeros and ones" if readable else "integers that cannot be read here"
    raise SkelgraphError(
        f"the hypergraph is two rows of {values} for {x.size(-2)} nodes, which may be an incidence matrix (2, M) or a "
        "hyperedge_index (2, nnz); hand Memberships(incidence) for a matrix, or num_edges for an index"
    )


def _read_index(index: Tensor, num_nodes: int, count: NumEdges | None, weight: Tensor | None = None) -> HyperedgeIndex:
    if not isinstance(index, Tensor) or index.dim() != 2 or index.size(0) != 2:
        raise SkelgraphError(f"hyperedge_index is {shown(index)}; expected integers (2, nnz)")
    index = index.long()
    num_hyperedges = 0 if count is None else total(count)
    if index.numel() and (count is None or is_readable(index)):
        low, high = torch.stack(torch.aminmax(index, dim=1)).tolist()
        if count is None:
            num_hyperedges = high[1] + 1
            if num_hyperedges > index.size(1) + EMPTY_HYPEREDGES_LIMIT:
                raise SkelgraphError(
                    f"hyperedge_index holds hyperedge {high[1]}, but only {index.size(1)} incidences; give num_edges "
                    "if there are so many hyperedges without nodes"
                )
        if min(low) < 0 or high[0] >= num_nodes or high[1] >= num_hyperedges:
            limit = index.new_tensor([[num_nodes], [num_hyperedges]])
            place = int(((index < 0) | (index >= limit)).any(dim=0).nonzero()[0])
            raise SkelgraphError(
                f"hyperedge_index[:, {place}] is {index[:, place].tolist()}; expected a node from 0 to {num_nodes - 1} "
                f"and a hyperedge from 0 to {num_hyperedges - 1}"
            )
    return HyperedgeIndex(index, num_nodes, num_hyperedges, weight)


def _read_sparse(matrix: Tensor) -> HyperedgeIndex:
    if matrix.layout not in (torch.sparse_coo, torch.sparse_csr, torch.sparse_csc) or matrix.dim() != 2:
        raise SkelgraphError(
            f"the hypergraph is a matrix {tuple(matrix.shape)} of layout {matrix.layout}; expected (J, M) in COO, CSR "
            "or CSC, or a dense one per sample"
        )
    matrix = matrix.to_sparse_coo()
    index, values = (
        (matrix.indices(), matrix.values()) if matrix.is_coalesced() else (matrix._indices(), matrix._values())
    )
    if index.size(0) != 2 or values.dim() != 1 or (is_readable(values) and not (values == 1).all()):
        raise SkelgraphError(
            "the sparse incidence matrix has entries other than 1; expected ones, or soft memberships as a dense "
            "matrix, Memberships(incidence.to_dense())"
        )
    return HyperedgeIndex(index, matrix.size(0), matrix.size(1))


def _strange(tensor: Tensor) -> bool:
    return bool(((tensor != 0) & (tensor != 1)).any())
