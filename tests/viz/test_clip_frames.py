"""Clips: where people are in the picture, in which colours, over what, and how they are written."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from full_disk import fill_disk
from matplotlib.colors import to_rgb
from PIL import Image

from skelgraph.errors import DataError, SkelgraphError
from skelgraph.files import read_video
from skelgraph.topology import as_skeleton
from skelgraph.viz.clip import TRUTH, clip_frames, encode_gif, write_clip
from skelgraph.viz.drawing import LEFT, RIGHT, rest_positions
from skelgraph.viz.panels import TITLE, Camera, Panel
from skelgraph.viz.viewer import ViewerPerson, ViewerScene

BODY = as_skeleton("h36m17")
HEIGHT = 200
PIXELS = HEIGHT + 3 * TITLE


def standing(at: tuple[float, float] = (0.0, 0.0), turn: float = 0.0) -> np.ndarray:
    """Somebody who looks along -y, turned around z by degrees: the left side is at +x, the left wrist raised."""
    rest = rest_positions(BODY).copy()
    rest[BODY.joint_names.index("left_wrist"), 1] += 0.8
    pose = np.stack([rest[:, 0], np.zeros(17), rest[:, 1]], -1)
    sine, cosine = np.sin(np.deg2rad(turn)), np.cos(np.deg2rad(turn))
    return pose @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1.0]]).T + [*at, 0]


def scene(*people: dict[str, Any], frames: int = 1, **options: Any) -> ViewerScene:
    made = [ViewerPerson("", one.pop("first_frame", 0), one.pop("positions"), BODY, **one) for one in people]
    return ViewerScene(made, frames, 25.0, **options)


def where(image: np.ndarray, color: str) -> np.ndarray:
    """Rows and columns of a colour, above the legend."""
    near = np.abs(image[:-TITLE].astype(int) - np.round(255 * np.array(to_rgb(color)))).max(-1) <= 20
    return np.argwhere(near)


@pytest.mark.parametrize(("azimuth", "left_is"), [(-90.0, 1), (90.0, -1), (-60.0, 1), (240.0, 1)])
def test_the_left_side_is_where_it_is(azimuth: float, left_is: int) -> None:
    """Seen from the front on our right, from behind on our left."""
    (image,) = clip_frames(scene({"positions": standing()[None]}), cameras=[Camera("", azimuth)], height=HEIGHT)
    assert image.shape == (PIXELS - TITLE, HEIGHT, 3)  # no title, no heading: no line for it
    left, right = where(image, LEFT), where(image, RIGHT)
    assert left_is * (left[:, 1].mean() - right[:, 1].mean()) > 15
    assert left[:, 0].min() < right[:, 0].min() - 5  # the raised hand
    assert left[:, 0].max() == pytest.approx(right[:, 0].max(), abs=12)


def test_the_projection() -> None:
    """Right, up and nearness are turned axes: z goes up by the cosine of the elevation."""
    camera = Camera("", 70.0, 15.0)
    axes = camera.project(np.eye(3))
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1)
    a, e = np.deg2rad(70), np.deg2rad(15)
    np.testing.assert_allclose(axes[2], [0, np.cos(e), np.sin(e)], atol=1e-12)
    np.testing.assert_allclose(axes[0], [-np.sin(a), -np.sin(e) * np.cos(a), np.cos(e) * np.cos(a)], atol=1e-12)


def test_a_cube_of_1_7_metres_around_small_bodies() -> None:
    """A child of 0.5 m fills a third of its panel."""
    child = 0.25 * standing()
    (image,) = clip_frames(scene({"positions": child[None]}), height=400)
    rows = np.concatenate([where(image, LEFT), where(image, RIGHT)])[:, 0]
    tall = np.ptp(child[:, 2])
    assert 0.5 * tall / 1.7 * 400 < np.ptp(rows) < 1.3 * tall / 1.7 * 400 + 6


def test_several_people_come_and_go() -> None:
    """The second is to the right of the first, in its own frames."""
    one = {"positions": np.stack([standing((-1.0, 0.0))] * 3)}
    other = {"positions": standing((1.5, 0.0))[None], "first_frame": 1}
    found = list(clip_frames(scene(one, other, frames=4), cameras=[Camera("", -90.0)], height=HEIGHT))
    columns = [where(image, LEFT)[:, 1] for image in found]
    assert [len(column) > 20 for column in columns] == [True, True, True, False]
    assert np.ptp(columns[1]) > np.ptp(columns[0]) + 40
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("follow", [False, True])
def test_following(follow: bool) -> None:
    walk = np.stack([standing((step, 0.0)) for step in (0.0, 1.0, 2.0)])
    found = clip_frames(scene({"positions": walk}, frames=3), cameras=[Camera("", -90.0)], follow=follow, height=HEIGHT)
    columns = [where(image, LEFT)[:, 1].mean() for image in found]
    assert (np.ptp(columns) < 1) == follow


@pytest.mark.parametrize("truth", ["beside", "over"])
def test_the_truth_and_the_error(truth: Any) -> None:
    """In a panel of its own, or in grey; the error is that of the joints whose truth is known."""
    true = standing((0.3, 0.0))
    true[BODY.joint_names.index("right_wrist")] = np.nan
    person = {"positions": standing()[None], "truth": true[None]}
    (image,) = clip_frames(scene(person), cameras=[Camera("", -90.0)], truth=truth, height=HEIGHT)
    assert image.shape[1] == HEIGHT * (2 if truth == "beside" else 1)
    assert (len(where(image, TRUTH)) > 600) == (truth == "over")  # else edges of grey lines alone
    missing, there = where(image[:, -HEIGHT:], RIGHT), where(image[:, :HEIGHT], RIGHT)
    assert (len(missing) < len(there)) == (truth == "beside")
    shifted = {"positions": standing()[None], "truth": true[None] + [0.0, 1.0, 0.0]}
    (other,) = clip_frames(scene(shifted), cameras=[Camera("", -90.0)], truth=truth, height=HEIGHT)
    assert not np.array_equal(image[:TITLE], other[:TITLE])


@pytest.mark.parametrize("size", [(160, 100), (90, 161), (101, 77)])
def test_keypoints_over_a_picture(size: tuple[int, int]) -> None:
    """Portrait or odd: what is in the middle of the video is in the middle of its panel; what is not seen is not."""
    width, tall = size
    keypoints = np.full((2, 17, 3), np.nan)
    keypoints[:, :, 2] = 0
    for name, shift in (("left_hip", 0.0), ("left_knee", 0.2)):
        keypoints[:, BODY.joint_names.index(name)] = (0.25 * width, (0.5 + shift) * tall, 1)
    keypoints[:, BODY.joint_names.index("left_foot")] = (0.9 * width, 0.9 * tall, 0)  # a guess
    person = {"positions": np.stack([standing()] * 2), "keypoints_2d": keypoints}
    pictures = np.zeros((2, tall, width, 3), np.uint8)
    pictures[1] = 200
    made = scene(person, frames=2, image_size=size)
    dark, light = clip_frames(made, pictures, cameras=[Camera("", 0.0)], height=HEIGHT)
    shown = round(HEIGHT * width / tall)
    assert abs(dark.shape[1] - shown - HEIGHT) <= 1
    assert dark[PIXELS // 2, shown - 3].max() < 10
    assert light[PIXELS // 2, shown - 3].min() > 190
    limb = where(dark[:, :shown], LEFT)
    assert limb[:, 1].mean() == pytest.approx(0.25 * shown, abs=2)
    top = dark.shape[0] - TITLE - HEIGHT
    assert limb[:, 0].min() - top == pytest.approx(0.5 * HEIGHT, abs=4)
    assert limb[:, 0].max() - top == pytest.approx(0.7 * HEIGHT, abs=4)


def test_every_other_frame_is_drawn_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    walk = np.stack([standing((0.1 * frame, 0.0)) for frame in range(5)])
    pictures = np.stack([np.full((20, 20, 3), 50 * frame, np.uint8) for frame in range(5)])
    keypoints = np.tile(np.array([10.0, 10.0, 1.0]), (5, 17, 1))
    made = scene({"positions": walk, "keypoints_2d": keypoints}, frames=5, image_size=(20, 20))
    every = list(clip_frames(made, pictures, height=60))
    drawn, draw = [], Panel.begin
    monkeypatch.setattr(Panel, "begin", lambda *given: drawn.append(given) or draw(*given))
    np.testing.assert_array_equal(list(clip_frames(made, pictures, height=60, step=2)), every[::2])
    assert len(drawn) == 3 * 2  # frames and panels


def test_nobody_there() -> None:
    person = {"positions": np.full((2, 17, 3), np.nan), "truth": np.full((2, 17, 3), np.nan)}
    found = list(clip_frames(scene(person, frames=2), height=60))
    np.testing.assert_array_equal(*found)
    assert len(list(clip_frames(scene(frames=2), height=60))) == 2


def test_pictures_that_end() -> None:
    made = scene({"positions": np.stack([standing()] * 3)}, frames=3, image_size=(20, 20))
    with pytest.raises(DataError, match="pictures end with frame 2; expected one for each of 3 frames"):
        list(clip_frames(made, np.zeros((2, 20, 20, 3), np.uint8), height=60))


def test_frames_are_drawn_one_by_one() -> None:
    """Of a day at 50 frames per second the first frame is there at once."""
    day = np.broadcast_to(standing(), (3600, 17, 3))
    first = next(iter(clip_frames(scene({"positions": day}, frames=3600), height=60)))
    assert first.shape[2] == 3


def plain_frames(count: int, size: tuple[int, int] = (33, 51)) -> Iterator[np.ndarray]:
    for number in range(count):
        yield np.full((*size, 3), 20 * number, np.uint8)


def test_a_gif_plays_at_its_speed() -> None:
    image = Image.open(io.BytesIO(encode_gif(plain_frames(4), 12.5, one_palette=False)))
    assert (image.n_frames, image.size, image.info["duration"], image.info["loop"]) == (4, (51, 33), 80, 0)


def test_an_mp4_of_odd_size(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", plain_frames(5), 25.0, bitrate=500)
    with read_video(tmp_path / "a.mp4") as frames:
        assert frames.image_size == (52, 34)
        assert frames.frame_rate == 25
        assert [int(frame.mean()) for frame in frames] == pytest.approx([0, 20, 40, 60, 80], abs=4)


@pytest.mark.parametrize("name", ["a.gif", "a.mp4"])
@pytest.mark.parametrize("failure", ["disk", "killed", "empty"])
def test_half_a_clip_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, failure: str) -> None:
    def stopped() -> Iterator[np.ndarray]:
        yield from plain_frames(2)
        raise KeyboardInterrupt

    (tmp_path / name).write_bytes(b"old")
    if failure == "disk":
        fill_disk(monkeypatch, lambda path: path.parent == tmp_path)
    frames = {"disk": plain_frames(3), "killed": stopped(), "empty": plain_frames(0)}[failure]
    with pytest.raises({"disk": OSError, "killed": KeyboardInterrupt, "empty": SkelgraphError}[failure]):
        write_clip(tmp_path / name, frames, 25.0)
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == b"old"


def test_another_ending(tmp_path: Path) -> None:
    with pytest.raises(SkelgraphError, match=r"'a\.avi'; expected one that ends in \.gif or \.mp4"):
        write_clip(tmp_path / "a.avi", plain_frames(1), 25.0)
