"""PyG's data object for hypergraphs, with numbers of nodes and hyperedges that are what they were set to."""

from __future__ import annotations

import torch
from torch_geometric.data import Data
from torch_geometric.data.hypergraph_data import HyperGraphData


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
