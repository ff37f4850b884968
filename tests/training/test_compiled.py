"""Training steps handed out at once: the same run as steps one by one, with the network compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.training import TrainConfig, train
from skelgraph.training import run as run_module
from skelgraph.training.checkpoint import load_checkpoint

SMALL = {
    "options": {"hidden_channels": 8, "num_blocks": 1},
    "downsample": 100,
    "test_downsample": 100,
    "max_epochs": 3,
    "batch_size": 64,
    "device": "cpu",
    "progress": False,
}


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes half a minute; what is handed out at once is tested without."""
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    monkeypatch.setattr(run_module, "STEPS_AT_ONCE", 7)  # no divisor of the steps of an epoch


def config(out: Path, **changes: Any) -> TrainConfig:
    return TrainConfig(str(out)).replace(**SMALL | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "cosine"},
        {"schedule": "exponential", "lr_decay": 0.5, "clip_grad": 0.01},
        {"schedule": "cosine", "precision": "bf16", "clip_grad": 0.0},
    ],
)
@pytest.mark.usefixtures("uncompiled")
def test_the_run_is_that_of_steps_one_by_one(tmp_path: Path, changes: dict[str, Any]) -> None:
    plain = train(config(tmp_path / "plain", **changes))
    at_once = train(config(tmp_path / "at_once", compile=True, **changes))
    assert at_once["mpjpe_mm"] == pytest.approx(plain["mpjpe_mm"], rel=1e-6)
    one, other = (load_checkpoint(tmp_path / name / "checkpoints/last.ckpt") for name in ("plain", "at_once"))
    assert other["global_step"] == one["global_step"] > 7
    assert other["lr_schedulers"][0]["last_epoch"] == one["lr_schedulers"][0]["last_epoch"]
    for name, weight in one["state_dict"].items():
        torch.testing.assert_close(other["state_dict"][name], weight, msg=name)
    rows = [saved["callbacks"]["History"]["rows"] for saved in (one, other)]
    for before, after in zip(*rows, strict=True):
        assert after["train_loss"] == pytest.approx(before["train_loss"], rel=1e-5)
        assert after["lr"] == before["lr"]


@pytest.mark.usefixtures("uncompiled")
def test_resumed_run_is_the_undisturbed_one(tmp_path: Path) -> None:
    settings = {"schedule": "exponential", "compile": True}
    whole = train(config(tmp_path / "whole", **settings))
    train(config(tmp_path / "parts", **settings).replace(max_epochs=1))
    resumed = train(config(tmp_path / "parts", **settings), resume=True)
    assert resumed["mpjpe_mm"] == whole["mpjpe_mm"]
    with pytest.raises(SkelgraphError, match="compile was True, now False"):
        train(config(tmp_path / "parts", **settings).replace(compile=False, max_epochs=4), resume=True)


def test_what_cannot_be_recorded_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(SkelgraphError, match="'onecycle', which moves the momentum"):
        train(config(tmp_path / "a", compile=True))
    with pytest.raises(SkelgraphError, match="devices is 2; compiled training runs on one device"):
        train(config(tmp_path / "a", compile=True, schedule="cosine", devices=2))
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_compiled(tmp_path: Path) -> None:
    settings = {"schedule": "cosine", "max_epochs": 1, "lr": 1e-4}  # rounding grows little
    plain = train(config(tmp_path / "plain").replace(**settings))
    compiled = train(config(tmp_path / "compiled").replace(compile=True, **settings))
    assert compiled["mpjpe_mm"] == pytest.approx(plain["mpjpe_mm"], rel=1e-3)
