"""The numeric core: the primitives that every layer is made of, on graphs and on hypergraphs."""

from skelgraph.ops.incidence import DenseIncidence, Incidence, IncidenceMessages, IncidenceRows, SparseIncidence
from skelgraph.ops.mix import empty_weight, mix

__all__ = [
    "DenseIncidence",
    "Incidence",
    "IncidenceMessages",
    "IncidenceRows",
    "SparseIncidence",
    "empty_weight",
    "mix",
]
