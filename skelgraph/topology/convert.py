"""Keypoints of one layout brought into another one: a table of what joints are made of, and one matrix product.

A joint that both layouts have is taken over (:mod:`skelgraph.topology.matching` says which those are), another one is
made of joints that there are, by :data:`COMBINATIONS` or :data:`IMAGE_RULE`. What neither makes is missing.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor

from skelgraph.errors import TopologyError
from skelgraph.options import checked
from skelgraph.text import plain, shown
from skelgraph.topology.layouts import SkeletonLike, as_skeleton
from skelgraph.topology.matching import compared_words, joint_meanings, label
from skelgraph.topology.skeleton import Skeleton

Missing: TypeAlias = Literal["error", "mask", "interpolate"]
Rule: TypeAlias = Literal["published", "body"]
ArrayT = TypeVar("ArrayT", np.ndarray[Any, Any], Tensor)
Weights: TypeAlias = Mapping[str, float]

COMBINATIONS: Mapping[str, Weights] = {
    "pelvis": {"left_hip": 1 / 2, "right_hip": 1 / 2},
    "neck": {"left_shoulder": 1 / 2, "right_shoulder": 1 / 2},
    "spine": {"pelvis": 1 / 2, "neck": 1 / 2},
    "head": {"nose": 1.0},
}
"""Joints that layouts lack, as convex combinations of others that hold in any axes, in the words of
:data:`~skelgraph.topology.matching.MEANINGS`. Spine and ``head`` (neck/nose of Human3.6M) are those of MotionBERT's
``halpe2h36m``: https://github.com/Walter0807/MotionBERT/blob/main/lib/data/dataset_wild.py"""

_NOSE, _SHOULDERS = {"nose": 1.0}, COMBINATIONS["neck"]
_EYES, _EARS = {"left_eye": 1 / 2, "right_eye": 1 / 2}, {"left_ear": 1 / 2, "right_ear": 1 / 2}


def _sum(*terms: tuple[float, Weights]) -> dict[str, float]:
    """A weighted sum of combinations."""
    made: dict[str, float] = {}
    for factor, weights in terms:
        for word, weight in weights.items():
            made[word] = made.get(word, 0.0) + factor * weight
    return {word: weight for word, weight in made.items() if weight}


IMAGE_RULE: Mapping[str, tuple[Weights, Weights]] = {
    "pelvis": (COMBINATIONS["pelvis"],) * 2,
    "spine": (
        _sum((5 / 6, _SHOULDERS), (1 / 2, COMBINATIONS["pelvis"]), (-1 / 3, _NOSE)),
        _sum((1 / 2, _SHOULDERS), (1 / 2, COMBINATIONS["pelvis"])),
    ),
    "neck": (
        _sum((2 / 3, _SHOULDERS), (1 / 3, _NOSE)),
        _sum((2 / 3, _SHOULDERS), (1.0, _NOSE), (-2 / 3, _EYES)),
    ),
    "head": (_sum((3 / 4, _NOSE), (1 / 4, _SHOULDERS)),) * 2,
    "head_top": (_sum((1 / 2, _EYES), (1 / 2, _EARS)), _sum((2.0, _EYES), (-1.0, _NOSE))),
}
"""The rule of the published demos (GraphMLP, NEHSNet) from COCO's keypoints to Human3.6M's, for x and y of the image:
sums whose weights add up to 1, some below 0, as the top of the head and the bend of the spine lie beyond what COCO has.
It takes a person who is upright in the image, y down. It began with GAST-Net:
https://github.com/fabro66/GAST-Net-3DPoseEstimation/blob/master/tools/mpii_coco_h36m.py"""
IMAGE_RULE_LAYOUTS = (
    ("coco17", "coco_wholebody_body23", "openpose_coco18", "blazepose33", "body25"),
    ("h36m17", "h36m16", "mpi_inf_3dhp17"),
)
"""From which layouts, which have COCO's joints, into which ones :data:`IMAGE_RULE` leads. Skeletons of the
same joints in another order or under another name follow it as well."""

