"""The same run with several seeds in one command."""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
from tiny_mocap import Run

from skelgraph.__main__ import main
from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.training import LiftingModule, TrainConfig, load_checkpoint, saved_seeds, train, train_seeds


@pytest.fixture
def config(run: Run, tmp_path: Path) -> TrainConfig:
    return run.config.replace(out=str(tmp_path / "out"), max_epochs=2, schedule="exponential")


class KilledError(Exception):
    """Ends a run as a kill does."""


def kill(monkeypatch: pytest.MonkeyPatch, seed: int, epoch: int, error: type[Exception] = KilledError) -> None:
    start = LiftingModule.on_train_epoch_start

    def on_train_epoch_start(self: LiftingModule) -> None:
        if (self.seed, self.current_epoch) == (seed, epoch):
            raise error
        start(self)

    monkeypatch.setattr(LiftingModule, "on_train_epoch_start", on_train_epoch_start)


def numbers(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: metrics[name] for name in ("mpjpe_mm", "p_mpjpe_mm", "per_action", "per_joint_mm", "selection")}


def test_mean_and_deviation(config: TrainConfig, tmp_path: Path) -> None:
    """Of runs that are those of the seeds alone."""
    summary = train_seeds(config, [5, 0, 2])
    out = tmp_path / "out"
    written = json.loads((out / "seeds.json").read_text())
    assert written == json.loads(json.dumps(summary))
    assert (summary["seeds"], summary["finished"], summary["failed"]) == ([5, 0, 2], [5, 0, 2], {})
    runs = [json.loads((out / f"seed-{seed}" / "metrics.json").read_text()) for seed in (5, 0, 2)]
    assert [run["seed"] for run in runs] == [5, 0, 2]
    alone = train(config.replace(out=str(tmp_path / "alone"), seed=2))
    assert numbers(alone) == numbers(runs[2])
    for name in ("mpjpe_mm", "p_mpjpe_mm", "auc"):
        values = [run[name] for run in runs]
        assert len(set(values)) == 3
        mean = sum(values) / 3
        assert summary["mean"][name] == pytest.approx(mean)
        assert summary["std"][name] == pytest.approx((sum((v - mean) ** 2 for v in values) / 2) ** 0.5)
    walk = [run["per_action"]["walk"]["p_mpjpe_mm"] for run in runs]
    assert summary["std"]["per_action"]["walk"]["p_mpjpe_mm"] == pytest.approx(statistics.stdev(walk))
    assert "frames" not in summary["mean"]["per_action"]["walk"]
    assert not {"selection", "versions", "dataset", "seed"} & summary["mean"].keys()
    page = (out / "seeds.html").read_text()
    assert f"<td>mean</td><td></td><td>{summary['mean']['mpjpe_mm']:.2f}</td>" in page
    assert f"<td>{summary['std']['mpjpe_mm']:.2f}</td>" in page
    assert all(f'<a href="seed-{seed}/report.html">' in page for seed in (5, 0, 2))
    assert saved_seeds(out) == (config, (5, 0, 2))


def test_one_seed_has_no_deviation(config: TrainConfig) -> None:
    summary = train_seeds(config.replace(max_epochs=1), [3])
    assert summary["std"] is None
    assert "standard deviation" not in Path(config.out, "seeds.html").read_text().partition("<table>")[2]


