"""Small files in the layouts that the published repositories read: Human3.6M with the keypoints of each detector and
with bodies, and MPI-INF-3DHP in two of its variants."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tiny_hgn
import tiny_mocap
import torch

from skelgraph.datasets.cameras import H36M_CAMERAS, Camera, read_cameras
from skelgraph.datasets.h36m_keypoints import H36M_KEYPOINTS
from skelgraph.datasets.mpi_inf_3dhp import POSEAUG_FRAMES
from skelgraph.geometry import project, world_to_camera

KEPT = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
"""Those of the 32 joints of the file that are used."""
NO_NECK = [joint for joint in range(17) if joint != 9]
"""Those of the 17 joints that are among the 16."""
CLIPS = {
    **{subject: {"Walking 1": 9} for subject in ("S1", "S5", "S6", "S7", "S8")},
    "S9": {"Walking": 11, "Sitting 2": 7},
    "S11": {"Sitting": 10, "Walking": 9},
}
"""Frames of each clip: test clips are of several actions, so that means over frames and over actions differ."""
SYMMETRY_16 = [[4, 5, 6, 10, 11, 12], [1, 2, 3, 13, 14, 15]]
SYMMETRY_17 = [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]


def human36m(folder: Path, joints_of_gt: int = 17) -> None:
    """Write ``data_3d_h36m.npz`` and the keypoints of all detectors; tracks of detectors are longer than the clips.

    Args:
        folder: Where they are written.
        joints_of_gt: 17 as VideoPose3D has them, or 16 as SemGCN: the files have one name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    motion: dict[str, dict[str, np.ndarray]] = {}
    for seed, (subject, clips) in enumerate(CLIPS.items()):
        motion[subject] = {action: tiny_mocap.motion(length, seed) for action, length in clips.items()}
    raw = {subject: {action: _raw(world) for action, world in clips.items()} for subject, clips in motion.items()}
    _save(folder / "data_3d_h36m.npz", positions_3d=raw)
    cameras = read_cameras(H36M_CAMERAS, CLIPS)
    filmed = {
        subject: {action: [_film(world, camera) for camera in cameras[subject]] for action, world in clips.items()}
        for subject, clips in motion.items()
    }
    rng = np.random.default_rng(0)

    def found(view: np.ndarray) -> np.ndarray:
        """What a detector finds: some pixels off, two frames more."""
        longer = np.concatenate([view, view[-1:], view[-1:]])
        return (longer + rng.normal(scale=3, size=longer.shape)).astype(np.float32)

    gt = _each(filmed, (lambda view: view) if joints_of_gt == 17 else (lambda view: view[:, NO_NECK]))
    _save(folder / H36M_KEYPOINTS["gt"], positions_2d=gt, metadata=_metadata(joints_of_gt))
    for keypoints in ("cpn", "detectron"):
        _save(folder / H36M_KEYPOINTS[keypoints], positions_2d=_each(filmed, found), metadata=_metadata(17))
    sixteen = _each(filmed, lambda view: found(view[:, NO_NECK]))
    _save(folder / H36M_KEYPOINTS["hr"], positions_2d=sixteen)
    _save(folder / H36M_KEYPOINTS["sh"], positions_2d=sixteen, metadata=_metadata(16))


def mpi_inf_3dhp(folder: Path) -> None:
    """Write ``data_3d_3dhp.npz`` and ``data_2d_3dhp.npz`` of GraphMLP, the test sequences alone, and ``3DHP_test.npz``
    of MLP-Graph with its 2929 frames."""
    folder.mkdir(parents=True, exist_ok=True)
    positions: dict[str, Any] = {}
    keypoints: dict[str, Any] = {}
    poses, normalised = [], []
    for seed, (sequence, frames) in enumerate(POSEAUG_FRAMES.items()):
        seen, size = _seen(frames, seed), np.array((1920, 1080) if sequence in ("TS5", "TS6") else (2048, 2048))
        pixels = 0.7 * size[1] * seen[..., :2] / seen[..., 2:] + size / 2
        positions[sequence], keypoints[sequence] = {"Seq1": [seen[:9]]}, {"Seq1": [pixels[:12]]}
        poses.append((seen - seen[:, :1])[:, NO_NECK])
        normalised.append((pixels / size[0] * 2 - [1, size[1] / size[0]])[:, NO_NECK])
    _save(folder / "data_3d_3dhp.npz", positions_3d=positions)
    _save(folder / "data_2d_3dhp.npz", positions_2d=keypoints)
    np.savez_compressed(folder / "3DHP_test.npz", pose3d=np.concatenate(poses), pose2d=np.concatenate(normalised))


