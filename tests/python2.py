"""Pickles as Python 2 wrote them."""

from __future__ import annotations

import io
import pickle
import struct
from typing import Any


class Python2Pickler(pickle._Pickler):  # type: ignore[misc]
    """Writes bytes and text as Python 2 did, which made no difference between them."""

    def save_bytes(self, value: Any) -> None:
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch = pickle._Pickler.dispatch | {bytes: save_bytes, str: save_bytes}


def dumps(value: Any) -> bytes:
    """The pickle of a value in protocol 2, of numpy 1."""
    stream = io.BytesIO()
    Python2Pickler(stream, protocol=2).dump(value)
    return stream.getvalue().replace(b"numpy._core", b"numpy.core")
