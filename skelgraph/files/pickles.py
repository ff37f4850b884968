"""The reader of untrusted pickles, which all other readers use.

Unpickling a file runs the calls that it names. This unpickler takes names from a fixed table of harmless functions of
its own only, gives out no class, and rebuilds every array itself from checked parts, so that a forged ``dtype`` or
array state (with which numpy's own functions could be made to follow pointers out of the file) has no effect either.
The work is bounded: the number of instructions, the size of copies (a few times that of the file), keys to those that
are quick to hash, and the size of the result, shared parts counted each time.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from skelgraph.text import shown

_MOST_INSTRUCTIONS = 2**20  # each makes at most about a hundred bytes beside those that it reads
_MOST_BITS = 2**13  # of an integer
_DEEPEST = 256
_KEYS = (str, bytes, int, float, type(None), np.generic)
_LEAVES = (*_KEYS, np.ndarray)


class RefusedError(Exception):
    """Something that a file of this kind must not hold; the message continues "it holds ..."."""


class Skipped:
    """Takes the place of an object in a checkpoint that is no data; it was never imported, built or called.

    Attributes:
        name: What it is, ``"numpy.random._pickle.__randomstate_ctor"``.
        state: What the file says of its content.
    """

    __slots__ = ("name", "state")

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: Any = None

    def __repr__(self) -> str:  # noqa: D105
        return f"<{self.name}, skipped>"

    def finish(self, reader: Unpickler, state: Any) -> Skipped:
        """Keep the state."""
        self.state = state
        return self


class Function:
    """What a name in a pickle stands for: a function of this library, called with the reader and the arguments."""

    __slots__ = ("_function", "name")

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function = function
        self.name = name

    def __call__(self, reader: Unpickler, *args: Any) -> Any:  # noqa: D102
        return self._function(reader, *args)


class Unfinished:
    """A value whose state has not been read yet.

    Args:
        build: Makes the value of the reader and the state.
    """

    __slots__ = ("_build", "value")

    def __init__(self, build: Callable[[Unpickler, Any], Any]) -> None:
        self._build = build
        self.value: Any = None

    def finish(self, reader: Unpickler, state: Any) -> Any:
        """Build the value, which later references in the pickle then give in place of this one."""
        self.value = reader.attempt(self._build, state)
        return self.value


class Dtype:
    """A pickled dtype; only the plain numbers, texts and ``object`` can be named."""

    __slots__ = ("dtype",)

    def __init__(self, reader: Unpickler, code: Any, *_: Any) -> None:
        if isinstance(code, bytes):
            code = code.decode("latin1")
        if not isinstance(code, str) or not re.fullmatch(r"(b1|[iu][1248]|f[248]|[SU]\d{1,6}|O8?)", code):
            raise RefusedError(f"an array of dtype {shown(code)}")
        self.dtype = np.dtype(object if code.startswith("O") else code)

    def finish(self, reader: Unpickler, state: Any) -> Dtype:
        """Set the byte order; of (version, byte order, subarray, names, fields, size, ...) nothing else may vary."""
        order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise RefusedError("a structured dtype")
        self.dtype = self.dtype.newbyteorder(order)  # type: ignore[arg-type]
        return self

    def read(self, reader: Unpickler, content: Any, count: int) -> np.ndarray:
        """An array ``(count,)`` of pickled bytes."""
        if isinstance(content, str):  # as Python 2 writes bytes
            content = content.encode("latin1")
        if self.dtype == object or not isinstance(content, bytes) or len(content) != count * self.dtype.itemsize:
            raise RefusedError("an array whose content is not that of its shape and dtype")
        reader.charge(len(content))
        return np.frombuffer(content, self.dtype).copy() if content else np.zeros(count, self.dtype)


class Unpickler(pickle._Unpickler):
    """Reads one pickle.

    Its base is the unpickler written in Python: the one written in C reserves as much memory as a five-byte instruction
    asks for.

    Args:
        stream: Where the pickle starts; a file whose ``read`` is cut at its end before it sets memory aside.
        size: Bytes that the file holds.
        functions: What the names in the pickle stand for.
        skip: Whether objects that are no data become :class:`Skipped`; else they are refused.

    Raises:
        RefusedError: By :meth:`load`, if the pickle holds what it should not.
        Exception: By :meth:`load`; a damaged pickle fails in as many ways as it has instructions.
    """

    stack: list[Any]

    def __init__(self, stream: Any, size: int, functions: Mapping[tuple[str, str], Any], *, skip: bool = False) -> None:
        super().__init__(stream, encoding="latin1")
        self.dispatch = _Instructions(_DISPATCH)  # type: ignore[misc]
        self.functions = functions
        self.skip = skip
        self.size = size
        self._free = 4 * size + 2**20

    def load(self) -> Any:
        """Return the value, made of plain data, arrays and, with ``skip``, :class:`Skipped`."""
        value = super().load()
        self._check(value)
        return value

    def charge(self, size: int) -> None:
        """Count memory that is allocated in addition to the bytes just read.

        Raises:
            RefusedError: If it is more than a few times the size of the file.
        """
        if size > self._free:
            raise RefusedError("the same bytes many times over, more than the size of the file justifies")
        self._free -= size

    def attempt(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function of this library; with ``skip``, what it refuses is skipped."""
        try:
            return function(self, *args)
        except RefusedError as error:
            if not self.skip:
                raise
            return Skipped(str(error))

    def call(self, function: Any, args: Any) -> Any:
        """Return the result of a pickled call of ``function``."""
        if isinstance(function, Function) and isinstance(args, tuple):
            return self.attempt(function, *args)
        return self.refuse(getattr(function, "name", f"a call of a {type(function).__name__}"))

    def refuse(self, what: str) -> Skipped:
        """Return a :class:`Skipped` with ``skip``, else raise the error."""
        if not self.skip:
            raise RefusedError(what)
        return Skipped(what)

    def find_class(self, module: str, name: str) -> Any:
        """Look a global up in the table."""
        found = self.functions.get((module.replace("numpy._core", "numpy.core"), name))  # its name in numpy 2
        if found is not None:
            return found
        if self.skip:
            return Skipped(shown(f"{module}.{name}")[1:-1])
        raise RefusedError(f"a pickle that asks for {shown(f'{module}.{name}')}")

    def put(self, target: Any, items: list[Any]) -> None:
        """Put ``[key, value, key, value, ...]`` into a dictionary."""
        if type(target) is not dict:
            if not self.skip:
                raise RefusedError(f"a {type(target).__name__} that is filled like a dictionary")
            return
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(key, _KEYS):  # others could take for ever to hash
                target[key] = value
            elif not self.skip:
                raise RefusedError(f"a {type(key).__name__} as the key of a dictionary")

    def _extend(self, target: Any, items: list[Any]) -> None:
        if type(target) is list:
            target.extend(items)
        elif not self.skip:
            raise RefusedError(f"a {type(target).__name__} that is filled like a list")

    def _instantiate(self, klass: Any, args: Any) -> None:
        self.stack.append(self.call(klass, tuple(args)))

    def _build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Skipped | Unfinished | Dtype):
            finish: Callable[..., Any] = type(target).finish
            self.stack[-1] = self.attempt(lambda reader: finish(target, reader, state))
        elif not self.skip:  # else the attributes of an OrderedDict and the like
            raise RefusedError(f"a pickle that changes a {type(target).__name__}")

    def _check(self, value: Any) -> None:
        """Refuse a value that contains itself, is nested too deeply, or is far larger as a tree than the file.

        A list that is referred to several times stays one list, but code that walks the value as a tree
        (``np.asarray``, ``repr``, ``==``) walks it once for every reference.
        """
        most = 4 * self.size + _MOST_INSTRUCTIONS
        seen: dict[int, tuple[int, int]] = {}  # depth and unfolded size of what has parts; depth -1: on the way
        stack = [(value, False)]
        while stack:
            item, done = stack.pop()
            parts = _parts(item)
            if not parts:
                if not self.skip and not isinstance(item, (*_LEAVES, dict, list, tuple)):
                    kind = "class or function" if isinstance(item, Function) else type(item).__name__
                    raise RefusedError(f"a {kind} where data should be")
            elif done:
                known = [seen.get(id(part)) or (0, int(getattr(part, "nbytes", 1))) for part in parts]
                depth, size = 1 + max(d for d, _ in known), 1 + sum(s for _, s in known)
                if depth > _DEEPEST:
                    raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
                if size > most:
                    raise RefusedError("the same list many times over, more than the size of the file justifies")
                seen[id(item)] = depth, size
            elif id(item) not in seen:
                seen[id(item)] = -1, 0
                stack.append((item, True))
                stack.extend((part, False) for part in parts)
            elif seen[id(item)][0] < 0:
                raise ValueError(f"it has a {type(item).__name__} that holds itself")


