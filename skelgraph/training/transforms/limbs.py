"""Limbs of one pose on the body of another one."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from skelgraph.topology import Skeleton, limbs
from skelgraph.training.transforms.anatomy import BodyLimits
from skelgraph.training.transforms.random import uniform

ONE_LEG = 0.3
"""How often one leg is taken alone, as a share of how often both are."""


class LimbMix:
    r"""Put limbs of other poses of the batch on bodies, so that a network sees more poses than were recorded.

    A bone :math:`v` of a limb becomes :math:`\|v\| \, F F'^\top v' / \|v'\|`, where :math:`v'` is that bone of another
    pose, and the columns of :math:`F` and :math:`F'` are the axes of the two pelvises (of a leg) or shoulders (of an
    arm): from right to left, up the trunk at right angles to it, and forward. The trunk goes from the middle of the
    hips to that of the shoulders. So lengths stay, and a hip or shoulder is turned as somebody turned it.

    Both legs are taken from one other pose with probability ``share``, one of the legs alone with :data:`ONE_LEG` times
    that, each arm with ``share``. In windows all frames of a limb come from one other window.

    A body is mixed only if this breaks no limit that it kept before in that frame, see
    :class:`~skelgraph.training.transforms.anatomy.BodyLimits`; otherwise its window stays as it is. Joints that the mix
    needs have to be known in all frames of both windows.

    Args:
        skeleton: The joints; its limbs are found by :func:`~skelgraph.topology.limbs`.
        share: The probability.
        device: Of the poses.

    Raises:
        TopologyError: If the limbs of the skeleton are not known.
    """

    def __init__(self, skeleton: Skeleton, share: float, device: torch.device | None = None) -> None:
        found = list(limbs(skeleton).values())  # left leg, right leg, left arm, right arm
        self.share = share
        starts = [limb.start for limb in found]
        joints = [joint for limb in found for joint in limb.joints]
        limb_of = [i for i, limb in enumerate(found) for _ in limb.joints]
        self.limits = BodyLimits(skeleton, device)
        self.of_legs = sum(i < 2 for i in limb_of)
        self.starts, self.joints = torch.tensor(starts, device=device), torch.tensor(joints, device=device)
        self.parents = torch.tensor([skeleton.parents[joint] for joint in joints], device=device)
        self.limb_of = torch.tensor(limb_of, device=device)
        # [j, a] = 1: the bone to joint a is on the way from the start of the limb to joint j
        ways = torch.zeros(len(joints), len(joints))
        for row, joint in enumerate(joints):
            while joint not in starts:
                ways[row, joints.index(joint)] = 1
                joint = skeleton.parents[joint]
        self.ways = ways.to(device)

    def __call__(self, positions: Tensor, visible: Tensor | None = None, generator: Generator | None = None) -> Tensor:
        """Mix the windows of a batch.

        Args:
            positions: ``(B, T, J, 3)``, metres, any axes.
            visible: Which joints are known, ``(B, T, J)``.
            generator: Of the random numbers; ``None``: torch's own.

        Returns:
            ``(B, T, J, 3)``; joints that belong to no limb that was taken are where they were.
        """
        wanted, other = self._chosen(positions, generator)
        if visible is not None:
            whole = (visible[..., self.starts].all(-1) & visible[..., self.joints].all(-1)).all(1)
            wanted = wanted & whole[:, None] & whole[other]
        return self.limits.kept(positions, self._taken(positions, wanted, other))

    def _chosen(self, positions: Tensor, generator: Generator | None) -> tuple[Tensor, Tensor]:
        """Which limbs each window takes, and of which window: ``(B, 4)`` each."""
        count = len(positions)
        legs, left_arm, right_arm = uniform(positions, 3, count, generator=generator)
        other = torch.randint(count, (3, count), device=positions.device, generator=generator)
        both, left, right = (self.share * (1 + part * ONE_LEG) for part in (0.0, 0.5, 1.0))
        wanted = (
            legs < left,
            (legs < both) | ((legs >= left) & (legs < right)),
            left_arm < self.share,
            right_arm < self.share,
        )
        return torch.stack(wanted, -1), torch.cat((other[:1], other)).T

    def _taken(self, positions: Tensor, wanted: Tensor, other: Tensor) -> Tensor:
        """The positions with the limbs that are wanted."""
        frames = positions.size(1)
        axes = _axes(*self.limits.landmarks(positions))  # of pelvis and shoulders
        own = positions[..., self.joints, :] - positions[..., self.parents, :]
        theirs = torch.cat([bones @ a for bones, a in zip(self._by_frame(own), axes, strict=True)], -2)
        row, time = other[:, None, self.limb_of], torch.arange(frames, device=positions.device)[:, None]
        theirs = theirs[row, time, torch.arange(len(self.joints), device=positions.device)]
        theirs = normalize(theirs, dim=-1) * torch.linalg.vector_norm(own, dim=-1, keepdim=True)
        theirs = torch.cat([bones @ a.mT for bones, a in zip(self._by_frame(theirs), axes, strict=True)], -2)
        taken = wanted[:, None, self.limb_of, None]
        starts = positions[..., self.starts[self.limb_of], :]
        moved = starts + self.ways.to(positions) @ torch.where(taken, theirs, own)
        mixed = positions.clone()
        mixed[..., self.joints, :] = torch.where(taken, moved, positions[..., self.joints, :])
        return mixed

    def _by_frame(self, bones: Tensor) -> tuple[Tensor, Tensor]:
        """Bones of legs and of arms."""
        return bones[..., : self.of_legs, :], bones[..., self.of_legs :, :]


def _axes(
    left_hip: Tensor, right_hip: Tensor, low: Tensor, high: Tensor, left_shoulder: Tensor, right_shoulder: Tensor
) -> tuple[Tensor, Tensor]:
    """The axes of pelvis and shoulders as columns, ``(..., 3, 3)``: left, up, forward."""
    both = []
    for across in (left_hip - right_hip, left_shoulder - right_shoulder):
        left = normalize(across, dim=-1)
        up = high - low
        up = normalize(up - (up * left).sum(-1, keepdim=True) * left, dim=-1)
        both.append(torch.stack((left, up, torch.linalg.cross(left, up, dim=-1)), -1))
    return both[0], both[1]
