"""Human3.6M with SMPL bodies, from the annotations that HGN is published with."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import roma
import torch

from skelgraph.datasets.bodies import SmplBodies
from skelgraph.datasets.cameras import Camera
from skelgraph.datasets.human36m import H36M_SUBJECTS
from skelgraph.datasets.mocap import check_split
from skelgraph.datasets.pose_arrays import action_name
from skelgraph.datasets.pose_dataset import MotionClip, PoseDataset, kept_frames
from skelgraph.errors import DataError, unknown_name
from skelgraph.files import as_path, read_json
from skelgraph.options import Int64, Share, checked
from skelgraph.text import plain, shown
from skelgraph.topology import SkeletonLike

ACTIONS = (
    "Directions",
    "Discussion",
    "Eating",
    "Greeting",
    "Phoning",
    "Posing",
    "Purchases",
    "Sitting",
    "SittingDown",
    "Smoking",
    "Photo",
    "Waiting",
    "Walking",
    "WalkDog",
    "WalkTogether",
)
"""The actions in the order of their numbers in the names of the images, which begin with 2."""

FRAME_RATE = 50.0
EVERY = {"train": 5, "test": 50}
"""Which frames are published samples: those whose number is a multiple of this."""
DROPPED = {"S9": ((5, 2), (10, 2), (13, 1))}
"""Takes (number of the action, number of the take) whose recordings are corrupt."""

_LARGEST = 2**30  # bytes of a file; those of the released annotations have up to some 200 MB
_FAR_SHAPE = 3.0


class _Take(NamedTuple):
    """Consecutive samples of one camera: the clip, and for each frame the body's parameters ``(T, 85)``."""

    motion: MotionClip
    bodies: np.ndarray

    def kept(self, subset: float) -> _Take:
        """A share of it, in one piece."""
        frames = kept_frames(len(self.bodies), subset=subset)
        positions = self.motion.positions[frames]
        return _Take(dataclasses.replace(self.motion, positions=positions), self.bodies[frames])


class Human36MHGN(PoseDataset):
    """`Human3.6M <http://vision.imar.ro/human3.6m/>`_ with fitted `SMPL <https://smpl.is.tue.mpg.de>`_ bodies, as
    annotated for `HGN <https://arxiv.org/abs/2111.11927>`_: every 5th frame of S1, S5, S6, S7, S8 and every 50th of S9,
    S11, those with a bounding box and a fitted body; three takes of S9 are left out.

    For each subject ``n`` there are four files. ``Human36M_subject{n}_data.json`` has the lists ``images`` (``id``,
    ``file_name``, ``width``, ``height``, ``subject``, ``action_idx``, ``subaction_idx``, ``cam_idx``, ``frame_idx``)
    and ``annotations`` (``image_id``, ``bbox``), ``..._camera.json`` has ``R``, ``t`` (mm), ``f`` and ``c`` of every
    camera. By the numbers of action, take and frame, ``..._joint_3d.json`` has the world positions of 17 joints (mm),
    and ``..._smpl_param.json`` the ``pose`` (72 numbers), ``shape`` (10) and ``trans`` (3, metres) of the body.

    The keypoints are the linear projections of the joints. With a model file of SMPL the data set has :attr:`bodies`,
    whose vertices ``R (V + trans) + t`` are, as the poses, in camera axes, metres and relative to the pelvis of
    Human3.6M. A body whose shape has a coefficient beyond 3 gets the mean shape, as released.

    Args:
        data_3d: Folder of the files.
        split: ``"train"`` (S1, S5, S6, S7, S8) or ``"test"`` (S9, S11).
        skeleton: Joint layout: that of the files, ``"h36m17"``.
        smpl: Folder of the SMPL model files, or the file of one; ``None``: without bodies.
        subjects: Other subjects for the split, ``"S1"``.
        actions: Keep only these actions, ``"Walking"``, or takes of them, ``"Walking 1"``.
        downsample: Keep only frames whose number is a multiple of this; by default 5 to train, 50 to test.
        subset: Keep only this share of each clip, see :class:`~skelgraph.datasets.PoseDataset`.
        unchecked: Skip the plausibility checks.

    Raises:
        DataError: A file cannot be read or lacks what a sample needs, or its numbers do not fit; see
            :class:`~skelgraph.datasets.PoseDataset` and :class:`~skelgraph.datasets.bodies.SmplBodies`.

    Code and paper: the released code keeps the order of the images' names, this data set that of subjects, actions,
    takes and cameras. Where samples are missing in between, a clip ends, so that windows and velocities do not reach
    over the gap.
    """

    @checked
    def __init__(
        self,
        data_3d: str | PathLike[str],
        *,
        split: str = "train",
        skeleton: SkeletonLike = "h36m17",
        smpl: str | PathLike[str] | None = None,
        subjects: Sequence[str] | None = None,
        actions: Sequence[str] | None = None,
        downsample: Int64 | None = None,
        subset: Share = 1.0,
        unchecked: bool = False,
    ) -> None:
        check_split(split)
        every = EVERY[split] if downsample is None else downsample
        if every < 1:
            raise DataError(f"downsample is {every}, expected 1 or more.")
        folder = as_path(data_3d, DataError)
        subjects = H36M_SUBJECTS[split] if subjects is None else subjects
        for action in actions or ():
            if action_name(action) not in ACTIONS:
                raise unknown_name("action", action, ACTIONS)
        takes = [
            take.kept(subset)
            for subject in subjects
            for take in _read_subject(folder, subject, every)
            if actions is None or {take.motion.action, action_name(take.motion.action)} & set(actions)
        ]
        takes = [take for take in takes if len(take.bodies)]
        super().__init__(
            [take.motion for take in takes],
            skeleton=skeleton,
            name="human36m_hgn",
            split=split,
            frame_rate=FRAME_RATE / every,
            up="z",
            sources=(f"{folder}", f"{folder}"),
            unchecked=unchecked,
        )
        if smpl is not None:
            self.bodies = self._bodies(smpl, np.concatenate([take.bodies for take in takes]))

    def _bodies(self, smpl: str | PathLike[str], parameters: np.ndarray) -> SmplBodies:
        """The bodies of all frames, from the parameters ``(N, 85)`` in world axes and the cameras of the clips."""
        numbers = torch.from_numpy(parameters)
        pose, shape, offset = numbers.split([numbers.size(1) - 13, 10, 3], dim=1)
        orientations = list(dict.fromkeys(clip.orientation for clip in self.clips))
        w, x, y, z = torch.tensor(orientations, dtype=torch.float64).unbind(1)
        rotations = roma.unitquat_to_rotmat(torch.stack([x, y, z, w], dim=1)).mT.float()
        view = torch.tensor([orientations.index(clip.orientation) for clip in self.clips])[self.clip_id]
        return SmplBodies(smpl, pose.unflatten(1, (-1, 3)), shape, offset, view, rotations)


