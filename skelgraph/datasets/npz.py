"""A reader for npz files from strangers.

The motion files of this field are npz archives whose members are pickled dictionaries of arrays, and to unpickle a file
is to run what it says. This reader never lets numpy unpickle: its own unpickler knows a handful of harmless functions,
hands out no class, and rebuilds every array itself from checked pieces, so that a forged ``dtype`` or array state (with
which numpy's own functions could be made to follow pointers out of the file) does nothing either.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import zipfile
from collections.abc import Callable, Iterable
from os import PathLike
from typing import Any

import numpy as np

from skelgraph.errors import DataError

_ACCEPTED = "numpy arrays and numbers, dict, list, tuple, str, bytes, int, float, bool and None"


class _RefusedError(Exception):
    """Something that does not belong into a motion file."""


def read_npz(path: str | PathLike[str], required: Iterable[str] = ()) -> dict[str, Any]:
    """Read every member of an npz file; nothing in the file is ever executed.

    Members may be arrays or pickles, of numpy 1 or 2, of numpy arrays and numbers, dict, list, tuple, str, bytes, int,
    float, bool and None. An array that holds one object, as ``np.savez(file, name=dictionary)`` writes it, is given
    back as that object.

    Args:
        path: The file.
        required: Members that have to be there.

    Raises:
        DataError: The file is missing, damaged or not an npz file, lacks a required member, or holds anything else; the
            error names the file, the member and what was refused.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist()}
            for name in required:
                if name not in members:
                    raise DataError(f"{path}: has no member {name!r}; it has: {', '.join(sorted(members)) or 'none'}.")
            return {
                member: _read_member(archive, name, f"{path}: member {member!r}") for member, name in members.items()
            }
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file.") from error
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:  # what zipfile raises on damaged files
        raise DataError(f"{path}: is not an npz file, or only a part of one ({error}).") from error


def _read_member(archive: zipfile.ZipFile, name: str, where: str) -> Any:
    try:
        return _read_npy(archive.read(name))
    except _RefusedError as error:
        raise DataError(
            f"{where}: holds {error}, which is refused and was not executed; accepted are {_ACCEPTED}."
        ) from error
    except Exception as error:  # a damaged file fails in as many ways as zip, npy and pickle have parts
        raise DataError(f"{where}: is damaged or not a numpy array ({type(error).__name__}: {error}).") from error


def _read_npy(content: bytes) -> Any:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise ValueError(f"version {version} of the npy format, expected 1.0 or 2.0")
    if not dtype.hasobject:
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)
    array = _plain(_Unpickler(stream).load(), {})
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise ValueError(f"the pickle does not hold the array of shape {shape} that the header announces")
    return array.item() if array.shape == () and array.dtype == object else array


class _Unpickler(pickle._Unpickler):
    """Knows the functions that pickled arrays need, and nothing else.

    The unpickler written in Python: that in C reserves as much memory as a five-byte instruction tells it to.
    """

    def find_class(self, module: str, name: str) -> Any:
        """Look a global up in the list of the harmless ones."""
        module = module.replace("numpy._core", "numpy.core")  # its name in numpy 2
        if (module, name) not in _GLOBALS:
            # Quoted and cut: the name comes from the stranger and ends on a terminal.
            raise _RefusedError(f"a pickle that asks for {f'{module}.{name}'[:100]!r}")
        return _GLOBALS[module, name]


class _Global:
    """What the unpickler hands out for a global: it can be called or named, and neither changed nor subclassed."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise _RefusedError("a pickle that changes a function")


class _Dtype:
    """A pickled dtype; only the plain numbers, strings and ``object`` can be named."""

    __slots__ = ("dtype",)

    def __init__(self, code: str, *_: Any) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"(b1|[iu][1248]|f[248]|[SU]\d{1,6}|O8?)", code):
            raise _RefusedError(f"an array of dtype {code!r}")
        self.dtype = np.dtype(object if code.startswith("O") else code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # Of (version, byte order, subarray, names, fields, size, alignment, flags) only the byte order can differ.
        order = state[1]
        if order not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise _RefusedError("a structured dtype")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """A pickled array, rebuilt only once all its pieces are there."""

    __slots__ = ("_state",)

    def __setstate__(self, state: Any) -> None:
        self._state = state

    def build(self, memo: dict[int, Any]) -> np.ndarray:
        _, shape, dtype, fortran, content = self._state
        if not isinstance(dtype, _Dtype):
            raise _RefusedError("an array without a dtype")
        array: np.ndarray
        if dtype.dtype == object:
            if not isinstance(content, list) or len(content) != math.prod(shape):
                raise ValueError("an array of objects whose length is not that of its contents")
            array = np.empty(len(content), dtype=object)
            for i, item in enumerate(content):
                array[i] = _plain(item, memo)
        else:
            if isinstance(content, str):  # Python 2 made no difference between bytes and text
                content = content.encode("latin1")
            array = np.frombuffer(content, dtype.dtype).copy()
        return array.reshape(shape, order="F" if fortran else "C")


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if kind is not _NDARRAY:
        raise _RefusedError("an array of an unusual class")
    return _Array()


def _scalar(dtype: Any, content: Any) -> Any:
    if not isinstance(dtype, _Dtype) or dtype.dtype == object:
        raise _RefusedError("a number that is not one")
    (value,) = np.frombuffer(content, dtype.dtype)
    return value


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise _RefusedError(f"a text to be encoded as {encoding!r}")
    return text.encode("latin1")


def _refuse_call(*_: Any) -> Any:
    raise _RefusedError("a direct call of numpy.ndarray")


_NDARRAY = _Global(_refuse_call)
_GLOBALS: dict[tuple[str, str], _Global] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Global(_Dtype),
    ("numpy.core.multiarray", "_reconstruct"): _Global(_reconstruct),
    ("numpy.core.multiarray", "scalar"): _Global(_scalar),
    # Protocol 2 has no bytes: it writes them as a call of `encode`, and empty ones as a call of `bytes`.
    ("_codecs", "encode"): _Global(_encode),
    ("__builtin__", "bytes"): _Global(lambda: b""),
}


def _plain(value: Any, memo: dict[int, Any]) -> Any:
    """Return the accepted value that unpickled ``value`` stands for.

    ``memo`` keeps what is done by id: an array that is shared stays shared, and lists of lists of the same list cost no
    more to read than to write.
    """
    if id(value) in memo:
        return memo[id(value)]
    result: Any
    if isinstance(value, _Array):
        result = value.build(memo)
    elif isinstance(value, dict):
        result = {_plain(key, memo): _plain(item, memo) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        result = type(value)(_plain(item, memo) for item in value)
    elif value is None or isinstance(value, str | bytes | int | float | np.generic):
        result = value
    else:
        raise _RefusedError(f"a {type(value).__name__}")
    memo[id(value)] = result
    return result
