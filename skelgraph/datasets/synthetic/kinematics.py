"""A human rig: its joints and their limits, body sizes, forward kinematics and standing on the floor.

Axes of the rig and of every segment at rest (upright, arms hanging, palms to the thighs): x forward, y left, z up. A
joint moves the segment of the same name. Its three angles are anatomical and alike on both sides: *flexion* (trunk and
head forward, knee backward, ankle toes up), *abduction* (away from the body; pelvis, trunk and head: to the left) and
*rotation* (outwards; pelvis, trunk and head: to the left). They apply in that order, from the outside in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import roma
import torch
from torch import Tensor

from skelgraph import geometry

STATURE = 1.75  # metres; the lengths below are those of a person of this height
MAX_RADIUS = 1.4  # metres from the origin that the pelvis goes at most, so that the cameras see all of the body

Point = tuple[float, float, float]
Range = tuple[float, float]


class RigJoint(NamedTuple):
    """One joint of the rig: the parent joint, its place in the parent's segment (m), and its limits (degrees)."""

    name: str
    parent: str | None
    offset: Point
    size: str  # the field of BodySize that scales the points of the segment
    forward: int  # +1 if flexion is a turn about +y, -1 if about -y
    flexion: Range
    abduction: Range
    rotation: Range


LOCKED = (0.0, 0.0)


def _joint(
    name: str, parent: str | None, offset: Point, size: str, forward: int, *limits: Range
) -> tuple[RigJoint, ...]:
    if "*" not in name:
        return (RigJoint(name, parent, offset, size, forward, *limits),)
    x, y, z = offset
    return tuple(
        RigJoint(name.replace("*", side), (parent or "").replace("*", side), (x, sign * y, z), size, forward, *limits)
        for side, sign in (("left", 1), ("right", -1))
    )


# fmt: off
JOINTS: tuple[RigJoint, ...] = (
    *_joint("pelvis", None, (0, 0, 0), "hips", 1, (-30, 60), (-30, 30), (-30, 30)),
    *_joint("lumbar", "pelvis", (0, 0, 0), "trunk", 1, (-20, 45), (-25, 25), (-25, 25)),
    *_joint("thoracic", "lumbar", (-0.01, 0, 0.235), "trunk", 1, (-20, 40), (-25, 25), (-35, 35)),
    *_joint("neck", "thoracic", (0.01, 0, 0.25), "head", 1, (-40, 45), (-35, 35), (-65, 65)),
    *_joint("*_clavicle", "thoracic", (0.01, 0, 0.25), "shoulders", -1, LOCKED, (-8, 30), (-25, 20)),
    *_joint("*_shoulder", "*_clavicle", (-0.01, 0.18, -0.03), "arms", -1, (-55, 175), (-35, 165), (-85, 85)),
    *_joint("*_elbow", "*_shoulder", (0, 0, -0.285), "arms", -1, (3, 148), LOCKED, (-80, 80)),
    *_joint("*_wrist", "*_elbow", (0, 0, -0.255), "arms", -1, (-25, 35), (-60, 60), LOCKED),
    *_joint("*_hip", "pelvis", (0, 0.1, 0), "legs", -1, (-28, 130), (-25, 50), (-40, 45)),
    *_joint("*_knee", "*_hip", (0, 0, -0.435), "legs", 1, (2, 150), LOCKED, LOCKED),
    *_joint("*_ankle", "*_knee", (0, 0, -0.425), "legs", -1, (-45, 32), (-20, 20), (-15, 15)),
)
# fmt: on
INDEX = {joint.name: i for i, joint in enumerate(JOINTS)}
PARENTS = tuple(-1 if joint.parent is None else INDEX[joint.parent] for joint in JOINTS)
LIMITS = torch.tensor([[j.flexion, j.abduction, j.rotation] for j in JOINTS], dtype=torch.float64)  # (R, 3, 2) degrees


def _other_side(name: str) -> str:
    return name.replace("left", "\0").replace("right", "left").replace("\0", "right")


MIRROR = tuple(INDEX[_other_side(joint.name)] for joint in JOINTS)
_PAIRED = torch.tensor([i != mirror for i, mirror in enumerate(MIRROR)])

