from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from skelgraph.datasets.synthetic.kinematics import (
    INDEX,
    JOINTS,
    LIMITS,
    MAX_RADIUS,
    MIRROR,
    STATURE,
    Attachment,
    BodySize,
    forward_kinematics,
    mirror_angles,
    place,
    smooth,
    soft_limit,
    stand_on_floor,
)

AVERAGE = BodySize(STATURE)


def pose(size: BodySize = AVERAGE, **flexion: float) -> dict[str, Tensor]:
    """Joint positions with some joints flexed."""
    angles = torch.zeros(len(JOINTS), 3, dtype=torch.float64)
    for joint, angle in flexion.items():
        angles[INDEX[joint], 0] = angle
    return dict(zip(INDEX, forward_kinematics(angles, size.offsets())[1], strict=True))


def test_at_rest_the_rig_stands_upright_facing_x() -> None:
    rest = pose()
    assert rest["neck"][2] > rest["thoracic"][2] > 0 > rest["left_hip"][2] - 1e-9 > rest["left_knee"][2]
    assert rest["left_knee"][2] > rest["left_ankle"][2]
    for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"):
        left, right = rest[f"left_{joint}"], rest[f"right_{joint}"]
        torch.testing.assert_close(left, right * torch.tensor([1.0, -1.0, 1.0]))
        assert left[1] > 0
    legs = rest["left_hip"][2] - rest["left_ankle"][2]
    assert 0.4 * STATURE < legs < 0.55 * STATURE


def test_flexion_bends_every_joint_the_human_way() -> None:
    assert pose(left_elbow=90)["left_wrist"][0] > 0.2  # the forearm comes forward
    assert pose(left_shoulder=90)["left_elbow"][0] > 0.2  # the arm comes forward
    assert pose(right_hip=90)["right_knee"][0] > 0.4  # the thigh comes forward
    assert pose(right_knee=90)["right_ankle"][0] < -0.4  # the shank goes backward
    assert pose(lumbar=45)["neck"][0] > 0.3  # the trunk bows


@pytest.mark.parametrize(("axis", "joint", "end"), [(1, "shoulder", "elbow"), (1, "hip", "knee")])
def test_abduction_moves_limbs_away_from_the_body(axis: int, joint: str, end: str) -> None:
    angles = torch.zeros(len(JOINTS), 3, dtype=torch.float64)
    angles[INDEX[f"left_{joint}"], axis] = angles[INDEX[f"right_{joint}"], axis] = 30
    moved = dict(zip(INDEX, forward_kinematics(angles, AVERAGE.offsets())[1], strict=True))
    assert moved[f"left_{end}"][1] > pose()[f"left_{end}"][1] + 0.1
    assert moved[f"right_{end}"][1] < pose()[f"right_{end}"][1] - 0.1


def test_mirrored_angles_give_the_mirror_image() -> None:
    generator = torch.Generator().manual_seed(0)
    angles = 80 * torch.randn(5, len(JOINTS), 3, generator=generator, dtype=torch.float64)
    _, positions = forward_kinematics(angles, AVERAGE.offsets())
    _, mirrored = forward_kinematics(mirror_angles(angles), AVERAGE.offsets())
    torch.testing.assert_close(mirrored, positions[:, list(MIRROR)] * torch.tensor([1.0, -1.0, 1.0]))


def test_bones_keep_their_lengths() -> None:
    generator = torch.Generator().manual_seed(1)
    angles = 80 * torch.randn(20, len(JOINTS), 3, generator=generator, dtype=torch.float64)
    _, positions = forward_kinematics(angles, AVERAGE.offsets())
    for joint in JOINTS[1:]:
        bone = positions[:, INDEX[joint.name]] - positions[:, INDEX[joint.parent or ""]]
        expected = torch.tensor(joint.offset, dtype=torch.float64).norm().expand(20)
        torch.testing.assert_close(bone.norm(dim=-1), expected)


def test_body_sizes_scale_their_parts_and_are_symmetric() -> None:
    rest, tall = pose(), pose(BodySize(2 * STATURE, arms=1.5))
    torch.testing.assert_close(tall["neck"], 2 * rest["neck"])
    upper_arm = (tall["left_elbow"] - tall["left_shoulder"]).norm()
    torch.testing.assert_close(upper_arm, 3 * (rest["left_elbow"] - rest["left_shoulder"]).norm())
    offsets = BodySize(1.6, legs=0.9, hips=1.2, shoulders=0.8).offsets()
    torch.testing.assert_close(offsets[list(MIRROR)], offsets * torch.tensor([1.0, -1.0, 1.0]))


