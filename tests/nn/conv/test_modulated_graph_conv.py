"""Modulated graph convolution: equation, initialisation, authors' code."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import TopologyError
from skelgraph.nn import ModulatedGraphConv
from skelgraph.topology import Skeleton

TREE = Skeleton([-1, 0, 1, 0, 3])


@pytest.mark.parametrize("symmetric", [True, False])
def test_equals_equation_by_loops(symmetric):
    torch.manual_seed(0)
    conv = ModulatedGraphConv(3, 4, TREE, symmetric=symmetric, modulation_init="xavier").double()
    torch.nn.init.normal_(conv.affinity.offset)
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    q = TREE.adjacency("row").double() + torch.eye(5) + conv.affinity.offset
    y = x.new_zeros(2, 5, 4)
    for i in range(5):
        for j in range(5):
            a = (q[i, j] + q[j, i]) / 2 if symmetric else q[i, j]
            y[:, i] += a * conv.modulation[j] * (x[:, j] @ conv.weight[int(i != j)])
    torch.testing.assert_close(conv(x), y + conv.bias)


@pytest.mark.parametrize(("file", "layout"), [("modulated_gcn_conv", "h36m16"), ("modulated_gcn_conv_17", "h36m17")])
def test_matches_official_code(file, layout, golden, assert_official):
    reference = golden(file)
    conv = ModulatedGraphConv(reference["in/x"].size(-1), reference["out/y"].size(-1), layout)
    names = {"W": "weight", "M": "modulation", "adj2": "affinity.offset", "bias": "bias"}
    assert_official(reference, conv, lambda official: {names[key]: value for key, value in official.items()})


@pytest.mark.parametrize("modulation_init", ["ones", "xavier"])
def test_initialisation_is_as_published(modulation_init):
    conv = ModulatedGraphConv(64, 128, "h36m17", modulation_init=modulation_init)
    bound = 1.414 * (6 / (128 * (64 + 2))) ** 0.5
    assert 0.95 * bound < conv.weight.abs().max() <= bound
    assert (conv.affinity.offset == 1e-6).all()
    assert 0.8 * 128**-0.5 < conv.bias.abs().max() <= 128**-0.5
    bound = 1.414 * (6 / (17 + 128)) ** 0.5
    largest = conv.modulation.abs().max()
    assert (conv.modulation == 1).all() if modulation_init == "ones" else 0.95 * bound < largest <= bound


def test_takes_another_adjacency_and_names_bad_options():
    conv = ModulatedGraphConv(2, 3, TREE, adjacency=torch.eye(5), bias=False)
    torch.nn.init.zeros_(conv.affinity.offset)
    x = torch.randn(2, 5, 2)
    torch.testing.assert_close(conv(x), x @ conv.weight[0])
    with pytest.raises(TopologyError, match="adjacency has shape"):
        ModulatedGraphConv(2, 3, TREE, adjacency=torch.eye(4))
    with pytest.raises(ValueError, match="expected 'ones' or 'xavier'"):
        ModulatedGraphConv(2, 3, TREE, modulation_init="zeros")
