"""Hierarchies of graphs."""

from __future__ import annotations

import copy
import doctest
import json
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelgraph.errors import TopologyError
from skelgraph.topology import Graph, MultiScaleGraph, mesh_graph, multiscale, tube_faces

MESHES = ["hgn_coarsen_torus", "hgn_coarsen_sphere", "hgn_coarsen_full"]


@pytest.fixture(params=MESHES, name="case", scope="module")
def _case(request, golden):
    reference = golden(request.param)
    levels = int(reference["in/levels"])
    return reference, levels, MultiScaleGraph.from_mesh(reference["in/faces"], levels)


def test_hierarchy_matches_official_code(case):
    reference, levels, graph = case
    assert list(graph.sizes) == reference["out/sizes_real"].tolist()
    assert graph.num_levels == levels + 1
    for level, parent in enumerate(graph.parents):
        assert parent.tolist() == reference[f"out/parent_{level}"].tolist()
    for level in range(levels + 1):
        row, column, weight = reference[f"out/graph_{level}"].numpy()
        by_row = np.lexsort((column, row))
        assert graph.graphs[level].edge_index.tolist() == [column[by_row].tolist(), row[by_row].tolist()]
        assert graph.graphs[level].edge_weight.tolist() == weight[by_row].tolist()


def test_padding_and_order_match_official_code(case):
    reference, levels, graph = case
    assert list(graph.padded_sizes) == reference["out/sizes_padded"].tolist()
    for level in range(levels + 1):
        assert graph.order(level).tolist() == reference[f"out/perm_{level}"].tolist()
        assert graph.position(level).tolist() == reference[f"out/perm_inv_{level}"][: graph.sizes[level]].tolist()
    for name, level in (("fine", levels - 1), ("coarse", levels)):
        level -= 1
        adjacency = graph.padded(level).binary().adjacency("row")
        assert torch.equal(adjacency, reference[f"out/adj_{name}"].float())


def test_group_means_match_official_code(case):
    reference, levels, graph = case
    fine, coarse = levels - 2, levels - 1
    for name, levels_of in (("fine", (0, fine)), ("coarse", (fine, coarse))):
        ancestor, weight = graph.membership(*levels_of)
        vertex, group = reference[f"out/pool_{name}"].long()
        torch.testing.assert_close(ancestor[vertex], group)
        torch.testing.assert_close(weight[vertex], reference[f"out/pool_{name}_w"])
    vertices = reference["in/vertices"]
    reference.assert_close(graph.pool(vertices, 0, fine), "out/vertices_fine")
    reference.assert_close(graph.pool(vertices, 0, coarse), "out/vertices_coarse")


@st.composite
def hierarchies(draw):
    """Graphs coarsened by either rule: random meshes, whose every vertex has a triangle, and random graphs."""
    size, rule = draw(st.integers(3, 20)), draw(st.sampled_from(["released", "corrected"]))
    node = st.integers(0, size - 1)
    num_levels = draw(st.integers(0, 5))
    if draw(st.booleans()):
        strip = [(i, (i + 1) % size, (i + 2) % size) for i in range(size)]
        more = draw(st.lists(st.tuples(node, node, node).filter(lambda f: len(set(f)) == 3), max_size=20))
        return MultiScaleGraph.from_mesh(torch.tensor(strip + more), num_levels, rule)
    ring = [(i, (i + 1) % size) for i in range(size if rule == "released" else 0)]
    edges = torch.tensor(ring + draw(st.lists(st.tuples(node, node), max_size=40)), dtype=torch.long).view(-1, 2).t()
    return MultiScaleGraph.coarsen(Graph(size, torch.cat([edges, edges.flip(0)], dim=1)), num_levels, rule)


@settings(deadline=None)
@given(hierarchies())
def test_invariants(graph):
    for level in range(graph.num_levels - 1):
        parent, fine, coarse = graph.parents[level], graph.graphs[level], graph.graphs[level + 1]
        count = torch.bincount(parent)
        assert parent.unique().tolist() == list(range(graph.sizes[level + 1])), "every coarse node has a member"
        assert count.max() <= 2
        assert fine.edge_weight.sum() == coarse.edge_weight.sum(), "no weight is lost"
        blocks = torch.zeros(len(count), graph.sizes[level])
        blocks[parent, torch.arange(len(parent))] = 1
        torch.testing.assert_close(blocks @ graph.adjacency(level) @ blocks.t(), graph.adjacency(level + 1))
        children = graph.children(level + 1)
        assert sorted(children[children >= 0].tolist()) == list(range(graph.sizes[level]))
        assert all(parent[child] == node for node, members in enumerate(children) for child in members if child >= 0)


