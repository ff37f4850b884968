from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from bodies import BODIES

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba

from skelgraph.errors import TopologyError
from skelgraph.topology import Skeleton, as_skeleton, list_skeletons
from skelgraph.viz.drawing import (
    CENTRE,
    LEFT,
    RIGHT,
    draw_skeleton,
    joint_colors,
    rest_positions,
)


@pytest.fixture
def ax_2d() -> Iterator[Any]:
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


@pytest.fixture
def ax_3d() -> Iterator[Any]:
    figure = plt.figure()
    yield figure.add_subplot(projection="3d")
    plt.close(figure)


def standing_pose(distance: float = 5.0) -> np.ndarray:
    """A standing h36m17 pose in camera axes (x right, y down, z forward)."""
    figure = rest_positions(as_skeleton("h36m17"))
    return np.stack([figure[:, 0], -figure[:, 1], np.full(len(figure), distance)], axis=1)


def same_color(color: Any, other: Any) -> bool:
    return bool(np.allclose(to_rgba(color), to_rgba(other)))


def test_joint_colors() -> None:
    skel = as_skeleton("h36m17")
    colors = joint_colors(skel)
    assert [colors[skel.index(joint)] for joint in ("left_knee", "right_wrist", "head")] == [LEFT, RIGHT, CENTRE]
    assert joint_colors(as_skeleton("h36m17"), "black") == ["black"] * 17
    assert set(joint_colors(as_skeleton("h36m17"), ("b", "r", "k"))) == {"b", "r", "k"}
    with pytest.raises(TopologyError, match="expected one colour or three"):
        joint_colors(skel, ["b", "r"])


def test_left_is_bluish_and_right_reddish() -> None:
    blue, orange, grey = map(to_rgba, (LEFT, RIGHT, CENTRE))
    assert blue[2] > blue[0]
    assert orange[0] > orange[2]
    assert grey[0] == grey[1] == grey[2]


def test_draw_2d_keeps_the_coordinates(ax_2d: Any) -> None:
    skel = as_skeleton("h36m17")
    positions = torch.randn(17, 2, requires_grad=True)
    lines: Any = draw_skeleton(skel, positions, ax_2d, linewidth=4, alpha=0.5, label="truth")
    assert len(lines.get_segments()) == 16
    for (parent, child), segment, color in zip(skel.edges, lines.get_segments(), lines.get_colors(), strict=True):
        np.testing.assert_allclose(segment, positions.detach()[[parent, child]])
        assert same_color(color[:3], joint_colors(skel)[child])
    assert lines.get_linewidth() == [4]
    assert lines.get_alpha() == 0.5
    assert ax_2d.get_legend_handles_labels()[1] == ["truth"]
    (left, right), (bottom, top) = ax_2d.get_xlim(), ax_2d.get_ylim()
    assert left <= positions[:, 0].min() <= positions[:, 0].max() <= right
    assert bottom <= positions[:, 1].min() <= positions[:, 1].max() <= top


def test_draw_3d_is_upright(ax_3d: Any) -> None:
    skel = as_skeleton("h36m17")
    pose = standing_pose()
    lines: Any = draw_skeleton(as_skeleton("h36m17"), pose, ax_3d)
    segments = np.asarray(lines._segments3d)
    by_child = {child: segment[1] for (_, child), segment in zip(skel.edges, segments, strict=True)}
    head, foot = by_child[skel.index("head")], by_child[skel.index("left_foot")]
    assert head[2] > foot[2]  # up on the page is up in the world
    np.testing.assert_allclose(head, [pose[10, 0], pose[10, 2], -pose[10, 1]])
    assert by_child[skel.index("left_foot")][0] > by_child[skel.index("right_foot")][0]
    low, high = ax_3d.get_zlim()
    assert low <= -pose[:, 1].max()
    assert high >= -pose[:, 1].min()
    assert ax_3d.get_ylim()[0] > 0  # the limits fit the pose, they do not include the origin


