"""The primitive under all hyperedge layers: from nodes to hyperedges and back, dense or sparse."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias, get_args

import torch
from torch import Tensor
from torch_geometric.utils import scatter, softmax

from skelgraph.errors import SkelgraphError
from skelgraph.ops.products import inverse, product, scale
from skelgraph.ops.sparse_product import SparsePattern, has_sparse_product, sparse_product
from skelgraph.text import shown

Reduce = Literal["sum", "mean", "max", "softmax"]
Over = Literal["nodes", "hyperedges"]
Stage: TypeAlias = Callable[[Tensor], Tensor]
"""One of the two ways along incidences as a map of features, see :meth:`DenseIncidence.stage`."""


class DenseIncidence:
    r"""Memberships of nodes in hyperedges as a matrix :math:`\mathbf{P}`: a few batched products for each stage.

    :class:`SparseIncidence` has the same methods and gives the same numbers. A layer is written once, on top of them:

    .. math::
        \mathbf{y}_m = \mathrm{reduce}_{i \in m} \; \alpha_{im} \mathbf{x}_i, \qquad
        \mathbf{x}'_i = \mathrm{reduce}_{m \ni i} \; \alpha_{im} \mathbf{y}_m

    with the memberships as :math:`\alpha`, or coefficients of several heads, made by :meth:`score` and
    :meth:`softmax`, which go with sums and means. What is reduced over an empty set is zero.

    Args:
        matrix: Memberships, 0 where a node is not in a hyperedge; ``(J, M)``, or per sample ``(..., J, M)``.
        index: The incidences ``(2, nnz)`` that the matrix counts, where it was made from them.
        outside: Where a matrix of zeros and ones has zeros, if that is at hand: a softmax is then three operations.
    """

    is_fixed = False
    """Whether a layer may take what it knows of its own hypergraph and weights."""

    def __init__(self, matrix: Tensor, index: Tensor | None = None, outside: Tensor | None = None) -> None:
        self.matrix = matrix
        self.outside = outside
        self.num_nodes, self.num_hyperedges = matrix.shape[-2:]
        self._index = index

    @property
    def index(self) -> Tensor:
        """Node and hyperedge of every incidence, ``(2, nnz)``: those that the matrix was made from, else its entries
        that are not 0, by hyperedge; of memberships per sample all entries."""
        if self._index is not None:
            return self._index
        member = self.matrix if self.matrix.dim() == 2 else torch.ones_like(self.matrix[(0,) * (self.matrix.dim() - 2)])
        return member.t().nonzero().t().flip(0)

    def node_degree(self, weight: Tensor) -> Tensor:
        """Sums of the magnitudes of the weights ``(..., M)`` of the hyperedges of every node, ``(..., J)``."""
        return (self.matrix.to(weight.dtype) * weight.abs().unsqueeze(-2)).sum(dim=-1)

    def hyperedge_degree(self, weight: Tensor | None = None) -> Tensor:
        """Number of nodes of every hyperedge, or sum of their weights ``(..., J)``; ``(..., M)``."""
        if weight is None:
            return self.matrix.sum(dim=-2, dtype=_wide(self.matrix))
        return (self.matrix.to(weight.dtype) * weight.unsqueeze(-1)).sum(dim=-2)

    def to_hyperedges(self, x: Tensor, alpha: Tensor | None = None, reduce: Reduce = "sum") -> Tensor:
        """Gather ``x (..., J, C)`` in hyperedges ``(..., M, C)``, with coefficients of this class or memberships."""
        return _pool(self.matrix.mT, x, None if alpha is None else alpha.mT, reduce)

    def to_nodes(self, hyperedge_attr: Tensor, alpha: Tensor | None = None, reduce: Reduce = "sum") -> Tensor:
        """Gather ``hyperedge_attr (..., M, C)`` in nodes ``(..., J, C)``, with coefficients or memberships."""
        return _pool(self.matrix, hyperedge_attr, alpha, reduce)

    def stage(
        self, to: Over, send: Tensor | None = None, gather: Tensor | None = None, reduce: Reduce = "sum"
    ) -> Stage:
        r"""One of the two ways as a map, :math:`\mathbf{y}_r = g_r \, \mathrm{reduce}_s \, P_{rs} s_s \mathbf{x}_s`,
        with factors ``send (..., S)`` of what is sent and ``gather (..., R)`` of what is gathered, 1 by default."""
        if reduce == "sum":
            return multiply_by(self.weighted(to, send, gather))
        return _between(self.to_nodes if to == "nodes" else self.to_hyperedges, send, gather, reduce)

    def weighted(self, to: Over, send: Tensor | None = None, gather: Tensor | None = None) -> Tensor:
        """The matrix ``(..., R, S)`` of a :meth:`stage` that sums."""
        matrix = self.matrix if to == "nodes" else self.matrix.mT
        matrix = matrix if send is None else matrix * send.unsqueeze(-2)
        return matrix if gather is None else matrix * gather.unsqueeze(-1)

    def score(self, node: Tensor | None, hyperedge: Tensor | None) -> Tensor:
        """One number per head and incidence: that of the node ``(..., J, heads)`` plus that of the hyperedge ``(..., M,
        heads)``, or one of them alone; here ``(..., heads, J, M)`` or what broadcasts to it."""
        if hyperedge is None:
            assert node is not None
            return node.mT.unsqueeze(-1)
        if node is None:
            return hyperedge.mT.unsqueeze(-2)
        return node.mT.unsqueeze(-1) + hyperedge.mT.unsqueeze(-2)

    def softmax(self, score: Tensor, over: Over) -> Tensor:
        """Coefficients that sum to one over the nodes of every hyperedge, or over the hyperedges of every node."""
        dim = -2 if over == "nodes" else -1
        if self.outside is not None:
            members = score.masked_fill(self.outside, torch.finfo(score.dtype).min)
            return members.softmax(dim=dim).masked_fill(self.outside, 0)
        matrix = self.matrix.unsqueeze(-3).to(score.dtype)
        # a finite mask: without members all are alike up to the product with the memberships, never NaN
        alpha = score.masked_fill(matrix == 0, torch.finfo(score.dtype).min).softmax(dim=dim) * matrix
        return alpha * inverse(alpha.sum(dim=dim, keepdim=True))

    def by_incidence(self, alpha: Tensor) -> Tensor:
        """Coefficients of this class in the order of :attr:`index`, ``(..., nnz, heads)``."""
        node, hyperedge = self.index
        each = alpha[..., node, hyperedge].mT
        # an entry holds what equal incidences have together
        return each if self._index is None else each / self.matrix[node, hyperedge].to(each.dtype).unsqueeze(-1)


class Send(Protocol):
    """How features are sent along incidences and gathered where these end."""

    def __call__(
        self,
        index: Tensor,
        x: Tensor,
        alpha: Tensor | None,
        reduce: Reduce,
        size: tuple[int, int],
        pattern: SparsePattern | None,
    ) -> Tensor:
        """Gather the features ``x (..., S, C)`` of the senders ``index[0]`` at the receivers ``index[1]``, ``(..., R,
        C)`` with ``size = (S, R)``: each head times its coefficient of ``alpha (..., nnz, heads)`` if there are any.
        ``pattern`` is that of the matrix ``(R, S)`` of the same incidences, if it is at hand."""


class SparseIncidence:
    """Memberships of nodes in hyperedges as an index: gather and scatter, in time and memory that grow with it.

    Args:
        index: Node and hyperedge of every incidence, ``(2, nnz)``.
        num_nodes: Number of nodes.
        num_hyperedges: Number of hyperedges.
        send: How features are sent along the incidences: the message passing of a layer, which hooks and explainers
            of PyG reach.
        pattern: That of the matrix ``(M, J)`` of the same incidences, see :func:`incidence_pattern`, for a hypergraph
            that stays: sums and softmax then take a tenth of the time.
    """

    is_fixed = False
    """As in :class:`DenseIncidence`."""

    def __init__(
        self,
        index: Tensor,
        num_nodes: int,
        num_hyperedges: int,
        send: Send,
        pattern: SparsePattern | None = None,
    ) -> None:
        self.index = index
        self.num_nodes = num_nodes
        self.num_hyperedges = num_hyperedges
        self.send = send
        self.pattern = pattern

    def node_degree(self, weight: Tensor) -> Tensor:
        """Sums of the magnitudes of the weights ``(..., M)`` of the hyperedges of every node, ``(..., J)``."""
        each = weight.abs().index_select(-1, self.index[1])
        return scatter(each, self.index[0], dim=-1, dim_size=self.num_nodes)

    def hyperedge_degree(self, weight: Tensor | None = None) -> Tensor:
        """Number of nodes of every hyperedge, ``(M,)``, or sum of their weights ``(..., J)``, ``(..., M)``."""
        if weight is None:
            each = torch.ones(self.index.size(1), device=self.index.device)
        else:
            each = weight.index_select(-1, self.index[0])
        return scatter(each, self.index[1], dim=-1, dim_size=self.num_hyperedges)

    def to_hyperedges(self, x: Tensor, alpha: Tensor | None = None, reduce: Reduce = "sum") -> Tensor:
        """Gather ``x (..., J, C)`` in hyperedges ``(..., M, C)``, with coefficients of this class or one."""
        _check(alpha, reduce)
        if reduce == "mean":
            return scale(self.to_hyperedges(x, alpha), inverse(self.hyperedge_degree().to(_wide(x))))
        return self.send(self.index, x, alpha, reduce, (self.num_nodes, self.num_hyperedges), self.pattern)

    def to_nodes(self, hyperedge_attr: Tensor, alpha: Tensor | None = None, reduce: Reduce = "sum") -> Tensor:
        """Gather ``hyperedge_attr (..., M, C)`` in nodes ``(..., J, C)``, with coefficients of this class or one."""
        pattern = None if self.pattern is None else self.pattern.transposed()
        back = SparseIncidence(self.index.flip(0), self.num_hyperedges, self.num_nodes, self.send, pattern)
        return back.to_hyperedges(hyperedge_attr, alpha, reduce)

    def stage(
        self, to: Over, send: Tensor | None = None, gather: Tensor | None = None, reduce: Reduce = "sum"
    ) -> Stage:
        """One of the two ways as a map, see :meth:`DenseIncidence.stage`."""
        return _between(self.to_nodes if to == "nodes" else self.to_hyperedges, send, gather, reduce)

    def score(self, node: Tensor | None, hyperedge: Tensor | None) -> Tensor:
        """One number per head and incidence: that of the node ``(..., J, heads)`` plus that of the hyperedge ``(..., M,
        heads)``, or one of them alone; here ``(..., nnz, heads)``."""
        ends: list[tuple[Tensor | None, Over]] = [(node, "nodes"), (hyperedge, "hyperedges")]
        each = [self._copy(value, end) for value, end in ends if value is not None]
        return each[0] if len(each) == 1 else each[0] + each[1]

    def softmax(self, score: Tensor, over: Over) -> Tensor:
        """Coefficients that sum to one over the nodes of every hyperedge, or over the hyperedges of every node."""
        sets: Over = "hyperedges" if over == "nodes" else "nodes"
        if self.pattern is None or not has_sparse_product(score):
            ids, count = (self.index[1], self.num_hyperedges) if over == "nodes" else (self.index[0], self.num_nodes)
            return softmax(score, ids, num_nodes=count, dim=-2)
        # maximum and sum along compressed rows: three times as fast as by scattering
        exp = (score - self._copy(self._maximum(score.detach(), sets), sets)).exp()
        return exp / self._copy(sparse_product(self._selection(sets).transposed(), exp), sets)

    def _copy(self, x: Tensor, end: Over) -> Tensor:
        """Copy the rows of nodes or hyperedges ``(..., N, C)`` for all their incidences ``(..., nnz, C)``."""
        if self.pattern is None or not has_sparse_product(x):
            return x.index_select(-2, self.index[0 if end == "nodes" else 1])
        return sparse_product(self._selection(end), x)

    def _maximum(self, each: Tensor, end: Over) -> Tensor:
        """The maximum over the incidences of every node or hyperedge, ``(..., N, C)``."""
        assert self.pattern is not None
        rows = self.pattern if end == "hyperedges" else self.pattern.transposed()
        each = each.movedim(-2, 0)
        each = each if rows.by_row is None else each.index_select(0, rows.by_row)
        return torch.segment_reduce(each.contiguous(), "max", offsets=rows.row_ptr, axis=0).movedim(0, -2)

    def _selection(self, end: Over) -> SparsePattern:
        """The pattern of the matrix that copies rows of nodes or hyperedges for their incidences."""
        assert self.pattern is not None
        rows = self.pattern if end == "hyperedges" else self.pattern.transposed()
        return SparsePattern.selection(self.index[1 if end == "hyperedges" else 0], rows.row_ptr, rows.by_row)

    def by_incidence(self, alpha: Tensor) -> Tensor:
        """Coefficients of this class in the order of :attr:`index`, ``(..., nnz, heads)``."""
        return alpha


Incidence: TypeAlias = DenseIncidence | SparseIncidence


def incidence_pattern(index: Tensor, num_nodes: int, num_hyperedges: int, by_hyperedge: bool = False) -> SparsePattern:
    """Where the matrix ``(M, J)`` from nodes to hyperedges has ones, for an index ``(2, nnz)``, which is grouped by
    hyperedge, in their order, if ``by_hyperedge`` says so."""
    return SparsePattern.from_index(index[1], index[0], (num_hyperedges, num_nodes), by_row=by_hyperedge)


def multiply_by(matrix: Tensor) -> Stage:
    """The map of features ``(..., S, C)`` that multiplies them with a matrix ``(..., R, S)``."""
    return lambda x: product(matrix if matrix.dtype == x.dtype else matrix.to(x.dtype), x)


def _between(pool: Callable[..., Tensor], send: Tensor | None, gather: Tensor | None, reduce: Reduce) -> Stage:
    """A way along incidences, with factors before and after it."""

    def stage(x: Tensor) -> Tensor:
        y = pool(x if send is None else scale(x, send), reduce=reduce)
        return y if gather is None else scale(y, gather)

    return stage


def _wide(*values: Tensor) -> torch.dtype:
    """The type of what is computed from tensors, float32 at least."""
    return functools.reduce(torch.promote_types, (value.dtype for value in values), torch.float32)


def _check(alpha: Tensor | None, reduce: str) -> None:
    if reduce not in get_args(Reduce) or (alpha is not None and reduce not in ("sum", "mean")):
        known = get_args(Reduce) if alpha is None else ("sum", "mean")
        raise SkelgraphError(f"reduce is {shown(reduce)}; expected one of {', '.join(map(repr, known))}")


def _pool(matrix: Tensor, x: Tensor, alpha: Tensor | None, reduce: Reduce) -> Tensor:
    """Gather the rows of ``x (..., S, C)`` with ``matrix (..., R, S)`` or with ``alpha (..., heads, R, S)``."""
    _check(alpha, reduce)
    if reduce == "mean":
        return scale(_pool(matrix, x, alpha, "sum"), inverse(matrix.sum(dim=-1, dtype=_wide(matrix, x))))
    if alpha is not None:
        heads = x.unflatten(-1, (alpha.size(-3), -1)).transpose(-3, -2)
        return (alpha.to(x.dtype) @ heads).transpose(-3, -2).flatten(-2)
    matrix = matrix.to(x.dtype)
    if reduce == "sum":
        return product(matrix, x)
    member = (matrix != 0).unsqueeze(-1)
    each = x.unsqueeze(-3).masked_fill(~member, torch.finfo(x.dtype).min)
    if reduce == "max":
        if matrix.size(-1) == 0:  # nothing to take the maximum of
            return each.sum(dim=-2)
        return each.amax(dim=-2).masked_fill(~member.any(dim=-2), 0)
    share = each.softmax(dim=-2) * matrix.unsqueeze(-1)
    return (share * inverse(share.sum(dim=-2, keepdim=True)) * x.unsqueeze(-3)).sum(dim=-2)
