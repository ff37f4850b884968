"""Motion that a run is trained on beside that of its data set: files of the user's own, and generated motion."""

from __future__ import annotations

import dataclasses
import math

from skelgraph.datasets import PoseDataset, SyntheticMocap, load_dataset
from skelgraph.datasets.joining import joined, of_share
from skelgraph.datasets.motion_dataset import find_motion_files
from skelgraph.datasets.synthetic.landmarks import attach
from skelgraph.errors import DataError
from skelgraph.text import plain
from skelgraph.training.config import DataConfig

GENERATED = "generated "
"""Before the names of those who do not exist, to tell them from others."""


def with_more_motion(data: PoseDataset, settings: DataConfig) -> PoseDataset:
    """A training set with what its settings ask for beside it.

    Args:
        data: What is trained on.
        settings: What more: ``extra_motion``, all of it; then ``generated_share`` of all.

    Raises:
        DataError: If files are not usable, or generated motion is asked for and the frame rate of the data not known or
            their skeleton none of a body.
    """
    if settings.extra_motion is not None:
        data = joined(data, _of_files(settings.extra_motion, data, settings))
    if settings.generated_share:
        data = joined(data, _generated(data, settings.generated_share))
    return data


def _of_files(path: str, data: PoseDataset, settings: DataConfig) -> PoseDataset:
    subjects = tuple(dict.fromkeys(file.subject for file in find_motion_files(path)))
    return load_dataset(
        "motion",
        data.split,
        skeleton=data.skeleton,
        subjects=subjects,
        unchecked=settings.unchecked,
        middles=data.middles is not None,
        data_3d=path,
        **{"frame_rate": data.frame_rate, **settings.extra_options},
    )


def _generated(data: PoseDataset, share: float) -> PoseDataset:
    """As much motion as makes this share, of as many performances as it takes."""
    if data.frame_rate is None:
        raise DataError("generated motion is asked for (generated-share), but the data do not say their frame rate.")
    placed = sum(place is not None for place in attach(data.skeleton))
    if 2 * placed < data.skeleton.num_joints:
        raise DataError(
            "generated motion is asked for (generated-share), which is that of a body, and of the "
            f"{data.skeleton.num_joints} joints of {plain(data.skeleton.name or 'the skeleton')} {placed} are named as "
            "those of bodies; expected at least half of them, or no generated-share."
        )
    wanted = len(data) * share / (1 - share)
    parts = [_performances(data, data.frame_rate, seed=0)]
    parts += [_performances(data, data.frame_rate, seed) for seed in range(1, math.ceil(wanted / len(parts[0])))]
    return of_share(joined(*parts), share, len(data))


def _performances(data: PoseDataset, frame_rate: float, seed: int) -> PoseDataset:
    made: PoseDataset = SyntheticMocap(
        split="train", skeleton=data.skeleton, downsample=1, frame_rate=frame_rate, seed=seed
    )
    if data.middles is not None:
        made.put_in_middles()
    made.clips = [dataclasses.replace(clip, subject=GENERATED + clip.subject) for clip in made.clips]
    made.number_clips()
    return made
