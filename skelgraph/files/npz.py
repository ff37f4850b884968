"""A reader for untrusted npz files.

The motion files of this field are npz archives whose members are pickled dictionaries of arrays. This reader never lets
numpy unpickle, see :mod:`skelgraph.files.pickles`; it reads the members that are asked for, and refuses those whose
unpacked size is out of proportion to the size of the file.
"""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any

import numpy as np

from skelgraph.errors import DataError
from skelgraph.files.pickles import PLAIN, RefusedError, Unpickler
from skelgraph.files.regular import RegularFile, open_regular
from skelgraph.text import plain, shown

_ACCEPTED = "numpy arrays and numbers, dict, list, tuple, str, bytes, int, float, bool and None"
_UNPACKED = (2**26, 16)  # bytes that the members read may take: a constant, and times the size of the file


def read_npz(
    path: str | PathLike[str], required: Iterable[str] = (), optional: Iterable[str] | None = None
) -> dict[str, Any]:
    """Read the members of an npz file; nothing in the file is ever executed.

    Members may be arrays or pickles, of numpy 1 or 2, of Python 2 or 3, of numpy arrays and numbers, dict (with keys of
    text, bytes or numbers), list, tuple, str, bytes, int, float, bool and None. An array that holds one object, as
    ``np.savez(file, name=dictionary)`` writes it, is given back as that object. The members read together may unpack to
    64 MiB and 16 times the size of the file.

    Args:
        path: The file.
        required: Members that have to be there.
        optional: Members that are read as well if they are there; by default all others. Members that are not asked for
            are not unpacked.

    Raises:
        DataError: The file is missing, damaged or not an npz file, lacks a required member, or holds anything else; the
            error names the file, the member and what was refused.
    """
    label = plain(str(path), 1000)
    with _opened(path, label) as (archive, file):
        return _read_members(archive, file, label, tuple(required), optional)


def npz_members(path: str | PathLike[str]) -> tuple[str, ...]:
    """The names of the members of an npz file, none of which is read.

    Args:
        path: The file.

    Raises:
        DataError: The file is missing, damaged or not an npz file.
    """
    with _opened(path, plain(str(path), 1000)) as (archive, _):
        return tuple(name.removesuffix(".npy") for name in archive.namelist())


@contextmanager
def _opened(path: str | PathLike[str], label: str) -> Iterator[tuple[zipfile.ZipFile, RegularFile]]:
    with open_regular(path, DataError) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield archive, file
        except DataError:
            raise
        except OSError as error:
            raise DataError(f"{label}: cannot be read: {error.strerror or plain(str(error), 200)}.") from error
        except Exception as error:  # a damaged file fails in as many ways as a zip has parts
            reason = plain(str(error), 200)
            raise DataError(f"{label}: is not an npz file, or only a part of one ({reason}).") from error


def _read_members(
    archive: zipfile.ZipFile, file: RegularFile, label: str, required: tuple[str, ...], optional: Iterable[str] | None
) -> dict[str, Any]:
    members = {name.removesuffix(".npy"): archive.NameToInfo[name] for name in archive.namelist()}
    for name in required:
        if name not in members:
            listed = ", ".join(plain(name) for name in sorted(members)[:20]) or "none"
            raise DataError(f"{label}: has no member {name!r}; it has: {listed}.")
    wanted = set(members) if optional is None else {*required, *optional}
    free = _UNPACKED[0] + _UNPACKED[1] * file.size
    result = {}
    for name, info in members.items():
        if name in wanted:
            free -= info.file_size
            where = f"{label}: member {shown(name)}"
            if free < 0:
                raise DataError(
                    f"{where}: says that it unpacks to {info.file_size} bytes; from a file of {file.size} bytes at "
                    f"most {_UNPACKED[0] + _UNPACKED[1] * file.size} are read."
                )
            result[name] = _read_member(archive, info, where)
    return result


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> Any:
    try:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # numpy writes no other
            raise RefusedError("a compression that numpy does not write")
        content = bytearray(info.file_size)
        with archive.open(info) as member:
            if member.readinto(content) != len(content) or member.read(1):  # type: ignore[attr-defined]
                raise ValueError("it ends early")
        return _read_npy(content)
    except RefusedError as error:
        raise DataError(
            f"{where}: holds {error}, which is refused and was not executed; accepted are {_ACCEPTED}."
        ) from error
    except Exception as error:  # a damaged file fails in as many ways as zip, npy and pickle have parts
        reason = f"{type(error).__name__}: {plain(str(error), 200)}"
        raise DataError(f"{where}: is damaged or not a numpy array ({reason}).") from error


def _read_npy(content: bytearray) -> Any:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the npy format, expected 1.0 or 2.0")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*created on Python 2")
        shape, fortran, dtype = read_header(stream)
    if not dtype.hasobject:
        count, start = math.prod(shape), stream.tell()
        if count * dtype.itemsize != len(content) - start or (count and not dtype.itemsize):
            raise ValueError(f"{len(content) - start} bytes for an array of shape {shown(shape)} and dtype {dtype}")
        flat = np.frombuffer(content, dtype, offset=start) if count else np.empty(0, dtype)
        return flat.reshape(shape, order="F" if fortran else "C")
    array = Unpickler(stream, len(content), PLAIN).load()
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise ValueError(f"the pickle does not hold the array of shape {shown(shape)} that the header announces")
    return array.item() if array.shape == () and array.dtype == object else array
