"""Training and evaluation with Lightning (extra ``train``): a run from configuration to report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skelgraph.lazy import lazy_exports
from skelgraph.training.config import (
    AugmentationConfig,
    DataConfig,
    EvaluationConfig,
    MachineConfig,
    NetworkConfig,
    OptimizerConfig,
    RefinementConfig,
    TrainConfig,
    TrainingConfig,
)
from skelgraph.training.losses import LOSSES, LossInfo, register_loss
from skelgraph.training.schedules import SCHEDULES, ScheduleInfo, register_schedule

if TYPE_CHECKING:
    from skelgraph.training.checkpoint import load_checkpoint
    from skelgraph.training.config_file import read_config
    from skelgraph.training.data import PoseData
    from skelgraph.training.history import DivergedError, History
    from skelgraph.training.module import LiftingModule
    from skelgraph.training.pictures import visualize
    from skelgraph.training.resume import saved_config
    from skelgraph.training.run import evaluate, train
    from skelgraph.training.seeds import saved_seeds, train_seeds
    from skelgraph.training.warm_start import started_from

__all__ = [
    "LOSSES",
    "SCHEDULES",
    "AugmentationConfig",
    "DataConfig",
    "DivergedError",
    "EvaluationConfig",
    "History",
    "LiftingModule",
    "LossInfo",
    "MachineConfig",
    "NetworkConfig",
    "OptimizerConfig",
    "PoseData",
    "RefinementConfig",
    "ScheduleInfo",
    "TrainConfig",
    "TrainingConfig",
    "evaluate",
    "load_checkpoint",
    "read_config",
    "register_loss",
    "register_schedule",
    "saved_config",
    "saved_seeds",
    "started_from",
    "train",
    "train_seeds",
    "visualize",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        __all__,
        ("data", "module", "history", "checkpoint", "config_file", "resume", "run", "seeds", "pictures", "warm_start"),
    )
