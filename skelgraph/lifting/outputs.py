"""The files of a result: motion for other programs, the page, pictures that move."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from skelgraph.datasets import Detections, Motion, write_motion
from skelgraph.errors import DataError
from skelgraph.files import read_video
from skelgraph.lifting.lifted import Lifted, LiftedPerson
from skelgraph.lifting.settings import MOTION_FORMATS, OutputSettings
from skelgraph.viz.viewer import ViewerPerson, ViewerScene, write_viewer

WRITTEN = (*(f"person*.{name}" for name in MOTION_FORMATS), "viewer.html", "animation.gif", "animation.mp4")
"""Patterns of the names of all files of a result."""


@dataclass(frozen=True)
class Result:
    """What is written.

    Args:
        lifted: People in space.
        gravity: The direction of gravity in camera axes.
        title: Heading of the page.
        seen: What they were made from.
        video: The video, for the pictures; ``None`` if there are only keypoints.
        truth: Where the joints of each stretch really were, in camera axes and with the root of the prediction, ``(T, J,
            3)`` each; ``None`` if nobody knows.
    """

    lifted: Lifted
    gravity: tuple[float, float, float]
    title: str
    seen: Detections
    video: Path | None = None
    truth: list[np.ndarray] | None = None

    @cached_property
    def positions(self) -> list[np.ndarray]:
        """The joints of each stretch, metres, z up."""
        return self.lifted.in_world(self.gravity)

    @property
    def frame_rate(self) -> float:
        """Frames per second.

        Raises:
            DataError: If it is not known.
        """
        if self.lifted.frame_rate is None:
            raise DataError(f"{self.title}: does not say its frame rate; expected frame_rate (--frame-rate).")
        return self.lifted.frame_rate


def written_files(result: Result, out: Path, settings: OutputSettings) -> list[str]:
    """Write the files that are asked for.

    Returns:
        Their names.

    Raises:
        DataError: If the frame rate is needed and not known, or a format cannot hold what there is.
        OSError: If a file cannot be written.
    """
    names: list[str] = []
    for one, positions in zip(result.lifted.people, result.positions, strict=True):
        for format_name in MOTION_FORMATS:
            if format_name in settings.format:
                names.append(f"{stretch_name(one, result.lifted)}.{format_name}")
                write_motion(out / names[-1], _motion(result, positions))
    for format_name, (name, write) in _SCENES.items():
        if format_name in settings.format:
            write(result, out / name, settings)
            names.append(name)
    return names


def stretch_name(one: LiftedPerson, lifted: Lifted) -> str:
    """``person0``, and for what begins again after a gap ``person0_from_frame120``."""
    first = next(other for other in lifted.people if other.person == one.person)
    return f"person{one.person}" + (f"_from_frame{one.first_frame}" if one is not first else "")


def _motion(result: Result, positions: np.ndarray) -> Motion:
    skeleton = result.lifted.skeleton
    return Motion(
        positions, skeleton.joint_names, result.frame_rate, unit=1.0, up="z", parents=tuple(skeleton.parents)
    )


def _write_page(result: Result, path: Path, settings: OutputSettings) -> None:
    lifted = result.lifted
    step = max(1, math.ceil(lifted.num_frames / settings.most_pictures))
    people = [
        ViewerPerson(
            f"person {one.person}",
            one.first_frame,
            positions,
            lifted.skeleton,
            truth=truth,
            keypoints_2d=one.keypoints_2d if lifted.image_size else None,
        )
        for one, positions, truth in zip(lifted.people, result.positions, _truth(result), strict=True)
    ]
    pictures = None if result.video is None else [*_jpegs(result.video, step, settings.picture_width)]
    scene = ViewerScene(
        people, lifted.num_frames, result.frame_rate, result.title, pictures, step, image_size=lifted.image_size
    )
    write_viewer(path, scene)
