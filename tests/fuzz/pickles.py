"""Pickles that no pickler writes: fragments of opcodes, each of which puts one object on the stack."""

from __future__ import annotations

import pickle
import random
import struct
from collections.abc import Callable
from typing import Any

from . import silly
from .case import Room

UNPICKLED: list[str] = []
"""What :func:`record` was called with: anything in here came from a file that was executed."""


def record(*arguments: Any) -> None:
    """A harmless function that only an executed pickle would call."""
    UNPICKLED.append(f"{arguments!r:.80}")


def text(value: str) -> bytes:
    """``value`` as a unicode object."""
    content = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(content)) + content


def integer(value: int) -> bytes:
    """``value`` as an int."""
    content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8b" + struct.pack("<i", len(content)) + content


def name(module: str, attribute: str) -> bytes:
    """A global."""
    return b"c" + f"{module}\n{attribute}\n".encode("utf-8", "surrogatepass")


def plain(value: Any) -> bytes:
    """The opcodes of a real pickle of ``value``, without its frame and end."""
    return pickle.dumps(value, protocol=2)[2:-1]


def reduce(function: bytes, *arguments: bytes) -> bytes:
    """A call."""
    return function + b"(" + b"".join(arguments) + b"tR"


def _calls(rng: random.Random, room: Room) -> bytes:
    """Something that runs code, in one of the ways that pickles have."""
    path = str(room.canary)
    script = f"open({path!r}, 'w').write('executed')"
    module, function, *arguments = rng.choice(
        [
            ("os", "system", f"touch {path}"),
            ("posix", "system", f"touch {path}"),
            ("subprocess", "getoutput", f"touch {path}"),
            ("subprocess", "check_output", ["touch", path]),
            ("builtins", "exec", script),
            ("builtins", "eval", script),
            ("__builtin__", "eval", script),
            ("builtins", "open", path, "w"),
            ("io", "open", path, "w"),
            ("os", "mkdir", path),
            ("pathlib", "Path.touch", path),
            ("runpy", "run_path", path),
            ("importlib", "import_module", "antigravity"),
            ("timeit", "timeit", script),
            ("code", "interact", path),
            ("numpy", "fromfile", path),
            ("numpy", "save", path, 0),
            ("numpy.core.multiarray", "fromfile", path),
            ("numpy", "memmap", path),
            ("torch", "save", 0, path),
            ("torch.serialization", "load", path),
            ("torch._C._jit", "x", path),
            ("torch.utils.cpp_extension", "load_inline", path),
            ("skelgraph.files.npz", "read_npz", path),
            ("skelgraph.files.writing", "write_file", path),
            (__name__, "record", "executed"),
            (__name__, "record", "executed"),
        ]
    )
    pushed = [plain(argument) for argument in arguments]
    where = name(module, function)
    ways: list[Callable[[], bytes]] = [
        lambda: reduce(where, *pushed),
        lambda: text(module) + text(function) + b"\x93(" + b"".join(pushed) + b"tR",
        lambda: b"(" + b"".join(pushed) + f"i{module}\n{function}\n".encode(),
        lambda: b"(" + where + b"".join(pushed) + b"o",
        lambda: where + b"(" + b"".join(pushed) + b"t\x81",
        lambda: where + b"(" + b"".join(pushed) + b"t}\x92",
        lambda: reduce(name("functools", "partial"), where, *pushed) + b")R",
        lambda: reduce(name("builtins", "map"), where, *pushed),
        lambda: reduce(name("builtins", "getattr"), name("os", "path"), text("os")),
        lambda: reduce(name("copyreg", "_reconstructor"), where, name("builtins", "object"), b"N"),
        lambda: name("numpy", "ndarray") + b"}" + text("__class__") + where + b"sb",
        lambda: reduce(name("torch._utils", "_rebuild_tensor_v2"), where, *pushed),
        lambda: reduce(name("collections", "OrderedDict"), reduce(where, *pushed)),
        lambda: reduce(name("collections", "defaultdict"), where) + text("x") + b"Ns",
        lambda: reduce(name("torch._utils", "_rebuild_parameter"), reduce(where, *pushed), b"\x88", b"}"),
    ]
    return rng.choice(ways)()


def _unknown(rng: random.Random, room: Room) -> bytes:
    modules = ["numpy", "numpy.core.multiarray", "torch", "torch._utils", "collections", "builtins", "scipy.sparse.csc"]
    module = rng.choice([*modules, "chumpy.ch", "numpy.random", "copyreg", "a" * 5000, *silly.TEXTS])
    attribute = rng.choice(["ndarray", "dtype", "Ch", "object", "_reconstruct", "__class__", "b" * 5000, *silly.TEXTS])
    found = name(module.replace("\n", ""), attribute.replace("\n", ""))
    return rng.choice([found, found + b")R", found + b")\x81", found + b")R}" + text("a") + b"Nsb"])


