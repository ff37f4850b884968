"""The free matrix between joints."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.nn import LearnedOperatorConv, hyperedge_operator
from skelgraph.topology import JointHypergraph

TOPOLOGY = JointHypergraph.from_skeleton("h36m17", ("parts10", "parts"))


@pytest.mark.parametrize("positive", [True, False])
def test_starts_as_the_operator_of_one_group(positive):
    conv = LearnedOperatorConv(4, 4, TOPOLOGY, groups=("parts",), positive=positive)
    only = JointHypergraph.from_skeleton("h36m17", "parts")
    matrix = torch.nn.functional.softplus(conv.operator) if positive else conv.operator
    expected = hyperedge_operator(only, "sym").float()
    torch.testing.assert_close(matrix[0], expected.clamp_min(1e-3) if positive else expected)
    torch.testing.assert_close(conv.adjacency().sum(dim=1), (matrix / (matrix.sum(dim=1, keepdim=True) + 1e-3)).sum(1))


def test_by_the_formula():
    conv = LearnedOperatorConv(4, 6, TOPOLOGY, groups=("parts10", "parts"), positive=False).double()
    for parameter in (conv.operator, conv.bias, conv.gates):
        torch.nn.init.uniform_(parameter, 0.1, 1)
    x = torch.randn(3, 17, 4, dtype=torch.float64)
    expected = 0
    for s in range(2):
        matrix = conv.operator[s] / (conv.operator[s].sum(dim=0) + 1e-3)
        expected = expected + conv.gates[s] * (matrix @ x @ conv.weight[s] + conv.bias[s])
    torch.testing.assert_close(conv(x), expected)


def test_positive_matrices_stay_positive():
    conv = LearnedOperatorConv(4, 6, TOPOLOGY)
    with torch.no_grad():
        conv.operator.normal_(std=30)
    assert (conv.adjacency() >= 0).all()
    assert (conv.adjacency().sum(dim=1) <= 1).all()


def test_number_of_parameters():
    def count(**options):
        return sum(p.numel() for p in LearnedOperatorConv(12, 12, TOPOLOGY, **options).parameters())

    single = 17**2 + 12**2 + 12
    assert count() == single
    assert count(groups=("parts10", "parts")) == 2 * (single + 1)


def test_weights_of_the_hypergraph_set_the_start():
    weighted = JointHypergraph.from_skeleton("h36m17", ("sym", "parts"), hyperedge_weight=torch.linspace(0.5, 2, 11))
    parts = JointHypergraph.from_lists(17, weighted.hyperedges[6:], hyperedge_weight=weighted.hyperedge_weight[6:])
    conv = LearnedOperatorConv(4, 4, weighted, groups=("parts",), positive=False)
    torch.testing.assert_close(conv.operator[0], hyperedge_operator(parts, "sym").float())


def test_unknown_group_is_named():
    with pytest.raises(SkelgraphError, match="unknown group of the hypergraph 'part'; did you mean parts"):
        LearnedOperatorConv(4, 4, TOPOLOGY, groups=("part",))