def hard_poses(folder: Path) -> None:
    """Write ``whole_body_S0.05_f5_1_gt.npz`` of MLP-Graph: lists of one array, 25 poses and normalised keypoints."""
    folder.mkdir(parents=True, exist_ok=True)
    seen = _seen(25, 0)[:, NO_NECK]
    keypoints = 2.29 * seen[..., :2] / seen[..., 2:]
    np.savez_compressed(folder / "whole_body_S0.05_f5_1_gt.npz", pose_3d=[seen - seen[:, :1]], pose_2d=[keypoints])


def hgn(folder: Path) -> None:
    """Write the folders ``annotations`` of HGN and ``smpl`` with a body of 138 vertices; subjects S1, S9 and S11."""
    tiny_hgn.write(folder)
    (folder / "models").rename(folder / "smpl")


def _seen(frames: int, seed: int) -> np.ndarray:
    """The swaying figure ``(frames, 17, 3)`` in the axes of a camera four metres away, metres."""
    right, forward, up = np.moveaxis(tiny_mocap.motion(frames, seed), -1, 0)
    return np.stack([right, -up, forward + 4], -1)


def _metadata(joints: int) -> dict[str, Any]:
    symmetry = SYMMETRY_17 if joints == 17 else SYMMETRY_16
    return {"layout_name": "h36m", "num_joints": joints, "keypoints_symmetry": symmetry}


def _raw(world: np.ndarray) -> np.ndarray:
    """All 32 joints of the file; those that are not used lie at the hip."""
    raw = np.repeat(world[:, :1], 32, axis=1)
    raw[:, KEPT] = world
    return raw


def _film(world: np.ndarray, camera: Camera) -> np.ndarray:
    seen = world_to_camera(
        torch.tensor(world, dtype=torch.float64),
        torch.tensor(camera.orientation, dtype=torch.float64),
        torch.tensor(camera.translation, dtype=torch.float64),
    )
    return project(seen, torch.tensor(camera.intrinsics, dtype=torch.float64), camera.distortion).float().numpy()


def _each(views: dict[str, Any], change: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
    return {
        subject: {action: [change(view) for view in cameras] for action, cameras in clips.items()}
        for subject, clips in views.items()
    }


def _save(path: Path, **members: Any) -> None:
    np.savez_compressed(path, **{name: np.array(value, dtype=object) for name, value in members.items()})


TINY: dict[str, dict[str, Any]] = {
    "any_gcn": {"hidden_channels": 4, "num_blocks": 1},
    "graph_mlp": {"hidden_channels": 8, "token_channels": 8, "mlp_channels": 8, "num_blocks": 1},
    "hgcn": {"hidden_channels": 4, "num_blocks": 1},
    "hgn": {"hidden_channels": 4, "levels": [5, 4]},  # of a body of 138 vertices
    "hoif_net": {"hidden_channels": 4, "num_layers": 2},
    "martinez": {"hidden_channels": 16},
    "mlp_graph": {"hidden_channels": 8, "graph_channels": 8, "num_blocks": 1},
    "modulated_gcn": {"hidden_channels": 8, "num_blocks": 1},
    "nehs_net": {"d_model": 12, "depth": 1},
    "rs_net": {"hidden_channels": 4, "num_blocks": 1},
    "sem_gcn": {"hidden_channels": 8, "num_blocks": 1},
    "st_gcn_pose": {"hidden_channels": [8, 8, 8], "part_channels": 8, "fused_channels": 8},
    "video_pose": {"hidden_channels": 8},
}
"""Options that make each network a small one; what is not a width stays as published."""
