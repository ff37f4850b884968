"""Who is who over the frames of a video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import Field

from skelgraph.datasets import Detections
from skelgraph.errors import SkelgraphError
from skelgraph.options import NotNegative, Rate, Share, checked
from skelgraph.text import shown

Frames = Annotated[int, Field(ge=1, le=10**6)]

TOLERANCE = 0.14
"""How far off a joint may be in sizes of the person: twice the mean of the deviations with which people annotate COCO's
joints (0.025 of the eyes to 0.107 of the hips), as in https://cocodataset.org/#keypoints-eval."""
_INERTIA = 0.5
"""What the speed of a person keeps of itself from frame to frame."""
_GAP = 30
"""Longest gap in frames, where the frame rate is not known."""


@dataclass
class _Track:
    person: int
    keypoints: np.ndarray
    frame: int
    velocity: np.ndarray

    def predicted(self, frame: int) -> np.ndarray:
        """The keypoints as they are in another frame, if the person moves on."""
        moved = self.keypoints.copy()
        moved[:, :2] += self.velocity * (frame - self.frame)
        return moved

    def update(self, keypoints: np.ndarray, frame: int) -> None:
        both = (self.keypoints[:, 2] > 0) & (keypoints[:, 2] > 0)
        if both.any():
            step = np.median(keypoints[both, :2] - self.keypoints[both, :2], axis=0) / (frame - self.frame)
            self.velocity = _INERTIA * self.velocity + (1 - _INERTIA) * step
        # a joint that is hidden for a while stays where it was last seen
        stays = self.keypoints.copy()
        stays[:, :2] += self.velocity * (frame - self.frame)
        self.keypoints = np.where(keypoints[:, 2:] > 0, keypoints, stays)
        self.frame = frame


class Tracker:
    """Follows people from frame to frame, as they come.

    A person goes on where a track is expected, which moves on with its own speed; the pairs that are most alike, see
    :func:`similarity`, find each other first. Whoever is like no track begins a new one.

    Args:
        max_gap: Frames after which somebody who was not seen is somebody else.
        min_similarity: Least similarity of a person and a track.
    """

    def __init__(self, max_gap: int = _GAP, min_similarity: float = 0.05) -> None:
        self.max_gap = max_gap
        self.min_similarity = min_similarity
        self._tracks: list[_Track] = []
        self._next = 0

    def update(self, keypoints: np.ndarray, frame: int) -> np.ndarray:
        """Say who the people of a frame are.

        Args:
            keypoints: x, y and the confidence, 0 where a joint is not known.
            frame: Number of the frame, above that of the frame before.

        Returns:
            A number for each one, from 0 by their first appearance; of those who appear together the left one first.

        Shapes:
            ``keypoints``: ``(N, J, 3)``; returns ``(N,)``, int64.
        """
        self._tracks = [track for track in self._tracks if frame - track.frame <= self.max_gap + 1]
        expected = np.array([track.predicted(frame) for track in self._tracks]).reshape(-1, *keypoints.shape[1:])
        alike = similarity(expected[:, None], keypoints[None])
        persons = np.full(len(keypoints), -1, dtype=np.int64)
        if alike.size:
            taken: set[int] = set()
            # equal similarities in an order that does not depend on that of the people in the frame
            pairs = sorted(
                zip(*np.nonzero(alike >= self.min_similarity), strict=True),
                key=lambda pair: (-alike[pair], pair[0], *keypoints[pair[1]].ravel()),
            )
            for track, one in pairs:
                if track not in taken and persons[one] < 0:
                    taken.add(track)
                    persons[one] = self._tracks[track].person
                    self._tracks[track].update(keypoints[one], frame)
        for one in sorted(np.flatnonzero(persons < 0), key=lambda one: tuple(keypoints[one].ravel())):
            self._tracks.append(_Track(self._next, keypoints[one].copy(), frame, np.zeros(2)))
            persons[one] = self._next
            self._next += 1
        return persons


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    r"""How much two people in a picture are alike, from 0 to 1: object keypoint similarity (`COCO
    <https://cocodataset.org/#keypoints-eval>`_) over the :math:`n` joints that both know,

    .. math::
        \frac{1}{n} \sum_j \exp \left( -\frac{d_j^2}{2 s^2 k^2} \right)

    with :math:`d_j` the distance of a joint, :math:`s^2` the larger area of the boxes around these joints and
    :math:`k =` :data:`TOLERANCE`; 0 where they have no joint in common.

    Args:
        a: x, y and the confidence of each joint.
        b: The same of another one.

    Shapes:
        ``(..., J, 3)`` each; returns ``(...)``.
    """
    both = (a[..., 2] > 0) & (b[..., 2] > 0)
    count = both.sum(-1)
    area = np.maximum(_area(a, both), _area(b, both)).clip(min=1.0)
    distances = np.square(a[..., :2] - b[..., :2]).sum(-1)
    alike = np.where(both, np.exp(-distances / (2 * area[..., None] * TOLERANCE**2)), 0.0)
    mean: np.ndarray = alike.sum(-1) / count.clip(min=1)
    return mean


