"""Two workers of torchrun, which are killed: the run goes on from its last checkpoint and ends as if nothing had
been."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import tiny_mocap
import torch

from skelgraph.__main__ import main
from skelgraph.training import load_checkpoint

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("LOCAL_", "TORCHELASTIC", "PL_"))},
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(Path(__file__).parents[2]),
}
EPOCHS = 40


def command(folder: Path, out: Path) -> list[str]:
    """Train on two processes under torchrun, which starts the workers again up to three times."""
    files = tiny_mocap.write(folder / "data")
    data = [item for key, path in files.items() for item in (f"--{key.replace('_', '-')}", path)]
    network = shlex.split(
        "--option hidden_channels=8 --option num_blocks=1 --option dropout=0.2 --device cpu --no-progress "
        f"--devices 2 --max-epochs {EPOCHS} --batch-size 64 --ema 0.9 --early-stopping {EPOCHS}"
    )
    torchrun = "-m torch.distributed.run --standalone --nproc-per-node 2 --max-restarts 3 --monitor-interval 0.1"
    return [
        sys.executable, *torchrun.split(), "-m", "skelgraph", "train", "--dataset", "mocap", *data, *network,
        "--resume-if-exists", "--out", str(out),
    ]  # fmt: skip


def worker(agent: subprocess.Popen[str], rank: int) -> psutil.Process:
    for process in psutil.Process(agent.pid).children():
        if process.environ().get("LOCAL_RANK") == str(rank):
            return process
    raise AssertionError("there is no such worker")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run none of whose workers was killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    subprocess.run(command(folder, folder / "out"), env=ENVIRONMENT, check=True, timeout=180, capture_output=True)
    return folder / "out"


@pytest.mark.slow
def test_killed_workers_lose_nothing(undisturbed: Path, tmp_path: Path) -> None:
    """First one, and, when the run has gone on, the other."""
    out = tmp_path / "out"
    last = out / "checkpoints" / "last.ckpt"
    agent = subprocess.Popen(command(tmp_path, out), env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    before = None
    try:
        for rank in (0, 1):
            deadline = time.monotonic() + 90
            while not last.exists() or last.stat().st_mtime_ns == before:
                assert agent.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            worker(agent, rank).send_signal(signal.SIGKILL)
            time.sleep(0.5)  # the agent ends the other one, which may be writing
            before = last.stat().st_mtime_ns
        said = agent.communicate(timeout=120)[1]
    finally:
        if agent.poll() is None:
            agent.terminate()
    assert agent.returncode == 0, said
    assert len(json.loads((out / "config.json").read_text())["resumed"]) == 2  # it was started three times
    for name in ("last.ckpt", "best.ckpt"):
        one, other = (load_checkpoint(folder / "checkpoints" / name) for folder in (out, undisturbed))
        assert one["epoch"] == other["epoch"]
        for entry in ("state_dict", "trained_state_dict"):
            assert all(torch.equal(value, other[entry][key]) for key, value in one[entry].items())
        rows = [
            [{key: row[key] for key in row.keys() - {"seconds"}} for row in saved["callbacks"]["History"]["rows"]]
            for saved in (one, other)
        ]
        assert rows[0] == rows[1]
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (out, undisturbed)]
    assert metrics[0]["epochs"] == EPOCHS
    assert metrics[0]["per_action"] == metrics[1]["per_action"]


def test_resume_if_exists(files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same command starts the run, goes on with it, and repeats its report; another command is refused."""
    data = " ".join(f"--{key.replace('_', '-')} {shlex.quote(path)}" for key, path in files.items())
    network = "--option hidden_channels=8 --option num_blocks=1 --device cpu --no-progress --schedule exponential"
    same = f"train --dataset mocap {data} {network} --out {tmp_path / 'out'} --resume-if-exists"
    for epochs in (1, 2, 2):
        assert main(shlex.split(f"{same} --max-epochs {epochs}")) == 0
        assert json.loads((tmp_path / "out" / "metrics.json").read_text())["epochs"] == epochs
    capsys.readouterr()
    for wrong, message in {
        f"{same} --max-epochs 2 --lr 0.5": "lr was 0.004, now 0.5",
        f"{same} --overwrite": "give one of them",
        f"{same} --resume": "no --resume",
        same.replace(f"--out {tmp_path / 'out'}", ""): "--resume-if-exists needs --out",
    }.items():
        assert main(shlex.split(wrong)) == 2
        assert message in capsys.readouterr().err
