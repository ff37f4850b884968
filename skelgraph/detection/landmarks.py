"""The joints in the answer of BlazePose's second network (https://arxiv.org/abs/2006.10204)."""

from __future__ import annotations

import numpy as np

# MediaPipe 0.10.21, mediapipe/modules/pose_landmark/tensors_to_pose_landmarks_and_segmentation.pbtxt:
INPUT_PIXELS = 256
NUM_LANDMARKS = 39  # the 33 joints, then the centre and the rim of the circle around the body, and 4 of no use here
CENTRE, RIM = 33, 34
_NUMBERS = 5  # of a landmark: x, y and z in pixels of the input, logits of visibility and presence
_KERNEL = 7  # cells of the heat map around a landmark that refine it
_LEAST_HEAT = 0.5  # of the warmest of these cells


def landmarks(numbers: np.ndarray, heat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the landmarks are and how visible, both from 0 to 1; those that the heat map knows are where it is warm
    around them.

    Args:
        numbers: The first output of the network.
        heat: Its heat maps, as logits.

    Shapes:
        ``numbers``: ``(195,)``; ``heat``: ``(64, 64, 39)``; out ``(39, 2)``, x and y, and ``(39,)``.
    """
    table = numbers.astype(np.float64).reshape(NUM_LANDMARKS, _NUMBERS)
    return _refined(table[:, :2] / INPUT_PIXELS, heat), _sigmoid(table[:, 3])


def _refined(points: np.ndarray, heat: np.ndarray) -> np.ndarray:
    rows, columns, _ = heat.shape
    points = points.copy()
    for landmark, (x, y) in enumerate(points):
        if not (0 <= x < 1 and 0 <= y < 1):
            continue
        left, top = (max(0, int(number) - _KERNEL // 2) for number in (x * columns, y * rows))
        right, bottom = (int(number) + _KERNEL // 2 + 1 for number in (x * columns, y * rows))
        warm = _sigmoid(heat[top:bottom, left:right, landmark].astype(np.float64))
        if warm.max() >= _LEAST_HEAT:
            down, across = np.indices(warm.shape)
            x, y = (left + np.average(across, weights=warm)), (top + np.average(down, weights=warm))
            points[landmark] = x / columns, y / rows
    return points


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -100, 100)))
