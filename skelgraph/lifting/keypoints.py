"""Keypoints as callers give them: of a whole video, or of a frame."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from skelgraph.datasets import Detections
from skelgraph.datasets.motion_files.motion import is_same_rate
from skelgraph.errors import SkelgraphError
from skelgraph.lifting.normalisation import check_size
from skelgraph.text import shown
from skelgraph.topology import Skeleton, SkeletonLike, as_skeleton


def as_detections(
    keypoints: Any,
    skeleton: SkeletonLike | None,
    confidence: Any,
    image_size: tuple[int, int] | None,
    frame_rate: float | None,
) -> Detections:
    """What was found in a video, with all that is known of it.

    Args:
        keypoints: Detections, or pixels of one person ``(T, J, 2)`` or with confidences ``(T, J, 3)``.
        skeleton: The joints; detections know them.
        confidence: Confidences of pixels, ``(T, J)``.
        image_size: Width and height, if detections do not say them.
        frame_rate: Frames per second, if detections do not say them.

    Raises:
        SkelgraphError: If the keypoints are none of these, or detections say something else.
    """
    check_size(image_size)
    if not isinstance(keypoints, Detections):
        if skeleton is None:
            raise SkelgraphError("skeleton is not given; expected the layout of keypoints_2d, such as 'coco17'")
        layout = as_skeleton(skeleton)
        entries = _entries(keypoints, confidence, "keypoints_2d", "(T, J, 2) or (T, J, 3)", (layout.num_joints,), 3)
        count = len(entries)
        return Detections(entries, np.arange(count), layout, count, np.zeros(count, int), image_size, frame_rate)
    if confidence is not None:
        raise SkelgraphError("confidence is given, but Detections have confidences of their own; expected None")
    given: dict[str, Any] = {"skeleton": None if skeleton is None else as_skeleton(skeleton)}
    given |= {"image_size": image_size, "frame_rate": frame_rate}
    told = {name: getattr(keypoints, name) for name in given}
    for name, value in given.items():
        is_same = is_same_rate if name == "frame_rate" else operator.eq
        if None not in (value, told[name]) and not is_same(value, told[name]):
            raise SkelgraphError(f"{name} is {shown(value)}, but the detections say {shown(told[name])}")
    return replace(
        keypoints,
        image_size=image_size or keypoints.image_size,
        frame_rate=keypoints.frame_rate or frame_rate,
    )


def _entries(keypoints: Any, confidence: Any, name: str, shape: str, joints: tuple[int, ...], ndim: int) -> np.ndarray:
    """Keypoints with confidences, zeros where they are not known."""
    try:
        array = np.asarray(keypoints.cpu() if isinstance(keypoints, torch.Tensor) else keypoints, dtype=np.float64)
        given = None if confidence is None else np.asarray(confidence, dtype=np.float64)
    except (TypeError, ValueError):
        array, given = np.empty(0), None
    if array.ndim != ndim or array.shape[-2:-1] != joints or array.shape[-1] not in (2, 3):
        raise SkelgraphError(f"{name} is {shown(keypoints)}; expected Detections or an array {shape}, J = {joints[0]}")
    if given is None:
        given = array[..., 2] if array.shape[-1] == 3 else np.ones(array.shape[:-1])
    elif array.shape[-1] == 3 or given.shape != array.shape[:-1]:
        raise SkelgraphError(
            f"confidence is {shown(given)}; expected one for each joint of keypoints_2d, which are x and y alone"
        )
    entries = np.concatenate([array[..., :2], given[..., None]], -1)
    return np.where((np.isfinite(entries).all(-1) & (given > 0))[..., None], entries, 0)


def by_person(seen: Detections) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Number, frames and keypoints of each person.

    Raises:
        SkelgraphError: If it is not known who is who.
    """
    persons = seen.persons
    if persons is None:
        if (np.diff(seen.frames) == 0).any():
            # here: seen = track(seen)
            raise SkelgraphError("the detections have several people in a frame; expected persons, who each one is")
        persons = np.zeros(len(seen.frames), dtype=np.int64)
    order = np.argsort(persons, kind="stable")
    numbers, starts = np.unique(persons[order], return_index=True)
    for number, rows in zip(numbers, np.split(order, starts[1:]), strict=False):
        yield int(number), seen.frames[rows], seen.keypoints[rows]


def people_of_frame(item: Any, layout: Skeleton, frame: int) -> Mapping[int, np.ndarray]:
    """Who is in a frame of a stream, as :meth:`~skelgraph.Lifter.stream` takes it: keypoints with confidences
    ``(J, 3)`` by the number of the person.

    Raises:
        SkelgraphError: If the keypoints are none, or it is not known who is who.
    """
    if item is None:
        return {}
    if isinstance(item, Mapping):
        return {int(person): _single(points, layout, frame) for person, points in item.items()}
    if np.ndim(item) == 3 and len(item) == 0:
        return {}
    if np.ndim(item) == 3 and len(item) > 1:
        raise SkelgraphError(
            f"frame {frame} has {len(item)} people; expected a mapping that says who each one is, {{number: keypoints}}"
        )
    return {0: _single(item[0] if np.ndim(item) == 3 else item, layout, frame)}


def _single(points: Any, layout: Skeleton, frame: int) -> np.ndarray:
    return _entries(points, None, f"frame {frame}", "(J, 2) or (J, 3)", (layout.num_joints,), 2)
