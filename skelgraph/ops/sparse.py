"""Sparse adjacency for :func:`~skelgraph.ops.graph_conv`: edge lists in place of matrices, for large graphs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch_geometric.utils import scatter, softmax

from skelgraph.errors import SkelgraphError
from skelgraph.fixed import FixedBuffers
from skelgraph.ops.products import has_sparse_product


@dataclass(frozen=True, eq=False)
class SparseAdjacency:
    r"""Matrices :math:`\mathbf{A}_k` as a list of edges: time and memory grow with the edges, not with the square of
    the nodes.

    Args:
        index: Partition, receiver and sender of every edge, ``(3, E)``, in any order; values of equal edges add up.
        values: Value of every edge ``(E)``, for every output channel ``(C_out, E)`` or per sample ``(..., E)``.
        size: Number of partitions, receivers and senders.
        by_receiver: The order ``(E)`` that sorts the edges by receiver, then partition, of an :class:`EdgePattern`.
        by_sender: The order ``(E)`` that sorts them by sender, then partition. With both the products are ten to fifty
            times faster.
        per_sample: ``True``: values ``(..., E)``, a graph per sample, with the leading dimensions of the features.
            ``False``: values ``(E)`` or ``(C_out, E)``.

    Raises:
        SkelgraphError: If the index and the values do not fit together.
    """

    index: Tensor
    values: Tensor
    size: tuple[int, int, int]
    by_receiver: Tensor | None = None
    by_sender: Tensor | None = None
    per_sample: bool = False

    def __post_init__(self) -> None:  # noqa: D105
        if self.index.dim() != 2 or self.index.size(0) != 3 or self.values.shape[-1:] != self.index.shape[1:]:
            raise SkelgraphError(
                f"a sparse adjacency needs an index (3, E) and values (..., E), got {tuple(self.index.shape)} and "
                f"{tuple(self.values.shape)}"
            )

    @classmethod
    def from_edges(cls, edge_index: Tensor, values: Tensor, num_nodes: int) -> SparseAdjacency:
        """One partition with the edges of PyG's ``edge_index`` (senders, receivers), such as those of a batch."""
        sender, receiver = edge_index
        return cls(torch.stack([torch.zeros_like(sender), receiver, sender]), values, (1, num_nodes, num_nodes))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the matrices that this stands for, ``(K, I, J)``, ``(K, C_out, I, J)`` or ``(..., K, I, J)``."""
        lead = self.values.shape[:-1]
        return (*lead, *self.size) if self.per_sample else (self.size[0], *lead, *self.size[1:])

    def __rmul__(self, factor: float) -> SparseAdjacency:
        """All matrices times a number, as for a tensor: ``0.5 * adjacency``."""
        return replace(self, values=factor * self.values)

    def row_sums(self) -> Tensor:
        """The sums of the rows of all matrices, ``(I, K)``."""
        part, receiver, _ = self.index
        num_parts, receivers, _ = self.size
        return scatter(self.values, receiver * num_parts + part, dim_size=receivers * num_parts).view(receivers, -1)

    def self_loops(self) -> Tensor:
        """The weights ``(K, J)`` of the self loops, which are the diagonals of the matrices."""
        part, receiver, sender = self.index
        num_parts, num_nodes, _ = self.size
        loops = self.values * (receiver == sender)
        return scatter(loops, part * num_nodes + receiver, dim=-1, dim_size=num_parts * num_nodes).view(-1, num_nodes)

    def to_dense(self) -> Tensor:
        """The matrices."""
        flat = scatter(self.values, edge_places(self.index, self.size), dim=-1, dim_size=torch.Size(self.size).numel())
        matrices = flat.unflatten(-1, self.size)
        return matrices if self.per_sample else matrices.movedim(-3, 0)

    def aggregate(self, h: Tensor, groups: int) -> Tensor:
        """Aggregate the nodes of ``h (B, J, K or 1, C)`` into ``(B, I, groups, C)``."""
        num_poses, _, num_parts, channels = h.shape
        part, receiver, sender = self.index
        row = receiver * groups + part // (self.size[0] // groups)
        column = sender * num_parts + part % num_parts
        num_rows, x = self.size[1] * groups, h.flatten(1, 2)
        by_row, by_column, values = self.by_receiver, self.by_sender, self.values.to(h.dtype)
        if by_row is None or by_column is None or not has_sparse_product(h):
            y = scatter(x.index_select(1, column) * self.values.unsqueeze(-1), row, dim=1, dim_size=num_rows)
        elif self.per_sample:  # one matrix with a block for each sample
            sizes = num_rows, x.size(1), part.numel(), part.numel()
            blocks = map(_blocks, (row, column, by_row, by_column), sizes, [num_poses] * 4)
            y = _EdgeProduct.apply(x.flatten(0, 1), values.flatten(), *blocks, num_poses * num_rows)
        else:
            wide = x.movedim(1, 0).flatten(1)
            y = _EdgeProduct.apply(wide, values, row, column, by_row, by_column, num_rows)
            y = y.view(num_rows, num_poses, channels).movedim(1, 0)
        return y.reshape(num_poses, self.size[1], groups, channels)

    def aggregate_channels(self, h: Tensor) -> Tensor:
        """Aggregate the nodes of ``h (B, J, K, C)`` with the values of every channel into ``(B, I, C)``."""
        part, receiver, sender = self.index
        messages = h.flatten(1, 2).index_select(1, sender * h.size(2) + part) * self.values.t()
        return scatter(messages, receiver, dim=1, dim_size=self.size[1])


Adjacency: TypeAlias = Tensor | SparseAdjacency
"""What :func:`~skelgraph.ops.graph_conv` takes: matrices ``(..., K, I, J)``, or the edges that they stand for."""


class EdgePattern(FixedBuffers):
    """Edges without values, ordered once for all products: ``pattern(values)`` is the adjacency with these values.

    It moves to devices with the layer that holds it, and has no entry in a state dict.

    Args:
        index: Partition, receiver and sender of every edge, ``(3, E)``.
        size: Number of partitions, receivers and senders.
        dense: ``True``: ``pattern(values)`` is matrices. ``False``: it is a :class:`SparseAdjacency`. A layer computes
            the same with both.
    """

    index: Tensor
    by_receiver: Tensor | None
    by_sender: Tensor | None
    follows_default_device = False  # on its own it is topology

    def __init__(self, index: Tensor, size: tuple[int, int, int], dense: bool = False) -> None:
        super().__init__()
        self.size = size
        self.dense = dense
        part, receiver, sender = index
        self.register_buffer("index", index, persistent=False)
        for name, node in (("by_receiver", receiver), ("by_sender", sender)):
            order = None if dense else (node * size[0] + part).argsort(stable=True)
            self.register_buffer(name, order, persistent=False)

    def forward(self, values: Tensor, per_sample: bool = False) -> Adjacency:
        """The adjacency with these values ``(E)``, ``(C_out, E)`` or ``per_sample`` ``(..., E)``."""
        sparse = SparseAdjacency(self.index, values, self.size, self.by_receiver, self.by_sender, per_sample)
        return sparse.to_dense() if self.dense else sparse

    def places(self, over_partitions: bool = False) -> Tensor:
        """The place ``(E)`` of every edge in the flattened matrices ``(K, I, J)``; ``over_partitions``: in their sum
        ``(I, J)``."""
        index = self.index.new_tensor([[0], [1], [1]]) * self.index if over_partitions else self.index
        return edge_places(index, self.size)

    def reverse(self, over_partitions: bool = False) -> Tensor:
        """The place ``(E)`` of the reverse of every edge among the edges: in the same partition, or in any
        (``over_partitions``).

        Raises:
            SkelgraphError: If an edge has no reverse, or edges are equal.
        """
        part, receiver, sender = self.index
        if over_partitions:
            part = torch.zeros_like(part)
        num_nodes = max(self.size[1:])
        key, mirrored = ((part * num_nodes + i) * num_nodes + j for i, j in ((receiver, sender), (sender, receiver)))
        place = torch.empty_like(key).scatter(0, mirrored.argsort(), key.argsort())
        if not torch.equal(key[place], mirrored) or len(key.unique()) < len(key):
            raise SkelgraphError(f"{self} needs the reverse of every edge, and each edge once")
        return place

    def softmax(self, logits: Tensor, over_partitions: bool = False) -> Tensor:
        """Softmax over the edges of every receiver: in each partition, or one over all of them (``over_partitions``);
        for each row of ``logits ([C,] E)``."""
        num_parts, receivers, _ = self.size
        part, receiver, _ = self.index
        rows = receiver if over_partitions else part * receivers + receiver
        return softmax(logits, rows, num_nodes=receivers if over_partitions else num_parts * receivers, dim=-1)

    def extra_repr(self) -> str:
        """Size and number of edges."""
        return f"{self.size}, edges={self.index.size(1)}"


def edge_places(index: Tensor, size: tuple[int, int, int]) -> Tensor:
    """The place of every edge in the flattened matrices."""
    part, receiver, sender = index
    return (part * size[1] + receiver) * size[2] + sender


class _EdgeProduct(torch.autograd.Function):
    """Product of a sparse matrix with learned values and the features of all poses. Its backward pass uses the sorted
    transpose, where torch's own would build it every time, and holds no message of any edge.

    It is linear in the features and in the values, so that its derivatives are products like it and :class:`_EdgeDot`,
    whose derivatives are products again: there are derivatives of any order.
    """

    @staticmethod
    def forward(
        x: Tensor, values: Tensor, row: Tensor, column: Tensor, by_row: Tensor, by_column: Tensor, num_rows: int
    ) -> Tensor:
        if _has_legacy_batch(x, values):
            messages = x.index_select(0, column) * values.unsqueeze(-1)
            return messages.new_zeros(num_rows, x.size(1)).index_add(0, row, messages)
        return _matrix(row, column, values, by_row, (num_rows, x.size(0))) @ x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _save(ctx, inputs[:6])
        ctx.num_rows = inputs[6]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, values, row, column, by_row, by_column = ctx.saved_tensors
        grad_x = grad_values = None
        if ctx.needs_input_grad[0]:
            grad_x = _EdgeProduct.apply(grad, values, column, row, by_column, by_row, x.size(0))
        if ctx.needs_input_grad[1]:
            grad_values = _EdgeDot.apply(grad, x, row, column, by_row, by_column)
        return grad_x, grad_values, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, dx: Tensor | None, dvalues: Tensor | None, *_: None) -> Tensor:
        x, values, *edges = ctx.saved_tensors
        moved = [(dx, values), (x, dvalues)]
        return sum(_EdgeProduct.apply(a, b, *edges, ctx.num_rows) for a, b in moved if a is not None and b is not None)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], x: Tensor, values: Tensor, *edges: Any) -> tuple[Tensor, int]:
        """All samples as one matrix with a block for each."""
        num_rows = edges[-1]
        x, values, *edges_of = _samples(info.batch_size, in_dims[:6], (x, values, *edges[:-1]))
        sizes = num_rows, x.size(1), values.size(1), values.size(1)
        blocks = map(_blocks, edges_of, sizes, [info.batch_size] * 4)
        y = _EdgeProduct.apply(x.flatten(0, 1), values.flatten(), *blocks, info.batch_size * num_rows)
        return y.unflatten(0, (info.batch_size, num_rows)), 0


class _EdgeDot(torch.autograd.Function):
    """The scalar product of the features at both ends of every edge, ``(E)``: the derivative of :class:`_EdgeProduct`
    by the values."""

    @staticmethod
    def forward(left: Tensor, right: Tensor, row: Tensor, column: Tensor, by_row: Tensor, by_column: Tensor) -> Tensor:
        if _has_legacy_batch(left, right):
            return (left.index_select(0, row) * right.index_select(0, column)).sum(dim=-1)
        blank = _matrix(row, column, left.new_zeros(row.numel()), by_row, (left.size(0), right.size(0)))
        sampled = torch.sparse.sampled_addmm(blank, left, right.t(), beta=0).values()
        return torch.empty_like(sampled).index_copy_(0, by_row, sampled)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _save(ctx, inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        left, right, row, column, by_row, by_column = ctx.saved_tensors
        grad_left = grad_right = None
        if ctx.needs_input_grad[0]:
            grad_left = _EdgeProduct.apply(right, grad, row, column, by_row, by_column, left.size(0))
        if ctx.needs_input_grad[1]:
            grad_right = _EdgeProduct.apply(left, grad, column, row, by_column, by_row, right.size(0))
        return grad_left, grad_right, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, dleft: Tensor | None, dright: Tensor | None, *_: None) -> Tensor:
        left, right, *edges = ctx.saved_tensors
        moved = [(dleft, right), (left, dright)]
        return sum(_EdgeDot.apply(a, b, *edges) for a, b in moved if a is not None and b is not None)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        """All samples as one matrix with a block for each."""
        left, right, *edges = _samples(info.batch_size, in_dims, inputs)
        num_edges = edges[0].size(1)
        blocks = map(_blocks, edges, (left.size(1), right.size(1), num_edges, num_edges), [info.batch_size] * 4)
        y = _EdgeDot.apply(left.flatten(0, 1), right.flatten(0, 1), *blocks)
        return y.unflatten(0, (info.batch_size, num_edges)), 0


def _has_legacy_batch(*tensors: Tensor) -> bool:
    """Whether ``torch.autograd.grad(..., is_grads_batched=True)`` is at work, which knows nothing of our ``vmap``."""
    return any(map(torch._C._functorch.is_legacy_batchedtensor, tensors))


def _save(ctx: Any, tensors: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)


def _samples(num_samples: int, dims: tuple[int | None, ...], tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """Tensors with the samples of a ``vmap`` first, those that are the same for all of them repeated."""
    return [
        value.expand(num_samples, *value.shape) if dim is None else value.movedim(dim, 0)
        for dim, value in zip(dims, tensors, strict=True)
    ]


def _blocks(place: Tensor, size: int, num_blocks: int) -> Tensor:
    """Places in the first of equal blocks (or, given ``(B, E)``, in each), as places in all."""
    return (torch.arange(num_blocks, device=place.device).unsqueeze(1) * size + place).flatten()


def _matrix(row: Tensor, column: Tensor, values: Tensor, by_row: Tensor, size: tuple[int, int]) -> Tensor:
    ptr = row.new_zeros(size[0] + 1)
    torch.cumsum(row.bincount(minlength=size[0]), 0, out=ptr[1:])
    return torch.sparse_csr_tensor(ptr, column[by_row], values[by_row], size, check_invariants=False)
