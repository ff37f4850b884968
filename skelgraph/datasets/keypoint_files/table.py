"""Tables of text between commas, row by row."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from skelgraph.datasets.keypoint_files.source import Source
from skelgraph.errors import DataError
from skelgraph.files import open_regular
from skelgraph.text import plain, shown

Rows: TypeAlias = Iterator[tuple[int, list[str]]]


def first_row(source: Source) -> list[str]:
    """The cells of the first line of a file, or of as much of it as is looked at; none if it is no line of a table."""
    try:
        return next(csv.reader(source.text.splitlines()[:1]), [])
    except csv.Error:
        return []


def rows_of(source: Source) -> Rows:
    """The rows that are not empty, with the numbers of their lines.

    Raises:
        DataError: If the file cannot be read, or is no table.
    """
    with open_regular(source.path, DataError) as file:
        text = file.read().decode("utf-8-sig", "replace")
    reader = csv.reader(text.splitlines())
    try:
        for row in reader:
            if any(row):
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{source.label}: line {reader.line_num}: {plain(str(error), 200)}.") from None


def cell_numbers(cells: Sequence[str], label: str, line: int) -> np.ndarray:
    """The numbers in cells of a line; NaN where there is nothing.

    Raises:
        DataError: If there is something else.
    """
    try:
        return np.array([float(cell) if cell.strip() else np.nan for cell in cells])
    except ValueError:
        raise DataError(f"{label}: line {line}: found {shown(', '.join(cells))}, expected numbers.") from None
