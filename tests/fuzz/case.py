"""What a case is, and where it finds its files."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

CANARY = "skelgraph_canary"
"""Name of the file that executed content would write; it stands in no name that the library itself opens."""

LONGEST_MESSAGE = 20_000
"""Characters of a message that nobody reads to the end."""


class Case(NamedTuple):
    """One thing to try: a line that says what it is, and the call."""

    text: str
    action: Callable[[], Any]


class Room(NamedTuple):
    """Folders of a case: good files of the session, not to be changed, and an empty folder of its own."""

    good: Path
    own: Path

    @property
    def canary(self) -> Path:
        """The file that must not exist after the case."""
        return self.own / CANARY


Make = Callable[[random.Random, int, Room], Case]
"""Draws case number so-and-so of a kind; making its files belongs to it, the call does not."""


class Kind(NamedTuple):
    """A kind of cases.

    Attributes:
        make: Draws a case.
        share: How many cases of the kind there are in a full run.
        writes: Whether such a case may write files and start processes: results, git, code that PyG generates.
        tensors: Whether tensors are handed to a layer or model whose other tensors have another dtype, layout or
            device: torch's own error, which names both, is the one that its users know.
    """

    make: Make
    share: int
    writes: bool = False
    tensors: bool = False


class Wrong(Exception):  # noqa: N818 - no error of the library, but the verdict of the fuzzer
    """The library did what it must not do, without raising an exception of its own."""


def message_fault(message: str) -> str:
    """What makes a message unfit to be shown, if anything."""
    if len(message) > LONGEST_MESSAGE:
        return f"a message of {len(message)} characters"
    bad = {
        unicodedata.name(c, hex(ord(c))) for c in message if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cs")
    }
    return f"a message with {', '.join(sorted(bad)[:3])}" if bad else ""
