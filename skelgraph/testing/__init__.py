"""Tests for what others build on this library: the contracts of layers and networks, and golden files for ports."""

from skelgraph.testing.golden import Golden, check_evaluation, check_training, write_golden
from skelgraph.testing.layers import LAYER_CLAUSES, LayerFactory, check_layer
from skelgraph.testing.networks import MODEL_CLAUSES, check_model

__all__ = [
    "LAYER_CLAUSES",
    "MODEL_CLAUSES",
    "Golden",
    "LayerFactory",
    "check_evaluation",
    "check_layer",
    "check_model",
    "check_training",
    "write_golden",
]