def test_missing_joints(ax_2d: Any, ax_3d: Any) -> None:
    pose = standing_pose()
    pose[10] = np.nan
    draw_skeleton(as_skeleton("h36m17"), pose, ax_3d)
    draw_skeleton(as_skeleton("h36m17"), pose[:, :2], ax_2d)
    draw_skeleton(as_skeleton("h36m17"), np.full((17, 3), np.nan), ax_3d)
    for ax in (ax_2d, ax_3d):
        ax.figure.canvas.draw()
        assert np.isfinite([ax.get_xlim(), ax.get_ylim()]).all()


def test_joint_without_bones_is_a_dot(ax_2d: Any) -> None:
    lines: Any = draw_skeleton(Skeleton([-1, 0, -1]), [[0, 0], [1, 0], [2, 2]], ax_2d)
    np.testing.assert_array_equal(lines.get_segments()[-1], [[2, 2], [2, 2]])


def test_bad_positions(ax_2d: Any, ax_3d: Any) -> None:
    with pytest.raises(TopologyError, match=r"positions has shape \(16, 2\); expected \(17, 2\).*on a 2D axis"):
        draw_skeleton(as_skeleton("h36m17"), np.zeros((16, 2)), ax_2d)
    with pytest.raises(TopologyError, match=r"positions has shape \(17, 2\); expected \(17, 3\).*on a 3D axis"):
        draw_skeleton(as_skeleton("h36m17"), np.zeros((17, 2)), ax_3d)


@pytest.mark.parametrize("name", BODIES)
def test_rest_positions_are_a_standing_figure(name: str) -> None:
    skel = as_skeleton(name)
    figure = rest_positions(skel)
    assert figure.shape == (skel.num_joints, 2)
    assert len({tuple(point) for point in figure.tolist()}) == skel.num_joints  # no joint hides another
    np.testing.assert_allclose(figure[list(skel.mirror_index)], figure * [-1, 1])
    assert (figure[list(skel.left), 0] > 0).all()
    arm, leg = (figure[list(skel.parts[part]), 1] for part in ("left_arm", "left_leg"))
    assert arm.max() > leg.max()
    assert arm.min() > leg.min()


@pytest.mark.parametrize("name", sorted(set(list_skeletons()) - set(BODIES)))
def test_rest_positions_of_what_is_no_body(name: str) -> None:
    skel = as_skeleton(name)
    figure = rest_positions(skel)
    assert len({tuple(point) for point in figure.tolist()}) == skel.num_joints
    assert (figure[[child for _, child in skel.edges], 1] < figure[[parent for parent, _ in skel.edges], 1]).all()


def test_rest_positions_of_an_unknown_tree() -> None:
    skel = Skeleton([1, -1, 1, 0, 0, -1])
    points = rest_positions(skel)
    assert len({tuple(point) for point in points.tolist()}) == 6
    for parent, child in skel.edges:
        assert points[child, 1] == points[parent, 1] - 1
    assert points[1, 1] == points[5, 1] == 0
    assert points[0, 0] == points[[3, 4], 0].mean()


def test_plot(ax_2d: Any) -> None:
    skel = as_skeleton("coco17")
    assert skel.plot(ax=ax_2d) is ax_2d
    texts = [text.get_text() for text in ax_2d.texts]
    assert texts == [f"{joint} {name}" for joint, name in enumerate(skel.joint_names)]
    ax_2d.figure.canvas.draw()
    # Nothing is cropped: every joint is inside the axis.
    inside = ax_2d.transAxes.inverted().transform(ax_2d.transData.transform(rest_positions(skel)))
    assert ((inside > 0) & (inside < 1)).all()

    own = Skeleton([-1, 0]).plot(positions=torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    np.testing.assert_array_equal(own.collections[0].get_segments()[0], [[0, 0], [3, 4]])
    plt.close(own.figure)
    with pytest.raises(TopologyError, match=r"expected \(17, 2\)"):
        skel.plot(positions=np.zeros((17, 3)), ax=ax_2d)
