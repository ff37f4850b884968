"""A real person in four calibrated videos, to try and to judge the way from a video to space.

The videos are those of Pose2Sim's single-person demo (https://github.com/perfanalytics/pose2sim, BSD-3-Clause, see
NOTICE): 100 frames at 60 Hz of somebody who walks, bends sideways on one leg and comes back. They are not here; what is
here is what BlazePose (heavy, smoothed) saw in them, to a tenth of a pixel, and the joints triangulated from that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skelgraph.datasets.keypoint_files import Detections
from skelgraph.files import read_npz
from skelgraph.text import repr_by_shape
from skelgraph.topology import as_skeleton

_PATH = Path(__file__).with_name("four_views.npz")
_SIZES = {"cam01": (1080, 1920), "cam02": (1080, 1920), "cam03": (1088, 1920), "cam04": (1088, 1920)}
_FRAME_RATE = 60.0


@dataclass(frozen=True)
class View:
    """One of the four videos.

    Args:
        name: Its name: ``cam01`` to ``cam04``.
        detections: The person in pixels, in the layout ``blazepose33``, as person 0.
        intrinsics: fx, fy, cx, cy in pixels; the lens hardly distorts (below 0.003), and that is left out.
        gravity: The direction of gravity in camera axes. The cameras look down by 18 to 25 degrees and are rolled by
            13, -3, -3 and -26 degrees.
        truth: The triangulated joints, metres, camera axes (x right, y down, z forward). Their median
            reprojection error is 10.7 px, about 2 cm. They come from the same detector, which favours it.

    Shapes:
        ``intrinsics``: ``(4,)``; ``gravity``: ``(3,)``; ``truth``: ``(100, 33, 3)``; float64.
    """

    name: str
    detections: Detections
    intrinsics: np.ndarray
    gravity: np.ndarray
    truth: np.ndarray

    __repr__ = repr_by_shape


def four_views() -> dict[str, View]:
    """The four videos by their names, ``cam01`` to ``cam04``.

    Example:
        >>> from skelgraph.datasets import four_views
        >>> view = four_views()["cam02"]
        >>> view.detections.keypoints.shape, view.detections.image_size, view.truth.shape
        ((100, 33, 3), (1080, 1920), (100, 33, 3))
    """
    arrays = read_npz(_PATH, ("keypoints_px", "reference_3d_m", "intrinsics", "rotation", "translation_m"))
    keypoints = arrays["keypoints_px"].astype(np.float64)
    views = {}
    for index, (name, size) in enumerate(_SIZES.items()):
        count = len(keypoints[index])
        detections = Detections(
            keypoints[index],
            np.arange(count),
            as_skeleton("blazepose33"),
            num_frames=count,
            persons=np.zeros(count, dtype=np.int64),
            image_size=size,
            frame_rate=_FRAME_RATE,
        )
        matrix, rotation = arrays["intrinsics"][index], arrays["rotation"][index]
        views[name] = View(
            name,
            detections,
            intrinsics=np.array([matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]]),
            gravity=-rotation[:, 2],  # z of the world is up
            truth=arrays["reference_3d_m"].astype(np.float64) @ rotation.T + arrays["translation_m"][index],
        )
    return views
