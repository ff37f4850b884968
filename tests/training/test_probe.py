"""Threads and number format that a run finds out by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
import torch

from skelgraph.models import create_model
from skelgraph.training import TrainConfig, probe, saved_config, train
from skelgraph.training.resume import as_found_before


class Clock:
    """Time that passes only while a candidate runs: so many seconds, by candidate and by how often it has run."""

    def __init__(self, monkeypatch, cost):
        self.now, self.runs, self.cost = 0.0, Counter(), cost
        monkeypatch.setattr(probe.time, "perf_counter", lambda: self.now)

    def run(self, candidate):
        self.now += self.cost(candidate, self.runs[candidate])
        self.runs[candidate] += 1


@pytest.mark.parametrize(
    ("costs", "found"),
    [
        ({"a": 1.0, "b": 0.95, "c": 0.92}, "a"),
        ({"a": 1.0, "b": 0.85, "c": 0.8}, "b"),
        ({"a": 1.0, "b": 3.0, "c": 0.5}, "c"),
        ({"a": 0.001, "b": 0.0005}, "b"),
    ],
    ids=["not-clearly", "first-that-is", "last", "many-steps-a-turn"],
)
def test_fastest_is_the_first_that_none_beats_clearly(costs, found, monkeypatch):
    clock = Clock(monkeypatch, lambda candidate, turn: costs[candidate])
    assert probe.fastest(costs, clock.run) == found


def test_one_bad_turn_and_a_slow_start_decide_nothing(monkeypatch):
    def cost(candidate, turn):
        bad = {("b", 0): 100.0, ("b", 3): 50.0, ("a", 4): 0.3}
        return bad.get((candidate, turn), 1.0 if candidate == "a" else 0.7)

    assert probe.fastest("ab", Clock(monkeypatch, cost).run) == "b"


@pytest.fixture(name="cores")
def _cores(monkeypatch):
    """A machine with so many cores, whose number of threads is a variable."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def cores(number):
        state = {"threads": number}
        monkeypatch.setattr(torch, "get_num_threads", lambda: state["threads"])
        monkeypatch.setattr(torch, "set_num_threads", lambda threads: state.update(threads=threads))
        return state

    return cores


def test_threads_that_are_fastest_are_set(cores, monkeypatch):
    state = cores(12)
    busy = {1: 1.0, 3: 0.5, 6: 0.8, 12: 4.0}  # other processes have most of the cores
    clock = Clock(monkeypatch, lambda _, turn: busy[state["threads"]])
    assert probe.use_threads(None, lambda: lambda: clock.run(None)) == 3
    assert state["threads"] == 3


def test_threads_that_are_asked_for_are_not_tried(cores, monkeypatch):
    def never():
        raise AssertionError

    state = cores(4)
    assert (probe.use_threads(2, never), state["threads"]) == (2, 2)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert (probe.use_threads(None, never), state["threads"]) == (None, 2)
    monkeypatch.delenv("OMP_NUM_THREADS")
    state["threads"] = 1
    assert probe.use_threads(None, never) is None


@pytest.mark.parametrize("training", [True, False])
def test_a_trial_leaves_network_and_random_numbers_alone(training):
    model = create_model("sem_gcn", hidden_channels=8, num_blocks=1, dropout=0.5)
    before, state = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    for precision in ("32", "bf16"):
        probe.trial(model, 1, training=training, precision=precision)()  # of one window, as many as evaluate has left
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training


@pytest.mark.parametrize(
    ("has", "faster", "changes", "expected"),
    [
        (True, "bf16", {}, "bf16"),
        (True, "32", {}, "32"),
        (False, "bf16", {}, "32"),
        (True, "bf16", {"devices": 2}, "32"),
        (True, "bf16", {"precision": "32"}, "32"),
    ],
    ids=["faster", "slower", "no-instructions", "two-processes", "not-asked"],
)
def test_automatic_precision(has, faster, changes, expected, monkeypatch, capsys):
    monkeypatch.setattr(probe, "has_bfloat16", lambda device: has)
    monkeypatch.setattr(probe, "fastest", lambda candidates, run: [run(name) for name in candidates] and faster)
    config = TrainConfig("out").replace(device="cpu", precision="auto").replace(**changes)
    found = probe.settled(config, create_model("martinez", hidden_channels=8))
    assert found == config.replace(precision=expected)
    asked = config.machine.precision == "auto"
    assert (f"precision auto is {expected} here" in capsys.readouterr().out) == asked


def test_a_resumed_run_has_what_was_found(run: Any, tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(probe, "fastest", lambda candidates, run: list(candidates)[-1])
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    out = tmp_path / "out"
    config = run.config.replace(out=str(out), precision="auto", max_epochs=1, schedule="exponential")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        train(config)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    record = json.loads((out / "config.json").read_text())
    assert (record["config"]["machine"]["threads"], record["threads"]) == (2, 2)
    assert saved_config(out) == config.replace(threads=2, precision="bf16")

    monkeypatch.setattr(probe, "fastest", None)  # nothing is tried again
    train(config.replace(max_epochs=2), resume=True)
    assert torch.get_num_threads() == before
    assert saved_config(out) == config.replace(threads=2, precision="bf16", max_epochs=2)
    assert as_found_before(config.replace(threads=1)).machine.threads == 1, "what is asked for counts"


def test_the_command_waits_passively(tmp_path):
    code = (
        "import os, sys; from skelgraph.__main__ import main; main(['--version']); "
        "print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    )
    for given, policy in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | given
        told = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=tmp_path
        )
        assert told.stdout.splitlines()[-1] == f"{policy} False", "read when torch is imported"