def _parts(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype == object):
        return value.ravel().tolist() if isinstance(value, np.ndarray) else value
    return ()


class _Instructions(dict[int, Callable[[Any], None]]):
    """The instructions by their code, with a limit of how many are executed."""

    left = _MOST_INSTRUCTIONS

    def __getitem__(self, code: int) -> Callable[[Any], None]:
        self.left -= 1
        if self.left < 0:
            raise RefusedError(f"a pickle of more than {_MOST_INSTRUCTIONS} instructions")
        return super().__getitem__(code)

    def __missing__(self, code: int) -> Callable[[Any], None]:
        raise pickle.UnpicklingError(f"there is no instruction {bytes([code])!r}")


def _instruction(load: Callable[[Any], None]) -> Callable[[Any], None]:
    """An instruction that refers to an earlier value; if that has been finished since, to the finished one."""

    def recall(self: Unpickler) -> None:
        load(self)
        value = self.stack[-1]
        if isinstance(value, Unfinished) and value.value is not None:
            self.stack[-1] = value.value

    return recall


def _integer(load: Callable[[Any], None]) -> Callable[[Any], None]:
    """An instruction that reads an integer, of limited size."""

    def read(self: Unpickler) -> None:
        load(self)
        if isinstance(value := self.stack[-1], int) and value.bit_length() > _MOST_BITS:
            raise RefusedError(f"an integer of {value.bit_length()} bits")

    return read