def _sizes(rng: random.Random, room: Room) -> bytes:
    """An instruction that announces more than there is."""
    huge = rng.choice([2**16, 2**28, 2**31 - 1])
    content = rng.randbytes(12)
    return rng.choice(
        [
            b"\x96" + struct.pack("<Q", rng.choice([huge, 2**33, 2**40, 2**63 - 1])) + content,  # BYTEARRAY8
            b"\x8e" + struct.pack("<Q", rng.choice([huge, 2**40, 2**63 - 1])) + content,  # BINBYTES8
            b"\x8d" + struct.pack("<Q", rng.choice([huge, 2**40])) + content,  # BINUNICODE8
            b"B" + struct.pack("<I", huge) + content,
            b"T" + struct.pack("<i", rng.choice([huge, -1])) + content,
            b"\x8b" + struct.pack("<i", rng.choice([huge, -1])) + content,  # LONG4
            b"\x95" + struct.pack("<Q", rng.choice([huge, 2**40, 0])) + b"N",  # FRAME
            b"Nr" + struct.pack("<I", huge),  # LONG_BINPUT
            b"j" + struct.pack("<I", huge),  # LONG_BINGET
            b"\x84" + struct.pack("<i", huge),  # EXT4
            b"\x97",  # NEXT_BUFFER
            b"N\x98",  # READONLY_BUFFER
            b"Pid\n",
            b"NQ",
        ]
    )


def _numbers(rng: random.Random, room: Room) -> bytes:
    digits = rng.choice([30, 4000, 5000, 100_000])
    return rng.choice(
        [
            integer(10 ** min(digits, 5000)),
            integer(-(1 << 8 * digits)),
            b"\x8b" + struct.pack("<i", 3_000_000) + b"\x7f" * 3_000_000,
            b"I" + b"9" * digits + b"\n",
            b"L" + b"9" * digits + b"L\n",
            b"Fnan\n",
            b"F1e999\n",
            b"G" + struct.pack(">d", rng.choice([float("nan"), float("inf"), 1e308])),
            b"I01\n",
        ]
    )


def _nested(rng: random.Random, room: Room) -> bytes:
    depth = rng.choice([3, 30, 60, 1000, 100_000])
    shared = min(depth, 60)
    lists = b"]q\x000" + b"".join(
        b"(h" + bytes([i]) + b"h" + bytes([i]) + b"lq" + bytes([i + 1]) + b"0" for i in range(shared)
    )
    tuples = b")" + b"2\x86" * shared
    return rng.choice(
        [
            tuples,  # 2**depth entries to print or hash
            b"}" + tuples + b"Ns",  # as a key
            b"\x8f(" + tuples + b"\x90",  # in a set
            lists + b"h" + bytes([shared]),
            b"]" * depth + b"a" * (depth - 1),
            b")" + b"\x85" * depth,
            (b"}" + text("a")) * depth + b"N" + b"s" * depth,
            b"]q\x00h\x00a",  # a list in itself
            b"}q\x00" + text("x") + b"h\x00s",
            b"]q\x00(h\x00th\x000",
            b"}" + integer(1) + b"}" + integer(1) + b"Nss",
            b"(lp0\n(g0\ng0\nlp1\n0g1\n",
        ]
    )


def _strings(rng: random.Random, room: Room) -> bytes:
    return rng.choice(
        [
            b"S'text'\n",
            b"S'unfinished\n",
            b"U\x04\xe9\xff\x00a",
            b"T\x04\x00\x00\x00\xe9\xff\x00a",
            b"Vescape\\u0041\\ud800\n",
            text(rng.choice(silly.TEXTS)),
            text("a" * 1_000_000),
            b"C\x03abc",
            b"X\x04\x00\x00\x00\xff\xff\xff\xff",
        ]
    )


