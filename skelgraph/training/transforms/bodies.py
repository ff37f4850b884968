"""Other bodies: leaning ones, bent ones, and ones of other proportions."""

from __future__ import annotations

import math

import roma
import torch
from torch import Generator, Tensor

from skelgraph.topology import Skeleton, limbs
from skelgraph.training.transforms.anatomy import BodyLimits
from skelgraph.training.transforms.random import normal, uniform


def tilt(positions: Tensor, degrees: float, generator: Generator | None = None) -> Tensor:
    """Lean each window about both horizontal axes, by one rotation about the origin for all its frames.

    Args:
        positions: ``(B, T, J, 3)``, metres, world axes (z up), relative to a point of the body.
        degrees: Standard deviation of the angle about each of the two axes.
        generator: Of the random numbers; ``None``: torch's own.

    Returns:
        ``(B, T, J, 3)``.
    """
    angles = math.radians(degrees) * normal(positions, len(positions), 2, generator=generator)
    rotation = roma.rotvec_to_rotmat(torch.nn.functional.pad(angles, (0, 1)))
    return (positions.flatten(1, 2) @ rotation.mT).view_as(positions)


class Bend:
    r"""Bend bodies at the hips, to all sides: :math:`p \mapsto m + R (p - m)` for all joints above the legs, with the
    middle :math:`m` of the hips and one rotation :math:`R` for all frames of a window.

    A body is bent only if this breaks no limit that it kept before, see
    :class:`~skelgraph.training.transforms.anatomy.BodyLimits`. Hips and shoulders have to be known in all frames.

    Args:
        skeleton: The joints. The hips, what hangs from them and the joint that both hang from stay where they are.
        degrees: Standard deviation of the rotation vector along each of the three axes.
        device: Of the poses.

    Raises:
        TopologyError: If the limbs of the skeleton are not known.
    """

    def __init__(self, skeleton: Skeleton, degrees: float, device: torch.device | None = None) -> None:
        self.degrees = degrees
        self.limits = BodyLimits(skeleton, device)
        legs = [limb for name, limb in limbs(skeleton).items() if name.endswith("leg")]
        below = {joint for leg in legs for joint in (leg.start, *leg.joints)}
        hang = {skeleton.parents[leg.start] for leg in legs}
        if len(hang) == 1:  # the pelvis; where hips hang from shoulders there is none
            below |= hang
        above = [joint not in below for joint in range(skeleton.num_joints)]
        self.above = torch.tensor(above, device=device)[:, None]

    def __call__(self, positions: Tensor, visible: Tensor | None = None, generator: Generator | None = None) -> Tensor:
        """Bend the bodies of windows.

        Args:
            positions: ``(B, T, J, 3)``, metres, any axes.
            visible: Which joints are known, ``(B, T, J)``.
            generator: Of the random numbers; ``None``: torch's own.

        Returns:
            ``(B, T, J, 3)``.
        """
        turn = math.radians(self.degrees) * normal(positions, len(positions), 3, generator=generator)
        rotation = roma.rotvec_to_rotmat(turn)
        middle = self.limits.landmarks(positions)[2][..., None, :]
        around = positions - middle
        turned = (around.flatten(1, 2) @ rotation.mT).view_as(positions) + middle
        bent = torch.where(self.above, turned, positions)
        if visible is not None:
            known = visible[..., self.limits.starts].all(-1).all(1)
            bent = torch.where(known[:, None, None, None], bent, positions)
        return self.limits.kept(positions, bent)


class LimbLengths:
    """Change the proportions of bodies: of the two bones of a symmetric pair alike, each bone by a factor of its own.

    Args:
        skeleton: The joints; where left and right are not known, each bone is alone.
        percent: Largest change of a bone.
        device: Of the poses.
    """

    def __init__(self, skeleton: Skeleton, percent: float, device: torch.device | None = None) -> None:
        self.percent = percent
        parents = [joint if parent == -1 else parent for joint, parent in enumerate(skeleton.parents)]
        lineage = torch.zeros(skeleton.num_joints, skeleton.num_joints)  # [j, a] = 1: a is j or above j
        for joint in range(skeleton.num_joints):
            above = joint
            while above != -1:
                lineage[joint, above] = 1
                above = skeleton.parents[above]
        twin = list(range(skeleton.num_joints))
        for left, right in skeleton.symmetric_pairs:
            twin[right] = left
        self.lineage = lineage.to(device)
        self.parents, self.twin = torch.tensor(parents, device=device), torch.tensor(twin, device=device)
        self.roots = torch.tensor([parent == -1 for parent in skeleton.parents], device=device)[:, None]

    def __call__(self, positions: Tensor, generator: Generator | None = None) -> Tensor:
        """Scale the bones of each window, in all frames alike; roots stay where they are.

        Args:
            positions: ``(B, T, J, 3)``, metres.
            generator: Of the random numbers; ``None``: torch's own.

        Returns:
            ``(B, T, J, 3)``.
        """
        most = self.percent / 100
        shape = len(positions), len(self.twin)
        factor = 1 + uniform(positions, *shape, low=-most, high=most, generator=generator)[:, self.twin]
        bones = (positions - positions[..., self.parents, :]) * factor[:, None, :, None]
        return self.lineage.to(bones) @ torch.where(self.roots, positions, bones)
