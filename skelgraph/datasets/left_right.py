"""What bodies themselves tell: which side is left, whether the world is mirrored, what is up."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from skelgraph.errors import TopologyError
from skelgraph.geometry import pose_sizes, sine_about
from skelgraph.topology import Skeleton, limbs
from skelgraph.topology.limbs import Limb

APART = 0.1
"""A pair of joints tells the sides of keypoints if it is so far apart in the picture, as a share of the skeleton."""
CLEAR = 0.5
"""It says that they are exchanged if the keypoints, exchanged, lie closer than at this part of their distance."""
MIN_VOTES, MOST_VOTES = 10, 0.7
"""How many pairs, poses or knees have to tell something, and which share of them has to say the same."""
BENT_KNEE = 0.3
"""Sine of the least angle of a knee that tells which way it bends."""
LIKE_LEGS = 1.1
"""Legs that tell it are bodies': the bones of one are not longer than those of the other one by this factor."""
ALONG = 0.8
"""Cosine of the largest angle between the legs of somebody who stands and an axis of the world."""


def say_so(for_it: float, against: float) -> bool:
    """Whether votes are many and agree."""
    return for_it + against >= MIN_VOTES and for_it >= MOST_VOTES * (for_it + against)


def side_votes(seen: Tensor, given: Tensor, pairs: Sequence[tuple[int, int]]) -> Tensor:
    """For each pair of joints in how many of the poses that tell it the given keypoints fit the positions much better
    with left and right exchanged, and in how many they do not. Noise, and a shift of all keypoints, favour no
    exchange.

    Args:
        seen: The positions as the camera sees them ``(..., J, 2)``; NaN where they are not known.
        given: Keypoints, likewise.
        pairs: Left and right joints.

    Returns:
        ``(pairs, 2)``.
    """
    left, right = map(list, zip(*pairs, strict=True))
    as_is, exchanged = (
        (seen[..., left, :] - given[..., one, :]).norm(dim=-1)
        + (seen[..., right, :] - given[..., other, :]).norm(dim=-1)
        for one, other in ((left, right), (right, left))
    )
    apart = (seen[..., left, :] - seen[..., right, :]).norm(dim=-1) > APART * extents(seen)[..., None]
    told = apart & as_is.isfinite()
    better = exchanged < CLEAR * as_is
    return torch.stack((told & better, told & ~better), -1).flatten(0, -3).sum(0)


def knee_votes(points: Tensor, skeleton: Skeleton) -> tuple[int, int]:
    """How many bent knees bend forward, as none can, and how many backward, of legs that move: in a mirrored world all
    bend forward, and so they do where left and right are exchanged.

    Args:
        points: Positions ``(..., J, 3)`` in right-handed axes; NaN where they are not known.
        skeleton: Their joints; one whose legs are not known has no votes.
    """
    legs = _legs(skeleton)
    if legs is None:
        return 0, 0
    thighs, shins = (
        torch.stack([points[..., getattr(leg, end), :] - points[..., getattr(leg, begin), :] for leg in legs], -2)
        for begin, end in (("start", "middle"), ("middle", "end"))
    )
    sides = torch.stack([bones.norm(dim=-1).log().diff(dim=-1).abs() for bones in (thighs, shins)])
    hips = normalize(points[..., legs[0].start, :] - points[..., legs[1].start, :], dim=-1)
    turned = sine_about(normalize(thighs, dim=-1), normalize(shins, dim=-1), hips[..., None, :])
    alike = (sides < math.log(LIKE_LEGS)).all(0) & turned.isfinite()
    most, least = (torch.where(alike, turned, bound).flatten(0, -2) for bound in (-1.0, 1.0))
    moves = most.amax(0) - least.amin(0) > BENT_KNEE  # what stands still is one pose, however many frames
    turned = torch.where(alike & moves, turned, 0)
    return int((turned < -BENT_KNEE).sum()), int((turned > BENT_KNEE).sum())


def standing_axis(points: Tensor, skeleton: Skeleton) -> tuple[int, int] | None:
    """The axis of the world along which bodies stand, from the feet to the hips: its index, and 1, or -1 if they point
    against it; ``None`` where they do not agree on one, or their legs are not known.

    Args:
        points: Positions ``(..., J, 3)`` in the axes of the world; NaN where they are not known.
        skeleton: Their joints.
    """
    legs = _legs(skeleton)
    if legs is None:
        return None
    hips, feet = (points[..., [getattr(leg, end) for leg in legs], :].mean(-2) for end in ("start", "end"))
    upward = normalize(hips - feet, dim=-1).flatten(0, -2)
    upward = upward[upward.isfinite().all(-1)]
    for axis in range(3):
        for sign in (1, -1):
            along = int((sign * upward[:, axis] > ALONG).sum())
            if say_so(along, len(upward) - along):
                return axis, sign
    return None


def _legs(skeleton: Skeleton) -> list[Limb] | None:
    """The left and the right leg; ``None`` if they are not known."""
    try:
        return [limbs(skeleton)[f"{side}_leg"] for side in ("left", "right")]
    except TopologyError:
        return None


def extents(points: Tensor) -> Tensor:
    """The longest side of the box around each pose of which half of the joints are known, else NaN; ``(..., J, D)``."""
    known = points.isfinite().all(-1).sum(-1)
    return torch.where(known * 2 >= points.shape[-2], pose_sizes(points).nan_to_num(0.0), torch.nan)
