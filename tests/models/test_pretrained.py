"""Own weight files."""

from __future__ import annotations

import copy
import json
from itertools import pairwise

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.models import (
    HGN,
    FrameLifter,
    Martinez,
    PoseLifter,
    ResidualGCN,
    SemGCN,
    create_model,
    load_model,
    model_info,
    register_model,
    registry,
)
from skelgraph.models.pretrained import load_weights, save_weights
from skelgraph.nn import SemGraphConv
from skelgraph.topology import Skeleton

HAND = Skeleton([-1, 0, 1, 0, 3], symmetric_pairs=[(1, 3), (2, 4)], parts={"finger": [1, 2]}, name="hand5")


@pytest.fixture(name="model")
def _model():
    torch.manual_seed(0)
    return create_model("sem_gcn", HAND, hidden_channels=8).eval()


def test_a_file_and_a_name_are_taken_as_by_load_model(model, tmp_path):
    save_weights(model, tmp_path / "mine.safetensors")
    assert PoseLifter.from_pretrained(str(tmp_path / "mine.safetensors")).config == model.config
    assert PoseLifter.from_pretrained("open").config == load_model("open").config


def test_a_network_that_is_not_registered_names_what_registers_it(model, tmp_path):
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(state, tmp_path / "own.safetensors", {"skelgraph": json.dumps(model.config | {"name": "tiny_net"})})
    content = {"network": {"model": "tiny_net", "options": {}}, "data": {"skeleton": "h36m17"}}
    run = {"skelgraph": {"config": content}, "state_dict": {f"model.{key}": value for key, value in state.items()}}
    torch.save(run, tmp_path / "own.ckpt")
    for name in ("own.safetensors", "own.ckpt"):
        with pytest.raises(CheckpointError, match=rf"{name} .*unknown model 'tiny_net'.*of your own.*--import MODULE"):
            load_model(tmp_path / name)


def test_own_skeletons_travel_in_the_file(model, tmp_path):
    model.save_pretrained(tmp_path)
    assert SemGCN.from_pretrained(tmp_path).skeleton == HAND


def test_a_model_built_by_its_class_knows_its_config():
    options = {**model_info("sem_gcn").options, "non_local": True}
    assert SemGCN("h36m16", non_local=True).config == {"name": "sem_gcn", "skeleton": "h36m16", "options": options}
    assert SemGCN().config["skeleton"] == "h36m16"


def _register(skeleton=HAND, **defaults):
    """A network of one's own with these defaults, in the place of the one before."""

    class Own(FrameLifter):
        def __init__(
            self,
            skeleton=skeleton,
            slope: float = defaults.get("slope", 0.2),
            widths: tuple[int, ...] = (4, 4),
            order=(1, 0, 2),
            activation=torch.tanh,
            **more,
        ):
            super().__init__(skeleton, **more)
            self.slope, self.order, self.activation = slope, order, activation
            sizes = (2, *widths, 3)
            self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

        def lift_frame(self, x):
            for layer in self.layers:
                x = nn.functional.leaky_relu(self.activation(layer(x)), self.slope)
            return x[..., self.order]

    registry._MODELS.pop("own_net", None)
    return register_model("own_net")(Own)


def test_a_default_that_is_changed_later_changes_no_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_MODELS", copy.copy(registry._MODELS))
    saved = _register(slope=0.2)().eval()
    assert saved.config["options"] == {"slope": 0.2, "widths": (4, 4)}, "what a file gives back as it was"
    saved.save_pretrained(tmp_path)
    x = torch.randn(5, HAND.num_joints, 2)
    other = _register(slope=0.9)
    assert other().slope == 0.9
    again = PoseLifter.from_pretrained(tmp_path)
    assert again.slope == 0.2
    assert again.skeleton == HAND, "the usual one of the class, which nobody named"
    torch.testing.assert_close(again(x), saved(x), atol=0, rtol=0)

    config = {**saved.config, "options": {}}  # as earlier versions wrote it
    save_file(saved.state_dict(), tmp_path / "old.safetensors", metadata={"skelgraph": json.dumps(config)})
    assert load_weights(tmp_path / "old.safetensors").slope == 0.9


def test_faults_are_named(model, tmp_path):
    save_weights(model, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="holds a SemGCN, expected a Martinez"):
        Martinez.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="is no file and neither a folder nor a repository"):
        SemGCN.from_pretrained("nobody/nothing", cache_dir=tmp_path / "cache")
    with pytest.raises(CheckpointError, match="neither a folder nor a repository"):
        SemGCN.from_pretrained("no.safetensors", cache_dir=tmp_path / "cache")
    torch.save(model.state_dict(), tmp_path / "last.ckpt")
    with pytest.raises(
        CheckpointError, match=r"last\.ckpt is no safetensors file; .* by skelgraph\.load_model, .*load_off"
    ):
        SemGCN.from_pretrained(tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match=r"none\.safetensors: there is no such file"):
        load_weights(tmp_path / "none.safetensors")

    whole = (tmp_path / "model.safetensors").read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"cut\.safetensors cannot be read"):
        load_weights(cut)

    state = load_file(tmp_path / "model.safetensors")
    foreign = tmp_path / "foreign.safetensors"
    save_file(state, foreign)
    with pytest.raises(CheckpointError, match="no skelgraph configuration"):
        load_weights(foreign)
    for config in ({"name": "gone"}, {"options": {"width": 3}}, {"skeleton": {"parents": [1, 0]}}):
        save_file(state, foreign, metadata={"skelgraph": json.dumps(model.config | config)})
        with pytest.raises(CheckpointError, match="unusable configuration"):
            load_weights(foreign)
    del state["head.bias"]
    save_file(state, foreign, metadata={"skelgraph": json.dumps(model.config)})
    with pytest.raises(CheckpointError, match=r"missing tensors: head\.bias"):
        load_weights(foreign)


def test_what_cannot_be_rebuilt_is_not_saved(tmp_path):
    with pytest.raises(SkelgraphError, match="not a registered model"):
        save_weights(ResidualGCN(HAND, SemGraphConv, 8), tmp_path / "model.safetensors")
    with pytest.raises(SkelgraphError, match="cannot be saved"):
        save_weights(HGN(HAND, hidden_channels=8, adjacency=[torch.eye(5)] * 3), tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir()), "nothing half-written"
