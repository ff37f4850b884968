"""MPI-INF-3DHP, from the files that the lifting literature prepares of it in three ways."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skelgraph.datasets.cameras import Camera
from skelgraph.datasets.mocap import JointPicker, as_mapping, check_split, entry_of
from skelgraph.datasets.pose_dataset import MotionClip, PoseDataset
from skelgraph.datasets.protocol import GRAPHMLP, OFFICIAL_3DHP, POSEAUG
from skelgraph.datasets.variants_3dhp import VARIANTS_3DHP
from skelgraph.errors import DataError, unknown_name
from skelgraph.files import as_path, read_npz
from skelgraph.geometry import normalize_screen
from skelgraph.text import plain, shown
from skelgraph.topology import Skeleton, SkeletonLike, as_skeleton

#: Training subjects, and test sequences, which are subjects here.
SUBJECTS = {"train": tuple(f"S{i}" for i in range(1, 9)), "test": tuple(f"TS{i}" for i in range(1, 7))}

#: Where the test sequences were recorded: results are told apart by it.
SCENES = {
    "TS1": "green screen",
    "TS2": "green screen",
    "TS3": "no green screen",
    "TS4": "no green screen",
    "TS5": "outdoor",
    "TS6": "outdoor",
}

#: Frames of each test sequence in the files of PoseAug and MLP-Graph, in their order: those that are valid and show all
#: joints in the image.
POSEAUG_FRAMES = {"TS1": 603, "TS2": 540, "TS3": 505, "TS4": 553, "TS5": 276, "TS6": 452}

# Which of the 17 joints of the annotations (mpi_inf_3dhp17) are the joints of another layout, as the literature takes
# them: its neck is Human3.6M's thorax, its head the joint between neck and head. The files of 16 joints leave that out,
# so that their "head" is the top of the head, as in Human3.6M.
OFFICIAL_JOINTS = {
    "mpi_inf_3dhp17": tuple(range(17)),
    "h36m17": (14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4),
    "h36m16": (14, 8, 9, 10, 11, 12, 13, 15, 1, 0, 5, 6, 7, 2, 3, 4),
}
UNJUDGED_JOINTS = ("pelvis", "spine", "head")
"""Those that the rule of the data set leaves out, in the names of mpi_inf_3dhp17."""

SPIN_JOINTS = (14, 2, 1, 0, 3, 4, 5, 16, 12, 18, 9, 10, 11, 8, 7, 6)
"""The 16 joints of h36m16 among the 24 of `SPIN <https://github.com/nkolot/SPIN>`_."""


class MpiInf3DHP(PoseDataset):
    """`MPI-INF-3DHP <https://vcai.mpi-inf.mpg.de/3dhp-dataset/>`_ in one of the three forms in which it is used. They
    differ in frames, joints and metrics, and **their numbers do not compare**. The cameras are known in none of them:
    positions are in camera axes, and there is no projection and no refinement.

    * ``"graphmlp"``, of `GraphMLP <https://github.com/Vegetebird/GraphMLP>`_ and NEHSNet: 17 joints in the order of
      Human3.6M, all frames, for training and test;
    * ``"poseaug"``, of `PoseAug <https://github.com/jfzhang95/PoseAug>`_ and the MLP-Graph branch: 2929 test frames, 16
      joints, root-relative, keypoints normalised. They do not follow each other in time, so that a window of more than
      one frame is no motion;
    * ``"official"``, the files of `P-STMO <https://github.com/paTRICK-swk/P-STMO>`_: 17 joints, all frames, judged on
      those that the data set calls valid (the 3D joints of the others count as not known) and on its 14 joints.

    The test sequences are the subjects TS1 to TS6, with ``scenes`` green screen, no green screen and outdoor.

    Args:
        data_3d: The file of the positions; or a folder, in which it has its usual name.
        data_2d: The file of the keypoints, of ``"graphmlp"`` alone; by default that with the usual name beside the
            positions.
        variant: ``"graphmlp"``, ``"poseaug"`` or ``"official"``.
        split: ``"train"`` (S1 to S8) or ``"test"`` (TS1 to TS6).
        skeleton: ``"h36m17"`` or ``"h36m16"``; of ``"official"`` also its own order ``"mpi_inf_3dhp17"``; of
            ``"poseaug"`` only ``"h36m16"``.
        subjects: Other subjects for the split.
        **options: ``actions``, ``downsample``, ``subset`` and ``unchecked`` of
            :class:`~skelgraph.datasets.PoseDataset`.

    Raises:
        DataError: A file cannot be read, lacks a subject, or its arrays do not fit; see
            :class:`~skelgraph.datasets.PoseDataset`.
    """

    def __init__(
        self,
        data_3d: str | PathLike[str],
        data_2d: str | PathLike[str] | None = None,
        *,
        variant: str,
        split: str = "train",
        skeleton: SkeletonLike = "h36m17",
        subjects: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        check_split(split)
        if variant not in VARIANTS_3DHP:
            raise unknown_name("variant", variant, VARIANTS_3DHP)
        skeleton = as_skeleton(skeleton)
        subjects = SUBJECTS[split] if subjects is None else subjects
        if data_2d is not None and variant != "graphmlp":
            raise DataError(f"variant {variant!r} has no use for data_2d: its keypoints stand beside the positions.")
        if variant == "graphmlp":
            path = _usual(data_3d, "data_3d_3dhp.npz")
            path_2d = path.with_name("data_2d_3dhp.npz") if data_2d is None else as_path(data_2d, DataError)
            clips, self.protocol = _graphmlp_clips(path, path_2d, subjects, skeleton), GRAPHMLP
        elif variant == "poseaug":
            if split == "train":
                raise DataError("variant 'poseaug' has test frames only; expected split 'test'.")
            path = path_2d = _usual(data_3d, "test_3dhp.npz", "3DHP_test.npz", "mpi_inf_3dhp_valid.npz")
            clips, self.protocol = _poseaug_clips(path, subjects, skeleton), POSEAUG
        else:
            path = path_2d = _usual(data_3d, f"data_{split}_3dhp.npz")
            joints = _official_joints(skeleton)
            clips = (_official_train_clips if split == "train" else _official_test_clips)(path, subjects, joints)
            names = as_skeleton("mpi_inf_3dhp17").joint_names
            judged = (i for i, joint in enumerate(joints) if names[joint] not in UNJUDGED_JOINTS)
            protocol = dataclasses.replace(OFFICIAL_3DHP, joints=tuple(skeleton.joint_names[i] for i in judged))
            self.protocol = protocol
        self.variant = variant
        super().__init__(
            clips,
            skeleton=skeleton,
            name=f"mpi_inf_3dhp ({variant})",
            split=split,
            frame_rate=None,  # 25 or 50 by sequence
            sources=(str(path), str(path_2d)),
            **options,
        )
        if all(subject in SCENES for subject in self.subjects):
            self.scenes = tuple(dict.fromkeys(SCENES[subject] for subject in self.subjects))
            of_clips = torch.tensor([self.scenes.index(SCENES[clip.subject]) for clip in self.clips])
            self.scene_id = of_clips[self.clip_id]
        if self.visible_3d is not None:  # windows reach over all frames and are judged on the valid ones
            self._indices = self.visible_3d.any(1).nonzero().flatten().tolist()


def _usual(path: str | PathLike[str], *names: str) -> Path:
    """A file itself, or the first of some files that there is in a folder."""
    path = as_path(path, DataError)
    if not path.is_dir():
        return path
    for name in names:
        if (path / name).exists():
            return path / name
    raise DataError(f"{plain(str(path), 1000)}: the folder has no file {' or '.join(names)}.")


def image_size(subject: str) -> tuple[int, int]:
    """Width and height of the images of a subject, pixels."""
    return (1920, 1080) if subject in ("TS5", "TS6") else (2048, 2048)


def _camera(subject: str, number: object) -> Camera:
    """What is known of the camera of a subject: how large its images are."""
    return Camera(plain(number), *image_size(subject))


def _graphmlp_clips(path: Path, path_2d: Path, subjects: Sequence[str], skeleton: Skeleton) -> Iterator[MotionClip]:
    pick = JointPicker(skeleton)
    members = read_npz(path, required=["positions_3d"], optional=[])
    members_2d = read_npz(path_2d, required=["positions_2d"], optional=[])
    for subject in subjects:
        sequences = entry_of(members["positions_3d"], subject, "subject", f"{path}: positions_3d")
        filmed = entry_of(members_2d["positions_2d"], subject, "subject", f"{path_2d}: positions_2d")
        for sequence, views in as_mapping(sequences, f"{path}: subject {plain(subject)}").items():
            where = f"{path}: subject {plain(subject)}, sequence {shown(sequence)}"
            where_2d = f"{path_2d}: subject {plain(subject)}, sequence {shown(sequence)}"
            seen = entry_of(filmed, sequence, "sequence", f"{path_2d}: subject {plain(subject)}")
            positions, keypoints = _views(views, where), _views(seen, where_2d)
            if len(positions) != len(keypoints):
                raise DataError(
                    f"{where_2d}: found keypoints of {len(keypoints)} cameras, expected those of the "
                    f"{len(positions)} cameras in {path}."
                )
            for i, (position, keypoint) in enumerate(zip(positions, keypoints, strict=True)):
                xy = keypoint[..., :2] if isinstance(keypoint, np.ndarray) and keypoint.ndim == 3 else keypoint
                yield MotionClip(subject, plain(sequence), _camera(subject, i), pick(position), pick(xy))


def _views(value: Any, where: str) -> list[Any]:
    """What a list over cameras holds."""
    if isinstance(value, np.ndarray) and (value.dtype == object or value.ndim == 4):
        value = list(value)
    if not isinstance(value, list | tuple) or not value:
        raise DataError(f"{where}: found {shown(value)}, expected a list of arrays, one for each camera.")
    return list(value)


def _poseaug_clips(path: Path, subjects: Sequence[str], skeleton: Skeleton) -> Iterator[MotionClip]:
    if skeleton != as_skeleton("h36m16"):
        raise DataError(f"variant 'poseaug' has the joints of h36m16; found skeleton {plain(skeleton.name)}.")
    members = read_npz(path, optional=["pose3d", "pose2d", "sequence", "imgname", "part", "S"])
    if "pose3d" in members or "pose2d" in members:
        poses, keypoints, of_frame = _prepared(members, path)
    else:
        poses, keypoints, of_frame = _spin(members, path)
    for subject in subjects:
        frames = of_frame == subject
        if not frames.any():
            raise DataError(f"{path}: has no frame of {shown(subject)}; it has: {', '.join(np.unique(of_frame))}.")
        camera = _camera(subject, 0)
        yield MotionClip(
            subject, "Seq1", camera, poses[frames], keypoints[frames], is_normalized=True, is_root_relative=True
        )


def _prepared(members: dict[str, Any], path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Poses, normalised keypoints and the test sequence of each frame, from a file that is made already."""
    poses, keypoints = (_numbers(members, f"pose{dims}d", path, (16, dims)) for dims in (3, 2))
    if "sequence" in members:  # of our own preparation, which says of what each frame is
        of_frame = np.asarray(members["sequence"])
        if not of_frame.shape == poses.shape[:1] == keypoints.shape[:1] or of_frame.dtype.kind != "U":
            raise DataError(f"{path}: sequence is {shown(of_frame)}, expected the name of one for each frame.")
        return poses, keypoints, of_frame
    frames = sum(POSEAUG_FRAMES.values())
    for name, array in (("pose3d", poses), ("pose2d", keypoints)):
        if len(array) != frames:
            raise DataError(
                f"{path}: {name} has {len(array)} frames, expected {frames}, those of TS1 to TS6 one after the other: "
                "their images are of two sizes."
            )
    return poses, keypoints, np.repeat(list(POSEAUG_FRAMES), list(POSEAUG_FRAMES.values()))


