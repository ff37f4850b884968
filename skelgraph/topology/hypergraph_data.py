"""PyG's data object for hypergraphs, with numbers of nodes and hyperedges that are what they were set to."""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.hypergraph_data import HyperGraphData
from torch_geometric.utils import index_to_mask


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
