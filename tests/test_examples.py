"""The examples run."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import lightning.pytorch as pl
import matplotlib as mpl
import pytest
import torch

from skelgraph.models import PoseLifter, create_model
from skelgraph.recipes import read_recipe
from skelgraph.testing import check_layer
from skelgraph.topology import as_skeleton
from skelgraph.training import SCHEDULES, LiftingModule, TrainConfig
from skelgraph.training.schedules import SETTINGS

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


def test_four_videos(
    shared_dir: Callable[[str], Path],
    blazepose_files: Path,
    clip_videos: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The third view of the table in docs/video.md."""
    monkeypatch.setenv("SKELGRAPH_CACHE", str(blazepose_files.parents[1]))
    weights = str(shared_dir("real") / "ckpt_modulated_gcn_gt.pth.tar")
    given = ["--videos", str(clip_videos["cam03"].parent), "--weights", weights, "--model", "modulated_gcn"]
    (row,) = load("four_videos").main([*given, "--views", "cam03"]).values()
    page = (EXAMPLES.parent / "docs" / "video.md").read_text()
    (told,) = re.findall(r"^\| calibrated focal length \|.*?\|.*?\| ([\d.]+) / ([\d.]+) \|", page, re.MULTILINE)
    # another processor rounds otherwise, and the detector follows what it found
    assert row == pytest.approx([float(number) for number in told], abs=1.0)


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


RECIPES = {
    "nehs_net": "nehs_net_h36m_gt_f1",
    "hoif_net": "hoif_net_h36m_gt",
    "hgn": "hgn_h36m_gt",
    "rs_net": "rs_net_h36m_gt",
    "mlp_graph": "mlp_graph_h36m_gt_f1",
}
"""The published result whose recipe the example of a system follows."""
NARROW = {"nehs_net": {"d_model": 12}, "mlp_graph": {"hidden_channels": 12, "graph_channels": 24}}
"""The options of the registered network that is as wide as an example with 12 channels, if not hidden_channels."""


@pytest.mark.parametrize("name", RECIPES)
def test_a_system_from_its_layers(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is the registered network, and is trained as its recipe says."""
    example, recipe = load(name), read_recipe(RECIPES[name]).config
    asked: dict[str, dict[str, Any]] = {}

    def spy(holder: Any, made: str) -> None:
        original = getattr(holder, made)

        def make(*args: Any, **kwargs: Any) -> Any:
            asked[made] = kwargs
            if made == "Trainer":
                kwargs = {**kwargs, "max_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False}
            return original(*args, **kwargs)

        monkeypatch.setattr(holder, made, make)

    for holder, made in ((example, "LiftingModule"), (example, "PoseData"), (pl, "Trainer")):
        spy(holder, made)
    model, results = example.main(["--channels", "12", "--downsample", "100"])
    assert 0 < results["mpjpe_mm"] < 2000
    assert f"MPJPE {results['mpjpe_mm']:.1f} mm" in capsys.readouterr().out

    module, data, trainer = asked["LiftingModule"], asked["PoseData"], asked["Trainer"]
    settings, defaults = recipe.settings(), inspect.signature(LiftingModule).parameters
    used = SCHEDULES[recipe.optimizer.schedule].values({setting: settings[setting] for setting in SETTINGS})
    for setting in ("lr", "schedule", *used, "amsgrad", "weight_decay", "norm_momentum", "flip_test", "root"):
        found = module.get(setting, defaults[setting].default)
        assert (list(found) if isinstance(found, tuple) else found) == settings[setting], setting
    if name != "hgn":  # which has its own
        assert module["loss"] == recipe.training.loss
    assert (data["batch_size"], data["flip"]) == (recipe.training.batch_size, recipe.training.flip)
    assert data.get("seed", 0) == recipe.training.seed
    assert data["drop_last"] == recipe.training.drop_last
    assert trainer["max_epochs"] == recipe.training.max_epochs
    assert trainer.get("gradient_clip_val", 0) == recipe.optimizer.clip_grad
    assert "accelerator" not in trainer, "a GPU if there is one"

    assert model.skeleton == as_skeleton(recipe.data.skeleton)
    registered = create_model(name, model.skeleton, **NARROW.get(name, {"hidden_channels": 12}))
    registered.load_state_dict(model.state_dict())
    x = torch.randn(5, 1, model.skeleton.num_joints, 2, dtype=torch.float64)
    y = torch.randn(5, model.skeleton.num_joints, 3, dtype=torch.float64)
    torch.testing.assert_close(model.eval().double()(x), registered.eval().double()(x))
    if name == "hgn":
        torch.testing.assert_close(model.training_loss(x, y), registered.training_loss(x, y))


@pytest.mark.parametrize("name", RECIPES)
def test_a_system_at_its_published_width(name: str) -> None:
    """By default the page builds the network of its recipe (of HGN on the tubes, which need no licensed file)."""
    example, recipe = load(name), read_recipe(RECIPES[name]).config
    (cls,) = (
        cls
        for cls in vars(example).values()
        if isinstance(cls, type) and issubclass(cls, PoseLifter) and cls.__module__ == example.__name__
    )
    options = {key: value for key, value in recipe.network.options.items() if key not in ("graph", "levels")}
    registered = create_model(name, recipe.data.skeleton, **options)
    shapes = [{key: tensor.shape for key, tensor in model.state_dict().items()} for model in (cls(), registered)]
    assert shapes[0] == shapes[1]


SMALL_STUDY = ["--epochs", "2", "--downsample", "400"]


@pytest.mark.usefixtures("quick_reports")
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


@pytest.mark.usefixtures("quick_reports")
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
