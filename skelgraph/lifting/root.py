"""Where people are in front of the camera."""

from __future__ import annotations

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from skelgraph.geometry import estimate_root

AROUND = 2
"""Frames on each side that a root is compared with."""
TOLERANCE = 0.15
"""How far, as a part of it, the depth of a root may be from the median of the frames around."""
_ENOUGH = 4  # joints that are seen; with fewer, those in gaps count as well


def estimate_roots(poses: np.ndarray, keypoints: np.ndarray, intrinsics: tuple[float, ...]) -> np.ndarray:
    """The root of each pose from the joints that are seen, by :func:`~skelgraph.geometry.estimate_root`.

    Args:
        poses: Root-relative poses ``(T, J, 3)``, metres.
        keypoints: Pixels and confidence ``(T, J, 3)``; the confidence is 0 of joints whose place is interpolated. They
            count only in frames in which fewer than 4 joints are seen.
        intrinsics: fx, fy, cx, cy in pixels.

    Returns:
        ``(T, 3)``, metres; NaN where there is no answer.
    """
    seen = keypoints[..., 2] > 0
    seen |= (seen.sum(-1) < _ENOUGH)[:, None]
    parts = (torch.from_numpy(part) for part in (poses, keypoints[..., :2], np.array(intrinsics), seen))
    return estimate_root(*parts).numpy()


def without_bad_frames(roots: np.ndarray) -> np.ndarray:
    """Put the median of the five frames around (fewer at an end) in place of a root that is missing, or whose depth is
    off that median by more than 15 %: nobody moves so far in two frames, but a frame in which joints were mixed up
    looks like it.

    Args:
        roots: ``(T, 3)``; NaN where there is none.

    Returns:
        ``(T, 3)``; NaN where there is none in the frames around, either.
    """
    padded = np.pad(roots, ((AROUND, AROUND), (0, 0)), constant_values=np.nan)
    windows = sliding_window_view(padded, 2 * AROUND + 1, axis=0)  # (T, 3, 5)
    median = torch.from_numpy(windows.copy()).nanquantile(0.5, -1).numpy()
    good = np.abs(roots[:, 2] - median[:, 2]) <= TOLERANCE * median[:, 2]
    return np.where(good[:, None], roots, median)


def held(roots: np.ndarray) -> np.ndarray:
    """Keep the root of the frame before where there is none, ``(T, 3)``; NaN stays at the beginning."""
    last = np.maximum.accumulate(np.where(np.isnan(roots[:, 0]), 0, np.arange(len(roots))))
    return roots[last]
