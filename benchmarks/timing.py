"""How the benchmarks measure: sides that take turns in one process, and what the numbers were measured on."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch_geometric.typing import WITH_TORCH_SCATTER

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


def machine() -> dict[str, object]:
    """What stands at the head of every report."""
    return {
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "torch_scatter": WITH_TORCH_SCATTER,
        "machine": platform.processor() or platform.machine(),
    }
