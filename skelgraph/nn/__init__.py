"""Reusable layers and blocks, bound to a skeleton, on ``(..., J, C)`` tensors."""

from skelgraph.nn.adjacency import ModulatedAdjacency, SoftmaxAdjacency, graph_matrix, self_and_neighbours
from skelgraph.nn.blocks import ConvFactory, GraphConvBlock, JointBatchNorm, ResidualGraphBlock
from skelgraph.nn.conditional_adjacency import ConditionalAdjacency
from skelgraph.nn.conv import (
    ChebyshevGraphConv,
    ConditionalGraphConv,
    HighOrderGraphConv,
    ImplicitFairingConv,
    ModulatedGraphConv,
    PartitionedGraphConv,
    RegularSplittingConv,
    SemCHGraphConv,
    SemGraphConv,
    SkeletonConv,
    WeightedJacobiConv,
    WeightSharingConv,
    fairing_beta,
    partitioned_adjacency,
    per_joint,
)
from skelgraph.nn.hyper import RelationAttention
from skelgraph.nn.losses import aligned_pose_loss, p_mpjpe_loss
from skelgraph.nn.mixer import DropPath, FeedForward, GraphMLPBlock, MLPGraphBlock
from skelgraph.nn.non_local import EmbeddedGaussianNonLocal, GroupedNonLocal, joint_pairs
from skelgraph.nn.refine import PostRefine

__all__ = [
    "ChebyshevGraphConv",
    "ConditionalAdjacency",
    "ConditionalGraphConv",
    "ConvFactory",
    "DropPath",
    "EmbeddedGaussianNonLocal",
    "FeedForward",
    "GraphConvBlock",
    "GraphMLPBlock",
    "GroupedNonLocal",
    "HighOrderGraphConv",
    "ImplicitFairingConv",
    "JointBatchNorm",
    "MLPGraphBlock",
    "ModulatedAdjacency",
    "ModulatedGraphConv",
    "PartitionedGraphConv",
    "PostRefine",
    "RegularSplittingConv",
    "RelationAttention",
    "ResidualGraphBlock",
    "SemCHGraphConv",
    "SemGraphConv",
    "SkeletonConv",
    "SoftmaxAdjacency",
    "WeightSharingConv",
    "WeightedJacobiConv",
    "aligned_pose_loss",
    "fairing_beta",
    "graph_matrix",
    "joint_pairs",
    "p_mpjpe_loss",
    "partitioned_adjacency",
    "per_joint",
    "self_and_neighbours",
]
