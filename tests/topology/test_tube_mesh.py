"""The generated body surface."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skelgraph.errors import TopologyError
from skelgraph.topology import Skeleton, as_skeleton, list_skeletons, mesh_graph, tube_faces, tube_hierarchy


def assert_closed_surfaces(faces, num_trees):
    """Every edge runs once in either direction, the triangles at a vertex form one fan, each piece is a sphere."""
    directed = Counter((a, b) for x, y, z in faces.tolist() for a, b in ((x, y), (y, z), (z, x)))
    assert set(directed.values()) == {1}
    assert all((b, a) in directed for a, b in directed)
    num_vertices = int(faces.max()) + 1
    following = {}
    for x, y, z in faces.tolist():
        for a, b, c in ((x, y, z), (y, z, x), (z, x, y)):
            following.setdefault(a, {})[b] = c
    for fan in following.values():
        start = at = next(iter(fan))
        steps = 0
        while steps == 0 or at != start:
            at, steps = fan[at], steps + 1
        assert steps == len(fan)
    assert num_vertices - len(directed) // 2 + len(faces) == 2 * num_trees


@pytest.mark.parametrize("rings", [2, 3, 4])
@pytest.mark.parametrize("name", list_skeletons())
def test_every_layout_has_a_closed_surface(name, rings):
    layout = as_skeleton(name)
    faces = tube_faces(layout, rings)
    assert faces.unique().tolist() == list(range(3 * rings * len(layout.edges))), "every vertex is used"
    assert_closed_surfaces(faces, 1)
    assert mesh_graph(faces).edge_weight.unique().tolist() == [1]


@settings(deadline=None)
@given(st.lists(st.integers(-1, 10), min_size=2, max_size=12), st.integers(2, 5))
def test_any_forest_has_closed_surfaces(parents, rings):
    parents = [min(parent, joint - 1) for joint, parent in enumerate(parents)]
    layout = Skeleton(parents)
    trees = [root for root in layout.roots if root in parents]
    if trees:
        assert_closed_surfaces(tube_faces(layout, rings), len(trees))


def test_parents_after_their_children_and_many_bones_at_one_joint():
    assert_closed_surfaces(tube_faces(Skeleton([1, 2, -1])), 1)
    assert_closed_surfaces(tube_faces(Skeleton([-1] + [0] * 30), 2), 1)


def test_hierarchy_halves_the_rings():
    graph = tube_hierarchy("h36m17")
    assert graph.sizes == graph.padded_sizes == (192, 96, 48), "the sizes of HGN, without padding"
    assert tube_hierarchy("coco17", rings=2).sizes == (96, 48)
    for level, rings in enumerate((4, 2)):
        for node, parent in enumerate(graph.parents[level].tolist()):
            bone, ring, side = node // (3 * rings), node // 3 % rings, node % 3
            assert parent == (bone * rings // 2 + ring // 2) * 3 + side
    assert (graph.adjacency(2).diagonal() > 0).all(), "every coarse node has a self loop"
    assert (graph.adjacency(1).diagonal() > 0).all()


def test_bad_input_is_named():
    with pytest.raises(TopologyError, match="without bones"):
        tube_faces(Skeleton([-1, -1]))
    with pytest.raises(TopologyError, match="rings is 1"):
        tube_faces("h36m17", 1)
    with pytest.raises(TopologyError, match="power of two"):
        tube_hierarchy("h36m17", 6)
