"""The person in hand-made answers of the first network."""

from __future__ import annotations

import numpy as np
import pytest

from skelgraph.detection.anchors import NUM_ANCHORS, anchors, best_person


def test_the_grid_of_anchors() -> None:
    """28 x 28 cells of 2 anchors, 14 x 14 of 2, 7 x 7 of 6: x runs fastest."""
    grid = anchors()
    assert grid.shape == (NUM_ANCHORS, 2) == (28 * 28 * 2 + 14 * 14 * 2 + 7 * 7 * 6, 2)
    assert grid[:2].tolist() == [[4 / 224, 4 / 224]] * 2
    assert grid[2].tolist() == [12 / 224, 4 / 224]
    assert grid[2 * 28].tolist() == [4 / 224, 12 / 224]
    assert grid[28 * 28 * 2].tolist() == [8 / 224, 8 / 224]
    assert grid[-6:].tolist() == [[208 / 224, 208 / 224]] * 6


def answer(people: dict[int, tuple[float, list[float]]]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and logits with these entries, of all others none is sure of anything."""
    boxes, logits = np.random.default_rng(0).normal(size=(NUM_ANCHORS, 12)) * 50, np.full(NUM_ANCHORS, -9.0)
    for anchor, (score, numbers) in people.items():
        boxes[anchor], logits[anchor] = numbers, np.log(score / (1 - score))
    return boxes.astype(np.float32), logits.astype(np.float32)


def test_the_most_certain_person_is_the_mean_of_overlapping_boxes() -> None:
    """Anchors 100 and 102 are neighbours that see the same face, 1600 another person who is less certain."""
    box = [0.0, 0.0, 40.0, 40.0]
    people = {
        100: (0.9, [*box, 10, 20, 10, -60, 0, 0, 0, 0]),
        102: (0.6, [-8.0, *box[1:], 2 - 3, 20 + 5, 2, -60, 0, 0, 0, 0]),
        1600: (0.8, [*box, 70, 70, 80, 80, 0, 0, 0, 0]),
    }
    points = best_person(*answer(people), 0.5)
    assert points is not None
    assert points.shape == (4, 2)
    at = anchors()[100] * 224
    mean = (0.9 * np.array([10, 20]) + 0.6 * np.array([7, 25])) / 1.5
    np.testing.assert_allclose(points[0] * 224, at + mean, atol=1e-3)
    np.testing.assert_allclose(points[1] * 224, at + np.array([10, -60]), atol=1e-3)


def test_who_is_less_certain_than_asked_is_nobody() -> None:
    people = {5: (0.7, [0.0, 0, 30, 30, 1, 2, 3, 4, 5, 6, 7, 8])}
    assert best_person(*answer(people), 0.71) is None
    assert best_person(*answer(people), 0.69) is not None


def test_boxes_without_a_size_and_extreme_logits() -> None:
    boxes, logits = answer({5: (0.7, [0.0] * 12)})
    logits[5] = 1e30
    points = best_person(boxes, logits, 0.5)
    assert points is not None
    np.testing.assert_allclose(points, np.tile(anchors()[5], (4, 1)), atol=1e-9)
    assert best_person(boxes, np.full(NUM_ANCHORS, -1e30), 0.5) is None


def test_a_box_of_no_number_is_no_person() -> None:
    boxes, logits = answer({5: (0.7, [float("nan")] * 12)})
    points = best_person(boxes, logits, 0.5)
    assert points is None or not np.isfinite(points).any()


@pytest.mark.parametrize("least", [0.0, 1.0])
def test_the_limits_of_the_score(least: float) -> None:
    found = best_person(*answer({}), least)
    assert (found is None) == (least == 1.0)
