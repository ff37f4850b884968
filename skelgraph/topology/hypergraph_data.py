"""Hypergraphs of PyG and DHG: conversion to and from :class:`JointHypergraph`, and PyG's data object with numbers of
nodes and hyperedges that are what they were set to."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.hypergraph_data import HyperGraphData
from torch_geometric.utils import index_to_mask

from skelgraph.errors import TopologyError
from skelgraph.options import Int64, check_option
from skelgraph.text import shown
from skelgraph.topology.hypergraph import JointHypergraph
from skelgraph.topology.layouts import SkeletonLike


class DHGHypergraph(Protocol):
    """What of a ``dhg.Hypergraph`` is read; DHG itself is an optional dependency."""

    num_v: int
    v_weight: list[float]
    group_names: list[str]

    def e_of_group(self, group_name: str) -> tuple[list[list[int]], list[float]]:
        """The hyperedges of a group and their weights."""


def from_pyg(
    data: HyperGraphData | Tensor,
    num_nodes: int | Tensor | None = None,
    num_hyperedges: int | Tensor | None = None,
    **options: Any,
) -> JointHypergraph:
    """Return the hypergraph of PyG's ``HyperGraphData`` or of a ``hyperedge_index``.

    Args:
        data: A data object or batch (``hyperedge_weight`` is read if there is one), or an index ``(2, nnz)``.
        num_nodes: Number of nodes; by default the rows of ``data.x``, else the ``num_nodes`` that was set (what PyG
            answers is wrong where the numbers of nodes and hyperedges agree), else the largest id + 1.
        num_hyperedges: Number of hyperedges (a tensor: of every graph of a batch), by default that of the data, else
            the largest id + 1.
        **options: ``hyperedge_weight``, ``groups`` and ``skeleton`` of :class:`JointHypergraph`.

    Raises:
        TopologyError: As :class:`JointHypergraph`.

    Example:
        >>> hypergraph = from_pyg(torch.tensor([[0, 1, 2, 2, 3], [0, 0, 0, 1, 1]]))
        >>> hypergraph.hyperedges
        ((0, 1, 2), (2, 3))
    """
    if isinstance(data, Tensor):
        index = data
    elif not hasattr(data, "edge_index") or not hasattr(data, "get"):
        raise TopologyError(f"data is {shown(data)}; expected PyG's HyperGraphData or a hyperedge_index (2, nnz)")
    else:
        index = data.edge_index
        options.setdefault("hyperedge_weight", data.get("hyperedge_weight", None))
        stored = stored_sizes(data)
        num_nodes = stored[0] if num_nodes is None else num_nodes
        num_hyperedges = stored[1] if num_hyperedges is None else num_hyperedges
    if num_nodes is None:
        num_nodes = int(index[0].max()) + 1 if index.numel() else 0
    if num_hyperedges is None:
        num_hyperedges = int(index[1].max()) + 1 if index.numel() else 0
    return JointHypergraph(index, total(num_nodes), total(num_hyperedges), **options)


def to_pyg(hypergraph: JointHypergraph, batch_size: int | None = None, x: Tensor | None = None) -> JointHypergraphData:
    """Return PyG's ``HyperGraphData``; for a batch of poses the disjoint union of ``batch_size`` copies.

    ``data.edge_index`` is the ``hyperedge_index`` of ``HypergraphConv``, ``data.hyperedge_weight`` its weight and
    ``data.num_hyperedges`` what its argument ``num_edges`` must be.

    Args:
        hypergraph: The hypergraph.
        batch_size: Number of copies; without it one graph without ``data.batch``.
        x: Features of the nodes; everything is put on their device.

    Shapes:
        ``x``: ``(J, C)``, or ``(batch_size, J, C)``; ``data.x`` is ``(batch_size * J, C)``.

    Raises:
        TopologyError: If the batch size is not positive or ``x`` has another shape.

    Example:
        >>> data = to_pyg(JointHypergraph.from_lists(3, [[0, 1], [1, 2]]), batch_size=2)
        >>> data.edge_index.tolist()
        [[0, 1, 1, 2, 3, 4, 4, 5], [0, 0, 1, 1, 2, 2, 3, 3]]
    """
    batch_size = check_option("batch_size", batch_size, Int64 | None)
    if batch_size is not None and batch_size < 1:
        raise TopologyError(f"batch_size is {batch_size}; expected at least 1")
    num_nodes, num_hyperedges = hypergraph.num_nodes, hypergraph.num_hyperedges
    lead = () if batch_size is None else (batch_size,)
    if x is not None and not isinstance(x, Tensor):
        raise TopologyError(f"x is {shown(x)}; expected a tensor")
    if x is not None and x.shape[:-1] != (*lead, num_nodes):
        raise TopologyError(f"x has shape {tuple(x.shape)}; expected {(*lead, num_nodes)} and channels")
    copies = batch_size or 1
    index, weight = hypergraph.hyperedge_index, hypergraph.hyperedge_weight
    if x is not None:
        index, weight = index.to(x.device), weight.to(x.device)
    data = JointHypergraphData(
        x=None if x is None else x.reshape(-1, x.size(-1)),
        edge_index=disjoint_union(index, copies, num_nodes, num_hyperedges),
        hyperedge_weight=weight.repeat(copies),
        num_nodes=copies * num_nodes,
        num_hyperedges=copies * num_hyperedges,
    )
    if batch_size is not None:
        data.batch = torch.arange(copies, device=index.device).repeat_interleave(num_nodes)
    return data


def from_dhg(hypergraph: DHGHypergraph, skeleton: SkeletonLike | None = None) -> JointHypergraph:
    """Return the hypergraph of a ``dhg.Hypergraph``, its hyperedge groups in their order.

    Args:
        hypergraph: A ``dhg.Hypergraph``.
        skeleton: The skeleton of the joints.

    Raises:
        TopologyError: If it has vertex weights, which would be lost, or a vertex twice in a hyperedge.
    """
    if any(weight != 1 for weight in hypergraph.v_weight or ()):
        raise TopologyError("the dhg.Hypergraph has vertex weights other than 1; expected weights on hyperedges only")
    hyperedges: list[Sequence[int]] = []
    weights: list[float] = []
    groups: dict[str, range] = {}
    for name in hypergraph.group_names:
        lists, group_weights = hypergraph.e_of_group(name)
        groups[name] = range(len(hyperedges), len(hyperedges) + len(lists))
        hyperedges += lists
        weights += group_weights
    return JointHypergraph.from_lists(
        hypergraph.num_v, hyperedges, hyperedge_weight=weights, groups=groups or None, skeleton=skeleton
    )


def to_dhg(hypergraph: JointHypergraph) -> Any:
    """Return the ``dhg.Hypergraph`` with the same hyperedges, weights and groups; needs the extra ``hypergraph``.

    Raises:
        TopologyError: If something would be lost: DHG merges equal hyperedges of a group, orders hyperedges by group,
            and cannot be without hyperedges.
    """
    _check_dhg(hypergraph)
    try:
        import dhg
    except ImportError as error:
        raise TopologyError("to_dhg needs DHG: pip install 'skelgraph[hypergraph]'") from error

    result = dhg.Hypergraph(hypergraph.num_nodes, device=torch.device("cpu"))
    hyperedges, weights = hypergraph.hyperedges, hypergraph.hyperedge_weight.tolist()
    for name, ids in hypergraph.groups.items():
        lists = [list(hyperedges[m]) for m in ids]
        result.add_hyperedges(lists, e_weight=[weights[m] for m in ids], group_name=name)
    return result


def _check_dhg(hypergraph: JointHypergraph) -> None:
    if hypergraph.num_hyperedges == 0:
        raise TopologyError("the hypergraph has no hyperedges, which DHG does not allow")
    order = [hyperedge for ids in hypergraph.groups.values() for hyperedge in ids]
    if moved := [hyperedge for place, hyperedge in enumerate(order) if place != hyperedge]:
        raise TopologyError(
            f"groups: hyperedge {moved[0]} would get another id, as DHG orders hyperedges by group; "
            "expected groups one after the other"
        )
    hyperedges = hypergraph.hyperedges
    for name, ids in hypergraph.groups.items():
        first: dict[tuple[int, ...], int] = {}
        for m in ids:
            if (other := first.setdefault(hyperedges[m], m)) != m:
                raise TopologyError(
                    f"hyperedges {other} and {m} of group {shown(name)} are equal and DHG would merge them; "
                    "call coalesce() first if that is what you want"
                )
    if empty := [name for name, ids in hypergraph.groups.items() if not ids]:
        raise TopologyError(f"groups: {shown(empty[0])} is empty and would be lost")


class JointHypergraphData(HyperGraphData):
    """A ``HyperGraphData`` that knows its ``num_nodes`` and ``num_hyperedges``.

    PyG takes the largest id + 1 for the number of nodes where this equals the number of hyperedges, even if it was set
    by hand; and it finds the number of hyperedges in a Python loop over all incidences.
    """

    @property
    def num_nodes(self) -> int | None:
        """Number of nodes as set, else as many as there are rows of features."""
        return Data.num_nodes.fget(self)

    @num_nodes.setter
    def num_nodes(self, num_nodes: int | None) -> None:
        self._store.num_nodes = num_nodes

    @property
    def num_edges(self) -> int:
        """Number of hyperedges; of a batch those of all its graphs."""
        return int(torch.as_tensor(self.num_hyperedges).sum())

    def is_edge_attr(self, key: str) -> bool:
        """Whether something is a tensor with a row for every hyperedge (or incidence)."""
        value = self._store.get(key)
        is_rows = isinstance(value, Tensor) and value.dim() > 0 and key != "num_hyperedges"
        return is_rows and super().is_edge_attr(key)

    def subgraph(self, subset: Tensor) -> JointHypergraphData:
        """Return the hypergraph of some nodes: hyperedges keep those of their nodes that are among them, and are left
        out where fewer than two are, as in PyG.

        What has a row for every node or hyperedge is cut to them; where there are as many nodes as hyperedges,
        ``hyperedge_weight``, ``hyperedge_attr`` and ``edge_attr`` are of the hyperedges and all else is of the nodes.

        Args:
            subset: The nodes to keep, as ids or as a mask.
        """
        num_nodes, num_hyperedges = self.num_nodes or 0, self.num_edges
        node, hyperedge = self.edge_index
        keep = subset if subset.dtype == torch.bool else index_to_mask(subset, num_nodes)
        size = keep[node].long()
        size = size.new_zeros(num_hyperedges).index_add(0, hyperedge, size)
        kept = size > 1
        stays = keep[node] & kept[hyperedge]
        nodes = keep.nonzero().flatten() if subset.dtype == torch.bool else subset
        place = torch.empty(num_nodes, dtype=torch.int64, device=nodes.device)
        place[nodes] = torch.arange(nodes.numel(), device=nodes.device)
        index = torch.stack([place[node[stays]], (kept.cumsum(0) - 1)[hyperedge[stays]]])

        data = copy.copy(self)
        for key, value in self.items():
            if key == "edge_index" or not isinstance(value, Tensor) or value.dim() == 0:
                continue
            is_hyperedge = key in ("hyperedge_weight", "hyperedge_attr", "edge_attr")
            if value.size(0) == num_nodes and not is_hyperedge:
                data[key] = value[nodes]
            elif value.size(0) == num_hyperedges and key != "num_hyperedges":
                data[key] = value[kept]
        data.edge_index = index
        data.num_nodes = nodes.numel()
        data.num_hyperedges = int(kept.sum())
        return data


def disjoint_union(index: Tensor, copies: int, num_nodes: int, num_hyperedges: int) -> Tensor:
    """Return the ``hyperedge_index`` of so many copies of a hypergraph side by side, as PyG batches them.

    Shapes:
        ``(2, nnz)`` to ``(2, copies * nnz)``.
    """
    step = index.new_tensor([[num_nodes], [num_hyperedges]])
    shift = torch.arange(copies, device=index.device).repeat_interleave(index.size(1))
    return index.repeat(1, copies) + step * shift


def stored_sizes(data: HyperGraphData) -> tuple[int | None, int | None]:
    """Return the numbers of nodes and hyperedges that PyG's data object holds, ``None`` where it holds none: the rows
    of ``x``, else what ``num_nodes`` was set to (what PyG answers is wrong where both numbers agree), and
    ``num_hyperedges``."""
    stored = {key: data[key] for key in ("x", "num_nodes", "num_hyperedges") if key in data}
    num_nodes = stored["x"].size(0) if stored.get("x") is not None else stored.get("num_nodes")
    num_hyperedges = stored.get("num_hyperedges")
    return (
        None if num_nodes is None else total(num_nodes),
        None if num_hyperedges is None else total(num_hyperedges),
    )


def total(count: int | Tensor) -> int:
    """Return a number as an integer, or the sum of the numbers of all graphs of a batch."""
    if isinstance(count, int) and not isinstance(count, bool):  # told without the checker, which cannot be compiled
        return count
    return check_option("the count", count.sum().item() if isinstance(count, Tensor) else count, Int64)
