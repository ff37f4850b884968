"""What a dataset of poses holds: arrays over all frames, and the clips that they are cut into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from torch import Tensor

from skelgraph.datasets.middles import Middles
from skelgraph.datasets.units import Axis
from skelgraph.geometry import Distortion
from skelgraph.text import plain, shown
from skelgraph.topology import Skeleton

if TYPE_CHECKING:
    from skelgraph.datasets.bodies import SmplBodies


@dataclass(frozen=True)
class Clip:
    """The place of a clip in the arrays of a :class:`~skelgraph.datasets.PoseDataset`, and its camera.

    Args:
        subject: Who moves.
        action: What is done, in full: ``"Walking 1"``.
        camera: Name of the camera.
        start: Its first row in the arrays.
        length: Its number of frames.
        intrinsics: ``(fx, fy, cx, cy, k1, k2, k3, p1, p2)``, the first four in pixels; ``None`` if they are not known.
        width: Image width in pixels.
        height: Image height in pixels.
        orientation: Unit quaternion ``(w, x, y, z)``, camera to world axes; ``None`` if it is not known.
        translation: Camera centre in the world, metres; ``None`` if it is not known.
        distortion: Lens model of the intrinsics, see :func:`skelgraph.geometry.project`.
    """

    subject: str
    action: str
    camera: str
    start: int
    length: int
    intrinsics: tuple[float, ...] | None
    width: int
    height: int
    orientation: tuple[float, ...] | None
    translation: tuple[float, ...] | None
    distortion: Distortion

    @property
    def label(self) -> str:
        """Subject, action and camera of the clip, for messages."""
        return clip_label(self.subject, self.action, self.camera)

    @property
    def action_name(self) -> str:
        """The action without its take number: ``"Walking"``."""
        return action_name(self.action)


def action_name(action: str) -> str:
    """An action without its take number: ``"Walking"`` of ``"Walking 1"``."""
    return action.split(" ")[0]


def clip_label(subject: str, action: str, camera: str) -> str:
    """Subject, action and camera of a clip, for messages."""
    return f"subject {plain(subject)}, action {shown(action)}, camera {plain(camera)}"


@runtime_checkable
class PoseArrays(Protocol):
    """What windows and checks read of a :class:`~skelgraph.datasets.PoseDataset`, which describes it."""

    skeleton: Skeleton
    clips: list[Clip]
    subjects: tuple[str, ...]
    keypoints_2d: Tensor
    poses_3d: Tensor
    root_3d: Tensor
    clip_id: Tensor
    confidence: Tensor | None
    visible_3d: Tensor | None
    bodies: SmplBodies | None
    up: Axis | None
    middles: Middles | None

    @property
    def frames(self) -> Tensor:
        """The rows of the arrays that belong to this view."""
        ...
