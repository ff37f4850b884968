"""DeepLabCut's tracks, as CSV or as HDF5, which holds the same table of pandas.

The columns have names of three or four levels: ``scorer``, ``individuals`` (of several animals), ``bodyparts`` and
``coords`` (x, y, and likelihood but in labels made by hand): https://deeplabcut.github.io/DeepLabCut. A row is a frame,
named by its number, or in labels by the picture. A file names its joints and knows no bones: the skeleton is that of
the caller, or a layout whose joints have just these names. An individual that has none of them is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skelgraph.datasets.keypoint_files.detections import Detections
from skelgraph.datasets.keypoint_files.joint_names import joints_by_name
from skelgraph.datasets.keypoint_files.sightings import Said, assembled, frame_number, frame_of, from_tracks
from skelgraph.datasets.keypoint_files.source import Asked, Source
from skelgraph.datasets.keypoint_files.table import cell_numbers, first_row, rows_of
from skelgraph.errors import DataError
from skelgraph.files import ForeignFiles, open_regular
from skelgraph.text import shown

_LEVELS = (("scorer", "bodyparts", "coords"), ("scorer", "individuals", "bodyparts", "coords"))
_COORDS = ("x", "y", "likelihood")
_ALONE = "single"  # the individual of body parts that are there only once, beside several animals


def is_deeplabcut_csv(source: Source) -> bool:
    """Whether its first line names the scorer."""
    return first_row(source)[:1] == ["scorer"]


def is_deeplabcut_h5(source: Source) -> bool:
    """Whether it is an HDF5 file."""
    return source.head.startswith(b"\x89HDF\r\n\x1a\n")


def read_deeplabcut_csv(source: Source, asked: Asked) -> Detections:
    """Read a table of text.

    Raises:
        DataError: If the file is damaged, or its joints are not those of the skeleton.
    """
    label, rows = source.label, rows_of(source)
    heads: list[list[str]] = []
    for line, row in rows:
        heads.append(row)
        if row[0] == "coords":
            break
        if len(heads) == len(_LEVELS[-1]):
            raise DataError(f"{label}: line {line}: found {shown(row[0])}, expected the names of columns up to coords.")
    names = next((head[1:] for head in heads if head[0] == "coords"), [])
    start = 1 + next((at for at, name in enumerate(names) if name), 0)  # pictures have a name of several cells
    levels = tuple(head[0] for head in heads)
    columns = list(zip(*(head[start:] for head in heads), strict=False))
    if levels not in _LEVELS or any(len(head) != len(heads[0]) for head in heads) or not columns:
        raise DataError(
            f"{label}: its columns are named by {shown(levels)}, expected {' or '.join(map(str, _LEVELS))}."
        )
    index, values = [], []
    for line, row in rows:
        if len(row) != start + len(columns):
            raise DataError(f"{label}: line {line}: has {len(row)} cells, expected {start + len(columns)}.")
        name = row[start - 1]
        index.append(int(name) if name.isascii() and name.isdigit() and len(name) < 19 else frame_of(name, label))
        values.append(cell_numbers(row[start:], label, line))
    return _tracks(columns, np.array(index, np.int64), np.array(values).reshape(-1, len(columns)), asked, label)


def read_deeplabcut_h5(source: Source, asked: Asked) -> Detections:
    """Read a table of pandas in HDF5.

    Raises:
        DataError: If the file is damaged or another one, or its joints are not those of the skeleton.
    """
    with open_regular(source.path, DataError) as file, ForeignFiles() as files:
        columns, index, values = files.read_table(file.read(), source.label)
    if {len(column) for column in columns} - {len(levels) for levels in _LEVELS} or len({*map(len, columns)}) != 1:
        raise DataError(f"{source.label}: its columns are {shown(columns)}, expected names of 3 or 4 levels.")
    return _tracks(columns, index, values, asked, source.label)


def _tracks(
    columns: Sequence[tuple[str, ...]], index: np.ndarray, values: np.ndarray, asked: Asked, label: str
) -> Detections:
    """The detections of a table ``(T, columns)``."""
    places: dict[str, dict[tuple[str, str], int]] = {}
    for at, column in enumerate(columns):
        individual = column[1] if len(column) == 4 else ""
        if column[-1] not in _COORDS or column[-2:] in places.setdefault(individual, {}):
            raise DataError(
                f"{label}: found column {shown(column)}, expected each of x, y and likelihood of a joint once."
            )
        places[individual][column[-2], column[-1]] = at
    if len(np.unique(index)) < len(index):
        raise DataError(f"{label}: has a frame twice.")
    names = {individual: list(dict.fromkeys(part for part, _ in parts)) for individual, parts in places.items()}
    main = max((parts for individual, parts in names.items() if individual != _ALONE or len(names) == 1), key=len)
    skeleton, chosen = joints_by_name(main, asked, label)
    wanted = [main[joint] for joint in chosen]
    people = {individual: parts for individual, parts in places.items() if not {*names[individual]}.isdisjoint(wanted)}
    has_likelihood = any(coord == "likelihood" for parts in people.values() for _, coord in parts)
    coords = _COORDS if has_likelihood else _COORDS[:2]
    table = []
    for individual, parts in people.items():
        if lacking := [(part, coord) for part in wanted for coord in coords if (part, coord) not in parts]:
            raise DataError(f"{label}: {shown(individual)} has no {' '.join(lacking[0])}, which others have.")
        table.append([parts[part, coord] for part in wanted for coord in coords])
    tracks = values[:, np.array(table)].transpose(1, 0, 2).reshape(len(people), len(index), len(wanted), len(coords))
    frames = [frame_number(int(frame), label) for frame in index]
    sightings = (sighting._replace(frame=frames[sighting.frame]) for sighting in from_tracks(tracks))
    return assembled(sightings, skeleton, asked, label, Said(num_frames=max(frames, default=-1) + 1))
