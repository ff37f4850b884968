"""A reader for untrusted MAT-files of versions 5 to 7.2, which MATLAB writes unless told otherwise.

Format: `MAT-File Level 5 <https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf>`_. Numeric arrays and cells
of them are read; what else there is in the file is skipped. (Version 7.3 is HDF5, see :mod:`skelgraph.files.foreign`.)
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from typing import Literal

import numpy as np

from skelgraph.errors import DataError
from skelgraph.text import plain, shown

_UNPACKED = (2**26, 16)  # bytes that a file may unpack to: a constant, and times its size
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _NUMERIC = 1, range(6, 16)  # classes of arrays
_COMPLEX = 0x0800
_LEVELS = 8  # of cells in cells


class _Damaged(Exception):  # noqa: N818 - becomes the DataError that names the file
    pass


def read_mat(content: bytes, names: Collection[str], label: str) -> dict[str, np.ndarray]:
    """Read some variables of a MAT-file; nothing in it is ever executed.

    Args:
        content: The file.
        names: The variables that are wanted, each of which has to be there.
        label: Name of the file in error messages.

    Returns:
        The variables by name, with the shapes that MATLAB shows. A cell is an array of objects, each an array.

    Raises:
        DataError: The file is damaged or of another kind, lacks a variable, unpacks to more than 64 MiB and 16 times
            its size, or a variable is neither numbers nor a cell of them.
    """
    label = plain(label, 1000)
    if content[:8] == b"\x89HDF\r\n\x1a\n" or content[512:520] == b"\x89HDF\r\n\x1a\n":
        raise DataError(f"{label}: is a MAT-file of version 7.3, expected one of version 5 to 7.2.")
    try:
        return _Reader(content).variables(names)
    except _Damaged as error:
        raise DataError(f"{label}: {error}.") from error
    except (struct.error, StopIteration, ValueError, zlib.error) as error:
        reason = plain(str(error), 200) or "it ends early"
        raise DataError(f"{label}: is not a MAT-file of version 5 to 7.2, or only a part of one ({reason}).") from error


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.order: Literal["<", ">"] = ">" if content[126:128] == b"MI" else "<"
        if content[126:128] not in (b"IM", b"MI") or content[124:126] not in (b"\0\1", b"\1\0"):
            raise ValueError("its header is another one")
        self.free = _UNPACKED[0] + _UNPACKED[1] * len(content)

    def variables(self, names: Collection[str]) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        present = []
        for kind, element in self.elements(memoryview(self.content)[128:]):
            if kind == _COMPRESSED and self.name(self.inflate(element, 4096)) not in names:
                present.append(self.name(self.inflate(element, 4096)))
                continue
            if kind == _COMPRESSED:
                ((kind, element),) = self.elements(memoryview(self.inflate(element)))
            if kind != _MATRIX:
                continue
            name = self.name(element)
            present.append(name)
            if name in names:
                found[name] = self.array(element, name)
        for name in names:
            if name not in found:
                listed = ", ".join(map(plain, sorted(present)[:20])) or "none"
                raise _Damaged(f"has no variable {name!r}; it has: {listed}")
        return found

    def inflate(self, element: memoryview, most: int = 0) -> bytes:
        """Unpack an element, or its beginning."""
        unpack = zlib.decompressobj()
        unpacked = unpack.decompress(element, most or self.free + 1)
        if not most:
            self.free -= len(unpacked)
            if self.free < 0:
                raise _Damaged(
                    f"unpacks to more than the {_UNPACKED[0] + _UNPACKED[1] * len(self.content)} bytes that are read "
                    f"of a file of {len(self.content)} bytes"
                )
            if not unpack.eof:
                raise ValueError("it ends early")
        return unpacked

    def elements(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """The elements that stand one behind the other: type and content."""
        at = 0
        while at < len(data):
            kind, size, start, at = self.tag(data, at)
            yield kind, data[start : start + size]

    def tag(self, data: memoryview, at: int) -> tuple[int, int, int, int]:
        """Type and size of an element, where its content begins, and where the next one does."""
        (first,) = struct.unpack_from(f"{self.order}I", data, at)
        if first >> 16:  # type and size in one word, and the content in the next
            kind, size, start, end = first & 0xFFFF, first >> 16, at + 4, at + 8
            if size > 4:
                raise ValueError(f"a short element of {size} bytes")
        else:
            (size,) = struct.unpack_from(f"{self.order}I", data, at + 4)
            kind, start = first, at + 8
            end = start + size if kind == _COMPRESSED else start + -(-size // 8) * 8
        if start + size > len(data):
            raise ValueError("it ends early")
        return kind, size, start, end

    def name(self, element: memoryview | bytes) -> str:
        """The name of a variable, from its content or the beginning of it; with its own tag if it was compressed."""
        data = memoryview(element)
        if isinstance(element, bytes):
            data = data[8:]
        _, size, start, _ = self.tag(data, self.tag(data, self.tag(data, 0)[3])[3])
        return bytes(data[start : start + size]).decode("ascii", "replace")

    def array(self, element: memoryview, name: str, level: int = 0) -> np.ndarray:
        if not len(element):  # an empty array in a cell
            return np.empty((0, 0))
        parts = self.elements(element)
        flags, dims = self.numbers(*next(parts)), self.numbers(*next(parts))
        next(parts)  # the name
        if len(flags) != 2 or flags.dtype.kind not in "iu" or dims.dtype.kind not in "iu":
            raise ValueError("an array without class and shape")
        shape = tuple(dims.tolist())
        if len(shape) < 2 or min(shape) < 0:
            raise ValueError(f"an array of shape {shown(shape)}")
        kind = int(flags[0]) & 0xFF
        if kind == _CELL and level < _LEVELS:
            cells = [self.array(cell, name, level + 1) for kind, cell in parts if kind == _MATRIX]
            if len(cells) != math.prod(shape):
                raise ValueError(f"{len(cells)} arrays in a cell of shape {shown(shape)}")
            result = np.empty(len(cells), dtype=object)
            for i, cell in enumerate(cells):
                result[i] = cell
            return result.reshape(shape, order="F")
        if kind not in _NUMERIC or int(flags[0]) & _COMPLEX:
            raise _Damaged(f"variable {plain(name)!r} is neither real numbers nor a cell of them")
        numbers = self.numbers(*next(parts, (9, memoryview(b""))))
        if len(numbers) != math.prod(shape):
            raise ValueError(f"{len(numbers)} numbers in an array of shape {shown(shape)}")
        return numbers.reshape(shape, order="F")

    def numbers(self, kind: int, data: memoryview) -> np.ndarray:
        if kind not in _NUMBERS:
            raise ValueError(f"elements of type {kind} where numbers were expected")
        return np.frombuffer(data, np.dtype(_NUMBERS[kind]).newbyteorder(self.order))
