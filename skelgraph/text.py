"""Text from strangers (names in files, values of options), made fit for a terminal, a figure, a page or a message."""

from __future__ import annotations

import reprlib
import unicodedata
from typing import Any

_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})  # control, format, unassigned, private, lone surrogates


def plain(text: object, limit: int = 80) -> str:
    """Return a name as one line of printable text: nothing in it can steer a terminal, and it is cut at ``limit``.

    Control and format characters (escape sequences, line breaks, changes of direction, lone surrogates) are written as
    Python writes them in a string literal, ``\\x1b``. Markup of a particular renderer is left to that renderer: rich
    takes ``Text(plain(name))``, matplotlib ``parse_math=False``, jinja2 escapes by itself.

    Args:
        text: The name.
        limit: Most characters of the result.
    """
    whole = str(text) if isinstance(text, str | int | float) else shown(text, limit)
    seen = "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in _UNSEEN else character
        for character in whole[: limit + 1]
    )
    return seen if len(seen) <= limit else seen[: limit - 1] + "…"


def shown(value: object, limit: int = 100) -> str:
    """Return what a message shows of a value: its ``repr`` on one printable line, cut at ``limit``.

    Nested containers are opened to a small depth only, so that no value, however it is built, takes long or fills the
    screen; of arrays and tensors the shape and type are shown.

    Args:
        value: Any value.
        limit: Most characters of the result.
    """
    return plain(_Brief(limit).repr(value), limit)


class _Brief(reprlib.Repr):
    def __init__(self, limit: int) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = limit

    def repr1(self, x: Any, level: int) -> str:
        if isinstance(x, bytes | bytearray):
            return self.repr_str(x[: self.maxstring], level)  # type: ignore[arg-type]
        if isinstance(getattr(x, "shape", None), tuple) and hasattr(x, "dtype") and len(x.shape):
            return f"{type(x).__name__} {tuple(x.shape)} of {x.dtype}"
        return super().repr1(x, level)

    def repr_int(self, x: int, level: int) -> str:
        if x.bit_length() > 200:  # int.__repr__ refuses thousands of digits, and takes quadratic time for fewer
            return f"{'-' * (x < 0)}2**{x.bit_length() - 1} or more"
        return repr(x)
