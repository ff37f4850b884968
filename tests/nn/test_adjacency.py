"""Learned adjacencies."""

from __future__ import annotations

import pytest
import torch

from skelgraph.nn import ModulatedAdjacency, SoftmaxAdjacency, self_and_neighbours
from skelgraph.nn.edges import Edges, is_neighbour
from skelgraph.topology import Skeleton


def test_softmax_runs_over_the_edges_of_a_row_only():
    pattern = Skeleton([-1, 0, 1]).adjacency(self_loops=True)
    module = SoftmaxAdjacency(pattern)
    with torch.no_grad():
        module.logits.copy_(torch.tensor([[0.5, -1.0, 2.0, 0.0, 1.0, 3.0, -2.0]]))
    adjacency = module()
    assert (adjacency[pattern == 0] == 0).all()
    torch.testing.assert_close(adjacency[0, :2], torch.tensor([0.5, -1.0]).softmax(0))
    torch.testing.assert_close(adjacency[1], torch.tensor([2.0, 0.0, 1.0]).softmax(0))


def test_row_without_edges_is_uniform():
    pattern = torch.tensor([[1, 1, 0], [0, 0, 0], [0, 1, 1]])
    torch.testing.assert_close(SoftmaxAdjacency(pattern)()[1], torch.full((3,), 1 / 3))


def test_channels_are_independent():
    module = SoftmaxAdjacency(torch.ones(3, 3), channels=2)
    with torch.no_grad():
        module.logits[1].normal_()
    assert module().shape == (2, 3, 3)
    torch.testing.assert_close(module()[0], torch.full((3, 3), 1 / 3))


def test_partition_adds_up():
    masks = self_and_neighbours(4)
    torch.testing.assert_close(masks.sum(0), torch.ones(4, 4))
    torch.testing.assert_close(masks[0], torch.eye(4))


def test_modulated_adjacency():
    fixed = torch.randn(3, 4, 4, dtype=torch.float64)
    module = ModulatedAdjacency(fixed)
    assert (module.offset == 1e-6).all()
    module = module.double()
    torch.nn.init.normal_(module.offset)
    learned = fixed + module.offset
    torch.testing.assert_close(module(), (learned + learned.mT) / 2, atol=1e-13, rtol=0)
    plain = ModulatedAdjacency(fixed, symmetric=False).double()
    plain.load_state_dict(module.state_dict())
    torch.testing.assert_close(plain(), learned, atol=1e-13, rtol=0)
    assert module.float()().dtype == torch.float32


@pytest.mark.parametrize("symmetric", [True, False])
def test_modulated_adjacency_on_edges(symmetric):
    """Of a directed graph: both directions are learned if they are symmetrised."""
    matrix = torch.zeros(4, 4, dtype=torch.float64)
    matrix[0, 1], matrix[2, 1], matrix[1, 2], matrix[3, 3] = torch.rand(4, dtype=torch.float64)
    receiver, sender, values, _ = closed = Edges.of_matrix(matrix).closed(symmetric)
    assert len(values) == (4 + 2 + 2 if symmetric else 4 + 3)
    edges = closed.pattern(is_neighbour, 2)
    module = ModulatedAdjacency(values, symmetric, edges).double()
    assert module.offset.shape == values.shape
    dense = ModulatedAdjacency(matrix, symmetric).double()
    with torch.no_grad():
        module.offset.normal_()
        dense.offset.zero_()[receiver, sender] = module.offset
    torch.testing.assert_close(module().to_dense(), dense() * self_and_neighbours(4), atol=1e-14, rtol=0)
    assert set(module.state_dict()) == {"offset"}
    if not symmetric:
        with pytest.raises(ValueError, match="needs the reverse of every edge"):
            ModulatedAdjacency(values, partition=edges)


def test_stacked_patterns_keep_the_order_of_their_edges():
    patterns = torch.stack([torch.eye(3), 1 - torch.eye(3)])
    module = SoftmaxAdjacency(patterns)
    torch.nn.init.normal_(module.logits)
    single = SoftmaxAdjacency(patterns[1])
    with torch.no_grad():
        single.logits.copy_(module.logits[:, 3:])
    torch.testing.assert_close(module(), torch.stack([torch.eye(3), single()]))
