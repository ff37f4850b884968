"""How far lifted people are from the truth, whatever joints both have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.metrics import mpjpe, p_mpjpe
from skelgraph.text import plain, shown
from skelgraph.topology import Skeleton, SkeletonLike, as_skeleton, convert_keypoints
from skelgraph.topology.matching import label

LIMB_JOINTS = tuple(
    f"{side}_{joint}" for side in ("left", "right") for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
)
"""The twelve joints that detectors and motion capture agree upon best, by their names in ``coco17``."""


class Judgement(NamedTuple):
    """Errors of poses in millimetres.

    Args:
        mpjpe: Mean distance of the joints, the middle of the hips at the origin.
        p_mpjpe: The same after the best similarity for each pose.
    """

    mpjpe: float
    p_mpjpe: float


def judge(poses: np.ndarray, skeleton: SkeletonLike, truth: np.ndarray, truth_skeleton: SkeletonLike) -> Judgement:
    """Compare poses with the truth on the twelve :data:`LIMB_JOINTS`, both relative to the middle of the hips (the
    joint that is that, or what lies between the hips).

    Args:
        poses: Predicted poses, metres, in camera axes.
        skeleton: Their joints.
        truth: True poses of the same frames, metres, in the axes of the same camera, wherever their origin is.
        truth_skeleton: Their joints.

    Shapes:
        ``(T, J, 3)`` and ``(T, J', 3)``.

    Raises:
        SkelgraphError: If the frames are not as many, or a layout lacks one of these joints.
    """
    if len(poses) != len(truth):
        raise SkelgraphError(f"truth is {shown(truth)}; expected {len(poses)} frames, as many as there are poses")
    pair = []
    for points, layout in ((poses, as_skeleton(skeleton)), (truth, as_skeleton(truth_skeleton))):
        middle = joints_of(points, layout, "h36m17", ("hip",))
        pair.append(torch.from_numpy(joints_of(points, layout, "coco17", LIMB_JOINTS) - middle))
    return Judgement(float(mpjpe(*pair)), float(p_mpjpe(*pair)))


def joints_of(points: np.ndarray, skeleton: Skeleton, layout: str, names: Sequence[str]) -> np.ndarray:
    """Joints of poses by their names in a layout, taken over or made of others.

    Args:
        points: ``(T, J, 3)``.
        skeleton: Their joints.
        layout: The layout that knows the names.
        names: The joints.

    Returns:
        ``(T, len(names), 3)``, float64.

    Raises:
        SkelgraphError: If the skeleton has nothing that one of them can be made of.
    """
    wanted = as_skeleton(layout)
    index = [wanted.index(name) for name in names]
    zeros = np.zeros((1, skeleton.num_joints, 3))
    there = np.isfinite(convert_keypoints(zeros, skeleton, wanted, "mask", 3, "body")[0, index]).all(-1)
    if not there.all():
        lacking = ", ".join(name for name, is_there in zip(names, there, strict=True) if not is_there)
        raise SkelgraphError(
            f"layout {label(skeleton)} has nothing that {lacking} can be made of; it has "
            f"{', '.join(map(plain, skeleton.joint_names[:60]))}"
        )
    return convert_keypoints(points.astype(np.float64), skeleton, wanted, "mask", 3, "body")[:, index]
