"""Poses and keypoints in memory, in the form that all motion data are converted to."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data, InMemoryDataset

from skelgraph.datasets.cameras import Camera
from skelgraph.datasets.middles import Middles
from skelgraph.datasets.plausibility import Report, check_plausible, check_stored
from skelgraph.datasets.pose_arrays import Clip, action_name, clip_label
from skelgraph.datasets.protocol import GRAPHMLP, Protocol
from skelgraph.datasets.units import Axis
from skelgraph.datasets.windows import PoseWindows
from skelgraph.errors import DataError, unknown_name
from skelgraph.geometry import normalize_screen, project, world_to_camera
from skelgraph.options import Int64, Positive, Share, check_option, checked
from skelgraph.text import plain, repr_by_shape, shown
from skelgraph.topology import SkeletonLike, as_skeleton

if TYPE_CHECKING:
    from skelgraph.datasets.bodies import SmplBodies


@dataclass(frozen=True)
class MotionClip:
    """A sequence of poses, seen by one camera; a :class:`PoseDataset` is built from such clips.

    Args:
        subject: Who moves, ``"S1"``.
        action: What is done, ``"Walking 1"``: the text before the first blank is the name of the action.
        camera: The camera.
        positions: Joint positions, metres, ``(T, J, 3)``, array or tensor: in the world, or in the axes of a camera
            whose orientation is not known.
        keypoints: Joint positions in the image, pixels, ``(>= T, J, 2)``; frames beyond ``T`` are cut. With a third
            channel, ``(>= T, J, 3)``: a confidence from 0 (not found; such a keypoint may be NaN) to 1.
            ``None``: the positions are projected with the lens model of the camera, which has to be known.
        visible_3d: Which joints of the positions are known, ``(T, J)`` of booleans or of 0 and 1; what is not may be
            NaN. ``None``: all of them.
        is_normalized: The keypoints are not pixels but screen-normalised already: x from -1 to 1 over the width.
        is_root_relative: The positions are relative to the root joint, and where that was is not known.
    """

    subject: str
    action: str
    camera: Camera
    positions: np.ndarray | Tensor
    keypoints: np.ndarray | Tensor | None = None
    visible_3d: np.ndarray | Tensor | None = None
    is_normalized: bool = False
    is_root_relative: bool = False

    __repr__ = repr_by_shape


class _ClipArrays(NamedTuple):
    """A clip as it is stored in the arrays, and whether its keypoints were projected."""

    keypoints_2d: Tensor
    poses_3d: Tensor
    root_3d: Tensor
    confidence: Tensor | None
    visible_3d: Tensor | None
    is_projected: bool


def kept_frames(length: int, downsample: int = 1, subset: float = 1.0) -> slice:
    """Which frames of a clip are kept, as `VideoPose3D
    <https://github.com/facebookresearch/VideoPose3D/blob/main/run.py>`_ chooses them.

    Args:
        length: Frames of the clip.
        downsample: Keep only every so many frames.
        subset: Keep only this share of the clip, a whole number of ``downsample`` frames in one piece. It starts at a
            place that looks random and depends on the length alone: the first four bytes of the SHA-256 of the length
            as text, as a share of the places where it may start.
    """
    if subset == 1:
        return slice(0, length, downsample)
    frames = round(length // downsample * subset) * downsample
    share = int.from_bytes(hashlib.sha256(str(length).encode()).digest()[:4], "little") / (2**32 - 1)
    start = int(share * (length - frames + 1))
    return slice(start, start + frames, downsample)


class PoseDataset(InMemoryDataset):
    """Frames of motion as tensors: the 2D keypoints and the 3D pose of each.

    ``dataset[i]`` is one frame as a PyG ``Data``: ``x`` (J, 2), ``y`` (J, 3), ``edge_index``, ``subject``, ``action``,
    ``camera``, and ``confidence`` (J,) and ``visible_3d`` (J,) where there are. ``dataset[slice | list | mask]`` is a
    view of some frames, as everywhere in PyG. For training take :meth:`windows`: their index arithmetic is about a
    hundred times faster than a ``DataLoader`` of ``Data`` objects (256 poses a batch, one CPU core).

    The arrays always hold every frame, also those of a view, whose frames are ``dataset.frames``:

    * ``keypoints_2d`` (N, J, 2): x in [-1, 1] over the image width, aspect kept, y down;
    * ``poses_3d`` (N, J, 3): metres, camera axes (x right, y down, z forward), relative to the root joint;
    * ``root_3d`` (N, 3): the root joint, metres, camera axes; NaN where it is not known, of root-relative data;
    * ``clip_id`` (N,): row of ``clips``; ``action_id`` (N,): row of ``actions``;
    * ``confidence`` (N, J) of each keypoint, 0 to 1, or ``None`` if the keypoints have none. Projected keypoints have
      1, or 0 where the joint is not known. A keypoint of confidence 0 that was NaN is the middle of the image;
    * ``visible_3d`` (N, J), boolean: which joints of the poses are known, or ``None`` if all are. The others count in
      no loss and no metric; where they were NaN the pose holds 0. Where the root is not known, no joint is, as poses
      are relative to it;
    * ``bodies``: the :class:`~skelgraph.datasets.SmplBodies` that were fitted to the frames, whose vertices are in the
      axes of the poses and relative to the root joint, too, or ``None`` if there are none.

    Where pelvis, neck and spine were put in the middle of hips and shoulders, ``middles`` is what does so
    (:meth:`put_in_middles`), else ``None``.

    Which axis of the world points up is ``up``, ``"y"`` or ``"z"``; ``None`` where nobody says it.

    How it is judged is ``protocol``, a :class:`~skelgraph.datasets.Protocol`. Where results are told apart by the place
    of the recording, ``scenes`` has its names and ``scene_id`` (N,) rows of it.

    Building a dataset checks whether the data are plausible, see :mod:`skelgraph.datasets.plausibility`.

    There is no cache on the disk: building takes seconds, and PyG finds a cache by its name alone, so that it would
    silently return old data after a change of the arguments.

    Args:
        clips: The motion.
        skeleton: The joints, in the order of the clips' arrays.
        name: What data this is: ``"human36m"``.
        split: Which part of it: ``"train"``, ``"test"``.
        frame_rate: Frames per second of the clips; ``None`` if it is not known, or not the same in all.
        actions: Keep only these actions: ``"Walking"``, or one take of one, ``"Walking 1"``.
        downsample: Keep only every so many frames.
        subset: Keep only this share of each clip, in one piece, from a place that the clip's length decides
            (:func:`kept_frames`).
        is_synthetic: Whether the motion was generated, which reports then state.
        up: Axis of the world that points up, ``"y"`` or ``"z"``; ``None`` if it is not known.
        sources: Names of the origins of positions and keypoints in error messages, such as their files.
        unchecked: Skip the plausibility checks.

    Raises:
        DataError: An array has the wrong shape or joint count, is not finite, keypoints end before the positions do,
            some clips have confidences and others do not, a joint to be projected is in or behind its camera or the
            camera is not known, or the data are not plausible.
    """

    confidence: Tensor | None = None
    visible_3d: Tensor | None = None
    protocol: Protocol = GRAPHMLP
    scenes: tuple[str, ...] = ()
    scene_id: Tensor | None = None
    bodies: SmplBodies | None = None
    up: Axis | None = None
    middles: Middles | None = None

    @checked
    def __init__(
        self,
        clips: Iterable[MotionClip],
        *,
        skeleton: SkeletonLike,
        name: str,
        split: str,
        frame_rate: Positive | None,
        actions: Sequence[str] | None = None,
        downsample: Int64 = 1,
        subset: Share = 1.0,
        is_synthetic: bool = False,
        up: Axis | None = None,
        sources: tuple[str, str] = ("positions", "keypoints"),
        unchecked: bool = False,
    ) -> None:
        super().__init__()
        if downsample < 1:
            raise DataError(f"downsample is {downsample}, expected 1 or more.")
        self.skeleton = as_skeleton(skeleton)
        self._edge_index = self.skeleton.edge_index
        self.name = name
        self.split = split
        self.frame_rate = None if frame_rate is None else frame_rate / downsample
        self.is_synthetic = is_synthetic
        self.up = up

        self.clips: list[Clip] = []
        found: dict[str, None] = {}
        stored: list[_ClipArrays] = []
        start = 0
        try:
            motions = iter(clips)
        except TypeError as error:
            raise DataError(f"clips is {shown(clips)}, expected a sequence of MotionClip.") from error
        for motion in motions:
            if not isinstance(motion, MotionClip):
                raise DataError(f"a clip is {shown(motion)}, expected a MotionClip.")
            check_option("subject of a clip", motion.subject, str)
            check_option("action of a clip", motion.action, str)
            found.update(dict.fromkeys((action_name(motion.action), motion.action)))
            if actions is not None and not {action_name(motion.action), motion.action} & set(actions):
                continue
            arrays, camera = self._clip_arrays(motion, downsample, subset, sources), motion.camera
            if not len(arrays.poses_3d):  # of a short clip the subset may be less than a frame
                continue
            self.clips.append(
                Clip(
                    subject=motion.subject,
                    action=motion.action,
                    camera=camera.id,
                    start=start,
                    length=len(arrays.poses_3d),
                    intrinsics=camera.intrinsics,
                    width=camera.width,
                    height=camera.height,
                    orientation=camera.orientation,
                    translation=camera.translation,
                    distortion=camera.distortion,
                )
            )
            start += len(arrays.poses_3d)
            stored.append(arrays)
        for action in actions or ():
            if action not in found:
                raise DataError(f"{sources[0]}: {unknown_name('action', action, found)}")
        if not self.clips:
            raise DataError(f"{sources[0]}: there is no motion for split {shown(split)}.")

        self.keypoints_2d = torch.cat([arrays.keypoints_2d for arrays in stored])
        self.poses_3d = torch.cat([arrays.poses_3d for arrays in stored])
        self.root_3d = torch.cat([arrays.root_3d for arrays in stored])
        self.confidence = self._confidences(stored, sources)
        if any(arrays.visible_3d is not None for arrays in stored):
            masks = (arrays.visible_3d for arrays in stored)
            shapes = (arrays.poses_3d.shape[:2] for arrays in stored)
            self.visible_3d = torch.cat(
                [
                    torch.ones(shape, dtype=torch.bool) if m is None else m
                    for m, shape in zip(masks, shapes, strict=True)
                ]
            )
        self.number_clips()

        report = Report(self, sources, downsample, [arrays.is_projected for arrays in stored])
        check_stored(report)
        if not unchecked:
            check_plausible(report)

    def number_clips(self) -> None:
        """Say of each frame which clip and which action it belongs to, and who and what there is, as the clips have
        it."""
        self.subjects = tuple(dict.fromkeys(clip.subject for clip in self.clips))
        self.actions = tuple(sorted({clip.action_name for clip in self.clips}))
        lengths = torch.tensor([clip.length for clip in self.clips])
        self.clip_id = torch.arange(len(self.clips)).repeat_interleave(lengths)
        self.action_id = torch.tensor([self.actions.index(clip.action_name) for clip in self.clips])[self.clip_id]

    def _clip_arrays(self, motion: MotionClip, downsample: int, subset: float, sources: tuple[str, str]) -> _ClipArrays:
        """Check a clip and convert it to the form of the arrays."""
        camera = motion.camera

        def where(source: int, what: str) -> str:
            return f"{sources[source]}: {clip_label(motion.subject, motion.action, camera.id)}: {what}"

        visible = None
        if motion.visible_3d is not None:
            visible = self._mask(motion.visible_3d, partial(where, 0, "visible_3d"))
        world = self._checked(motion.positions, (3,), partial(where, 0, "positions"), visible)
        # In float64 until the arrays are stored, so that nothing is lost but the last digit of float32.
        positions = world
        if camera.orientation is not None:
            orientation = torch.tensor(camera.orientation, dtype=torch.float64)
            translation = torch.tensor(camera.translation, dtype=torch.float64)
            positions = world_to_camera(world, orientation, translation)
        kept = kept_frames(len(world), downsample, subset)
        positions = positions[kept]
        if visible is not None:
            visible = visible[kept]
        confidence = None
        if motion.keypoints is None:
            if camera.intrinsics is None or motion.is_root_relative:
                reason = "the camera has no intrinsics" if camera.intrinsics is None else "they are root-relative"
                raise DataError(f"{where(0, 'positions')} cannot be projected: {reason}; expected keypoints.")
            pixels = project(positions, torch.tensor(camera.intrinsics, dtype=torch.float64), camera.distortion)
            confidence = None if visible is None else visible.double()
        else:
            pixels = self._checked(motion.keypoints, (2, 3), partial(where, 1, "keypoints"))
            if len(pixels) < len(world):
                found = where(1, f"found {len(pixels)} frames of keypoints")
                raise DataError(
                    f"{found}, expected at least {len(world)}, the frames of the positions in {sources[0]}."
                )
            pixels = pixels[: len(world)][kept]
            if pixels.shape[-1] == 3:
                pixels, confidence = pixels[..., :2], pixels[..., 2]
        if motion.keypoints is None or not motion.is_normalized:
            pixels = normalize_screen(pixels, camera.width, camera.height)
        keypoints = pixels.float()
        if confidence is not None:
            keypoints = torch.where((confidence > 0)[..., None] | keypoints.isfinite(), keypoints, 0)
            confidence = confidence.float()
        root = positions[:, self.skeleton.root]
        poses, root = (positions - root[:, None]).float(), root.float()
        if motion.is_root_relative:
            root = torch.full_like(root, torch.nan)
        if visible is not None:
            root_known = visible[:, self.skeleton.root, None]
            visible = visible & root_known
            poses = torch.where(visible[..., None] | poses.isfinite(), poses, 0)
            if not motion.is_root_relative:
                root = torch.where(root_known | root.isfinite(), root, 0)
        return _ClipArrays(keypoints, poses, root, confidence, visible, motion.keypoints is None)

    def _confidences(self, stored: Sequence[_ClipArrays], sources: tuple[str, str]) -> Tensor | None:
        """The confidences of all clips, ``(N, J)``, or ``None`` if none has any."""
        if all(arrays.confidence is None for arrays in stored):
            return None
        confidences = []
        for clip, arrays in zip(self.clips, stored, strict=True):
            if arrays.confidence is None and not arrays.is_projected:
                raise DataError(
                    f"{sources[1]}: {clip.label}: the keypoints have no confidence, those of other clips have one."
                )
            confidences.append(arrays.keypoints_2d.new_ones(arrays.keypoints_2d.shape[:2]))
            if arrays.confidence is not None:
                confidences[-1] = arrays.confidence
        return torch.cat(confidences)

    def _checked(
        self, array: Any, dims: tuple[int, ...], what: Callable[[], str], visible: Tensor | None = None
    ) -> Tensor:
        """Return an array of the right shape as float64; where it is to be known it is finite."""
        tensor = self._as_tensor(array, dims, what)
        has_confidence = dims == (2, 3) and tensor.shape[2] == 3
        if has_confidence:
            self._check_confidence(tensor[..., 2], what)
        if visible is None and tensor.isfinite().all():
            return tensor
        known = tensor.isfinite().all(-1)
        if has_confidence:
            known |= tensor[..., 2] == 0
        if visible is not None:
            if visible.shape != known.shape:
                raise DataError(
                    f"{what()}: found an array of shape {tuple(tensor.shape)}, but visible_3d has shape "
                    f"{tuple(visible.shape)}."
                )
            known |= ~visible
        if not known.all():
            bad = (~known.all(1)).nonzero().flatten()
            joint = int((~known[bad[0]]).nonzero()[0])
            raise DataError(
                f"{what()}: NaN or infinite in {len(bad)} of {len(tensor)} frames, first in frame {int(bad[0])}, joint "
                f"{plain(self.skeleton.joint_names[joint])}. Joints that are not known are to be marked: keypoints "
                "by a confidence of 0, positions in visible_3d."
            )
        return tensor

    def _mask(self, array: Any, what: Callable[[], str]) -> Tensor:
        """Return an array ``(T, J)`` of booleans or of 0 and 1 as a boolean mask."""
        tensor = self._as_tensor(array, (), what)
        if not ((tensor == 0) | (tensor == 1)).all():
            found = tensor[(tensor != 0) & (tensor != 1)][0].item()
            raise DataError(f"{what()}: found {found}, expected true (1) or false (0).")
        return tensor.bool()

    def _check_confidence(self, confidence: Tensor, what: Callable[[], str]) -> None:
        """Raise an error if a confidence is not from 0 to 1."""
        wrong = ~((confidence >= 0) & (confidence <= 1))
        if wrong.any():
            frame, joint = wrong.nonzero()[0].tolist()
            raise DataError(
                f"{what()}: found the confidence {confidence[frame, joint].item():g} in frame {frame}, joint "
                f"{plain(self.skeleton.joint_names[joint])}, expected 0 to 1."
            )

    def _as_tensor(self, array: Any, dims: tuple[int, ...], what: Callable[[], str]) -> Tensor:
        """Return an array ``(frames, joints, one of dims)``, or ``(frames, joints)`` without any, as float64."""
        try:
            tensor = torch.as_tensor(array if isinstance(array, Tensor) else np.asarray(array, dtype=np.float64))
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(f"{what()} are not an array of numbers ({plain(error)}).") from error
        expected = f"(frames, {self.skeleton.num_joints}{', ' * bool(dims)}{' or '.join(map(str, dims))})"
        shape = tuple(tensor.shape)
        if len(shape) != (3 if dims else 2) or shape[0] == 0 or (dims and shape[2] not in dims):
            raise DataError(f"{what()}: found an array of shape {shape}, expected {expected}.")
        if shape[1] != self.skeleton.num_joints:
            raise DataError(
                f"{what()}: found {shape[1]} joints, expected the {self.skeleton.num_joints} of skeleton "
                f"{plain(self.skeleton.name or 'without a name')}."
            )
        return tensor.double()

    @property
    def _arrays(self) -> tuple[str, ...]:
        """The names of the tensors that there are."""
        names = (
            "keypoints_2d",
            "poses_3d",
            "root_3d",
            "clip_id",
            "action_id",
            "_edge_index",
            "confidence",
            "visible_3d",
            "scene_id",
        )
        return tuple(name for name in names if getattr(self, name) is not None)

    @property
    def frames(self) -> Tensor:
        """The rows of the arrays that belong to this view (all of them if it is none), ``(len(self),)``."""
        if isinstance(self.indices(), range):
            rows = self.indices()
            return torch.arange(rows.start, rows.stop, rows.step, device=self.clip_id.device)
        return torch.tensor(self.indices(), dtype=torch.long, device=self.clip_id.device)

    def len(self) -> int:
        """Number of frames in the arrays."""
        return len(self.clip_id)

    def get(self, idx: int) -> Data:
        """Row ``idx`` of the arrays as a graph."""
        clip = self.clips[int(self.clip_id[idx])]
        optional = {name: getattr(self, name) for name in ("confidence", "visible_3d")}
        return Data(
            x=self.keypoints_2d[idx],
            y=self.poses_3d[idx],
            edge_index=self._edge_index,
            subject=clip.subject,
            action=clip.action,
            camera=clip.camera,
            num_nodes=self.skeleton.num_joints,
            **{name: array[idx] for name, array in optional.items() if array is not None},
        )

    def copy(self, idx: Any = None) -> PoseDataset:
        """A deep copy of the dataset, or of the view ``self[idx]``."""
        return copy.deepcopy(self if idx is None else self.index_select(idx))

    def to(self, device: torch.device | str | int) -> PoseDataset:
        """Move the arrays, in place; windows taken afterwards live there too."""
        for name in self._arrays:
            setattr(self, name, getattr(self, name).to(device))
        for part in (self.bodies, self.middles):
            if part is not None:
                part.to(device)
        return self

    def put_in_middles(self) -> PoseDataset:
        """Put pelvis, neck and spine of all frames in the middle of hips and shoulders, as keypoints of detectors have
        them, see :class:`~skelgraph.datasets.middles.Middles`: keypoints, poses, and the root that these are relative
        to. In place.

        Raises:
            DataError: If there are bodies, whose root is another point.
            TopologyError: If the skeleton has no hips and shoulders.
        """
        if self.bodies is not None:
            raise DataError(
                "middles are asked for, but the data have bodies (smpl), whose root is no middle of joints."
            )
        self.middles = middles = Middles(self.skeleton, self.poses_3d.device)
        root = self.skeleton.root
        poses = middles(self.poses_3d)
        self.keypoints_2d, self.poses_3d = middles(self.keypoints_2d), poses - poses[:, root, None]
        self.root_3d = self.root_3d + poses[:, root]
        if self.confidence is not None:
            self.confidence = middles.least(self.confidence)
        if self.visible_3d is not None:
            visible = middles.least(self.visible_3d)
            self.visible_3d = visible & visible[:, root, None]
        return self

    def mean_pose(self) -> Tensor:
        """The mean of the 3D poses of this view, ``(J, 3)``, metres; of each joint over the poses that know it (0 if
        none does)."""
        poses = self.poses_3d[self.frames]
        if self.visible_3d is None:
            return poses.mean(0)
        visible = self.visible_3d[self.frames, :, None]
        return torch.where(visible, poses, 0).sum(0) / visible.sum(0).clamp(min=1)

    def windows(self, frames: int = 1, stride: int = 1, flip: bool = False, **options: Any) -> PoseWindows:
        """Windows in time around the frames of this view: see :class:`~skelgraph.datasets.PoseWindows`, which takes
        the options."""
        return PoseWindows(self, frames=frames, stride=stride, flip=flip, **options)
