"""A data set of the user's own motion capture, in the formats that programs and databases write."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from skelgraph.datasets.cameras import Camera, read_cameras
from skelgraph.datasets.joint_maps import JointMap, find_joint_map, map_joints, read_joint_map
from skelgraph.datasets.mocap import check_split
from skelgraph.datasets.motion_files import FORMATS, Motion, read_motion_file
from skelgraph.datasets.motion_files.motion import is_same_rate
from skelgraph.datasets.pose_dataset import MotionClip, PoseDataset
from skelgraph.datasets.units import Axis, Unit
from skelgraph.datasets.virtual_cameras import Elevation
from skelgraph.datasets.virtual_cameras import virtual_cameras as ring_of_cameras
from skelgraph.errors import DataError, NoSubjectError
from skelgraph.files import as_path
from skelgraph.options import Count, Int64, Positive, checked
from skelgraph.text import plain, shown
from skelgraph.topology import SkeletonLike, as_skeleton

NUM_CAMERAS = 4
"""How many virtual cameras there are unless told."""
_MANY = 20  # files, from which on progress is shown
_NO_MOTION = ("shape", "stagei")  # the last words of AMASS's files of a subject's body


class MotionFiles(PoseDataset):
    """Own motion capture: a file, or a folder of BVH, ASF/AMC, AMASS, C3D and TRC files, seen by virtual cameras.

    The sub-folder of a file is the subject, its name the action; a file without a sub-folder is a subject of its own.
    The joints of the skeleton are found in a file by their names, see :mod:`skelgraph.datasets.joint_maps`. What a file
    does not say is to be told: most say nothing of their unit or of the axis that points up, AMC nothing of its frame
    rate.

    Args:
        data_3d: The file or folder.
        split: Name of the split, ``"train"`` or ``"test"``.
        skeleton: The joints that are wanted; the file's own ones with ``read_motion_file(path).skeleton()``.
        subjects: Subjects of the split; the name of a folder of sub-folders stands for all below it. By default
            the subjects ``train`` or ``test``.
        unit: Unit of length of files that do not say it: ``"m"``, ``"cm"``, ``"mm"``, ``"inch"``, or its metres. Of
            ASF/AMC it is that of lengths divided by the ``length`` of its units: ``"inch"`` for the CMU's.
        up: The axis that points up in files that do not say it.
        joint_map: JSON file that says which joints of the files the wanted ones are, see
            :func:`~skelgraph.datasets.joint_maps.read_joint_map`.
        smpl: Body model for AMASS, or the folder of such.
        frame_rate: Frames per second. Files of another rate are resampled; files that do not say it have this one.
        cameras: JSON file of real cameras, :func:`~skelgraph.datasets.read_cameras`, in the world that the motion is
            brought into: metres, z up, ``(x, -z, y)`` where y was.
        virtual_cameras: How many cameras stand around each clip where there are no real ones, 4 unless given; see
            :func:`~skelgraph.datasets.virtual_cameras`.
        camera_distance: From the middle of the clip, metres; ``None``: so that all of it is in view.
        camera_elevation: Above the horizon, degrees.
        camera_focal: Focal length, pixels of an image of 1000 x 1000.
        camera_seed: Seed of the angles that the first camera of each clip stands at.
        **options: ``actions``, ``downsample``, ``subset`` and ``unchecked`` of
            :class:`~skelgraph.datasets.PoseDataset`.

    Raises:
        DataError: A file cannot be read, does not say what is not told either, says otherwise, or lacks a joint; there
            is no such subject; or see :class:`~skelgraph.datasets.PoseDataset`.
    """

    @checked
    def __init__(
        self,
        data_3d: str | PathLike[str],
        *,
        split: str = "train",
        skeleton: SkeletonLike = "h36m17",
        subjects: Sequence[str] | None = None,
        unit: Unit | Positive | None = None,
        up: Axis | None = None,
        joint_map: str | PathLike[str] | None = None,
        smpl: str | PathLike[str] | None = None,
        frame_rate: Positive | None = None,
        cameras: str | PathLike[str] | None = None,
        virtual_cameras: Count | None = None,
        camera_distance: Positive | None = None,
        camera_elevation: Elevation = 10.0,
        camera_focal: Positive = 1145.0,
        camera_seed: Int64 = 0,
        **options: Any,
    ) -> None:
        check_split(split)
        if None not in (cameras, virtual_cameras):
            raise DataError(f"virtual_cameras is {virtual_cameras}, but cameras are given: {plain(str(cameras), 500)}.")
        files = _of_subjects(find_motion_files(data_3d), (split,) if subjects is None else subjects, data_3d)
        wanted = as_skeleton(skeleton)
        own_map = None if joint_map is None else read_joint_map(joint_map)
        rigs = None if cameras is None else read_cameras(cameras, dict.fromkeys(file.subject for file in files))

        def read(file: MotionFile) -> Motion:
            motion = read_motion_file(file.path, smpl=smpl)
            motion = motion.in_world(unit, up, file.label).at_rate(frame_rate, file.label)
            found: JointMap = find_joint_map(motion, wanted, file.label) if own_map is None else own_map
            return map_joints(motion, found, wanted, file.label)

        def ring(file: MotionFile, motion: Motion) -> tuple[Camera, ...]:
            return ring_of_cameras(
                motion.positions,
                NUM_CAMERAS if virtual_cameras is None else virtual_cameras,
                key=f"{camera_seed}/{file.subject}/{file.action}",
                distance=camera_distance,
                elevation=camera_elevation,
                focal=camera_focal,
                label=file.label,
            )

        first = read(files[0])  # its frame rate is that of all

        def clips() -> Iterator[MotionClip]:
            motions = itertools.chain([first], map(read, files[1:]))
            for file, motion in zip(_with_progress(files), motions, strict=True):
                if not is_same_rate(motion.frame_rate, first.frame_rate):
                    raise DataError(
                        f"{file.label}: has {motion.frame_rate} frames a second, {files[0].label} has "
                        f"{first.frame_rate}; expected one rate, or frame_rate, which all are brought to."
                    )
                visible = None if motion.visible.all() else motion.visible
                for camera in ring(file, motion) if rigs is None else rigs[file.subject]:
                    yield MotionClip(file.subject, file.action, camera, motion.positions, None, visible)

        super().__init__(
            clips(),
            skeleton=wanted,
            name="motion",
            split=split,
            frame_rate=first.frame_rate,
            up="z",
            sources=(str(data_3d), str(data_3d)),
            **options,
        )


class MotionFile(NamedTuple):
    """A motion file of a folder: who moves, and what is done."""

    path: Path
    subject: str
    action: str

    @property
    def label(self) -> str:
        """Its name, for messages."""
        return plain(str(self.path), 1000)


def find_motion_files(path: str | PathLike[str]) -> list[MotionFile]:
    """The motion files of a folder and all folders below it, sorted, by the ends of their names; or the file itself.

    Raises:
        DataError: If there are none.
    """
    top = as_path(path, DataError)
    if not top.is_dir():
        return [MotionFile(top, top.stem, top.stem)]
    # JSON in a folder of motion is a map of joints or cameras, not motion.
    suffixes = list(dict.fromkeys(form.suffix for form in FORMATS.values() if form.suffix != ".json"))
    files = [
        MotionFile(file, file.stem if file.parent == top else file.parent.relative_to(top).as_posix(), file.stem)
        for file in sorted(top.rglob("*"))
        if file.suffix.lower() in suffixes
        and not file.name.startswith(".")
        and not (file.suffix.lower() == ".npz" and file.stem.split("_")[-1] in _NO_MOTION)
    ]
    if not files:
        raise DataError(
            f"{plain(str(path), 1000)}: has no motion files; expected names that end in {', '.join(suffixes)}."
        )
    return files


def _of_subjects(files: Sequence[MotionFile], subjects: Sequence[str], top: str | PathLike[str]) -> list[MotionFile]:
    """The files of some subjects, in the order of these."""
    chosen: dict[MotionFile, None] = {}
    for subject in subjects:
        found = [file for file in files if file.subject == subject or file.subject.startswith(f"{subject}/")]
        if not found:
            known = ", ".join(plain(name) for name in list(dict.fromkeys(file.subject for file in files))[:20])
            message = f"{plain(str(top), 1000)}: has no subject {shown(subject)}; it has: {known}."
            raise NoSubjectError(message, subject)
        chosen |= dict.fromkeys(found)
    if not chosen:
        raise DataError("subjects is empty, expected at least one.")
    return list(chosen)


def _with_progress(files: Sequence[MotionFile]) -> Iterable[MotionFile]:
    """The files, with a bar on a terminal that says how many are read."""
    if len(files) < _MANY or not sys.stderr.isatty():
        return files
    try:
        from rich.console import Console
        from rich.progress import track
    except ImportError:  # of the extra "train"
        return files
    return track(files, "Reading motion", console=Console(stderr=True), transient=True)
