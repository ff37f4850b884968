"""Layers on joint hypergraphs: joints to hyperedges and back."""

from skelgraph.nn.hyper.allset_conv import AllSetConv, DeepSet, SetTransformer
from skelgraph.nn.hyper.dynamic import (
    AssignedHyperedges,
    KNNHyperedges,
    SemiDynamicHyperedges,
    TopKAttentionHyperedges,
    knn_hyperedges,
)
from skelgraph.nn.hyper.edge_vertex_conv import EdgeVertexConv
from skelgraph.nn.hyper.hnhn_conv import HNHNConv
from skelgraph.nn.hyper.hyper_conv import HyperConv
from skelgraph.nn.hyper.hyperedge_attention_conv import HyperedgeAttentionConv
from skelgraph.nn.hyper.hyperedge_conv import HyperedgeConv, hyperedge_operator
from skelgraph.nn.hyper.hypergraph_input import HypergraphInput, Memberships
from skelgraph.nn.hyper.learned_operator_conv import LearnedOperatorConv
from skelgraph.nn.hyper.node_edge_hyperedge_conv import NodeEdgeHyperedgeConv
from skelgraph.nn.hyper.relation_attention import RelationAttention
from skelgraph.nn.hyper.uni_conv import UniConv
from skelgraph.nn.hyper.uni_gcnii_conv import UniGCNIIConv

__all__ = [
    "AllSetConv",
    "AssignedHyperedges",
    "DeepSet",
    "EdgeVertexConv",
    "HNHNConv",
    "HyperConv",
    "HyperedgeAttentionConv",
    "HyperedgeConv",
    "HypergraphInput",
    "KNNHyperedges",
    "LearnedOperatorConv",
    "Memberships",
    "NodeEdgeHyperedgeConv",
    "RelationAttention",
    "SemiDynamicHyperedges",
    "SetTransformer",
    "TopKAttentionHyperedges",
    "UniConv",
    "UniGCNIIConv",
    "hyperedge_operator",
    "knn_hyperedges",
]
