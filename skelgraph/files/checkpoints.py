"""A reader for the checkpoints of ``torch.save``, of any author.

``torch.load(weights_only=True)`` refuses a file as soon as anything in it is more than tensors and plain data, and the
authors' scripts save more: the state of a random generator, NumPy numbers, a module beside its weights. This reader
takes the tensors and plain data and leaves a :class:`~skelgraph.files.Skipped` in place of the rest; of the rest
nothing is imported or built, see :mod:`skelgraph.files.pickles`. A tensor is a view of bytes of the file, each read
once.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, NamedTuple

import torch
from torch import Tensor

from skelgraph.errors import CheckpointError
from skelgraph.files.pickles import PLAIN, Function, RefusedError, Skipped, Unpickler, functions
from skelgraph.files.regular import RegularFile, open_regular
from skelgraph.text import plain, shown

_ZIP = b"PK\x03\x04"
_MAGIC = 0x1950A86A20F9469CFC6C  # the first value in a file of the older format
_PROTOCOL = 1001  # and the second


def read_checkpoint(path: str | PathLike[str]) -> Mapping[str, Any]:
    """Read a file that ``torch.save`` wrote, in today's zip format or the older one; nothing in it is ever executed.

    Args:
        path: The file.

    Returns:
        The dictionary that was saved: tensors on the CPU, arrays and plain data; what is something else is a
        :class:`~skelgraph.files.Skipped`. The same for the attributes of a module that was saved whole.

    Raises:
        CheckpointError: If the file is missing, damaged, or holds no dictionary.
    """
    label = f"checkpoint {plain(str(path), 1000)}"
    with open_regular(path, CheckpointError) as file:
        try:
            start = file.read(9)
            file.seek(0)
            if _starts_as_safetensors(start, file.size):
                raise RefusedError("safetensors, which skelgraph.load_model reads")
            content = _read_zip(file) if start.startswith(_ZIP) else _read_older(file)
        except RefusedError as error:
            raise CheckpointError(f"{label} is refused, and was not executed: it holds {error}") from error
        except Exception as error:  # a damaged file fails in as many ways as zip and pickle have parts
            reason = f"{type(error).__name__}: {plain(str(error), 200)}"
            raise CheckpointError(f"{label} is damaged or no checkpoint file ({reason})") from error
    if isinstance(content, Skipped) and isinstance(content.state, dict):
        content = content.state
    if isinstance(content, Skipped):
        raise CheckpointError(f"{label} is refused, and was not executed: it holds {content.name}")
    if not isinstance(content, dict):
        raise CheckpointError(f"{label} holds a {type(content).__name__}, expected a dict of tensors")
    return content


def is_safetensors(path: str | PathLike[str]) -> bool:
    """Whether a file starts as safetensors files do: the length of the JSON that follows.

    Raises:
        CheckpointError: If there is no such file.
    """
    with open_regular(path, CheckpointError) as file:
        return _starts_as_safetensors(file.read(9), file.size)


def _starts_as_safetensors(start: bytes, size: int) -> bool:
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") < size


class _StorageType(NamedTuple):
    """How the bytes of a storage are read; ``dtype`` is ``None`` where this library has no use for them."""

    name: str
    itemsize: int
    dtype: torch.dtype | None


class _StorageReader(Unpickler):
    """Collects the types of the storages that a pickle refers to, and makes no tensors."""

    def __init__(self, stream: Any, size: int) -> None:
        super().__init__(stream, size, _NAMES, skip=True)
        self.kinds: dict[str, _StorageType] = {}

    def persistent_load(self, pid: Any) -> Any:
        """What stands for ``("storage", type, name, device, number of elements)``, or for ``("module", class, ...)`` as
        the older format has it."""
        match pid:
            case ("module", Skipped() as module, *_):
                return module
            case ("storage", Skipped() as kind, *_):
                return kind
            case ("storage", _StorageType() as kind, str(name), _, int(numel), *view):
                self.kinds[name] = kind
                return self._storage(name, kind, numel, view)
        raise RefusedError(f"a reference of unknown form, {shown(pid)}")

    def _storage(self, name: str, kind: _StorageType, numel: int, view: list[Any]) -> Any:
        return Skipped(kind.name)


class _CheckpointUnpickler(_StorageReader):
    """Makes tensors of the storages.

    Args:
        stream: Where the pickle starts.
        size: Bytes that the file holds.
        read: Gives the bytes of a storage by its name.
    """

    def __init__(self, stream: Any, size: int, read: Callable[[str], bytearray]) -> None:
        super().__init__(stream, size)
        self._read = read
        self._storages: dict[str, Tensor] = {}

    def _storage(self, name: str, kind: _StorageType, numel: int, view: list[Any]) -> Any:
        if kind.dtype is None:
            return Skipped(f"numbers of the type {kind.name}")
        if name not in self._storages:
            content = self._read(name)
            if len(content) != numel * kind.itemsize:
                raise ValueError(f"storage {shown(name)} has {len(content)} bytes, expected {numel} {kind.name}")
            empty = torch.empty(0, dtype=kind.dtype)
            self._storages[name] = torch.frombuffer(content, dtype=kind.dtype) if content else empty
        whole = self._storages[name]
        if whole.dtype != kind.dtype:
            raise ValueError(f"storage {shown(name)} has two types")
        if view and view[0] is not None:  # (name, first element, number of elements), in the older format
            _, first, length = view[0]
            return whole[_size(first) : _size(first) + _size(length)]
        return whole


def _read_zip(file: RegularFile) -> Any:
    with zipfile.ZipFile(file) as archive:
        root = next((name[: -len("data.pkl")] for name in archive.namelist() if name.endswith("/data.pkl")), None)
        if root is None:
            raise RefusedError("a zip archive without data.pkl, which torch.save does not write")
        free = file.size

        def read(name: str) -> bytearray:
            nonlocal free
            info = archive.getinfo(f"{root}{name}")
            free -= info.file_size
            if info.compress_type != zipfile.ZIP_STORED or free < 0:  # torch compresses nothing
                raise RefusedError(f"the entry {shown(info.filename)}, which says it has {info.file_size} bytes")
            content = bytearray(info.file_size)
            with archive.open(info) as entry:
                if entry.readinto(content) != len(content):  # type: ignore[attr-defined]
                    raise ValueError(f"{plain(info.filename)} ends early")
            return content

        if f"{root}byteorder" in archive.NameToInfo and read("byteorder") != b"little":
            raise RefusedError("numbers in the byte order of another machine")
        pickled = io.BytesIO(read("data.pkl"))
        return _CheckpointUnpickler(pickled, file.size, lambda name: read(f"data/{name}")).load()


def _read_older(file: RegularFile) -> Any:
    """Read pickles one after the other: magic number, protocol, properties of the machine, content, storage names.

    Then come the storages, each with its number of elements. Their types are in the content only, which is therefore
    read twice.
    """
    _read_header(file)
    start = file.tell()
    first_pass = _StorageReader(file, file.size)
    first_pass.load()
    places = {}
    for name in Unpickler(file, file.size, _NAMES).load():
        size = int.from_bytes(file.read(8), "little") * first_pass.kinds[name].itemsize
        places[name] = file.tell(), size
        if file.tell() + size > file.size:
            raise ValueError("it ends early")
        file.seek(size, 1)
    file.seek(start)

    def read(name: str) -> bytearray:
        place, size = places[name]
        here = file.tell()
        file.seek(place)
        content = bytearray(file.read(size))
        file.seek(here)
        return content

    return _CheckpointUnpickler(file, file.size, read).load()


def _read_header(file: RegularFile) -> None:
    if not file.size:
        raise EOFError("it is empty")
    try:
        header = [Unpickler(file, file.size, _NAMES).load() for _ in range(3)]
    except Exception as error:  # as many as a pickle has instructions
        raise RefusedError("neither of the two formats that torch.save writes") from error
    if header[:2] != [_MAGIC, _PROTOCOL] or not isinstance(header[2], dict):
        raise RefusedError("neither of the two formats that torch.save writes")
    if header[2].get("little_endian") is not True:
        raise RefusedError("numbers in the byte order of another machine")


def _size(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{shown(value)} is no size")
    return value


def _tensor(reader: Unpickler, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
    if not isinstance(storage, Tensor):
        raise RefusedError(storage.name if isinstance(storage, Skipped) else "a tensor without a storage")
    size, stride, offset = tuple(map(_size, size)), tuple(map(_size, stride)), _size(offset)
    if len(size) != len(stride) or len(size) > 64:
        raise ValueError("a tensor whose size and stride are not of the same length")
    numel = math.prod(size)
    if numel and offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) >= storage.numel():
        raise ValueError("a tensor reaches beyond its storage")
    reader.charge(numel * storage.itemsize)
    return storage.as_strided(size, stride, offset) if numel else storage.new_empty(size)


def _parameter(reader: Unpickler, data: Any, *_: Any) -> Any:
    return data


def _subclass(reader: Unpickler, function: Any, kind: Any, args: Any, state: Any) -> Any:
    """A tensor of a subclass, or with attributes: the tensor without them."""
    return reader.call(function, args)


def _sizes(reader: Unpickler, sizes: Any = ()) -> tuple[int, ...]:
    return tuple(map(_size, sizes))


def _unusual(what: str) -> Callable[..., Any]:
    def refuse(reader: Unpickler, *args: Any) -> Any:
        types = [arg.name for arg in args if isinstance(arg, Skipped) and arg.name.startswith("torch.")]
        raise RefusedError(f"{what}{f' of {types[-1]}' if types else ''}")

    return refuse


_STORAGES = {
    "Double": (8, torch.float64),
    "Float": (4, torch.float32),
    "Half": (2, torch.float16),
    "BFloat16": (2, torch.bfloat16),
    "Long": (8, torch.int64),
    "Int": (4, torch.int32),
    "Short": (2, torch.int16),
    "Char": (1, torch.int8),
    "Byte": (1, torch.uint8),
    "Bool": (1, torch.bool),
    "ComplexDouble": (16, None),
    "ComplexFloat": (8, None),
    "QInt32": (4, None),
    "QInt8": (1, None),
    "QUInt8": (1, None),
    "QUInt4x2": (1, None),
    "QUInt2x4": (1, None),
}
_NAMES: dict[tuple[str, str], Function | _StorageType] = {
    **PLAIN,
    **functions(
        {
            ("torch._utils", "_rebuild_tensor"): _tensor,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch._utils", "_rebuild_parameter"): _parameter,
            ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
            ("torch._tensor", "_rebuild_from_type_v2"): _subclass,
            ("torch", "Size"): _sizes,
            ("torch._utils", "_rebuild_tensor_v3"): _unusual("a tensor"),
            ("torch._utils", "_rebuild_sparse_tensor"): _unusual("a sparse tensor"),
            ("torch._utils", "_rebuild_qtensor"): _unusual("a quantized tensor"),
            ("torch._utils", "_rebuild_nested_tensor"): _unusual("a nested tensor"),
            ("torch._utils", "_rebuild_meta_tensor_no_storage"): _unusual("a tensor without numbers (meta)"),
        }
    ),
    **{
        (module, f"{name}Storage"): _StorageType(f"{module}.{name}Storage", itemsize, dtype)
        for module in ("torch", "torch.cuda")
        for name, (itemsize, dtype) in _STORAGES.items()
    },
    ("torch.storage", "UntypedStorage"): _StorageType("torch.storage.UntypedStorage", 1, None),
}
