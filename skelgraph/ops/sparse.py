"""Sparse adjacency for :func:`~skelgraph.ops.graph_conv`: edge lists in place of matrices, for large graphs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch_geometric.utils import scatter, softmax

from skelgraph.errors import SkelgraphError
from skelgraph.fixed import FixedBuffers
from skelgraph.ops.sparse_product import SparsePattern, compress, has_sparse_product, sparse_product


@dataclass(frozen=True, eq=False)
class SparseAdjacency:
    r"""Matrices :math:`\mathbf{A}_k` as a list of edges: time and memory grow with the edges, not with the square of
    the nodes.

    Args:
        index: Partition, receiver and sender of every edge, ``(3, E)``, in any order; values of equal edges add up.
        values: Value of every edge ``(E)``, for every output channel ``(C_out, E)`` or per sample ``(..., E)``.
        size: Number of partitions, receivers and senders.
        compressed: The same edges sorted by receiver and by sender, of an :class:`EdgePattern`, with which products are
            ten to fifty times faster.
        per_sample: ``True``: values ``(..., E)``, a graph per sample, with the leading dimensions of the features.
            ``False``: values ``(E)`` or ``(C_out, E)``.

    Raises:
        SkelgraphError: If the index and the values do not fit together.
    """

    index: Tensor
    values: Tensor
    size: tuple[int, int, int]
    compressed: CompressedEdges | None = None
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
        num_rows = self.size[1] * groups
        if self.compressed is None or not has_sparse_product(h):
            part, receiver, sender = self.index
            row = receiver * groups + part // (self.size[0] // groups)
            column = sender * num_parts + part % num_parts
            messages = h.flatten(1, 2).index_select(1, column) * self.values.unsqueeze(-1)
            y = scatter(messages, row, dim=1, dim_size=num_rows)
        else:
            pattern, values = self.compressed.matrix_of(self.size[0], groups, num_parts), self.values.to(h.dtype)
            if self.per_sample:  # one matrix with a block for each sample
                y = sparse_product(pattern.blocks(num_poses), h.flatten(0, 2), values.flatten())
            else:
                y = sparse_product(pattern, h.flatten(1, 2).movedim(1, 0).flatten(1), values)
                y = y.view(num_rows, num_poses, channels).movedim(1, 0)
        return y.reshape(num_poses, self.size[1], groups, channels)

    def aggregate_channels(self, h: Tensor) -> Tensor:
        """Aggregate the nodes of ``h (B, J, K, C)`` with the values of every channel into ``(B, I, C)``."""
        part, receiver, sender = self.index
        messages = h.flatten(1, 2).index_select(1, sender * h.size(2) + part) * self.values.t()
        return scatter(messages, receiver, dim=1, dim_size=self.size[1])


Adjacency: TypeAlias = Tensor | SparseAdjacency
"""What :func:`~skelgraph.ops.graph_conv` takes: matrices ``(..., K, I, J)``, or the edges that they stand for."""


class CompressedEdges(NamedTuple):
    """Edges sorted by receiver and partition, and by sender and partition."""

    receiver_ptr: Tensor
    by_receiver: Tensor
    sender_ptr: Tensor
    by_sender: Tensor
    column: Tensor
    row: Tensor

    @classmethod
    def from_index(cls, index: Tensor, size: tuple[int, int, int]) -> CompressedEdges:
        """Sort the edges both ways."""
        part, receiver, sender = index
        num_parts, receivers, senders = size
        row, column = receiver * num_parts + part, sender * num_parts + part
        by_receiver, by_sender = row.argsort(stable=True), column.argsort(stable=True)
        return cls(
            compress(row, receivers * num_parts), by_receiver,
            compress(column, senders * num_parts), by_sender,
            column[by_receiver], row[by_sender],
        )  # fmt: skip

    def matrix_of(self, num_parts: int, groups: int, sending_parts: int) -> SparsePattern:
        """The pattern of the matrix whose rows are receivers and groups of partitions, and whose columns are senders
        and partitions (``sending_parts``, or 1 if all partitions have the same features)."""
        each, shared = num_parts // groups, num_parts // sending_parts
        return SparsePattern(
            self.receiver_ptr[::each], self.column // shared if shared > 1 else self.column,
            self.sender_ptr[::shared], self.row // each if each > 1 else self.row,
            self.by_receiver, self.by_sender,
        )  # fmt: skip


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
    follows_default_device = False  # on its own it is topology

    def __init__(self, index: Tensor, size: tuple[int, int, int], dense: bool = False) -> None:
        super().__init__()
        self.size = size
        self.dense = dense
        self.register_buffer("index", index, persistent=False)
        compressed = None if dense else CompressedEdges.from_index(index, size)
        for name in CompressedEdges._fields:
            self.register_buffer(name, getattr(compressed, name, None), persistent=False)

    def forward(self, values: Tensor, per_sample: bool = False) -> Adjacency:
        """The adjacency with these values ``(E)``, ``(C_out, E)`` or ``per_sample`` ``(..., E)``."""
        if self.dense:
            return SparseAdjacency(self.index, values, self.size, per_sample=per_sample).to_dense()
        compressed = CompressedEdges(*(self.get_buffer(name) for name in CompressedEdges._fields))
        return SparseAdjacency(self.index, values, self.size, compressed, per_sample)

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
