"""This library's own file of keypoints: the fields of :class:`Detections` as arrays in npz.

``keypoints`` ``(N, J, 3)``, ``frames`` ``(N,)``, ``num_frames``, and ``skeleton``, which is the name of a layout of
this library or the JSON of :meth:`~skelgraph.Skeleton.to_dict`; as far as they are known ``persons`` ``(N,)``,
``image_size`` and ``frame_rate``.
"""

from __future__ import annotations

import io
import json
from os import PathLike
from typing import Any

import numpy as np

from skelgraph.datasets.keypoint_files.detections import Detections
from skelgraph.datasets.keypoint_files.sightings import agreed, frame_number
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
    said = {name: value.tolist() for name, value in members.items() if isinstance(value, np.ndarray)}
    keypoints, frames = members["keypoints"], members["frames"]
    for name, kind in (("keypoints", "f"), ("frames", "i"), ("persons", "i")):
        array = members.get(name)
        if name in members and not (isinstance(array, np.ndarray) and array.dtype.kind == kind and array.ndim):
            raise DataError(f"{label}: {name} are {shown(array)}, expected an array of numbers.")
    if keypoints.shape[1:2] and keypoints.ndim == 3 and keypoints.shape[2] == 3:
        keypoints = np.where(keypoints[..., 2:] > 0, keypoints, 0)
    size = said.get("image_size")
    if size is not None and not (
        isinstance(size, list) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)
    ):
        raise DataError(f"{label}: image_size is {shown(size)}, expected width and height in pixels.")
    rate = said.get("frame_rate")
    if rate is not None and not (type(rate) in (int, float) and 0 < rate < 1e6):
        raise DataError(f"{label}: frame_rate is {shown(rate)}, expected a number above 0.")
    try:
        return Detections(
            keypoints.astype(np.float64),
            frames.astype(np.int64),
            agreed("skeleton", _skeleton(said["skeleton"], label), asked.skeleton, label),
            frame_number(said["num_frames"], label),
            members["persons"].astype(np.int64) if "persons" in members else None,
            agreed("image_size", None if size is None else tuple(size), asked.image_size, label),
            agreed("frame_rate", None if rate is None else float(rate), asked.frame_rate, label),
        )
    except DataError as error:
        raise error if str(error).startswith(label) else DataError(f"{label}: {error}") from None


def _skeleton(layout: Any, label: str) -> Skeleton:
    if not isinstance(layout, str):
        raise DataError(f"{label}: skeleton is {shown(layout)}, expected the name of a layout or its JSON.")
    try:
        return as_skeleton(parse_json(layout, f"{label}: skeleton", DataError) if layout[:1] == "{" else layout)
    except SkelgraphError as error:
        raise DataError(f"{label}: {error}") from None
