"""HOIF-Net: its layers and their schedule."""

from __future__ import annotations

import torch

from skelgraph.models import create_model, load_official
from skelgraph.nn import fairing_beta


def test_layers_follow_the_published_schedule():
    model = create_model("hoif_net", "h36m16", hidden_channels=2)
    assert model.input_block.conv.beta == fairing_beta(1)
    assert [block.conv.beta for block in model.blocks] == [fairing_beta(layer) for layer in range(2, 10)]
    assert model.head.beta == fairing_beta(1)


def test_layers_that_the_official_network_never_calls_are_dropped(golden):
    state = golden("hoif_net_model").state_dict()
    model = load_official("hoif_net", state)
    for key in state:
        if any(key.startswith(f"gconv_layers.gconv{n}.") for n in range(8, 16)):
            state[key] = state[key] + 1
    x = torch.randn(2, 16, 2)
    torch.testing.assert_close(load_official("hoif_net", state)(x), model(x), atol=0, rtol=0)


def test_all_layers_see_the_first_features():
    model = create_model("hoif_net", "h36m16", hidden_channels=2, num_layers=2).eval()
    x = torch.randn(3, 16, 2)
    initial = model.input_block(x)
    h = model.blocks[1](model.blocks[0](initial, initial), initial)
    torch.testing.assert_close(model(x), model.head(h, initial))
