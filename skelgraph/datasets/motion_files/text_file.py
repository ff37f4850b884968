"""Motion files of text: their lines, and errors that name one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

from skelgraph.errors import DataError
from skelgraph.files import open_regular
from skelgraph.text import plain, shown


@dataclass(frozen=True)
class TextFile:
    """A file of text.

    Args:
        label: Its name, for messages.
        size: Its size in bytes.
        lines: Its lines, of which the first is number 1 in messages.
    """

    label: str
    size: int
    lines: Sequence[str]

    @classmethod
    def read(cls, path: str | PathLike[str]) -> TextFile:
        """Read a file in UTF-8; what is none becomes a replacement character.

        Raises:
            DataError: If the file cannot be read.
        """
        with open_regular(path, DataError) as file:
            text = file.read().decode("utf-8-sig", "replace")
        return cls(plain(str(path), 1000), file.size, text.splitlines())

    def error(self, line: int, what: str) -> DataError:
        """The error of a line, counted from 0."""
        return DataError(f"{self.label}: line {line + 1}: {what}")

    def numbers(self, line: int, words: Sequence[str], count: int | None = None) -> list[float]:
        """The numbers that words of a line stand for.

        Raises:
            DataError: If they are no finite numbers, or not as many as wanted.
        """
        try:
            numbers = [float(word) for word in words]
        except ValueError:
            numbers = []
        if len(numbers) != len(words) or not all(map(math.isfinite, numbers)) or count not in (None, len(numbers)):
            expected = f"{'' if count is None else f'{count} '}finite numbers"
            raise self.error(line, f"found {shown(' '.join(words))}, expected {expected}.")
        return numbers