def _read_subject(folder: Path, subject: str, every: int) -> Iterator[_Take]:
    """The takes of a subject in the files of a folder.

    Raises:
        DataError: A file cannot be read or is not of this form.
    """
    if not (match := re.fullmatch(r"S(\d{1,4})", subject)):
        raise DataError(f"subject {shown(subject)}, expected S1, S5, ...: the files are named by the number.")
    stem = f"Human36M_subject{int(match[1])}"
    paths = {part: folder / f"{stem}_{part}.json" for part in ("data", "camera", "joint_3d", "smpl_param")}

    def read(part: str) -> dict[str, Any]:
        document = read_json(paths[part], DataError, _LARGEST)
        if not isinstance(document, dict):
            raise DataError(f"{paths[part]}: holds {shown(document)}, expected an object.")
        return document

    frames = _frames(read("data"), int(match[1]), every, paths["data"])
    cameras, joints, bodies = read("camera"), read("joint_3d"), read("smpl_param")
    for (action, take, view), images in sorted(frames.items()):
        if (action, take) in DROPPED.get(subject, ()):
            continue
        known = _entry(bodies, action, take)
        fitted = sorted(frame for frame in images if str(frame) in known)
        if not fitted:
            continue
        where = f"subject {subject}, action {action}, take {take}"
        found = _entry(joints, action, take)
        if missing := [frame for frame in fitted if str(frame) not in found]:
            raise DataError(f"{paths['joint_3d']}: {where}: no joints of frame {missing[0]}, which has an image.")
        sizes = {images[frame] for frame in fitted}
        if len(sizes) > 1:
            raise DataError(f"{paths['data']}: {where}, camera {view}: images of several sizes {sorted(sizes)[:4]}.")
        camera = _camera(cameras.get(str(view)), view, sizes.pop(), f"{paths['camera']}: camera {view}")
        positions = _numbers([found[str(frame)] for frame in fitted], (17, 3), f"{paths['joint_3d']}: {where}") / 1000
        fits = _fits([known[str(frame)] for frame in fitted], f"{paths['smpl_param']}: {where}")
        fits[:, -3:] -= positions[:, 0]  # the pelvis, from which the poses are measured
        gaps = np.flatnonzero(np.diff(fitted) > every) + 1
        for part in np.split(np.arange(len(fitted)), gaps):
            motion = MotionClip(subject, f"{ACTIONS[action - 2]} {take}", camera, positions[part])
            yield _Take(motion, fits[part].astype(np.float32))