@pytest.mark.parametrize("resume", [True, "if-exists"])
def test_a_run_that_was_killed_goes_on(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resume: Any
) -> None:
    """Finished seeds are not trained again, the killed one goes on, the one that never began begins."""
    undisturbed = train_seeds(config.replace(out=str(tmp_path / "undisturbed")), [0, 1, 2])
    out = tmp_path / "out"
    kill(monkeypatch, seed=1, epoch=1)
    with pytest.raises(KilledError):
        train_seeds(config, [0, 1, 2], resume=False if resume is True else resume)
    assert not (out / "seeds.json").exists()
    assert [path.name for path in sorted(out.glob("seed-*"))] == ["seed-0", "seed-1"]
    assert load_checkpoint(out / "seed-1" / "checkpoints" / "last.ckpt")["epoch"] == 0
    monkeypatch.undo()
    trained: list[tuple[int, int]] = []
    start = LiftingModule.on_train_epoch_start

    def on_train_epoch_start(self: LiftingModule) -> None:
        trained.append((self.seed, self.current_epoch))
        start(self)

    monkeypatch.setattr(LiftingModule, "on_train_epoch_start", on_train_epoch_start)
    before = (out / "seed-0" / "report.html").stat().st_mtime_ns
    summary = train_seeds(config, [0, 1, 2], resume=resume)
    assert trained == [(1, 1), (2, 0), (2, 1)]
    assert (out / "seed-0" / "report.html").stat().st_mtime_ns == before
    for seed in ("0", "1", "2"):
        assert numbers(summary["runs"][seed]) == numbers(undisturbed["runs"][seed])
    assert summary["mean"]["per_joint_mm"] == undisturbed["mean"]["per_joint_mm"]
    # All of them may be made longer.
    longer = train_seeds(config.replace(max_epochs=3), [0, 1, 2], resume=True)
    assert [run["epochs"] for run in longer["runs"].values()] == [3, 3, 3]


