"""This library's own file of keypoints: the fields of :class:`Detections` as arrays in npz.

``keypoints`` ``(N, J, 3)``, ``frames`` ``(N,)``, ``num_frames``, and ``skeleton``, which is the name of a layout of
this library or the JSON of :meth:`~skelgraph.Skeleton.to_dict`; as far as they are known ``persons`` ``(N,)``,
``image_size`` and ``frame_rate``.
"""

from __future__ import annotations

import io
import json
from os import PathLike
from typing import Any, Literal

import numpy as np

from skelgraph.datasets.keypoint_files.detections import Detections
from skelgraph.datasets.keypoint_files.sightings import agreed, check_pixels, frame_number
from skelgraph.datasets.keypoint_files.source import Asked, Source
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.files import parse_json, read_npz, write_file
from skelgraph.text import shown
from skelgraph.topology import Skeleton, as_skeleton
from skelgraph.topology.layouts import skeleton_config

_REQUIRED = ("keypoints", "frames", "num_frames", "skeleton")
_OPTIONAL = ("persons", "image_size", "frame_rate")


def write_keypoints(path: str | PathLike[str], detections: Detections) -> None:
    """Write keypoints as npz, whole or not at all; :func:`read_keypoints` reads it back without any loss.

    Args:
        path: The file.
        detections: The keypoints.

    Raises:
        OSError: If the file cannot be written; the error names it.
    """
    layout = skeleton_config(detections.skeleton)
    said = {name: value for name in _OPTIONAL if (value := getattr(detections, name)) is not None}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        keypoints=detections.keypoints,
        frames=detections.frames,
        num_frames=detections.num_frames,
        skeleton=layout if isinstance(layout, str) else json.dumps(layout),
        **said,
    )
    write_file(path, buffer.getvalue())


def is_own_file(source: Source) -> bool:
    """Whether it is an npz file of these members."""
    return set(source.members).issuperset(_REQUIRED)


def read_own_file(source: Source, asked: Asked) -> Detections:
    """Read it. What the caller says has to be what the file says, as far as it says it.

    Raises:
        DataError: If the file is damaged or its members do not fit together.
    """
    label = source.label
    members = read_npz(source.path, _REQUIRED, _OPTIONAL)
    keypoints = _array(members["keypoints"], "f", 3, "keypoints", label)
    frames = _array(members["frames"], "i", 1, "frames", label)
    persons = _array(members["persons"], "i", 1, "persons", label) if "persons" in members else None
    if keypoints.shape[2] == 3:
        keypoints = np.where(keypoints[..., 2:] > 0, keypoints, 0)
        check_pixels(keypoints, label)
    size, rate = _plain(members.get("image_size")), _plain(members.get("frame_rate"))
    if size is not None and not (
        isinstance(size, list) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)
    ):
        raise DataError(f"{label}: image_size is {shown(size)}, expected width and height in pixels.")
    if rate is not None and not (type(rate) in (int, float) and 0 < rate < 1e6):
        raise DataError(f"{label}: frame_rate is {shown(rate)}, expected a number above 0.")
    skeleton = agreed("skeleton", _skeleton(_plain(members["skeleton"]), label), asked.skeleton, label)
    count = frame_number(_plain(members["num_frames"]), label)
    size = agreed("image_size", None if size is None else tuple(size), asked.image_size, label)
    rate = agreed("frame_rate", None if rate is None else float(rate), asked.frame_rate, label)
    try:
        return Detections(keypoints, frames, skeleton, count, persons, size, rate)
    except DataError as error:
        raise DataError(f"{label}: {error}") from None


def _array(array: Any, kind: Literal["f", "i"], rank: int, name: str, label: str) -> np.ndarray:
    if not isinstance(array, np.ndarray) or array.dtype.kind != kind or array.ndim != rank:
        raise DataError(f"{label}: {name} are {shown(array)}, expected an array of {rank} axes of numbers.")
    return array.astype(np.float64 if kind == "f" else np.int64)


def _plain(value: Any) -> Any:
    """A number, a text or a list of such out of an array."""
    return value.tolist() if isinstance(value, np.ndarray) and value.ndim < 2 else value


def _skeleton(layout: Any, label: str) -> Skeleton:
    if not isinstance(layout, str):
        raise DataError(f"{label}: skeleton is {shown(layout)}, expected the name of a layout or its JSON.")
    try:
        return as_skeleton(parse_json(layout, f"{label}: skeleton", DataError) if layout[:1] == "{" else layout)
    except SkelgraphError as error:
        raise DataError(f"{label}: {error}") from None
