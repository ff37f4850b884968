"""What bodies can do: where their limbs and trunk are, how far they bend, how close they come."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from skelgraph.geometry import segment_distance, sine_about
from skelgraph.topology import Skeleton, limbs

MOST_BENT = 160.0
"""Largest angle between the first and the second bone of a limb, degrees: knees and elbows bend so far. In 20,000 poses
each of walking, running, sports, fights and acrobatics (CMU, DeepMimic) it was 158 at most."""
KNEE_BACK = 0.3
"""Knees bend backwards: shin and thigh turn the other way about the axis through the hips by less than this (sine). In
the same poses it was 0.15 at most."""
LIMB_GAP = 0.12
"""Smallest distance of bones of two limbs, in lengths of the trunk: about 6 cm."""
TRUNK_GAP = 0.2
"""Smallest distance of a forearm or a shin from the middle line of the trunk, likewise: about 10 cm."""


class BodyLimits:
    """Limits that bodies keep: knees and elbows are bent by at most :data:`MOST_BENT`, knees not forward
    (:data:`KNEE_BACK`), and no two limbs, nor forearm or shin and trunk, come closer than :data:`LIMB_GAP` and
    :data:`TRUNK_GAP`. The trunk goes from the middle of the hips to that of the shoulders.

    Args:
        skeleton: The joints; its limbs are found by :func:`~skelgraph.topology.limbs`.
        device: Of the poses.

    Raises:
        TopologyError: If the limbs of the skeleton are not known.
    """

    def __init__(self, skeleton: Skeleton, device: torch.device | None = None) -> None:
        found = list(limbs(skeleton).values())  # left leg, right leg, left arm, right arm
        bones = [(limb.start, limb.middle) for limb in found] + [(limb.middle, limb.end) for limb in found]
        self.starts = torch.tensor([limb.start for limb in found], device=device)
        self.bones = torch.tensor(bones, device=device)
        apart = [(a, b) for a, b in itertools.combinations(range(8), 2) if a % 4 != b % 4]
        with_trunk = [(lower, 8) for lower in range(4, 8)]  # the trunk is segment 8
        self.first, self.second = torch.tensor(apart + with_trunk, device=device).T
        self.gaps = torch.tensor([LIMB_GAP] * len(apart) + [TRUNK_GAP] * len(with_trunk), device=device)

    def broken(self, positions: Tensor) -> Tensor:
        """Which limits bodies break.

        Args:
            positions: ``(..., J, 3)``.

        Returns:
            ``(..., C)``, boolean: limbs bent too far (4), knees bent forward (2), pairs of bones too close.
        """
        segments = positions[..., self.bones, :]
        directions = normalize(segments[..., 1, :] - segments[..., 0, :], dim=-1)
        upper, lower = directions.split(4, dim=-2)
        bent = (upper * lower).sum(-1) < math.cos(math.radians(MOST_BENT))
        left_hip, right_hip, low, high = self.landmarks(positions)[:4]
        hips = normalize(left_hip - right_hip, dim=-1)[..., None, :]
        forward = sine_about(upper[..., :2, :], lower[..., :2, :], hips) < -KNEE_BACK
        trunk = torch.stack((low, high), -2)
        segments = torch.cat((segments, trunk[..., None, :, :]), -3)
        between = segment_distance(segments[..., self.first, :, :], segments[..., self.second, :, :])
        length = torch.linalg.vector_norm(high - low, dim=-1, keepdim=True)
        return torch.cat((bent, forward, between < self.gaps.to(positions) * length), -1)

    def kept(self, before: Tensor, after: Tensor) -> Tensor:
        """The changed windows ``(B, T, J, 3)``, but for those that break a limit now which they kept before in that
        frame: these stay as they were."""
        spoiled = self.broken(after) & ~self.broken(before)
        return torch.where(spoiled.flatten(1).any(1)[:, None, None, None], before, after)

    def landmarks(self, positions: Tensor) -> tuple[Tensor, ...]:
        """Left and right hip, the middles of hips and shoulders, left and right shoulder: ``(..., 3)`` each."""
        left_hip, right_hip, left_shoulder, right_shoulder = positions[..., self.starts, :].unbind(-2)
        low, high = (left_hip + right_hip) / 2, (left_shoulder + right_shoulder) / 2
        return left_hip, right_hip, low, high, left_shoulder, right_shoulder
