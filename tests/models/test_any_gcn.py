"""Any-GCN: operators by name, and what its weights tell."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.models import create_model, load_official
from skelgraph.models.any_gcn import CONVS
from skelgraph.nn import ConditionalGraphConv, ModulatedGraphConv


def small(conv, layout="h36m17", **options):
    return create_model("any_gcn", layout, conv=conv, hidden_channels=8, num_blocks=1, **options)


@pytest.mark.parametrize("conv", CONVS)
def test_every_operator_learns_on_any_graph(conv):
    torch.manual_seed(0)
    for options in ({}, {"graph": "paired", "edge_weighting": "self_weakening"}):
        model = small(conv, **options)
        y = model(torch.randn(4, 17, 2))
        y.square().sum().backward()
        assert y.shape == (4, 17, 3)
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("conv", ["vanilla", "preagg", "dc_postagg", "nosharing", "modulated", "conditional"])
@pytest.mark.parametrize("mode", ["add", "mul", "no_skeleton"])
def test_experts_are_in_all_layers_but_the_first(conv, mode):
    torch.manual_seed(0)
    model = small(conv, num_experts=3, expert_mode=mode)
    experts = {name: p for name, p in model.named_parameters() if name.endswith("experts")}
    by_layer = {name.split(".")[0] for name, p in experts.items() if len(p) == 3}
    assert by_layer == {"blocks", "head"}
    model(torch.randn(4, 17, 2)).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in experts.values())


def test_graph_changes_the_edges():
    torch.manual_seed(0)
    model = small("vanilla")
    other = small("vanilla", graph="terminal_cycle")
    other.load_state_dict(model.state_dict())
    x = torch.randn(2, 17, 2)
    assert not torch.allclose(model.eval()(x), other.eval()(x))


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("convst", {"conv": "convst", "hidden_channels": 20, "num_blocks": 4, "num_experts": 0, "non_local": False}),
        ("dc_preagg", {"conv": "dc_preagg", "hidden_channels": 8, "num_blocks": 3}),
        ("modulated_experts", {"conv": "modulated", "num_experts": 4}),
        ("nosharing", {"conv": "nosharing", "hidden_channels": 6, "num_blocks": 2}),
        ("vanilla_nonlocal", {"conv": "vanilla", "num_blocks": 3, "non_local": True}),
    ],
)
def test_weights_tell_the_network(file, expected, golden):
    reference = golden(f"any_gcn_model_{file}")
    state = reference.state_dict()
    model = load_official("any_gcn", state)
    options = model.config["options"]
    assert {key: options[key] for key in expected} == expected
    unused = sum(state[key].numel() for key in reference.meta["unused_parameters"])
    ours = sum(p.numel() for p in model.parameters())
    assert ours + unused == reference.meta["trainable_params_in_this_file"]


def test_layers_of_the_modulated_network(golden):
    model = load_official("any_gcn", golden("any_gcn_model_modulated_experts").state_dict())
    assert isinstance(model.input_block.conv, ModulatedGraphConv)
    assert all(isinstance(m, ConditionalGraphConv) for m in (model.head, model.blocks[0].block1.conv))
    assert model.head.conditional.dropout.p == 0.2


def test_features_match_official_code(golden):
    for file in ("convst", "dc_preagg", "vanilla_nonlocal"):
        reference = golden(f"any_gcn_model_{file}")
        model = load_official("any_gcn", reference.state_dict()).double()
        first = model.attention[0](model.input_block(reference["in/x"]))
        reference.assert_close(first, "mid/gconv_input")
        for key in reference.keys("mid/gconv_layers"):
            reference.assert_close(model.forward_features(reference["in/x"]), key)


def test_receivers_weights_look_like_senders_weights(golden):
    reference = golden("any_gcn_model_dc_preagg")
    sender = load_official("any_gcn", reference.state_dict())
    receiver = load_official("any_gcn", reference.state_dict(), conv="dc_postagg")
    x = reference["in/x"].float()
    assert not torch.allclose(sender(x), receiver(x))
    with pytest.raises(CheckpointError, match="misshapen"):
        load_official("any_gcn", reference.state_dict(), conv="dc_vanilla")


def test_experts_that_the_released_preaggregation_ignores_are_dropped(golden):
    full = golden("any_gcn_model_dc_preagg").state_dict()
    plain = {key: value[:1] if key.endswith(".W") else value for key, value in full.items()}
    with_experts = dict(plain)
    for key, weight in plain.items():
        layer = key.removesuffix("W")
        if key.endswith(".W") and "gconv_input" not in key:
            with_experts[f"{layer}experts"] = torch.randn(6, 16, 16)
            with_experts[f"{layer}_routing_fn.fc.weight"] = torch.randn(6, weight.size(2))
            with_experts[f"{layer}_routing_fn.fc.bias"] = torch.randn(6)
    x = torch.randn(2, 16, 2)
    expected = load_official("any_gcn", plain)
    model = load_official("any_gcn", with_experts)
    assert model.config["options"]["conv"] == "preagg"
    assert torch.equal(model(x), expected(x))


def test_unknown_names_and_misplaced_experts_are_refused():
    with pytest.raises(SkelgraphError, match=r"conv is 'postag'; expected .*did you mean .*'postagg'"):
        small("postag")
    for conv in ("chebyshev", "sem", "sem_ch"):
        with pytest.raises(SkelgraphError, match=f"'{conv}' takes no experts"):
            small(conv, num_experts=2)
