"""JSON from strangers: numbers that are numbers, of a size that can be used."""

from __future__ import annotations

import json
import math
from os import PathLike
from typing import Any

from skelgraph.errors import SkelgraphError
from skelgraph.files.regular import open_regular
from skelgraph.text import plain, shown

_LARGEST = 2**24  # bytes; what is parsed takes up to twenty times as much memory


def read_json(path: str | PathLike[str], error: type[SkelgraphError]) -> Any:
    """Read a JSON file.

    Args:
        path: The file, in UTF-8.
        error: The kind of error to raise.

    Raises:
        SkelgraphError: Of the given kind, if the file cannot be read or is refused by :func:`parse_json`.
    """
    with open_regular(path, error) as file:
        return parse_json(file.read(_LARGEST + 1), f"{plain(str(path), 1000)}:", error)


def parse_json(text: str | bytes, label: str, error: type[SkelgraphError]) -> Any:
    """Parse JSON; ``NaN``, infinity and integers of more than 64 bits, which nobody means, are errors.

    Args:
        text: The JSON.
        label: What it is, for the message.
        error: The kind of error to raise.

    Raises:
        SkelgraphError: Of the given kind, if the text is no JSON, is nested too deeply or is longer than 16 MiB.
    """
    if len(text) > _LARGEST:
        raise error(f"{label} is longer than the {_LARGEST} bytes that JSON is read up to.")
    try:
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        return json.loads(text, parse_constant=_refuse_constant, parse_int=_integer, parse_float=_number)
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError as problem:
        reason = plain(str(problem), 200)
    raise error(f"{label} is not a JSON file that can be used: {reason}.")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise ValueError(f"{shown(digits, 40)} is no integer of 64 bits")
    return int(digits)


def _number(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError(f"{shown(digits, 40)} is too large for a number")
    return number
