"""An animation of the predicted over the true poses, beside the 2D input."""

from __future__ import annotations

from typing import Any

import numpy as np

from skelgraph.topology import SkeletonLike, as_skeleton
from skelgraph.viz.clip import clip_frames, encode_gif
from skelgraph.viz.drawing import to_plot_axes
from skelgraph.viz.panels import Camera
from skelgraph.viz.viewer import ViewerPerson, ViewerScene

CAMERAS = (Camera("3D, seen from the camera", -90.0, 10.0), Camera("3D, seen from the side", 0.0, 10.0))
HEIGHT = 290
_SCREEN = 1000  # the side of the square that the keypoints move in


def animate_poses(
    keypoints_2d: Any,
    prediction: Any,
    target: Any,
    skeleton: SkeletonLike,
    *,
    frames_per_second: float = 25.0,
    title: str = "",
) -> bytes:
    """Draw a clip as a GIF: the 2D input, then the prediction (coloured) over the true pose (grey) from two sides.

    Args:
        keypoints_2d: Screen-normalised keypoints, ``(T, J, 2)``; NaN: not drawn.
        prediction: Predicted poses, ``(T, J, 3)``, metres, camera axes, root-relative.
        target: True poses, ``(T, J, 3)``; NaN: neither drawn nor counted.
        skeleton: The skeleton.
        frames_per_second: Speed of the animation.
        title: Line above the animation; the error of each frame is added to it.

    Returns:
        The bytes of the GIF.
    """
    skeleton = as_skeleton(skeleton)
    screen, predicted, true = (np.asarray(array, dtype=float) for array in (keypoints_2d, prediction, target))
    # The root stays in the middle of a root-relative pose: stand the true pose on the floor instead.
    floor = np.nan_to_num(np.fmax.reduce(true[..., 1], axis=-1))[:, None, None] * (0, 1, 0)
    person = ViewerPerson(
        "",
        0,
        to_plot_axes(predicted - floor),
        skeleton,
        truth=to_plot_axes(true - floor),
        keypoints_2d=_enlarged(screen - screen[:, skeleton.root, None]),
    )
    scene = ViewerScene([person], len(screen), frames_per_second, title, image_size=(_SCREEN, _SCREEN))
    return encode_gif(clip_frames(scene, cameras=CAMERAS, truth="over", height=HEIGHT), frames_per_second)


def _enlarged(points: np.ndarray) -> np.ndarray:
    """Keypoints ``(T, J, 2)`` that follow the person, as large as fits into the square at every moment."""
    low, high = (limit.reduce(points.reshape(-1, 2)) for limit in (np.fmin, np.fmax))
    return (points - (low + high) / 2) * (_SCREEN / (1.08 * max(*(high - low), 1e-3))) + _SCREEN / 2
