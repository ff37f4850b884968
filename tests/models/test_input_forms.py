"""The input form of a network goes where its weights go, and says what exported files take."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_all_models import SMALL

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.models import PoseLifter, create_model, export_model, list_models, load_network, optimize
from skelgraph.models.pretrained import save_weights


@pytest.mark.parametrize("name", list_models())
def test_every_network_takes_rays_and_keeps_its_form(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = create_model(name, "h36m17", input_form="rays", **SMALL[name]).eval()
    assert (model.input_form, model.in_channels) == ("rays", 3)
    model.save_pretrained(tmp_path)
    again = load_network(tmp_path, name)
    assert (again.input_form, again.in_channels, again.config) == ("rays", 3, model.config)
    x = torch.randn(2, model.num_frames, 17, 3)
    torch.testing.assert_close(again(x), model(x), atol=0, rtol=0)
    larger = x + torch.tensor([0.0, 0.0, 0.5])
    assert (model(larger) - model(x)).abs().amax() > 1e-4  # the size is seen
    assert copy.deepcopy(model).input_form == "rays"


def test_published_networks_are_of_the_screen(tmp_path: Path) -> None:
    model = create_model("martinez", hidden_channels=8)
    assert (model.input_form, model.in_channels) == ("screen", 2)
    assert "input" not in model.config
    save_weights(model, tmp_path / "model.safetensors")
    assert PoseLifter.from_pretrained(tmp_path).input_form == "screen"
    with_confidence = create_model("martinez", hidden_channels=8, input_form="rays", in_channels=4)
    assert with_confidence.in_channels == 4


@pytest.mark.parametrize("form", ["pixels", 3, ["rays"], None])
def test_unknown_forms_are_refused(form: object, tmp_path: Path) -> None:
    with pytest.raises(SkelgraphError, match=r"input_form is .*; expected 'screen' or 'rays'"):
        create_model("martinez", input_form="" if form is None else form)  # type: ignore[arg-type] # None: not given
    path = tmp_path / "model.safetensors"
    model = create_model("martinez", hidden_channels=8, input_form="rays")
    save_weights(model, path)
    config = {"skelgraph": json.dumps({**model.config, "input": form})}
    save_file(load_file(path), path, metadata=config)
    with pytest.raises(CheckpointError, match="unusable configuration: input_form is "):
        load_network(path)


def test_exported_files_say_what_they_take(tmp_path: Path) -> None:
    model = create_model("martinez", hidden_channels=8, input_form="rays").eval()
    export_model(model, tmp_path / "model.onnx")
    about = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert about["input_form"] == "rays"
    assert "window_rays" in about["input_units"]
    assert "axes of the rays" in about["output_units"]
    assert optimize(model, compile=False).input_form == "rays"
    assert optimize(create_model("martinez", hidden_channels=8), compile=False).input_form == "screen"
