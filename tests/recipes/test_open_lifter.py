"""The recipe of the weights that come with the library, on the open motion that they were made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from skelgraph.models import create_model
from skelgraph.recipes import read_recipe
from skelgraph.recipes.recipe import changed
from skelgraph.training import train
from skelgraph.training.checkpoint import load_checkpoint


def test_two_runs_have_the_same_bits(
    shared_dir: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One epoch of every step that there is: new bodies and cameras, generated motion, errors to expect and their
    calibration, mixed precision."""
    monkeypatch.setattr("skelgraph.training.run.write_report", lambda *_: None)
    files = {
        "data_3d": "data_3d_cmu.npz",
        "data_2d": "data_2d_cmu_gt.npz",
        "cameras": "cameras_cmu.json",
    }
    data = {name: str(shared_dir(f"data/{file}")) for name, file in files.items()}
    quick = {
        "max_epochs": 1,
        "subset": 0.03,
        "test_downsample": 50,
        "batch_size": 128,
        "device": "cpu",
        "progress": False,
    }
    states, errors = [], []
    for run in ("first", "second"):
        config = changed(read_recipe("open_lifter").config, {**data, **quick, "out": str(tmp_path / run)})
        errors.append(train(config)["mpjpe_mm"])
        states.append(load_checkpoint(tmp_path / run / "checkpoints" / "last.ckpt")["state_dict"])
    assert states[0].keys() == states[1].keys()
    assert any(key.startswith("expected_error.") for key in states[0])
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key]), key
    assert errors[0] == errors[1]


def test_it_is_small_enough_to_ship() -> None:
    recipe = read_recipe("open_lifter")
    network = recipe.config.network
    model = create_model(network.model, recipe.config.data.skeleton, input_form=network.input_form, **network.options)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count / 1e6 == pytest.approx(recipe.published.params_m or 0, abs=0.001)
    assert 2 * count < 4 * 2**20  # in half precision
    assert not recipe.config.refinement.refine