@settings(deadline=None)
@given(hierarchies())
def test_invariants_of_the_padded_levels(graph):
    sizes = graph.padded_sizes
    assert sizes == tuple(graph.sizes[-1] * 2 ** (graph.num_levels - 1 - level) for level in range(graph.num_levels))
    for level in range(graph.num_levels):
        order, position = graph.order(level), graph.position(level)
        assert sorted(order.tolist()) == list(range(sizes[level]))
        assert torch.equal(order[position], torch.arange(graph.sizes[level]))
        padded = graph.padded(level).adjacency()
        torch.testing.assert_close(padded[position][:, position], graph.adjacency(level))
        assert padded.sum() == graph.adjacency(level).sum(), "padding has no edges"
        if level:
            below = graph.order(level - 1).view(-1, 2)  # the children of place i are at 2 i and 2 i + 1
            for parent, members in zip(order.tolist(), below.tolist(), strict=True):
                real = [member for member in members if member < graph.sizes[level - 1]]
                assert real == (
                    []
                    if parent >= graph.sizes[level]
                    else (graph.parents[level - 1] == parent).nonzero().flatten().tolist()
                )
            fine = graph.padded(level - 1).adjacency()
            torch.testing.assert_close(fine.view(sizes[level], 2, sizes[level], 2).sum(dim=(1, 3)), padded)


@settings(deadline=None)
@given(hierarchies(), st.booleans())
def test_means(graph, by_size):
    x = torch.randn(2, graph.sizes[0], 3, dtype=torch.float64)
    matrix = graph.averaging(by_size=by_size, dtype=torch.float64)
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(graph.sizes[-1], dtype=torch.float64))
    torch.testing.assert_close(graph.pool(x, by_size=by_size), matrix @ x)
    if by_size:
        ancestor, _ = graph.membership()
        for node in range(graph.sizes[-1]):
            torch.testing.assert_close((matrix @ x)[:, node], x[:, ancestor == node].mean(dim=1))
    else:
        stepwise = x
        for level in range(graph.num_levels - 1):
            parent = graph.parents[level]
            stepwise = torch.stack([stepwise[:, parent == i].mean(dim=1) for i in range(graph.sizes[level + 1])], dim=1)
        torch.testing.assert_close(graph.pool(x), stepwise)


def test_a_node_of_two_in_a_group_of_four_counts_as_published():
    """Unweighted means of means: a single vertex counts as much as a pair."""
    graph = MultiScaleGraph(Graph(3, torch.zeros(2, 0, dtype=torch.long)), [[0, 0, 1], [0, 0]])
    assert graph.membership()[1].tolist() == [0.25, 0.25, 0.5]
    torch.testing.assert_close(graph.membership(by_size=True)[1], torch.full((3,), 1 / 3, dtype=torch.float64))


def test_groups_of_any_size():
    graph = MultiScaleGraph("h36m17", [[0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 3, 3, 3, 4, 4, 4]])
    assert graph.adjacency(1).tolist() == [
        [8, 1, 1, 1, 1],
        [1, 4, 0, 0, 0],
        [1, 0, 4, 0, 0],
        [1, 0, 0, 4, 0],
        [1, 0, 0, 0, 4],
    ]
    assert graph.padded_sizes == (25, 5)
    assert graph.children(1)[1].tolist() == [1, 2, 3, -1, -1]
    fine = graph.padded(0).adjacency().view(5, 5, 5, 5).sum(dim=(1, 3))
    torch.testing.assert_close(fine, graph.padded(1).adjacency())


def test_hetero_data(golden):
    graph = MultiScaleGraph.from_mesh(golden("hgn_coarsen_torus")["in/faces"], 3)
    features = [torch.randn(size, 4) for size in graph.sizes]
    data = graph.to_hetero_data(features)
    assert data.validate()
    assert data.node_types == ["level_0", "level_1", "level_2", "level_3"]
    again = MultiScaleGraph.from_hetero_data(data)
    assert all(torch.equal(a, b) for a, b in zip(again.parents, graph.parents, strict=True))
    assert all(torch.equal(a.adjacency(), b.adjacency()) for a, b in zip(again.graphs, graph.graphs, strict=True))
    assert MultiScaleGraph.from_hetero_data(graph.to_hetero_data()).sizes == graph.sizes
    with pytest.raises(TopologyError, match="features are on"):
        graph.to_hetero_data(features[:2])
    del data["level_0", "connects", "level_0"]
    with pytest.raises(TopologyError, match="expected those of MultiScaleGraph"):
        MultiScaleGraph.from_hetero_data(data)


def test_message_passing_over_hetero_data_pools(golden):
    """PyG's own heterogeneous layers run on it."""
    from torch_geometric.nn import HeteroConv, SimpleConv

    graph = MultiScaleGraph.from_mesh(golden("hgn_coarsen_sphere")["in/faces"], 1)
    data = graph.to_hetero_data([torch.randn(size, 4) for size in graph.sizes])
    pooling = ("level_0", "belongs_to", "level_1")
    conv = HeteroConv({pooling: SimpleConv(aggr="mean"), ("level_0", "connects", "level_0"): SimpleConv()})
    torch.testing.assert_close(conv(data.x_dict, data.edge_index_dict)["level_1"], graph.pool(data["level_0"].x))


