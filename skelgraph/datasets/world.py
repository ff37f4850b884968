"""Windows of poses in the world, where up is known, in place of the axes of the cameras that filmed them."""

from __future__ import annotations

from typing import NamedTuple

import roma
import torch
from torch import Tensor

from skelgraph.datasets.pose_arrays import PoseArrays
from skelgraph.datasets.windows import PoseWindows
from skelgraph.errors import DataError
from skelgraph.geometry import mirror


class WorldMotion(NamedTuple):
    """A batch of windows in the world: ``B`` windows of ``T`` frames.

    Args:
        positions: ``(B, T, J, 3)``, metres, z up, relative to the root joint in the target frame of the window.
        visible: Which joints are known, ``(B, T, J)``; ``None`` if all are. The positions of the others are numbers
            without a meaning.
        frame: Row of each target frame in the dataset's arrays, ``(B,)``.
        flipped: Which windows are mirrored, ``(B,)``.
    """

    positions: Tensor
    visible: Tensor | None
    frame: Tensor
    flipped: Tensor


class WorldWindows:
    """The windows of a dataset in the world, gathered as :class:`~skelgraph.datasets.PoseWindows` gathers them.

    Poses are turned by the orientation of the camera of their clip, and their way through the window is that of the
    root. Mirrored windows are mirrored at a vertical plane, so that what was upright still is.

    Args:
        windows: The windows.

    Raises:
        DataError: If the dataset does not say which axis of its world points up, how a camera stands in it, or where
            the root is.
    """

    def __init__(self, windows: PoseWindows) -> None:
        self.windows = windows
        self.axes = _to_world(windows.dataset).to(windows.dataset.poses_3d)

    def __getitem__(self, index: Tensor | slice | int) -> WorldMotion:
        """Gather windows.

        Args:
            index: Which; an ``int`` gives a batch of one.
        """
        data = self.windows.dataset
        frame, flipped, clip, time = self.windows.rows(index)
        way = data.root_3d[time] - data.root_3d[frame, None]
        points = data.poses_3d[time] + way[..., None, :]
        points = (points.flatten(1, 2) @ self.axes[clip].mT).view_as(points)
        visible = None if data.visible_3d is None else data.visible_3d[time]
        if self.windows.flip:
            sides = self.windows.mirror_index
            points = torch.where(flipped[:, None, None, None], mirror(points, sides), points)
            if visible is not None:
                visible = torch.where(flipped[:, None, None], visible[..., sides], visible)
        return WorldMotion(points, visible, frame, flipped)


def _to_world(data: PoseArrays) -> Tensor:
    """For each clip the rotation of its camera's axes into a world with z up, ``(clips, 3, 3)``."""
    if data.up is None:
        raise DataError(
            "new views are asked for, but the data do not say which axis of their world points up; "
            "expected up (--up): y or z."
        )
    for clip in data.clips:
        if clip.orientation is None:
            raise DataError(
                f"new views are asked for, but {clip.label}: how the camera stands in the world is not known; "
                "expected its orientation."
            )
    if data.root_3d.isnan().any():
        raise DataError("new views are asked for, but the poses are root-relative: where the root was is not known.")
    wxyz = torch.tensor([clip.orientation for clip in data.clips], dtype=torch.float64)
    axes = roma.unitquat_to_rotmat(roma.quat_wxyz_to_xyzw(wxyz / wxyz.norm(dim=-1, keepdim=True)))
    if data.up == "y":  # (x, y, z) becomes (x, -z, y), as of motion files
        axes = torch.stack((axes[:, 0], -axes[:, 2], axes[:, 1]), 1)
    return axes
