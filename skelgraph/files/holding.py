"""A folder that one process at a time writes to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from skelgraph.errors import SkelgraphError
from skelgraph.text import plain

_LOCK = ".lock"


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold a folder, made where there is none: no other process that asks gets it meanwhile. The lock ends with the
    process, however it ends.

    Args:
        folder: The folder.

    Raises:
        SkelgraphError: If another process holds it.
        OSError: If it cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise SkelgraphError(
            f"{plain(str(folder), 500)} is in use: another process is writing its results there"
        ) from None
    try:
        yield
    finally:
        (folder / _LOCK).unlink(missing_ok=True)  # while it is held: who comes now makes one of his own
        lock.release()
