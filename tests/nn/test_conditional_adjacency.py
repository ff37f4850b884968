"""Adjacencies that depend on the pose."""

from __future__ import annotations

import doctest

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.nn import ConditionalAdjacency, conditional_adjacency


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("mode", ["add", "mul", "no_skeleton"])
def test_equals_equation_by_loops(mode, symmetric):
    torch.manual_seed(0)
    adjacency, partition = torch.rand(4, 4).double(), torch.rand(3, 4, 4).double()
    graph = ConditionalAdjacency(2, adjacency, partition, 5, mode, symmetric).double().eval()
    x = torch.randn(6, 4, 2, dtype=torch.float64)
    for b in range(6):
        mean = sum(x[b, j] for j in range(4)) / 4
        gate = torch.sigmoid(graph.routing.weight @ mean + graph.routing.bias)
        experts = sum(gate[e] * graph.experts[e] for e in range(5))
        q = {"add": adjacency + experts, "mul": adjacency * experts, "no_skeleton": experts}[mode]
        q = (q + q.T) / 2 if symmetric else q
        for k in range(3):
            torch.testing.assert_close(graph(x)[b, k], q * partition[k])


def test_initialisation_and_dropout_are_as_published():
    torch.manual_seed(0)
    graph = ConditionalAdjacency(8, torch.eye(16), torch.ones(1, 16, 16), 6)
    bound = (6 / (16 * 16 + 6 * 16)) ** 0.5
    assert 0.95 * bound < graph.experts.abs().max() <= bound
    assert graph.dropout.p == 0.2
    x = torch.randn(3, 16, 8)
    assert not torch.equal(graph(x), graph(x)), "dropout acts on the gate in training"
    graph.eval()
    assert torch.equal(graph(x), graph(x))


def test_bad_arguments_are_named():
    with pytest.raises(SkelgraphError, match="mode is 'plus'; expected 'add'"):
        ConditionalAdjacency(2, torch.eye(4), torch.ones(1, 4, 4), 2, "plus")
    with pytest.raises(ValueError, match="num_experts is 0"):
        ConditionalAdjacency(2, torch.eye(4), torch.ones(1, 4, 4), 0)


def test_docstring_example():
    result = doctest.testmod(conditional_adjacency, extraglobs={"torch": torch})
    assert result.attempted
    assert not result.failed
