"""Regular-splitting convolution: equation, initialisation, authors' code."""

from __future__ import annotations

import pytest
import torch

from skelgraph.nn import RegularSplittingConv
from skelgraph.topology import Skeleton

TREE = Skeleton([-1, 0, 1, 0, 3])


@pytest.mark.parametrize("reduce", ["cat", "sum"])
@pytest.mark.parametrize("num_hops", [0, 2, 4])
def test_equals_equation_by_loops(num_hops, reduce):
    torch.manual_seed(0)
    conv = RegularSplittingConv(3, 2 * (num_hops + 1), TREE, num_hops=num_hops, reduce=reduce).double()
    torch.nn.init.normal_(conv.affinity.offset)
    x, x0 = torch.randn(2, 2, 5, 3, dtype=torch.float64)
    bones, parts = TREE.adjacency("sym").double(), []
    for k in range(num_hops + 1):
        q = torch.linalg.matrix_power(bones, k) + conv.affinity.offset[k]
        y = x0 @ conv.initial_weight[k]
        for i in range(5):
            for j in range(5):
                message = conv.modulation[k, j] * (x[:, j] @ conv.weight[2 * k + int(i != j)])
                y[:, i] += (q[i, j] + q[j, i]) / 2 * message
        parts.append(y)
    expected = (torch.cat(parts, dim=-1) if reduce == "cat" else sum(parts)) + conv.bias
    torch.testing.assert_close(conv(x, x0), expected)
    torch.testing.assert_close(conv(x.flatten(0, 1), x0.flatten(0, 1)), expected.flatten(0, 1))


def test_the_input_is_its_own_initial_feature_if_none_is_given():
    conv = RegularSplittingConv(3, 8, TREE)
    x = torch.randn(2, 5, 3)
    torch.testing.assert_close(conv(x), conv(x, x))


@pytest.mark.parametrize(
    ("file", "layout", "reduce"), [("rs_net_conv", "h36m16", "cat"), ("rs_net_conv_out3", "h36m17", "sum")]
)
def test_matches_official_code(file, layout, reduce, golden, assert_official):
    reference = golden(file)
    conv = RegularSplittingConv(reference["in/x"].size(-1), reference["out/y"].size(-1), layout, reduce=reduce)

    def translate(official):
        return {
            "weight": official["W"],
            "initial_weight": official["W2"],
            "modulation": official["M"],
            "affinity.offset": torch.stack([official[f"adj2_{k}"] for k in range(4)]),
            "bias": official["bias" if reduce == "cat" else "bias_2"],
        }

    assert_official(reference, conv, translate)


def test_initialisation_is_as_published():
    conv = RegularSplittingConv(64, 4 * 32, "h36m16")
    for value, factor in ((conv.weight, 64 + 8), (conv.initial_weight, 64 + 4), (conv.modulation, 16 + 4)):
        bound = 1.414 * (6 / (32 * factor)) ** 0.5
        assert 0.95 * bound < value.abs().max() <= bound
    assert (conv.affinity.offset == 1e-6).all()
    assert 0.8 * 32**-0.5 < conv.bias.abs().max() <= 32**-0.5


def test_powers_are_exact_in_float64_and_rounded_once_in_float32():
    conv = RegularSplittingConv(2, 4, "h36m16")
    bones = conv.skeleton.adjacency("sym").double()
    powers = torch.stack([torch.linalg.matrix_power(bones, k) for k in range(4)])
    torch.nn.init.zeros_(conv.affinity.offset)

    def learned():  # self loops and the rest of every hop together
        return conv.affinity().unflatten(0, (4, 2)).sum(dim=1)

    torch.testing.assert_close(learned(), powers.float(), atol=0, rtol=0)
    conv.double()
    torch.testing.assert_close(learned(), powers, atol=1e-14, rtol=0)


def test_hops_must_share_the_channels():
    with pytest.raises(ValueError, match="out_channels is 9; expected a multiple of 4"):
        RegularSplittingConv(2, 9, TREE)
