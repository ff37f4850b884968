"""What a detector is, the table of detectors, and :func:`detect_video`: all people in all frames of a video.

PyTorch is imported when a detector is made or used, so that the detectors can be listed without it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import numpy as np

from skelgraph.errors import DataError, unknown_name
from skelgraph.files.video import Progress, read_video
from skelgraph.options import Count, Rate, check_options
from skelgraph.registry import Registry
from skelgraph.text import shown

if TYPE_CHECKING:
    from skelgraph.datasets import Detections
    from skelgraph.topology import Skeleton

Path = str | PathLike[str]
Factory = TypeVar("Factory", bound=Callable[..., Any])


class Detector(Protocol):
    """Finds people in one frame after the other. Any object with these three members is one.

    Attributes:
        skeleton: The joints that it finds.
    """

    skeleton: Skeleton

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """The people in a frame, in no particular order: x and y in pixels from the left top corner (y down), and the
        confidence from 0 (the joint is not known) to 1.

        Shapes:
            ``frame``: ``(H, W, 3)``, uint8, RGB; out ``(N, J, 3)``, ``N`` may be 0.
        """
        ...

    def reset(self) -> None:
        """Forget the frames before; called before each video."""
        ...


@dataclass(frozen=True)
class DetectorInfo:
    """What is known of a registered detector."""

    name: str
    factory: Callable[..., Detector]
    help: str
    one_person: bool = False
    """Whether it follows one person, and may go on with another one when it loses that."""

    @property
    def options(self) -> tuple[str, ...]:
        """The options that it takes."""
        return tuple(inspect.signature(self.factory).parameters)


DETECTORS: Registry[DetectorInfo] = Registry("detector")
"""The registered detectors by name."""


def register_detector(
    name: str,
    *,
    help: str,  # noqa: A002 - as everywhere
    one_person: bool = False,
) -> Callable[[Factory], Factory]:
    """Decorate a class or a function that makes a :class:`Detector`: it is used by ``name`` then, from Python and the
    command line. Its parameters are its options, checked by their annotations; all have defaults.

    Args:
        name: Name of the detector.
        help: What it is, in a few words, for the help of the command line.
        one_person: Whether it sees one person at a time, whoever else is in the picture.

    Raises:
        SkelgraphError: If the name is taken.
    """

    def register(factory: Factory) -> Factory:
        DETECTORS.add(name, DetectorInfo(name, factory, help, one_person), factory)
        return factory

    return register


def create_detector(name: str, **options: Any) -> Detector:
    """Make a detector by its name.

    Args:
        name: A name of :data:`DETECTORS`, such as ``"blazepose"``.
        **options: Its own options, :attr:`DetectorInfo.options`.

    Raises:
        SkelgraphError: There is no such detector, it has no such option or the option is not what its annotation says;
            and what the detector itself raises, where its weights or its library are missing.
    """
    return DETECTORS.find(name).factory(**checked_options(name, options))


def checked_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a detector, checked before anything is loaded.

    Args:
        name: A name of :data:`DETECTORS`.
        options: Its own options, :attr:`DetectorInfo.options`.

    Raises:
        SkelgraphError: There is no such detector, it has no such option or the option is not what its annotation says.
    """
    info = DETECTORS.find(name)
    for option in options:
        if option not in info.options:
            raise unknown_name(f"option of detector {name!r}:", option, info.options)
    return {**options, **check_options(info.factory, options, f"detector {name}")}


def detect_video(path: Path, detector: Detector, progress: Progress | None = None) -> Detections:
    """Find the people in a video; one frame of it is in memory at a time.

    Args:
        path: The video.
        detector: Finds people in a frame, such as ``create_detector("blazepose")``; it is reset first.
        progress: Shows how far it is.

    Returns:
        The people; who is who over the frames is not known yet (``persons`` is ``None``).

    Raises:
        DataError: The file is no video or damaged, or the detector gives something else than ``(N, J, 3)``.
    """
    from skelgraph.datasets import Detections

    detector.reset()
    found: list[np.ndarray] = []
    with read_video(path) as frames:
        for frame in progress(frames, frames.num_frames) if progress else frames:
            found.append(_people(detector, frame))
        image_size, frame_rate = frames.image_size, frames.frame_rate
    return Detections(
        np.concatenate(found),
        np.repeat(np.arange(len(found)), [len(people) for people in found]),
        detector.skeleton,
        num_frames=len(found),
        image_size=image_size,
        frame_rate=frame_rate,
    )


def _people(detector: Detector, frame: np.ndarray) -> np.ndarray:
    people = np.array(detector(frame), dtype=np.float64)
    if people.ndim != 3 or people.shape[1:] != (detector.skeleton.num_joints, 3):
        joints = detector.skeleton.num_joints
        raise DataError(f"the detector gave {shown(people)} for a frame, expected people as (N, {joints}, 3).")
    known = np.isfinite(people).all(axis=-1, keepdims=True) & (people[..., 2:] > 0)
    people = np.where(known, people, 0.0)
    return people[known.any(axis=(1, 2))]


@register_detector("blazepose", help="one person, 33 joints, in real time on a CPU", one_person=True)
def _blazepose(
    least_score: Rate = 0.5,
    least_presence: Rate = 0.5,
    keep_sides: bool = True,
    threads: Count | None = None,
    folder: Path | None = None,
) -> Detector:
    from skelgraph.detection.blazepose import BlazePose

    return BlazePose(least_score, least_presence, keep_sides, threads, folder)


@register_detector("rtmlib", help="several people, 17, 26 or 23 joints, by RTMPose where rtmlib is installed")
def _rtmlib(
    people: Path | None = None,
    joints: Path | None = None,
    layout: Literal["coco17", "halpe26", "coco_wholebody_body23"] | None = None,
    mode: Literal["lightweight", "balanced", "performance"] = "balanced",
    device: Literal["cpu", "cuda"] = "cpu",
) -> Detector:
    from skelgraph.detection.rtmlib import RTMLib

    return RTMLib(people, joints, layout, mode, device)


@register_detector("mediapipe", help="33 joints, by MediaPipe where it is installed")
def _mediapipe(model: Path | None = None, people: Count = 1, least_score: Rate = 0.5) -> Detector:
    from skelgraph.detection.mediapipe import MediaPipe

    return MediaPipe(model, people, least_score)
