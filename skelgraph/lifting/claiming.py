"""The folder of a result, held and cleared before anything is written there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from skelgraph.errors import SkelgraphError
from skelgraph.files.holding import holding
from skelgraph.lifting.earlier import Earlier
from skelgraph.lifting.outputs import is_of_a_result
from skelgraph.lifting.record import RECORD, is_told, read_record, write_record
from skelgraph.text import plain

KEYPOINTS = "keypoints.npz"
_UNFINISHED = re.compile(r"\.(.+)\.[0-9a-f]{16}\.tmp")
"""The names under which :func:`~skelgraph.files.writing` writes."""


@contextmanager
def claimed(
    out: Path, begun: dict[str, Any], overwrite: bool, source: Path | None = None
) -> Iterator[dict[str, Any] | None]:
    """Open the folder of a result and hold it: files of this program that are there and do not belong to it are
    removed, where that is allowed; no others ever are. Where what is done there fails, its files are removed again, but
    for the keypoints that a detector found, and the folders that were made for it, if nothing else is in them.

    Args:
        out: The folder.
        begun: The record of what will be written.
        overwrite: Replace the result of another source or other settings.
        source: What is lifted, which is never removed or written over.

    Returns:
        The record of the whole result, if that is there already.

    Raises:
        SkelgraphError: If there is something that is not to be replaced, or another process writes there.
    """
    where = plain(str(out), 500)
    if not out.is_dir() and os.path.lexists(out):
        raise SkelgraphError(f"{where} is no folder: choose another name")
    if source is not None and out.resolve() in (source.resolve(), *_folder_of_own(source)):
        raise SkelgraphError(f"{where} holds the source under the name of a result: choose another folder")
    if found := finished_record(out, begun):  # also where nothing may be written any more
        yield found
        return
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        with holding(out):
            found = finished_record(out, begun)  # by the process that held it
            with nullcontext() if found else _begun(out, begun, overwrite):
                yield found
    except Exception:
        _remove_empty(made)
        raise


def finished_record(out: Path, begun: dict[str, Any]) -> dict[str, Any] | None:
    """The record of a result, if it is there and whole.

    Args:
        out: The folder.
        begun: The record with which it began.

    Raises:
        SkelgraphError: If its ``lift.json`` is of another program.
    """
    record = read_record(out)
    if record is None or not Earlier(record, begun).is_same:
        return None
    return record if is_told(record) and all(map(os.path.exists, (out / name for name in record["files"]))) else None


@contextmanager
def _begun(out: Path, begun: dict[str, Any], overwrite: bool) -> Iterator[None]:
    """Remove what is to be replaced, write that the work has begun, and remove its files if it fails."""
    where = plain(str(out), 500)
    own = _own_files(out)
    record, stays = read_record(out), False
    if record is None and own:
        names = ", ".join(plain(path.name) for path in own[:8])
        raise SkelgraphError(f"{where} holds {names}, and no {RECORD} says whose: choose another folder")
    if record is not None:
        earlier = Earlier(record, begun)
        stays = earlier.is_finished and earlier.grows
        # what was begun and came to nothing may be begun anew
        if earlier.is_finished and not earlier.is_same and not stays and not overwrite:
            raise SkelgraphError(
                f"{where} holds the result of another source or of other settings or weights: replace it (--overwrite) "
                "or choose another folder"
            )
        for path in own if not stays else ():  # of which none changes where further formats are asked for
            if path.name != KEYPOINTS or not earlier.is_seen_alike:
                path.unlink()
    for path in out.iterdir():
        half = _UNFINISHED.fullmatch(path.name)  # of a process that was killed
        if half and (half[1] == RECORD or is_own(half[1])):
            path.unlink()
    before = _own_files(out)
    write_record(out, begun)
    try:
        yield
    except Exception:
        for path in _own_files(out):
            if path not in before and path.name != KEYPOINTS:
                path.unlink()
        if record is not None and stays:
            write_record(out, record)
        raise


def _remove_empty(made: list[Path]) -> None:
    """Remove folders, the deepest first, as far as nothing is in them but the record of what came to nothing."""
    if made and made[0].is_dir() and [path.name for path in made[0].iterdir()] == [RECORD]:
        (made[0] / RECORD).unlink()
    for folder in made:
        try:
            folder.rmdir()
        except OSError:  # it is not empty
            return


def _folder_of_own(source: Path) -> list[Path]:
    """The folder of a source, if its name is one that is written there."""
    return [source.resolve().parent] if is_own(source.resolve().name) else []


def _own_files(out: Path) -> list[Path]:
    """The files in the folder of a result that are written next to the record."""
    return sorted(path for path in out.iterdir() if is_own(path.name) and not path.is_dir())


def is_own(name: str) -> bool:
    """Whether a file of this name is one of those that are written next to the record."""
    return name == KEYPOINTS or is_of_a_result(name)
