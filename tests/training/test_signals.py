"""Runs that are asked to end say how to go on, and go on."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny_mocap

from skelgraph.__main__ import main
from skelgraph.training import load_checkpoint

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
        "from skelgraph.__main__ import _ended_by_signals\n"
        "with _ended_by_signals():\n"
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
