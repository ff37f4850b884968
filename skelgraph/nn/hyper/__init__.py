"""Layers on joint hypergraphs: joints to hyperedges and back."""

from skelgraph.nn.hyper.relation_attention import RelationAttention

__all__ = ["RelationAttention"]
