"""What is connected to what: skeletons, their graph matrices and the named layouts."""

from skelgraph.topology.body_parts import body_parts, part_skeleton
from skelgraph.topology.coarsening import MatchingRule, heavy_edge_matching, mesh_graph
from skelgraph.topology.convert import conversion_weights, convert_keypoints
from skelgraph.topology.graph import Graph, GraphLike, as_graph
from skelgraph.topology.hyperedge_groups import HYPEREDGE_GROUPS, hyperedge_groups
from skelgraph.topology.hypergraph import HypergraphLike, JointHypergraph, as_hypergraph, bone_incidence
from skelgraph.topology.hypergraph_data import DHGHypergraph, JointHypergraphData, from_dhg, from_pyg, to_dhg, to_pyg
from skelgraph.topology.hypergraph_lifting import forman_curvature
from skelgraph.topology.layouts import (
    SkeletonLike,
    as_skeleton,
    list_skeletons,
    read_skeleton,
    register_skeleton,
    skeleton_config,
)
from skelgraph.topology.limbs import Limb, limbs
from skelgraph.topology.matching import matching_joints
from skelgraph.topology.multiscale import MultiScaleGraph
from skelgraph.topology.skeleton import Skeleton
from skelgraph.topology.tube_mesh import tube_faces, tube_hierarchy

__all__ = [
    "HYPEREDGE_GROUPS",
    "DHGHypergraph",
    "Graph",
    "GraphLike",
    "HypergraphLike",
    "JointHypergraph",
    "JointHypergraphData",
    "Limb",
    "MatchingRule",
    "MultiScaleGraph",
    "Skeleton",
    "SkeletonLike",
    "as_graph",
    "as_hypergraph",
    "as_skeleton",
    "body_parts",
    "bone_incidence",
    "conversion_weights",
    "convert_keypoints",
    "forman_curvature",
    "from_dhg",
    "from_pyg",
    "heavy_edge_matching",
    "hyperedge_groups",
    "limbs",
    "list_skeletons",
    "matching_joints",
    "mesh_graph",
    "part_skeleton",
    "read_skeleton",
    "register_skeleton",
    "skeleton_config",
    "to_dhg",
    "to_pyg",
    "tube_faces",
    "tube_hierarchy",
]
