"""High-order graph convolution: equation, hops, authors' code."""

from __future__ import annotations

import pytest
import torch

from skelgraph.nn import HighOrderGraphConv
from skelgraph.topology import Skeleton

TREE = Skeleton([-1, 0, 1, 0, 3, 3])


def by_loops(conv, x):
    """Y_k[i] = sum over j of softmax_j(e_k[i, j]) x[j] W_k on the pairs that are k hops apart, entry by entry."""
    distance, adjacency = conv.skeleton.hop_distance(), conv.skeleton.adjacency().double()
    joints, logits, parts = conv.skeleton.num_joints, list(conv.attention.logits[0]), []
    for k in range(conv.num_hops + 1):
        pairs = {
            "walk": torch.linalg.matrix_power(adjacency, k) > 0,
            "exact": distance == k,
            "within": (distance >= 0) & (distance <= k),
        }[conv.hops]
        y = x.new_zeros(*x.shape[:2], conv.weight.size(-1))
        for i in range(joints):
            row = {j: logits.pop(0).exp() for j in range(joints) if pairs[i, j]}
            for j, e in row.items():
                y[:, i] += e / sum(row.values()) * (x[:, j] @ conv.weight[k])
        parts.append(y)
    assert not logits
    return (torch.cat(parts, dim=-1) if conv.reduce == "cat" else sum(parts)) + conv.bias


@pytest.mark.parametrize("reduce", ["cat", "sum"])
@pytest.mark.parametrize("hops", ["walk", "exact", "within"])
@pytest.mark.parametrize("num_hops", [0, 1, 3, 5])
def test_equals_equation_by_loops(num_hops, hops, reduce):
    torch.manual_seed(0)
    conv = HighOrderGraphConv(3, 2 * (num_hops + 1), TREE, num_hops=num_hops, hops=hops, reduce=reduce).double()
    torch.nn.init.normal_(conv.attention.logits)
    x = torch.randn(2, 6, 3, dtype=torch.float64)
    torch.testing.assert_close(conv(x), by_loops(conv, x))


@pytest.mark.parametrize(("file", "reduce"), [("hgcn_conv", "cat"), ("hgcn_conv_out3", "sum")])
def test_matches_official_code(file, reduce, golden, assert_official):
    reference = golden(file)
    conv = HighOrderGraphConv(reference["in/x"].size(-1), reference["out/y"].size(-1), "h36m16", reduce=reduce)

    def translate(official):
        return {
            "weight": official["W"],
            "attention.logits": torch.cat([official[f"e_{k}"] for k in range(4)], dim=1),
            "bias": official["bias" if reduce == "cat" else "bias_2"],
        }

    assert_official(reference, conv, translate)


@pytest.mark.parametrize(("layout", "sizes"), [("h36m16", (16, 30, 52, 68)), ("h36m17", (17, 32, 55, 76))])
def test_pattern_sizes_are_the_published_ones(layout, sizes):
    conv = HighOrderGraphConv(2, 4, layout)
    assert tuple(int(n) for n in conv.attention.mask.sum(dim=(1, 2))) == sizes
    assert conv.attention.logits.shape == (1, sum(sizes))


def test_initialisation_is_as_published():
    conv = HighOrderGraphConv(64, 4 * 32, "h36m16")
    bound = 1.414 * (6 / (32 * (64 + 4))) ** 0.5
    assert 0.95 * bound < conv.weight.abs().max() <= bound
    assert (conv.attention.logits == 1).all()
    assert 0.8 * 32**-0.5 < conv.bias.abs().max() <= 32**-0.5


def test_hop_zero_and_missing_hops():
    """Hop 0 is a plain linear map whose logits are dead; joints without neighbours at a distance receive nothing."""
    pair = Skeleton([-1, 0])
    conv = HighOrderGraphConv(2, 3, pair, num_hops=2, hops="exact", bias=False)
    x = torch.randn(2, 2)
    y = conv(x)
    torch.testing.assert_close(y[:, 0], (x @ conv.weight[0])[:, 0])
    assert (y[:, 2] == 0).all()
    y.sum().backward()
    assert (conv.attention.logits.grad[0, :2] == 0).all()


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"num_hops": -1}, "num_hops is -1"),
        ({"reduce": "mean"}, "expected 'cat' or 'sum'"),
        ({"num_hops": 2}, "out_channels is 8; expected a multiple of 3"),
        ({"hops": "near"}, "near"),
    ],
)
def test_bad_options_are_named(options, fault):
    with pytest.raises(ValueError, match=fault):
        HighOrderGraphConv(2, 8, TREE, **options)
