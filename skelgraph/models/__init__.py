"""The published 2D-to-3D pose networks, their registry, and the import of official checkpoints."""

from skelgraph.models.lifter import FrameLifter, PoseLifter
from skelgraph.models.martinez import Martinez
from skelgraph.models.official import load_official
from skelgraph.models.registry import ModelInfo, create_model, list_models, model_info, register_model
from skelgraph.models.residual_gcn import ResidualGCN
from skelgraph.models.sem_gcn import SemGCN

__all__ = [
    "FrameLifter",
    "Martinez",
    "ModelInfo",
    "PoseLifter",
    "ResidualGCN",
    "SemGCN",
    "create_model",
    "list_models",
    "load_official",
    "model_info",
    "register_model",
]
