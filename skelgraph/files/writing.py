"""The one way a file is written: all of it or nothing."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from os import PathLike

from skelgraph.errors import SkelgraphError
from skelgraph.files.regular import as_path
from skelgraph.text import plain


def write_file(path: str | PathLike[str], content: bytes) -> None:
    """Write a file under a temporary name beside it and rename it, so that ``path`` is the old or the new file at every
    moment, whatever happens; a write that fails leaves nothing behind.

    Args:
        path: The file; its folder is made if need be.
        content: What it is to hold.

    Raises:
        SkelgraphError: If it is a folder, or no name.
        OSError: If the disk is full or the folder cannot be written to; the error names ``path``.
    """
    path = as_path(path)
    if path.is_dir():
        raise SkelgraphError(f"{plain(str(path), 1000)} is a folder, expected the name of a file to write")
    # A name of its own, so that two programs that write the same file do not write into each other's.
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        with suppress(OSError):  # it is gone, or never was
            temporary.unlink()
