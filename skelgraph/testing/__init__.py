"""Tests for what others build on this library: the contract of layers, and golden files for ports of networks."""

from skelgraph.testing.golden import Golden, check_evaluation, check_training, write_golden
from skelgraph.testing.layers import LAYER_CLAUSES, LayerFactory, check_layer

__all__ = [
    "LAYER_CLAUSES",
    "Golden",
    "LayerFactory",
    "check_evaluation",
    "check_layer",
    "check_training",
    "write_golden",
]
