"""What is fastest on this machine for a network, tried on a few of its steps: how many threads, which number format."""

from __future__ import annotations

import copy
import os
import statistics
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from skelgraph.device import chosen_device
from skelgraph.models import PoseLifter
from skelgraph.models.bfloat16 import has_bfloat16
from skelgraph.training.config import AUTO, PRECISIONS, TrainConfig

ROUNDS = 5
"""How often each candidate has its turn."""
TURN = 0.1
"""Seconds of one turn, at least one step: long enough that another process on the machine has its share of it."""
CLEARLY = 1.1
"""So many times faster has a candidate to be than those before it."""
_TRIED = 256
"""Windows in a step of the probe, at most."""

_Candidate = TypeVar("_Candidate", bound=Hashable)


def settled(config: TrainConfig, model: PoseLifter, *, training: bool = True) -> TrainConfig:
    """The same settings with threads and precision found out where they are left open, and the threads set.

    Other processes are not asked for but felt: beside a busy one, two threads wait for each other. What is found is
    part of the settings from there on, so that a resumed run has the same. On a GPU, and with several processes, which
    share the cores, threads are left alone, and ``auto`` is float32.

    Args:
        config: The settings.
        model: The network, on the CPU; it is left as it is.
        training: Whether it is trained.
    """
    machine, batch = config.machine, config.training.batch_size
    precision = "32" if machine.precision == AUTO else machine.precision
    threads = machine.threads
    if machine.devices == 1 and chosen_device(machine.device) == "cpu":
        threads = use_threads(threads, lambda: trial(model, batch, training=training, precision=precision))
        if machine.precision == AUTO and has_bfloat16(torch.device("cpu")):
            steps = {name: trial(model, batch, training=training, precision=name) for name in PRECISIONS}
            precision = fastest(steps, lambda name: steps[name]())
    elif threads is not None:
        torch.set_num_threads(threads)
    if machine.precision == AUTO:
        from lightning.fabric.utilities.rank_zero import rank_zero_only  # lifting takes this file without Lightning

        rank_zero_only(print)(f"Note: precision auto is {precision} here.")
    return config.replace(threads=threads, precision=precision)


@contextmanager
def threads_as_before() -> Iterator[None]:
    """Set the threads back at the end."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def use_threads(asked: int | None, make_step: Callable[[], Callable[[], object]]) -> int | None:
    """Set the number of threads.

    Args:
        asked: How many; ``None``: with which the steps are shortest, of as many as there are, half of them and so on
            down to one. ``OMP_NUM_THREADS`` counts as an answer, and nothing is tried.
        make_step: Makes a step to try.

    Returns:
        How many were asked for or found; ``None``: they are as before.
    """
    most = torch.get_num_threads()
    if asked is None and ("OMP_NUM_THREADS" in os.environ or most == 1):
        return None
    if asked is None:
        step = make_step()

        def with_threads(number: int) -> None:
            torch.set_num_threads(number)
            step()

        asked = fastest([most >> shift for shift in reversed(range(most.bit_length()))], with_threads)
    torch.set_num_threads(asked)
    return asked


def trial(model: PoseLifter, batch_size: int, *, training: bool, precision: str = "32") -> Callable[[], None]:
    """A forward pass of a copy of a network, and a backward pass if it is trained, on keypoints that are none.

    Args:
        model: The network, on the CPU.
        batch_size: Windows in a batch; more than 256 are not needed to tell.
        training: Whether it is trained.
        precision: Of :data:`~skelgraph.training.config.PRECISIONS`.
    """
    network = copy.deepcopy(model).train(training)
    batch = min(max(batch_size, 2), _TRIED)  # batch normalisation has no answer to one
    keypoints = torch.zeros(batch, *model.input_shape)

    def step() -> None:
        mixed = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
        with torch.random.fork_rng(devices=()), torch.set_grad_enabled(training), mixed:
            answer = network(keypoints)
        if training:
            answer.float().square().mean().backward()

    return step


def fastest(candidates: Iterable[_Candidate], run: Callable[[_Candidate], object]) -> _Candidate:
    """The candidate with the shortest steps, all taking turns; a later one only if it is clearly faster.

    Args:
        candidates: What there is to choose from.
        run: Does one step with a candidate.
    """
    times: dict[_Candidate, list[float]] = {candidate: [] for candidate in candidates}
    for turn in range(ROUNDS + 1):
        for candidate, found in times.items():
            steps, start = 0, time.perf_counter()
            while steps == 0 or time.perf_counter() - start < TURN:
                run(candidate)
                steps += 1
            if turn:  # the first one is of warming up
                found.append((time.perf_counter() - start) / steps)
    best, *others = times
    for candidate in others:
        if statistics.median(times[candidate]) * CLEARLY < statistics.median(times[best]):
            best = candidate
    return best
