"""Graph layers, one file per published operator."""

from skelgraph.nn.conv.chebyshev_graph_conv import ChebyshevGraphConv
from skelgraph.nn.conv.conditional_graph_conv import ConditionalGraphConv
from skelgraph.nn.conv.high_order_graph_conv import HighOrderGraphConv
from skelgraph.nn.conv.implicit_fairing_conv import ImplicitFairingConv, fairing_beta
from skelgraph.nn.conv.modulated_graph_conv import ModulatedGraphConv
from skelgraph.nn.conv.partitioned_graph_conv import PartitionedGraphConv, partitioned_adjacency
from skelgraph.nn.conv.regular_splitting_conv import RegularSplittingConv
from skelgraph.nn.conv.sem_graph_conv import SemCHGraphConv, SemGraphConv
from skelgraph.nn.conv.skeleton_conv import SkeletonConv
from skelgraph.nn.conv.weight_sharing_conv import WeightSharingConv
from skelgraph.nn.conv.weighted_jacobi_conv import WeightedJacobiConv
from skelgraph.nn.features import accepts_flat_batch

__all__ = [
    "ChebyshevGraphConv",
    "ConditionalGraphConv",
    "HighOrderGraphConv",
    "ImplicitFairingConv",
    "ModulatedGraphConv",
    "PartitionedGraphConv",
    "RegularSplittingConv",
    "SemCHGraphConv",
    "SemGraphConv",
    "SkeletonConv",
    "WeightSharingConv",
    "WeightedJacobiConv",
    "accepts_flat_batch",
    "fairing_beta",
    "partitioned_adjacency",
]
