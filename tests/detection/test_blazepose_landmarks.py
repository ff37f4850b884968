"""The joints in hand-made answers of the second network."""

from __future__ import annotations

import numpy as np
import pytest

from skelgraph.detection.landmarks import landmarks


def answer() -> tuple[np.ndarray, np.ndarray]:
    """All landmarks at different places, and heat maps that know nothing."""
    table = np.zeros((39, 5), dtype=np.float32)
    table[:, 0], table[:, 1] = np.linspace(20, 230, 39), np.linspace(200, 30, 39)
    table[:, 3], table[:, 4] = np.linspace(-4, 4, 39), -9
    return table, np.full((64, 64, 39), -12.0, dtype=np.float32)


def test_positions_and_visibility() -> None:
    table, heat = answer()
    points, visible = landmarks(table.reshape(-1), heat)
    np.testing.assert_allclose(points * 256, table[:, :2], rtol=1e-6)
    np.testing.assert_allclose(visible, 1 / (1 + np.exp(-table[:, 3])), rtol=1e-6)


def test_the_heat_map_refines_a_landmark() -> None:
    """The mean of the warm cells around it, each for its own landmark; a cell is 4 pixels, and rows are y."""
    table, heat = answer()
    table[7, :2] = 100, 60  # cell 25 of row 15
    heat[15 + 2, 25 - 1, 7] = heat[15 + 2, 25, 7] = 40.0
    heat[15, 25, 8] = 40.0  # of another landmark
    points, _ = landmarks(table.reshape(-1), heat)
    np.testing.assert_allclose(points[7] * 64, [24.5, 17], atol=1e-2)
    np.testing.assert_allclose(np.delete(points, 7, 0) * 256, np.delete(table[:, :2], 7, 0), rtol=1e-6)


def test_only_near_and_warm_cells_count() -> None:
    table, heat = answer()
    table[7, :2] = 100, 60
    heat[15 + 4, 25, 7] = 40.0  # a row beyond the 7 x 7 cells
    heat[15, 25 + 3, 7] = -0.1  # less than a half
    points, _ = landmarks(table.reshape(-1), heat)
    np.testing.assert_allclose(points[7] * 256, [100, 60], rtol=1e-6)
    heat[15, 25 + 3, 7] = 0.1
    points, _ = landmarks(table.reshape(-1), heat)
    np.testing.assert_allclose(points[7] * 64, [28, 15], atol=1e-2)


@pytest.mark.parametrize(("x", "y"), [(-3, 100), (256.5, 100), (100, -1), (100, 300)])
def test_landmarks_beyond_the_square_stay(x: float, y: float) -> None:
    table, heat = answer()
    table[3, :2] = x, y
    points, _ = landmarks(table.reshape(-1), np.full_like(heat, 9.0))
    np.testing.assert_allclose(points[3] * 256, [x, y], rtol=1e-6)


def test_at_the_border_of_the_heat_map() -> None:
    table, heat = answer()
    table[3, :2] = 1, 255
    heat[63, 0, 3] = 50
    points, _ = landmarks(table.reshape(-1), heat)
    np.testing.assert_allclose(points[3] * 64, [0, 63], atol=1e-2)
