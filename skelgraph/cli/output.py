"""What a command says: its answer, once, for people or as JSON, and messages beside it.

A command prints messages as it likes, and hands what it found to :func:`answer`. With ``--json`` the answer is all that
is on stdout, and messages go to stderr; with ``--quiet`` there are none, and no answer for people either.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeVar

from skelgraph.files import to_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Facts = TypeVar("Facts")
SWITCHES = {"--json": "the answer as one JSON document on stdout", "--quiet": "nothing but errors (and JSON)"}
"""What may stand anywhere on the command line, before the command and behind it."""


PIPED, LEAST = 200, 60
"""Columns of a table that no terminal shows, and of one on the narrowest, which breaks its lines: with fewer, cells
would be left out."""


@dataclass(frozen=True)
class _Voice:
    out: IO[str] | None = None
    """Where JSON goes."""
    is_quiet: bool = False
    err: IO[str] | None = None
    """Where errors go though messages go nowhere."""


_PLAIN = _Voice()
_voice: ContextVar[_Voice] = ContextVar("_voice", default=_PLAIN)


def answer(facts: Facts, show: Callable[[Facts], None]) -> None:
    """Say what a command found; every command does it once.

    Args:
        facts: Plain values: what JSON has, and paths. A number that is not finite becomes ``null``.
        show: Prints them for people.
    """
    voice = _voice.get()
    if voice.out is not None:
        print(to_json(facts), file=voice.out, flush=True)
    elif not voice.is_quiet:
        show(facts)


def console() -> Console:
    """Where tables and sentences are printed: as wide as the terminal, but for the narrowest, and wide enough for whole
    rows in a file or a pipe, unless ``COLUMNS`` says how wide."""
    from rich.console import Console

    class Piped(Console):
        def on_broken_pipe(self) -> None:
            raise  # for `main`, as out of every other print

    made = Piped(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED)
    made.width = max(made.width, LEAST)
    return made


def named(table: Table, column: str, names: Iterable[str], **style: Any) -> None:
    """Add a column of names that one has to type, which are never cut, nor broken where the other columns can be
    narrower."""
    table.add_column(column, no_wrap=True, min_width=max(map(len, (column, *names))), **style)


def for_people() -> bool:
    """Whether answers are for people, and messages wanted."""
    voice = _voice.get()
    return voice.out is None and not voice.is_quiet


def complain(text: str) -> None:
    """Say what went wrong though the command goes on."""
    print(text, file=_voice.get().err or sys.stderr, flush=True)


@contextlib.contextmanager
def speaking(switches: Collection[str]) -> Iterator[None]:
    """Let what is done inside answer as the switches say.

    Args:
        switches: Those of :data:`SWITCHES` that are given.
    """
    as_json, is_quiet = "--json" in switches, "--quiet" in switches
    if not (as_json or is_quiet):
        yield
        return
    nowhere = _Nowhere()
    token = _voice.set(_Voice(sys.stdout if as_json else None, is_quiet, sys.stderr))
    try:
        with (
            contextlib.redirect_stdout(nowhere if is_quiet else sys.stderr),
            contextlib.redirect_stderr(nowhere if is_quiet else sys.stderr),
        ):
            yield
    finally:
        _voice.reset(token)


class _Nowhere(io.TextIOBase):
    """Takes all that is written; never full, never closed by those that have kept it."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        return len(text)

    def close(self) -> None:
        pass