BODY_RULE: Mapping[str, Weights] = {"head_top": _sum((3 / 2, _EARS), (-1 / 2, {"neck": 1.0}))}
"""What takes the place of :data:`IMAGE_RULE` for people who are not upright in the image: the top of the head is on the
way from the neck to the middle of the ears, half as far again. Like :data:`COMBINATIONS` it holds in any axes."""


@checked
def convert_keypoints(
    keypoints: ArrayT,
    source: SkeletonLike,
    wanted: SkeletonLike,
    missing: Missing = "error",
    dimensions: Literal[2, 3] | None = None,
    rule: Rule = "published",
) -> ArrayT:
    """Keypoints or poses of one layout in another one, such as those of a detector for a network of Human3.6M's joints.

    Each joint is one of the source, by its meaning, or a sum of several, see :func:`conversion_weights`. A joint whose
    sources are not all known in a frame is not known there: NaN, or zeros where there are confidences, as OpenPose and
    COCO write it. Gradients reach all sources that are known.

    Args:
        keypoints: Array or tensor ``(..., J, C)``, in any unit: x, y; x, y, confidence; or x, y, z, confidence. What is
            not finite, or of confidence 0 or less, is not known; its coordinates count nowhere.
        source: The layout that the keypoints have.
        wanted: The layout that is wanted.
        missing: What becomes of joints that the source has nothing for: ``"error"``; ``"mask"``, they are not known;
            ``"interpolate"``, each is the mean of its neighbours along the bones. That is done only of joints that lie
            between others; missing ends of limbs remain errors.
        dimensions: How many coordinates there are. ``None``: 2 in keypoints of 2 or 3 channels, 3 in those of 4. Say 3
            for x, y, z without confidence.
        rule: What makes joints that are not taken over: in an image :data:`IMAGE_RULE`, of the ``"published"`` demos,
            where there is one; or, of the ``"body"``, :data:`COMBINATIONS` and :data:`BODY_RULE` alone, which hold
            however the person is turned.

    Returns:
        Keypoints ``(..., J', C)`` of the same kind, type and device (integers become floats). The confidence of a joint
        is the smallest one of its sources.

    Raises:
        TopologyError: If the shape is another one, or joints are missing; the message names them.

    Example:
        >>> import numpy as np
        >>> import skelgraph
        >>> skelgraph.convert_keypoints(np.ones((4, 17, 3)), "coco17", "h36m17").shape
        (4, 17, 3)
    """
    there, asked = as_skeleton(source), as_skeleton(wanted)
    if not isinstance(keypoints, np.ndarray | Tensor):
        raise TopologyError(f"keypoints is {shown(keypoints)}; expected a NumPy array or a tensor")
    count = there.num_joints
    channels = {None: (2, 3, 4), 2: (2, 3), 3: (3, 4)}[dimensions]
    if keypoints.ndim < 2 or keypoints.shape[-2] != count or keypoints.shape[-1] not in channels:
        raise TopologyError(
            f"keypoints has shape {tuple(keypoints.shape)}; expected (..., {count}, C) for layout {label(there)}, with "
            f"C one of {', '.join(map(str, channels))}{f' for dimensions={dimensions}' if dimensions else ''}"
        )
    given = _floats(keypoints)
    axes: Literal[2, 3] = dimensions or (3 if given.shape[-1] == 4 else 2)
    weights = conversion_weights(there, asked, missing, axes, rule)
    if given.shape[-1] == axes:
        made, known = combine_joints(given, weights)
        return _where(known[..., None], made, float("nan"))
    positions, confidence = given[..., :axes], given[..., axes]
    seen = (confidence > 0)[..., None]
    made, known = combine_joints(_where(seen, positions, float("nan")), weights)
    least = confidence[..., _sources(weights)[0]]
    least = least.amin(-1) if isinstance(least, Tensor) else least.min(-1)
    joined = [made, least[..., None]]
    both = torch.cat(joined, -1) if isinstance(made, Tensor) else np.concatenate(joined, -1)
    return _where(known[..., None], both, 0.0)


