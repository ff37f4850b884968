"""A run that is killed and resumed ends where an undisturbed one does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_mocap import Run

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.training import LiftingModule, TrainConfig, checkpointing, load_checkpoint, saved_config, train
from skelgraph.training.resume import may_change

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
    config = run.config.replace(out=str(out))
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
    same = ("mpjpe_mm", "per_action", "per_joint_mm", "epochs", "best_epoch", "best_mpjpe_mm")
    assert {key: metrics[key] for key in same} == {key: run.metrics[key] for key in same}
    assert (out / "report.html").exists()


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Run:
    """The finished run in a folder of its own."""
    out = Path(shutil.copytree(run.out, tmp_path / "copy"))
    return Run(run.config.replace(out=str(out)), run.metrics, out, out / "checkpoints" / "last.ckpt")


def test_resume_can_add_epochs_where_the_schedule_does_not_depend_on_them(
    copy: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = copy.config.replace(out=str(tmp_path / "grows"), schedule="exponential", max_epochs=1)
    monkeypatch.setattr(sys, "argv", ["skelgraph", "first"])
    train(config)
    monkeypatch.setattr(sys, "argv", ["skelgraph", "second"])
    metrics = train(config.replace(max_epochs=2), resume=True)
    rows = load_checkpoint(tmp_path / "grows" / "checkpoints" / "last.ckpt")["callbacks"]["History"]["rows"]
    assert metrics["epochs"] == 2
    assert [row["epoch"] for row in rows] == [1, 2]
    curve = (tmp_path / "grows" / "logs" / "metrics.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in curve] == ["epoch", "1", "2"]
    record = json.loads((tmp_path / "grows" / "config.json").read_text())
    assert (record["command"], record["resumed"]) == ("skelgraph first", ["skelgraph second"])
    with pytest.raises(CheckpointError, match="has 2 epochs, more than max-epochs 1"):
        train(config, resume=True)


def test_resume_of_a_finished_run_repeats_its_report(copy: Run) -> None:
    metrics = train(copy.config, resume=True)
    assert metrics["mpjpe_mm"] == copy.metrics["mpjpe_mm"]
    assert metrics["epochs"] == 3


def test_resume_refuses(copy: Run, tmp_path: Path) -> None:
    before = copy.last.read_bytes()
    other = copy.config.replace(model="martinez", options={}, lr=0.5)
    with pytest.raises(CheckpointError, match=r"model was 'sem_gcn', now 'martinez'.*lr was 0.004, now 0.5"):
        train(other, resume=True)
    with pytest.raises(CheckpointError, match="downsample was None, now 2"):
        train(copy.config.replace(downsample=2), resume=True)
    with pytest.raises(
        CheckpointError, match=r"max_epochs was 3, now 4; the learning rate of .*init-from"
    ):  # the learning rate would be another one
        train(copy.config.replace(max_epochs=4), resume=True)
    with pytest.raises(SkelgraphError, match=r"nothing to resume: .*last.ckpt does not exist"):
        train(copy.config.replace(out=str(tmp_path / "nowhere")), resume=True)
    assert copy.last.read_bytes() == before
    assert not (tmp_path / "nowhere").exists()


ERRORS = (500.0, 300.0, 400.0, 350.0, 450.0)
"""Validation errors of a run that goes up and down: the second epoch is the best one, the last is not."""


class KilledError(Exception):
    """Ends a run as a kill does: nothing is caught, nothing is tidied up."""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``script(stop=2)``: runs have the validation errors above, and end at the beginning of that epoch."""
    start = LiftingModule.on_train_epoch_start

    def write(stop: int | None = None) -> None:
        def on_train_epoch_start(self: LiftingModule) -> None:
            if self.current_epoch == stop:
                raise KilledError
            start(self)

        monkeypatch.setattr(LiftingModule, "on_train_epoch_start", on_train_epoch_start)

    def on_validation_epoch_end(self: LiftingModule) -> None:
        self.log("val_mpjpe_mm", ERRORS[self.current_epoch])

    monkeypatch.setattr(LiftingModule, "on_validation_epoch_end", on_validation_epoch_end)
    return write


def scripted(run: Run, out: Path) -> TrainConfig:
    return run.config.replace(out=str(out), max_epochs=5, options={"hidden_channels": 8, "num_blocks": 1})


def epochs(out: Path) -> tuple[int, int]:
    """Of the best and the last checkpoint, counted from 1."""
    best, last = (load_checkpoint(out / "checkpoints" / f"{name}.ckpt") for name in ("best", "last"))
    return best["epoch"] + 1, last["epoch"] + 1


def test_last_is_the_last_and_best_the_best_also_in_another_folder(
    run: Run, tmp_path: Path, script: Callable[..., None]
) -> None:
    """Stopped after each epoch, and moved each time."""
    for stop in (1, 2, 3, 4):
        script(stop)
        with pytest.raises(KilledError):
            train(scripted(run, tmp_path / str(stop)), resume=stop > 1)
        assert epochs(tmp_path / str(stop)) == (min(stop, 2), stop)
        (tmp_path / str(stop)).rename(tmp_path / str(stop + 1))
    script()
    metrics = train(scripted(run, tmp_path / "5"), resume=True)
    assert epochs(tmp_path / "5") == (2, 5)
    assert (metrics["epochs"], metrics["best_epoch"], metrics["best_mpjpe_mm"]) == (5, 2, 300.0)
    undisturbed = train(scripted(run, tmp_path / "undisturbed"))
    assert metrics["mpjpe_mm"] == undisturbed["mpjpe_mm"]
    for name in ("best.ckpt", "last.ckpt"):
        one, other = (load_checkpoint(tmp_path / folder / "checkpoints" / name) for folder in ("5", "undisturbed"))
        assert all(torch.equal(value, other["state_dict"][key]) for key, value in one["state_dict"].items())


