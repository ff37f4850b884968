"""The named groups of hyperedges."""

from __future__ import annotations

import pytest
from bodies import BODIES

from skelgraph.errors import SkelgraphError, TopologyError
from skelgraph.topology import HYPEREDGE_GROUPS, Skeleton, as_skeleton, hyperedge_groups

H36M17 = {
    "parts": [[0, 1, 4, 7, 8, 9, 10, 11, 14], [14, 15, 16], [11, 12, 13], [1, 2, 3], [4, 5, 6]],
    "sides": [[1, 2, 3, 14, 15, 16], [4, 5, 6, 11, 12, 13]],
    "halves": [[7, 8, 9, 10, 11, 12, 13, 14, 15, 16], [0, 1, 2, 3, 4, 5, 6]],
    "sym": [[1, 4], [2, 5], [3, 6], [11, 14], [12, 15], [13, 16]],
    "parts10": [[0, 7, 8], [8, 9, 10], [0, 1, 2], [2, 3], [0, 4, 5], [5, 6], [8, 14, 15], [8, 11, 12], [15, 16],
                [12, 13]],
    "contralateral": [[1, 2, 3, 11, 12, 13], [4, 5, 6, 14, 15, 16]],
    "extremities": [[3, 6, 10, 13, 16]],
    "whole": [list(range(17))],
}  # fmt: skip


@pytest.mark.parametrize("name", list(H36M17))
def test_published_groups_of_17_joints(name):
    assert hyperedge_groups(as_skeleton("h36m17"), name) == H36M17[name]


@pytest.mark.parametrize(("name", "count"), [("chains2", 13), ("chains3", 10), ("chains4", 5)])
def test_chains_are_all_directed_paths(name, count):
    layout = as_skeleton("h36m17")
    bones = int(name[-1])
    chains = hyperedge_groups(layout, name)
    expected = set()
    for joint in range(17):
        path = [joint]
        while len(path) <= bones and layout.parents[path[-1]] != -1:
            path.append(layout.parents[path[-1]])
        if len(path) == bones + 1:
            expected.add(tuple(sorted(path)))
    assert len(chains) == count
    assert {tuple(chain) for chain in chains} == expected


@pytest.mark.parametrize("layout", BODIES)
@pytest.mark.parametrize("name", HYPEREDGE_GROUPS)
def test_every_group_on_every_body(layout, name):
    layout = as_skeleton(layout)
    hyperedges = hyperedge_groups(layout, name)
    assert hyperedges
    for members in hyperedges:
        assert members == sorted(set(members))
        assert members
    mirrored = {tuple(sorted(layout.mirror_index[joint] for joint in members)) for members in hyperedges}
    assert mirrored == {tuple(members) for members in hyperedges}, "a group is the same on both sides"


@pytest.mark.parametrize("layout", BODIES)
def test_parts_cover_the_body_and_hang_on_the_torso(layout):
    torso, *others = hyperedge_groups(as_skeleton(layout), "parts")
    assert set(torso).union(*others) == set(range(as_skeleton(layout).num_joints))
    assert all(set(torso) & set(part) for part in others)


@pytest.mark.parametrize("layout", BODIES)
def test_halves_divide_the_body_below_the_trunk(layout):
    upper, lower = hyperedge_groups(as_skeleton(layout), "halves")
    assert sorted(upper + lower) == list(range(as_skeleton(layout).num_joints))
    names = {as_skeleton(layout).joint_names[joint] for joint in lower}
    assert {"left_knee", "right_knee"} <= names or {"left_leg", "right_leg"} <= names
    assert not any("shoulder" in name or "neck" in name for name in names)


@pytest.mark.parametrize("layout", ["smpl24", "mpi_inf_3dhp28", "cmu_bvh", "body25"])
def test_limbs_are_cut_at_knees_and_elbows(layout):
    layout = as_skeleton(layout)
    groups = hyperedge_groups(layout, "parts10")
    assert len(groups) == 10
    cuts = [set(groups[a]) & set(groups[b]) for a, b in ((2, 3), (4, 5), (6, 8), (7, 9))]
    names = [layout.joint_names[joint].partition("_")[2] for cut in cuts for joint in cut]
    assert names in (["knee", "knee", "elbow", "elbow"], ["leg", "leg", "fore_arm", "fore_arm"])


def test_limbs_of_unknown_names_are_cut_in_the_middle():
    body = Skeleton(
        [-1, 0, 1, 2, 3, 0, 5, 6, 7],
        symmetric_pairs=[(1, 5), (2, 6), (3, 7), (4, 8)],
        parts={"torso": [0], "left_arm": [1, 2, 3, 4], "right_arm": [5, 6, 7, 8]},
    )
    with pytest.raises(TopologyError, match="part with 'leg' in its name"):
        hyperedge_groups(body, "parts10")
    both = Skeleton(
        [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11],
        symmetric_pairs=[(1, 4), (2, 5), (3, 6), (7, 10), (8, 11), (9, 12)],
        parts={"left_arm": [1, 2, 3], "right_arm": [4, 5, 6], "left_leg": [7, 8, 9], "right_leg": [10, 11, 12]},
    )
    assert hyperedge_groups(both, "parts10") == [
        [0], [0], [0, 10, 11], [11, 12], [0, 7, 8], [8, 9], [0, 4, 5], [0, 1, 2], [5, 6], [2, 3]
    ]  # fmt: skip
    assert hyperedge_groups(both, "parts")[0] == [1, 4, 7, 10], "no torso: where the parts hang"


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("parts", "no body parts"),
        ("sides", "no symmetric pairs"),
        ("sym", "no symmetric pairs"),
        ("halves", "no part with 'leg'"),
        ("contralateral", "no symmetric pairs"),
        ("chains3", "no directed path of 3 bones"),
    ],
)
def test_errors_say_what_the_skeleton_lacks(name, fault):
    with pytest.raises(TopologyError, match=f"{name}.*hand.*{fault}"):
        hyperedge_groups(Skeleton([-1, 0, 1], name="hand"), name)


def test_names_of_layouts_are_skeletons():
    for name in HYPEREDGE_GROUPS:
        assert hyperedge_groups("h36m17", name) == hyperedge_groups(as_skeleton("h36m17"), name)
    with pytest.raises(SkelgraphError, match="unknown skeleton 'h36m18'; did you mean h36m17"):
        hyperedge_groups("h36m18", "parts")


def test_unknown_group_lists_near_names():
    with pytest.raises(SkelgraphError, match="did you mean halves"):
        hyperedge_groups(as_skeleton("h36m17"), "halfs")
    with pytest.raises(SkelgraphError, match="unknown group of hyperedges 3; known"):
        hyperedge_groups("h36m17", 3)
