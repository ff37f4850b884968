"""Motion for 2D-to-3D pose lifting: files and a generator, brought into one form, and batches of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skelgraph.datasets.registry import DATASETS, DatasetInfo, load_dataset, register_dataset
from skelgraph.lazy import lazy_exports

if TYPE_CHECKING:
    from skelgraph.datasets.bodies import SmplBodies
    from skelgraph.datasets.calibration_files import CalibratedCamera, read_calibration
    from skelgraph.datasets.cameras import Camera, read_cameras
    from skelgraph.datasets.example_clip import View, four_views
    from skelgraph.datasets.hard_poses import HardPosesNPZ, hardest, rank_by_rareness
    from skelgraph.datasets.human36m import Human36M
    from skelgraph.datasets.human36m_hgn import Human36MHGN
    from skelgraph.datasets.keypoint_files import Detections, is_keypoints, read_keypoints, write_keypoints
    from skelgraph.datasets.mocap import MocapNPZ
    from skelgraph.datasets.motion_dataset import MotionFiles
    from skelgraph.datasets.motion_files import Motion, read_motion_file, write_motion
    from skelgraph.datasets.mpi_inf_3dhp import MpiInf3DHP
    from skelgraph.datasets.pose_dataset import Clip, MotionClip, PoseDataset
    from skelgraph.datasets.protocol import Protocol
    from skelgraph.datasets.smpl import read_smpl, smpl_body
    from skelgraph.datasets.synthetic import SyntheticMocap
    from skelgraph.datasets.windows import PoseBatch, PoseWindows, WindowLoader
    from skelgraph.files import read_npz

__all__ = [
    "DATASETS",
    "CalibratedCamera",
    "Camera",
    "Clip",
    "DatasetInfo",
    "Detections",
    "HardPosesNPZ",
    "Human36M",
    "Human36MHGN",
    "MocapNPZ",
    "Motion",
    "MotionClip",
    "MotionFiles",
    "MpiInf3DHP",
    "PoseBatch",
    "PoseDataset",
    "PoseWindows",
    "Protocol",
    "SmplBodies",
    "SyntheticMocap",
    "View",
    "WindowLoader",
    "four_views",
    "hardest",
    "is_keypoints",
    "load_dataset",
    "rank_by_rareness",
    "read_calibration",
    "read_cameras",
    "read_keypoints",
    "read_motion_file",
    "read_npz",
    "read_smpl",
    "register_dataset",
    "smpl_body",
    "write_keypoints",
    "write_motion",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        __all__,
        (
            "calibration_files",
            "cameras",
            "windows",
            "protocol",
            "pose_dataset",
            "mocap",
            "keypoint_files",
            "example_clip",
            "motion_files",
            "motion_dataset",
            "human36m",
            "hard_poses",
            "human36m_hgn",
            "mpi_inf_3dhp",
            "synthetic",
            "smpl",
            "bodies",
        ),
    )
