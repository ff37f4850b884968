"""Own weight files."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_all_models import SMALL

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.models import HGN, Martinez, PoseLifter, ResidualGCN, SemGCN, create_model, list_models
from skelgraph.models.pretrained import load_weights, save_weights
from skelgraph.nn import SemGraphConv
from skelgraph.topology import Skeleton

HAND = Skeleton([-1, 0, 1, 0, 3], symmetric_pairs=[(1, 3), (2, 4)], parts={"finger": [1, 2]}, name="hand5")


@pytest.fixture(name="model")
def _model():
    torch.manual_seed(0)
    return create_model("sem_gcn", HAND, hidden_channels=8).eval()


@pytest.mark.parametrize("name", list_models())
def test_round_trip_of_every_model(name, tmp_path):
    model = create_model(name, "h36m17", **SMALL[name]).eval()
    model.save_pretrained(tmp_path)
    again = PoseLifter.from_pretrained(tmp_path)
    assert type(again) is type(model)
    assert not again.training
    assert again.config == model.config
    x = torch.randn(2, 17, 2)
    torch.testing.assert_close(again(x), model(x), atol=0, rtol=0)


def test_own_skeletons_travel_in_the_file(model, tmp_path):
    model.save_pretrained(tmp_path)
    assert SemGCN.from_pretrained(tmp_path).skeleton == HAND


def test_a_model_built_by_its_class_knows_its_config():
    assert SemGCN("h36m16", non_local=True).config == {
        "name": "sem_gcn",
        "skeleton": "h36m16",
        "options": {"non_local": True},
    }


def test_faults_are_named(model, tmp_path):
    save_weights(model, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="holds a SemGCN, expected a Martinez"):
        Martinez.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"neither a folder nor a repository .* load_model reads files"):
        SemGCN.from_pretrained("nobody/nothing", cache_dir=tmp_path / "cache")
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
