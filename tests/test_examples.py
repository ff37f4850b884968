"""The examples run."""

from __future__ import annotations

import importlib.util
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import pytest
import torch

from skelgraph.testing import check_layer
from skelgraph.training import TrainConfig

mpl.use("agg")

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where pickle looks for its classes
    spec.loader.exec_module(module)
    return module


def test_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = load("train").main(["--epochs", "2", "--downsample", "100", "--out", str(tmp_path)])
    assert 0 < results["mpjpe_mm"] < 1000
    assert f"MPJPE {results['mpjpe_mm']:.1f} mm" in capsys.readouterr().out


def test_extend_layer(capsys: pytest.CaptureFixture[str]) -> None:
    errors = load("extend_layer").main(["--epochs", "1", "--channels", "8", "--downsample", "200"])
    assert list(errors) == ["DirectedConv", "SemGraphConv", "ModulatedGraphConv"]
    assert all(0 < error < 2000 for error in errors.values())
    assert "DirectedConv" in capsys.readouterr().out


def test_the_layer_of_extend_layer_keeps_the_contract() -> None:
    example = load("extend_layer")
    check_layer(example.DirectedConv)
    sources = map(inspect.getsource, (example.directed_adjacency, example.DirectedConv))
    assert sum(source.count("\n") for source in sources) < 30, "as README says"


def test_hypergraph_quickstart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--epochs", "1", "--channels", "8", "--downsample", "200", "--out", str(tmp_path)]
    gates = load("hypergraph_quickstart").main(arguments)
    assert gates.shape == (17, 3)
    torch.testing.assert_close(gates.sum(dim=-1), torch.ones(17))
    assert (tmp_path / "hypergraph_h36m17.png").stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert "groups=[parts, sym, swing]" in printed
    assert "hyperedges (8, 13, 64)" in printed
    assert "MPJPE" in printed


SMALL_STUDY = ["--epochs", "2", "--downsample", "400"]


def test_tune(tmp_path: Path, require: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]) -> None:
    """The best trial is that with the lowest validation error; a second call goes on with the study."""
    require("optuna")
    tune, out = load("tune"), tmp_path / "study"
    for trials in (1, 2):
        study = tune.main([*SMALL_STUDY, "--trials", str(trials), "--out", str(out)])
        assert len(study.trials) == trials
    runs = [json.loads((out / f"trial-{i}" / "metrics.json").read_text()) for i in range(2)]
    assert study.best_value == min(run["best_mpjpe_mm"] for run in runs)
    assert all(run["selection"]["subjects"] == ["S8"] for run in runs)
    assert all(run["dataset"]["subjects"] == ["S9", "S11"] for run in runs)
    config = json.loads((out / f"trial-{study.best_trial.number}" / "config.json").read_text())["config"]
    assert config["optimizer"]["lr"] == study.best_params["lr"]
    assert f"best: {study.best_value:.1f} mm on S8" in capsys.readouterr().out


def test_tune_prunes(tmp_path: Path, require: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that is ended after its first epoch, and one that diverges, count as pruned."""
    optuna = require("optuna")
    tune = load("tune")
    monkeypatch.setattr(optuna.pruners.MedianPruner, "prune", lambda self, study, trial: trial.number == 1)
    train = tune.train

    def diverging(config: TrainConfig, **options: Any) -> dict[str, Any]:
        return train(config.replace(lr=1e30) if config.out.endswith("trial-2") else config, **options)

    monkeypatch.setattr(tune, "train", diverging)
    study = tune.main([*SMALL_STUDY, "--trials", "3", "--out", str(tmp_path)])
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "PRUNED", "PRUNED"]
    assert [len(trial.intermediate_values) for trial in study.trials] == [2, 1, 0]
    assert not (tmp_path / "trial-1" / "metrics.json").exists()
