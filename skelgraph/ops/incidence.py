"""The primitive under all hyperedge layers: from nodes to hyperedges and back, dense or sparse."""

from __future__ import annotations

import functools
from typing import Literal, Protocol, TypeAlias, get_args

import torch
from torch import Tensor
from torch_geometric.utils import scatter, softmax

from skelgraph.errors import SkelgraphError
from skelgraph.ops.products import inverse, product, scale
from skelgraph.ops.sparse_product import SparsePattern
from skelgraph.text import shown

Reduce = Literal["sum", "mean", "max", "softmax"]
Over = Literal["nodes", "hyperedges"]


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
    """

    def __init__(self, matrix: Tensor, index: Tensor | None = None) -> None:
        self.matrix = matrix
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

    def score(self, node: Tensor, hyperedge: Tensor) -> Tensor:
        """One number per head and incidence: that of the node ``(..., J, heads)`` plus that of the hyperedge ``(..., M,
        heads)``; here ``(..., heads, J, M)``."""
        return node.mT.unsqueeze(-1) + hyperedge.mT.unsqueeze(-2)

    def softmax(self, score: Tensor, over: Over) -> Tensor:
        """Coefficients that sum to one over the nodes of every hyperedge, or over the hyperedges of every node."""
        dim = -2 if over == "nodes" else -1
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
            that stays: sums then take a tenth of the time.
    """

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

    def score(self, node: Tensor, hyperedge: Tensor) -> Tensor:
        """One number per head and incidence: that of the node ``(..., J, heads)`` plus that of the hyperedge ``(..., M,
        heads)``; here ``(..., nnz, heads)``."""
        return node.index_select(-2, self.index[0]) + hyperedge.index_select(-2, self.index[1])

    def softmax(self, score: Tensor, over: Over) -> Tensor:
        """Coefficients that sum to one over the nodes of every hyperedge, or over the hyperedges of every node."""
        if over == "nodes":
            return softmax(score, self.index[1], num_nodes=self.num_hyperedges, dim=-2)
        return softmax(score, self.index[0], num_nodes=self.num_nodes, dim=-2)

    def by_incidence(self, alpha: Tensor) -> Tensor:
        """Coefficients of this class in the order of :attr:`index`, ``(..., nnz, heads)``."""
        return alpha


Incidence: TypeAlias = DenseIncidence | SparseIncidence


def incidence_pattern(index: Tensor, num_nodes: int, num_hyperedges: int) -> SparsePattern:
    """Where the matrix ``(M, J)`` from nodes to hyperedges has ones, for an index ``(2, nnz)``."""
    return SparsePattern.from_index(index[1], index[0], (num_hyperedges, num_nodes))


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