# Anatomical angle -> turn about +y, +x, +z. Away from the body is +x, +z on the left and the opposite on the right.
_SIGNS = torch.tensor(
    [
        [joint.forward, *((1, 1) if "left" in joint.name else (-1, -1) if "right" in joint.name else (-1, 1))]
        for joint in JOINTS
    ],
    dtype=torch.float64,
)


@dataclass(frozen=True)
class BodySize:
    """Stature in metres, and the proportions of a person relative to the average one; both sides are equal."""

    stature: float
    legs: float = 1.0
    hips: float = 1.0
    trunk: float = 1.0
    shoulders: float = 1.0
    arms: float = 1.0
    head: float = 1.0

    def scale(self, joint: RigJoint) -> float:
        """Return the factor for points that are fixed to the segment of a joint."""
        return float(getattr(self, joint.size)) * self.stature / STATURE

    def offsets(self) -> Tensor:
        """Return the place of every joint in the segment of its parent, metres, ``(R, 3)``."""
        scale = [1.0 if parent == -1 else self.scale(JOINTS[parent]) for parent in PARENTS]
        offsets = torch.tensor([joint.offset for joint in JOINTS], dtype=torch.float64)
        return offsets * torch.tensor(scale, dtype=torch.float64)[:, None]


class Attachment(NamedTuple):
    """A point that is fixed to the segment of a rig joint, in metres of the average person; ``*`` stands for a side."""

    joint: str
    offset: Point = (0.0, 0.0, 0.0)

    def on(self, side: str) -> Attachment:
        """Return the point on the ``"left"``, the side that it is written for, or on the ``"right"``."""
        x, y, z = self.offset
        return Attachment(self.joint.replace("*", side), (x, -y if side == "right" else y, z))


def place(attachments: Iterable[Attachment], sizes: Iterable[BodySize], rotations: Tensor, positions: Tensor) -> Tensor:
    """Return where attached points are.

    Args:
        attachments: P points.
        sizes: The person of each of C clips.
        rotations: Segment orientations from :func:`forward_kinematics`.
        positions: Joint positions from :func:`forward_kinematics`, metres.

    Shapes:
        ``(C, T, R, 3, 3)`` and ``(C, T, R, 3)`` in, ``(C, T, P, 3)`` out.
    """
    attachments = list(attachments)
    ids = [INDEX[a.joint] for a in attachments]
    rest = torch.tensor([a.offset for a in attachments], dtype=positions.dtype).reshape(-1, 3)
    scale = torch.tensor([[size.scale(JOINTS[i]) for i in ids] for size in sizes], dtype=positions.dtype)
    local = (scale[..., None] * rest)[:, None, ..., None]
    return positions[:, :, ids] + (rotations[:, :, ids] @ local).squeeze(-1)


def mirror_angles(angles: Tensor) -> Tensor:
    """Return the joint angles ``(..., R, 3)`` of the mirror image."""
    flip = torch.where(_PAIRED[:, None], 1.0, torch.tensor([1.0, -1.0, -1.0]))
    return angles[..., list(MIRROR), :] * flip


def soft_limit(angles: Tensor, margin: float = 8.0) -> Tensor:
    """Return joint angles inside :data:`LIMITS`, unchanged where they are more than ``margin`` degrees inside.

    Shapes:
        ``(..., R, 3)``, degrees.
    """
    low, high = LIMITS.to(angles).unbind(-1)
    edge = torch.minimum((high - low) / 3, torch.tensor(margin)).clamp(min=1e-6)
    low, high = low + edge, high - edge
    inside = torch.minimum(torch.maximum(angles, low), high)
    return inside + edge * torch.tanh((angles - inside) / edge)


