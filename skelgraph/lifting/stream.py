"""One person lifted frame by frame, with the result of all frames at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from skelgraph.lifting.gaps import GapFilling
from skelgraph.lifting.lifted import LiftedFrame
from skelgraph.lifting.normalisation import View
from skelgraph.lifting.prediction import Prediction
from skelgraph.lifting.root import AROUND, estimate_roots, without_bad_frames
from skelgraph.lifting.smoothing import OneEuro, OneEuroFilter

_OneFrame: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]
"""Pose, root, keypoints and deviations."""


class PersonStream:
    """The stretches of one person.

    Args:
        person: Who it is.
        first_frame: The frame that is pushed first.
        longest: Frames of the longest gap that is filled.
        stretch: Makes a new :class:`StretchStream`.
    """

    def __init__(self, person: int, first_frame: int, longest: int, stretch: Callable[[], StretchStream]) -> None:
        self.person = person
        self._gaps = GapFilling(longest)
        self._decided = first_frame  # the first frame that is not
        self._new = stretch
        self._stretch: StretchStream | None = None
        self._out = first_frame
        self._unseen = 0

    def push(self, keypoints: np.ndarray) -> Iterator[LiftedFrame]:
        """Take the next frame, keypoints ``(J, 3)`` that are 0 where joints are not seen, and give out what is lifted
        now."""
        self._unseen = 0 if keypoints[:, 2].any() else self._unseen + 1
        yield from self._lifted(self._gaps.push(keypoints))

    def finish(self) -> Iterator[LiftedFrame]:
        """Give out what is left: there are no more frames."""
        yield from self._lifted(self._gaps.finish())
        yield from self._end()

    @property
    def is_over(self) -> bool:
        """Whether the person is gone for so long that nothing before matters any more."""
        return self._unseen > self._gaps.longest

    def _lifted(self, decided: Iterator[np.ndarray | None]) -> Iterator[LiftedFrame]:
        for places in decided:
            if places is None:
                yield from self._end()
            else:
                if self._stretch is None:
                    self._stretch, self._out = self._new(), self._decided
                    self._begin = self._decided
                yield from self._named(self._stretch.push(places))
            self._decided += 1

    def _end(self) -> Iterator[LiftedFrame]:
        if self._stretch is not None:
            yield from self._named(self._stretch.finish())
            self._stretch = None

    def _named(self, lifted: Iterator[_OneFrame]) -> Iterator[LiftedFrame]:
        for pose, root, places, deviations in lifted:
            yield LiftedFrame(self.person, self._out, pose, root, places, self._out == self._begin, deviations)
            self._out += 1


class StretchStream:
    """Poses and roots of one stretch: a window of the network, then the filter, then the root.

    Args:
        prediction: The network.
        view: The camera.
        step: Frames of the video from one frame of a window to the next.
        smoothing: Settings of the filter.
        frame_rate: Frames per second.
    """

    def __init__(
        self, prediction: Prediction, view: View, step: float, smoothing: OneEuro | None, frame_rate: float
    ) -> None:
        self._prediction, self._view, self._step = prediction, view, step
        self._smooth_pose, self._smooth_root = (
            None if smoothing is None else OneEuroFilter(smoothing, frame_rate) for _ in range(2)
        )
        self._reach = prediction.reach(step)
        self._frames: list[np.ndarray] = []  # keypoints that windows and roots still need
        self._first = 0  # number of the first of these in the stretch
        self._poses: list[tuple[np.ndarray, np.ndarray | None]] = []  # poses that are not given out, and deviations
        self._roots: list[np.ndarray] = []  # their roots and those of the frames just before
        self._lifted = self._given = 0
        self._last_root = np.full(3, np.nan)

    def push(self, places: np.ndarray) -> Iterator[_OneFrame]:
        """Take the next frame and give out poses, roots, keypoints and deviations of those that are lifted now."""
        self._frames.append(places)
        yield from self._advance(self._reach, AROUND)

    def finish(self) -> Iterator[_OneFrame]:
        """Give out the frames that are left: the stretch has no more."""
        yield from self._advance(0, 0)

    def _advance(self, reach: int, around: int) -> Iterator[_OneFrame]:
        count = self._first + len(self._frames)
        while self._lifted + reach < count:
            self._lift(self._lifted - self._first)
            self._lifted += 1
        while self._given + around < self._lifted:
            place = min(self._given, AROUND)  # of the root among those that are kept
            root = without_bad_frames(np.stack(self._roots))[place]
            self._last_root = np.where(np.isnan(root), self._last_root, root)
            root = self._last_root if self._smooth_root is None else self._smooth_root(self._last_root)
            pose, deviations = self._poses.pop(0)
            yield pose, root, self._frames[self._given - self._first], deviations
            self._given += 1
            del self._roots[: -(self._lifted - self._given + AROUND)]
        drop = min(self._given, self._lifted - self._reach) - self._first
        if drop > 0:
            del self._frames[:drop]
            self._first += drop

    def _lift(self, index: int) -> None:
        pose, deviations = self._prediction(np.stack(self._frames), np.array([index]), self._view, self._step)
        if self._smooth_pose is not None:
            pose[0] = self._smooth_pose(pose[0])
        self._poses.append((pose[0], None if deviations is None else deviations[0]))
        self._roots.append(estimate_roots(pose, self._frames[index][None], self._view.intrinsics)[0])
