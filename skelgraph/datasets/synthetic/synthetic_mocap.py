"""The built-in data set: generated motion of people of several sizes, filmed by four cameras."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import roma
import torch
from torch import Tensor

from skelgraph import topology
from skelgraph.datasets.cameras import Camera
from skelgraph.datasets.human36m import H36M_SUBJECTS
from skelgraph.datasets.mocap import check_split
from skelgraph.datasets.pose_dataset import MotionClip, PoseDataset
from skelgraph.datasets.synthetic.kinematics import Attachment, BodySize, forward_kinematics, place, stand_on_floor
from skelgraph.datasets.synthetic.landmarks import attach, locate
from skelgraph.datasets.synthetic.motion_curves import Motion
from skelgraph.datasets.synthetic.motions import ACTIONS, compose
from skelgraph.errors import DataError, unknown_name
from skelgraph.geometry import look_at
from skelgraph.options import Int64, Positive, checked
from skelgraph.text import shown
from skelgraph.topology import Skeleton, SkeletonLike

FRAME_RATE = 50.0

#: The people. Their names and their split are those of Human3.6M; they are not its subjects.
BODIES = {
    "S1": BodySize(1.69, legs=0.99, hips=1.03, trunk=1.0, shoulders=0.95, arms=0.98, head=1.03),
    "S5": BodySize(1.60, legs=0.97, hips=1.06, trunk=1.03, shoulders=0.92, arms=0.96, head=1.05),
    "S6": BodySize(1.78, legs=1.02, hips=0.97, trunk=0.98, shoulders=1.04, arms=1.03, head=0.98),
    "S7": BodySize(1.74, legs=0.98, hips=1.0, trunk=1.04, shoulders=1.08, arms=1.0, head=1.0),
    "S8": BodySize(1.88, legs=1.03, hips=0.98, trunk=1.0, shoulders=1.03, arms=1.02, head=0.95),
    "S9": BodySize(1.72, legs=1.01, hips=1.02, trunk=0.99, shoulders=1.0, arms=1.01, head=1.02),
    "S11": BodySize(1.81, legs=1.0, hips=0.99, trunk=1.02, shoulders=1.05, arms=0.99, head=0.97),
}

#: How often each person of a split performs every action.
TAKES = {"train": 2, "test": 1}


def _camera(name: str, azimuth: float, distance: float, height: float, roll: float, *intrinsics: float) -> Camera:
    """Return a camera that looks at the middle of a person in the origin; angles in degrees, lengths in metres."""
    angle = math.radians(azimuth)
    centre = torch.tensor([distance * math.cos(angle), distance * math.sin(angle), height], dtype=torch.float64)
    target = torch.tensor([0.0, 0.0, 0.95], dtype=torch.float64)
    orientation = tuple(look_at(centre, target, math.radians(roll)).tolist())
    return Camera(name, 1000, 1002, intrinsics, orientation, tuple(centre.tolist()), "human36m")


#: Four cameras around the subject, similar to those of Human3.6M.
CAMERAS = (
    _camera("cam0", 48.0, 5.5, 1.5, 0.4, 1144.0, 1143.2, 511.0, 514.0, -0.205, 0.245, -0.004, -0.0010, -0.0015),
    _camera("cam1", 131.0, 5.7, 1.35, -0.3, 1148.5, 1147.0, 507.5, 507.0, -0.196, 0.238, 0.005, -0.0015, -0.0025),
    _camera("cam2", 224.0, 5.5, 1.6, -0.5, 1149.5, 1148.6, 517.0, 502.5, -0.207, 0.252, -0.003, 0.0014, -0.0008),
    _camera("cam3", 317.0, 5.9, 1.2, 0.2, 1146.0, 1145.1, 513.5, 503.0, -0.199, 0.222, -0.008, -0.0006, -0.0018),
)

_HEEL, _BIG_TOE, _SMALL_TOE = (
    Attachment("*_ankle", (x, y, -0.07)) for x, y in ((-0.05, 0), (0.17, -0.015), (0.13, 0.045))
)
_KNEE, _FINGERTIP = Attachment("*_knee", (0.05, 0, 0)), Attachment("*_wrist", (0, 0, -0.18))
_SOLES = [point.on(side) for side in ("left", "right") for point in (_HEEL, _BIG_TOE, _SMALL_TOE)]
_OTHERS = [point.on(side) for side in ("left", "right") for point in (_KNEE, _FINGERTIP)]


class SyntheticMocap(PoseDataset):
    """Generated human motion with exact ground truth: no person ever moved like this, nothing of it was captured.

    It makes a first training run possible without any download. **Its numbers are comparable to no published result**
    and say nothing about real people.

    An articulated figure with joint limits moves through named actions, made of smooth joint-angle curves in a random
    style. The feet stand on the floor at z = 0, and the way of the body follows from their contact. Every
    performance is a pure function of seed, subject, action and take: the same on every machine up to rounding, whatever
    else is generated with it.

    It works for any skeleton. Joints are found on the figure by their names; joints with unknown names are attached to
    their parents by smoothly swinging bones. If no name is known, the whole tree of joints is carried around so.

    Args:
        split: ``"train"`` (S1, S5, S6, S7, S8; two takes of each action) or ``"test"`` (S9, S11; one take).
        skeleton: The joints that are wanted.
        subjects: Other subjects for the split, of the seven.
        actions: Names of actions to generate, such as ``"Walking"``, or of takes, ``"Walking 1"``; all unless given.
        seed: Seed of the random numbers: another seed gives other performances by the same people.
        seconds: Length of a performance.
        downsample: Keep only every so many frames.
        frame_rate: Frames per second of the performances.
        bone_lengths: Length of the bone from each joint to its parent in metres for a person 1.75 m tall (any value for
            a root); by default those of the figure. With unusual lengths a pose may leave the images.
        **options: ``subset`` and ``unchecked`` of :class:`~skelgraph.datasets.PoseDataset`; data of an unusual
            skeleton may fail the plausibility checks.

    Raises:
        SkelgraphError: If there is no such split, subject or action, or another argument makes no sense.
    """

    @checked
    def __init__(
        self,
        *,
        split: str = "train",
        skeleton: SkeletonLike = "h36m17",
        subjects: Sequence[str] | None = None,
        actions: Sequence[str] | None = None,
        seed: Int64 = 0,
        seconds: float = 4.0,
        downsample: Int64 = 2,
        frame_rate: Positive = FRAME_RATE,
        bone_lengths: Sequence[float] | None = None,
        **options: Any,
    ) -> None:
        check_split(split)
        people = _select("subject", BODIES, H36M_SUBJECTS[split] if subjects is None else subjects)
        known = [*ACTIONS, *(f"{name} {take + 1}" for name in ACTIONS for take in range(TAKES["train"]))]
        names = _select("action", known, ACTIONS if actions is None else actions)
        if not 0.1 <= seconds < math.inf:
            raise DataError(f"seconds is {seconds}, expected at least 0.1.")
        skeleton = topology.as_skeleton(skeleton)
        lengths = _check_lengths(bone_lengths, skeleton)

        takes = [
            (person, f"{name} {take + 1}")
            for person in people
            for name in ACTIONS
            for take in range(TAKES["test" if person in H36M_SUBJECTS["test"] else "train"])
            if {name, f"{name} {take + 1}"} & set(names)
        ]
        if not takes:
            raise DataError(f"actions is {shown(names)}, expected takes of which {', '.join(people)} has one.")
        positions = generate(
            [(BODIES[person], action, f"{seed}/{person}/{action}") for person, action in takes],
            skeleton,
            frames=max(1, round(seconds * frame_rate)),
            frame_rate=frame_rate,
            bone_lengths=lengths,
        )
        super().__init__(
            (
                MotionClip(person, action, camera, clip)
                for (person, action), clip in zip(takes, positions, strict=True)
                for camera in CAMERAS
            ),
            skeleton=skeleton,
            name="synthetic",
            split=split,
            frame_rate=frame_rate,
            downsample=downsample,
            is_synthetic=True,
            up="z",
            sources=("synthetic", "synthetic"),
            **options,
        )

    def __repr__(self) -> str:  # noqa: D105
        return (
            f"{type(self).__name__}({len(self)}, split={shown(self.split)}, skeleton={shown(self.skeleton.name)}; "
            "generated, not captured: comparable to no published result)"
        )


def generate(
    takes: Sequence[tuple[BodySize, str, str]],
    skeleton: Skeleton,
    frames: int,
    bone_lengths: Tensor | None = None,
    frame_rate: float = FRAME_RATE,
) -> Tensor:
    """Return the world positions of a skeleton's joints in some performances, metres, z up.

    Args:
        takes: Person, action (what follows a blank does not count) and key of the random numbers, for each clip.
        skeleton: The skeleton.
        frames: Number of frames.
        bone_lengths: See :class:`SyntheticMocap`.
        frame_rate: Frames per second.

    Shapes:
        ``(C, T, J, 3)``, float64.
    """
    sizes = [size for size, _, _ in takes]
    num_branches = sum(found is None for found in attach(skeleton))
    # Python promises that seeding with a text and `random()` give the same numbers in every version.
    motions = [compose(action.split(" ")[0], frames, frame_rate, Random(key)) for _, action, key in takes]
    turns = torch.stack([_branch_turns(motion, num_branches) for motion in motions])

    angles = torch.stack([motion.angles for motion in motions])
    offsets = torch.stack([size.offsets() for size in sizes])[:, None]
    rotations, positions = forward_kinematics(angles, offsets)
    headings, path = stand_on_floor(
        place(_SOLES, sizes, rotations, positions),
        place(_OTHERS, sizes, rotations, positions),
        heading=torch.tensor([motion.heading for motion in motions], dtype=torch.float64),
        speed=torch.tensor([motion.speed for motion in motions], dtype=torch.float64),
        momentum=torch.tensor([motion.momentum for motion in motions], dtype=torch.float64),
        turn_rate=torch.stack([motion.turn_rate for motion in motions]),
        clearance=torch.stack([motion.clearance for motion in motions]),
        frame_rate=frame_rate,
    )
    upright = roma.euler_to_rotmat("z", headings[..., None])[:, :, None]
    path[..., :2] += torch.tensor([motion.spot for motion in motions])[:, None]
    positions = (upright @ positions[..., None]).squeeze(-1) + path[:, :, None]
    return locate(skeleton, sizes, upright @ rotations, positions, turns, bone_lengths)


def _branch_turns(motion: Motion, count: int) -> Tensor:
    """Return smooth noise for joints without a known name, ``(T, count, 3)``."""
    turns = motion.time.new_zeros(len(motion.time), count, 3)
    for joint in range(count):
        for axis in range(3):
            turns[:, joint, axis] = motion.sway(1.0)
    return turns


def _select(kind: str, known: Iterable[str], wanted: Iterable[str]) -> list[str]:
    if isinstance(wanted, str):
        raise DataError(f"{kind}s is {shown(wanted)}, expected a sequence of names.")
    names = list(wanted)
    for name in names:
        if name not in known:
            raise unknown_name(kind, str(name), known)
        if names.count(name) > 1:
            raise DataError(f"{kind}s: {shown(name)} occurs more than once.")
    if not names:
        raise DataError(f"{kind}s is empty, expected at least one of: {', '.join(known)}.")
    return names


def _check_lengths(bone_lengths: Sequence[float] | None, skeleton: Skeleton) -> Tensor | None:
    if bone_lengths is None:
        return None
    lengths = torch.as_tensor(bone_lengths, dtype=torch.float64)
    if lengths.shape != (skeleton.num_joints,):
        raise DataError(
            f"bone_lengths has shape {tuple(lengths.shape)}, expected one for each of {skeleton.num_joints} joints."
        )
    bones = [child for _, child in skeleton.edges]
    if not (lengths[bones].isfinite() & (lengths[bones] > 0)).all():
        raise DataError(f"bone_lengths is {lengths.tolist()}, expected positive numbers.")
    return lengths