def _reduce(self: Unpickler) -> None:
    args = self.stack.pop()
    self.stack[-1] = self.call(self.stack[-1], args)


def _new(self: Unpickler) -> None:
    args, cls = self.stack.pop(), self.stack.pop()
    self.stack.append(self.call(cls, args))


def _new_with_keywords(self: Unpickler) -> None:
    _, _, cls = self.stack.pop(), self.stack.pop(), self.stack.pop()
    self.stack.append(self.refuse(f"a call of {getattr(cls, 'name', type(cls).__name__)} with keywords"))


def _dict(self: Unpickler) -> None:
    items = self.pop_mark()  # type: ignore[attr-defined]
    result: dict[Any, Any] = {}
    self.put(result, items)
    self.stack.append(result)


def _set_item(self: Unpickler) -> None:
    value, key = self.stack.pop(), self.stack.pop()
    self.put(self.stack[-1], [key, value])


def _set_items(self: Unpickler) -> None:
    items = self.pop_mark()  # type: ignore[attr-defined]
    self.put(self.stack[-1], items)


def _append(self: Unpickler) -> None:
    value = self.stack.pop()
    self._extend(self.stack[-1], [value])


def _appends(self: Unpickler) -> None:
    items = self.pop_mark()  # type: ignore[attr-defined]
    self._extend(self.stack[-1], items)


def _empty_set(self: Unpickler) -> None:
    self.stack.append(self.call(self.find_class("builtins", "set"), ()))


def _add_items(self: Unpickler) -> None:
    self.pop_mark()  # type: ignore[attr-defined]


def _frozen_set(self: Unpickler) -> None:
    self.pop_mark()  # type: ignore[attr-defined]
    self.stack.append(self.call(self.find_class("builtins", "frozenset"), ()))


def _bytearray(self: Unpickler) -> None:
    self.read(int.from_bytes(self.read(8), "little"))  # type: ignore[attr-defined]
    self.stack.append(self.refuse("a bytearray"))


_LOADS: dict[int, Callable[[Any], None]] = pickle._Unpickler.dispatch
_DISPATCH: dict[int, Callable[[Any], None]] = {
    **_LOADS,
    **{code[0]: _instruction(_LOADS[code[0]]) for code in (pickle.GET, pickle.BINGET, pickle.LONG_BINGET)},
    **{code[0]: _integer(_LOADS[code[0]]) for code in (pickle.INT, pickle.LONG, pickle.LONG1, pickle.LONG4)},
    pickle.REDUCE[0]: _reduce,
    pickle.NEWOBJ[0]: _new,
    pickle.NEWOBJ_EX[0]: _new_with_keywords,
    pickle.BUILD[0]: Unpickler._build,
    pickle.DICT[0]: _dict,
    pickle.SETITEM[0]: _set_item,
    pickle.SETITEMS[0]: _set_items,
    pickle.APPEND[0]: _append,
    pickle.APPENDS[0]: _appends,
    pickle.EMPTY_SET[0]: _empty_set,
    pickle.ADDITEMS[0]: _add_items,
    pickle.FROZENSET[0]: _frozen_set,
    pickle.BYTEARRAY8[0]: _bytearray,
}
for _code in (pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER):
    del _DISPATCH[_code[0]]  # they refer to objects outside of the file


