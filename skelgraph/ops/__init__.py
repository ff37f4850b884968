"""The numeric core: the primitives that every layer is made of, on graphs and on hypergraphs."""

from skelgraph.ops.graph_conv import empty_weight, graph_conv
from skelgraph.ops.incidence import DenseIncidence, Incidence, IncidenceRows, Send, SparseIncidence
from skelgraph.ops.sparse import Adjacency, EdgePattern, SparseAdjacency

__all__ = [
    "Adjacency",
    "DenseIncidence",
    "EdgePattern",
    "Incidence",
    "IncidenceRows",
    "Send",
    "SparseAdjacency",
    "SparseIncidence",
    "empty_weight",
    "graph_conv",
]
