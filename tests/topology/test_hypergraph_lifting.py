"""Hyperedges out of graphs: near nodes, communities, curvature."""

from __future__ import annotations

import doctest
import math

import networkx as nx
import pytest
import torch
from torch_geometric.utils import k_hop_subgraph, to_undirected

import skelgraph.topology.hypergraph_lifting
from skelgraph.errors import SkelgraphError, TopologyError
from skelgraph.nn import knn_hyperedges
from skelgraph.topology import Graph, JointHypergraph, as_graph, as_skeleton, forman_curvature

# The graph and the hyperedges of the tests of TopoBench's lifting by curvature, whose node weights are these.
PUBLISHED = [(0, 1), (0, 2), (0, 4), (1, 2), (2, 3), (2, 5), (5, 6), (3, 6), (5, 7), (2, 7), (0, 7), (1, 4), (2, 4)]
PUBLISHED_WEIGHTS = [1, 5, 10, 50, 100, 500, 1000, 5000]


def random_graph(weighted=False):
    """Directed edges with a self loop, an edge both ways and, last, a node without edges."""
    generator = torch.Generator().manual_seed(3)
    edges = torch.randint(9, (2, 14), generator=generator)
    edges = torch.cat([edges, torch.tensor([[4, 7, 1], [4, 1, 7]])], dim=1)
    return Graph(10, edges, torch.rand(17, generator=generator) + 0.5 if weighted else None)


@pytest.mark.parametrize("directed", [True, False])
@pytest.mark.parametrize("k", [0, 1, 2, 5])
def test_hops_are_those_of_pyg(k, directed):
    graph = random_graph()
    edges = graph.edge_index if directed else to_undirected(graph.edge_index)
    expected = tuple(tuple(k_hop_subgraph(node, k, edges, num_nodes=10)[0].tolist()) for node in range(10))
    found = JointHypergraph.from_khop(graph, k, directed=directed)
    assert found.hyperedges == expected
    assert list(found.groups) == [f"{k}-hop"]
    assert found.skeleton is None


@pytest.mark.parametrize("directed", [True, False])
def test_bones_count_both_ways(directed):
    found = JointHypergraph.from_khop("h36m17", 2, directed)
    assert found.hyperedges == JointHypergraph.from_khop(as_graph("h36m17"), 2, directed).hyperedges
    assert found.skeleton == as_skeleton("h36m17")


@pytest.mark.parametrize("k", [1, 3, 9])
def test_nearest_joints_are_those_of_the_layer(k):
    x = torch.randint(4, (9, 3), generator=torch.Generator().manual_seed(0)).double()  # many equal distances
    found = JointHypergraph.from_knn(x, k)
    assert torch.equal(found.incidence.double(), knn_hyperedges(x, k))
    assert found == JointHypergraph.from_knn(x.int().tolist(), k) == JointHypergraph.from_knn(x.numpy(), k)
    assert all(joint in members for joint, members in enumerate(found.hyperedges))


def test_communities_are_those_of_networkx():
    club = nx.karate_club_graph()
    edges = torch.tensor(list(club.edges)).t()
    weight = torch.tensor([club.edges[edge]["weight"] for edge in club.edges])
    expected = {
        name: sorted(sorted(group) for group in nx.community.greedy_modularity_communities(club, name))
        for name in ("weight", None)
    }
    assert expected["weight"] != expected[None], "the weights decide here"
    for name, weights in (("weight", weight), (None, None)):
        found = JointHypergraph.from_communities(Graph(34, edges, weights))
        assert list(map(list, found.hyperedges)) == expected[name]
        order = torch.randperm(edges.size(1), generator=torch.Generator().manual_seed(1))
        shuffled = Graph(34, edges[:, order].flip(0), None if weights is None else weights[order])
        assert JointHypergraph.from_communities(shuffled) == found, "the order of edges does not matter"
    fine = JointHypergraph.from_communities(Graph(34, edges), resolution=3.0)
    assert fine.num_hyperedges > len(expected[None])


def test_communities_of_directed_edges():
    graph = random_graph(weighted=True)
    network = nx.DiGraph()
    network.add_nodes_from(range(10))
    network.add_weighted_edges_from(
        (i, j, w) for (i, j), w in zip(graph.edge_index.t().tolist(), graph.edge_weight.tolist(), strict=True) if i != j
    )
    expected = sorted(sorted(group) for group in nx.community.greedy_modularity_communities(network, "weight"))
    found = JointHypergraph.from_communities(graph, directed=True)
    assert list(map(list, found.hyperedges)) == expected
    assert (9,) in found.hyperedges
    with pytest.raises(TopologyError, match="edges between nodes 1 and 7 have different weights"):
        JointHypergraph.from_communities(graph)


def test_communities_without_edges_and_of_bodies():
    assert JointHypergraph.from_communities(Graph(2, torch.empty(2, 0, dtype=torch.int64))).hyperedges == ((0,), (1,))
    for name in ("h36m17", "hand21"):
        found = JointHypergraph.from_communities(name)
        assert found.node_degree.tolist() == [1] * as_skeleton(name).num_joints
        assert found.skeleton == as_skeleton(name)
    assert found.num_hyperedges == 5, "of a hand, the fingers"


