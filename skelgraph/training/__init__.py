"""Training and evaluation with Lightning (extra ``train``): a run from configuration to report."""

from __future__ import annotations

from skelgraph.training.checkpoint import load_checkpoint
from skelgraph.training.data import PoseData
from skelgraph.training.history import History
from skelgraph.training.module import LOSSES, SCHEDULES, LiftingModule
from skelgraph.training.run import TrainConfig, evaluate, saved_config, train

__all__ = [
    "LOSSES",
    "SCHEDULES",
    "History",
    "LiftingModule",
    "PoseData",
    "TrainConfig",
    "evaluate",
    "load_checkpoint",
    "saved_config",
    "train",
]