def _array(reader: Unpickler, state: Any) -> np.ndarray:
    _, shape, dtype, fortran, content = state
    if not isinstance(dtype, Dtype):
        raise RefusedError("an array without a dtype")
    count = math.prod(shape)
    if dtype.dtype != object:
        array = dtype.read(reader, content, count)
    else:
        if not isinstance(content, list) or len(content) != count:
            raise RefusedError("an array of objects whose length is not that of its contents")
        reader.charge(8 * count)
        array = np.empty(count, dtype=object)
        for i, item in enumerate(content):
            array[i] = item
    return array.reshape(shape, order="F" if fortran else "C")


def _reconstruct(reader: Unpickler, kind: Any, shape: Any, code: Any) -> Unfinished:
    if kind is not _NDARRAY:
        raise RefusedError("an array of an unusual class")
    return Unfinished(_array)


def _scalar(reader: Unpickler, dtype: Any, content: Any) -> Any:
    if not isinstance(dtype, Dtype):
        raise RefusedError("a number that is not one")
    return dtype.read(reader, content, 1)[0]


def _encode(reader: Unpickler, text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise RefusedError(f"a text to be encoded as {shown(encoding)}")
    reader.charge(len(text))
    return text.encode("latin1")


def _no_bytes(reader: Unpickler) -> bytes:
    return b""


def _ordered_dict(reader: Unpickler, items: Any = ()) -> dict[Any, Any]:
    pairs = list(items.items()) if isinstance(items, dict) else items
    if not isinstance(pairs, list | tuple):
        raise RefusedError(f"a dictionary made of a {type(pairs).__name__}")
    reader.charge(100 * len(pairs))
    result: dict[Any, Any] = {}
    reader.put(result, [part for pair in pairs for part in _pair(pair)])
    return result


def _pair(pair: Any) -> Any:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise RefusedError("a dictionary made of something else than pairs")
    return pair


def _default_dict(reader: Unpickler, default: Any = None, items: Any = ()) -> dict[Any, Any]:
    return _ordered_dict(reader, items)


def _oldest_object(reader: Unpickler, kind: Any, base: Any = None, state: Any = None) -> Any:
    """An object as the oldest pickle protocols make it."""
    return reader.call(kind, ())


def _object(reader: Unpickler, *_: Any) -> Any:
    raise RefusedError("an object of an unusual class")


def _no_call(reader: Unpickler, *_: Any) -> Any:
    raise RefusedError("a direct call of numpy.ndarray")


def functions(table: Mapping[tuple[str, str], Callable[..., Any]]) -> dict[tuple[str, str], Function]:
    """Wrap functions, so that a pickle can call or name them, but neither change them nor read their attributes."""
    return {key: Function(function, ".".join(key)) for key, function in table.items()}


_PYTHON: dict[tuple[str, str], Callable[..., Any]] = {
    # Protocol 2 has no bytes: it writes them as a call of `encode`, and empty ones as a call of `bytes`.
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    ("builtins", "bytes"): _no_bytes,
    ("collections", "OrderedDict"): _ordered_dict,
    ("collections", "Counter"): _ordered_dict,
    ("collections", "defaultdict"): _default_dict,
    **{(module, "_reconstructor"): _oldest_object for module in ("copy_reg", "copyreg")},
    # Named as the base of the oldest objects and as the default of a dictionary, and not called.
    **{
        (module, name): _object
        for module in ("__builtin__", "builtins")
        for name in ("object", "list", "dict", "int", "float")
    },
}
_NUMPY: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _no_call,
    ("numpy", "dtype"): Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
}
PLAIN = functions({**_PYTHON, **_NUMPY})
"""The names that stand for plain data and arrays."""
_NDARRAY = PLAIN["numpy", "ndarray"]