def _arrays(rng: random.Random, room: Room) -> bytes:
    """Arrays of NumPy whose pieces do not fit."""
    multi = rng.choice(["numpy.core.multiarray", "numpy._core.multiarray"])
    code = rng.choice(["f4", "f8", "O", "O8", "i8", "S999999", "U999999", "V9999999", "f16", "c16", "M8[s]", "x", ""])
    state: list[Any] = [3, rng.choice(["<", ">", "|", "=", "x", None]), None, None, None, -1, -1, 0]
    if rng.random() < 0.3:
        state[rng.randrange(8)] = silly.plain_value(rng)
    if rng.random() < 0.2:
        state = state[: rng.randrange(8)]
    dtype = reduce(name("numpy", "dtype"), plain(code), plain(0), plain(1)) + plain(tuple(state)) + b"b"
    shape = rng.choice([(), (3,), (0,), (-1,), (2**62,), (2**31, 2**31, 2**31), (1,) * 100, (2, 3), "x", None])
    content = rng.choice([b"", b"\x00" * 12, b"\x00" * 24, [1, 2, 3], [[]] * 3, "text", None, 7])
    pieces = [plain(1), plain(shape), dtype, plain(rng.choice([False, True, None, "x"])), plain(content)]
    if rng.random() < 0.3:
        pieces[rng.randrange(5)] = plain(silly.plain_value(rng))
    if rng.random() < 0.1:
        pieces.pop()
    start = reduce(name(multi, "_reconstruct"), name("numpy", rng.choice(["ndarray"] * 5 + ["dtype", "matrix"])))
    start = start[:-2] + plain((0,)) + plain("b") + b"tR"
    array = start + b"(" + b"".join(pieces) + b"tb"
    scalar = reduce(name(multi, "scalar"), dtype, plain(rng.choice([b"\x00" * 8, b"", b"\x00" * 100, 7, None])))
    return rng.choice([array, array, dtype, scalar, array + plain(0) + b"b", array[:-1] + b"0"])


def _scipy(rng: random.Random, room: Room) -> bytes:
    """What SMPL files hold besides: sparse matrices and arrays of chumpy."""
    huge = rng.choice([3, 24, 10**4, 10**6, 2**40, -1])
    state: dict[str, Any] = {
        "_shape": rng.choice([(24, 6890), (huge, huge), (1, huge), (huge,), (), None, "x"]),
        "data": rng.choice([[1.0], [], [1.0] * 5, "x", None]),
        "indices": rng.choice([[0], [huge], [-1], [0.5], [], None]),
        "indptr": rng.choice([[0, 1], [0] * 100, [0, huge], [huge, 0], [], None]),
    }
    if rng.random() < 0.3:
        state = {"x": silly.plain_value(rng), "_dirty_vars": [], "_itr": None}
    elif rng.random() < 0.3:
        state = {"a": silly.plain_value(rng), "idxs": rng.choice([[0], [huge], "x", None]), "preferred_shape": (huge,)}
    if rng.random() < 0.2 and state:
        del state[rng.choice(list(state))]
    cls = rng.choice([("scipy.sparse.csc", "csc_matrix"), ("chumpy.ch", "Ch"), ("chumpy.reordering", "Select")])
    made = reduce(name("copy_reg", "_reconstructor"), name(*cls), name("__builtin__", "object"), b"N")
    return made + (b"N" if rng.random() < 0.1 else plain(state)) + b"b"


FRAGMENTS = (_calls, _calls, _unknown, _sizes, _numbers, _nested, _nested, _strings, _arrays, _arrays, _scipy)


def fragment(rng: random.Random, room: Room) -> tuple[str, bytes]:
    """One hostile object: the name of its maker, and its opcodes."""
    make = rng.choice(FRAGMENTS)
    return make.__name__.strip("_"), make(rng, room)


def document(rng: random.Random, room: Room, good: dict[str, Any]) -> tuple[str, bytes]:
    """A pickle of a dictionary with a hostile object somewhere in it, or in its place."""
    kind, content = fragment(rng, room)
    where = rng.choice(["root", "value", "key", "item", "extra", "deep", "deep key"])
    body = b"}"
    keys = list(good)
    chosen = rng.choice(keys) if keys else "x"
    for key, value in good.items():
        if key != chosen:
            body += plain(key) + plain(value) + b"s"
    key = plain(chosen)
    body = {
        "root": content,
        "value": body + key + content + b"s",
        "key": body + content + b"Ns",
        "item": body + key + b"]" + content + b"as",
        "extra": body + key + plain(good.get(chosen)) + b"s" + text("extra") + content + b"s",
        "deep": body + key + b"}" + text("walk 1") + content + b"ss",
        "deep key": body + key + b"}" + content + b"Nss",
    }[where]
    version = rng.choice(
        [b"\x80\x02", b"\x80\x04", b"", b"\x80\x05", b"\x80\xff"] if rng.random() < 0.2 else [b"\x80\x02"]
    )
    return f"{kind} as {where}", version + body + b"."
