"""Graph layers, one file per published operator."""

from skelgraph.nn.conv.sem_graph_conv import SemCHGraphConv, SemGraphConv
from skelgraph.nn.conv.skeleton_conv import SkeletonConv, per_joint

__all__ = ["SemCHGraphConv", "SemGraphConv", "SkeletonConv", "per_joint"]
