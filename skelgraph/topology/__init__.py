"""What is connected to what: skeletons, their graph matrices and the named layouts."""

from skelgraph.topology.layouts import SkeletonLike, list_skeletons, register_skeleton, skeleton
from skelgraph.topology.skeleton import Skeleton

__all__ = ["Skeleton", "SkeletonLike", "list_skeletons", "register_skeleton", "skeleton"]
