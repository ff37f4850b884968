"""The one in-memory form that every source of motion is brought into."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data, InMemoryDataset

from skelgraph import topology
from skelgraph.datasets.cameras import Camera
from skelgraph.datasets.windows import PoseWindows
from skelgraph.errors import DataError
from skelgraph.geometry import normalize_screen, project, world_to_camera
from skelgraph.topology import SkeletonLike


@dataclass(frozen=True)
class MotionClip:
    """A piece of motion in the world, filmed by one camera: what a :class:`PoseDataset` is built from.

    Args:
        subject: Who moves, ``"S1"``.
        action: What is done, ``"Walking 1"``: all that stands before the first blank names the action.
        camera: The camera.
        positions: Joint positions in the world, metres, ``(T, J, 3)``, array or tensor.
        keypoints: Joint positions in the image, pixels, ``(>= T, J, 2)``; frames beyond ``T`` are cut.
            ``None``: what the camera sees, by projection with its lens distortion.
    """

    subject: str
    action: str
    camera: Camera
    positions: np.ndarray | Tensor
    keypoints: np.ndarray | Tensor | None = None


@dataclass(frozen=True)
class Clip:
    """Where one piece of motion lies in the arrays of a :class:`PoseDataset`, and how it was filmed.

    Args:
        subject: Who moves.
        action: What is done, in full: ``"Walking 1"``.
        camera: Name of the camera.
        start: Its first row in the arrays.
        length: Its number of frames.
        intrinsics: ``(fx, fy, cx, cy, k1, k2, k3, p1, p2)``, the first four in pixels.
        width: Image width in pixels.
        height: Image height in pixels.
        orientation: Unit quaternion ``(w, x, y, z)``, camera to world axes.
        translation: Camera centre in the world, metres.
    """

    subject: str
    action: str
    camera: str
    start: int
    length: int
    intrinsics: tuple[float, ...]
    width: int
    height: int
    orientation: tuple[float, ...]
    translation: tuple[float, ...]

    @property
    def action_name(self) -> str:
        """The action without its take number: ``"Walking"``."""
        return self.action.split(" ")[0]


class PoseDataset(InMemoryDataset):
    """Frames of filmed motion: the 2D keypoints of each and the 3D pose behind them, as tensors.

    ``dataset[i]`` is one frame as a PyG ``Data``: ``x`` (J, 2), ``y`` (J, 3), ``edge_index``, ``subject``, ``action``,
    ``camera``. ``dataset[slice | list | mask]`` is a view of some frames, as everywhere in PyG. For training take
    :meth:`windows`: their index arithmetic is about a hundred times faster than a ``DataLoader`` of
    ``Data`` objects (256 poses a batch, one CPU core).

    The arrays always hold every frame, also those of a view, whose frames are ``dataset.frames``:

    * ``keypoints_2d`` (N, J, 2): x in [-1, 1] over the image width, aspect kept, y down;
    * ``poses_3d`` (N, J, 3): metres, camera axes (x right, y down, z forward), relative to the root joint;
    * ``root_3d`` (N, 3): the root joint, metres, camera axes;
    * ``clip_id`` (N,): row of ``clips``; ``action_id`` (N,): row of ``actions``.

    There is no cache on the disk: building takes seconds, and PyG would look a cache up by its name alone and silently
    return old data when the arguments had changed.

    Args:
        clips: The motion.
        skeleton: The joints, in the order of the clips' arrays.
        name: What data this is: ``"human36m"``.
        split: Which part of it: ``"train"``, ``"test"``.
        frame_rate: Frames per second of the clips.
        downsample: Keep only every so many frames.
        is_synthetic: No person ever moved like this: reports say so.
        sources: What to call the origin of the positions and of the keypoints in errors: the names of their files.

    Raises:
        DataError: An array has the wrong shape or joint count, is not finite, or keypoints end before the positions do.
    """

    _arrays = ("keypoints_2d", "poses_3d", "root_3d", "clip_id", "action_id", "_edge_index")

    def __init__(
        self,
        clips: Iterable[MotionClip],
        *,
        skeleton: SkeletonLike,
        name: str,
        split: str,
        frame_rate: float,
        downsample: int = 1,
        is_synthetic: bool = False,
        sources: tuple[str, str] = ("positions", "keypoints"),
    ) -> None:
        super().__init__()
        if downsample < 1:
            raise DataError(f"downsample is {downsample}, expected 1 or more.")
        self.skeleton = topology.skeleton(skeleton)
        self._edge_index = self.skeleton.edge_index
        self.name = name
        self.split = split
        self.frame_rate = frame_rate / downsample
        self.is_synthetic = is_synthetic

        self.clips: list[Clip] = []
        keypoints_2d, poses_3d, root_3d, start = [], [], [], 0
        for motion in clips:
            positions, keypoints = self._filmed(motion, downsample, sources)
            camera, root = motion.camera, positions[:, self.skeleton.root]
            self.clips.append(
                Clip(
                    subject=motion.subject,
                    action=motion.action,
                    camera=camera.id,
                    start=start,
                    length=len(positions),
                    intrinsics=camera.intrinsics,
                    width=camera.width,
                    height=camera.height,
                    orientation=camera.orientation,
                    translation=camera.translation,
                )
            )
            start += len(positions)
            keypoints_2d.append(keypoints.float())
            poses_3d.append((positions - root[:, None]).float())
            root_3d.append(root.float())
        if not self.clips:
            raise DataError(f"{sources[0]}: there is no motion for split {split!r}.")

        self.keypoints_2d = torch.cat(keypoints_2d)
        self.poses_3d = torch.cat(poses_3d)
        self.root_3d = torch.cat(root_3d)
        self.subjects = tuple(dict.fromkeys(clip.subject for clip in self.clips))
        self.actions = tuple(sorted({clip.action_name for clip in self.clips}))
        lengths = torch.tensor([clip.length for clip in self.clips])
        self.clip_id = torch.arange(len(self.clips)).repeat_interleave(lengths)
        self.action_id = torch.tensor([self.actions.index(clip.action_name) for clip in self.clips])[self.clip_id]

    def _filmed(self, motion: MotionClip, downsample: int, sources: tuple[str, str]) -> tuple[Tensor, Tensor]:
        """Check a clip; give its positions (T, J, 3), metres, camera axes, and its keypoints (T, J, 2), normalised."""
        camera, where = motion.camera, f"subject {motion.subject}, action {motion.action!r}, camera {motion.camera.id}"
        world = self._checked(motion.positions, 3, f"{sources[0]}: {where}: positions")
        # In float64 until the arrays are stored, so that nothing is lost but the last digit of float32.
        orientation = torch.tensor(camera.orientation, dtype=torch.float64)
        translation = torch.tensor(camera.translation, dtype=torch.float64)
        positions = world_to_camera(world, orientation, translation)
        if motion.keypoints is None:
            pixels = project(positions, torch.tensor(camera.intrinsics, dtype=torch.float64))
        else:
            pixels = self._checked(motion.keypoints, 2, f"{sources[1]}: {where}: keypoints")
            if len(pixels) < len(positions):
                raise DataError(
                    f"{sources[1]}: {where}: found {len(pixels)} frames of keypoints, expected at least "
                    f"{len(positions)}, the frames of the positions in {sources[0]}."
                )
        keypoints = normalize_screen(pixels[: len(positions)], camera.width, camera.height)
        return positions[::downsample], keypoints[::downsample]

    def _checked(self, array: Any, dim: int, what: str) -> Tensor:
        try:
            tensor = torch.as_tensor(array if isinstance(array, Tensor) else np.asarray(array, dtype=np.float64))
        except (TypeError, ValueError) as error:
            raise DataError(f"{what} are not an array of numbers ({error}).") from error
        expected = f"(frames, {self.skeleton.num_joints}, {dim})"
        if tensor.dim() != 3 or tensor.shape[0] == 0 or tensor.shape[2] != dim:
            raise DataError(f"{what}: found an array of shape {tuple(tensor.shape)}, expected {expected}.")
        if tensor.shape[1] != self.skeleton.num_joints:
            raise DataError(
                f"{what}: found {tensor.shape[1]} joints, expected the {self.skeleton.num_joints} of skeleton "
                f"{self.skeleton.name or 'without a name'}."
            )
        finite = tensor.isfinite().flatten(1).all(1)
        if not finite.all():
            bad = (~finite).nonzero().flatten()
            raise DataError(
                f"{what}: NaN or infinite in {len(bad)} of {len(tensor)} frames, first in frame {int(bad[0])}."
            )
        return tensor.double()

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
        return Data(
            x=self.keypoints_2d[idx],
            y=self.poses_3d[idx],
            edge_index=self._edge_index,
            subject=clip.subject,
            action=clip.action,
            camera=clip.camera,
            num_nodes=self.skeleton.num_joints,
        )

    def copy(self, idx: Any = None) -> PoseDataset:
        """A deep copy of the dataset, or of the view ``self[idx]``."""
        return copy.deepcopy(self if idx is None else self.index_select(idx))

    def to(self, device: torch.device | str | int) -> PoseDataset:
        """Move the arrays, in place; windows taken afterwards live there too."""
        for name in self._arrays:
            setattr(self, name, getattr(self, name).to(device))
        return self

    def mean_pose(self) -> Tensor:
        """The mean of the 3D poses of this view, ``(J, 3)``, metres."""
        return self.poses_3d[self.frames].mean(0)

    def windows(self, frames: int = 1, stride: int = 1, flip: bool = False) -> PoseWindows:
        """Windows in time around the frames of this view: see :class:`~skelgraph.datasets.PoseWindows`."""
        return PoseWindows(self, frames=frames, stride=stride, flip=flip)
