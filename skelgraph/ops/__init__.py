"""The numeric core: the primitives that every layer is made of, on graphs and on hypergraphs."""

from skelgraph.ops.graph_conv import empty_weight, graph_conv
from skelgraph.ops.incidence import DenseIncidence, Incidence, Send, SparseIncidence, Stage, incidence_pattern
from skelgraph.ops.sparse import Adjacency, EdgePattern, SparseAdjacency
from skelgraph.ops.sparse_product import SparsePattern, sparse_product, sparse_products

__all__ = [
    "Adjacency",
    "DenseIncidence",
    "EdgePattern",
    "Incidence",
    "Send",
    "SparseAdjacency",
    "SparseIncidence",
    "SparsePattern",
    "Stage",
    "empty_weight",
    "graph_conv",
    "incidence_pattern",
    "sparse_product",
    "sparse_products",
]
