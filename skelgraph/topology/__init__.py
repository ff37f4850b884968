"""What is connected to what: skeletons, their graph matrices and the named layouts."""

from skelgraph.topology.body_parts import body_parts, part_skeleton
from skelgraph.topology.hyperedge_groups import HYPEREDGE_GROUPS, hyperedge_groups
from skelgraph.topology.hypergraph import JointHypergraph, bone_incidence
from skelgraph.topology.layouts import SkeletonLike, list_skeletons, register_skeleton, skeleton
from skelgraph.topology.skeleton import Skeleton

__all__ = [
    "HYPEREDGE_GROUPS",
    "JointHypergraph",
    "Skeleton",
    "SkeletonLike",
    "body_parts",
    "bone_incidence",
    "hyperedge_groups",
    "list_skeletons",
    "part_skeleton",
    "register_skeleton",
    "skeleton",
]
