"""RS-Net: its activation and what it does not store."""

from __future__ import annotations

import torch
from torch.nn.functional import gelu

from skelgraph.models import create_model, load_official


def test_a_dropout_rate_doubles_the_activation_in_evaluation_too(golden):
    state = golden("rs_net_model").state_dict()
    x = torch.randn(3, 16, 2)
    published, single = load_official("rs_net", state), load_official("rs_net", state, dropout=None)
    t = torch.randn(5)
    torch.testing.assert_close(published.activation(t), gelu(gelu(t)))
    torch.testing.assert_close(single.activation(t), gelu(t))
    assert (published(x) - single(x)).norm() > 0.01 * published(x).norm()
    torch.testing.assert_close(load_official("rs_net", state, dropout=0.0)(x), published(x), atol=0, rtol=0)


def test_sizes_are_inferred(golden):
    options = load_official("rs_net", golden("rs_net_model_17").state_dict(), "h36m17").config["options"]
    assert (options["hidden_channels"], options["num_hops"]) == (8, 3)


def test_all_layers_see_the_first_features():
    model = create_model("rs_net", "h36m16", hidden_channels=2, num_blocks=1).eval()
    x = torch.randn(3, 16, 2)
    initial = model.activation(model.input_conv(x))
    block = model.blocks[0]
    h = initial + model.activation(block.conv2(block.norm(block.conv1(initial, initial)), initial))
    torch.testing.assert_close(model(x), model.head(model.non_local(h), initial))
