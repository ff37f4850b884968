"""Heavy-edge matching and the graph of a mesh."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skelgraph.errors import TopologyError
from skelgraph.topology import Graph, MultiScaleGraph, heavy_edge_matching, mesh_graph

TETRAHEDRON = torch.tensor([[0, 1, 2], [0, 3, 1], [1, 3, 2], [2, 3, 0]])


def test_edges_of_a_closed_surface_have_weight_one():
    assert torch.equal(mesh_graph(TETRAHEDRON).adjacency(), 1 - torch.eye(4))
    assert mesh_graph(TETRAHEDRON, num_vertices=6).num_nodes == 6


def test_counts_are_those_of_the_released_code():
    """Three triangles along one edge in one direction count 2, one border edge counts 1, in both directions."""
    matrix = mesh_graph(torch.tensor([[0, 1, 2], [0, 1, 3], [0, 1, 4]])).adjacency()
    assert matrix[0, 1] == matrix[1, 0] == 2
    assert matrix[1, 2] == matrix[2, 1] == 1
    assert matrix[0, 2] == matrix[2, 0] == 1


@pytest.mark.parametrize("name", ["hgn_coarsen_torus", "hgn_coarsen_sphere", "hgn_coarsen_full"])
def test_a_single_level_matches_official_code_in_the_given_order(name, golden):
    reference = golden(name)
    graph = mesh_graph(reference["in/faces"])
    for level in range(int(reference["in/levels"])):
        parent = heavy_edge_matching(graph, order=reference[f"in/order_{level}"])
        assert parent.tolist() == reference[f"out/parent_{level}"].tolist()
        graph = MultiScaleGraph(graph, [parent]).graphs[1]


def matching_by_formula(matrix):
    """The corrected rule on a dense matrix."""
    size = len(matrix)
    degree = matrix.sum(dim=0)
    group = {}
    for t in torch.argsort(degree, stable=True).tolist():
        if t in group:
            continue
        scores = {
            j: float((2 * matrix[t, j] + matrix[t, t] + matrix[j, j]) / (degree[t] + degree[j] + 1e-9))
            for j in range(size)
            if j not in group and j != t and matrix[t, j] > 0
        }
        number = max(group.values(), default=-1) + 1
        group[t] = number
        if scores:
            group[max(scores, key=scores.__getitem__)] = number
    return [group[node] for node in range(size)]


@st.composite
def symmetric_matrices(draw, connected=False):
    size = draw(st.integers(2, 12))
    weights = draw(st.lists(st.integers(0, 3), min_size=size * size, max_size=size * size))
    matrix = torch.tensor(weights, dtype=torch.float64).view(size, size)
    matrix = matrix.tril() + matrix.tril(-1).t()
    if connected:
        for node in range(1, size):
            matrix[node, node - 1] = matrix[node - 1, node] = 1 + matrix[node, node - 1]
    return matrix


@given(symmetric_matrices())
def test_corrected_rule_is_the_formula(matrix):
    assert heavy_edge_matching(Graph.from_adjacency(matrix), "corrected").tolist() == matching_by_formula(matrix)


@given(symmetric_matrices(connected=True), st.sampled_from(["released", "corrected"]))
def test_groups_are_connected_pairs_or_singles_and_no_more_can_be_made(matrix, rule):
    group = heavy_edge_matching(Graph.from_adjacency(matrix), rule)
    count = torch.bincount(group)
    assert count.min() >= 1
    assert count.max() <= 2
    for number in (count == 2).nonzero().flatten():
        a, b = (group == number).nonzero().flatten()
        assert matrix[a, b] > 0 or rule == "released"
    singles = (count[group] == 1).nonzero().flatten()
    if rule == "corrected":
        off_diagonal = matrix[singles][:, singles] * (1 - torch.eye(len(singles)))
        assert off_diagonal.sum() == 0, "two neighbours that both stay single"


def test_released_defects():
    """Node 0 looks into the row of node 1 too, and the last node does not see its last neighbour."""
    chain = Graph.from_adjacency(torch.tensor([[0.0, 1, 0], [1, 0, 5], [0, 5, 0]]))
    order = torch.tensor([2, 1, 0])
    assert heavy_edge_matching(chain, "corrected", order=order).tolist() == [1, 0, 0]
    assert heavy_edge_matching(chain, "released", order=order).tolist() == [1, 1, 0]
    crossed = Graph.from_adjacency(torch.tensor([[0.0, 0, 0, 1], [0, 0, 5, 0], [0, 5, 0, 0], [1, 0, 0, 0]]))
    order = torch.tensor([0, 1, 2, 3])
    assert heavy_edge_matching(crossed, "corrected", order=order).tolist() == [0, 1, 1, 0]
    assert heavy_edge_matching(crossed, "released", order=order).tolist() == [0, 1, 0, 2]


def test_released_rule_takes_the_first_entry_of_a_row_for_its_self_loop():
    """Node 2 has no loop; what it is taken for, its edge to node 0, makes node 1 choose it before node 3."""
    matrix = torch.zeros(6, 6)
    for i, j, weight in [(0, 2, 9), (1, 2, 2), (1, 3, 2), (3, 4, 5), (4, 5, 1)]:
        matrix[i, j] = matrix[j, i] = weight
    graph, order = Graph.from_adjacency(matrix), torch.tensor([1, 0, 2, 3, 4, 5])
    assert heavy_edge_matching(graph, "corrected", order=order).tolist() == [1, 0, 1, 0, 2, 2]
    assert heavy_edge_matching(graph, "released", order=order).tolist() == [1, 0, 0, 2, 2, 3]


def test_bad_input_is_named():
    lonely = Graph(3, torch.tensor([[0, 1], [1, 0]]))
    with pytest.raises(TopologyError, match="node 2 has no edge"):
        heavy_edge_matching(lonely)
    assert heavy_edge_matching(lonely, "corrected").tolist() == [1, 1, 0]
    with pytest.raises(TopologyError, match="rule is 'best'"):
        heavy_edge_matching(lonely, "best")
    with pytest.raises(TopologyError, match=r"expected integers \(F, 3\)"):
        mesh_graph(torch.zeros(4, 4, dtype=torch.long))
    with pytest.raises(TopologyError, match="expected 0 to 2"):
        mesh_graph(TETRAHEDRON, num_vertices=3)
