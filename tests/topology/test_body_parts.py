"""Body parts as joints of a coarser skeleton."""

from __future__ import annotations

import pytest
from bodies import BODIES

from skelgraph.topology import Skeleton, as_skeleton, body_parts, part_skeleton


@pytest.mark.parametrize("layout", BODIES)
def test_parts_of_every_body_are_connected_and_keep_its_symmetry(layout):
    layout = as_skeleton(layout)
    parts = body_parts(layout)
    assert sorted(joint for part in parts for joint in part) == list(range(layout.num_joints))
    named = [set(members) for members in layout.parts.values()]
    assert len(parts) == len(named) or layout.name == "halpe26", "where the top of the head hangs from the neck"
    for part in parts:
        assert any(members.issuperset(part) for members in named)
        assert len(layout.subset(part).roots) == 1
    graph = part_skeleton(layout, parts)
    assert len(graph.roots) == 1
    assert len(graph.symmetric_pairs) == 2, "two arms, two legs"


def test_without_parts_limbs_are_found():
    hand = Skeleton([-1, 0, 1, 0, 3, 0, 5], symmetric_pairs=[(1, 5), (2, 6)])
    parts = body_parts(hand)
    assert parts == [[0], [1, 2], [3, 4], [5, 6]]
    graph = part_skeleton(hand, parts)
    assert graph.parents == (-1, 0, 0, 0)
    assert [set(pair) for pair in graph.symmetric_pairs] == [{1, 3}]


def test_overlapping_and_disconnected_parts_are_split():
    chain = Skeleton([-1, 0, 1, 2, 3], parts={"a": [0, 1, 4], "b": [1, 2]})
    assert body_parts(chain) == [[0], [1], [2], [3], [4]]
    assert part_skeleton(chain, body_parts(chain)).parents == chain.parents


def test_names_of_layouts_are_skeletons():
    parts = body_parts("h36m17")
    assert parts == body_parts(as_skeleton("h36m17"))
    assert part_skeleton("h36m17", parts).parents == part_skeleton(as_skeleton("h36m17"), parts).parents
