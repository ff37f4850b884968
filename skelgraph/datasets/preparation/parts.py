"""The finished parts of a preparation, kept on the disk until all is done, so that a run that was stopped goes on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from skelgraph.errors import DataError, SkelgraphError
from skelgraph.files import as_path, read_npz, writing
from skelgraph.text import plain


class Parts:
    """Arrays of finished parts, one file for each in a hidden folder beside the results.

    A part is taken again only if its source is the one that it was made from; its arrays are in memory only while they
    are asked for.

    Args:
        out: The folder of the results.
        name: What is prepared; another name has another folder.
    """

    def __init__(self, out: Path, name: str) -> None:
        self.folder = out / f".{name}.partial"
        self._kept: dict[str, Path] = {}

    def has(self, key: str, stamp: str) -> bool:
        """Whether the part is finished, from the source that the stamp stands for.

        Raises:
            DataError: A file of its name is there that is no part.
        """
        path = self.folder / f"{key}.npz"
        if not path.exists():
            return False
        try:
            found = read_npz(path, ["stamp"], ())["stamp"]
        except DataError as error:
            raise DataError(f"{error} It is no finished part of a preparation: remove it.") from error
        if str(found) != stamp:
            return False
        self._kept[key] = path
        return True

    def keep(self, key: str, stamp: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write a finished part.

        Raises:
            OSError: The disk is full, or the folder may not be written to.
        """
        path = self.folder / f"{key}.npz"
        with writing(path) as file:
            np.savez(file, stamp=np.array(stamp), **arrays)  # type: ignore[arg-type]
        self._kept[key] = path

    def array(self, key: str, name: str) -> np.ndarray:
        """One of the arrays of a part of this run.

        Raises:
            DataError: Its file is damaged, or gone.
        """
        return read_npz(self._kept[key], [name], ())[name]

    def __contains__(self, key: str) -> bool:
        """Whether this run has the part, whatever its source."""
        return key in self._kept

    def remove(self) -> None:
        """Remove the parts of this run, and their folder if nothing else is in it."""
        for path in self._kept.values():
            path.unlink(missing_ok=True)
        self._kept = {}
        with suppress(OSError):  # not there, or not empty
            self.folder.rmdir()


def results(out: str | PathLike[str], names: tuple[str, ...], *, overwrite: bool) -> Path:
    """The folder of the results, if they may be written there.

    Args:
        out: The folder, which need not exist.
        names: The files that will be written.
        overwrite: They may replace others.

    Raises:
        SkelgraphError: It is no folder, or holds a file of such a name that is not to be replaced.
    """
    folder = as_path(out)
    if folder.exists() and not folder.is_dir():
        raise SkelgraphError(f"{plain(str(folder), 500)} is no folder: choose another name")
    there = [name for name in names if (folder / name).exists()]
    if there and not overwrite:
        raise SkelgraphError(
            f"{plain(str(folder), 500)} holds {', '.join(there)} already: replace (--overwrite) or choose another "
            "folder"
        )
    return folder


def save(path: Path, **members: Any) -> None:
    """Write an npz file in the layout of the field: packed, and what is no array as a pickle of it.

    Raises:
        OSError: The disk is full, or the folder may not be written to.
    """
    arrays: dict[str, Any] = {
        name: np.array(value, dtype=object) if isinstance(value, dict) else value for name, value in members.items()
    }
    with writing(path) as file:
        np.savez_compressed(file, **arrays)
