"""What readers find, one person in one frame after the other, checked and brought into :class:`Detections`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from skelgraph.datasets.keypoint_files.detections import Detections
from skelgraph.datasets.keypoint_files.source import Asked
from skelgraph.errors import DataError
from skelgraph.text import plain, shown
from skelgraph.topology import Skeleton, as_skeleton
from skelgraph.topology.matching import label as name_of

MOST_FRAMES = 10_000_000
"""Frames that a video may have: 4 days at 30 frames a second."""
_LARGEST_PIXEL = 1e6


class Sighting(NamedTuple):
    """A person in a frame.

    Attributes:
        frame: The frame, from 0.
        keypoints: x, y in pixels, and the confidence if the format has one, ``(J, 2 or 3)``.
        person: Who it is, if the file says it.
    """

    frame: int
    keypoints: np.ndarray
    person: int | None = None


class Said(NamedTuple):
    """What a file says of its video; ``None`` if nothing.

    Attributes:
        num_frames: How many frames it has.
        image_size: Width and height in pixels.
        frame_rate: Frames per second.
    """

    num_frames: int | None = None
    image_size: tuple[int, int] | None = None
    frame_rate: float | None = None


def numbers(values: Any, label: str) -> np.ndarray:
    """Numbers of a JSON file, in lists of any depth, as an array; ``null`` becomes NaN.

    Raises:
        DataError: If there is something else among them, or the lists are not of one length.
    """
    flat: list[Any] = [values]
    while flat and all(type(value) is list for value in flat):
        flat = [item for value in flat for item in value]
    if not all(type(value) in (int, float, type(None)) for value in flat):
        wrong = next(value for value in flat if type(value) not in (int, float, type(None)))
        raise DataError(f"{label}: found {shown(wrong)} among the keypoints, expected numbers.")
    try:
        return np.array(values, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        raise DataError(f"{label}: keypoints are {shown(values)}, expected numbers in lists of one length.") from None


def triplets(values: Any, label: str) -> np.ndarray:
    """The keypoints ``(J, 3)`` of a list ``[x, y, confidence, x, y, ...]``.

    Raises:
        DataError: If it is none.
    """
    if not isinstance(values, list) or len(values) % 3 or not values:
        count = f"{len(values)} of them" if isinstance(values, list) else shown(values)
        raise DataError(f"{label}: keypoints are {count}, expected x, y and confidence for each joint.")
    return numbers(values, label).reshape(-1, 3)


def frame_of(name: str, label: str) -> int:
    """The frame that the name of a picture or file says: the last number in it, before its ending.

    Raises:
        DataError: If there is none.
    """
    found = re.findall(r"[0-9]+", re.sub(r"\.[A-Za-z][A-Za-z0-9]*$", "", name))
    if not found:
        raise DataError(f"{label}: {plain(name)} says no number of a frame; expected one as in video_000012.json.")
    return frame_number(int(found[-1].lstrip("0")[:19] or 0), label)  # no longer ones, which take quadratic time


def frame_number(value: Any, label: str) -> int:
    """A number of a frame.

    Raises:
        DataError: If it is none, or beyond any video.
    """
    if type(value) is not int or not 0 <= value < MOST_FRAMES:
        raise DataError(f"{label}: the number of a frame is {shown(value)}, expected 0 to {MOST_FRAMES - 1}.")
    return value


def from_tracks(tracks: np.ndarray) -> Iterator[Sighting]:
    """The sightings of people in all frames.

    Args:
        tracks: The same people in all frames, ``(people, T, J, 2 or 3)``.
    """
    for frame in range(tracks.shape[1]):
        for person, keypoints in enumerate(tracks[:, frame]):
            yield Sighting(frame, keypoints, person)


def assembled(
    sightings: Iterable[Sighting],
    layouts: Mapping[int, str] | Skeleton,
    asked: Asked,
    label: str,
    said: Said | None = None,
) -> Detections:
    """The detections of a file. Who has no joint that is known is left out.

    Args:
        sightings: All people in all frames, in any order.
        layouts: The layouts that the format writes, by the number of joints: of more joints than a layout has, its own
            come first. Or the layout, where the file names its joints.
        asked: What the caller says.
        label: Name of the file, for messages.
        said: What the file says.

    Raises:
        DataError: If these do not fit together, are no pixels or of no known layout.
    """
    said = said or Said()
    found, last = [], -1
    for sighting in sightings:
        last = max(last, sighting.frame)
        if _known(sighting.keypoints).any():
            found.append(sighting)
    found.sort(key=lambda sighting: sighting.frame)
    counts = {len(sighting.keypoints) for sighting in found}
    if len(counts) > 1:
        raise DataError(f"{label}: people have {' and '.join(map(str, sorted(counts)))} joints, expected one layout.")
    skeleton = layouts if isinstance(layouts, Skeleton) else _layout(counts, layouts, asked.skeleton, label)
    keypoints = np.zeros((len(found), skeleton.num_joints, 3))
    for row, sighting in zip(keypoints, found, strict=True):
        given = sighting.keypoints[: skeleton.num_joints]
        known = _known(given)
        row[known, :2] = given[known, :2]
        row[known, 2] = given[known, 2] if given.shape[1] == 3 else 1
    check_pixels(keypoints, label)
    frames = np.array([sighting.frame for sighting in found], dtype=np.int64)
    try:
        return Detections(
            keypoints,
            frames,
            skeleton,
            max(last + 1, said.num_frames or 0),
            _persons([sighting.person for sighting in found], label),
            agreed("image_size", said.image_size, asked.image_size, label),
            agreed("frame_rate", said.frame_rate, asked.frame_rate, label),
        )
    except DataError as error:
        raise DataError(f"{label}: {error}") from None


def _known(keypoints: np.ndarray) -> np.ndarray:
    """Which joints are known, ``(J,)``."""
    known: np.ndarray = np.isfinite(keypoints).all(-1)
    return known & (keypoints[:, 2] > 0) if keypoints.shape[-1] == 3 else known


def _layout(counts: set[int], layouts: Mapping[int, str], skeleton: Skeleton | None, label: str) -> Skeleton:
    count = next(iter(counts), None)
    if count is None:
        if skeleton is not None:
            return skeleton
        raise DataError(f"{label}: has nobody in it, and so does not say its joints; expected skeleton (--layout).")
    usual = as_skeleton(layouts[count]) if count in layouts else None
    if skeleton is None:
        if usual is None:
            known = ", ".join(f"{count} ({name})" for count, name in layouts.items()) or "no number"
            raise DataError(
                f"{label}: people have {count} joints, and which these are is known of {known}; expected skeleton "
                "(--layout): the layout."
            )
        return usual
    if count != skeleton.num_joints and skeleton != usual:
        raise DataError(
            f"{label}: people have {count} joints, and skeleton {name_of(skeleton)} has {skeleton.num_joints}."
        )
    return skeleton


def check_pixels(keypoints: np.ndarray, label: str) -> None:
    """Raise an error if keypoints ``(..., 3)``, which are known where the confidence is above 0, can be no pixels."""
    known = keypoints[keypoints[..., 2] > 0]
    if not len(known):
        return
    largest = np.abs(known[:, :2]).max()
    if largest > _LARGEST_PIXEL:
        raise DataError(f"{label}: a joint is at {largest:g}, farther than a picture is wide; expected pixels.")
    if len(known) > 1 and largest <= 1:
        raise DataError(
            f"{label}: all joints lie between -1 and 1, as if normalised by the size of a picture; expected pixels."
        )


def _persons(persons: Sequence[int | None], label: str) -> np.ndarray | None:
    """Who the entries are; ``None`` if the file does not say it of all."""
    if not persons or None in persons:
        return None
    if any(abs(person) >= 2**63 for person in persons):  # type: ignore[arg-type]
        raise DataError(f"{label}: the number of a person is beyond 64 bits.")
    return np.array(persons, dtype=np.int64)


def agreed(name: str, said: Any, asked: Any, label: str) -> Any:
    """What the file says, or else the caller.

    Raises:
        DataError: If they say different things.
    """
    if None not in (said, asked) and said != asked:
        raise DataError(f"{label}: says that its {name} is {shown(said)}, but {name} is {shown(asked)}.")
    return asked if said is None else said
