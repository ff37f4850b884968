"""What the page shows: people in space, what is known of the truth, and the video that they come from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from skelgraph.errors import DataError
from skelgraph.geometry import beside_a_body, pose_sizes
from skelgraph.text import plain, shown
from skelgraph.topology import Skeleton


@dataclass(frozen=True, eq=False)
class ViewerPerson:
    """One unbroken stretch of frames of one person; stretches with the same name are the same person.

    Args:
        name: The name in the legend.
        first_frame: The frame of the scene that the arrays begin with.
        positions: The joints in metres, z up; NaN: not known, not drawn.
        skeleton: The joints of all arrays.
        truth: Where the joints really were, as ``positions``. The error is the distance between the two as they are
            given: what is judged relative to the root has to be given so.
        keypoints_2d: x and y in pixels of the video (y down) and, if there is a third number, the confidence, which
            makes them paler; with NaN, or a confidence of 0, they are not drawn.
        deviations: How far the joints are to be expected from where they are, metres: the radius of a circle around
            each; with NaN or 0 there is none.

    Shapes:
        ``positions`` and ``truth``: ``(T, J, 3)``; ``keypoints_2d``: ``(T, J, 2)`` or ``(T, J, 3)``; ``deviations``:
        ``(T, J)``.

    Raises:
        DataError: If these do not fit together.
    """

    name: str
    first_frame: int
    positions: Any
    skeleton: Skeleton
    truth: Any | None = None
    keypoints_2d: Any | None = None
    deviations: Any | None = None

    def __post_init__(self) -> None:  # noqa: D105
        joints = self.skeleton.num_joints
        frames = np.shape(self.positions)[0] if np.ndim(self.positions) else 0
        self._check("positions", ((frames, joints, 3),))
        self._check("truth", ((frames, joints, 3),))
        self._check("keypoints_2d", ((frames, joints, 2), (frames, joints, 3)))
        self._check("deviations", ((frames, joints),))

    def _check(self, name: str, shapes: Sequence[tuple[int, ...]]) -> None:
        array = getattr(self, name)
        if array is not None and np.shape(array) not in shapes:
            raise DataError(
                f"{name} of {shown(self.name)} has shape {np.shape(array)}; expected {' or '.join(map(str, shapes))}: "
                f"frames, joints of the skeleton {plain(self.skeleton.name or '')}, numbers."
            )

    @property
    def num_frames(self) -> int:
        """How many frames the stretch has."""
        return len(self.positions)


@dataclass(frozen=True, eq=False)
class ViewerScene:
    """People in the frames of one video.

    Args:
        people: Who is in it.
        num_frames: Frames of the video.
        frame_rate: Frames per second.
        title: Heading of the page.
        pictures: JPEG files of the frames 0, ``picture_step``, ``2 * picture_step``, ..., of any size.
        picture_step: Frames from one picture to the next. Between them the nearest one is shown, while the keypoints
            over it move at the full rate.
        image_size: Width and height of the video, the unit of ``keypoints_2d``; with pictures or keypoints it has to be
            given.

    Raises:
        DataError: If these do not fit together.
    """

    people: Sequence[ViewerPerson]
    num_frames: int
    frame_rate: float
    title: str = ""
    pictures: Sequence[bytes] | None = None
    picture_step: int = 1
    image_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:  # noqa: D105
        if self.num_frames < 1 or self.picture_step < 1:
            raise DataError(
                f"num_frames is {shown(self.num_frames)} and picture_step {shown(self.picture_step)}; "
                "expected both to be at least 1."
            )
        if not 0 < self.frame_rate < math.inf:
            raise DataError(f"frame_rate is {shown(self.frame_rate)}; expected frames per second, a number above 0.")
        for person in self.people:
            if person.first_frame < 0 or person.first_frame + person.num_frames > self.num_frames:
                raise DataError(
                    f"{shown(person.name)} is in {person.num_frames} frames from {person.first_frame} on; "
                    f"expected them all among the {self.num_frames} frames of the scene."
                )
        expected = math.ceil(self.num_frames / self.picture_step)
        if self.pictures is not None and len(self.pictures) != expected:
            raise DataError(
                f"there are {len(self.pictures)} pictures; expected {expected}: one every {self.picture_step} of "
                f"{self.num_frames} frames."
            )
        has_picture = self.pictures is not None or any(person.keypoints_2d is not None for person in self.people)
        if has_picture and (self.image_size is None or min(self.image_size) < 1):
            raise DataError(
                f"image_size is {shown(self.image_size)}; expected width and height of the video, in whose pixels the "
                "keypoints are."
            )

    @cached_property
    def scale(self) -> float:
        """How large the people are beside a body, see :func:`~skelgraph.geometry.beside_a_body`."""
        poses = (torch.tensor(np.asarray(person.positions)) for person in self.people)
        sizes = [pose_sizes(pose).double() for pose in poses]
        return float(beside_a_body(torch.cat([*sizes, torch.full((1,), torch.nan)])))
