"""Untrusted text (names in files, values of options) made safe to show on a terminal, in a figure, page or message."""

from __future__ import annotations

import dataclasses
import reprlib
import unicodedata
from typing import Any

_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})  # control, format, unassigned, private, lone surrogates


def plain(text: object, limit: int = 80) -> str:
    """Return a name as one line of printable text, cut at ``limit``; nothing in it can control a terminal.

    Control and format characters (escape sequences, line breaks, changes of the writing direction, lone surrogates) are
    written as Python writes them in a string literal, ``\\x1b``. Markup is not escaped, since each renderer has its own
    way to take plain text: rich ``Text(plain(name))``, matplotlib ``parse_math=False``, jinja2 escapes by default.

    Args:
        text: The name.
        limit: Most characters of the result.
    """
    whole = str(text) if isinstance(text, str | int | float) else shown(text, limit)
    seen = "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in _INVISIBLE else character
        for character in whole[: limit + 1]
    )
    return seen if len(seen) <= limit else seen[: limit - 1] + "…"


def shown(value: object, limit: int = 100) -> str:
    """Return a value as messages show it: its ``repr`` on one printable line, cut at ``limit``.

    Nested containers are shown to a small depth only, so that no value takes long to print or fills the screen; of
    arrays and tensors the shape and type are shown.

    Args:
        value: Any value.
        limit: Most characters of the result.
    """
    return plain(_Brief(limit).repr(value), limit)


def repr_by_shape(record: Any) -> str:
    """The ``repr`` of a record of arrays and tensors: their shapes, ``Motion(positions=[100, 17, 3], up='z')``, as PyG
    shows its ``Data``; what is ``None`` is left out.

    Args:
        record: A named tuple or an instance of a dataclass.
    """
    names = getattr(record, "_fields", None) or [field.name for field in dataclasses.fields(record)]
    values = {name: getattr(record, name) for name in names}
    parts = [f"{name}={_shape_of(value) or shown(value, 300)}" for name, value in values.items() if value is not None]
    return f"{type(record).__name__}({', '.join(parts)})"


def _shape_of(value: Any) -> str | None:
    shape = getattr(value, "shape", None)
    return f"[{', '.join(map(str, shape))}]" if isinstance(shape, tuple) and len(shape) else None


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
