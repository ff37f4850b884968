from __future__ import annotations

from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelgraph.datasets.synthetic.kinematics import INDEX, STATURE, BodySize, forward_kinematics
from skelgraph.datasets.synthetic.motion_curves import Motion


def motion(seconds: float = 4.0, seed: int = 0) -> Motion:
    return Motion(round(seconds * 50), 50.0, Random(seed))


def test_bend_adds_to_one_joint_or_to_both_sides() -> None:
    m = motion()
    m.bend("left_elbow", flexion=10)
    m.bend("elbow", flexion=5, rotation=1)
    assert (m.angles[:, INDEX["left_elbow"]] == torch.tensor([15.0, 0.0, 1.0])).all()
    assert (m.angles[:, INDEX["right_elbow"]] == torch.tensor([5.0, 0.0, 1.0])).all()
    assert m.angles.count_nonzero() == 4 * len(m.time)
    with pytest.raises(KeyError):
        m.bend("antenna", flexion=1)


def test_leaning_leaves_the_legs_where_they_are() -> None:
    m = motion(0.02)
    m.lean(60.0)
    _, positions = forward_kinematics(m.angles[0], BodySize(STATURE).offsets())
    _, upright = forward_kinematics(torch.zeros_like(m.angles[0]), BodySize(STATURE).offsets())
    legs = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("hip", "knee", "ankle")]
    torch.testing.assert_close(positions[legs], upright[legs])
    assert positions[INDEX["neck"], 0] > 0.3


def test_flattened_feet_are_level() -> None:
    m = motion()
    m.crouch(thigh=m.sway(30), knee=50 + m.sway(30))
    m.lean(m.sway(20))
    m.flatten_feet()
    rotations, _ = forward_kinematics(m.angles, BodySize(STATURE).offsets())
    for side in ("left", "right"):
        torch.testing.assert_close(
            rotations[:, INDEX[f"{side}_ankle"], 2], torch.tensor([[0.0, 0.0, 1.0]]).double().expand(len(m.time), 3)
        )


def test_keyframes_are_reached_at_rest_and_not_overshot() -> None:
    curve = motion().keyframes([(1.0, 5.0), (2.0, -3.0), (3.0, 4.0)])
    assert curve[[0, 50, 100, 150, 199]].tolist() == [5.0, 5.0, -3.0, 4.0, 4.0]
    assert (curve.min(), curve.max()) == (-3.0, 5.0)
    assert (curve[51] - curve[50]).abs() < 0.01


def test_a_single_keyframe_is_a_constant() -> None:
    assert (motion().keyframes([(1.0, 7.0)]) == 7.0).all()


def test_poses_interpolate_all_values_together() -> None:
    first, second = motion().poses([(0.0, (0.0, 10.0)), (4.0, (1.0, 30.0))])
    torch.testing.assert_close(10 + 20 * first, second)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_sways_are_bounded_and_slow(seed: int) -> None:
    sway = motion(seed=seed).sway(10.0)
    assert sway.abs().max() < 10 * 3 / 1.7 + 1e-9
    assert (sway[1:] - sway[:-1]).abs().max() * 50 < 2 * torch.pi * 0.9 * 10 * 3 / 1.7


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.floats(0, 1))
def test_pulses_go_up_and_down_between_zero_and_one(seed: int, strength: float) -> None:
    pulses = motion(6.0, seed).pulses(rise=0.4, hold=0.0, fall=0.3, rest=0.2, strength=strength)
    assert pulses.min() >= 0
    assert pulses.max() <= 1
    assert pulses.min() < 1e-2
    assert pulses.max() > 0.9 * (1 - strength)


def test_random_numbers_never_change() -> None:
    """They are what makes the data the same everywhere: Python promises the value of ``Random.random``."""
    assert Random("0/S1/Walking 1").random() == 0.9386905826851435
    assert motion(seed=0).uniform(0.0, 2.0) == 2 * Random(0).random()
