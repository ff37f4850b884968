"""How the benchmarks measure: sides that take turns in one process, and the memory of one."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

TURN = 0.05
"""Seconds of one turn: long enough that a side finds its own weights in the cache, as it does when it runs alone."""


def interleaved(sides: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Median milliseconds per call of each side, the sides taking turns for about ``seconds`` in all: five at least,
    three of sides that take longer. A side of another process has a method ``turn`` of its own."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    slow = {name: _warm_up(run) > seconds / 3 for name, run in sides.items()}
    end, turns = time.perf_counter() + seconds, 0
    while time.perf_counter() < end or turns < (3 if any(slow.values()) else 5):
        for name, run in sides.items():
            times[name] += run.turn() if hasattr(run, "turn") else turn(run)
        turns += 1
    return {name: statistics.median(values) for name, values in times.items()}


def _warm_up(run: Callable[[], object]) -> float:
    """Seconds of the last of three calls, or of the first if it is a long one."""
    for _ in range(3):
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        if seconds > 1:
            break
    return seconds


def turn(run: Callable[[], object]) -> list[float]:
    """Milliseconds of each call of a turn."""
    times: list[float] = []
    start = time.perf_counter()
    run()  # not counted, the side before has filled the cache
    if time.perf_counter() - start > TURN:
        return [1e3 * (time.perf_counter() - start)]  # what a cache holds is nothing to so long a call
    end = time.perf_counter() + TURN
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def step(module: nn.Module, x: Tensor, *inputs: object, backward: bool) -> Callable[[], object]:
    """One call of a layer: forward alone without a graph, or forward and backward to ``x`` and parameters."""
    x = x.clone().requires_grad_(backward)

    def run() -> None:
        if not backward:
            with torch.no_grad():
                module(x, *inputs)
            return
        y = module(x, *inputs)
        y.backward(y.detach())
        x.grad = None
        module.zero_grad()

    return run


def peak_megabytes() -> float:
    """Peak resident memory of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux counts into ``ru_maxrss`` what the process was before it became this program
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
