"""The one way in: keypoints of any format, known by its content."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from os import PathLike
from typing import NamedTuple

from skelgraph.datasets.keypoint_files import (
    alphapose,
    coco,
    deeplabcut,
    demo_npz,
    mediapipe,
    mmpose,
    openpose,
    own_file,
    trc_pixels,
)
from skelgraph.datasets.keypoint_files.detections import Detections
from skelgraph.datasets.keypoint_files.source import Asked, Source
from skelgraph.errors import DataError
from skelgraph.options import Positive, Side, checked
from skelgraph.text import plain
from skelgraph.topology.layouts import SkeletonLike, as_skeleton


class Format(NamedTuple):
    """A format of keypoints.

    Attributes:
        is_it: Whether a file or folder is of this format.
        read: Its reader.
    """

    is_it: Callable[[Source], bool]
    read: Callable[[Source, Asked], Detections]


FORMATS = {
    "npz": Format(own_file.is_own_file, own_file.read_own_file),
    "OpenPose": Format(openpose.is_openpose, openpose.read_openpose),
    "AlphaPose": Format(alphapose.is_alphapose, alphapose.read_alphapose),
    "COCO results": Format(coco.is_coco_results, coco.read_coco_results),
    "COCO annotations": Format(coco.is_coco_annotations, coco.read_coco_annotations),
    "MMPose": Format(mmpose.is_mmpose, mmpose.read_mmpose),
    "MediaPipe CSV": Format(mediapipe.is_mediapipe, mediapipe.read_mediapipe),
    "DeepLabCut CSV": Format(deeplabcut.is_deeplabcut_csv, deeplabcut.read_deeplabcut_csv),
    "DeepLabCut HDF5": Format(deeplabcut.is_deeplabcut_h5, deeplabcut.read_deeplabcut_h5),
    "demo npz": Format(demo_npz.is_reconstruction, demo_npz.read_reconstruction),
    "VideoPose3D npz": Format(demo_npz.is_custom, demo_npz.read_custom),
    "Detectron npz": Format(demo_npz.is_detectron, demo_npz.read_detectron),
    "TRC in pixels": Format(trc_pixels.is_trc, trc_pixels.read_trc_pixels),
}
"""The formats by their names."""


def is_keypoints(path: str | PathLike[str]) -> bool:
    """Whether a file, or a folder of OpenPose's, is of any of :data:`FORMATS`, by its content.

    Raises:
        DataError: The file cannot be read.
    """
    return reader_of(path) is not None


def reader_of(path: str | PathLike[str]) -> Callable[[Asked], Detections] | None:
    """What reads a file, or a folder of OpenPose's, that is looked at once; ``None`` if it is of none of
    :data:`FORMATS`.

    Raises:
        DataError: The file cannot be read.
    """
    source = Source(path)
    form = next((form for form in FORMATS.values() if form.is_it(source)), None)
    return None if form is None else functools.partial(form.read, source)


@checked
def read_keypoints(
    path: str | PathLike[str],
    *,
    skeleton: SkeletonLike | None = None,
    image_size: tuple[Side, Side] | None = None,
    frame_rate: Positive | None = None,
) -> Detections:
    """Read 2D keypoints of any of :data:`FORMATS`; the content of the file tells which. What a format says of the
    layout, the size of the pictures and the frame rate, the caller need not say, and must not say otherwise.

    Args:
        path: The file; of OpenPose the folder of files.
        skeleton: The layout, if the file does not say it: neither by names nor by the number of its joints.
        image_size: Width and height of the video in pixels, if the file does not say it.
        frame_rate: Frames per second, if the file does not say it.

    Returns:
        The people in the frames, in pixels. A joint without confidence has the confidence 1 where there is a number.

    Raises:
        DataError: The file cannot be read, is of no known format, damaged or a part of one, or does not say what the
            caller has to say.
    """
    read = reader_of(path)
    if read is None:
        what = "holds no files of keypoints" if os.path.isdir(path) else "is like no file of keypoints"
        raise DataError(f"{plain(str(path), 1000)}: {what} that can be read: {', '.join(FORMATS)}.")
    return read(Asked(None if skeleton is None else as_skeleton(skeleton), image_size, frame_rate))