def test_place_follows_the_segment() -> None:
    angles = torch.zeros(1, 1, len(JOINTS), 3, dtype=torch.float64)
    angles[..., INDEX["left_elbow"], 0] = 90
    rotations, positions = forward_kinematics(angles, AVERAGE.offsets())
    (tip,) = place([Attachment("*_wrist", (0, 0, -0.18)).on("left")], [AVERAGE], rotations, positions)[0, 0]
    torch.testing.assert_close(tip - positions[0, 0, INDEX["left_wrist"]], torch.tensor([0.18, 0, 0]).double())


@given(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3))
def test_soft_limit_keeps_every_angle_inside(angles: list[float]) -> None:
    limited = soft_limit(torch.tensor(angles, dtype=torch.float64).expand(len(JOINTS), 3))
    assert (limited >= LIMITS[..., 0] - 1e-5).all()
    assert (limited <= LIMITS[..., 1] + 1e-5).all()


def test_soft_limit_leaves_the_middle_alone() -> None:
    middle = LIMITS.mean(-1)
    torch.testing.assert_close(soft_limit(middle), middle, atol=1e-5, rtol=0)


def test_smoothing_keeps_constants_and_removes_jitter() -> None:
    torch.testing.assert_close(smooth(torch.full((2, 9, 3), 4.0), 1.5), torch.full((2, 9, 3), 4.0))
    jitter = torch.tensor([1.0, -1.0]).repeat(10)[None, :, None]
    assert smooth(jitter, 1.5)[0, 5:-5].abs().max() < 0.05


def walk(frames: int = 100, **curves: Any) -> tuple[Tensor, Tensor]:
    """Let two soles 0.9 m below the pelvis slide back at 1 m/s."""
    soles = torch.zeros(1, frames, 2, 3, dtype=torch.float64)
    soles[..., 0] = -torch.arange(frames).double()[:, None] / 50
    soles[..., 2] = -0.9
    zero, still = torch.zeros(1).double(), torch.zeros(1, frames).double()
    arguments = {"heading": zero, "speed": zero, "momentum": zero, "turn_rate": still, "clearance": still} | curves
    headings, path = stand_on_floor(soles, soles[:, :, :0], **arguments, frame_rate=50)
    return headings[0], path[0]


def test_the_pelvis_moves_against_the_standing_foot() -> None:
    headings, path = walk(heading=torch.tensor([math.pi / 2], dtype=torch.float64))
    torch.testing.assert_close(headings, torch.full_like(headings, math.pi / 2))
    velocity = (path[1:] - path[:-1]) * 50
    torch.testing.assert_close(velocity, torch.tensor([[0.0, 1.0, 0.0]]).double().expand(99, 3))
    assert ((path[:, 2] >= 0.9) & (path[:, 2] < 0.91)).all()
    torch.testing.assert_close(path[0, :2], -path[-1, :2])


def test_off_the_ground_the_pelvis_goes_on_at_its_own_speed() -> None:
    _, path = walk(clearance=torch.ones(1, 100).double(), speed=torch.tensor([0.5], dtype=torch.float64))
    torch.testing.assert_close((path[1:, 0] - path[:-1, 0]) * 50, torch.full((99,), 0.5).double())
    assert (path[:, 2] > 1.9).all()


def test_the_pelvis_stays_within_its_radius() -> None:
    assert walk(frames=1000)[1][:, :2].norm(dim=-1).max() == pytest.approx(MAX_RADIUS)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31))
def test_nothing_is_below_the_floor(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(1, 30, 4, 3, generator=generator, dtype=torch.float64)
    _, path = stand_on_floor(
        points[:, :, :2],
        points[:, :, 2:],
        heading=torch.zeros(1).double(),
        speed=torch.zeros(1).double(),
        momentum=torch.zeros(1).double(),
        turn_rate=torch.zeros(1, 30).double(),
        clearance=torch.zeros(1, 30).double(),
        frame_rate=50,
    )
    assert (points[..., 2] + path[:, :, None, 2]).min() >= -1e-9
