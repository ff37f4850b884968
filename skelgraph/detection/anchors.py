"""The person in the answer of BlazePose's detector, a single-shot detector with anchors of one size
(https://arxiv.org/abs/1907.05047, https://arxiv.org/abs/2006.10204)."""

from __future__ import annotations

import functools

import numpy as np

# MediaPipe 0.10.21, mediapipe/modules/pose_detection/pose_detection_cpu.pbtxt:
INPUT_PIXELS = 224
_STRIDES = (8, 16, 32, 32, 32)  # pixels of the input for a cell of each layer
_ANCHORS_PER_CELL = 2  # in each layer, all in the centre of the cell and as large as the input
_SAME_PERSON = 0.3  # overlap (intersection over union) of boxes of the same person

NUM_ANCHORS = sum(_ANCHORS_PER_CELL * (INPUT_PIXELS // stride) ** 2 for stride in _STRIDES)


@functools.cache
def anchors() -> np.ndarray:
    """Centres of the anchors, layer by layer (layers of the same stride are one), row by row.

    Shapes:
        ``(2254, 2)``: x and y, 0 to 1.
    """
    layers = []
    for stride in sorted(set(_STRIDES)):
        steps = (np.arange(INPUT_PIXELS // stride) + 0.5) * stride / INPUT_PIXELS
        centres = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        layers.append(centres.repeat(_ANCHORS_PER_CELL * _STRIDES.count(stride), axis=0))
    return np.concatenate(layers)


def best_person(boxes: np.ndarray, logits: np.ndarray, least_score: float) -> np.ndarray | None:
    """The points of the person with the highest score: the mean of all anchors that see the same person, weighted by
    their scores.

    Args:
        boxes: For each anchor centre, width and height of the face and four points (the middle of the hips, a point on
            the circle around the body; the same two of the upper body), in pixels from the anchor.
        logits: Of how sure each anchor is.
        least_score: The score that a person has at least.

    Shapes:
        ``boxes``: ``(2254, 12)``; ``logits``: ``(2254,)``; out ``(4, 2)``: x and y, 0 to 1.

    Returns:
        The points; ``None`` if there is nobody.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100)))
    chosen = np.flatnonzero(scores >= least_score)
    if not len(chosen):
        return None
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    pairs = boxes[chosen].reshape(-1, 6, 2) / INPUT_PIXELS
    centres, sizes, points = pairs[:, 0] + anchors()[chosen], pairs[:, 1], pairs[:, 2:] + anchors()[chosen, None]
    same = _overlap(centres, sizes) > _SAME_PERSON
    same[0] = True
    return np.average(points[same], axis=0, weights=scores[chosen][same])


def _overlap(centres: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Intersection over union of all boxes with the first."""
    low, high = centres - sizes / 2, centres + sizes / 2
    common = np.clip(np.minimum(high, high[0]) - np.maximum(low, low[0]), 0, None).prod(axis=1)
    areas = sizes.prod(axis=1)
    return common / np.maximum(areas + areas[0] - common, 1e-12)
