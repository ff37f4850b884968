"""Motion for 2D-to-3D pose lifting: files and a generator, brought into one form, and batches of it."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

from skelgraph.datasets.cameras import Camera, read_cameras
from skelgraph.datasets.human36m import Human36M
from skelgraph.datasets.mocap import MocapNPZ
from skelgraph.datasets.pose_dataset import Clip, MotionClip, PoseDataset
from skelgraph.datasets.smpl import read_smpl, smpl_body
from skelgraph.datasets.synthetic import SyntheticMocap
from skelgraph.datasets.windows import PoseBatch, PoseWindows, WindowLoader
from skelgraph.errors import DataError, unknown_name
from skelgraph.files import read_npz
from skelgraph.text import shown
from skelgraph.topology import SkeletonLike

#: What :func:`load_dataset` knows.
DATASETS = ("synthetic", "human36m", "mocap")

__all__ = [
    "DATASETS",
    "Camera",
    "Clip",
    "Human36M",
    "MocapNPZ",
    "MotionClip",
    "PoseBatch",
    "PoseDataset",
    "PoseWindows",
    "SyntheticMocap",
    "WindowLoader",
    "load_dataset",
    "read_cameras",
    "read_npz",
    "read_smpl",
    "smpl_body",
]


def load_dataset(
    name: str,
    split: str,
    *,
    data_3d: str | PathLike[str] | None = None,
    data_2d: str | PathLike[str] | None = None,
    cameras: str | PathLike[str] | None = None,
    keypoints: str = "gt",
    skeleton: SkeletonLike = "h36m17",
    subjects: Sequence[str] | None = None,
    downsample: int | None = None,
    unchecked: bool = False,
) -> PoseDataset:
    """Load a dataset by name; what the dataset has no use for must be left out.

    Args:
        name: ``"synthetic"``, ``"human36m"`` or ``"mocap"``.
        split: ``"train"`` or ``"test"``.
        data_3d: File of the positions, for human36m and mocap.
        data_2d: File of the keypoints, for human36m and mocap; without it they are projected (for human36m: if
            ``keypoints="gt"``).
        cameras: Camera file, for mocap.
        keypoints: Whose keypoints, for human36m.
        skeleton: The joints that are wanted.
        subjects: Subjects of the split, if not the usual ones.
        downsample: Keep only every so many frames; by default what the dataset itself does.
        unchecked: Do not ask whether the data are plausible.

    Raises:
        SkelgraphError: There is no such dataset, or an option is missing or of no use for it; and what the dataset
            itself raises.
    """
    if name not in DATASETS:
        raise unknown_name("dataset", name, DATASETS)
    given = {
        "data_3d": data_3d,
        "data_2d": data_2d,
        "cameras": cameras,
        "keypoints": None if keypoints == "gt" else keypoints,
    }
    takes = {
        "synthetic": (),
        "human36m": ("data_3d", "data_2d", "keypoints"),
        "mocap": ("data_3d", "data_2d", "cameras"),
    }[name]
    if useless := [option for option, value in given.items() if value is not None and option not in takes]:
        raise DataError(f"dataset {shown(name)} has no use for: {', '.join(useless)}.")

    common: dict[str, Any] = {"split": split, "skeleton": skeleton, "subjects": subjects, "unchecked": unchecked}
    if downsample is not None:
        common["downsample"] = downsample
    if name == "synthetic":
        return SyntheticMocap(**common)
    if data_3d is None:
        raise DataError(f"dataset {shown(name)} needs data_3d, the npz file of the positions.")
    if name == "human36m":
        return Human36M(data_3d, data_2d, keypoints=keypoints, **common)
    if cameras is None:
        raise DataError("dataset 'mocap' needs cameras, the JSON file of the cameras.")
    return MocapNPZ(data_3d, data_2d, cameras, **common)
