"""Windows in time over a dataset's arrays, and batches of them, by index arithmetic alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from skelgraph.datasets.pose_arrays import Clip, PoseArrays
from skelgraph.errors import DataError
from skelgraph.geometry import mirror, mirror_intrinsics, normalize_intrinsics, turn, window_rays
from skelgraph.options import InputForm, Int64, checked
from skelgraph.text import repr_by_shape


class PoseBatch(NamedTuple):
    """A batch of windows: ``B`` windows of ``T`` frames.

    Args:
        keypoints_2d: ``(B, T, J, 2)``, screen-normalised; rays ``(B, T, J, 3)`` after :meth:`in_form`.
        poses_3d: The pose of each centre frame, ``(B, J, 3)``, or of all frames, ``(B, T, J, 3)``, where the windows
            were asked for them; metres, camera axes, root-relative.
        frame: Row of each centre frame (the last one of causal windows) in the dataset's arrays, ``(B,)``.
        flipped: Which windows are mirrored, ``(B,)``.
        confidence: Of each keypoint from 0 to 1, ``(B, T, J)``; ``None`` if the dataset has none.
        visible_3d: Which joints of the poses are known, ``(B, J)`` or ``(B, T, J)``; ``None`` if all are.
        root_3d: The root joint in each centre frame, ``(B, 3)``, metres, camera axes.
        intrinsics: The cameras, ``(B, 9)`` for the normalised screen, see :func:`~skelgraph.geometry.project`; ``None``
            if the data have no cameras. Those of mirrored windows see the mirrored points.
        vertices: Those of the body in each centre frame, ``(B, V, 3)``, metres, camera axes, relative to the root
            joint; ``None`` unless they were asked for.
        rotation: What turned the axes of the camera into those of poses and vertices, ``(B, 3, 3)``; ``None``: nothing.
    """

    keypoints_2d: Tensor
    poses_3d: Tensor
    frame: Tensor
    flipped: Tensor
    confidence: Tensor | None = None
    visible_3d: Tensor | None = None
    root_3d: Tensor | None = None
    intrinsics: Tensor | None = None
    vertices: Tensor | None = None
    rotation: Tensor | None = None

    def __repr__(self) -> str:  # noqa: D105
        return repr_by_shape(self)

    def to(self, device: torch.device | str) -> PoseBatch:
        """The batch on another device."""
        return PoseBatch(*(None if part is None else part.to(device) for part in self))  # type: ignore[arg-type]

    def in_form(self, form: InputForm) -> PoseBatch:
        """The batch as networks of an input form learn it: of ``"rays"`` with turned rays for keypoints, and poses and
        vertices turned along, see :func:`~skelgraph.geometry.window_rays`. Joints without confidence do not count for
        the box.

        Raises:
            DataError: The data have no cameras to make rays with.
        """
        if form == "screen":
            return self
        if self.intrinsics is None:
            raise DataError(NO_CAMERAS)
        visible = None if self.confidence is None else self.confidence > 0
        rays, rotation = window_rays(self.keypoints_2d, self.intrinsics, visible)
        poses = turn(self.poses_3d, _as_frames_of(self.poses_3d, rotation))
        vertices = None if self.vertices is None else turn(self.vertices, rotation)
        return self._replace(keypoints_2d=rays, poses_3d=poses, vertices=vertices, rotation=rotation)

    def to_camera(self, points: Tensor) -> Tensor:
        """Points ``(B, J, 3)`` or ``(B, T, J, 3)`` in the axes of this batch's poses, in the axes of the camera."""
        if self.rotation is None:
            return points
        return turn(points, _as_frames_of(points, self.rotation.mT))

    def network_input(self, in_channels: int = 2) -> Tensor:
        """What a network of so many input channels is given: ``(B, T, J, 2)`` = x, y or ``(B, T, J, 3)`` = x, y,
        confidence; of rays x, y, log of the size, or these and the confidence.

        Raises:
            DataError: There is no such channel in the data.
        """
        form: InputForm = "screen" if self.rotation is None else "rays"
        check_in_channels(in_channels, has_confidence=self.confidence is not None, form=form)
        if in_channels == self.keypoints_2d.size(-1) or self.confidence is None:
            return self.keypoints_2d
        return torch.cat((self.keypoints_2d, self.confidence[..., None]), -1)


