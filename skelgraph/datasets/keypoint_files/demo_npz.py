"""npz files of the published demos: keypoints that their detectors saved for the lifting network.

- ``reconstruction`` ``(people, T, 17, 2 or 3)``: ``input_2D/input_keypoints_2d.npz`` of the demos after MHFormer
  (GraphMLP, NEHSNet, MotionAGFormer), pixels, already in Human3.6M's joints, with the confidence if there are three;
- ``boxes``, ``keypoints`` and ``metadata``: VideoPose3D's ``inference/infer_video_d2.py``, from Detectron2: for each
  frame a list of no background and of people ``(people, 4, 17)``: x, y, logit and probability of COCO's joints;
- ``positions_2d`` and ``metadata``: VideoPose3D's ``prepare_data_2d_custom.py``, COCO's joints of one video.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from skelgraph.datasets.keypoint_files.detections import Detections
from skelgraph.datasets.keypoint_files.sightings import Said, Sighting, assembled, frame_number, from_tracks
from skelgraph.datasets.keypoint_files.source import Asked, Source
from skelgraph.errors import DataError
from skelgraph.files import read_npz
from skelgraph.text import shown

_COCO = {17: "coco17"}


def is_reconstruction(source: Source) -> bool:
    """Whether it is an npz file with ``reconstruction``."""
    return "reconstruction" in source.members


def is_detectron(source: Source) -> bool:
    """Whether it is an npz file with boxes, keypoints and metadata."""
    return {"boxes", "keypoints", "metadata"} <= set(source.members)


def is_custom(source: Source) -> bool:
    """Whether it is an npz file with positions and metadata."""
    return {"positions_2d", "metadata"} <= set(source.members)


def read_reconstruction(source: Source, asked: Asked) -> Detections:
    """Read the input of a demo.

    Raises:
        DataError: If the file is damaged, or is the output of the demo, which is in space.
    """
    tracks = read_npz(source.path, ("reconstruction",), ())["reconstruction"]
    if not _is_numbers(tracks) or tracks.ndim != 4 or tracks.shape[3] not in (2, 3) or not tracks.size:
        raise DataError(
            f"{source.label}: reconstruction is {shown(tracks)}, expected keypoints (people, T, J, 2 or 3) in pixels; "
            "is it the output of the demo, poses (T, J, 3)?"
        )
    said = Said(num_frames=tracks.shape[1])
    return assembled(from_tracks(tracks), {17: "h36m17"}, asked, source.label, said)


def read_detectron(source: Source, asked: Asked) -> Detections:
    """Read what Detectron2 saw.

    Raises:
        DataError: If the file is damaged.
    """
    members = read_npz(source.path, ("keypoints", "metadata"), ())
    frames, label = members["keypoints"], source.label
    if not isinstance(frames, list | np.ndarray) or not np.shape(frames[:0]):
        raise DataError(f"{label}: keypoints are {shown(frames)}, expected a list of frames.")

    def found() -> Iterator[Sighting]:
        for number, classes in enumerate(frames):
            people = classes[1] if isinstance(classes, list | np.ndarray) and len(classes) == 2 else None
            if isinstance(people, list | np.ndarray) and not len(people):
                continue
            if people is None or not _is_numbers(people) or people.ndim != 3 or people.shape[1] != 4:
                raise DataError(f"{label}: frame {number} is {shown(classes)}, expected [[], people (N, 4, J)].")
            for person in people:
                yield Sighting(number, person[[0, 1, 3]].T)

    size = _size(members["metadata"], label)
    frame_number(len(frames), label)
    if isinstance(frames, np.ndarray) and not frames.size:  # as NumPy saves it if nobody is in any frame
        return assembled([], _COCO, asked, label, Said(len(frames), size))
    return assembled(found(), _COCO, asked, label, Said(len(frames), size))


def read_custom(source: Source, asked: Asked) -> Detections:
    """Read VideoPose3D's data set of one video of its user.

    Raises:
        DataError: If the file is damaged, or holds several videos, as those of Human3.6M do.
    """
    members, label = read_npz(source.path, ("positions_2d", "metadata"), ()), source.label
    videos, metadata = members["positions_2d"], members["metadata"]
    if not isinstance(videos, dict) or len(videos) != 1 or not isinstance(metadata, dict):
        count = f"{len(videos)} videos or subjects" if isinstance(videos, dict) else shown(videos)
        raise DataError(f"{label}: positions_2d are of {count}, expected one video.")
    ((name, takes),) = videos.items()
    arrays = takes.get("custom") if isinstance(takes, dict) else None
    if not isinstance(arrays, list) or len(arrays) != 1 or not _is_numbers(arrays[0]) or arrays[0].ndim != 3:
        raise DataError(f"{label}: positions_2d are {shown(takes)}, expected 'custom' with one array (T, J, 2).")
    if arrays[0].shape[2] not in (2, 3) or not arrays[0].size:
        raise DataError(f"{label}: positions_2d are {shown(arrays[0])}, expected (T, J, 2).")
    about = metadata.get("video_metadata")
    size = _size(about.get(name), label) if isinstance(about, dict) else None
    layouts = _COCO if metadata.get("layout_name", "coco") == "coco" else {}
    return assembled(from_tracks(arrays[0][None]), layouts, asked, label, Said(len(arrays[0]), size))


def _is_numbers(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.ndim > 0 and array.dtype.kind in "fiu"


def _size(metadata: Any, label: str) -> tuple[int, int]:
    """Width and height, where the metadata of a video have them."""
    sides = [metadata.get(side) for side in "wh"] if isinstance(metadata, dict) else []
    width, height = (
        int(side) if isinstance(side, int | np.integer) and 0 < side < 2**31 else 0 for side in sides or "wh"
    )
    if not width or not height:
        raise DataError(f"{label}: metadata are {shown(metadata)}, expected w and h, the size of the video in pixels.")
    return width, height
