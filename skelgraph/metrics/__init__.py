"""Errors of 3D poses, metres in, millimetres out: functions and torchmetrics classes."""

from skelgraph.metrics.calibration import error_calibration
from skelgraph.metrics.classes import AUC, MPJPE, MPJVE, NMPJPE, PCK, PMPJPE, JointMetric
from skelgraph.metrics.functional import (
    AUC31_THRESHOLDS_MM,
    AUC_THRESHOLDS_MM,
    auc,
    joint_error,
    mpjpe,
    mpjve,
    n_mpjpe,
    p_mpjpe,
    pck,
)

__all__ = [
    "AUC",
    "AUC31_THRESHOLDS_MM",
    "AUC_THRESHOLDS_MM",
    "MPJPE",
    "MPJVE",
    "NMPJPE",
    "PCK",
    "PMPJPE",
    "JointMetric",
    "auc",
    "error_calibration",
    "joint_error",
    "mpjpe",
    "mpjve",
    "n_mpjpe",
    "p_mpjpe",
    "pck",
]
