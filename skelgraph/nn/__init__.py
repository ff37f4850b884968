"""Reusable layers and blocks, bound to a skeleton, on ``(..., J, C)`` tensors."""

from skelgraph.nn.adjacency import SoftmaxAdjacency, self_and_neighbours
from skelgraph.nn.blocks import ConvFactory, GraphConvBlock, JointBatchNorm, ResidualGraphBlock
from skelgraph.nn.conv import SemCHGraphConv, SemGraphConv, SkeletonConv, per_joint
from skelgraph.nn.non_local import GroupedNonLocal, joint_pairs

__all__ = [
    "ConvFactory",
    "GraphConvBlock",
    "GroupedNonLocal",
    "JointBatchNorm",
    "ResidualGraphBlock",
    "SemCHGraphConv",
    "SemGraphConv",
    "SkeletonConv",
    "SoftmaxAdjacency",
    "joint_pairs",
    "per_joint",
    "self_and_neighbours",
]
