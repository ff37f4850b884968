"""How networks are judged outside the studio: three sets of open motion, and a real person in four views.

``test`` and ``S02`` are motion of CMU, ``deepmimic`` acrobatics, each seen by the cameras of the files; the clip is
that of :func:`skelgraph.datasets.four_views`. Errors are millimetres, the answers to a pose and to its mirror image
averaged, in float32.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from skelgraph import Lifter
from skelgraph.datasets import Detections, View, four_views, load_dataset
from skelgraph.datasets.pose_dataset import PoseDataset
from skelgraph.lifting import Lifted, judge
from skelgraph.models import PoseLifter
from skelgraph.training import DataConfig, LiftingModule, MachineConfig, PoseData, TrainConfig
from skelgraph.training.trainer import hide_lightning_noise, make_trainer

SKELETON = "h36m16"
SETS = {"test": ("cmu", "test"), "S02": ("cmu", "S02"), "deepmimic": ("deepmimic", "deepmimic")}
"""Which files each set is in, and its subject."""
HEADLINES = {"test": "mpjpe_mm", "S02": "mpjpe_frames_mm", "deepmimic": "mpjpe_frames_mm"}
"""The error of each set that its table shows: the mean over actions of very different length, or over frames."""
MEASURES = ("mpjpe_mm", "p_mpjpe_mm", "mpjpe_frames_mm", "p_mpjpe_frames_mm")
PHASES = {"walking": (0, 20), "side bend": (20, 70), "coming back": (70, 100)}
"""Frames of the clip, from and before."""


def motion_files(folder: Path, name: str) -> dict[str, str]:
    """The files of CMU's motion or of DeepMimic's clips, which the cameras of CMU's see too."""
    return {
        "data_3d": str(folder / f"data_3d_{name}.npz"),
        "data_2d": str(folder / f"data_2d_{name}_gt.npz"),
        "cameras": str(folder / "cameras_cmu.json"),
    }


def motion_config(folder: Path, name: str = "cmu", subject: str = "test", **settings: Any) -> DataConfig:
    """Settings of one set; the training data are those of the subject ``train``."""
    return DataConfig(
        "mocap",
        **motion_files(folder, name),
        up="z",
        skeleton=SKELETON,
        train_subjects=("train",),
        test_subjects=(subject,),
        **settings,
    )


def motion_sets(folder: Path, *, middles: bool, downsample: int | None = None) -> dict[str, PoseDataset]:
    """The three sets by their names.

    Args:
        folder: Where their files are.
        middles: Whether hip, thorax and spine are those of networks trained with ``--middles``.
        downsample: Keep only every so many frames.
    """
    sets = {}
    for name, (files, subject) in SETS.items():
        config = motion_config(folder, files, subject)
        sets[name] = load_dataset(
            config.dataset,
            "test",
            skeleton=config.skeleton,
            subjects=config.test_subjects,
            middles=middles,
            downsample=downsample,
            **config.sources(),
        )
    return sets


def judged_on_motion(network: PoseLifter, sets: Mapping[str, PoseDataset]) -> dict[str, dict[str, float]]:
    """The errors of a network on each set, :data:`MEASURES`."""
    errors = {}
    with hide_lightning_noise():
        trainer = make_trainer(TrainConfig("", machine=MachineConfig("cpu", progress=False)))
        for name, poses in sets.items():
            module = LiftingModule(network, poses.actions, poses.mean_pose())
            trainer.test(module, datamodule=PoseData(None, poses, frames=network.num_frames), verbose=False)
            errors[name] = {measure: module.results[measure] for measure in MEASURES}
    return errors


def lifted_views(lifter: Lifter, seen: Mapping[str, Detections] | None = None) -> dict[str, tuple[View, Lifted]]:
    """The clip, each view lifted on its own with the calibrated camera.

    Args:
        lifter: What lifts it.
        seen: What a detector saw in the videos, by the names of the views; ``None``: the keypoints of the clip.
    """
    lifted = {}
    for name, view in four_views().items():
        fx, fy, cx, cy = view.intrinsics.tolist()
        keypoints = view.detections if seen is None else seen[name]
        lifted[name] = view, lifter(keypoints, focal=(fx, fy), principal_point=(cx, cy))
    return lifted


def poses_and_frames(lifted: Lifted) -> tuple[np.ndarray, np.ndarray]:
    """All poses ``(N, J, 3)`` of a view, metres, and the frames ``(N,)`` that they are of."""
    poses = np.concatenate([one.poses for one in lifted.people])
    return poses, np.concatenate([np.arange(one.first_frame, one.last_frame + 1) for one in lifted.people])


def judged_on_clip(views: Mapping[str, tuple[View, Lifted]]) -> dict[str, Any]:
    """Errors of the twelve limb joints: of each view, of each phase of the motion (mean over the views), and their
    mean over the views; and how many frames were lifted."""
    rows: dict[str, dict[str, float]] = {}
    phases: dict[str, list[dict[str, float]]] = {phase: [] for phase in PHASES}
    frames_lifted = 0
    for name, (view, lifted) in views.items():
        poses, frames = poses_and_frames(lifted)
        frames_lifted += len(frames)

        def errors(kept: np.ndarray, view=view, lifted=lifted, poses=poses, frames=frames) -> dict[str, float]:
            truth = view.truth[frames[kept]]
            found = judge(poses[kept], lifted.skeleton, truth, view.detections.skeleton)
            return {"mpjpe_mm": found.mpjpe, "p_mpjpe_mm": found.p_mpjpe}

        rows[name] = errors(frames >= 0)
        for phase, (start, stop) in PHASES.items():
            phases[phase].append(errors((frames >= start) & (frames < stop)))
    mean = mean_of(list(rows.values()))
    return mean | {
        "views": rows,
        "phases": {phase: mean_of(errors) for phase, errors in phases.items()},
        "frames": frames_lifted,
    }


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each number."""
    return {name: statistics.mean(row[name] for row in rows) for name in rows[0]}


def motion_mean(errors: Mapping[str, Mapping[str, float]]) -> float:
    """What networks are ranked by: the mean of the three sets, MPJPE. The clip is a hundred frames, on which two runs
    of the same network differ by more than most networks do."""
    return statistics.mean(errors[name][measure] for name, measure in HEADLINES.items())