def _spin(members: dict[str, Any], path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same from SPIN's annotations of 24 joints, each with a confidence that multiplies the keypoint."""
    if not {"imgname", "part", "S"} <= members.keys():
        raise DataError(f"{path}: has neither pose3d and pose2d nor imgname, part and S.")
    positions, part = (_numbers(members, name, path, shape) for name, shape in (("S", (24, 4)), ("part", (24, 3))))
    names = [plain(name, 1000) for name in np.asarray(members["imgname"]).reshape(-1)]
    if not len(names) == len(positions) == len(part):
        raise DataError(
            f"{path}: found {len(names)} imgname, {len(part)} part and {len(positions)} S, expected equally many."
        )
    found = [re.search(r"(?<![A-Za-z0-9])TS[1-6](?![0-9])", name) for name in names]
    if None in found:
        raise DataError(f"{path}: imgname {shown(names[found.index(None)])} names no test sequence TS1 to TS6.")
    of_frame = np.array([match.group() for match in found if match])
    positions, part = positions[:, SPIN_JOINTS, :3], part[:, SPIN_JOINTS]
    cameras = [_camera(name, 0) for name in of_frame]
    width, height = (torch.tensor([[getattr(camera, side)] for camera in cameras]) for side in ("width", "height"))
    keypoints = normalize_screen(torch.from_numpy(part[..., :2]), width, height).numpy() * part[..., 2:]
    return positions, keypoints, of_frame


def _numbers(members: dict[str, Any], name: str, path: Path, shape: tuple[int, int]) -> np.ndarray:
    """A member that is an array of numbers, ``(frames, *shape)``."""
    array = members.get(name)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or array.shape[1:] != shape:
        expected = f"(frames, {shape[0]}, {shape[1]})"
        raise DataError(f"{path}: {name} is {shown(array)}, expected an array of numbers of shape {expected}.")
    return array.astype(np.float64)


def _official_joints(skeleton: Skeleton) -> tuple[int, ...]:
    for name, joints in OFFICIAL_JOINTS.items():
        if skeleton == as_skeleton(name):
            return joints
    names = " or ".join(OFFICIAL_JOINTS)
    raise DataError(f"variant 'official' has the joints of {names}; found skeleton {plain(skeleton.name)}.")


def _official_train_clips(path: Path, subjects: Sequence[str], joints: Sequence[int]) -> Iterator[MotionClip]:
    data = as_mapping(read_npz(path, required=["data"], optional=[])["data"], f"{path}: data")
    for subject in subjects:
        names = [name for name in data if isinstance(name, str) and name.split(" ")[0] == subject]
        if not names:
            entry_of(data, f"{subject} Seq1", "sequence", f"{path}: data")
        for name in names:
            where = f"{path}: {plain(name)}"
            pair = data[name]
            if not isinstance(pair, list | tuple | np.ndarray) or len(pair) != 2:
                raise DataError(f"{where}: found {shown(pair)}, expected a list of the cameras and the frame rate.")
            for camera, arrays in as_mapping(pair[0], where).items():
                positions, keypoints = _official_arrays(arrays, joints, f"{where}, camera {plain(camera)}")
                action = name.partition(" ")[2] or name
                yield MotionClip(subject, action, _camera(subject, camera), positions, keypoints)


def _official_test_clips(path: Path, subjects: Sequence[str], joints: Sequence[int]) -> Iterator[MotionClip]:
    data = as_mapping(read_npz(path, required=["data"], optional=[])["data"], f"{path}: data")
    for subject in subjects:
        where = f"{path}: {plain(subject)}"
        arrays = entry_of(data, subject, "sequence", f"{path}: data")
        positions, keypoints = _official_arrays(arrays, joints, where)
        valid = np.asarray(entry_of(arrays, "valid", "entry", where)).reshape(-1)
        if valid.dtype.kind not in "biuf" or len(valid) != len(positions) or not np.isin(valid, (0, 1)).all():
            raise DataError(f"{where}: valid is {shown(valid)}, expected 0 or 1 for each of {len(positions)} frames.")
        visible = np.repeat(valid[:, None], len(joints), 1)
        yield MotionClip(subject, "Seq1", _camera(subject, 0), positions, keypoints, visible)


def _official_arrays(arrays: Any, joints: Sequence[int], where: str) -> tuple[np.ndarray, np.ndarray]:
    """Positions in metres and keypoints in pixels, in the order of the joints that are wanted."""
    members = {name: entry_of(arrays, name, "entry", where) for name in ("data_3d", "data_2d")}
    for name, array in members.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or array.shape[1:2] != (17,):
            raise DataError(f"{where}: {name} is {shown(array)}, expected an array of shape (frames, 17, ...).")
    return members["data_3d"][:, joints] / 1000, members["data_2d"][:, joints]
