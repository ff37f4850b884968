"""What is smaller than a body is drawn as large as one, and what has no sides without a word of them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from skelgraph.topology import JointHypergraph, as_skeleton
from skelgraph.viz.animation import animate_poses
from skelgraph.viz.clip import TRUTH, clip_frames
from skelgraph.viz.drawing import CENTRE, LEFT, rest_positions
from skelgraph.viz.figures import joint_errors
from skelgraph.viz.panels import TITLE, Camera
from skelgraph.viz.viewer import ViewerPerson, ViewerScene

HAND, HEIGHT = as_skeleton("hand21"), 240


def hand(frames: int = 3, metres: float = 0.18) -> np.ndarray:
    """A flat hand that opens, and sways by a part of its length; two of its joints are not known, one in all frames."""
    flat = rest_positions(HAND) / 4 * metres
    spread = np.linspace(0.9, 1.0, frames)[:, None]
    points = np.stack([spread * flat[:, 0], 0.2 * spread * flat[:, 0] ** 2, 0 * spread + flat[:, 1] + 0.3], axis=-1)
    points[:, 8] = np.nan
    points[0, 4] = np.nan
    return points + metres * np.linspace(0, 0.1, frames)[:, None, None] * (1.0, 0.0, 0.0)


def scene(metres: float = 0.18, **options: object) -> ViewerScene:
    return ViewerScene([ViewerPerson("", 0, hand(metres=metres), HAND, **options)], 3, 25.0)  # type: ignore[arg-type]


def extent(image: np.ndarray, *colors: str) -> np.ndarray:
    """Height and width of what is drawn in colours, above the legend."""
    wanted = [np.round(255 * np.array(to_rgb(color))) for color in colors]
    near = np.stack([np.abs(image[TITLE:-TITLE].astype(int) - color).max(-1) <= 20 for color in wanted]).any(0)
    found = np.argwhere(near)
    return found.max(0) - found.min(0)


@pytest.mark.parametrize("metres", [0.05, 0.18, 0.35])
def test_the_size_of_a_scene(metres: float) -> None:
    assert scene(metres).scale == pytest.approx(metres / 1.7, rel=0.1)


@pytest.mark.parametrize("metres", [0.5, 1.7, 30.0])
def test_bodies_of_any_size_are_drawn_as_they_are(metres: float) -> None:
    assert scene(metres).scale == 1
    assert ViewerScene([], 1, 25.0).scale == 1
    assert ViewerScene([ViewerPerson("", 0, np.full((2, 21, 3), np.nan), HAND)], 2, 25.0).scale == 1


def test_a_hand_fills_its_panel() -> None:
    frames = [*clip_frames(scene(), cameras=[Camera("", -90.0, 0.0)], height=HEIGHT)]
    assert all(extent(frame, CENTRE).max() > 0.6 * HEIGHT for frame in frames)
    small, large = (next(clip_frames(scene(m), cameras=[Camera("", -90.0)], height=HEIGHT)) for m in (0.05, 0.3))
    assert extent(small, CENTRE).max() == pytest.approx(extent(large, CENTRE).max(), abs=0.1 * HEIGHT)


def test_a_body_does_not() -> None:
    """What crouches in a corner is not made larger."""
    (frame,) = clip_frames(ViewerScene([ViewerPerson("", 0, hand(1, 0.6), HAND)], 1, 25.0), height=HEIGHT)
    assert extent(frame, CENTRE).max() < 0.45 * HEIGHT


def test_no_legend_of_sides_without_sides() -> None:
    alone, over = scene(), scene(truth=hand() + 0.004)
    (plain, *_), (with_truth, *_) = (
        [*clip_frames(s, cameras=[Camera("", -90.0)], truth="over", height=HEIGHT)] for s in (alone, over)
    )
    assert len(plain) == HEIGHT + TITLE  # no line for a legend
    legend = with_truth[-TITLE:].reshape(-1, 3).astype(int)
    for color, is_there in ((LEFT, False), (CENTRE, False), (TRUTH, True)):
        near = np.abs(legend - np.round(255 * np.array(to_rgb(color)))).max(-1) <= 8
        assert (near.sum() > 20) == is_there, color


def test_the_animation_of_a_report() -> None:
    world = np.nan_to_num(hand())
    pose = np.stack([world[..., 0], -world[..., 2], world[..., 1]], -1)
    pose -= pose[:, :1]
    gif = Image.open(io.BytesIO(animate_poses(pose[..., :2], pose, pose, HAND)))
    image = np.asarray(gif.convert("RGB"))
    side = image.shape[1] // 3
    assert extent(image[:, side : 2 * side], CENTRE, TRUTH).max() > 0.5 * side


def test_joint_errors_of_a_hand_name_no_body() -> None:
    figure: Figure = joint_errors({name: 1.0 + i for i, name in enumerate(HAND.joint_names)}, HAND)
    drawn, bars, _ = figure.axes
    said = " ".join([drawn.get_title(), bars.get_title()]).lower()
    assert not [word for word in ("body", "left", "right") if word in said]
    assert [text.get_text() for text in drawn.texts] == [str(joint) for joint in range(21)]
    assert bars.get_yticklabels()[4].get_text() == f"4 {HAND.joint_names[4]}"


def test_hyperedges_and_joints_with_their_names() -> None:
    lists = {"pinch": ["thumb4", "forefinger4"], "$palm$": [0, 5, 17]}
    hypergraph = JointHypergraph.from_lists(21, lists, skeleton=HAND)
    (ax,) = [Figure().add_subplot()]
    hypergraph.plot(ax=ax, labels=True)
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "pinch: thumb4, forefinger4", "$palm$: wrist, forefinger1, pinky_finger1",
    ]  # fmt: skip
    assert {text.get_text() for text in ax.texts} == {f"{j} {name}" for j, name in enumerate(HAND.joint_names)}
    ax.figure.draw_without_rendering()  # a name is no mathematics
    bare = JointHypergraph.from_lists(3, [[0, 1], [1, 2]]).plot(ax=Figure().add_subplot(), labels=True)
    assert [text.get_text() for text in bare.get_legend().get_texts()] == ["0, 1", "1, 2"]
    assert [text.get_text() for text in bare.texts] == ["0", "1", "2"]
    assert hypergraph.plot(ax=Figure().add_subplot()).get_legend() is None
