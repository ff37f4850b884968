"""Keypoints as detectors give them: a little off, sometimes far off, sometimes none."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from skelgraph.training.transforms.random import normal, uniform


def detector_noise(
    keypoints_2d: Tensor,
    visible: Tensor | None = None,
    *,
    percent: float,
    outliers: float = 0.0,
    generator: Generator | None = None,
) -> Tensor:
    """Move keypoints by normal noise, whose standard deviation is a share of the longer side of the box around them.

    The share is drawn for each window, from 0 to ``percent``, all equally likely; the noise for each keypoint of each
    frame.

    Args:
        keypoints_2d: ``(B, T, J, 2)``.
        visible: Which of them are known, ``(B, T, J)``; the others stay and do not count for the box.
        percent: Largest standard deviation, per cent of the box.
        outliers: Share of the keypoints that are found anywhere in the box instead.
        generator: Of the random numbers; ``None``: torch's own.

    Returns:
        ``(B, T, J, 2)``.
    """
    known = torch.ones_like(keypoints_2d[..., :1], dtype=torch.bool) if visible is None else visible[..., None]
    low = keypoints_2d.masked_fill(~known, torch.inf).amin(-2, keepdim=True)
    size = keypoints_2d.masked_fill(~known, -torch.inf).amax(-2, keepdim=True) - low
    level = uniform(keypoints_2d, len(keypoints_2d), 1, 1, 1, high=percent / 100, generator=generator)
    noise = normal(keypoints_2d, *keypoints_2d.shape, generator=generator)
    moved = keypoints_2d + level * size.amax(-1, keepdim=True) * noise
    if outliers:
        lost = uniform(keypoints_2d, *keypoints_2d.shape[:-1], 1, generator=generator) < outliers
        anywhere = low + size * uniform(keypoints_2d, *keypoints_2d.shape, generator=generator)
        moved = torch.where(lost, anywhere, moved)
    return torch.where(known, moved, keypoints_2d)


def drop_joints(
    keypoints_2d: Tensor, confidence: Tensor | None, *, rate: float, generator: Generator | None = None
) -> tuple[Tensor, Tensor | None]:
    """Leave keypoints out, as if a detector had not found them: they are in the middle of the picture, as keypoints of
    the data are that have no place, and their confidence is 0 where there is one.

    Args:
        keypoints_2d: ``(B, T, J, 2)``, screen-normalised.
        confidence: ``(B, T, J)``; ``None`` if there is none.
        rate: Share of the keypoints that are left out.
        generator: Of the random numbers; ``None``: torch's own.

    Returns:
        Keypoints and confidence.
    """
    lost = uniform(keypoints_2d, *keypoints_2d.shape[:-1], generator=generator) < rate
    keypoints_2d = keypoints_2d.masked_fill(lost[..., None], 0)
    return keypoints_2d, None if confidence is None else confidence.masked_fill(lost, 0)
