"""Every option of every model: what is no value of it is refused by name, what is taken works."""

from __future__ import annotations

import copy
import json
import types
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from silly import SILLY
from test_all_models import SMALL

from skelgraph.errors import SkelgraphError
from skelgraph.models import (
    AnyGCN,
    PoseLifter,
    ResidualGCN,
    SemGCN,
    create_model,
    list_models,
    model_info,
    register_model,
    registry,
)
from skelgraph.models.any_gcn import CONVS
from skelgraph.models.pretrained import load_weights, save_weights
from skelgraph.nn import AllSetConv, SemGraphConv
from skelgraph.nn.conv.weight_sharing_conv import SHARING
from skelgraph.options import Count, option_types
from skelgraph.topology import JointHypergraph

OPTIONS = [(name, option) for name in list_models() for option in model_info(name).options]


def test_every_option_of_every_model_is_checked():
    unchecked = {(name, option) for name, option in OPTIONS if option not in option_types(model_info(name).cls)}
    assert not unchecked


@pytest.mark.parametrize(("name", "option"), OPTIONS, ids=map(" ".join, OPTIONS))
def test_silly_values_are_refused_or_work(name, option):
    messages = []
    for value in SILLY:
        try:
            model = create_model(name, "h36m17", **(SMALL[name] | {option: value})).eval()
        except SkelgraphError as error:
            messages.append(str(error))
            continue
        y = model(torch.zeros(2, model.num_frames, 17, model.in_channels))
        pose = y[0] if isinstance(y, tuple) else y
        assert pose.shape == (2, 17, model.out_channels), value
    assert len(messages) > len(SILLY) // 2
    assert all(len(message) < 400 and message.isprintable() for message in messages)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sem_gcn", {"hidden_channels": "x"}, "SemGCN: hidden_channels is 'x'; expected an integer from 1 to 65536"),
        ("sem_gcn", {"hidden_channels": -1}, "hidden_channels is -1"),
        ("sem_gcn", {"dropout": 2}, "dropout is 2; expected a number from 0 to 1"),
        ("sem_gcn", {"non_local": "False"}, "non_local is 'False'; expected true or false"),
        ("sem_gcn", {"non_local": "no"}, "non_local is 'no'; expected true or false"),
        ("sem_gcn", {"num_blocks": 10**30}, "num_blocks is 1000000000000000000000000000000; expected an integer"),
        ("sem_gcn", {"in_channels": 0}, "in_channels is 0"),
        ("any_gcn", {"conv": 3}, "conv is 3; expected 'vanilla'"),
        ("any_gcn", {"expert_mode": "x"}, "expert_mode is 'x'; expected 'add'"),
        ("any_gcn", {"graph": "pared"}, r"did you mean 'paired'\?"),
        ("any_gcn", {"edge_weighting": "strong"}, "edge_weighting is 'strong'; expected 'default'"),
        ("mlp_graph", {"alpha": float("nan")}, "alpha is nan; expected a number from 0 to 1"),
        ("graph_mlp", {"num_frames": 4}, "num_frames is 4; expected an odd number"),
        ("graph_mlp", {"drop_path": 1}, "drop_path is 1; expected a number of at least 0 and below 1"),
        ("video_pose", {"causal": "False"}, "causal is 'False'; expected true or false"),
        ("video_pose", {"filter_widths": "333"}, "filter_widths is '333'; expected a sequence"),
        ("video_pose", {"filter_widths": [3] * 30}, "num_frames is 205891132094649; expected an integer from 1"),
        ("st_gcn_pose", {"hidden_channels": []}, "from 1 to 100 of them"),
        ("nehs_net", {"n_heads": 5}, "heads is 5; expected a divisor of the width"),
        ("nehs_net", {"hyperedges": [[0, 99]]}, "hyperedge 0 holds joint 99"),
        ("hgn", {"graph": 3}, "graph is 3; expected a MultiScaleGraph, a dict or none"),
        ("hgn", {"levels": [-1]}, "levels is .*; expected 2 values"),
        ("hgn", {"adjacency": [[[0, 1], [1]]] * 3}, "adjacency is .*; expected a tensor, an array or lists of numbers"),
        ("hgcn", {"hidden_channels": 65536}, "hidden_channels is 262144; expected an integer from 1 to 65536"),
    ],
)
def test_what_is_wrong_is_said(name, options, message):
    with pytest.raises(SkelgraphError, match=message):
        create_model(name, **options)


