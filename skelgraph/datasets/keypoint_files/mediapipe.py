"""Landmarks of MediaPipe's pose as CSV. MediaPipe itself writes none; these are the two forms that programs give it:

- long, a row for each landmark: ``frame, landmark, x, y[, z][, visibility][, person]``; the landmark is a name or the
  number 0 to 32;
- wide, a row for each frame: ``[frame,] [person,] nose_x, nose_y[, nose_z][, nose_visibility], left_eye_inner_x, ...``.

Names are those of https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker, in any case; other columns
are left out. MediaPipe's x and y are shares of the width and height of the picture, which no file says: the caller
does. The visibility is the confidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from skelgraph.datasets.keypoint_files.detections import Detections
from skelgraph.datasets.keypoint_files.sightings import Sighting, assembled, frame_number
from skelgraph.datasets.keypoint_files.source import Asked, Source
from skelgraph.datasets.keypoint_files.table import Rows, cell_numbers, first_row, rows_of
from skelgraph.datasets.motion_files.motion import check_room
from skelgraph.errors import DataError
from skelgraph.text import shown
from skelgraph.topology import as_skeleton
from skelgraph.topology.matching import spoken

_LAYOUT = as_skeleton("blazepose33")
_NAMES = {spoken(name): joint for joint, name in enumerate(_LAYOUT.joint_names)}
_CHANNELS = ("x", "y", "visibility")
_FARTHEST = 20.0  # pictures from the corner that a landmark may lie


def is_mediapipe(source: Source) -> bool:
    """Whether its first line is that of one of the two forms."""
    titles = {title.strip().lower() for title in first_row(source)}
    return titles >= {"frame", "landmark", "x", "y"} or titles >= {"nose_x", "nose_y"}


def read_mediapipe(source: Source, asked: Asked) -> Detections:
    """Read landmarks.

    Raises:
        DataError: If the file is damaged or lacks landmarks, is not in shares of the picture, or the caller does not
            say its size.
    """
    label = source.label
    rows = rows_of(source)
    titles = [title.strip().lower() for title in next(rows)[1]]
    found = _long(rows, titles, source) if "landmark" in titles else _wide(rows, titles, _places(titles, label), label)
    if asked.image_size is None:
        raise DataError(
            f"{label}: MediaPipe's landmarks are shares of the size of the picture; expected image_size "
            "(--image-size): width and height in pixels."
        )
    width, height = asked.image_size

    def in_pixels() -> Iterator[Sighting]:
        for frame, shares, person in found:
            if np.abs(shares[:, :2]).max(initial=0, where=np.isfinite(shares[:, :2])) > _FARTHEST:
                raise DataError(f"{label}: frame {frame} has a landmark {_FARTHEST:g} pictures away; expected 0 to 1.")
            yield Sighting(frame, shares * (width, height, 1)[: shares.shape[1]], person)

    return assembled(in_pixels(), {_LAYOUT.num_joints: "blazepose33"}, asked, label)


def _long(rows: Rows, titles: Sequence[str], source: Source) -> Iterator[Sighting]:
    label, found = source.label, dict[tuple[int, int | None], np.ndarray]()
    values = [titles.index(title) for title in _CHANNELS if title in titles]
    for line, row in rows:
        row += [""] * (len(titles) - len(row))
        key = _frame(row, titles, label, line), _person(row, titles, label, line)
        if key not in found:
            check_room(len(found) + 1, _LAYOUT.num_joints, source.path.stat().st_size, label)
            found[key] = np.full((_LAYOUT.num_joints, len(values)), np.nan)
        name = row[titles.index("landmark")].strip()
        joint = int(name) if name.isascii() and name.isdigit() and len(name) < 3 else _NAMES.get(spoken(name), -1)
        if not 0 <= joint < _LAYOUT.num_joints or np.isfinite(found[key][joint]).any():
            raise DataError(f"{label}: line {line}: found landmark {shown(name)}, expected each one of 0 to 32 once.")
        found[key][joint] = cell_numbers([row[at] for at in values], label, line)
    yield from (Sighting(frame, shares, person) for (frame, person), shares in found.items())


def _places(titles: Sequence[str], label: str) -> np.ndarray:
    """The columns of x, y and, if there is one, the visibility of each landmark."""
    places = np.full((_LAYOUT.num_joints, len(_CHANNELS)), -1)
    for at, title in enumerate(titles):
        name, _, channel = title.rpartition("_")
        if channel in _CHANNELS and (joint := _NAMES.get(spoken(name))) is not None:
            places[joint, _CHANNELS.index(channel)] = at
    has_visibility = bool((places[:, 2] >= 0).any())
    places = places[:, : 2 + has_visibility]
    if lacking := [name for name, place in zip(_LAYOUT.joint_names, places, strict=True) if (place < 0).any()]:
        raise DataError(
            f"{label}: is taken for landmarks of MediaPipe, for its columns nose_x and nose_y, but has no columns "
            f"_{', _'.join(_CHANNELS[: 2 + has_visibility])} of {', '.join(lacking)}; docs/formats.md says how your "
            "own table is read."
        )
    return places


def _wide(rows: Rows, titles: Sequence[str], places: np.ndarray, label: str) -> Iterator[Sighting]:
    for number, (line, row) in enumerate(rows):
        row += [""] * (len(titles) - len(row))
        shares = cell_numbers([row[at] for at in places.ravel()], label, line).reshape(places.shape)
        frame = _frame(row, titles, label, line) if "frame" in titles else number
        yield Sighting(frame, shares, _person(row, titles, label, line))


def _frame(row: Sequence[str], titles: Sequence[str], label: str, line: int) -> int:
    return frame_number(_whole(row[titles.index("frame")], label, line), label)


def _person(row: Sequence[str], titles: Sequence[str], label: str, line: int) -> int | None:
    return _whole(row[titles.index("person")], label, line) if "person" in titles else None


def _whole(cell: str, label: str, line: int) -> int:
    try:
        number = float(cell)
        if abs(number) < 2**53 and number == int(number):
            return int(number)
    except (ValueError, OverflowError):
        pass
    raise DataError(f"{label}: line {line}: found {shown(cell)}, expected a whole number.")