@checked
def conversion_weights(
    source: SkeletonLike,
    wanted: SkeletonLike,
    missing: Missing = "error",
    dimensions: Literal[2, 3] = 2,
    rule: Rule = "published",
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What each joint of a layout is made of in another one.

    Args:
        source: The layout that there is, of ``J`` joints.
        wanted: The layout that is wanted, of ``J'`` joints.
        missing: See :func:`convert_keypoints`.
        dimensions: 2 in an image, where :data:`IMAGE_RULE` holds; 3 in space, where :data:`COMBINATIONS` alone do.
        rule: See :func:`convert_keypoints`.

    Returns:
        Weights ``(J', J)``, or ``(2, J', J)`` if x and y are made in different ways. Each row sums to 1, or is 0 of a
        joint that is masked.

    Raises:
        TopologyError: If joints are missing; the message names them.
    """
    return _weights(as_skeleton(source), as_skeleton(wanted), missing, dimensions, rule).copy()


MIDDLES = ("pelvis", "neck", "spine")
"""Joints of :data:`COMBINATIONS` that detectors do not find."""


@checked
def middle_weights(skeleton: SkeletonLike) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What each joint of a layout is made of where its :data:`MIDDLES` lie in the middle of hips and shoulders, as
    keypoints of detectors have them; the other joints are what they are.

    Returns:
        Weights ``(J, J)``, whose rows sum to 1.

    Raises:
        TopologyError: If the layout has none of them, or not the hips and shoulders that they are made of.
    """
    layout = as_skeleton(skeleton)
    words = joint_meanings(layout)
    found = [word for word in words if word not in MIDDLES]
    weights = np.zeros((len(words), len(words)))
    for row, word in enumerate(words):
        for name, weight in _resolved(word, found, COMBINATIONS).items():
            weights[row, words.index(name)] = weight
    lacking = [plain(name) for name, made in zip(layout.joint_names, weights.sum(1), strict=True) if not made]
    if lacking or len(found) == len(words):
        what = ", ".join(lacking) or " or ".join(MIDDLES)
        raise TopologyError(f"layout {label(layout)} has no {what} that lies in the middle of hips or shoulders of it")
    return weights


@functools.lru_cache(maxsize=256)
def _weights(
    source: Skeleton, wanted: Skeleton, missing: Missing, dimensions: int, rule: Rule
) -> np.ndarray[Any, np.dtype[np.float64]]:
    known, asked = compared_words(source, wanted)
    by_image = dimensions == 2 and rule == "published" and _by_image_rule(source, wanted)
    table = {**COMBINATIONS, **BODY_RULE} if rule == "body" else COMBINATIONS
    weights = np.zeros((2 if by_image else 1, len(asked), len(known)))
    lacking: set[int] = set()
    for row, word in enumerate(asked):
        combinations = IMAGE_RULE.get(word) if by_image else None
        for axis, combination in enumerate(combinations or (_resolved(word, known, table),) * len(weights)):
            for name, weight in combination.items():
                weights[axis, row, known.index(name)] = weight
        if not weights[:, row].any():
            lacking.add(row)
    if missing == "interpolate" and lacking:
        fill, lacking = _between(wanted, lacking)
        weights = fill @ weights
    if lacking and missing != "mask":
        ends = " and they lie between no others" if missing == "interpolate" else ""
        names = ", ".join(plain(wanted.joint_names[j]) for j in sorted(lacking))
        would_do = "; ".join(_needed(asked[j], table) for j in sorted(lacking)[:8])
        raise TopologyError(
            f"layout {label(source)} has nothing that {names} of {label(wanted)} can be made of{ends}; it has "
            f"{', '.join(map(plain, source.joint_names[:60]))}; expected {would_do}"
        )
    return weights if by_image else weights[0]


def _by_image_rule(source: Skeleton, wanted: Skeleton) -> bool:
    return all(
        set(joint_meanings(skeleton)) in [set(joint_meanings(as_skeleton(name))) for name in names]
        for skeleton, names in zip((source, wanted), IMAGE_RULE_LAYOUTS, strict=True)
    )


def _resolved(word: str, known: Sequence[str], table: Mapping[str, Weights]) -> Weights:
    """What a joint is made of among those that are known; empty if nothing makes it."""
    if word in known:
        return {word: 1.0}
    terms = [(weight, _resolved(part, known, table)) for part, weight in table.get(word, {}).items()]
    return _sum(*terms) if all(part for _, part in terms) else {}


def _needed(word: str, table: Mapping[str, Weights]) -> str:
    """The joint that is lacking, and those that it could be made of."""
    makers = " and ".join(plain(maker) for maker in table.get(word, ()))
    return plain(word) + (f" or {makers}" if makers else "")


def _between(skeleton: Skeleton, lacking: set[int]) -> tuple[np.ndarray[Any, np.dtype[np.float64]], set[int]]:
    """The matrix that puts each missing joint that has a known joint on its way to the root and one beyond it at the
    mean of its neighbours, and the missing joints that it leaves."""
    parents = skeleton.parents
    ways = [list(_way_to_root(joint, parents)) for joint in range(skeleton.num_joints)]
    before_known = {above for joint, way in enumerate(ways) if joint not in lacking for above in way}
    filled = {joint for joint in lacking if joint in before_known and not lacking.issuperset(ways[joint][1:])}
    there = np.array([joint not in lacking or joint in filled for joint in range(skeleton.num_joints)])
    neighbours = np.zeros((skeleton.num_joints,) * 2)
    for joint, parent in enumerate(parents):
        if parent >= 0 and there[joint] and there[parent]:
            neighbours[joint, parent] = neighbours[parent, joint] = 1
    left, right = np.eye(skeleton.num_joints), np.eye(skeleton.num_joints)
    for joint in filled:
        left[joint] = -neighbours[joint] / neighbours[joint].sum()
        left[joint, joint] = 1
        right[joint, joint] = 0
    matrix: np.ndarray[Any, np.dtype[np.float64]] = np.linalg.solve(left, right).astype(np.float64, copy=False)
    return matrix, lacking - filled


def _way_to_root(joint: int, parents: Sequence[int]) -> Any:
    while joint >= 0:
        yield joint
        joint = parents[joint]


def combine_joints(positions: ArrayT, weights: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[ArrayT, ArrayT]:
    """Joints as weighted sums of others, by one matrix product; what is not known counts as 0 and marks what needs it.

    Args:
        positions: ``(..., J, D)``; a joint that is not known has a coordinate that is not finite.
        weights: ``(J', J)``, or ``(D, J', J)`` for each axis its own.

    Returns:
        Positions ``(..., J', D)``, and which of them are known ``(..., J')``: those all of whose sources are.
    """
    finite: Any = torch.isfinite(positions) if isinstance(positions, Tensor) else np.isfinite(positions)
    known = finite.all(-1)
    clean = _where(known[..., None], positions, 0.0)
    factors = _like(weights, clean)
    made = (
        factors @ clean if weights.ndim == 2 else (factors @ clean.swapaxes(-1, -2)[..., None])[..., 0].swapaxes(-1, -2)
    )
    chosen, some = _sources(weights)
    return made, known[..., chosen].all(-1) & _like(some, known)


def _sources(weights: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Ids of the joints that each one is made of, ``(J', K)`` with repetitions, and whether there are any."""
    used = (weights != 0).reshape(-1, *weights.shape[-2:]).any(0)
    order = np.argsort(~used, axis=1, kind="stable")[:, : max(1, used.sum(1).max())]
    return np.where(np.take_along_axis(used, order, 1), order, order[:, :1]), used.any(1)


def _floats(array: Any) -> Any:
    if array.dtype.is_complex if isinstance(array, Tensor) else array.dtype.kind not in "fiub":
        raise TopologyError(f"keypoints holds {array.dtype}; expected numbers")
    if isinstance(array, Tensor):
        return array if array.is_floating_point() else array.to(torch.get_default_dtype())
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _like(values: np.ndarray[Any, Any], array: Any) -> Any:
    if isinstance(array, Tensor):
        return torch.from_numpy(values).to(array.device, array.dtype)
    return values.astype(array.dtype)


def _where(condition: Any, values: Any, other: float) -> Any:
    return (
        torch.where(condition, values, other)
        if isinstance(values, Tensor)
        else np.where(condition, values, values.dtype.type(other))
    )
