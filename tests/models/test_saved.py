"""One loader for every file of ours, and what it makes of damaged ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_all_models import SMALL

import skelgraph
from skelgraph import create_model, list_models, load_model
from skelgraph.errors import CheckpointError
from skelgraph.models.pretrained import save_weights
from skelgraph.topology import Skeleton

HAND = Skeleton([-1, 0, 1, 0, 3], symmetric_pairs=[(1, 3), (2, 4)], name="hand5")


def as_run(model: Any) -> dict[str, Any]:
    """What a checkpoint of a run holds of its model."""
    about = model.config
    network = {"model": about["name"], "options": about["options"]}
    settings = {"network": network, "data": {"skeleton": about["skeleton"]}}
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    return {"skelgraph": {"config": settings}, "state_dict": state | {"mean_pose": torch.zeros(3)}, "epoch": 1}


@pytest.mark.parametrize("name", list_models())
def test_every_model_comes_back_whole(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = create_model(name, "h36m17", **SMALL[name]).eval()
    model.save_pretrained(tmp_path)
    torch.save(as_run(model), tmp_path / "last.ckpt")
    x = torch.randn(2, 17, 2)
    for source in (tmp_path, str(tmp_path / "model.safetensors"), tmp_path / "last.ckpt"):
        before = torch.get_rng_state()
        again = load_model(source)
        assert torch.equal(torch.get_rng_state(), before), "to load is no random experiment"
        assert type(again) is type(model)
        assert not again.training
        assert again.config == model.config
        assert not any(tensor.is_meta for tensor in (*again.parameters(), *again.buffers()))
        assert [p.requires_grad for p in again.parameters()] == [p.requires_grad for p in model.parameters()]
        torch.testing.assert_close(again(x), model(x), atol=0, rtol=0)


def test_own_skeletons_and_half_precision(tmp_path: Path) -> None:
    model = create_model("sem_gcn", HAND, hidden_channels=8, num_blocks=1).eval()
    save_weights(model, tmp_path / "m.safetensors")
    state = load_file(tmp_path / "m.safetensors")
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    save_file(half, tmp_path / "half.safetensors", {"skelgraph": json.dumps(model.config)})
    again = skelgraph.load_model(tmp_path / "half.safetensors")
    assert again.skeleton == HAND
    for key, value in again.state_dict().items():
        assert value.dtype == state[key].dtype
        assert torch.equal(value, half[key].to(value.dtype))
    x = torch.randn(3, 5, 2)
    torch.testing.assert_close(again(x), model(x), atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("skelgraph"), r"was not written by `skelgraph train`.*load_official"),
        (lambda c: c.update(skelgraph=3), "was not written by"),
        (lambda c: c.update(state_dict=[1]), "was not written by"),
        (lambda c: c["skelgraph"].update(config=None), "no configuration of this version: None"),
        (lambda c: c["skelgraph"]["config"]["network"].pop("options"), "no configuration of this version"),
        (lambda c: c["skelgraph"]["config"]["network"].update(options=[1]), "options is .1."),
        (lambda c: c["skelgraph"]["config"]["network"].update(options={1: 2}), "options is .1: 2."),
        (
            lambda c: c["skelgraph"]["config"]["network"].update(options={"hidden_channels": "x"}),
            "hidden_channels is 'x'",
        ),
        (lambda c: c["skelgraph"]["config"]["network"].update(model=[3]), r"unknown model \[3\]"),
        (lambda c: c["skelgraph"]["config"]["data"].update(skeleton={"parents": "x"}), "unusable configuration"),
        (lambda c: c["state_dict"].update({"model.head.bias": 3}), r"model\.head\.bias is a int, expected a tensor"),
        (lambda c: c["state_dict"].update({"model.head.bias": torch.ones(3, device="meta")}), "without numbers"),
        (lambda c: c["state_dict"].update({"model.head.bias": torch.eye(3).to_sparse()}), "a sparse tensor"),
        (lambda c: c["state_dict"].update({"model.head.bias": torch.ones(3).long()}), "found torch.int64"),
        (lambda c: c["state_dict"].update({"model.head.bias": torch.tensor([1, float("nan"), 2])}), "NaN or infinite"),
        (lambda c: c["state_dict"].update({"loss.weight": torch.ones(1)}), "unexpected entries .*loss.weight"),
        (lambda c: c["state_dict"].update({3: torch.ones(1)}), "unexpected entries in 'state_dict': .*3"),
        (lambda c: c["state_dict"].pop("model.head.bias"), r"missing tensors: head\.bias"),
    ],
)
def test_damaged_runs_are_named(change: Any, message: str, tmp_path: Path) -> None:
    content = as_run(create_model("sem_gcn", hidden_channels=8, num_blocks=1))
    change(content)
    torch.save(content, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match=rf"last\.ckpt.*{message}") as error:
        load_model(tmp_path / "last.ckpt")
    assert len(str(error.value)) < 1000


def test_a_file_of_other_people_names_its_loader(golden: Any, tmp_path: Path) -> None:
    torch.save(golden("martinez_model").state_dict(), tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"load_official"):
        load_model(tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"without model\.safetensors, .* a file of weights: model\.pth$"):
        load_model(tmp_path)


def test_the_header_is_compared_before_the_weights_are_read(tmp_path: Path) -> None:
    model = create_model("sem_gcn", hidden_channels=8, num_blocks=1)
    path = tmp_path / "m.safetensors"
    save_file({"w": torch.zeros(3).to(torch.float8_e4m3fn)}, path, {"skelgraph": json.dumps(model.config)})
    with pytest.raises(CheckpointError, match=r"w is a tensor of F8_E4M3; expected ordinary numbers"):
        load_model(path)
    for text, message in {
        "[" * 100_000: "nested too deeply",
        "9" * 5000: "an integer of 5000 digits",
        "null": "no skelgraph configuration",
        json.dumps(model.config | {"options": {"dropout": float("nan")}}): "dropout is nan",
    }.items():
        save_file(model.state_dict(), path, {"skelgraph": text})
        with pytest.raises(CheckpointError, match=message) as error:
            load_model(path)
        assert len(str(error.value)) < 500