def _as_frames_of(points: Tensor, rotation: Tensor) -> Tensor:
    """Rotations of windows ``(B, 3, 3)``, to go with points of one or of all frames."""
    return rotation if points.dim() == 3 else rotation[:, None]


NO_CAMERAS = (
    "the network takes rays (input-form), and the data have no cameras to make them with; expected data with cameras, "
    "or a network of the screen."
)


def check_in_channels(in_channels: int, has_confidence: bool, form: InputForm = "screen") -> None:
    """Raise an error if keypoints, with or without a confidence, are not what a network takes.

    Args:
        in_channels: Channels that the network takes.
        has_confidence: Whether the keypoints have a confidence.
        form: The form in which it is given them.

    Raises:
        DataError: A joint has to have more channels than the data give it, or fewer than its place has.
    """
    place, named = (2, "x, y") if form == "screen" else (3, "x, y, log of the size")
    if in_channels == place + 1 and not has_confidence:
        raise DataError(
            f"in_channels of the model is {in_channels}; expected {place}, as in the keypoints of the data: those of "
            "shape (frames, joints, 3) have a confidence."
        )
    if in_channels not in (place, place + 1):
        more = f" or {place + 1} (and confidence)" * has_confidence
        raise DataError(
            f"in_channels of the model is {in_channels}; expected {place} ({named}){more}, as keypoints have."
        )


Targets = Literal["centre", "all"]
"""Of which frames of a window the poses are given."""


def normalized_intrinsics(clips: Sequence[Clip], device: torch.device) -> Tensor | None:
    """The cameras of clips for the normalised screen and for its mirror image, ``(2, clips, 9)``; ``None`` if the data
    have no cameras."""
    if not all(clip.intrinsics and min(clip.intrinsics[:2]) > 0 for clip in clips):
        return None
    plain, mirrored = [], []
    for clip in clips:
        in_pixels = torch.tensor(clip.intrinsics, dtype=torch.float64)  # to be rounded once
        plain.append(normalize_intrinsics(in_pixels, clip.width, clip.height))
        mirrored.append(mirror_intrinsics(plain[-1], clip.distortion))
    return torch.stack((torch.stack(plain), torch.stack(mirrored))).float().to(device)


