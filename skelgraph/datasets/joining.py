"""Frames of several data sets in one, to train on."""

from __future__ import annotations

import dataclasses

import roma
import torch
from torch import Tensor

from skelgraph.datasets.motion_files.motion import is_same_rate
from skelgraph.datasets.pose_arrays import Clip
from skelgraph.datasets.pose_dataset import PoseDataset
from skelgraph.datasets.units import Axis
from skelgraph.errors import DataError
from skelgraph.text import shown


def joined(first: PoseDataset, *others: PoseDataset) -> PoseDataset:
    """One data set of the frames of several, which is otherwise as the first: its name, its split, its protocol.

    Args:
        first: A data set.
        *others: More of the same joints at the same rate, of which the frames of a view count. Their worlds are turned
            so that the same axis points up.

    Raises:
        DataError: If they do not go together.
    """
    for other in others:
        _check(first, other)
    parts = (first, *others)
    whole = first.copy()
    whole.clips, indices = [], list[int]()
    for part in parts:
        start = len(whole.clips) and whole.clips[-1].start + whole.clips[-1].length
        indices += (part.frames + start).tolist()
        whole.clips += [
            dataclasses.replace(_upright(clip, part.up, first.up), start=clip.start + start) for clip in part.clips
        ]
    for name in ("keypoints_2d", "poses_3d", "root_3d"):
        setattr(whole, name, torch.cat([getattr(part, name) for part in parts]))
    for name, dtype in (("confidence", torch.float32), ("visible_3d", torch.bool)):
        if any(getattr(part, name) is not None for part in parts):
            setattr(whole, name, torch.cat([_or_ones(part, name, dtype) for part in parts]))
    whole.number_clips()
    whole.scenes, whole.scene_id = (), None
    whole._indices = None if len(indices) == whole.len() else indices
    return whole


def of_share(part: PoseDataset, share: float, frames: int) -> PoseDataset:
    """So many frames of a data set, evenly over all it has, that they are this share of all when they are joined to
    others.

    Args:
        part: The data set; where it has too few, all are taken several times.
        share: More than 0 and less than 1.
        frames: How many others there are.
    """
    count = round(frames * share / (1 - share))
    return part[torch.arange(count) * len(part) // count]


def _check(first: PoseDataset, other: PoseDataset) -> None:
    names = f"{shown(first.name)} and {shown(other.name)}"
    if other.skeleton != first.skeleton:
        raise DataError(f"the data {names} cannot be joined: their joints are not the same.")
    if None in (first.frame_rate, other.frame_rate) or not is_same_rate(first.frame_rate, other.frame_rate):
        raise DataError(
            f"the data {names} cannot be joined: they have {first.frame_rate} and {other.frame_rate} frames a second."
        )
    if (first.middles is None) != (other.middles is None):
        raise DataError(f"the data {names} cannot be joined: only one of them has its joints in the middles.")
    if first.bodies is not None or other.bodies is not None:
        raise DataError(f"the data {names} cannot be joined: there are bodies (smpl).")


def _or_ones(part: PoseDataset, name: str, dtype: torch.dtype) -> Tensor:
    """Confidence or visibility of a data set; where it has none, all joints are known."""
    found: Tensor | None = getattr(part, name)
    return torch.ones(part.poses_3d.shape[:2], dtype=dtype) if found is None else found


def _upright(clip: Clip, up: Axis | None, wanted: Axis | None) -> Clip:
    """A clip in a world in which the wanted axis points up: as of motion files, (x, y, z) of y up is (x, -z, y)."""
    if up == wanted or None in (up, wanted) or clip.orientation is None or clip.translation is None:
        return clip
    half = 0.5**0.5 if wanted == "z" else -(0.5**0.5)
    turn = torch.tensor([half, 0.0, 0.0, 0.5**0.5], dtype=torch.float64)  # xyzw: a quarter turn about x
    own = roma.quat_wxyz_to_xyzw(torch.tensor(clip.orientation, dtype=torch.float64))
    orientation = roma.quat_xyzw_to_wxyz(roma.quat_product(turn, own))
    translation = roma.quat_action(turn, torch.tensor(clip.translation, dtype=torch.float64))
    return dataclasses.replace(clip, orientation=tuple(orientation.tolist()), translation=tuple(translation.tolist()))