def forward_kinematics(angles: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pose of the rig with its pelvis at the origin.

    Args:
        angles: Joint angles, degrees.
        offsets: Place of every joint in its parent's segment, metres.

    Returns:
        Orientation of every segment and position of every joint.

    Shapes:
        ``(..., R, 3)`` and ``(..., R, 3)`` in; ``(..., R, 3, 3)`` and ``(..., R, 3)`` out.
    """
    y, x, z = (angles * _SIGNS.to(angles)).unbind(-1)
    local = roma.euler_to_rotmat("YXZ", [y, x, z], degrees=True).unbind(-3)
    rotations, positions = geometry.forward_kinematics(PARENTS, local, offsets.expand_as(angles).unbind(-2))
    return torch.stack(rotations, -3), torch.stack(positions, -2)


def smooth(x: Tensor, sigma: float) -> Tensor:
    """Return ``(C, T, D)`` smoothed over time by a Gaussian of ``sigma`` frames, ends replicated."""
    radius = math.ceil(3 * sigma)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=x.dtype) / sigma) ** 2)
    padded = torch.nn.functional.pad(x.transpose(1, 2), (radius, radius), mode="replicate")
    channels = x.shape[2]
    kernel = (kernel / kernel.sum()).expand(channels, 1, -1)
    return torch.nn.functional.conv1d(padded, kernel, groups=channels).transpose(1, 2)


def stand_on_floor(
    soles: Tensor,
    others: Tensor,
    *,
    heading: Tensor,
    speed: Tensor,
    momentum: Tensor,
    turn_rate: Tensor,
    clearance: Tensor,
    frame_rate: float,
) -> tuple[Tensor, Tensor]:
    """Return the path of the pelvis that follows from feet which stay where they touch the floor.

    The lowest sole point does not move, so the pelvis moves relative to it; off the ground, or with momentum, it goes
    on at its own speed. The height of the pelvis follows from that of the lowest point of the body.

    Args:
        soles: Sole points relative to the pelvis, facing along x, metres.
        others: Other points that must not be below the floor.
        heading: Where the motion faces in the first frame, radians from x to the left.
        speed: Forward speed off the ground, metres per second.
        momentum: Share of ``speed`` in the velocity on the ground; the feet determine the rest.
        turn_rate: Turning to the left, radians per second.
        clearance: Height of the lowest point above the floor, metres.
        frame_rate: Frames per second.

    Returns:
        The heading in radians and the position of the pelvis in metres, its path centred at the origin, and
        scaled down where it would leave a circle of radius :data:`MAX_RADIUS`.

    Shapes:
        ``(C, T, P, 3)``, ``(C, T, Q, 3)``, three times ``(C,)`` and twice ``(C, T)`` in; ``(C, T)`` and ``(C, T, 3)``
        out.
    """
    softness, smear = 0.004, 0.03 * frame_rate
    height = torch.cat([soles[..., 2], others[..., 2]], -1)
    floor = softness * torch.logsumexp(-height / softness, -1)[..., None]
    root_height = torch.maximum(floor, smooth(floor, smear)) + clearance[..., None]

    weight = torch.softmax(-soles[..., 2] / 0.012, -1)[..., None]
    (motion,) = torch.gradient(soles[..., :2], spacing=1 / frame_rate, dim=1)
    spin = turn_rate[..., None, None] * torch.stack([-soles[..., 1], soles[..., 0]], -1)
    held = -(weight * (motion + spin)).sum(-2)
    free = torch.stack([speed, torch.zeros_like(speed)], -1)[:, None]
    grip = ((1 - momentum[:, None]) * torch.exp(-clearance / 0.01))[..., None]
    velocity = smooth(grip * held + (1 - grip) * free, smear)

    headings = heading[:, None] + (turn_rate.cumsum(1) - turn_rate[:, :1]) / frame_rate
    cos, sin = headings.cos(), headings.sin()
    x = cos * velocity[..., 0] - sin * velocity[..., 1]
    y = sin * velocity[..., 0] + cos * velocity[..., 1]
    path = torch.stack([x, y], -1).cumsum(1) / frame_rate
    path = path - (path.amax(1, keepdim=True) + path.amin(1, keepdim=True)) / 2
    reach = path.norm(dim=-1).amax(1)[:, None, None]
    return headings, torch.cat([path * (MAX_RADIUS / reach.clamp(min=MAX_RADIUS)), root_height], -1)
