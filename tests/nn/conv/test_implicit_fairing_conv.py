"""Implicit-fairing convolution: equation, schedule, authors' code."""

from __future__ import annotations

import pytest
import torch

from skelgraph.nn import HighOrderGraphConv, ImplicitFairingConv, fairing_beta
from skelgraph.topology import Skeleton

TREE = Skeleton([-1, 0, 1, 0, 3, 3])


@pytest.mark.parametrize("reduce", ["cat", "sum"])
def test_equals_equation_by_loops(reduce):
    torch.manual_seed(0)
    conv = ImplicitFairingConv(3, 6, TREE, num_hops=2, reduce=reduce, alpha=0.3, beta=0.7).double()
    torch.nn.init.normal_(conv.attention.logits)
    x, x0 = torch.randn(2, 2, 6, 3, dtype=torch.float64)
    graphs, parts = conv.attention(), []
    for k in range(3):
        y = x.new_zeros(2, 6, conv.weight.size(-1))
        for i in range(6):
            mixed = 0.7 * sum(graphs[k, i, j] * x[:, j] for j in range(6))
            y[:, i] = 0.7 * (mixed + 0.3 * x0[:, i]) @ conv.weight[k]
        parts.append(y)
    expected = (torch.cat(parts, dim=-1) if reduce == "cat" else sum(parts)) + conv.bias
    torch.testing.assert_close(conv(x, x0), expected)
    torch.testing.assert_close(conv(x.flatten(0, 1), x0.flatten(0, 1)), expected.flatten(0, 1))
    torch.testing.assert_close(conv(x, x0=x0), expected)


def test_the_input_is_its_own_initial_feature_if_none_is_given():
    conv = ImplicitFairingConv(3, 8, TREE)
    x = torch.randn(2, 6, 3)
    torch.testing.assert_close(conv(x), conv(x, x))
    torch.testing.assert_close(conv(x, None), conv(x))


def test_without_initial_features_it_is_a_high_order_convolution():
    conv, plain = ImplicitFairingConv(3, 8, TREE, alpha=0.0, beta=1.0), HighOrderGraphConv(3, 8, TREE)
    plain.load_state_dict(conv.state_dict())
    x = torch.randn(2, 6, 3)
    torch.testing.assert_close(conv(x, torch.randn(2, 6, 3)), plain(x))


@pytest.mark.parametrize(("file", "reduce", "layer"), [("hoif_net_conv", "cat", 3), ("hoif_net_conv_out3", "sum", 1)])
def test_matches_official_code(file, reduce, layer, golden, assert_official):
    reference = golden(file)
    conv = ImplicitFairingConv(
        reference["in/x"].size(-1), reference["out/y"].size(-1), "h36m16", reduce=reduce, beta=fairing_beta(layer)
    )

    def translate(official):
        return {
            "weight": official["W"],
            "attention.logits": torch.cat([official[f"e_{k}"] for k in range(4)], dim=1),
            "bias": official["bias" if reduce == "cat" else "bias_2"],
        }

    assert_official(reference, conv, translate)


def test_schedule_is_the_published_one():
    published = [0.405465, 0.223144, 0.154151, 0.117783, 0.095310, 0.080043, 0.068993, 0.060625, 0.054067]
    assert [round(fairing_beta(layer), 6) for layer in range(1, 10)] == published
    with pytest.raises(ValueError, match="layer is 0"):
        fairing_beta(0)


@pytest.mark.parametrize("shape", [(2, 6, 4), (2, 5, 3), (1, 6, 3), (6, 3)])
def test_initial_features_of_another_shape_are_refused(shape):
    conv = ImplicitFairingConv(3, 8, TREE)
    with pytest.raises(ValueError, match="needs input"):
        conv(torch.randn(2, 6, 3), torch.randn(*shape))
    with pytest.raises(ValueError, match="needs input"):
        conv(torch.randn(2, 6, 3), x0=torch.randn(*shape))
