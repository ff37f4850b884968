"""The contract of every model: 2D keypoints in, 3D joints of the centre frame out."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.models.official import OfficialLayout
from skelgraph.topology import Skeleton, SkeletonLike
from skelgraph.topology import skeleton as as_skeleton


class PoseLifter(nn.Module):
    """Base of the 2D-to-3D networks.

    A subclass defines :meth:`lift` for ``(B, T, J, C_in)``; single-frame networks are handed their centre frame alone.

    Args:
        skeleton: Skeleton or layout name.
        in_channels: Channels of a 2D joint: 2, or 3 with a confidence.

    Shapes:
        - input: ``(B, J, 2)`` or ``(B, T, J, 2)``, screen-normalised 2D keypoints
        - output: ``(B, J, 3)``, root-relative metres of the centre frame ``T // 2``

    Raises:
        SkelgraphError: If the input is not of that shape.
    """

    official: ClassVar[OfficialLayout | None] = None
    """How the authors' checkpoints are laid out; ``None`` if there are none."""

    config: dict[str, Any]
    """What :func:`~skelgraph.models.create_model` was called with: ``name``, ``skeleton``, ``options``."""

    def __init__(self, skeleton: SkeletonLike, in_channels: int = 2, out_channels: int = 3) -> None:
        super().__init__()
        self.skeleton: Skeleton = as_skeleton(skeleton)
        self.in_channels = in_channels
        self.out_channels = out_channels

    @property
    def num_frames(self) -> int:
        """Frames of 2D input that one output frame depends on."""
        return 1

    def forward(self, keypoints_2d: Tensor) -> Tensor:
        """Lift ``(B, J, 2)`` or ``(B, T, J, 2)`` to ``(B, J, 3)``."""
        return self.lift(self._clip(keypoints_2d))

    def lift(self, clip: Tensor) -> Tensor:
        """Lift ``(B, T, J, 2)`` to ``(B, J, 3)``; the part that a network defines."""
        raise TypeError(f"{type(self).__name__} must define lift()")

    def _clip(self, keypoints_2d: Tensor) -> Tensor:
        """Check the input and give it a time axis."""
        expected = (self.skeleton.num_joints, self.in_channels)
        if keypoints_2d.dim() not in (3, 4) or tuple(keypoints_2d.shape[-2:]) != expected:
            raise SkelgraphError(
                f"{type(self).__name__} on {self.skeleton.name or 'this skeleton'} needs keypoints of shape "
                f"(B, {expected[0]}, {expected[1]}) or (B, T, {expected[0]}, {expected[1]}), "
                f"got {tuple(keypoints_2d.shape)}"
            )
        return keypoints_2d if keypoints_2d.dim() == 4 else keypoints_2d.unsqueeze(1)


class FrameLifter(PoseLifter):
    """Base of the single-frame networks, which see the centre frame of a clip only: :meth:`lift_frame` maps ``(B,
    J, 2)``."""

    def lift(self, clip: Tensor) -> Tensor:
        """Lift the centre frame of ``(B, T, J, 2)``."""
        return self.lift_frame(clip[:, clip.size(1) // 2])

    def lift_frame(self, x: Tensor) -> Tensor:
        """Lift ``(B, J, 2)`` to ``(B, J, 3)``; the part that a network defines."""
        raise TypeError(f"{type(self).__name__} must define lift_frame()")
