"""Conditional graph convolution against the authors' code and its equation."""

from __future__ import annotations

import pytest
import torch

from skelgraph.nn import ConditionalGraphConv, ModulatedGraphConv
from skelgraph.topology import as_skeleton

FILES = {
    "conditional": {},
    "modulated_experts": {"num_experts": 4, "modulate_self": True},
    "modulated_experts_mul": {"num_experts": 4, "modulate_self": True, "expert_mode": "mul"},
}


@pytest.mark.parametrize("file", FILES)
def test_matches_official_code(file, golden, assert_official):
    def translate(official):
        return {
            "weight": official["W"],
            "modulation": official["M"],
            "bias": official["bias"],
            "conditional.experts": official["weight" if file == "conditional" else "experts"],
            "conditional.routing.weight": official["_routing_fn.fc.weight"],
            "conditional.routing.bias": official["_routing_fn.fc.bias"],
        }  # adj2 is left out: nothing reads it

    assert_official(golden(f"any_gcn_conv_{file}"), ConditionalGraphConv(5, 7, "h36m16", **FILES[file]), translate)


def test_modulated_convolution_of_the_same_code_matches(golden, assert_official):
    """Without experts it is the published layer, on the mean over a joint and its neighbours."""
    conv = ModulatedGraphConv(5, 7, "h36m16", adjacency=as_skeleton("h36m16").adjacency("row", self_loops=True))
    names = {"W": "weight", "M": "modulation", "bias": "bias", "adj2": "affinity.offset"}
    assert_official(golden("any_gcn_conv_modulated"), conv, lambda official: {names[k]: v for k, v in official.items()})


@pytest.mark.parametrize("modulate_self", [False, True])
def test_equals_equation_by_loops(modulate_self):
    torch.manual_seed(0)
    conv = ConditionalGraphConv(3, 2, "h36m17", num_experts=2, modulate_self=modulate_self).double()
    torch.nn.init.normal_(conv.modulation)
    x = torch.randn(2, 17, 3, dtype=torch.float64)
    adjacency = conv.conditional(x).sum(dim=1)
    y = conv.bias.expand(2, 17, 2).clone()
    for b in range(2):
        for i in range(17):
            for j in range(17):
                message = x[b, j] @ conv.weight[0 if i == j else 1]
                if i != j or modulate_self:
                    message = message * conv.modulation[j]
                y[b, i] += adjacency[b, i, j] * message
    torch.testing.assert_close(conv(x), y)


def test_initialisation_is_as_published():
    torch.manual_seed(0)
    conv = ConditionalGraphConv(64, 128, "h36m16")
    bound = 1.414 * (6 / (16 + 128)) ** 0.5
    assert 0.95 * bound < conv.modulation.abs().max() <= bound
    assert conv.conditional.experts.shape == (8, 16, 16)
    assert conv.conditional.dropout.p == 0
    assert (ConditionalGraphConv(64, 128, "h36m16", modulate_self=True).modulation == 1).all()
