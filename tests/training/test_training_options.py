"""Accumulated gradients, averaged weights, early stopping and checkpoints of epochs, by hand and over a resume."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from full_disk import fill_disk
from lightning.pytorch.callbacks import Callback
from tiny_mocap import Run
from torch import Tensor

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.training import LiftingModule, TrainConfig, evaluate, load_checkpoint, train
from skelgraph.training.averaging import TRAINED

PLAIN: dict[str, Any] = {
    "model": "graph_mlp",
    "options": {
        "hidden_channels": 16, "token_channels": 8, "mlp_channels": 16, "num_blocks": 1, "dropout": 0.0,
        "drop_path": 0.0,
    },
}  # fmt: skip
"""A network without batch normalisation and dropout."""


def rows(out: Path) -> list[dict[str, float]]:
    return load_checkpoint(out / "checkpoints" / "last.ckpt")["callbacks"]["History"]["rows"]


def curve(out: Path) -> list[float]:
    return [row[name] for row in rows(out) for name in ("train_loss", "val_mpjpe_mm", "lr")]


class KilledError(Exception):
    """Ends a run as a kill does."""


class Kill(Callback):
    """Ends a run at a batch of an epoch."""

    def __init__(self, epoch: int, batch: int = 0) -> None:
        self.moment = epoch, batch

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, index: int) -> None:
        if (trainer.current_epoch, index) == self.moment:
            raise KilledError


class Steps(Callback):
    """Notes the weights after every step of the optimizer."""

    def __init__(self) -> None:
        self.weights: list[dict[str, Tensor]] = []
        self.seen = 0

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        if trainer.global_step > self.seen:
            self.seen = trainer.global_step
            self.weights.append({name: value.clone() for name, value in pl_module.state_dict().items()})


# --- gradient accumulation


@pytest.mark.parametrize("schedule", ["onecycle", "exponential"])
def test_accumulated_batches_are_one_large_batch(run: Run, tmp_path: Path, schedule: str) -> None:
    """Of 616 windows 48 make a step: 12 steps an epoch, 40 windows left out by both, which are 2 batches of 16 more."""
    config = run.config.replace(**PLAIN, schedule=schedule)
    train(config.replace(out=str(tmp_path / "large"), batch_size=48))
    train(config.replace(out=str(tmp_path / "parts"), batch_size=16, accumulate=3))
    assert curve(tmp_path / "parts") == pytest.approx(curve(tmp_path / "large"), rel=1e-5)
    saved = load_checkpoint(tmp_path / "parts" / "checkpoints" / "last.ckpt")
    assert saved["global_step"] == 3 * 12
    if schedule == "onecycle":
        assert saved["lr_schedulers"][0]["total_steps"] == 3 * 12
    train(config.replace(out=str(tmp_path / "small"), batch_size=16))
    assert curve(tmp_path / "small") != pytest.approx(curve(tmp_path / "large"), rel=1e-2)


def test_the_last_batch_is_kept_on_request(run: Run, tmp_path: Path) -> None:
    """616 windows are 12 batches of 48 and one of 40, which the published programs train on, too."""
    config = run.config.replace(**PLAIN, schedule="step_power", lr_every=13, lr_decay=0.5, batch_size=48)
    for kept, steps in ((False, 13), (True, 12)):
        out = tmp_path / str(kept)
        train(config.replace(out=str(out), drop_last=kept))
        saved = load_checkpoint(out / "checkpoints" / "last.ckpt")
        assert saved["global_step"] == 3 * steps
    rates = [row["lr"] for row in saved["callbacks"]["History"]["rows"]]
    kept = load_checkpoint(tmp_path / "False" / "checkpoints" / "last.ckpt")["callbacks"]["History"]["rows"]
    assert [row["lr"] for row in kept] != rates, "the rate moves after 13 steps, which are an epoch here"
    config = config.replace(out=str(tmp_path / "bad"), drop_last=False)
    with pytest.raises(SkelgraphError, match="batch-size leaves 1 window for a step"):
        train(config.replace(model="martinez", options={"hidden_channels": 8}, batch_size=615))
    with pytest.raises(SkelgraphError, match="drop-last is off; expected it to be on with accumulate"):
        train(config.replace(accumulate=2))
    with pytest.raises(SkelgraphError, match="drop-last is off; expected it to be on with compile"):
        train(config.replace(compile=True))
    assert not (tmp_path / "bad").exists()


def test_accumulation_goes_on_after_a_kill_within_a_step(run: Run, tmp_path: Path) -> None:
    config = run.config.replace(batch_size=16, accumulate=3)
    train(config.replace(out=str(tmp_path / "undisturbed")))
    with pytest.raises(KilledError):
        train(config.replace(out=str(tmp_path / "out")), callbacks=[Kill(1, 7)])
    train(config.replace(out=str(tmp_path / "out")), resume=True)
    assert_same_weights(tmp_path / "out", tmp_path / "undisturbed")


def test_a_step_of_more_windows_than_there_are(run: Run, tmp_path: Path) -> None:
    message = "accumulate is 10: a step would take 640 windows, more than the 616 training windows"
    with pytest.raises(SkelgraphError, match=message):
        train(run.config.replace(out=str(tmp_path / "out"), accumulate=10))
    assert not (tmp_path / "out").exists()
    train(run.config.replace(out=str(tmp_path / "out"), accumulate=9, max_epochs=1))


def assert_same_weights(one: Path, other: Path, name: str = "last.ckpt") -> None:
    first, second = (load_checkpoint(out / "checkpoints" / name) for out in (one, other))
    for entry in ("state_dict", TRAINED):
        assert (entry in first) == (entry in second)
        for key, value in first.get(entry, {}).items():
            assert torch.equal(value, second[entry][key]), key


# --- averaged weights


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_average_is_that_of_every_step(run: Run, tmp_path: Path, accumulate: int) -> None:
    """By hand, in float64, statistics of batch normalisation included; what is judged is the average."""
    decay, steps, out = 0.8, Steps(), tmp_path / "out"
    config = run.config.replace(out=str(out), ema=decay, accumulate=accumulate, max_epochs=2)
    metrics = train(config, callbacks=[steps])
    assert len(steps.weights) == 2 * (9 // accumulate)
    saved = load_checkpoint(out / "checkpoints" / "last.ckpt")
    statistics = [name for name in saved["state_dict"] if "running" in name]
    assert statistics
    for name, value in saved["state_dict"].items():
        average = steps.weights[0][name].double()
        for weights in steps.weights[1:]:
            average = decay * average + (1 - decay) * weights[name].double()
        expected = average if value.is_floating_point() else steps.weights[-1][name]
        torch.testing.assert_close(value.double(), expected.double(), rtol=1e-5, atol=1e-6)
        assert torch.equal(saved[TRAINED][name], steps.weights[-1][name])
    assert any(not torch.equal(saved[TRAINED][name], saved["state_dict"][name]) for name in statistics)
    again = evaluate(out / "checkpoints" / "last.ckpt", tmp_path / "again", device="cpu", progress=False)
    assert again["mpjpe_mm"] == metrics["mpjpe_mm"]
    assert rows(out)[-1]["val_mpjpe_mm"] == pytest.approx(metrics["mpjpe_mm"], rel=1e-5)


def test_the_average_changes_no_training(run: Run, tmp_path: Path) -> None:
    train(run.config.replace(out=str(tmp_path / "out"), ema=0.9))
    averaged, plain = load_checkpoint(tmp_path / "out" / "checkpoints" / "last.ckpt"), load_checkpoint(run.last)
    assert TRAINED not in plain
    for name, value in plain["state_dict"].items():
        assert torch.equal(averaged[TRAINED][name], value)
    losses = [[row["train_loss"] for row in rows(out)] for out in (tmp_path / "out", run.out)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("select", ["last", "test"])
def test_the_average_goes_on_exactly(run: Run, tmp_path: Path, select: str) -> None:
    config = run.config.replace(ema=0.9, select=select)
    undisturbed = train(config.replace(out=str(tmp_path / "undisturbed")))
    config = config.replace(out=str(tmp_path / "out"))
    for resume, moment in ((False, (1, 4)), (True, (2, 0))):
        with pytest.raises(KilledError):
            train(config, resume=resume, callbacks=[Kill(*moment)])
    metrics = train(config, resume=True)
    for name in ("last.ckpt", "best.ckpt"):
        assert_same_weights(tmp_path / "out", tmp_path / "undisturbed", name)
    assert metrics["per_action"] == undisturbed["per_action"]
    assert train(config, resume=True)["per_action"] == undisturbed["per_action"]  # of a finished run


def test_an_average_is_not_begun_later(run: Run, tmp_path: Path) -> None:
    config = run.config.replace(out=str(tmp_path / "out"), max_epochs=1, schedule="exponential")
    train(config)
    with pytest.raises(CheckpointError, match=r"ema was None, now 0\.9"):
        train(config.replace(ema=0.9, max_epochs=2), resume=True)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: c.pop(TRAINED), "trained_state_dict is None, expected a dictionary"),
        (lambda c: c[TRAINED].popitem(), "trained_state_dict.* missing tensors"),
        (lambda c: c[TRAINED].update({"mean_pose": "x"}), "trained_state_dict: mean_pose is a str"),
    ],
)
def test_trained_weights_that_are_damaged(
    run: Run, tmp_path: Path, damage: Callable[[dict[str, Any]], Any], message: str
) -> None:
    config = run.config.replace(out=str(tmp_path / "out"), max_epochs=1, ema=0.9)
    train(config)
    last = tmp_path / "out" / "checkpoints" / "last.ckpt"
    saved = torch.load(last, weights_only=True)
    damage(saved)
    torch.save(saved, last)
    with pytest.raises(CheckpointError, match=rf"last\.ckpt.*{message}"):
        train(config, resume=True)


# --- early stopping

ERRORS = (500.0, 300.0, 400.0, 350.0, 300.0, 200.0)
"""Validation errors: the second epoch is the best of the first five, which the fifth equals and the sixth beats."""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> None:
    def log(self: LiftingModule) -> None:
        self.log("val_mpjpe_mm", ERRORS[self.current_epoch])

    monkeypatch.setattr(LiftingModule, "on_validation_epoch_end", log)


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (2, 4), (3, 5), (4, 6), (None, 6)])
@pytest.mark.usefixtures("script")
def test_patience(run: Run, tmp_path: Path, patience: int | None, epochs: int) -> None:
    config = run.config.replace(out=str(tmp_path / "out"), max_epochs=6, early_stopping=patience, select="test")
    metrics = train(config)
    assert (metrics["epochs"], metrics["best_epoch"]) == (epochs, 2 if epochs < 6 else 6)
    assert metrics["selection"]["stopped_early"] == (epochs < 6)
    page = " ".join((tmp_path / "out" / "report.html").read_text().split())
    said = f"stopped early, after epoch {epochs} of 6, since the {patience} epochs after the best one were not better"
    assert (said in page) == (epochs < 6)


@pytest.mark.usefixtures("script")
def test_a_resumed_run_stops_where_an_undisturbed_one_does(run: Run, tmp_path: Path) -> None:
    config = run.config.replace(out=str(tmp_path / "out"), max_epochs=6, early_stopping=3)
    undisturbed = train(config.replace(out=str(tmp_path / "undisturbed")))
    with pytest.raises(KilledError):
        train(config, callbacks=[Kill(3)])
    assert train(config, resume=True)["epochs"] == undisturbed["epochs"] == 5
    assert_same_weights(tmp_path / "out", tmp_path / "undisturbed")
    for _ in range(2):  # and stays there
        assert train(config, resume=True)["epochs"] == 5
    assert train(config.replace(early_stopping=4), resume=True)["epochs"] == 6


# --- checkpoints of epochs


def test_every_second_epoch_is_kept(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = run.config.replace(out=str(out), max_epochs=5, save_every=2, schedule="exponential")
    train(config)
    kept = {path.name: load_checkpoint(path)["epoch"] + 1 for path in (out / "checkpoints").glob("epoch-*")}
    assert kept == {"epoch-0002.ckpt": 2, "epoch-0004.ckpt": 4}
    (out / "checkpoints" / "epoch-mine.ckpt").write_text("mine")
    train(config.replace(save_every=None, max_epochs=1), overwrite=True)
    names = {path.name for path in (out / "checkpoints").iterdir()}
    assert names == {"last.ckpt", "best.ckpt", "epoch-mine.ckpt"}


def test_the_copy_of_an_epoch_is_made_up_for(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill between the last checkpoint and its copy."""
    from skelgraph.training import checkpointing

    write = checkpointing.write_file

    def killed(path: Path, content: bytes) -> None:
        if path.name == "epoch-0002.ckpt":
            raise KilledError
        write(path, content)

    out = tmp_path / "out"
    config = run.config.replace(out=str(out), save_every=2)
    monkeypatch.setattr(checkpointing, "write_file", killed)
    with pytest.raises(KilledError):
        train(config)
    monkeypatch.undo()
    train(config, resume=True)
    assert load_checkpoint(out / "checkpoints" / "epoch-0002.ckpt")["epoch"] == 1