def _area(one: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Of the box around the known joints."""
    places = np.broadcast_to(one[..., :2], (*known.shape, 2))
    low = np.min(places, axis=-2, where=known[..., None], initial=np.inf)
    high = np.max(places, axis=-2, where=known[..., None], initial=-np.inf)
    return np.where(known.any(-1), np.prod(np.where(np.isfinite(high - low), high - low, 0.0), axis=-1), 0.0)


@checked
def track(
    detections: Detections,
    max_gap: NotNegative | None = None,
    min_similarity: Share = 0.05,
    min_frames: Frames = 1,
    min_confidence: Rate = 0.0,
    duplicates: Share | None = None,
) -> Detections:
    """Follow people over the frames of a video, see :class:`Tracker`.

    Args:
        detections: People in the frames; who they are is found anew.
        max_gap: Seconds after which somebody who was not seen is somebody else; by default one, or 30 frames where the
            frame rate is not known.
        min_similarity: Least similarity from frame to frame.
        min_frames: Whoever is seen in fewer frames is left out, as a false alarm.
        min_confidence: So is whose known joints have a lower confidence, in the mean over all frames.
        duplicates: Similarity from which on two people of a frame are the same one, whom the detector found twice: only
            the one with the larger sum of confidences stays. By default nobody is.

    Returns:
        The same people with ``persons``, numbered from 0 by their first appearance.

    Raises:
        SkelgraphError: If ``max_gap`` is given and the frame rate is not known.
    """
    if max_gap is not None and detections.frame_rate is None:
        raise SkelgraphError(f"max_gap is {shown(max_gap)} seconds, but the frame rate of the detections is not known")
    if duplicates is not None:
        detections = _once(detections, duplicates)
    rate = detections.frame_rate
    gap = _GAP if rate is None else round((1.0 if max_gap is None else max_gap) * rate)
    tracker = Tracker(gap, min_similarity)
    persons = np.zeros(len(detections.frames), dtype=np.int64)
    for frame, entries in _by_frame(detections):
        persons[entries] = tracker.update(detections.keypoints[entries], frame)
    found, index, counts = np.unique(persons, return_inverse=True, return_counts=True)
    confidence = detections.keypoints[..., 2]
    sums = np.bincount(index, weights=confidence.sum(-1), minlength=len(found))
    known = np.bincount(index, weights=(confidence > 0).sum(-1), minlength=len(found))
    kept = (counts >= min_frames) & (sums >= min_confidence * known)
    return _only(replace(detections, persons=persons), found[kept])


def _by_frame(detections: Detections) -> Iterator[tuple[int, slice]]:
    """The frames with people, and the entries of each."""
    frames, starts = np.unique(detections.frames, return_index=True)
    for frame, start, stop in zip(frames, starts, [*starts[1:], len(detections.frames)][: len(starts)], strict=True):
        yield int(frame), slice(start, stop)


def _once(detections: Detections, alike: float) -> Detections:
    """The people without those who are in a frame a second time."""
    chosen = np.ones(len(detections.frames), dtype=bool)
    for _, entries in _by_frame(detections):
        people = detections.keypoints[entries]
        same = similarity(people[:, None], people[None]) >= alike
        kept: list[int] = []
        # the order does not depend on that of the people in the frame
        for one in sorted(range(len(people)), key=lambda one: (-people[one, :, 2].sum(), *people[one].ravel())):
            if same[one, kept].any():
                chosen[entries.start + one] = False
            else:
                kept.append(one)
    return replace(detections, keypoints=detections.keypoints[chosen], frames=detections.frames[chosen], persons=None)


def longest_seen(detections: Detections, count: int) -> Detections:
    """Those people who are seen most: the sum of the confidences of their joints over all frames is largest.

    Args:
        detections: People, followed over the frames.
        count: How many.

    Raises:
        SkelgraphError: If nobody was followed.
    """
    if detections.persons is None:
        raise SkelgraphError("persons of the detections is None; expected people who are followed, see track")
    found, index = np.unique(detections.persons, return_inverse=True)
    seen = np.bincount(index, weights=detections.keypoints[..., 2].sum(-1), minlength=len(found))
    return _only(detections, found[np.argsort(-seen, kind="stable")[:count]])


def _only(detections: Detections, kept: np.ndarray) -> Detections:
    """Some of the people, numbered anew in their old order."""
    assert detections.persons is not None
    chosen = np.isin(detections.persons, kept)
    return replace(
        detections,
        keypoints=detections.keypoints[chosen],
        frames=detections.frames[chosen],
        persons=np.searchsorted(np.sort(kept), detections.persons[chosen]).astype(np.int64),
    )
