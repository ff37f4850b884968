"""Opening a file for reading: regular files only, and no read allocates more memory than the file has bytes."""

from __future__ import annotations

import errno
import io
import os
import stat
from os import PathLike
from pathlib import Path

from skelgraph.errors import SkelgraphError
from skelgraph.text import plain, shown

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


class RegularFile(io.BufferedReader):
    """A file of known ``size``; a read is limited to what is left of it before memory is allocated."""

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__(raw)
        self.size = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Read ``size`` bytes, or what is left of them in the file."""
        if size is not None and 0 <= size <= io.DEFAULT_BUFFER_SIZE:  # often, and too little to matter
            return super().read(size)
        left = max(0, self.size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


def as_path(path: str | PathLike[str], error: type[SkelgraphError] = SkelgraphError) -> Path:
    """Return the path of a file or folder from an argument.

    Args:
        path: The name.
        error: The kind of error to raise.

    Raises:
        SkelgraphError: Of the given kind, if it is something else than a name.
    """
    if not isinstance(path, str | PathLike) or not isinstance(os.fspath(path), str) or not os.fspath(path):
        raise error(f"{shown(path)} is no name of a file or folder")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:  # half a character, which no file system has
        raise error(f"{shown(path)} is no name of a file or folder") from None
    return Path(path)


def open_regular(path: str | PathLike[str], error: type[SkelgraphError]) -> RegularFile:
    """Open a file for reading; pipes and devices, which could block or never end, are refused at once.

    Args:
        path: The file.
        error: The kind of error to raise.

    Raises:
        SkelgraphError: Of the given kind, if there is no such file, it is no regular file or may not be read.
    """
    name = plain(str(as_path(path, error)), 1000)
    try:
        # Without blocking: to open a pipe waits for somebody to write into it.
        raw = io.FileIO(path, opener=lambda file, flags: os.open(file, flags | getattr(os, "O_NONBLOCK", 0)))
    except (OSError, ValueError) as reason:  # ValueError: a null character in the name
        raise _unreadable(path, name, reason, error) from reason
    kind = stat.S_IFMT(os.fstat(raw.fileno()).st_mode)
    if kind != stat.S_IFREG:
        raw.close()
        raise error(f"{name}: cannot be read: it is {_KINDS.get(kind, 'something else')}, expected a file.")
    return RegularFile(raw)


def _unreadable(
    path: str | PathLike[str], name: str, reason: OSError | ValueError, error: type[SkelgraphError]
) -> SkelgraphError:
    if isinstance(reason, OSError):
        if reason.errno == errno.ENOENT:
            return error(f"{name}: there is no such file.")
        if reason.errno == errno.EISDIR or os.path.isdir(path):
            return error(f"{name}: cannot be read: it is a folder, expected a file.")
        return error(f"{name}: cannot be read: {reason.strerror or reason}.")
    return error(f"{name}: cannot be read: {reason}.")