def test_a_seed_that_diverges_stops_no_other(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = LiftingModule.on_validation_epoch_end

    def on_validation_epoch_end(self: LiftingModule) -> None:
        if self.seed == 1:
            self.log("val_mpjpe_mm", float("nan"))
        else:
            log(self)

    monkeypatch.setattr(LiftingModule, "on_validation_epoch_end", on_validation_epoch_end)
    summary = train_seeds(config, [0, 1, 2])
    assert summary["finished"] == [0, 2]
    assert "diverged in epoch 1" in summary["failed"]["1"]
    values = [summary["runs"][seed]["mpjpe_mm"] for seed in ("0", "2")]
    assert summary["mean"]["mpjpe_mm"] == pytest.approx(sum(values) / 2)
    page = Path(config.out, "seeds.html").read_text()
    assert "Seed 1 counts nowhere:</strong> training diverged in epoch 1" in page
    with pytest.raises(SkelgraphError, match="no run was finished: seed 1: training diverged"):
        train_seeds(config.replace(out=config.out + "2"), [1])


def test_what_is_refused(config: TrainConfig, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "out"
    for seeds, message in {
        (): "seeds is empty; expected at least one and none twice",
        (1, 1): "seeds is 1, 1; expected at least one and none twice",
        (-1,): "seeds is ",
        ("a",): "seeds is ",
    }.items():
        with pytest.raises(SkelgraphError, match=message):
            train_seeds(config, seeds)  # type: ignore[arg-type]
    with pytest.raises(SkelgraphError, match=r"nothing to resume: .* does not hold runs with several seeds"):
        train_seeds(config, [0], resume=True)
    assert not out.exists()
    with pytest.raises(SkelgraphError, match="holds a training run"):
        train_seeds(config.replace(out=str(run.out)), [0], overwrite=True)
    train(config.replace(out=str(out / "seed-1"), max_epochs=1))  # of the user
    with pytest.raises(SkelgraphError, match=r"seed-1 holds a run already"):
        train_seeds(config, [0, 1])
    assert [path.name for path in out.iterdir()] == ["seed-1"]
    train_seeds(config.replace(max_epochs=1), [0])
    with pytest.raises(SkelgraphError, match="holds runs with several seeds"):
        train(config, overwrite=True)
    with pytest.raises(SkelgraphError, match=r"nothing to resume: .* holds runs with several seeds"):
        train(config, resume=True)
    with pytest.raises(SkelgraphError, match="holds a run already: resume it"):
        train_seeds(config, [0])
    with pytest.raises(SkelgraphError, match="cannot be resumed with other seeds: they were 0, now 0, 2"):
        train_seeds(config, [0, 2], resume=True)
    with pytest.raises(CheckpointError, match=r"lr was 0.004, now 0.5"):
        train_seeds(config.replace(lr=0.5), [0], resume=True)
    replaced = train_seeds(config.replace(lr=0.5, max_epochs=1), [0], overwrite=True)
    assert replaced["finished"] == [0]
    assert (
        load_checkpoint(out / "seed-0" / "checkpoints" / "last.ckpt")["skelgraph"]["config"]["optimizer"]["lr"] == 0.5
    )


def test_the_command(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = " ".join(f"--{key.replace('_', '-')} {shlex.quote(path)}" for key, path in files.items())
    network = "--option hidden_channels=8 --option num_blocks=1 --device cpu --no-progress --max-epochs 1"
    command = f"train --dataset mocap {data} {network} --out {tmp_path / 'out'}"
    kill(monkeypatch, seed=7, epoch=0, error=KeyboardInterrupt)
    assert main(shlex.split(f"{command} --seeds 4,7")) == 130
    monkeypatch.undo()
    assert not (tmp_path / "out" / "seeds.json").exists()
    assert main(shlex.split(f"train --resume --no-progress --out {tmp_path / 'out'}")) == 0
    summary = json.loads((tmp_path / "out" / "seeds.json").read_text())
    assert summary["finished"] == [4, 7]
    printed = " ".join(capsys.readouterr().out.split())
    assert "2 of 2 seeds" in printed
    assert f"{summary['mean']['mpjpe_mm']:.1f}" in printed
    assert f"{summary['std']['mpjpe_mm']:.2f}" in printed
    for wrong, message in {"--seeds 4,x": "seeds is ", "--seeds 1,2 --seed 3": "give one of them"}.items():
        assert main(shlex.split(f"{command}2 {wrong}")) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out2").exists()


def test_runs_that_stopped_early_are_finished(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def log(self: LiftingModule) -> None:
        self.log("val_mpjpe_mm", 500.0 + self.current_epoch)

    monkeypatch.setattr(LiftingModule, "on_validation_epoch_end", log)
    config = config.replace(max_epochs=5, early_stopping=1)
    assert [run["epochs"] for run in train_seeds(config, [0, 1])["runs"].values()] == [2, 2]
    monkeypatch.setattr(pl.Trainer, "fit", lambda *args, **kwargs: pytest.fail("trained again"))
    train_seeds(config, [0, 1], resume=True)


IN_TWO = """
import json, sys
from skelgraph.training import LiftingModule, TrainConfig, train_seeds

log = LiftingModule.on_validation_epoch_end
def on_validation_epoch_end(self):  # seed 1 diverges
    self.log("val_mpjpe_mm", float("nan"), sync_dist=True) if self.seed == 1 else log(self)
LiftingModule.on_validation_epoch_end = on_validation_epoch_end

config = TrainConfig.from_dict(json.load(open(sys.argv[1])))
for epochs in (1, 2, 2):
    summary = train_seeds(config.replace(max_epochs=epochs), [0, 1, 2], resume="if-exists")
    assert summary["finished"] == [0, 2]
    assert [run["epochs"] for run in summary["runs"].values()] == [epochs, epochs]
"""


@pytest.mark.slow
def test_seeds_in_two_processes(config: TrainConfig, tmp_path: Path) -> None:
    """The processes go through the seeds side by side, also where one diverges and where runs are resumed."""
    (tmp_path / "script.py").write_text(IN_TWO)
    (tmp_path / "settings.json").write_text(json.dumps(config.replace(devices=2).to_dict()))
    process = subprocess.run(
        [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "settings.json")],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert process.returncode == 0, process.stderr
    summary = json.loads((tmp_path / "out" / "seeds.json").read_text())
    assert summary["finished"] == [0, 2]
    assert [run["epochs"] for run in summary["runs"].values()] == [2, 2]
    alone = train(config.replace(out=str(tmp_path / "alone"), seed=2))
    assert summary["runs"]["2"]["mpjpe_mm"] == pytest.approx(alone["mpjpe_mm"], rel=0.2)  # dropout, shares of batches