def test_survives_copies_and_pools_with_gradients():
    graph = MultiScaleGraph.coarsen("h36m17", 2)
    x = torch.randn(17, 2, dtype=torch.float64, requires_grad=True)
    for other in (copy.deepcopy(graph), pickle.loads(pickle.dumps(graph))):
        assert torch.equal(other.averaging(), graph.averaging())
    assert torch.autograd.gradcheck(graph.pool, (x,))


def test_repr_and_docstring():
    assert repr(MultiScaleGraph.coarsen("h36m17", 2)) == "MultiScaleGraph(17 -> 10 -> 5)"
    result = doctest.testmod(multiscale, extraglobs={"torch": torch})
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("parents", [[[0, 0, 2]], [[0, 1]], [[0, -1, 1]], [[0, 0, 1], [0, 0, 0]], [[0.0, 0, 1]]])
def test_bad_parents_are_named(parents):
    with pytest.raises(TopologyError, match=r"parents\[[01]\]"):
        MultiScaleGraph(Graph(3, torch.tensor([[0], [1]])), parents)


def test_bad_levels_are_named():
    graph = MultiScaleGraph.coarsen("h36m17", 2)
    for call in (lambda: graph.order(3), lambda: graph.adjacency(-4), lambda: graph.children(0)):
        with pytest.raises(TopologyError, match="level is"):
            call()
    with pytest.raises(TopologyError, match="finer level first"):
        graph.pool(torch.zeros(6, 1), 2, 0)
    with pytest.raises(TopologyError, match=r"expected \(\.\.\., 17, C\)"):
        graph.pool(torch.zeros(6, 1))
    with pytest.raises(TopologyError, match="num_levels is -1"):
        MultiScaleGraph.coarsen("h36m17", -1)


OCTAHEDRON = [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1], [5, 2, 1], [5, 3, 2], [5, 4, 3], [5, 1, 4]]


def test_triangles_of_a_coarse_level():
    """An octahedron whose two ends are joined with a neighbour each: a tetrahedron, seen from outside as before."""
    mesh = MultiScaleGraph(mesh_graph(torch.tensor(OCTAHEDRON)), [[0, 0, 1, 2, 3, 1], [0, 0, 0, 0]], OCTAHEDRON)
    assert mesh.triangles(0).tolist() == OCTAHEDRON
    assert mesh.triangles(1).tolist() == [[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]]
    assert mesh.triangles(-1).tolist() == []
    with pytest.raises(TopologyError, match="has no faces"):
        MultiScaleGraph("h36m17").triangles()


def test_faces_of_a_hierarchy_stay_closed():
    """Of a closed surface every directed side has its reverse on every level."""
    mesh = MultiScaleGraph.from_mesh(tube_faces("h36m17", 8), 3)
    for level in range(4):
        faces = mesh.triangles(level)
        sides = {(int(a), int(b)) for face in faces for a, b in zip(face, face.roll(-1), strict=True)}
        assert sides == {(b, a) for a, b in sides}
        assert faces.max() < mesh.sizes[level]


@pytest.mark.parametrize("level", [0, 2])
def test_plain_data_make_the_same_hierarchy(level):
    whole = MultiScaleGraph.from_mesh(tube_faces("h36m17", 8), 4)
    kept = whole.from_level(level)
    again = MultiScaleGraph.from_dict(json.loads(json.dumps(kept.to_dict())))
    assert again.sizes == kept.sizes == whole.sizes[level:]
    for i in range(again.num_levels):
        assert torch.equal(again.adjacency(i, torch.float64), whole.adjacency(level + i, torch.float64))
        assert torch.equal(again.order(i), whole.order(level + i))
        assert torch.equal(again.triangles(i).unique(dim=0), whole.triangles(level + i).unique(dim=0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edges": [[0, 1]]}, "edges has shape"),
        ({"edges": [[0, 99, 1.0]]}, "edge_index holds the nodes 0 to 99"),
        ({"parents": [[0, 0]]}, r"parents\[0\] has shape"),
        ({"faces": [[0, 1, 6]]}, "faces holds the nodes 0 to 6; expected 0 to 5"),
        ({"faces": [[0, 1]]}, "faces has shape"),
        ({"more": 1}, "expected an object of edges, faces, num_nodes, parents"),
    ],
)
def test_other_data_are_refused(change, message):
    mesh = MultiScaleGraph.from_mesh(torch.tensor(OCTAHEDRON), 1)
    with pytest.raises(TopologyError, match=message):
        MultiScaleGraph.from_dict(mesh.to_dict() | change)
