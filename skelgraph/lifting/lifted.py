"""What a lifter makes of the keypoints of a video: people in space, and their way into the world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from skelgraph.datasets import Motion
from skelgraph.errors import SkelgraphError
from skelgraph.text import repr_by_shape, shown
from skelgraph.topology import Skeleton

FocalSource = Literal["given", "estimated"]
"""Whether the caller knows the focal length, or it was taken from the size of the picture."""


@dataclass(frozen=True)
class LiftedPerson:
    """One unbroken stretch of one person: somebody who is not seen for a while has several.

    Args:
        person: Who it is, the number of ``Detections.persons``.
        first_frame: Frame of the video that the stretch begins with.
        poses: Joints relative to the root, metres, camera axes (x right, y down, z forward).
        root: Where the root joint is, metres, camera axes from the camera; NaN from the beginning of the stretch to the
            first frame in which it can be told.
        keypoints_2d: What the poses were made from, in the joints of the network: x and y in pixels and the
            confidence, which is 0 where the joint was not seen and its place is interpolated between other frames.
        deviations: How far each joint is to be expected from where it is, relative to the root: the root of the mean
            square of the distance, metres, as the weights tell it; 0 of the root. ``None`` where they do not.

    Shapes:
        ``poses`` and ``keypoints_2d``: ``(T, J, 3)``; ``root``: ``(T, 3)``; ``deviations``: ``(T, J)``; float64.
    """

    person: int
    first_frame: int
    poses: np.ndarray
    root: np.ndarray
    keypoints_2d: np.ndarray
    deviations: np.ndarray | None = None

    __repr__ = repr_by_shape

    @property
    def positions(self) -> np.ndarray:
        """The joints as the camera sees them, metres, camera axes, ``(T, J, 3)``."""
        return self.poses + self.root[:, None]

    @property
    def last_frame(self) -> int:
        """Frame of the video that the stretch ends with."""
        return self.first_frame + len(self.poses) - 1


@dataclass(frozen=True)
class NotLifted:
    """Consecutive frames in which a person was found, but not lifted: joints were not seen for longer than may be
    interpolated.

    Args:
        person: Who it is.
        first_frame: The first of the frames.
        last_frame: The last of them.
        joints: The names of the joints, in the network's skeleton.
    """

    person: int
    first_frame: int
    last_frame: int
    joints: tuple[str, ...]


@dataclass(frozen=True)
class LiftedFrame:
    """One person in one frame of a stream, see :meth:`~skelgraph.Lifter.stream`.

    Args:
        person: Who it is.
        frame: Number of the frame, from 0.
        pose: Joints relative to the root, metres, camera axes.
        root: Where the root joint is, metres, camera axes.
        keypoints_2d: What the pose was made from.
        begins: Whether a new stretch begins with it.
        deviations: How far each joint is to be expected from where it is, metres; ``None`` where the weights do not
            tell it.

    Shapes:
        ``pose`` and ``keypoints_2d``: ``(J, 3)``; ``root``: ``(3,)``; ``deviations``: ``(J,)``.
    """

    person: int
    frame: int
    pose: np.ndarray
    root: np.ndarray
    keypoints_2d: np.ndarray
    begins: bool
    deviations: np.ndarray | None = None

    __repr__ = repr_by_shape


@dataclass(frozen=True)
class Lifted:
    """People in space, as :class:`~skelgraph.Lifter` finds them.

    Args:
        people: Their stretches, by person and time; none where nobody was seen.
        skeleton: The joints of the network.
        intrinsics: The camera: fx, fy, cx, cy in pixels.
        focal_source: ``"given"``, or ``"estimated"`` from the size of the picture: the distances from the camera are no
            better than the estimate then, poses hardly depend on it.
        image_size: Width and height of the video in pixels; ``None`` if it is not known.
        frame_rate: Frames per second; ``None`` if it is not known.
        num_frames: Frames of the video, also those in which nobody was found.
        not_lifted: Where people were found who could not be lifted, and why.

    Shapes:
        ``intrinsics``: ``(4,)``, float64.
    """

    people: list[LiftedPerson]
    skeleton: Skeleton
    intrinsics: np.ndarray
    focal_source: FocalSource
    image_size: tuple[int, int] | None
    frame_rate: float | None
    num_frames: int
    not_lifted: list[NotLifted] = field(default_factory=list)

    __repr__ = repr_by_shape

    def in_world(self, gravity: Sequence[float]) -> list[np.ndarray]:
        """The joints of all :attr:`people` in one world: metres, z up, the floor (z = 0) at the lowest joint of all of
        them in any frame, the camera above the origin and looking along y, see :func:`camera_to_upright`.

        Args:
            gravity: The direction of gravity in camera axes, of any length; ``(0, 1, 0)``: the camera is level. No
                picture alone tells it, and a camera that is tilted by some degrees makes people lean by as many.

        Returns:
            Positions ``(T, J, 3)`` of each one.

        Raises:
            SkelgraphError: ``gravity`` is no direction.
        """
        turn = camera_to_upright(gravity)
        placed = [person.positions @ turn.T for person in self.people]
        heights = np.concatenate([[], *(positions[..., 2].ravel() for positions in placed)])
        lowest = heights[np.isfinite(heights)].min(initial=np.inf)
        return [positions - np.array([0, 0, lowest if np.isfinite(lowest) else 0]) for positions in placed]

    def motion(self, person: LiftedPerson, gravity: Sequence[float]) -> Motion:
        """One of the :attr:`people` as motion for :func:`~skelgraph.datasets.write_motion`, placed as
        :meth:`in_world` does.

        Args:
            person: One of the :attr:`people` (a stretch, not the number of a person).
            gravity: The direction of gravity in camera axes.

        Raises:
            SkelgraphError: ``gravity`` is no direction, or ``person`` is none of the people.
        """
        index = next((i for i, known in enumerate(self.people) if known is person), None)
        if index is None:
            raise SkelgraphError(f"person is {shown(person)}; expected one of the {len(self.people)} people")
        return self.placed_motion(person, self.in_world(gravity)[index])

    def placed_motion(self, person: LiftedPerson, positions: np.ndarray) -> Motion:
        """One of the :attr:`people` as motion, where its place in the world is known already.

        Args:
            person: One of the :attr:`people`.
            positions: What :meth:`in_world` gave for it.
        """
        return Motion(
            positions,
            self.skeleton.joint_names,
            self.frame_rate,
            unit=1.0,
            up="z",
            parents=self.skeleton.parents,
            deviations=person.deviations,
            first_frame=person.first_frame,
        )


def camera_to_upright(gravity: Sequence[float]) -> np.ndarray:
    """The rotation that turns camera axes so that z points up and the camera looks along y; for a camera that looks
    straight down or up, the upper edge of the picture is ahead (behind).

    Args:
        gravity: The direction of gravity in camera axes (x right, y down, z forward), of any length.

    Returns:
        ``(3, 3)``; the rows are the axes of the world in those of the camera. ``positions @ rotation.T`` turns points.

    Raises:
        SkelgraphError: ``gravity`` is no direction.

    Example:
        >>> from skelgraph.lifting import camera_to_upright
        >>> camera_to_upright((0, 1, 0)).tolist()  # a level camera
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]
    """
    try:
        down = np.asarray(gravity, dtype=np.float64)
    except (TypeError, ValueError):
        down = np.zeros(0)
    if down.shape != (3,) or not np.isfinite(down).all() or not down.any():
        raise SkelgraphError(
            f"gravity is {shown(gravity)}; expected its direction in camera axes, three numbers that are not all 0"
        )
    down = down / np.abs(down).max()  # whose square is neither 0 nor infinite
    up = -down / np.linalg.norm(down)
    ahead = np.array([0.0, 0.0, 1.0])
    if abs(up[2]) > 1 - 1e-6:
        ahead = np.array([0.0, np.sign(up[2]), 0.0])
    ahead = ahead - (ahead @ up) * up
    ahead /= np.linalg.norm(ahead)
    return np.stack([np.cross(ahead, up), ahead, up]) + 0.0  # no -0.0
