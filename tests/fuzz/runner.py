"""Worker processes under watch: a case that hangs or grows is ended with its process, and a new one goes on."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NamedTuple

import psutil

from skelgraph.text import plain

MEMORY = 1 << 30
"""Bytes that a case may take on top of what the process had before."""
VERDICTS = ("clean error", "accepted", "traceback", "hang", "memory", "executed")
BAD = VERDICTS[2:]

Name = tuple[str, int]
"""Kind and number of a case."""


class Result(NamedTuple):
    """How one case ended."""

    kind: str
    number: int
    text: str
    verdict: str
    reason: str
    trace: str
    seconds: float

    @property
    def message(self) -> str:
        """The last line of the traceback, cut."""
        return self.trace.strip().rpartition("\n")[2][:200]


class _Worker:
    """A process, and the case that it is at."""

    def __init__(self, fuzzer: Fuzzer) -> None:
        from .worker import work

        self.seconds = fuzzer.seconds
        self.connection: Connection
        self.connection, other = fuzzer.context.Pipe()
        self.process = fuzzer.context.Process(target=work, args=(other, fuzzer.good, fuzzer.seed), daemon=True)
        self.process.start()
        other.close()
        self.case: Name | None = None

    def start(self, case: Name) -> None:
        """Begin a case; the clock starts when its files are there."""
        self.case, self.text = case, None
        self.connection.send(case)
        self._note()

    def _note(self) -> None:
        self.since = time.perf_counter()
        self.memory = psutil.Process(self.process.pid).memory_info().rss

    def result(self) -> Result | None:
        """The end of the case, however it comes about; ``None`` while it goes on."""
        assert self.case is not None
        seconds = time.perf_counter() - self.since
        if self.connection.poll():
            try:
                message = self.connection.recv()
            except (EOFError, ConnectionError):
                return self._stopped("traceback", seconds, f"the process ended, {self._exit()}")
            if self.text is None:
                self.text = message
                self._note()
                return None
            return Result(*self.case, self.text, *message, seconds)
        try:
            grown = psutil.Process(self.process.pid).memory_info().rss - self.memory
        except psutil.NoSuchProcess:
            grown = 0
        if grown > 1.1 * MEMORY or seconds > self.seconds:
            self.end()
            verdict = "memory" if grown > MEMORY else "hang"
            return self._stopped(verdict, seconds, f"stopped after {seconds:.0f} s, {grown >> 20} MB")
        return None

    def _stopped(self, verdict: str, seconds: float, reason: str) -> Result:
        assert self.case is not None
        if self.text is None:
            raise RuntimeError(f"the fuzzer itself failed to make {self.case}: {reason}")
        return Result(*self.case, self.text, verdict, reason, "", seconds)

    def _exit(self) -> str:
        self.process.join()
        if self.text is not None and "Traceback" in self.text:
            raise RuntimeError(f"the fuzzer itself failed to make {self.case}: {self.text}")
        return f"exit code {self.process.exitcode}"

    def end(self) -> None:
        """Kill the process, and those that the case has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()


class Fuzzer:
    """Good files and processes for a number of runs; a context manager.

    Args:
        seed: Seed of all cases.
        processes: Workers.
        seconds: A case that takes longer hangs.
    """

    def __init__(self, seed: int = 0, processes: int = 2, seconds: float = 20.0) -> None:
        self.seed = seed
        self.processes = processes
        self.seconds = seconds

    def __enter__(self) -> Fuzzer:
        from .seeds import write_good_files

        package = Path(__file__).parent
        # the workers import torch once, in the process that they are forked from
        os.environ["OMP_NUM_THREADS"] = "1"
        paths = [str(package.parent), str(package.parent.parent), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload([f"{__package__}.worker"])
        self.good = Path(tempfile.mkdtemp(prefix="skelgraph_fuzz_"))
        process = self.context.Process(target=write_good_files, args=(self.good,))
        process.start()
        process.join()
        if process.exitcode:
            raise RuntimeError("the good files could not be made")
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.good, ignore_errors=True)

    def run(self, cases: Iterable[Name], report: Callable[[Result], None] = lambda _: None) -> list[Result]:
        """Run cases on all workers; the results are in the order in which they came."""
        pending: Iterator[Name] = iter(cases)
        workers = [_Worker(self) for _ in range(self.processes)]
        results = []
        try:
            while True:
                for i, worker in enumerate(workers):
                    if worker.case is None:
                        if (case := next(pending, None)) is None:
                            continue
                        if not worker.process.is_alive():
                            workers[i] = worker = _Worker(self)
                        worker.start(case)
                    elif result := worker.result():
                        results.append(result)
                        report(result)
                        worker.case = None
                busy = [worker.connection for worker in workers if worker.case is not None]
                if not busy:
                    if (case := next(pending, None)) is None:
                        return results
                    pending = iter([case, *pending])
                wait(busy, timeout=0.02)
        finally:
            for worker in workers:
                worker.end()


def table(results: Iterable[Result]) -> str:
    """The table ``kind | cases | clean error | accepted | traceback | hang | memory | executed``."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        for row in (result.kind, "all"):
            counts[row][result.verdict] += 1
    head = ("kind", "cases", *VERDICTS)
    rows = [(kind, str(sum(count.values())), *(str(count[v]) for v in VERDICTS)) for kind, count in counts.items()]
    rows.sort(key=lambda row: row[0] == "all")
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, tuple("-" * width for width in widths), *rows]
    return "\n".join(" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def grouped(results: Iterable[Result]) -> str:
    """The bad cases, one line for each reason, with how many, one of them, and what it tried."""
    groups: dict[tuple[str, str, str], list[Result]] = defaultdict(list)
    for result in results:
        if result.verdict in BAD:
            reason = result.reason if result.verdict == "traceback" else ""
            groups[result.verdict, result.kind, reason].append(result)
    lines = []
    for (verdict, kind, reason), members in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        first = members[0]
        names = ", ".join(f"{kind}/{member.number}" for member in members[:3])
        line = f"{len(members)} x {verdict} ({names}): {reason or first.reason}; {first.text}: {first.message}"
        lines.append(plain(line, 500))
    return "\n".join(lines)


def progress(total: int) -> Callable[[Result], None]:
    """Counts the cases on a terminal."""
    done = 0

    def report(result: Result) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            print(f"\r{done}/{total} {result.kind:<20}", end="", file=sys.stderr, flush=True)

    return report
