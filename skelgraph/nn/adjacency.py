"""How the adjacency of a graph layer is learned, and fixed edges added to it.

A layer hands what these modules return to :func:`~skelgraph.ops.graph_conv` and need not know whether it is matrices or
edge lists: that is a property of the :class:`~skelgraph.ops.EdgePattern`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelgraph.fixed import FixedBuffers
from skelgraph.ops import Adjacency, EdgePattern, SparseAdjacency
from skelgraph.ops.sparse import edge_places
from skelgraph.options import Channels, CheckedOptions

MASKED = -9e15
"""Logit of an absent edge: exactly 0 after the softmax, while a row without any edge becomes uniform, not NaN."""


class SoftmaxAdjacency(CheckedOptions, FixedBuffers):
    r"""Row-softmax over one learned logit per edge, :math:`S_{ij} = \mathrm{softmax}_j(e_{ij})` on fixed edges.

    Args:
        pattern: The edges. Or a mask ``(..., I, J)``, boolean or numeric, non-zero where an edge carries node ``j`` to
            node ``i``.
        channels: Number of independent adjacencies on the same edges; by default one, without an axis for it.
        over_partitions: One softmax over the edges of a receiver in all partitions, not one in each.
        empty_rows: Masks ``(K, I, J)``: in matrices, a row without edges is uniform over all senders and split by these
            masks. By default it is 0.

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
        self,
        pattern: Tensor | EdgePattern,
        channels: Channels | None = None,
        over_partitions: bool = False,
        empty_rows: Tensor | None = None,
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
                if empty_rows is not None:
                    mask = torch.where(mask.sum(dim=(0, 2), keepdim=True) == 0, empty_rows, mask)
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
        blank, index, mask = self.blank, self.index, self.mask
        if blank is None or index is None:
            assert self.edges is not None
            values = self.edges.softmax(self.logits, self.over_partitions)
            return self.edges(values if self.per_channel else values.squeeze(0))
        if not self.per_channel:
            matrices = blank.scatter(1, index.unsqueeze(0), self.logits).view(self.shape).softmax(dim=-1)
            return matrices if mask is None else matrices * mask
        channels = self.logits.size(0)
        logits = blank.expand(channels, -1).scatter(1, index.expand(channels, -1), self.logits)
        matrices = logits.view(channels, *self.shape).softmax(dim=-1)
        return matrices if mask is None else matrices.movedim(0, -3) * mask.unsqueeze(-3)

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
        masks = self.masks
        if learned.dim() == 2:
            return learned.unsqueeze(0) if masks is None else learned * masks
        return learned if masks is None else (learned.unsqueeze(1) * masks).flatten(0, 1)

    def self_loops(self) -> Tensor:
        """The weights ``(..., J)`` of the self loops, the diagonals of the learned matrices."""
        if self.edges is None:
            fixed = self.exact("fixed").diagonal(dim1=-2, dim2=-1)
            return fixed + self.offset.diagonal(dim1=-2, dim2=-1)
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
            before, added = size[1], SparseAdjacency(index, values, size).to_dense()
        else:
            old, keys = edge_places(edges.index, size), edge_places(index, size)
            self.joined = EdgePattern(torch.cat([edges.index, index[:, torch.isin(keys, old, invert=True)]], 1), size)
            all_keys, order = edge_places(self.joined.index, size).sort()
            place = order[torch.searchsorted(all_keys, keys)]
            before, added = len(old), values.new_zeros(len(order)).index_add(0, place, values)
        to_old, appended = added[..., :before], added[..., before:]
        self.dim, self.changes_old, self.appends = added.dim(), bool(to_old.any()), appended.size(-1) > 0
        if self.changes_old:
            self.register_exact("to_old", to_old.clone())
        if self.appends:
            self.register_exact("appended", appended.clone())

    def forward(self, adjacency: Adjacency) -> Adjacency:
        """Add the edges: to the values of those that are there already, and behind them."""
        values = adjacency.values if isinstance(adjacency, SparseAdjacency) else adjacency
        has_channels = values.dim() > self.dim
        if self.changes_old:
            to_old = self.exact("to_old")
            values = values + (self._for_channels(to_old) if has_channels else to_old)
        if self.appends:
            appended = self.exact("appended")
            if has_channels:
                appended = self._for_channels(appended).expand(*values.shape[:-1], -1)
            values = torch.cat((values, appended), dim=-1)
        return values if self.joined is None else self.joined(values)

    def _for_channels(self, added: Tensor) -> Tensor:
        """Matrices with an axis for the channels behind that of the partitions; lists of edges have it in front."""
        return added.unsqueeze(-3) if self.joined is None else added
