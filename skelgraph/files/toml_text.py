"""TOML from strangers, of a size that can be used."""

from __future__ import annotations

import sys
from os import PathLike
from typing import Any

from skelgraph.errors import SkelgraphError
from skelgraph.files.regular import open_regular
from skelgraph.text import plain

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LARGEST = 2**18  # bytes


def read_toml(path: str | PathLike[str], error: type[SkelgraphError]) -> dict[str, Any]:
    """Read a TOML file. Numbers may be infinite, NaN or of any size: the caller checks those that it uses.

    Args:
        path: The file, in UTF-8.
        error: The kind of error to raise.

    Raises:
        SkelgraphError: Of the given kind, if the file cannot be read, is no TOML, is nested too deeply or larger than
            256 KiB.
    """
    label = plain(str(path), 1000)
    with open_regular(path, error) as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise error(f"{label}: is longer than the {_LARGEST} bytes that TOML is read up to.")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError as problem:
        reason = plain(str(problem), 200)
    raise error(f"{label}: is no TOML that can be used: {reason}.")
