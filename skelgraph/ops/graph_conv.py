"""The primitive under all graph layers: transform every node with each weight, then aggregate over the nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.ops.sparse import SparseAdjacency
from skelgraph.text import shown

Order = Literal["auto", "transform", "aggregate"]


def graph_conv(
    x: Tensor,
    weight: Tensor,
    adjacency: Tensor | SparseAdjacency,
    *,
    modulation: Tensor | None = None,
    bias: Tensor | None = None,
    groups: int = 1,
    order: Order = "auto",
    channelwise: bool = False,
) -> Tensor:
    r"""Partitioned graph convolution, the common form of the operators of skeleton-graph learning.

    .. math::
        \mathbf{Y}_g = \sum_{k \in g} \mathbf{A}_k \left( \mathbf{M}_k \odot (\mathbf{X} \mathbf{W}_k) \right) +
        \mathbf{b}_g

    The partitions :math:`k = 0..K-1` (self / neighbours, hops, subsets) fall into ``groups`` runs of equal length; each
    run is summed and the runs are concatenated over channels. It takes two large products: all :math:`\mathbf{W}_k` at
    once, and all :math:`\mathbf{A}_k` at once over the interleaved ``(node, partition)`` axis, for which no tensor is
    copied.

    Args:
        x: Sending nodes ``(..., J, C_in)``.
        weight: ``(K, C_in, C_out)``, or ``(K, J, C_in, C_out)`` with one matrix per node (per sending node if
            ``order="transform"``, per receiving node if ``order="aggregate"``).
        adjacency: ``(K, I, J)``, entry ``[k, i, j]`` carries node ``j`` to node ``i``; or per sample
            ``(..., K, I, J)`` with the leading dimensions of ``x``; or ``(K, C_out, I, J)`` if ``channelwise``. A
            :class:`~skelgraph.ops.SparseAdjacency` of large graphs gives the same without any matrix.
        modulation: Multiplies the transformed features of the sending nodes; ``(J, C_out)`` or ``(K, J, C_out)``.
        bias: ``(groups * C_out)`` or ``(I, groups * C_out)``.
        groups: Number of concatenated results: 1 sums all partitions, ``K`` concatenates all.
        order: Whether the weights act before (``"transform"``) or after (``"aggregate"``) the adjacency. With shared
            weights both give the same answer and ``"auto"`` takes the cheaper; with weights per node it says to which
            node the weights belong, and ``"auto"`` means ``"transform"``.
        channelwise: Every output channel has an adjacency of its own.

    Returns:
        Receiving nodes ``(..., I, groups * C_out)``.

    Raises:
        SkelgraphError: If the shapes do not fit together or the combination of options has no meaning.
    """
    _check(x, weight, adjacency, modulation, groups, order, channelwise)
    lead, num_senders = x.shape[:-2], x.size(-2)
    num_receivers = adjacency.shape[-2]
    x = x.reshape(-1, num_senders, x.size(-1))
    if isinstance(adjacency, SparseAdjacency):
        if adjacency.per_sample:
            adjacency = replace(adjacency, values=adjacency.values.reshape(x.size(0), adjacency.index.size(1)))
    elif adjacency.dim() > 3 and not channelwise:
        adjacency = adjacency.reshape(-1, *adjacency.shape[-3:])

    if order == "auto":
        either_order = weight.dim() == 3 and modulation is None and not channelwise
        order = "aggregate" if either_order and _aggregate_first(weight, adjacency, groups) else "transform"

    if order == "aggregate":
        y = _reduce(_aggregate(x.unsqueeze(-2), adjacency, weight.size(0)), weight, groups)
    else:
        h = _transform(x, weight)
        if modulation is not None:
            h = h * (modulation if modulation.dim() == 2 else modulation.movedim(0, -2)).view(
                num_senders, -1, h.size(-1)
            )
        y = _aggregate_channels(h, adjacency) if channelwise else _aggregate(h, adjacency, groups)
    y = y.reshape(*lead, num_receivers, groups * weight.size(-1))
    return y if bias is None else y + bias


def _aggregate_first(weight: Tensor, adjacency: Tensor | SparseAdjacency, groups: int) -> bool:
    """Whether aggregating first is cheaper: multiply-adds per pose, plus ten per element of the tensor in between,
    which is written and read."""
    num_parts, c_in, c_out = weight.shape
    receivers, senders = adjacency.shape[-2:]
    if isinstance(adjacency, SparseAdjacency):  # the product with it is the same for all groups
        edges = adjacency.index.size(1)
        transform = c_out * (num_parts * senders * (c_in + 10) + edges)
        aggregate = c_in * (num_parts * receivers * (c_out + 10) + edges)
        return aggregate <= transform
    transform = num_parts * c_out * (senders * c_in + groups * receivers * senders + 10 * senders)
    aggregate = num_parts * c_in * (receivers * senders + receivers * c_out + 10 * receivers)
    return aggregate <= transform  # at equal width, too: it saves a copy of the weights


def _transform(x: Tensor, weight: Tensor) -> Tensor:
    """Apply all weights in one product: ``(B, J, C) -> (B, J, K, C_out)``."""
    shape = (*x.shape[:2], weight.size(0), weight.size(-1))
    stacked = weight.movedim(0, -2).flatten(-2)
    if stacked.dim() == 2:
        return (x.reshape(-1, x.size(-1)) @ stacked).view(shape)
    return torch.bmm(x.transpose(0, 1), stacked).transpose(0, 1).reshape(shape)


def _reduce(z: Tensor, weight: Tensor, groups: int) -> Tensor:
    """Apply all weights and sum each run of partitions: ``(B, I, K, C) -> (B, I, groups * C_out)``; the sums happen
    inside the product."""
    num_poses, num_nodes = z.shape[:2]
    if weight.dim() == 3:
        stacked = weight.reshape(groups, -1, weight.size(-1))
    else:  # one matrix for each (node, group)
        stacked = weight.unflatten(0, (groups, -1)).permute(2, 0, 1, 3, 4)
        stacked = stacked.reshape(num_nodes * groups, -1, weight.size(-1))
    rows = z.reshape(-1, stacked.size(0), stacked.size(1))
    if stacked.size(0) == 1:  # squeezed, not indexed: the backward pass of an index fills a tensor with zeros
        y = rows.squeeze(1) @ stacked.squeeze(0)
    else:
        y = torch.bmm(rows.transpose(0, 1), stacked).transpose(0, 1)
    return y.reshape(num_poses, num_nodes, groups * weight.size(-1))


def _aggregate(h: Tensor, adjacency: Tensor | SparseAdjacency, groups: int) -> Tensor:
    """Aggregate the nodes of ``h (B, J, K or 1, C)`` with ``adjacency ([B,] K, I, J)`` into ``(B, I, groups,
    C)`` in one product.

    ``h`` is read in place as ``(B, J * K, C)``. A concatenation of groups is one product too: its matrix has a row for
    each ``(receiver, group)`` and zeros where a partition belongs to another group.
    """
    if isinstance(adjacency, SparseAdjacency):
        return adjacency.aggregate(h, groups)
    num_poses, num_senders, num_parts, channels = h.shape
    receivers = adjacency.size(-2)
    if num_parts == 1:  # one set of features for all partitions: rows (i, k), columns j
        operator = adjacency.movedim(-3, -2).flatten(-3, -2)
    else:
        operator = adjacency.movedim(-3, -1)  # (..., I, J, K)
        if groups > 1:
            members = torch.eye(groups, dtype=h.dtype, device=h.device).repeat_interleave(num_parts // groups, dim=1)
            operator = operator.unsqueeze(-3) * members.view(groups, 1, num_parts)  # (..., I, groups, J, K)
            operator = operator.flatten(-4, -3)
        operator = operator.flatten(-2)
    if operator.dim() == 2:
        operator = operator.expand(num_poses, -1, -1)
    # bmm rather than matmul: the backward pass of a broadcast matmul is two to three times slower here
    return torch.bmm(operator, h.reshape(num_poses, num_senders * num_parts, channels)).view(
        num_poses, receivers, groups, channels
    )


def _aggregate_channels(h: Tensor, adjacency: Tensor | SparseAdjacency) -> Tensor:
    """Aggregate the nodes of ``h (B, J, K, C)`` with one matrix per channel, ``adjacency (K, C, I, J)``, into ``(B, I,
    C)``."""
    if isinstance(adjacency, SparseAdjacency):
        return adjacency.aggregate_channels(h)
    operator = adjacency.movedim(0, -1).flatten(-2)  # (C, I, J * K)
    return torch.bmm(operator, h.flatten(1, 2).permute(2, 1, 0)).permute(2, 1, 0)


def empty_weight(num_parts: int, in_channels: int, out_channels: int) -> Tensor:
    """An uninitialised weight ``(K, C_in, C_out)`` for :func:`graph_conv`, which lies in memory as the product of
    ``order="transform"`` reads it: no forward pass copies it."""
    return torch.empty(in_channels, num_parts, out_channels).transpose(0, 1)


def _check(
    x: Tensor,
    weight: Tensor,
    adjacency: Tensor | SparseAdjacency,
    modulation: Tensor | None,
    groups: int,
    order: str,
    channelwise: bool,
) -> None:
    graph = tuple(adjacency.shape)
    if order not in ("auto", "transform", "aggregate"):
        raise SkelgraphError(f"order must be 'auto', 'transform' or 'aggregate', got {shown(order)}")
    if x.dim() < 2 or weight.dim() not in (3, 4) or len(graph) < 3:
        raise SkelgraphError(
            "graph_conv needs x (..., J, C_in), weight (K, [J,] C_in, C_out) and adjacency (..., K, I, J), got "
            f"{tuple(x.shape)}, {tuple(weight.shape)} and {graph}"
        )
    parts = graph[0] if channelwise else graph[-3]
    if weight.size(0) != parts or graph[-1] != x.size(-2) or weight.size(-2) != x.size(-1):
        raise SkelgraphError(
            f"x {tuple(x.shape)}, weight {tuple(weight.shape)} and adjacency {graph} do not fit: "
            "expected x (..., J, C_in), weight (K, [J,] C_in, C_out), adjacency (..., K, I, J)"
        )
    if weight.dim() == 4:
        nodes = graph[-2] if order == "aggregate" else x.size(-2)
        if weight.size(1) != nodes:
            raise SkelgraphError(
                f"weight has {weight.size(1)} matrices per partition, expected one for each of {nodes} nodes"
            )
    if len(graph) > 3 and not channelwise and graph[:-3] != tuple(x.shape[:-2]):
        raise SkelgraphError(f"adjacency per sample has leading dimensions {graph[:-3]}, x has {tuple(x.shape[:-2])}")
    if channelwise and (len(graph) != 4 or graph[1] != weight.size(-1)):
        raise SkelgraphError(
            f"a channel-wise adjacency is (K, C_out, I, J) with C_out = {weight.size(-1)}, got {graph}"
        )
    if groups < 1 or parts % groups:
        raise SkelgraphError(f"groups must divide the number of partitions {parts}, got {groups}")
    if channelwise and groups != 1:
        raise SkelgraphError("partitions can be concatenated only with one adjacency for all channels")
    if order == "aggregate" and (modulation is not None or channelwise):
        raise SkelgraphError(
            "a modulation or a channel-wise adjacency acts on transformed features: order='aggregate' cannot be"
        )
