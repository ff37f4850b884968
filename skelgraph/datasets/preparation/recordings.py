"""What the preparations share: files of the owners become parts, one after the other, and what is odd is noted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np

from skelgraph.datasets.plausibility import POSSIBLE_SIZE
from skelgraph.datasets.preparation.parts import Parts
from skelgraph.errors import DataError
from skelgraph.files import StoredFile, stored_files
from skelgraph.text import plain

Progress = Callable[[str, int, int], None]
"""Is told what was just done, how much is done and how much there is to do."""

Sources = str | PathLike[str] | Sequence[str | PathLike[str]]


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody wants to see."""


@dataclass
class Prepared:
    """What a preparation has written.

    Attributes:
        files: The files.
        frames: How many frames there are of each subject.
        notes: What is not as published, a sentence each.
    """

    files: list[Path] = field(default_factory=list)
    frames: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def convert(
    sources: Sources,
    patterns: Sequence[str],
    archives: Sequence[str],
    key_of: Callable[[str], str | None],
    make: Callable[[str, StoredFile], dict[str, np.ndarray]],
    parts: Parts,
    total: int,
    progress: Progress,
) -> None:
    """Make a part of each file that is wanted; those that an earlier run finished are taken as they are.

    Args:
        sources: Folders and archives.
        patterns: Where the files are in a folder.
        archives: Names of the owners' archives, which are also looked for in a folder.
        key_of: The key of the part that a file of this name becomes, or ``None``. Of files of the same key the first
            is taken.
        make: Makes the arrays of a part.
        parts: Where the parts are kept.
        total: How many there should be.
        progress: Told of each.

    Raises:
        DataError: A source or file cannot be read.
        OSError: The disk is full.
    """
    done: set[str] = set()

    def wanted(name: str) -> bool:
        key = key_of(name)
        return key is not None and key not in done

    for source in _with_archives(sources, archives):
        for file in stored_files(source, patterns, wanted):
            key = key_of(file.name)
            if key is None or key in done:
                continue
            if not parts.has(key, file.stamp):
                parts.keep(key, file.stamp, make(key, file))
            done.add(key)
            progress(key, len(done), total)


def _with_archives(sources: Sources, archives: Sequence[str]) -> Iterable[str | PathLike[str]]:
    for source in [sources] if isinstance(sources, str | PathLike) else sources:
        yield source
        if Path(source).is_dir():
            yield from sorted({path for pattern in archives for path in Path(source).glob(pattern) if path.is_file()})


def metres(positions: np.ndarray, label: str) -> np.ndarray:
    """Positions of a skeleton in metres, from millimetres.

    Args:
        positions: ``(T, J, 3)``, millimetres.
        label: Their file, for the message.

    Raises:
        DataError: They are no finite numbers, there are no frames, or the skeleton has an impossible size.
    """
    if not len(positions) or not np.isfinite(positions).all():
        raise DataError(f"{label}: has no frames, or positions that are no finite numbers.")
    size = float(np.median((positions.max(1) - positions.min(1)).max(-1))) / 1000
    if not POSSIBLE_SIZE[0] <= size <= POSSIBLE_SIZE[1]:
        raise DataError(
            f"{label}: the skeleton is {size:.3g} m large if its positions are millimetres, as the owners distribute "
            f"them; expected {POSSIBLE_SIZE[0]} to {POSSIBLE_SIZE[1]:g} m."
        )
    return positions / 1000


def listed(names: Iterable[str], most: int = 8) -> str:
    """Some names in a sentence."""
    names = list(names)
    return ", ".join(map(plain, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")