def test_a_disk_that_is_full_when_an_epoch_is_kept(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    config = run.config.replace(out=str(out), save_every=2, ema=0.9)
    fill_disk(monkeypatch, lambda path: path.name.startswith(".epoch-0002.ckpt."))
    with pytest.raises(OSError, match="No space left") as caught:
        train(config)
    assert caught.value.filename == str(out / "checkpoints" / "epoch-0002.ckpt")
    assert {path.name for path in (out / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}
    monkeypatch.undo()
    undisturbed = train(config.replace(out=str(tmp_path / "undisturbed")))
    assert train(config, resume=True)["per_action"] == undisturbed["per_action"]
    for name in ("last.ckpt", "best.ckpt", "epoch-0002.ckpt"):
        assert_same_weights(out, tmp_path / "undisturbed", name)


def test_a_corrupt_checkpoint_costs_the_epochs_since_the_last_one_that_was_kept(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = run.config.replace(out=str(out), save_every=2, ema=0.9)
    undisturbed = train(config.replace(out=str(tmp_path / "undisturbed")))
    train(config)
    last = out / "checkpoints" / "last.ckpt"
    for path in (last, last.with_name("best.ckpt")):
        content = bytearray(path.read_bytes())
        content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
        path.write_bytes(content)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    kept = last.with_name("epoch-0002.ckpt")
    with pytest.raises(CheckpointError, match=rf"last\.ckpt.*; {kept}, of epoch 2, is whole: copy it to") as error:
        train(config, resume=True)
    assert "checkpoints/last.ckpt to go on from there" in str(error.value)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    last.write_bytes(kept.read_bytes())
    assert train(config, resume=True)["per_action"] == undisturbed["per_action"]
    assert_same_weights(out, tmp_path / "undisturbed")


# --- callbacks, GPUs


def test_callbacks_of_the_user_see_every_epoch(run: Run, tmp_path: Path) -> None:
    class Errors(Callback):
        def __init__(self) -> None:
            self.errors: list[float] = []

        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            self.errors.append(float(trainer.callback_metrics["val_mpjpe_mm"]))

        def state_dict(self) -> dict[str, Any]:
            return {"errors": self.errors}

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            self.errors = list(state_dict["errors"])

    config = run.config.replace(out=str(tmp_path / "out"))
    with pytest.raises(KilledError):
        train(config, callbacks=[Errors(), Kill(2)])
    errors = Errors()
    train(config, callbacks=[errors], resume=True)
    assert errors.errors == [row["val_mpjpe_mm"] for row in rows(tmp_path / "out")]


@pytest.mark.parametrize(
    ("settings", "found", "message"),
    [
        ({"gpus": (0, 2), "devices": 2}, 0, "gpus is 0, 2, but this machine has no CUDA device"),
        ({"gpus": (0,), "device": "cpu"}, 4, "gpus is 0, but device is 'cpu'"),
        ({"gpus": (0, 2)}, 4, "gpus is 0, 2; expected as many different ones as devices, 1"),
        ({"gpus": (2, 2), "devices": 2}, 4, "gpus is 2, 2; expected as many different ones as devices, 2"),
        ({"gpus": (0, 4), "devices": 2}, 4, "gpus is 0, 4; expected numbers from 0 to 3"),
    ],
)
def test_gpus_that_there_are_not(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], found: int, message: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: found)
    with pytest.raises(SkelgraphError, match=message):
        train(run.config.replace(**{"device": "auto"} | settings, out=str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


def test_named_gpus_reach_the_trainer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from skelgraph.training import trainer

    given: dict[str, Any] = {}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(trainer.pl, "Trainer", lambda **options: given.update(options))
    trainer.make_trainer(run.config.replace(gpus=(0, 2), devices=2, device="auto"))
    assert (given["accelerator"], given["devices"], given["strategy"]) == ("cuda", [0, 2], "ddp")


@pytest.mark.parametrize("gpus", [(-1,), (), ("a",), (0.5,)])
def test_what_is_no_gpu(gpus: Any) -> None:
    with pytest.raises(SkelgraphError, match="gpus is "):
        TrainConfig("x").replace(gpus=gpus)


def test_torchrun_has_started_another_number_of_processes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of which would train by itself."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SkelgraphError, match="torchrun has started 2 processes, and devices is 1"):
        train(run.config.replace(out=str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()
