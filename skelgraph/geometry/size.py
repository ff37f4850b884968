"""How large poses are, and what is smaller than a body."""

from __future__ import annotations

import torch
from torch import Tensor

from skelgraph.geometry.tensors import check_tensors

SMALL = 0.4
"""Metres: poses that are smaller are none of bodies."""
BODY = 1.7
"""Metres of a body, for which lengths in pictures and of cameras are made."""


def pose_sizes(poses: Tensor, visible: Tensor | None = None) -> Tensor:
    """The longest side of the box around each pose, NaN where no two joints are known.

    Args:
        poses: The poses.
        visible: Which joints are known; by default those that are finite.

    Shapes:
        ``poses`` ``(..., J, D)``, ``visible`` ``(..., J)``; returns ``(...)``.
    """
    check_tensors(poses=poses)
    unknown = ~(poses.isfinite().all(-1) if visible is None else visible)[..., None]
    low, high = poses.masked_fill(unknown, torch.inf).amin(-2), poses.masked_fill(unknown, -torch.inf).amax(-2)
    size = (high - low).amax(-1)
    return torch.where(size > 0, size, torch.nan)


def beside_a_body(sizes: Tensor) -> Tensor:
    """How large is what has these sizes beside a body: 1, or less where their median is below :data:`SMALL`, as that of
    hands is.

    Args:
        sizes: Those of :func:`pose_sizes`, in any shape, metres.
    """
    check_tensors(sizes=sizes)
    size = sizes.nanmedian()
    return torch.where(size < SMALL, size / BODY, 1.0)
