"""Joints that are not seen for a while: short gaps are interpolated in time, long ones end a stretch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def fill_gaps(keypoints: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interpolate joints linearly between two frames in which they are seen, over gaps of at most ``longest`` frames.
    Nothing is extrapolated: before it is first seen and after it was last seen, a joint is not known.

    Args:
        keypoints: x, y and confidence of one person in consecutive frames; 0 where a joint is not seen.
        longest: Frames of the longest gap that is filled.

    Returns:
        The keypoints, ``(T, J, 3)``, with places and confidence 0 in gaps; which joints are known, ``(T, J)``; and of
        which others the next frames may still tell, ``(T, J)``.
    """
    count = len(keypoints)
    seen = keypoints[..., 2] > 0
    time = np.arange(count)[:, None]
    before = np.maximum.accumulate(np.where(seen, time, -1), axis=0)
    after = np.minimum.accumulate(np.where(seen, time, count)[::-1], axis=0)[::-1]
    known = (before >= 0) & (after < count) & (after - before <= longest + 1)
    may_be = (before >= 0) & (after == count) & (count - before <= longest + 1)
    ends = [np.take_along_axis(keypoints, np.clip(end, 0, count - 1)[..., None], 0) for end in (before, after)]
    weight = ((time - before) / np.maximum(after - before, 1))[..., None]
    places = np.where(seen[..., None], keypoints, (1 - weight) * ends[0] + weight * ends[1])
    places[..., 2] = keypoints[..., 2]
    places[~known] = 0
    return places, known, may_be


def runs(flags: Any) -> list[tuple[int, int]]:
    """Where flags ``(T,)`` are set: ``(start, stop)`` of each run."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in steps.reshape(-1, 2)]


class GapFilling:
    """:func:`fill_gaps` of one person, frame by frame: each frame comes out as soon as it is decided, which is at once
    if all joints are seen, and after ``longest`` more frames at the latest.

    Args:
        longest: Frames of the longest gap that is filled.
    """

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self._frames: list[np.ndarray] = []  # those that are not decided, and as many before as a gap may need
        self._decided = 0  # of these

    def push(self, keypoints: np.ndarray) -> Iterator[np.ndarray | None]:
        """Take the next frame ``(J, 3)`` and give out those that are decided now: keypoints without gaps, or ``None``
        where a joint is not known."""
        self._frames.append(keypoints)
        yield from self._out(last=False)

    def finish(self) -> Iterator[np.ndarray | None]:
        """Give out the frames that are left: there are no more."""
        yield from self._out(last=True)

    def _out(self, last: bool) -> Iterator[np.ndarray | None]:
        if not self._frames:
            return
        places, known, may_be = fill_gaps(np.stack(self._frames), self.longest)
        is_open = ~(known.all(1) | (~known & ~may_be).any(1))
        while self._decided < len(places) and (last or not is_open[self._decided]):
            yield places[self._decided] if known[self._decided].all() else None
            self._decided += 1
        context = max(0, self._decided - self.longest - 1)
        del self._frames[:context]
        self._decided -= context
