"""Keypoints in the way of COCO: a list of results, or annotations.

The format is that of https://cocodataset.org/#format-results and #format-data: 17 keypoints, as one list of x, y and
confidence (in annotations 0: not labelled, 1: hidden, 2: seen). COCO-WholeBody adds those of the feet as ``foot_kpts``,
or has 133 in one list; PoseTrack adds ``track_id``. Results say nothing of the video: the id of a picture is the frame.
Annotations list the pictures, which are the frames in the order of ``frame_id`` or else of their ids, and their size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from skelgraph.datasets.keypoint_files.detections import Detections
from skelgraph.datasets.keypoint_files.sightings import Said, Sighting, assembled, frame_number, triplets
from skelgraph.datasets.keypoint_files.source import Asked, Source
from skelgraph.errors import DataError
from skelgraph.text import shown

_LAYOUTS = {17: "coco17", 23: "coco_wholebody_body23", 133: "coco_wholebody_body23"}


def is_coco_results(source: Source) -> bool:
    """Whether it is a list of results whose pictures have numbers."""
    first = source.document[0] if isinstance(source.document, list) and source.document else None
    return isinstance(first, dict) and "keypoints" in first and type(first.get("image_id")) is int


def is_coco_annotations(source: Source) -> bool:
    """Whether it is an object with pictures and annotations."""
    document = source.document
    return isinstance(document, dict) and all(isinstance(document.get(key), list) for key in ("images", "annotations"))


def read_coco_results(source: Source, asked: Asked) -> Detections:
    """Read results.

    Raises:
        DataError: If the file is damaged.
    """
    label = source.label
    found = (_sighting(entry, frame_number(_id(entry, "image_id", label), label), label) for entry in source.document)
    return assembled(found, _LAYOUTS, asked, label)


def read_coco_annotations(source: Source, asked: Asked) -> Detections:
    """Read annotations.

    Raises:
        DataError: If the file is damaged, names a picture that it does not list, or has pictures of different sizes.
    """
    label = source.label
    images = {_id(image, "id", label): image for image in source.document["images"]}
    if all("frame_id" in image for image in images.values()):
        frames = {number: frame_number(image["frame_id"], label) for number, image in images.items()}
    else:
        frames = {number: frame for frame, number in enumerate(sorted(images))}
    sizes = {size for image in images.values() if (size := _size(image, label))}
    if len(sizes) > 1:
        raise DataError(f"{label}: its pictures have {len(sizes)} different sizes, expected the frames of one video.")

    def found() -> Iterator[Sighting]:
        for entry in source.document["annotations"]:
            number = _id(entry, "image_id", label)
            if number not in frames:
                raise DataError(f"{label}: an annotation is of picture {shown(number)}, which it does not list.")
            if "keypoints" not in entry:
                continue  # a box or a mask without keypoints
            sighting = _sighting(entry, frames[number], label)
            sighting.keypoints[:, 2] = sighting.keypoints[:, 2] > 0
            yield sighting

    said = Said(max(frames.values(), default=-1) + 1, next(iter(sizes), None))
    return assembled(found(), _LAYOUTS, asked, label, said)


def _size(image: Mapping[str, Any], label: str) -> tuple[int, int] | None:
    """Width and height of a picture; ``None`` if it has neither."""
    width, height = image.get("width"), image.get("height")
    if width is None and height is None:
        return None
    if not (type(width) is int and type(height) is int and width > 0 and height > 0):
        raise DataError(f"{label}: a picture is {shown(image)}, expected width and height in pixels.")
    return width, height


def _sighting(entry: Mapping[str, Any], frame: int, label: str) -> Sighting:
    keypoints = triplets(entry.get("keypoints"), label)
    if "foot_kpts" in entry and len(keypoints) == 17:
        keypoints = np.concatenate([keypoints, triplets(entry["foot_kpts"], label)])
    person = entry.get("track_id")
    return Sighting(frame, keypoints, person if type(person) is int else None)


def _id(entry: Any, name: str, label: str) -> int:
    if not isinstance(entry, dict) or type(entry.get(name)) is not int:
        raise DataError(f"{label}: found {shown(entry)}, expected an object whose {name} is an integer.")
    number: int = entry[name]
    return number
