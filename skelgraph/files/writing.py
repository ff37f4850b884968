"""Writing a file: completely or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from typing import IO

from skelgraph.errors import SkelgraphError
from skelgraph.files.regular import as_path
from skelgraph.text import plain


def write_file(path: str | PathLike[str], content: bytes) -> None:
    """Write a file as :func:`writing` does.

    Args:
        path: The file; its folder is made if it does not exist.
        content: The bytes to write.

    Raises:
        SkelgraphError: If it is a folder, or no name.
        OSError: If the disk is full or the folder cannot be written to; the error names ``path``.
    """
    with writing(path) as file:
        file.write(content)


@contextmanager
def writing(path: str | PathLike[str]) -> Iterator[IO[bytes]]:
    """Write a file under a temporary name in the same folder and rename it, so that ``path`` is the complete old or the
    complete new file at every moment; a write that fails leaves nothing behind.

    Args:
        path: The file; its folder is made if it does not exist.

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
        with temporary.open("wb") as file:
            yield file
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        with suppress(OSError):  # it is gone, or never was
            temporary.unlink()
