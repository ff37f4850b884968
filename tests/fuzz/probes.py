"""Cases whose end is known, with which the fuzzer itself is tested."""

from __future__ import annotations

import os
import pickle
import random
import time
from collections.abc import Callable
from typing import Any

from skelgraph import as_skeleton
from skelgraph.errors import DataError
from skelgraph.nn import SemGraphConv

from . import pickles
from .case import Case, Room


def _wrapped_memory_error() -> None:
    try:
        bytearray(1 << 50)
    except MemoryError as error:
        raise DataError("is damaged") from error


def _die() -> None:
    os._exit(3)


PROBES: dict[str, tuple[str, Callable[[Room], Any]]] = {
    "a good call": ("accepted", lambda room: as_skeleton("h36m17")),
    "an error of the library": ("clean error", lambda room: as_skeleton("h36m71")),
    "an unknown keyword": ("clean error", lambda room: SemGraphConv(2, 3, "h36m17", no_such=1)),
    "another error": ("traceback", lambda room: {}["missing"]),
    "an unfit message": ("traceback", lambda room: as_skeleton(_Steering())),  # type: ignore[arg-type]
    "the end of the process": ("traceback", lambda room: _die()),
    "a hang": ("hang", lambda room: time.sleep(100)),
    "memory that is used": ("memory", lambda room: [b"x" * (1 << 20) for _ in range(3000)]),
    "memory for a moment": ("memory", lambda room: len(b"x" * (1300 << 20))),
    "memory asked for in vain": ("memory", lambda room: _wrapped_memory_error()),
    "a program": ("executed", lambda room: os.system("true")),
    "a pickle": ("executed", lambda room: pickle.loads(b"\x80\x02cmath\nsqrt\n.")),
    "a pickle that calls": ("executed", lambda room: pickle.loads(pickles.reduce(_RECORD, pickles.text("x")) + b".")),
    "a file": ("executed", lambda room: (room.own / "new").write_text("x")),
    "the canary": ("executed", lambda room: os.mkdir(room.canary)),
}
"""What a probe does, its verdict, and how."""

_RECORD = pickles.name(pickles.__name__, "record")


class _Steering:
    """Something whose name steers the terminal, in an error of the library that shows it as it is."""

    def __init__(self) -> None:
        raise DataError("unknown \x1b[31m")


def probe(rng: random.Random, number: int, room: Room) -> Case:
    """The probe of that number."""
    name = list(PROBES)[number]
    return Case(name, lambda: PROBES[name][1](room))
