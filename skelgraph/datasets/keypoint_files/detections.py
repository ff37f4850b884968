"""What every file of keypoints is read into, and what detectors find: people in the frames of a video, in pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skelgraph.errors import DataError
from skelgraph.text import repr_by_shape, shown
from skelgraph.topology import Skeleton, convert_keypoints
from skelgraph.topology.layouts import SkeletonLike, as_skeleton


@dataclass(frozen=True)
class Detections:
    """The people that were found in the frames of a video, one entry for each person in each frame.

    Args:
        keypoints: x and y in pixels from the left top corner (y down), and the confidence, which is above 0 where the
            joint is known; all three are 0 where it is not.
        frames: The frame of the video that each entry belongs to, from 0, ascending.
        skeleton: The joints.
        num_frames: Frames of the video, also those in which nobody was found.
        persons: Who each entry is, the same number in all frames; ``None`` if nobody was followed over the frames.
        image_size: Width and height of the video in pixels; ``None`` if it is not known.
        frame_rate: Frames per second; ``None`` if it is not known.

    Shapes:
        ``keypoints``: ``(N, J, 3)``, float64; ``frames`` and ``persons``: ``(N,)``, int64.

    Raises:
        DataError: If these do not fit together.
    """

    keypoints: np.ndarray
    frames: np.ndarray
    skeleton: Skeleton
    num_frames: int
    persons: np.ndarray | None = None
    image_size: tuple[int, int] | None = None
    frame_rate: float | None = None

    __repr__ = repr_by_shape

    def __post_init__(self) -> None:  # noqa: D105
        count, joints = len(self.frames), self.skeleton.num_joints
        if self.keypoints.shape != (count, joints, 3) or not np.isfinite(self.keypoints).all():
            raise DataError(f"keypoints are {shown(self.keypoints)}, expected finite numbers ({count}, {joints}, 3).")
        if self.frames.shape != (count,):
            raise DataError(f"frames are {shown(self.frames)}, expected one number for each of {count} entries.")
        if count and (self.frames[0] < 0 or self.frames[-1] >= self.num_frames or (np.diff(self.frames) < 0).any()):
            raise DataError(f"frames are {shown(self.frames)}, expected to ascend from 0 to {self.num_frames - 1}.")
        if self.persons is not None:
            if self.persons.shape != (count,):
                raise DataError(f"persons are {shown(self.persons)}, expected one number for each of {count} entries.")
            if len(np.unique(np.stack([self.frames, self.persons]), axis=1).T) < count:
                raise DataError("persons has somebody twice in one frame.")

    def converted(self, wanted: SkeletonLike) -> Detections:
        """The same people with the joints of another layout, see :func:`~skelgraph.convert_keypoints`.

        Raises:
            TopologyError: If joints are missing; the message names them.
        """
        skeleton = as_skeleton(wanted)
        keypoints = convert_keypoints(self.keypoints, self.skeleton, skeleton, dimensions=2)
        return Detections(
            keypoints, self.frames, skeleton, self.num_frames, self.persons, self.image_size, self.frame_rate
        )
