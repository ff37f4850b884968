"""Tests for what others build on this library."""

from skelgraph.testing.layers import LAYER_CLAUSES, LayerFactory, check_layer

__all__ = ["LAYER_CLAUSES", "LayerFactory", "check_layer"]