@pytest.mark.parametrize("later_is_worse", [True, False])
def test_a_kill_between_the_last_and_the_best_checkpoint(
    run: Run, tmp_path: Path, script: Callable[..., None], monkeypatch: pytest.MonkeyPatch, later_is_worse: bool
) -> None:
    script()
    write, config = checkpointing.write_file, scripted(run, tmp_path / "out")
    written = []

    def killed(path: Path, content: bytes) -> None:
        written.append(path)
        if len(written) == 2:
            raise KilledError
        write(path, content)

    monkeypatch.setattr(checkpointing, "write_file", killed)
    with pytest.raises(KilledError):
        train(config)
    assert epochs(tmp_path / "out") == (1, 2)  # the second is better, but not yet the best
    monkeypatch.setattr(checkpointing, "write_file", write)
    script(None if later_is_worse else 2)
    if later_is_worse:
        assert train(config, resume=True)["best_epoch"] == 2
    else:
        with pytest.raises(KilledError):
            train(config, resume=True)
    assert epochs(tmp_path / "out")[0] == 2


def test_results_go_before_the_checkpoint_that_they_speak_of(
    run: Run, tmp_path: Path, script: Callable[..., None]
) -> None:
    """A run that is made longer and stopped has no result of its shorter form."""
    out = tmp_path / "out"
    config = scripted(run, out).replace(schedule="exponential", max_epochs=2)
    script()
    train(config)
    script(2)
    with pytest.raises(KilledError):
        train(config.replace(max_epochs=4), resume=True)
    assert (out / "metrics.json").exists()  # nothing has been trained yet
    script(3)
    with pytest.raises(KilledError):
        train(config.replace(max_epochs=4), resume=True)
    assert epochs(out) == (2, 3)
    assert {path.name for path in out.iterdir()} == {"config.json", "checkpoints", "logs"}
    assert saved_config(out).training.max_epochs == 4


def test_a_run_that_was_stopped_in_its_first_epoch(run: Run, tmp_path: Path, script: Callable[..., None]) -> None:
    out = tmp_path / "out"
    config = scripted(run, out)
    script(0)
    with pytest.raises(KilledError):
        train(config)
    assert saved_config(out) == config
    with pytest.raises(CheckpointError, match=r"lr was 0.004, now 0.1"):
        train(config.replace(lr=0.1), resume=True)
    script()
    metrics = train(saved_config(out), resume=True)
    assert metrics["epochs"] == 5
    assert metrics["mpjpe_mm"] == train(config.replace(out=str(tmp_path / "undisturbed")))["mpjpe_mm"]


def test_settings_that_may_change_change_nothing(run: Run, tmp_path: Path, script: Callable[..., None]) -> None:
    """All but the device and the number of processes, which have tests of their own."""
    changes = {"out": str(tmp_path / "b"), "progress": True, "unchecked": True, "pck_threshold": 20.0, "save_obj": None}
    machine = {"device", "devices", "gpus", "threads", "imports"}
    assert may_change("exponential") == {*changes, *machine, "max_epochs", "save_every", "early_stopping"}
    assert may_change("onecycle") == may_change("exponential") - {"max_epochs"}
    config = scripted(run, tmp_path / "a").replace(schedule="exponential", lr_decay=0.5)
    script()
    undisturbed = train(config.replace(out=str(tmp_path / "c")))
    script(2)
    with pytest.raises(KilledError):
        train(config.replace(max_epochs=3))
    (tmp_path / "a").rename(tmp_path / "b")
    script()
    assert train(config.replace(**changes), resume=True)["mpjpe_mm"] == undisturbed["mpjpe_mm"]


RESUME = """
import json, sys
from skelgraph.training import saved_config, train
train(saved_config(sys.argv[1]).replace(devices=int(sys.argv[2])), resume=True)
"""


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(run: Run, tmp_path: Path, script: Callable[..., None]) -> None:
    """Its schedule ends with its last step."""
    out = tmp_path / "out"
    script(1)
    with pytest.raises(KilledError):
        train(scripted(run, out).replace(batch_size=50, max_epochs=2))
    with pytest.raises(SkelgraphError, match="batch-size is 50, expected a multiple of the number of processes, 3"):
        train(saved_config(out).replace(devices=3), resume=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    path = tmp_path / "resume.py"
    path.write_text(RESUME)
    process = subprocess.run(
        [sys.executable, str(path), str(out), "2"], env=environment, timeout=180, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    saved = load_checkpoint(out / "checkpoints" / "last.ckpt")
    assert (saved["epoch"], saved["global_step"]) == (1, saved["lr_schedulers"][0]["total_steps"])
    assert json.loads((out / "metrics.json").read_text())["epochs"] == 2
