"""MMPose's predictions as JSON: people as ``keypoints`` ``[[x, y], ...]`` and ``keypoint_scores`` ``[c, ...]``.

They come as a list of frames with ``frame_id`` and ``instances`` (the inferencer, of a video), as a list of people (the
inferencer, of a picture), as a list of such lists, one for each frame (what is mostly dumped of rtmlib), or below
``instance_info`` beside ``meta_info``, which names the joints (the demos, of a video, whose frames count from 1):
https://github.com/open-mmlab/mmpose/blob/main/demo/topdown_demo_with_mmdet.py. Without names, 17 joints may be those of
COCO or of an animal, and the caller says which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from skelgraph.datasets.keypoint_files.detections import Detections
from skelgraph.datasets.keypoint_files.joint_names import layout_of_names
from skelgraph.datasets.keypoint_files.sightings import Said, Sighting, agreed, assembled, frame_number, numbers
from skelgraph.datasets.keypoint_files.source import Asked, Source
from skelgraph.errors import DataError
from skelgraph.text import shown
from skelgraph.topology import as_skeleton

_LAYOUTS = {26: "halpe26", 133: "coco_wholebody_body23"}


def is_mmpose(source: Source) -> bool:
    """Whether it is JSON in one of these forms."""
    document = source.document
    if isinstance(document, dict):
        return isinstance(document.get("instance_info"), list)
    return isinstance(document, list) and (
        _is_frame(document[:1]) or _are_people(document) or _is_list_of_people(document)
    )


def read_mmpose(source: Source, asked: Asked) -> Detections:
    """Read predictions.

    Raises:
        DataError: If the file is damaged, or neither it nor the caller says the layout.
    """
    label, document = source.label, source.document
    layouts: Mapping[int, str] = _LAYOUTS
    if isinstance(document, dict):
        named = _named_layout(document.get("meta_info"), label)
        layouts = _LAYOUTS if named is None else named
        for name in named.values() if named else ():
            agreed("skeleton", as_skeleton(name), asked.skeleton, label)
        document = document["instance_info"]
    frames = dict(_frames(document, label))
    first = min(frames, default=0)
    if isinstance(source.document, dict) and first == 1:
        frames = {frame - 1: people for frame, people in frames.items()}

    def found() -> Iterator[Sighting]:
        for frame, people in frames.items():
            yield from (_sighting(person, frame, label) for person in people)

    return assembled(found(), layouts, asked, label, Said(num_frames=max(frames, default=-1) + 1))


def _is_frame(items: Sequence[Any]) -> bool:
    return bool(items) and isinstance(items[0], dict) and isinstance(items[0].get("instances"), list)


def _are_people(items: Sequence[Any]) -> bool:
    return bool(items) and isinstance(items[0], dict) and "keypoints" in items[0] and "image_id" not in items[0]


def _is_list_of_people(items: Sequence[Any]) -> bool:
    return (
        bool(items) and all(isinstance(people, list) for people in items) and _are_people(next(filter(None, items), []))
    )


def _frames(document: list[Any], label: str) -> Iterator[tuple[int, list[Any]]]:
    """The people of each frame."""
    if _are_people(document):
        yield 0, document
        return
    seen = set()
    for number, item in enumerate(document):
        frame, people = number, item
        if isinstance(item, dict):
            frame, people = frame_number(item.get("frame_id"), label), item.get("instances")
        if not isinstance(people, list):
            raise DataError(f"{label}: found {shown(item)}, expected a frame with a list of instances.")
        if frame in seen:
            raise DataError(f"{label}: has frame {frame} twice.")
        seen.add(frame)
        yield frame, people


def _sighting(person: Any, frame: int, label: str) -> Sighting:
    if not isinstance(person, dict) or "keypoints" not in person:
        raise DataError(f"{label}: a person is {shown(person)}, expected an object with keypoints.")
    keypoints = numbers(person["keypoints"], label)
    if keypoints.ndim != 2 or keypoints.shape[1] != 2:
        raise DataError(
            f"{label}: keypoints are {shown(person['keypoints'])}, expected x and y of each joint in pixels."
        )
    if "keypoint_scores" in person:
        scores = numbers(person["keypoint_scores"], label)
        if scores.shape != keypoints.shape[:1]:
            raise DataError(f"{label}: {shown(scores)} scores of {len(keypoints)} keypoints, expected one for each.")
        keypoints = np.column_stack([keypoints, scores])
    person_id = person.get("track_id")
    return Sighting(frame, keypoints, person_id if type(person_id) is int else None)


def _named_layout(meta: Any, label: str) -> Mapping[int, str] | None:
    """The layout whose joints ``meta_info`` names in their order, by their number, empty if none has these joints;
    ``None`` if it names none."""
    names = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if not isinstance(names, dict) or {*names} != {str(i) for i in range(len(names))}:
        return None
    ordered = [names[str(i)] for i in range(len(names))]
    if not all(isinstance(name, str) for name in ordered):
        raise DataError(f"{label}: meta_info names its joints {shown(ordered)}, expected texts.")
    body = as_skeleton(_LAYOUTS[133]).joint_names
    if len(ordered) == 133 and tuple(ordered[: len(body)]) == body:
        return {133: _LAYOUTS[133]}
    found = layout_of_names(ordered)
    return {} if found is None else {len(ordered): found}
