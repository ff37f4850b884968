"""Turned squares: what is in them, and the way back into the picture."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skelgraph.detection.squares import Square


def gradient(width: int, height: int) -> np.ndarray:
    """A picture whose first two channels are x and y of the centres of its pixels, less a half."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x, y, np.full_like(x, 200)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("degrees", [0, 30, 90, -45, 180, 250])
@pytest.mark.parametrize(("width", "height"), [(240, 130), (131, 250)])
def test_what_is_seen_is_where_the_way_back_leads(degrees: float, width: int, height: int) -> None:
    """Portrait and landscape; bilinear interpolation is exact on a gradient."""
    square = Square((width / 2 - 5, height / 2 + 3.3), 80.0, math.radians(degrees))
    seen = square.sample(gradient(width, height), 32, outside="zeros")
    assert seen is not None
    assert seen.shape == (1, 32, 32, 3)
    assert seen.dtype == np.float32
    rows, columns = np.mgrid[:32, :32]
    places = square.in_picture(np.stack([columns, rows], axis=-1) / 32)
    np.testing.assert_allclose(seen[0, ..., :2], places - 0.5, atol=2e-3)
    np.testing.assert_allclose(seen[0, ..., 2], 200, atol=1e-3)


def test_the_upper_side_lies_towards_the_top() -> None:
    """A person who lies with the head to the right stands upright in the square."""
    square = Square.around(np.array([100.0, 60.0]), np.array([140.0, 60.0]), 1.25)
    assert square is not None
    assert square.size == pytest.approx(100)
    assert square.angle == pytest.approx(math.pi / 2)
    np.testing.assert_allclose(square.in_picture(np.array([0.5, 0.0])), [150, 60], atol=1e-9)  # up
    np.testing.assert_allclose(square.in_picture(np.array([1.0, 0.5])), [100, 110], atol=1e-9)  # right is down then
    upright = Square.around(np.array([100.0, 60.0]), np.array([100.0, 20.0]), 1.25)
    assert upright is not None
    assert upright.angle == pytest.approx(0)


@pytest.mark.parametrize("top", [[100.0, 60.0], [math.nan, 3.0], [math.inf, 3.0]])
def test_points_that_make_no_square(top: list[float]) -> None:
    assert Square.around(np.array([100.0, 60.0]), np.array(top), 1.25) is None


def test_a_letterbox_holds_the_whole_picture() -> None:
    frame = gradient(60, 200)
    seen = Square.letterbox(60, 200).sample(frame, 100, outside="zeros")
    assert seen is not None
    light = seen[0, 50, :, 2]  # a row: 60 of 200 columns are picture
    assert (light > 150).sum() == pytest.approx(30, abs=1)
    assert light[:34].max() == light[66:].max() == 0
    assert seen[0, 1:-1, 50, 2].min() > 150


def test_beyond_the_border() -> None:
    frame = gradient(50, 40)
    square = Square((0.0, 20.0), 40.0)
    black, nearest = (square.sample(frame, 40, outside=outside) for outside in ("zeros", "border"))
    assert black is not None
    assert nearest is not None
    assert (black[0, :, :19] == 0).all()
    np.testing.assert_allclose(nearest[0, 10, :20, 0], 0, atol=1e-4)
    np.testing.assert_allclose(nearest[0, 10, :20, 1], 9.5, atol=1e-4)
    np.testing.assert_allclose(black[0, 1:, 22:], nearest[0, 1:, 22:], atol=1e-4)


@pytest.mark.parametrize("centre", [(-100.0, 20.0), (20.0, 900.0)])
def test_beside_the_picture(centre: tuple[float, float]) -> None:
    assert Square(centre, 40.0).sample(gradient(50, 40), 8, outside="border") is None


def test_only_the_square_is_converted() -> None:
    """A small square of a large picture, one whose rows are not together in memory."""
    frame = np.tile(gradient(200, 200), (20, 20, 1))[:, ::-1]
    seen = Square((1010.0, 1010.0), 20.0).sample(np.ascontiguousarray(frame), 20, outside="border")
    assert seen is not None
    np.testing.assert_allclose(seen[0, 5, 5, :2], [4000 - 1005 - 1 - 2800 + 0.5, 1005 - 1000 - 0.5], atol=1e-3)
