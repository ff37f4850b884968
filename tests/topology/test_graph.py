"""Graphs that are no skeletons."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from skelgraph.errors import SkelgraphError, TopologyError
from skelgraph.topology import Graph, as_graph, as_skeleton


def test_edges_are_sorted_by_receiver_and_equal_ones_joined():
    graph = Graph(3, torch.tensor([[2, 0, 1, 0, 1], [0, 1, 0, 1, 1]]), torch.tensor([1.0, 2, 3, 4, 0]))
    assert graph.edge_index.tolist() == [[1, 2, 0], [0, 0, 1]]
    assert graph.edge_weight.tolist() == [3, 1, 6]
    assert graph.edge_weight.dtype == torch.float64


def test_adjacency_and_back():
    matrix = torch.tensor([[1.0, 0, 2], [0, 0, 0], [0.5, 3, 0]])
    graph = Graph.from_adjacency(matrix, name="three")
    assert torch.equal(graph.adjacency(), matrix)
    assert torch.equal(graph.binary().adjacency(), (matrix > 0).float())
    assert repr(graph) == "Graph(three, num_nodes=3, num_edges=4)"
    assert graph.num_joints == 3
    torch.testing.assert_close(
        graph.adjacency("row", torch.float64),
        torch.tensor([[1 / 3, 0, 2 / 3], [0, 0, 0], [1 / 7, 6 / 7, 0]], dtype=torch.float64),
    )


@pytest.mark.parametrize("normalization", [None, "row", "sym"])
def test_a_skeleton_as_a_graph_has_its_matrices(normalization):
    layout = as_skeleton("h36m17")
    graph = as_graph("h36m17")
    torch.testing.assert_close(graph.adjacency(normalization), layout.adjacency(normalization))
    assert torch.equal(graph.edge_index.flip(0), layout.edge_index), "sorted by receiver in place of sender"
    assert as_graph(graph) is graph


def test_survives_copies():
    graph = as_graph("coco17")
    for other in (copy.deepcopy(graph), pickle.loads(pickle.dumps(graph))):
        assert torch.equal(other.edge_index, graph.edge_index)
        assert other.name == "coco17"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, torch.zeros(3, 2, dtype=torch.long)), "expected integers"),
        ((3, torch.zeros(2, 2)), "expected integers"),
        ((3, torch.tensor([[0], [3]])), "expected 0 to 2"),
        ((3, torch.tensor([[-1], [0]])), "expected 0 to 2"),
        ((3, torch.tensor([[0], [1]]), torch.ones(2)), "each of 1 edges"),
        ((3, torch.tensor([[0], [1]]), torch.tensor([float("nan")])), "finite"),
    ],
)
def test_bad_edges_are_named(arguments, message):
    with pytest.raises(TopologyError, match=message):
        Graph(*arguments)


def test_other_bad_input_is_named():
    with pytest.raises(TopologyError, match=r"expected \(N, N\)"):
        Graph.from_adjacency(torch.zeros(2, 3))
    with pytest.raises(TopologyError, match="'half'"):
        as_graph("h36m17").adjacency("half")
    with pytest.raises(SkelgraphError, match="unknown skeleton"):
        as_graph("h36m99")


def test_no_nodes_and_no_edges():
    assert Graph(0, torch.zeros(2, 0, dtype=torch.long)).adjacency("row").shape == (0, 0)
    assert torch.equal(Graph(2, torch.zeros(2, 0, dtype=torch.long)).adjacency("sym"), torch.zeros(2, 2))


@pytest.mark.parametrize("mode", ["exact", "within", "walk"])
@pytest.mark.parametrize("hops", [0, 1, 2, 3, 9])
def test_hops_of_a_skeleton_as_a_graph(mode, hops):
    layout = as_skeleton("h36m17")
    graph = as_graph(layout)
    mask = graph.hop_mask(hops, mode)
    assert torch.equal(mask, layout.hop_mask(hops, mode))
    assert torch.equal(graph.hop_edges(hops, mode).flip(0), mask.nonzero().t()), "sorted by receiver, then sender"


def test_hops_follow_directions_and_ignore_self_loops():
    graph = Graph(3, torch.tensor([[0, 1, 2], [1, 2, 2]]))
    assert graph.hop_edges(1).tolist() == [[0, 1], [1, 2]]
    assert graph.hop_edges(2, "walk").tolist() == [[0], [2]]
    assert graph.hop_edges(3, "walk").shape == (2, 0)
    for k, mode in [(-1, "exact"), (1, "far")]:
        with pytest.raises(TopologyError):
            graph.hop_edges(k, mode)


def test_sparse_adjacency_grows_with_the_edges():
    nodes = torch.arange(100_000)
    graph = Graph(100_000, torch.stack([nodes, nodes.roll(1)]), torch.full((100_000,), 2.0))
    for normalization, value in [(None, 2.0), ("row", 1.0), ("sym", 1.0)]:
        matrix = graph.sparse_adjacency(normalization)
        assert matrix.indices().flip(0).equal(graph.edge_index)
        torch.testing.assert_close(matrix.values(), torch.full((100_000,), value))
