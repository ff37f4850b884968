"""Runs that are asked to end say how to go on, and go on."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import tiny_mocap
from lightning.pytorch.callbacks import Callback
from tiny_mocap import Run

from skelgraph import signals
from skelgraph.__main__ import main
from skelgraph.signals import ended_by_signals, held_back
from skelgraph.training import load_checkpoint, train

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
PROGRAM = [sys.executable, "-m", "skelgraph"]


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    """A run of many short epochs."""
    files = tiny_mocap.write(folder / "data")
    data = [item for key, path in files.items() for item in (f"--{key.replace('_', '-')}", path)]
    network = shlex.split("--option hidden_channels=8 --option num_blocks=1 --device cpu --no-progress")
    return subprocess.Popen(
        [*PROGRAM, "train", "--dataset", "mocap", *data, *network, *options],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(1200):
        if path.exists():
            return
        assert process.poll() is None
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("first_epoch", [False, True])
def test_the_command_to_go_on_with(tmp_path: Path, number: int, code: int, first_epoch: bool) -> None:
    out = tmp_path / "it's a run"
    batch = "1" if first_epoch else "64"  # 616 steps, or 9
    process = start(
        tmp_path, "--schedule", "exponential", "--max-epochs", "10000", "--batch-size", batch, "--out", str(out)
    )
    last = out / "checkpoints" / "last.ckpt"
    wait_for(out / "config.json" if first_epoch else last, process)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == code
    assert last.exists() != first_epoch
    assert not list(out.rglob("*.tmp"))
    command = said.strip().splitlines()[-1].partition(": ")[2]
    assert command == f"skelgraph train --resume --out {shlex.quote(str(out))}"
    assert "Traceback" not in said

    epochs = 1 if first_epoch else load_checkpoint(last)["epoch"] + 2
    more = ["--max-epochs", str(epochs), "--no-progress"]
    assert main([*shlex.split(command)[1:], *more]) == 0
    assert json.loads((out / "metrics.json").read_text())["epochs"] == epochs


class Swallows(Callback):
    """Asks the program to end where other code swallows exceptions, as Python does in finalizers."""

    def on_train_batch_start(self, *args: Any, **kwargs: Any) -> None:
        with suppress(BaseException):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)


class Locks(Callback):
    """Asks the program to end when it hands numbers to TensorBoard's thread: an exception there leaves a lock closed,
    at which the program waits for ever when it closes its logs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.raised: list[BaseException] = []
        enter, main_thread = threading.Condition.__enter__, threading.get_ident()

        def entered(condition: threading.Condition) -> bool:
            locked = enter(condition)
            if threading.get_ident() == main_thread and self.armed:
                self.armed = False
                try:
                    os.kill(os.getpid(), signal.SIGTERM)
                    time.sleep(0.01)
                except BaseException as error:
                    self.raised.append(error)
                    condition.release()
                    raise
            return locked

        self.armed = False
        monkeypatch.setattr(threading.Condition, "__enter__", entered)

    def on_train_start(self, *args: Any) -> None:
        self.armed = True


def test_no_signal_is_lost_or_comes_up_where_it_does_harm(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks = Locks(monkeypatch)
    for callback, code in ((Swallows(), 130), (locks, 143)):
        out = tmp_path / str(code)
        with ended_by_signals(), pytest.raises(SystemExit) as end:
            train(run.config.replace(out=str(out)), callbacks=[callback])
        assert end.value.code == code
        assert not (out / "metrics.json").exists()  # it ended before its end
    assert not locks.armed
    assert not locks.raised


def test_a_step_that_takes_too_long_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "PATIENCE", 0.05)
    before, start = signal.getsignal(signal.SIGALRM), time.monotonic()

    def step() -> None:
        with held_back():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)

    with ended_by_signals(), pytest.raises(SystemExit) as end:
        step()
    assert end.value.code == 130
    assert time.monotonic() - start < 10
    assert signal.getsignal(signal.SIGALRM) == before


def test_before_anything_is_written_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "import skelgraph.datasets\n"
        "import skelgraph.training.run as run\n"
        "run.load_dataset = lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGTERM)\n"
        "from skelgraph.__main__ import main\n"
        "sys.exit(main(['train', '--out', sys.argv[1]]))"
    )
    out = tmp_path / "out"
    process = subprocess.run([sys.executable, "-c", code, str(out)], env=ENVIRONMENT, capture_output=True, text=True)
    assert (process.returncode, process.stdout, process.stderr) == (143, "", "")
    assert not out.exists()


def test_the_second_ctrl_c_ends_the_program_at_once() -> None:
    code = (
        "import os, signal, time\n"
        "from skelgraph.signals import ended_by_signals\n"
        "with ended_by_signals():\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(60)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, timeout=30)
    assert process.returncode == -signal.SIGINT


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert main(["--version"]) == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
