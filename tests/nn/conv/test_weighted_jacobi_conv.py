"""The weighted-Jacobi convolution, with and without neighbours."""

from __future__ import annotations

import pytest
import torch

from skelgraph.nn import WeightedJacobiConv
from skelgraph.topology import Skeleton

CHAIN = Skeleton([-1, 0, 1, 2])


@pytest.mark.parametrize(("neighbours", "rule"), [(False, ""), (True, "_neighbour")])
def test_matches_official_code(neighbours, rule, golden):
    reference = golden("mlp_graph_wjconv")
    conv = WeightedJacobiConv(24, 40, "h36m16", neighbours=neighbours).double()
    conv.load_state_dict(
        {
            "weight": reference["sd/W"],
            "initial_weight": reference["sd/W2"][0],
            "modulation": reference["sd/M"][0],
            "affinity.offset": reference["sd/adj2_1"],
            "bias": reference["sd/bias"],
        }
    )
    x, x0 = (reference[key].requires_grad_() for key in ("in/x", "in/x0"))
    y, x1 = conv(x, x0), conv.project(x0)
    ((y * reference["in/g"]).sum() + (x1 * reference["in/g1"]).sum()).backward()
    for actual, key in ((y, "out/y"), (x1, "out/x1"), (x.grad, "grad/x"), (x0.grad, "grad/x0")):
        reference.assert_close(actual, key + rule)


@pytest.mark.parametrize("layout", ["h36m16", "h36m17"])
def test_fixed_adjacency_is_the_released_one(layout, golden):
    reference = golden("mlp_graph_adjacency")
    fixed = WeightedJacobiConv(2, 2, layout).affinity.fixed
    torch.testing.assert_close(fixed.double(), reference[f"out/adj{layout[-2:]}"], atol=0, rtol=0)


@pytest.mark.parametrize("neighbours", [False, True])
def test_equals_equation_by_loops(neighbours):
    torch.manual_seed(0)
    alpha = 0.3
    conv = WeightedJacobiConv(3, 5, CHAIN, alpha=alpha, neighbours=neighbours).double()
    torch.nn.init.normal_(conv.affinity.offset)
    x, x0 = torch.randn(2, 2, 4, 3, dtype=torch.float64)
    graph = CHAIN.adjacency("sym", dtype=torch.float64) + conv.affinity.offset
    expected = torch.zeros(2, 4, 5, dtype=torch.float64)
    for b in range(2):
        h = [conv.modulation[j] * (x[b, j] @ conv.weight[0]) for j in range(4)]
        for i in range(4):
            expected[b, i] += x[b, i] @ conv.weight[1] - h[i] + conv.bias
            expected[b, i] += alpha * conv.modulation[i] * (x0[b, i] @ conv.initial_weight)
            for j in range(4):
                if neighbours or i == j:
                    expected[b, i] += (1 - alpha) * (graph[i, j] + graph[j, i]) / 2 * h[j]
    # the float32 matrix of the layer is a rounding away from the exact one
    torch.testing.assert_close(conv(x, x0), expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(conv(x), conv(x, x))


@pytest.mark.parametrize("neighbours", [False, True])
def test_only_the_published_rule_moves_information_between_joints(neighbours):
    conv = WeightedJacobiConv(3, 5, CHAIN, neighbours=neighbours)
    torch.nn.init.normal_(conv.affinity.offset)
    x = torch.randn(1, 4, 3, requires_grad=True)
    conv(x)[0, 0].sum().backward()
    assert (x.grad[0, 1:] != 0).all() if neighbours else (x.grad[0, 1:] == 0).all()
    off_diagonal = conv.affinity.offset.grad * (1 - torch.eye(4))
    assert (off_diagonal != 0).any() == neighbours
    assert ("neighbours=True" in repr(conv)) == neighbours


def test_initial_features_fit_the_input():
    conv = WeightedJacobiConv(3, 5, CHAIN)
    for shape in [(2, 4, 5), (1, 4, 3), (2, 3, 3)]:
        with pytest.raises(ValueError, match="needs input"):
            conv(torch.randn(2, 4, 3), torch.randn(*shape))


def test_initialisation_is_as_published():
    conv = WeightedJacobiConv(64, 128, "h36m16")
    for parameter, fan in ((conv.weight, 64 + 2), (conv.initial_weight, 64 + 1), (conv.modulation, 16 + 1)):
        bound = 1.414 * (6 / (128 * fan)) ** 0.5
        assert 0.95 * bound < parameter.abs().max() <= bound
    assert (conv.affinity.offset == 1e-6).all()
    assert 0.8 * 128**-0.5 < conv.bias.abs().max() <= 128**-0.5
