"""AlphaPose's results: one JSON file of all people in all pictures.

The format is that of ``alphapose/utils/pPose_nms.py`` of https://github.com/MVIG-SJTU/AlphaPose: a list of people, each
with the name of its picture (``12.jpg`` of a video), and with ``idx`` where people were followed; or, with ``--format
open`` or ``cmu``, an object of pictures with OpenPose's 18 joints. Pictures in which nobody is are not in the file, so
that the last one is the last with somebody in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from skelgraph.datasets.keypoint_files.detections import Detections
from skelgraph.datasets.keypoint_files.openpose import is_frame, people_of
from skelgraph.datasets.keypoint_files.sightings import Sighting, assembled, frame_of, triplets
from skelgraph.datasets.keypoint_files.source import Asked, Source
from skelgraph.errors import DataError
from skelgraph.text import plain, shown

_LAYOUTS = {17: "coco17", 26: "halpe26", 136: "halpe26", 133: "coco_wholebody_body23"}
_OPEN_LAYOUTS = {18: "openpose_coco18"}


def is_alphapose(source: Source) -> bool:
    """Whether it is a list of people whose pictures have names, or an object of frames by the names of pictures."""
    document = source.document
    if isinstance(document, dict):
        return is_frame(next(iter(document.values()), None))
    first = document[0] if isinstance(document, list) and document else None
    return isinstance(first, dict) and "keypoints" in first and isinstance(first.get("image_id"), str)


def read_alphapose(source: Source, asked: Asked) -> Detections:
    """Read results.

    Raises:
        DataError: If the file is damaged.
    """
    label, document = source.label, source.document

    def found() -> Iterator[Sighting]:
        if isinstance(document, dict):
            for name, frame in document.items():
                yield from people_of(frame, frame_of(name, label), f"{label}: {plain(name)}")
            return
        for entry in document:
            if not isinstance(entry, dict) or not isinstance(entry.get("image_id"), str):
                raise DataError(f"{label}: found {shown(entry)}, expected an object with image_id, a name.")
            yield Sighting(frame_of(entry["image_id"], label), triplets(entry.get("keypoints"), label), _id_of(entry))

    return assembled(found(), _OPEN_LAYOUTS if isinstance(document, dict) else _LAYOUTS, asked, label)


def _id_of(entry: dict[str, Any]) -> int | None:
    """Who a person is, where people were followed."""
    said = entry.get("idx")
    said = said[0] if isinstance(said, list) and said else said
    if isinstance(said, float) and said.is_integer():
        return int(said)
    return said if type(said) is int else None
