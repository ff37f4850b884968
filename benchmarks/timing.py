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
    """Median milliseconds per call of each side, the sides taking turns for about ``seconds`` in all."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for run in sides.values():
        for _ in range(3):
            run()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[next(iter(sides))]) < 5:
        for name, run in sides.items():
            if not times[name] or times[name][-1] < 1e3 * TURN:
                run()  # not counted, the side before has filled the cache
            turn = time.perf_counter() + TURN
            while True:
                start = time.perf_counter()
                run()
                times[name].append(1e3 * (time.perf_counter() - start))
                if time.perf_counter() > turn:
                    break
    return {name: statistics.median(values) for name, values in times.items()}


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
