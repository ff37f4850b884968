"""A run that is killed and resumed ends where an undisturbed one does."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_mocap import Run

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.training import load_checkpoint, train

# Kills its own process, with the signal that nothing can catch, after some batches of the second epoch.
KILLED = """
import json, os, signal, sys
from skelgraph.training import LiftingModule, TrainConfig, train

def kill(self, outputs, batch, batch_idx):
    if self.current_epoch == 1 and batch_idx == 4:
        os.kill(os.getpid(), signal.SIGKILL)

LiftingModule.on_train_batch_end = kill
train(TrainConfig.from_dict(json.load(open(sys.argv[1]))["config"]))
"""


@pytest.mark.slow
def test_kill_and_resume_is_bitwise_the_same(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = replace(run.config, out=str(out))
    settings = tmp_path / "config.json"
    settings.write_text((run.out / "config.json").read_text().replace(str(run.out), str(out)))
    # The same number of threads: sums are split by it.
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.run([sys.executable, "-c", KILLED, str(settings)], env=environment, timeout=120)
    assert process.returncode == -signal.SIGKILL
    last = out / "checkpoints" / "last.ckpt"
    assert load_checkpoint(last)["epoch"] == 0
    assert not (out / "metrics.json").exists()

    metrics = train(config, resume=True)

    resumed, undisturbed = load_checkpoint(last), load_checkpoint(run.last)
    assert resumed["epoch"] == undisturbed["epoch"] == 2
    assert resumed["state_dict"].keys() == undisturbed["state_dict"].keys()
    for name, value in undisturbed["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], value), name
    moments = [c["optimizer_states"][0]["state"] for c in (resumed, undisturbed)]
    assert all(torch.equal(moments[0][i][key], moments[1][i][key]) for i in moments[1] for key in moments[1][i])
    same = ("mpjpe_mm", "per_action", "per_joint", "epochs", "best_epoch", "best_mpjpe_mm")
    assert {key: metrics[key] for key in same} == {key: run.metrics[key] for key in same}
    assert (out / "report.html").exists()


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Run:
    """The finished run in a folder of its own."""
    out = Path(shutil.copytree(run.out, tmp_path / "copy"))
    return Run(replace(run.config, out=str(out)), run.metrics, out, out / "checkpoints" / "last.ckpt")


def test_resume_can_add_epochs_where_the_schedule_does_not_depend_on_them(copy: Run, tmp_path: Path) -> None:
    config = replace(copy.config, out=str(tmp_path / "grows"), schedule="exponential", max_epochs=1)
    train(config)
    metrics = train(replace(config, max_epochs=2), resume=True)
    rows = load_checkpoint(tmp_path / "grows" / "checkpoints" / "last.ckpt")["callbacks"]["History"]["rows"]
    assert metrics["epochs"] == 2
    assert [row["epoch"] for row in rows] == [1, 2]
    with pytest.raises(CheckpointError, match="has 2 epochs, more than max-epochs 1"):
        train(config, resume=True)


def test_resume_of_a_finished_run_repeats_its_report(copy: Run) -> None:
    metrics = train(copy.config, resume=True)
    assert metrics["mpjpe_mm"] == copy.metrics["mpjpe_mm"]
    assert metrics["epochs"] == 3


def test_resume_refuses(copy: Run, tmp_path: Path) -> None:
    before = copy.last.read_bytes()
    other = replace(copy.config, model="martinez", options={}, lr=0.5)
    with pytest.raises(CheckpointError, match=r"model was 'sem_gcn', now 'martinez'.*lr was 0.004, now 0.5"):
        train(other, resume=True)
    with pytest.raises(CheckpointError, match="downsample was None, now 2"):
        train(replace(copy.config, downsample=2), resume=True)
    with pytest.raises(CheckpointError, match="max_epochs was 3, now 4"):  # the learning rate would be another one
        train(replace(copy.config, max_epochs=4), resume=True)
    with pytest.raises(SkelgraphError, match=r"nothing to resume: .*last.ckpt does not exist"):
        train(replace(copy.config, out=str(tmp_path / "nowhere")), resume=True)
    assert copy.last.read_bytes() == before
    assert not (tmp_path / "nowhere").exists()
