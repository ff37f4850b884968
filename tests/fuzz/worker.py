"""The process that runs cases: what it watches itself (executed content, peak memory) and how it judges."""

from __future__ import annotations

import os
import random
import re
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import torch

from skelgraph.errors import SkelgraphError

from .case import CANARY, Case, Kind, Room, Wrong, message_fault
from .kinds import KINDS
from .pickles import UNPICKLED
from .silly import TEXTS

MEMORY = 1 << 30
"""Bytes that a case may take on top of what the process had before."""
ADDRESS_SPACE = 8 << 30
"""Bytes of address space on top of that; who asks for more gets a MemoryError, which counts as too much memory."""

_STARTS = (
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "subprocess.Popen",
    "pty.spawn",
)
_LOADS = ("ctypes.dlopen", "socket.connect", "socket.getaddrinfo", "pickle.find_class", "shutil.rmtree", "os.remove")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


_OF_TORCH = re.compile(
    r"dtype|data ?type|scalar type|should be the same|not implemented for|for complex|bool tensors|"
    r"device|Could not run 'aten|layout|[sS]parse|backend|meta tensors|data-dependent|memory format"
)
"""What torch says of tensors of different dtypes, layouts or devices."""


class Outcome(NamedTuple):
    """How a case ended: a column of the table, and for a bad one where."""

    verdict: str
    reason: str = ""
    trace: str = ""


class _Audit:
    """Notes what a case does to the world outside; CPython calls it for every audited event from now on."""

    def __init__(self) -> None:
        self.room: Room | None = None
        self.writes = False
        self.events: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.room is None or event in ("object.__getattr__", "sys._getframe"):
            return
        room, self.room = self.room, None  # what happens in here is not the case's doing
        try:
            if self._is_foul(event, arguments, room):
                self.events.append(f"{event} {arguments!r:.200}")
        finally:
            self.room = room

    def _is_foul(self, event: str, arguments: tuple[Any, ...], room: Room) -> bool:
        if event == "open":
            path, mode, flags = arguments
            if CANARY in str(path):
                return True
            is_written = bool(flags & _WRITES) if isinstance(flags, int) else bool(set(str(mode)) & set("wax+"))
            return is_written and not self.writes and str(path) not in ("/dev/null", os.devnull)
        if event in _STARTS:
            return not self.writes or CANARY in repr(arguments)
        if event in _LOADS:
            return not self.writes or CANARY in repr(arguments)
        return event in ("exec", "compile", "import") and any(
            isinstance(argument, str | bytes) and CANARY in str(argument) for argument in arguments
        )


def work(connection: Connection, good: Path, seed: int) -> None:
    """Run the cases that come through the connection, ``(kind, number)``: for each send the text of the case
    once its files are there, then its :class:`Outcome`."""
    sys.dont_write_bytecode = True
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 1)
        os.dup2(null.fileno(), 2)
    os.setpgrp()  # what a case starts ends with the worker
    os.chdir(tempfile.mkdtemp(dir=good))  # where the defaults of options write to
    size = resource.getpagesize()
    limit = int(Path("/proc/self/statm").read_text().split()[0]) * size + ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    audit = _Audit()
    while True:
        try:
            kind, number = connection.recv()
        except EOFError:
            return
        room = Room(good, Path(tempfile.mkdtemp(dir=good)))
        try:
            case = draw(kind, number, seed, room)
        except Exception:
            connection.send(traceback.format_exc())  # a fault of the fuzzer, not of the library
            return
        connection.send(case.text)
        connection.send(run(case, KINDS[kind], room, audit))
        shutil.rmtree(room.own, ignore_errors=True)


def draw(kind: str, number: int, seed: int, room: Room) -> Case:
    """The case of that name; everything random in it comes from the name."""
    torch.manual_seed(number)
    UNPICKLED.clear()
    return KINDS[kind].make(random.Random(f"{seed}/{kind}/{number}"), number, room)


def run(case: Case, kind: Kind, room: Room, audit: _Audit) -> Outcome:
    """Run a case and judge it."""
    audit.events, audit.writes = [], kind.writes
    before = _reset_peak()
    try:
        audit.room = room
        try:
            case.action()
        finally:
            audit.room = None
        error = None
    except (Exception, SystemExit, KeyboardInterrupt) as caught:
        error = caught
    grown = _peak() - before
    verdict, reason = judge(error)
    if verdict == "traceback" and kind.tensors and isinstance(error, RuntimeError) and _OF_TORCH.search(str(error)):
        verdict = "clean error"
    if grown > MEMORY:
        verdict, reason = "memory", f"{grown / 2**30:.1f} GB"
    if audit.events or room.canary.exists() or UNPICKLED:
        verdict, reason = "executed", "; ".join(audit.events or map(str, UNPICKLED)) or "the canary was written"
    trace = "" if error is None else "".join(traceback.format_exception(error))[-20_000:]
    return Outcome(verdict, reason, trace)


def judge(error: BaseException | None) -> tuple[str, str]:
    """The column of the table for what a case raised, and for a bad one the reason to show."""
    if error is None:
        return "accepted", ""
    chain: BaseException | None = error
    while chain is not None:
        # str() of a validation error shows the value, which may take for ever; torch's own are RuntimeErrors
        refused = isinstance(chain, RuntimeError) and "can't allocate memory" in str(chain)[:1000]
        if refused or isinstance(chain, MemoryError):
            return "memory", f"more than {ADDRESS_SPACE >> 30} GB asked for, {place(chain)}"
        chain = chain.__cause__ or chain.__context__
    if isinstance(error, SkelgraphError):
        fault = message_fault(str(error))
        return ("traceback", f"{fault}, {place(error)}") if fault else ("clean error", "")
    if isinstance(error, TypeError) and _is_of_the_call(error):
        return "clean error", ""
    if isinstance(error, Wrong):
        return "traceback", str(error)
    return "traceback", f"{type(error).__name__} {place(error)}"


def place(error: BaseException) -> str:
    """Where an error comes from: the last frame in the library, and the last one of all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/skelgraph/" in frame.filename]
    names = [f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno}" for frame in (*own[-1:], *frames[-1:])]
    return "at " + " -> ".join(dict.fromkeys(names)) if names else "outside"


def _is_of_the_call(error: TypeError) -> bool:
    """Whether Python itself refused the call that a case makes: wrong keywords, too many arguments."""
    if any(f"unexpected keyword argument {text!r}" in str(error) for text in (*TEXTS, "no_such_argument")):
        return True  # however deep: a method hands further arguments on to a constructor
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/tests/fuzz/" not in frame.filename]
    binding = [("inspect.py", "_bind"), ("inspect.py", "bind"), ("module.py", "_call_impl"), ("fixed.py", "wrapped")]
    return not own or any(own[-1].filename.endswith(f"/{file}") and own[-1].name == name for file, name in binding)


def _reset_peak() -> int:
    """Make the system count the peak anew; returns the memory in use."""
    Path("/proc/self/clear_refs").write_text("5")
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