class PoseWindows:
    """Every window in time of a dataset: ``windows[index]`` gathers a batch on the device of the dataset's arrays.

    Where a window reaches beyond its clip, the clip's first or last frame is repeated. A view of a dataset selects the
    centre frames; the frames around them are those of the whole clip.

    A batch is a few index operations, without Python code for single samples: a pass over single frames is about a
    hundred times faster than a ``DataLoader`` of ``Data`` objects (256 a batch, one CPU core), and on a GPU no batch is
    copied from the CPU.

    Args:
        dataset: The frames.
        frames: Window length ``T``, odd; the target is the pose of the centre frame.
        stride: Step between the centre frames. `VideoPose3D
            <https://github.com/facebookresearch/VideoPose3D/blob/main/common/generators.py>`_ cuts a clip into chunks
            of so many frames, which reach beyond both of its ends equally far; these are their centres.
        flip: Append every window once more, mirrored left to right.
        targets: Give the pose of the ``"centre"`` frame, or the poses of ``"all"`` frames.
        vertices: Pose the bodies of the data set, too.
        time_reversal: Append every window once more, running backwards. Mirrored ones run backwards too then, as
            GraphMLP's generator has it.
        causal: Windows end with the frame that is the target, instead of having it in their centre.

    Raises:
        DataError: ``frames`` is even or not positive, ``stride`` is not positive, or there are no ``vertices``: not
            without bodies, and not of mirrored windows, since nobody says which vertex of a body mirrors which.
        TopologyError: ``flip`` on a skeleton that does not say what is left and right.
    """

    @checked
    def __init__(
        self,
        dataset: PoseArrays,
        frames: Int64 = 1,
        stride: Int64 = 1,
        flip: bool = False,
        targets: Targets = "centre",
        *,
        vertices: bool = False,
        time_reversal: bool = False,
        causal: bool = False,
    ) -> None:
        if frames < 1 or frames % 2 == 0:
            raise DataError(f"frames is {frames}, expected an odd number: the target is the centre frame.")
        if stride < 1:
            raise DataError(f"stride is {stride}, expected 1 or more.")
        if vertices and dataset.bodies is None:
            raise DataError("vertices are asked for, but the data set has no bodies (of human36m_hgn: give smpl).")
        if vertices and flip:
            raise DataError("there are no vertices of mirrored windows, expected flip=False (--no-flip).")
        self.dataset = dataset
        self.vertices = vertices
        self.frames = frames
        self.stride = stride
        self.flip = flip
        self.targets = targets
        self.time_reversal = time_reversal
        self.causal = causal

        device = dataset.clip_id.device
        self._first = torch.tensor([clip.start for clip in dataset.clips], device=device)
        self._last = torch.tensor([clip.start + clip.length - 1 for clip in dataset.clips], device=device)
        self._offsets = torch.arange(frames, device=device) - self.target
        self.mirror_index = torch.tensor(dataset.skeleton.mirror_index if flip else (), device=device)
        self._intrinsics = normalized_intrinsics(dataset.clips, device)

        centre = dataset.frames
        clip = dataset.clip_id[centre]
        length = self._last[clip] - self._first[clip] + 1
        before = (-length % stride) // 2  # how far the first chunk reaches beyond the clip
        centre = centre[(centre - self._first[clip] + before) % stride == (stride - 1) // 2]
        copies = [(False, False), *[(False, True)] * time_reversal, *[(True, time_reversal)] * flip]
        self._centre = centre.repeat(len(copies))
        flags = torch.tensor(copies, device=device).repeat_interleave(len(centre), 0)
        self._flipped, self._reversed = flags.unbind(1)

    @property
    def target(self) -> int:
        """Which frame of a window it is whose pose is the target."""
        return self.frames - 1 if self.causal else self.frames // 2

    def __len__(self) -> int:
        """Number of windows, mirrored and reversed ones included."""
        return len(self._centre)

    def __getitem__(self, index: Tensor | slice | int) -> PoseBatch:
        """Gather windows.

        Args:
            index: Which; an ``int`` gives a batch of one.
        """
        frame, flipped, clip, time = self.rows(index)
        target = time if self.targets == "all" else frame
        x, y, root = self.dataset.keypoints_2d[time], self.dataset.poses_3d[target], self.dataset.root_3d[frame]
        confidence = None if self.dataset.confidence is None else self.dataset.confidence[time]
        visible = None if self.dataset.visible_3d is None else self.dataset.visible_3d[target]
        intrinsics = None if self._intrinsics is None else self._intrinsics[flipped.long(), clip]
        if self.flip:
            # Both versions and `where`, since picking the flipped rows would make the GPU wait for their number.
            x = torch.where(flipped[:, None, None, None], mirror(x, self.mirror_index), x)
            y = torch.where(_as_dims_of(y, flipped), mirror(y, self.mirror_index), y)
            root = torch.where(flipped[:, None], torch.cat((-root[:, :1], root[:, 1:]), -1), root)
            if confidence is not None:
                confidence = torch.where(flipped[:, None, None], confidence[..., self.mirror_index], confidence)
            if visible is not None:
                visible = torch.where(_as_dims_of(visible, flipped), visible[..., self.mirror_index], visible)
        vertices = self.dataset.bodies.vertices(frame) if self.vertices and self.dataset.bodies is not None else None
        return PoseBatch(x, y, frame, flipped, confidence, visible, root, intrinsics, vertices)

    def rows(self, index: Tensor | slice | int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Where the frames of windows are in the dataset's arrays.

        Args:
            index: Which windows.

        Returns:
            The frame that is the target, whether the window is mirrored, and its clip, ``(B,)``; the rows of all its
            frames, ``(B, T)``.
        """
        frame = self._centre[index].reshape(-1)
        clip = self.dataset.clip_id[frame]
        time = frame[:, None] + self._offsets
        if self.time_reversal:
            time = torch.where(self._reversed[index].reshape(-1, 1), frame[:, None] - self._offsets, time)
        time = time.clamp(self._first[clip, None], self._last[clip, None])
        return frame, self._flipped[index].reshape(-1), clip, time

    def __repr__(self) -> str:
        """What the windows are."""
        return f"PoseWindows({len(self)}, frames={self.frames}, stride={self.stride}, flip={self.flip})"

    def loader(
        self,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> WindowLoader:
        """Batches of these windows: see :class:`WindowLoader`."""
        return WindowLoader(self, batch_size, shuffle, seed, drop_last, rank, world_size)


def _as_dims_of(tensor: Tensor, flags: Tensor) -> Tensor:
    """Flags ``(B,)`` as ``(B, 1, ...)``, to go with a tensor."""
    return flags.view(-1, *(1,) * (tensor.dim() - 1))


class WindowLoader:
    """Batches of windows, for one of several processes; every process gets the same number of batches.

    With ``shuffle``, for training: a new order every epoch, which depends on ``seed`` and the epoch only. All processes
    get equally many windows and no window twice; up to ``world_size - 1`` windows, others in each epoch, are left out.

    Without, for evaluation: every window exactly once and in order, whole clips to each process (clip ``i`` to process
    ``i % world_size``), so that velocities can be measured; who has fewer windows ends with empty batches.

    Args:
        windows: The windows.
        batch_size: Windows in a batch of one process.
        shuffle: Draw a new order every epoch.
        seed: Seed of the orders, not negative.
        drop_last: Leave out the last batch of a process if it is not full.
        rank: Which process this is.
        world_size: How many processes there are.

    Raises:
        DataError: ``batch_size`` is not positive, or there is no such ``rank``.
    """

    @checked
    def __init__(
        self,
        windows: PoseWindows,
        batch_size: Int64,
        shuffle: bool = False,
        seed: Int64 = 0,
        drop_last: bool = False,
        rank: Int64 = 0,
        world_size: Int64 = 1,
    ) -> None:
        if batch_size < 1:
            raise DataError(f"batch_size is {batch_size}, expected 1 or more.")
        if not 0 <= rank < world_size:
            raise DataError(f"rank is {rank}, expected 0 to {world_size - 1}: world_size is {world_size}.")
        self.windows = windows
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next pass takes."""
        self.epoch = epoch

    def _owner(self) -> Tensor:
        """The process that evaluates each window, ``(len(windows),)``."""
        return self.windows.dataset.clip_id[self.windows._centre] % self.world_size

    def order(self) -> Tensor:
        """The numbers of the windows of this process in this epoch, in the order of its batches."""
        if not self.shuffle:
            return (self._owner() == self.rank).nonzero().flatten()
        # Both numbers go into one seed such that (0, 1) and (1, 0) give different orders.
        seed = np.random.SeedSequence([self.seed, self.epoch]).generate_state(1, np.uint64)
        # Drawn on the CPU whatever the device of the data, so that the order is the same everywhere.
        order = torch.randperm(len(self.windows), generator=torch.Generator().manual_seed(int(seed[0])))
        share = len(order) // self.world_size
        return order[self.rank :: self.world_size][:share].to(self.windows._centre.device)

    def __len__(self) -> int:
        """Number of batches, the same in every process."""
        if self.shuffle:
            most = len(self.windows) // self.world_size
        else:
            most = int(torch.bincount(self._owner(), minlength=1).max())
        return most // self.batch_size if self.drop_last else -(-most // self.batch_size)

    def __iter__(self) -> Iterator[PoseBatch]:
        """The batches of this process in this epoch."""
        order = self.order()
        if self.drop_last:
            order = order[: len(order) // self.batch_size * self.batch_size]
        for step in range(len(self)):
            yield self.batch(order[step * self.batch_size : (step + 1) * self.batch_size], step)

    def batch(self, index: Tensor, step: int) -> PoseBatch:
        """The batch of the windows with these numbers, the ``step``-th of the epoch."""
        return self.windows[index]
