"""Untrusted JSON, up to a limit of its size; JSON for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from os import PathLike
from pathlib import PurePath
from typing import Any

from skelgraph.errors import SkelgraphError
from skelgraph.files.regular import open_regular
from skelgraph.text import plain

_LARGEST = 2**24  # bytes; what is parsed takes up to twenty times as much memory


def read_json(path: str | PathLike[str], error: type[SkelgraphError], largest: int = _LARGEST) -> Any:
    """Read a JSON file.

    Args:
        path: The file, in UTF-8.
        error: The kind of error to raise.
        largest: Bytes up to which it is read; what is parsed takes up to twenty times the memory of the file.

    Raises:
        SkelgraphError: Of the given kind, if the file cannot be read or is refused by :func:`parse_json`.
    """
    with open_regular(path, error) as file:
        return parse_json(file.read(largest + 1), f"{plain(str(path), 1000)}:", error, largest)


def parse_json(text: str | bytes, label: str, error: type[SkelgraphError], largest: int = _LARGEST) -> Any:
    """Parse JSON. Numbers may be infinite, NaN or of any size: the caller checks those that it uses.

    Args:
        text: The JSON.
        label: What it is, for the message.
        error: The kind of error to raise.
        largest: Longest text that is parsed.

    Raises:
        SkelgraphError: Of the given kind, if the text is no JSON, has an integer of thousands of digits, is nested too
            deeply or longer than ``largest``, by default 16 MiB.
    """
    if len(text) > largest:
        raise error(f"{label} is longer than the {largest} bytes that JSON is read up to.")
    try:
        return json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text, parse_int=_integer)
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError as problem:
        reason = plain(str(problem), 200)
    raise error(f"{label} is not a JSON file that can be used: {reason}.")


def to_json(values: Any) -> str:
    """Return plain values as JSON for people; NaN and infinity, which JSON does not have, become ``null``, and paths
    texts."""
    # Half a character (a lone surrogate) has no UTF-8; its escape in Python is also its escape in JSON.
    text = json.dumps(_finite(values), indent=2, ensure_ascii=False, allow_nan=False, default=_text)
    return text.encode(errors="backslashreplace").decode()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(value: Any) -> str:
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no plain value")


def _integer(digits: str) -> int:
    if len(digits) > 4300:  # int() takes quadratic time, where Python does not refuse it
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)
