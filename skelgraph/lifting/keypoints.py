"""Keypoints as callers give them: of a whole video, or of a frame."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from skelgraph.datasets import Detections
from skelgraph.datasets.keypoint_files.sightings import check_pixels
from skelgraph.datasets.motion_files.motion import is_same_rate
from skelgraph.errors import SkelgraphError
from skelgraph.lifting.normalisation import check_size
from skelgraph.lifting.tracking import Tracker, track
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
        entries = _entries(
            keypoints, confidence, "keypoints_2d", "Detections or an array (T, J, 2 or 3)", (layout.num_joints,), 3
        )
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
    array = _numbers(keypoints)
    given = None if confidence is None else _numbers(confidence)
    if array.ndim != ndim or array.shape[-2:-1] != joints or array.shape[-1] not in (2, 3):
        raise SkelgraphError(f"{name} is {shown(keypoints)}; expected {shape}, J = {joints[0]}")
    if given is None:
        given = array[..., 2] if array.shape[-1] == 3 else np.ones(array.shape[:-1])
    elif array.shape[-1] == 3 or given.shape != array.shape[:-1]:
        raise SkelgraphError(
            f"confidence is {shown(given)}; expected one for each joint of keypoints_2d, which are x and y alone"
        )
    entries = np.concatenate([array[..., :2], given[..., None]], -1)
    entries = np.where((np.isfinite(entries).all(-1) & (given > 0))[..., None], entries, 0)
    check_pixels(entries, name)
    return entries


def _numbers(values: Any) -> np.ndarray:
    """Values as an array of floating-point numbers, NaN where they are masked; empty if they are no real numbers."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        values = values if values.is_complex() else values.double()
    try:
        array = np.ma.asarray(values)
        return np.empty(0) if array.dtype.kind == "c" else np.ma.filled(array.astype(np.float64), np.nan)
    except (TypeError, ValueError):
        return np.empty(0)


def by_person(seen: Detections) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Number, frames and keypoints of each person. Where detections do not say who is who, it is one person if there
    are never two in a frame; else people are followed, see :func:`~skelgraph.lifting.track`."""
    persons = seen.persons
    if persons is None:
        if (np.diff(seen.frames) == 0).any():
            return by_person(track(seen))
        persons = np.zeros(len(seen.frames), dtype=np.int64)
    order = np.argsort(persons, kind="stable")
    numbers, starts = np.unique(persons[order], return_index=True)
    rows = np.split(order, starts[1:])[: len(numbers)]
    return [(int(number), seen.frames[mine], seen.keypoints[mine]) for number, mine in zip(numbers, rows, strict=True)]


def people_of_frame(item: Any, layout: Skeleton, frame: int, tracker: Tracker) -> Mapping[int, np.ndarray]:
    """Who is in a frame of a stream, as :meth:`~skelgraph.Lifter.stream` takes it: keypoints with confidences
    ``(J, 3)`` by the number of the person.

    Args:
        item: What was given of the frame.
        layout: The joints.
        frame: Number of the frame.
        tracker: Follows people whose numbers are not given.

    Raises:
        SkelgraphError: If the keypoints are none.
    """
    name, joints = f"frame {frame}", (layout.num_joints,)
    if item is None:
        return {}
    if isinstance(item, Mapping):
        if not all(isinstance(number, int | np.integer) for number in item):
            raise SkelgraphError(f"{name} is {shown(item)}; expected keypoints by the numbers of people")
        return {int(number): _entries(x, None, name, "(J, 2 or 3)", joints, 2) for number, x in item.items()}
    if _numbers(item).ndim == 3:
        found = _entries(item, None, name, "(J, 2 or 3) or (N, J, 2 or 3)", joints, 3)
        return dict(zip(tracker.update(found, frame).tolist(), found, strict=True))
    return {0: _entries(item, None, name, "(J, 2 or 3) or (N, J, 2 or 3)", joints, 2)}
