"""The base of every model, which maps 2D keypoints to the 3D joints of the centre frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.fixed import FixedBuffers
from skelgraph.models.pretrained import Pretrained
from skelgraph.models.state_dicts import OfficialLayout
from skelgraph.nn.features import check_tensor
from skelgraph.options import Channels, CheckedOptions, Frames, InputForm
from skelgraph.text import plain
from skelgraph.topology import Skeleton, SkeletonLike, as_skeleton

Network = TypeVar("Network", bound="PoseLifter")


class PoseLifter(CheckedOptions, FixedBuffers, Pretrained):
    """Base of the 2D-to-3D networks.

    A subclass defines :meth:`lift`, which always receives ``num_frames`` frames: a longer clip is cut to the window
    around its centre frame, a shorter one (or a pose without a time axis) is continued with its first and last frame.

    Args:
        skeleton: Skeleton or layout name.
        in_channels: Channels of a 2D joint: 2, or 3 with a confidence; one more where the input form is ``"rays"``.
        out_channels: Channels of a 3D joint.
        num_frames: Frames of the window, odd.

    Shapes:
        - input: ``(B, J, 2)`` or ``(B, T, J, 2)``, screen-normalised 2D keypoints; or ``(B, J, 3)`` or ``(B, T, J,
          3)``, turned rays, where :attr:`input_form` says so
        - output: ``(B, J, 3)``, root-relative metres of the centre frame ``T // 2``, in the axes of the camera, or of
          the rays

    Raises:
        SkelgraphError: If the input is not of that shape, or ``num_frames`` is not odd.
    """

    official: ClassVar[OfficialLayout | None] = None
    """The layout of the authors' checkpoints; ``None`` if there are none."""
    num_vertices: int | None = None
    """Vertices of the mesh whose true positions :meth:`training_loss` needs as ``vertices``; ``None`` if it takes
    none."""
    mesh_faces: Tensor | None = None
    """Triangles ``(F, 3)`` of the mesh that :meth:`mesh` predicts; ``None`` if it predicts none."""

    def __init__(
        self,
        skeleton: SkeletonLike,
        in_channels: Channels = 2,
        out_channels: Channels = 3,
        num_frames: Frames = 1,
    ) -> None:
        super().__init__()
        if num_frames % 2 == 0:
            raise SkelgraphError(f"num_frames is {num_frames}; expected an odd number, to have a centre frame")
        self.skeleton: Skeleton = as_skeleton(skeleton)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self._num_frames = num_frames

    @property
    def input_form(self) -> InputForm:
        """What the network is given of keypoints; it is made, saved and loaded with it."""
        return self.config.get("input", "screen")

    @property
    def frame_rate(self) -> float | None:
        """Frames per second of the windows that the network was trained on; ``None`` where its file does not say."""
        return self.config.get("frame_rate")

    @property
    def num_frames(self) -> int:
        """Frames of the window around an output frame that holds all the 2D input it depends on."""
        return self._num_frames

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input without its batch: ``(J, 2)`` of a network of single poses, else ``(num_frames, J,
        2)``; the last number is ``in_channels``."""
        frames = () if self.num_frames == 1 else (self.num_frames,)
        return (*frames, self.skeleton.num_joints, self.in_channels)

    def forward(self, keypoints_2d: Tensor) -> Tensor:
        """Lift keypoints to the pose of the centre frame.

        Args:
            keypoints_2d: ``(B, J, 2)`` or ``(B, T, J, 2)``, of the type of the weights (float32), screen-normalised: x
                runs from -1 to 1 over the width of the image, y down in the same unit, as
                :func:`normalize_screen(pixels, width, height) <skelgraph.geometry.normalize_screen>` makes it of
                pixels; not pixels themselves. A network whose :attr:`input_form` is ``"rays"`` takes the rays of
                :func:`~skelgraph.geometry.window_rays`. :class:`~skelgraph.lifting.Lifter` does either, from pixels.

        Returns:
            ``(B, J, 3)``: metres relative to the root joint, in camera axes (x right, y down, z forward) or, of rays,
            in theirs.

        Raises:
            SkelgraphError: If the input is of another shape, or float64 where the weights are not.
        """
        return self.lift(self.window(keypoints_2d))

    def train(self: Network, mode: bool = True) -> Network:
        """Set the mode, as torch does. What is about to be trained, or is given other weights, is no longer what was
        tested: ``tested`` of :attr:`config` is dropped."""
        if mode:
            self.config.pop("tested", None)
        return super().train(mode)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self.config.pop("tested", None)
        super()._load_from_state_dict(*args, **kwargs)

    def forward_sequence(self, keypoints_2d: Tensor) -> Tensor:
        """Lift ``(B, T, J, 2)`` to all frames ``(B, T, J, 3)`` of a window; networks that do define it.

        Raises:
            SkelgraphError: By all others.
        """
        raise SkelgraphError(f"{type(self).__name__} lifts the centre frame of a window alone, not all its frames")

    @property
    def lifts_all_frames(self) -> bool:
        """Whether there is a :meth:`forward_sequence`."""
        return type(self).forward_sequence is not PoseLifter.forward_sequence

    def training_loss(
        self,
        keypoints_2d: Tensor,
        poses_3d: Tensor,
        loss: Callable[..., Tensor],
        *,
        visible: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of a batch for training; a network that predicts more than the joints overrides it.

        Args:
            keypoints_2d: ``(B, J, 2)`` or ``(B, T, J, 2)``.
            poses_3d: True root-relative poses ``(B, J, 3)``, metres; or those of all frames of the window, ``(B, T, J,
                3)``, which :meth:`forward_sequence` lifts then.
            loss: A loss on the joints, of the predicted and the true poses; for data that mark joints it takes the
                mask as ``visible``, see :func:`~skelgraph.nn.of_visible`.
            visible: Which joints of the poses are known, boolean ``(B, J)`` or ``(B, T, J)``; all unless given.
        """
        lift = self.forward_sequence if poses_3d.dim() == 4 else self
        prediction = lift(keypoints_2d).float()
        return loss(prediction, poses_3d) if visible is None else loss(prediction, poses_3d, visible=visible)

    def mesh(self, keypoints_2d: Tensor) -> Tensor:
        """Lift ``(B, J, 2)`` or ``(B, T, J, 2)`` to the vertices ``(B, V, 3)`` of a mesh, metres, in the axes of the
        joints and relative to the root; a network that predicts one defines it, and ``mesh_faces``."""
        raise TypeError(f"{type(self).__name__} predicts no mesh")

    def lift(self, clip: Tensor) -> Tensor:
        """Lift ``(B, num_frames, J, 2)`` to ``(B, J, 3)`` of the centre frame; the part that a network defines."""
        raise TypeError(f"{type(self).__name__} must define lift()")

    def window(self, keypoints_2d: Tensor) -> Tensor:
        """The ``(B, num_frames, J, 2)`` around the centre frame of ``(B, T, J, 2)`` or ``(B, J, 2)``, edges
        replicated."""
        clip = self._clip(keypoints_2d)
        start = clip.size(1) // 2 - self.num_frames // 2
        return replicate_frames(clip, start, start + self.num_frames)

    def _clip(self, keypoints_2d: Tensor) -> Tensor:
        """Check the input and give it a time axis."""
        expected = (self.skeleton.num_joints, self.in_channels)
        check_tensor(self, keypoints_2d, "keypoints")
        if keypoints_2d.dtype == torch.float64:
            weight = next(self.parameters(), None)
            if weight is not None and weight.dtype != torch.float64:
                raise SkelgraphError(
                    f"{type(self).__name__} has weights of {weight.dtype}, got keypoints of torch.float64, NumPy's "
                    "default; expected keypoints.float(), or the network as model.double()"
                )
        shape = tuple(keypoints_2d.shape)
        if len(shape) not in (3, 4) or shape[-2:] != expected or (len(shape) == 4 and shape[1] == 0):
            raise SkelgraphError(
                f"{type(self).__name__} on {plain(self.skeleton.name or 'this skeleton')} needs keypoints of shape "
                f"(B, {expected[0]}, {expected[1]}) or (B, T, {expected[0]}, {expected[1]}), got {shape}"
            )
        return keypoints_2d if keypoints_2d.dim() == 4 else keypoints_2d.unsqueeze(1)


def replicate_frames(clip: Tensor, start: int, stop: int) -> Tensor:
    """Frames ``start`` to ``stop - 1`` of ``(B, T, J, C)``; those before the first or after the last are copies of
    these."""
    length = clip.size(1)
    if start == 0 and stop == length:
        return clip
    if start >= 0 and stop <= length:
        return clip[:, start:stop]
    return clip[:, torch.arange(start, stop, device=clip.device).clamp(0, length - 1)]


class FrameLifter(PoseLifter):
    """Base of the single-frame networks, which see the centre frame of a clip only: :meth:`lift_frame` maps ``(B,
    J, 2)``."""

    def lift(self, clip: Tensor) -> Tensor:
        """Lift the one frame of ``(B, 1, J, 2)``."""
        return self.lift_frame(clip.squeeze(1))

    def lift_frame(self, x: Tensor) -> Tensor:
        """Lift ``(B, J, 2)`` to ``(B, J, 3)``; the part that a network defines."""
        raise TypeError(f"{type(self).__name__} must define lift_frame()")
