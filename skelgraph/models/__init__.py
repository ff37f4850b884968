"""The published 2D-to-3D pose networks, their registry, and the import of official checkpoints."""

from skelgraph.models.any_gcn import AnyGCN, any_gcn_conv
from skelgraph.models.any_gcn_graphs import any_gcn_adjacency
from skelgraph.models.exported import export_model
from skelgraph.models.factory import create_model
from skelgraph.models.graph_mlp import GraphMLP
from skelgraph.models.hgcn import HGCN
from skelgraph.models.hgn import HGN, HGNOutput
from skelgraph.models.hoif_net import HOIFNet
from skelgraph.models.lifter import FrameLifter, PoseLifter
from skelgraph.models.loading import load_model
from skelgraph.models.martinez import Martinez
from skelgraph.models.mlp_graph import MLPGraph
from skelgraph.models.modulated_gcn import ModulatedGCN
from skelgraph.models.nehs_net import NEHSFeatures, NEHSNet
from skelgraph.models.official import OfficialLayout, load_official
from skelgraph.models.optimized import OptimizedLifter, optimize
from skelgraph.models.registry import ModelInfo, list_models, model_info, register_model
from skelgraph.models.residual_gcn import ResidualGCN
from skelgraph.models.rs_net import RSNet
from skelgraph.models.sem_gcn import SemGCN
from skelgraph.models.shipped import ShippedWeights, shipped_weights
from skelgraph.models.st_gcn_pose import STGCNPose
from skelgraph.models.video_pose import VideoPose
from skelgraph.models.weights import load_expected_error, load_head, load_network

__all__ = [
    "HGCN",
    "HGN",
    "AnyGCN",
    "FrameLifter",
    "GraphMLP",
    "HGNOutput",
    "HOIFNet",
    "MLPGraph",
    "Martinez",
    "ModelInfo",
    "ModulatedGCN",
    "NEHSFeatures",
    "NEHSNet",
    "OfficialLayout",
    "OptimizedLifter",
    "PoseLifter",
    "RSNet",
    "ResidualGCN",
    "STGCNPose",
    "SemGCN",
    "ShippedWeights",
    "VideoPose",
    "any_gcn_adjacency",
    "any_gcn_conv",
    "create_model",
    "export_model",
    "list_models",
    "load_expected_error",
    "load_head",
    "load_model",
    "load_network",
    "load_official",
    "model_info",
    "optimize",
    "register_model",
    "shipped_weights",
]