def test_nearest_of_the_community():
    x = torch.rand(17, 2, generator=torch.Generator().manual_seed(5))
    groups = JointHypergraph.from_communities("h36m17").hyperedges
    found = JointHypergraph.from_communities("h36m17", x=x, k=4).hyperedges
    for joint, members in enumerate(found):
        (group,) = (group for group in groups if joint in group)
        near = sorted(group, key=lambda other: float((x[other] - x[joint]).norm()))
        assert members == tuple(sorted(near[:4]))


def by_loops(graph, node_weight):
    """The curvature by the formula, edge after edge."""
    weight = {frozenset(e): w for e, w in zip(graph.edge_index.t().tolist(), graph.edge_weight.tolist(), strict=True)}
    curvature = {}
    for edge, w in weight.items():
        curvature[edge] = sum(
            node_weight[end]
            - sum(
                node_weight[end] * math.sqrt(w / other_weight)
                for other, other_weight in weight.items()
                if end in other and other != edge
            )
            for end in edge
        )
    return curvature


def test_curvature_is_that_of_the_formula():
    edges = torch.tensor(PUBLISHED).t()
    graph = Graph(8, edges, torch.linspace(0.2, 3.0, len(PUBLISHED)))
    for node_weight in (None, PUBLISHED_WEIGHTS):
        found, curvature = forman_curvature(graph, node_weight)
        assert (found[0] < found[1]).all()
        expected = by_loops(graph, node_weight or [1] * 8)
        for edge, value in zip(found.t().tolist(), curvature.tolist(), strict=True):
            assert value == pytest.approx(expected[frozenset(edge)], rel=1e-12)


def test_curvature_of_bones_is_four_less_the_degrees():
    layout = as_skeleton("h36m17")
    degree = layout.adjacency().sum(dim=1)
    edges, curvature = forman_curvature(layout)
    assert torch.equal(curvature, (4 - degree[edges[0]] - degree[edges[1]]).double())
    assert {frozenset(edge) for edge in edges.t().tolist()} == set(map(frozenset, layout.edges))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"quantile": 0.6, "node_weight": PUBLISHED_WEIGHTS}, [[0, 1, 2, 4, 5, 6, 7], [3]]),
        ({"quantile": 0.6}, [[0, 1, 2, 3, 4, 5, 7], [6]]),
        ({"quantile": None, "threshold": -200.0}, [[i] for i in range(8)]),
        ({"quantile": None, "threshold": -1.0}, [list(range(8))]),
        ({"quantile": None, "threshold": -1.0, "keep": "above"}, [[0], [1], [2], [3, 5, 6], [4], [7]]),
    ],
    ids=["weighted", "unweighted", "none-kept", "all-kept", "within-clusters"],
)
def test_backbones_are_those_of_topobench(options, expected):
    edges = torch.tensor(PUBLISHED).t()
    for graph in (Graph(8, edges), Graph(8, torch.cat([edges, edges.flip(0)], dim=1))):
        found = JointHypergraph.from_curvature(graph, **options)
        assert list(map(list, found.hyperedges)) == expected
        assert list(found.groups) == ["curvature"]


def test_the_backbone_of_a_body_is_its_trunk():
    trunk = max(JointHypergraph.from_curvature("h36m17", 0.3).hyperedges, key=len)
    layout = as_skeleton("h36m17")
    assert {layout.joint_names[joint] for joint in trunk} >= {"spine", "thorax", "left_shoulder", "right_shoulder"}
    empty = Graph(2, torch.empty(2, 0, dtype=torch.int64))
    assert JointHypergraph.from_curvature(empty).hyperedges == ((0,), (1,))


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda g: JointHypergraph.from_khop(g, -1), "k is -1"),
        (lambda g: JointHypergraph.from_khop(g, 1, directed="no"), "directed"),
        (lambda g: JointHypergraph.from_knn(torch.zeros(3), 1), r"expected finite numbers \(J, C\)"),
        (lambda g: JointHypergraph.from_knn([[0.0], [math.nan]], 1), "expected finite numbers"),
        (lambda g: JointHypergraph.from_knn(torch.zeros(3, 2), 4), "k is 4; expected 1 to 3"),
        (lambda g: JointHypergraph.from_knn(torch.zeros(3, 2), 2, "h36m17"), "expected one of 3 joints"),
        (lambda g: JointHypergraph.from_communities(g, 0.0), "resolution"),
        (lambda g: JointHypergraph.from_communities(g, k=3), "expected both or none"),
        (lambda g: JointHypergraph.from_communities(Graph(2, [[0], [1]], [-1.0])), "edge_weight holds -1; expected"),
        (lambda g: JointHypergraph.from_curvature(g, 0.5, 1.0), "expected one of them to be None"),
        (lambda g: JointHypergraph.from_curvature(g, 1.5), "quantile"),
        (lambda g: JointHypergraph.from_curvature(g, keep="middle"), "keep"),
        (lambda g: JointHypergraph.from_curvature(g, node_weight=[1.0]), "a positive number for each of 10 nodes"),
    ],
)
def test_errors_say_what_was_expected(make, fault):
    with pytest.raises(SkelgraphError, match=fault):
        make(random_graph())


def test_examples_of_docstrings():
    result = doctest.testmod(skelgraph.topology.hypergraph_lifting)
    assert result.attempted
    assert not result.failed
