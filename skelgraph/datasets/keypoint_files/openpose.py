"""OpenPose's JSON: a folder with a file for each frame, as OpenPose, Pose2Sim (from rtmlib) and AlphaPose write it.

The format is that of https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/doc/02_output.md. The frame
stands in the name of the file, and the number of joints says the layout: BODY_25, unless the caller says BODY_25B
(``body25b``); COCO's 18; and 17, 26 and 133 of Pose2Sim. Who is who over the frames it seldom says (``person_id``).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skelgraph.datasets.keypoint_files.detections import Detections
from skelgraph.datasets.keypoint_files.sightings import Said, Sighting, assembled, frame_of, triplets
from skelgraph.datasets.keypoint_files.source import Asked, Source
from skelgraph.errors import DataError
from skelgraph.files import read_json
from skelgraph.text import plain, shown

LAYOUTS = {25: "body25", 18: "openpose_coco18", 17: "coco17", 26: "halpe26", 133: "coco_wholebody_body23"}
"""What the number of joints means."""
_LOOKED_AT = 10  # files of a folder
_PEOPLE = {"people": ("pose_keypoints_2d", "pose_keypoints"), "bodies": ("joints",)}
"""The key of the people of a frame, and those of a person's joints: OpenPose's, also of old, and AlphaPose's."""


def is_openpose(source: Source) -> bool:
    """Whether it is a folder of frames, as one of its first files says that have a number; or one frame. Other folders
    may hold JSON as well."""
    if not source.is_folder:
        return is_frame(source.document)
    numbered = (path for path in sorted(source.path.glob("*.json")) if any(map(str.isdigit, path.stem)))
    return any(_is_whole_frame(path) for path in itertools.islice(numbered, _LOOKED_AT))


def _is_whole_frame(path: Path) -> bool:
    try:
        return is_frame(read_json(path, DataError))
    except DataError:
        return False


def read_openpose(source: Source, asked: Asked) -> Detections:
    """Read a folder of frames; its last file is the last frame.

    Raises:
        DataError: If a file is damaged or another one, or two files are of one frame.
    """
    paths = sorted(source.path.glob("*.json")) if source.is_folder else [source.path]
    files: dict[int, Path] = {}
    for path in paths:
        label = plain(str(path), 1000)
        frame = frame_of(path.name, label)
        if frame in files:
            raise DataError(
                f"{label}: is frame {frame}, as {plain(files[frame].name)} is; expected one video a folder."
            )
        files[frame] = path

    def found() -> Iterator[Sighting]:
        for frame, path in files.items():
            label = plain(str(path), 1000)
            yield from people_of(read_json(path, DataError), frame, label)

    return assembled(found(), LAYOUTS, asked, source.label, Said(num_frames=max(files) + 1))


def is_frame(document: Any) -> bool:
    """Whether JSON is what is written for one frame."""
    return isinstance(document, dict) and any(isinstance(document.get(key), list) for key in _PEOPLE)


def people_of(document: Any, frame: int, label: str) -> Iterator[Sighting]:
    """The people of a frame. One of whom there is no body, but a face or hands, is left out.

    Raises:
        DataError: If the JSON is not that of a frame.
    """
    if not is_frame(document):
        raise DataError(f"{label}: found {shown(document)}, expected an object with a list of people.")
    key = next(key for key in _PEOPLE if isinstance(document.get(key), list))
    for person in document[key]:
        keys = [name for name in _PEOPLE[key] if isinstance(person, dict) and name in person]
        if not keys:
            raise DataError(f"{label}: a person is {shown(person)}, expected an object with {_PEOPLE[key][0]}.")
        if person[keys[0]] != []:
            yield Sighting(frame, triplets(person[keys[0]], label), _id_of(person))


def _id_of(person: dict[str, Any]) -> int | None:
    """Who a person is; -1 stands for nobody in particular."""
    said = person.get("person_id")
    said = said[0] if isinstance(said, list) and said else said
    return said if type(said) is int and said >= 0 else None