def _frames(
    document: Mapping[str, Any], subject: int, every: int, path: Path
) -> dict[tuple[int, int, int], dict[int, tuple[int, int]]]:
    """The samples by action, take and camera: the size of the image of each frame.

    Raises:
        DataError: An image or a box is not of the form.
    """
    try:
        boxed = {entry["image_id"] for entry in document["annotations"] if _has_area(entry["bbox"])}
        frames: dict[tuple[int, int, int], dict[int, tuple[int, int]]] = {}
        for image in document["images"]:
            number = image["frame_idx"]
            if number % every or image["id"] not in boxed:
                continue
            name, size = image["file_name"], (image["width"], image["height"])
            key = image["action_idx"], image["subaction_idx"], image["cam_idx"]
            if not all(type(value) is int for value in (number, *key, *size)) or image["subject"] != subject:
                raise DataError(f"{path}: image {shown(image)}, expected whole numbers, of subject {subject}.")
            act = re.search(r"act_(\d\d)", name)
            if act is None or int(act[1]) != key[0] or not 2 <= key[0] < 2 + len(ACTIONS):
                raise DataError(
                    f"{path}: image {shown(name)} of action {key[0]}, expected act_ and this number, 02 to "
                    f"{1 + len(ACTIONS)}, in its name."
                )
            images = frames.setdefault(key, {})
            if number in images:
                raise DataError(
                    f"{path}: two images of action {key[0]}, take {key[1]}, camera {key[2]}, frame {number}."
                )
            images[number] = size
    except KeyError as error:
        raise DataError(f"{path}: an image or annotation, or the file, has no {shown(error.args[0])}.") from error
    except DataError:
        raise
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: an image or annotation is not of its form ({plain(error)}).") from error
    return frames


def _has_area(box: Any) -> bool:
    """Whether a box ``x, y, width, height`` is at least a pixel wide and high."""
    _, _, width, height = box
    return width >= 1 and height >= 1


def _entry(document: Mapping[str, Any], action: int, take: int) -> Mapping[str, Any]:
    """The frames of a take, none if there are none."""
    takes = document.get(str(action))
    frames = takes.get(str(take)) if isinstance(takes, Mapping) else None
    return frames if isinstance(frames, Mapping) else {}


def _camera(entry: Any, view: int, size: tuple[int, int], where: str) -> Camera:
    """The camera ``R X + t`` of an entry, which has no lens."""
    if not isinstance(entry, Mapping) or not {"R", "t", "f", "c"} <= entry.keys():
        raise DataError(f"{where}: is {shown(entry)}, expected R, t, f and c.")
    rotation, shift, focal, centre = (
        _numbers([entry[name]], (count,), f"{where}: {name}")[0]
        for name, count in (("R", 9), ("t", 3), ("f", 2), ("c", 2))
    )
    rotation = rotation.reshape(3, 3)
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-3 or np.linalg.det(rotation) < 0:
        raise DataError(f"{where}: R is {shown(entry['R'])}, expected a rotation.")
    x, y, z, w = roma.rotmat_to_unitquat(torch.from_numpy(rotation.T.copy())).tolist()
    try:
        return Camera(
            id=str(view),
            width=size[0],
            height=size[1],
            intrinsics=(*focal.tolist(), *centre.tolist(), 0.0, 0.0, 0.0, 0.0, 0.0),
            orientation=(w, x, y, z),
            translation=tuple((-rotation.T @ shift / 1000).tolist()),
            distortion="none",
        )
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _fits(entries: Iterable[Any], where: str) -> np.ndarray:
    """The parameters of bodies ``(T, 85)``: pose, shape and translation."""
    rows = []
    for entry in entries:
        if not isinstance(entry, Mapping) or not {"pose", "shape", "trans"} <= entry.keys():
            raise DataError(f"{where}: found {shown(entry)}, expected pose, shape and trans.")
        rows.append((entry["pose"], entry["shape"], entry["trans"]))
    pose, shape, shift = (
        _numbers(values, (count,), f"{where}: {name}")
        for name, count, values in zip(("pose", "shape", "trans"), (72, 10, 3), zip(*rows, strict=True), strict=True)
    )
    shape[(np.abs(shape) > _FAR_SHAPE).any(1)] = 0
    return np.concatenate([pose, shape, shift], axis=1)


def _numbers(values: Sequence[Any], shape: tuple[int, ...], where: str) -> np.ndarray:
    """Nested lists as finite numbers ``(len(values), *shape)``.

    Raises:
        DataError: They are anything else.
    """
    try:
        array = np.array(values, dtype=np.float64)
        found = f"an array of shape {array.shape}"
        if array.size == len(values) * np.prod(shape):
            if np.isfinite(array).all():
                return array.reshape(-1, *shape)
            found = "NaN or infinite"
    except (TypeError, ValueError, OverflowError) as error:
        found = plain(error)
    raise DataError(f"{where}: found {found}, expected finite numbers {(len(values), *shape)}.")
