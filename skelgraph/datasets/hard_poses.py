"""Hard poses: test poses that resemble few training poses, ranked from the data or read from MLP-Graph's file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from skelgraph.datasets.cameras import Camera
from skelgraph.datasets.mocap import check_split
from skelgraph.datasets.pose_dataset import MotionClip, PoseDataset
from skelgraph.errors import DataError
from skelgraph.files import read_npz
from skelgraph.options import Positive, checked
from skelgraph.text import plain, shown
from skelgraph.topology import SkeletonLike

Percent = Annotated[float, Field(gt=0, le=100)]

TEST_STEP, TRAIN_STEP = 5, 10
"""Every so many frames of each test clip are ranked, by every so many training poses."""
_PAIRS = 2**24  # distances at once, 64 MiB


@torch.no_grad()
def similarity(
    poses: Tensor,
    others: Tensor,
    sigma: float,
    visible: Tensor | None = None,
    others_visible: Tensor | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Tensor:
    """How much poses resemble others: the mean over the joints of the mean over the others of
    ``exp(-distance / sigma)``, as `Split-and-Recombine-Net <https://github.com/ailingzengzzz/Split-and-Recombine-Net>`_
    ranks test poses by training poses.

    Args:
        poses: ``(N, J, 3)``, relative to the root, metres.
        others: ``(M, J, 3)``, likewise.
        sigma: Distance at which a joint resembles by a factor of e less, metres.
        visible: Which joints of the poses are known, ``(N, J)``; the others do not count. ``None``: all.
        others_visible: The same of the others, ``(M, J)``.
        on_progress: Called now and then with the share that is done.

    Returns:
        ``(N,)``, from 0 to 1; NaN where no joint is known of both.
    """
    joints, count = poses.size(1), len(others)
    here, there = poses.transpose(0, 1).contiguous(), others.transpose(0, 1).contiguous()
    seen = None if others_visible is None else others_visible.T[:, None]
    known = torch.full((joints, 1), count, device=poses.device) if seen is None else seen.sum(-1)
    result = torch.empty(len(poses), dtype=torch.float64, device=poses.device)
    width = min(count, 4096)
    rows = max(1, _PAIRS // (joints * max(width, 1)))
    for start in range(0, len(poses), rows):
        total = torch.zeros(joints, len(result[start : start + rows]), dtype=torch.float64, device=poses.device)
        for first in range(0, count, width):
            part = slice(first, first + width)
            # not as a matrix product, which loses the digits of small distances
            near = torch.cdist(
                here[:, start : start + rows], there[:, part], compute_mode="donot_use_mm_for_euclid_dist"
            )
            near = near.mul_(-1 / sigma).exp_()
            total += (near if seen is None else near * seen[..., part]).sum(-1)
        mean = total / known
        if visible is not None:
            mean = mean.masked_fill(~visible[start : start + rows].T, torch.nan)
        result[start : start + rows] = mean.nanmean(0)
        if on_progress is not None:
            on_progress(min(1.0, (start + rows) / len(poses)))
    return result


def rank_by_rareness(
    test_set: PoseDataset,
    train_set: PoseDataset,
    sigma: float = 0.05,
    on_progress: Callable[[float], None] | None = None,
) -> Tensor:
    """Rows of a test set, the rarest pose first: every 5th frame of each clip, compared (:func:`similarity`) with every
    10th of the training poses.

    Time grows with the product of both, memory with neither: the whole of Human3.6M takes seconds on a GPU, where both
    sets may be (``PoseDataset.to``), and up to an hour on a CPU.

    Args:
        test_set: The frames to rank.
        train_set: The frames that they are compared with.
        sigma: Distance at which a joint resembles by a factor of e less, metres.
        on_progress: Called now and then with the share that is done.

    Raises:
        DataError: The sets have different joints, or no frame could be ranked.
    """
    if test_set.skeleton != train_set.skeleton:
        raise DataError("poses are ranked by those of the same joints; the skeletons of the two sets differ.")
    starts = torch.tensor([clip.start for clip in test_set.clips], device=test_set.clip_id.device)
    rows = test_set.frames
    rows = rows[(rows - starts[test_set.clip_id[rows]]) % TEST_STEP == 0]
    others = train_set.frames[::TRAIN_STEP]
    value = similarity(
        test_set.poses_3d[rows],
        train_set.poses_3d[others],
        sigma,
        None if test_set.visible_3d is None else test_set.visible_3d[rows],
        None if train_set.visible_3d is None else train_set.visible_3d[others],
        on_progress,
    )
    rows, value = rows[~value.isnan()], value[~value.isnan()]
    if not len(rows):
        raise DataError(f"of {plain(test_set.name)} no frame can be ranked: no joint is known of both sets.")
    return rows[value.argsort(stable=True)]


@checked
def hardest(
    test_set: PoseDataset,
    train_set: PoseDataset,
    percent: Percent,
    sigma: Positive = 0.05,
    on_progress: Callable[[float], None] | None = None,
) -> PoseDataset:
    """The view of a test set of its hardest poses, in the order of time: the first of :func:`rank_by_rareness`.

    Args:
        test_set: The frames to choose from.
        train_set: The frames that they are compared with.
        percent: How many per cent of the ranked frames, rounded, at least one.
        sigma: Distance at which a joint resembles by a factor of e less, metres.
        on_progress: Called now and then with the share that is done.

    Raises:
        DataError: The sets have different joints, or no frame could be ranked.
    """
    order = rank_by_rareness(test_set, train_set, sigma, on_progress)
    chosen = order[: max(1, round(len(order) * percent / 100))].sort().values
    place = torch.empty(len(test_set.clip_id), dtype=torch.long, device=chosen.device)
    place[test_set.frames] = torch.arange(len(test_set), device=chosen.device)
    view = test_set[place[chosen].cpu()]
    view.name = f"{test_set.name}, hardest {percent:g} % (sigma {sigma:g} m)"
    return view


class HardPosesNPZ(PoseDataset):
    """Hard poses of Human3.6M from the files that the MLP-Graph branch evaluates, such as
    ``whole_body_S0.05_f5_1_gt.npz``: test poses that are sorted already, the rarest first.

    By its name (sigma 0.05 m, every 5th frame, share 1) that file holds the whole test set in this order, and not its
    hardest 5 %: those are ``hardest=5`` of ``human36m``. Nothing tells the subjects, actions and cameras of the frames,
    which do not follow each other in time.

    Args:
        data_3d: npz file with ``pose_3d`` and ``pose_2d``, lists of one array: ``(N, J, 3)`` metres in camera axes, and
            ``(N, J, 2)`` screen-normalised.
        split: ``"test"``.
        skeleton: The joints of the arrays.
        subjects: Must be left out.
        **options: ``actions``, ``downsample``, ``subset`` and ``unchecked`` of
            :class:`~skelgraph.datasets.PoseDataset`.

    Raises:
        DataError: The file cannot be read, or its arrays do not fit; see :class:`~skelgraph.datasets.PoseDataset`.
    """

    def __init__(
        self,
        data_3d: str | PathLike[str],
        *,
        split: str = "test",
        skeleton: SkeletonLike = "h36m16",
        subjects: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        check_split(split)
        if split == "train" or subjects is not None:
            raise DataError("human36m_hard has test poses without subjects; expected split 'test' and no subjects.")
        members = read_npz(data_3d, required=["pose_3d", "pose_2d"], optional=[])
        poses, keypoints = (_only(members[name], f"{data_3d}: {name}") for name in ("pose_3d", "pose_2d"))
        camera = Camera("0", 1000, 1000)
        clip = MotionClip("S9, S11", "Hard", camera, poses, keypoints, is_normalized=True, is_root_relative=True)
        super().__init__(
            [clip],
            skeleton=skeleton,
            name="human36m_hard",
            split=split,
            frame_rate=None,
            sources=(str(data_3d), str(data_3d)),
            **options,
        )


def _only(value: Any, where: str) -> np.ndarray:
    """The array in a list of one."""
    items = list(value) if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim) else []
    if len(items) != 1 or not isinstance(items[0], np.ndarray):
        raise DataError(f"{where} is {shown(value)}, expected a list of one array.")
    return items[0]
