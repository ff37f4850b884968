"""Joints that detectors do not find, put where programs that use them put them: in the middle of those they find."""

from __future__ import annotations

import torch
from torch import Tensor

from skelgraph.topology import Skeleton
from skelgraph.topology.convert import middle_weights


class Middles:
    """Pelvis, neck and spine in the middle of hips, of shoulders, and of both, in the picture as in space.

    In motion capture they are points of their own, which a detector does not find: who is to use keypoints of a
    detector learns from joints that are made as those are.

    Args:
        skeleton: The joints.
        device: Of the points.

    Raises:
        TopologyError: If it has no hips and shoulders.
    """

    def __init__(self, skeleton: Skeleton, device: torch.device | None = None) -> None:
        self.weights = torch.from_numpy(middle_weights(skeleton)).to(device, torch.float32)  # halves and quarters

    def __call__(self, points: Tensor) -> Tensor:
        """Make the joints of points ``(..., J, D)`` anew, in any unit and axes."""
        with torch.autocast(points.device.type, enabled=False):
            return self.weights.to(points) @ points

    def least(self, values: Tensor) -> Tensor:
        """Of each joint the least of those it is made of, ``(..., J)``: of masks and confidences."""
        used = self.weights != 0
        if values.dtype == torch.bool:
            return (values[..., None, :] | ~used).all(-1)
        return torch.where(used, values[..., None, :], torch.inf).amin(-1)

    def to(self, device: torch.device | str | int) -> Middles:
        """Move to the device of the points, in place."""
        self.weights = self.weights.to(device)
        return self
