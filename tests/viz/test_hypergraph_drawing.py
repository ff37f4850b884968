"""Drawing of hypergraphs."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
import torch

from skelgraph.errors import TopologyError
from skelgraph.topology import JointHypergraph

mpl.use("agg")
from matplotlib import pyplot as plt


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def areas(ax):
    return {patch.get_gid(): patch for patch in ax.patches}


def test_one_panel_per_group():
    hypergraph = JointHypergraph.from_skeleton("h36m17")
    axes = hypergraph.plot()
    assert [ax.get_title() for ax in axes] == [
        "parts: 5 hyperedges", "sides: 2 hyperedges", "halves: 2 hyperedges", "sym: 6 hyperedges"
    ]  # fmt: skip
    drawn = [sorted(int(gid.removeprefix("hyperedge-")) for gid in areas(ax)) for ax in axes]
    assert drawn == [list(ids) for ids in hypergraph.groups.values()]
    assert all(len(ax.collections) == 2 for ax in axes), "bones and joints"
    axes[0].figure.canvas.draw()


def test_panels_show_the_body_alike_and_tell_who_is_in_a_hyperedge():
    hypergraph = JointHypergraph.from_skeleton("h36m17", ("parts", "sym"))
    axes = hypergraph.plot()
    assert axes[0].get_xlim() == axes[1].get_xlim()
    assert axes[0].get_ylim() == axes[1].get_ylim()
    for ax, ids in zip(axes, hypergraph.groups.values(), strict=True):
        joints = ax.collections[1].get_facecolors()
        black = [joint for joint, color in enumerate(joints) if tuple(color) == (0, 0, 0, 1)]
        assert black == sorted({joint for m in ids for joint in hypergraph.hyperedges[m]})


def test_areas_hold_their_joints_and_no_others_far_away():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [9.0, 9.0]])
    hypergraph = JointHypergraph.from_lists(4, [[0, 1, 2], [3], [0, 1]])
    _, ax = plt.subplots()
    assert hypergraph.plot(torch.from_numpy(points), ax) is ax
    for m, members in enumerate(hypergraph.hyperedges):
        path = areas(ax)[f"hyperedge-{m}"].get_path()
        assert path.contains_points(points).nonzero()[0].tolist() == list(members)


def test_without_a_skeleton_joints_stand_on_a_circle():
    (ax,) = JointHypergraph.from_lists(5, [[0, 1], [2, 3, 4]]).plot()
    (joints,) = ax.collections
    np.testing.assert_allclose(np.linalg.norm(joints.get_offsets(), axis=1), 1)


def test_no_hyperedges_and_one_joint():
    assert not JointHypergraph.from_lists(3, []).plot()[0].patches
    assert not JointHypergraph.from_lists(0, []).plot()[0].patches
    assert len(JointHypergraph.from_lists(1, [[0]]).plot()[0].patches) == 1


def test_positions_are_checked():
    with pytest.raises(TopologyError, match=r"positions has shape \(4, 2\); expected \(17, 2\)"):
        JointHypergraph.from_skeleton("h36m17").plot(np.zeros((4, 2)))