def test_names_and_positions():
    for name in (3, None, ["sem_gcn"], b"sem_gcn", {}):
        with pytest.raises(SkelgraphError, match="unknown model"):
            create_model(name)
    with pytest.raises(SkelgraphError, match="skeleton is 5; expected a name or a Skeleton"):
        create_model("sem_gcn", 5)
    with pytest.raises(TypeError, match="takes from 1 to 2 positional arguments"):
        create_model("sem_gcn", "h36m17", 8)


def test_constructors_check_as_the_registry_does():
    with pytest.raises(SkelgraphError, match="SemGCN: hidden_channels is '8'"):
        SemGCN("h36m17", "8")
    with pytest.raises(SkelgraphError, match="ResidualGCN: conv is 3; expected a function"):
        ResidualGCN("h36m17", 3)
    with pytest.raises(TypeError, match="hidden_chanels"):
        SemGCN("h36m17", hidden_chanels=8)


def test_a_model_of_the_users_own_is_checked(monkeypatch):
    monkeypatch.setattr(registry, "_MODELS", copy.copy(registry._MODELS))

    @register_model("own", paper="mine")
    class Own(ResidualGCN):
        def __init__(self, skeleton: Any = "h36m17", depth: Count = 1, scale: float = 1.0) -> None:
            super().__init__(skeleton, SemGraphConv, 8, depth)
            self.scale = scale

    with pytest.raises(SkelgraphError, match="Own: depth is 0"):
        create_model("own", depth=0)
    with pytest.raises(SkelgraphError, match="Own: scale is inf; expected a finite number"):
        create_model("own", scale=float("inf"))
    assert create_model("own", depth=2, scale=2).scale == 2


def test_hyperedge_layers_go_into_the_residual_network():
    hypergraph = JointHypergraph.from_khop("hand21", 1)
    torch.manual_seed(0)
    model = ResidualGCN("hand21", lambda c, d, skeleton: AllSetConv(c, d, hypergraph), 8, num_blocks=1).eval()
    assert isinstance(model.head, AllSetConv)
    x = torch.randn(3, 21, 2)
    torch.testing.assert_close(copy.deepcopy(model)(x[1:]), model(x)[1:])
    model(x).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_names_of_operators_are_those_that_there_are():
    assert tuple(SHARING) == CONVS[: len(SHARING)]
    for conv in CONVS:
        assert isinstance(AnyGCN("h36m16", conv=conv, hidden_channels=4, num_blocks=1), PoseLifter)


def test_plain_forms_of_values_are_taken_and_saved(tmp_path):
    model = create_model(
        "st_gcn_pose",
        "h36m17",
        hidden_channels=[np.int64(6), 8],
        part_channels=np.int32(8),
        fused_channels=4,
        dropout=np.float32(0.5),
        head_dropout=0,
    )
    save_weights(model, tmp_path / "model.safetensors")
    again = load_weights(tmp_path / "model.safetensors")
    assert again.config == json.loads(json.dumps(model.config))
    x = torch.randn(2, 3, 17, 2)
    assert torch.equal(again(x), model.eval()(x))
    levels = create_model("hgn", hidden_channels=4, levels=[-1, -2]).levels
    assert levels == (-1, -2)
    widths = create_model("video_pose", filter_widths=np.array([3, 3]), hidden_channels=8).config["options"]
    assert widths["filter_widths"] == [3, 3]


def test_a_model_too_large_for_the_memory_is_refused_before_it_is_built(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: types.SimpleNamespace(available=2 * 10**9))
    with pytest.raises(
        SkelgraphError,
        match=r"'martinez' with .*65536.* has 17,\d{3},\d{3},\d{3} parameters.*2\.0 GB of memory are free",
    ):
        create_model("martinez", hidden_channels=65536)
    create_model("martinez", hidden_channels=64)


def test_the_check_of_the_memory_draws_no_random_numbers():
    torch.manual_seed(0)
    checked = create_model("sem_gcn", "h36m16", hidden_channels=8)
    torch.manual_seed(0)
    direct = SemGCN("h36m16", hidden_channels=8)
    assert all(torch.equal(a, b) for a, b in zip(checked.parameters(), direct.parameters(), strict=True))
