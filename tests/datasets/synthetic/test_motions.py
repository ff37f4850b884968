from __future__ import annotations

from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelgraph.datasets.synthetic.kinematics import INDEX, LIMITS
from skelgraph.datasets.synthetic.motions import _JOG, _TREAD, _WALK, ACTIONS, _Gait, compose


def test_there_are_actions_enough() -> None:
    assert len(ACTIONS) >= 12
    assert {"Walking", "Running", "Sitting", "Squatting", "Waving", "Reaching", "Turning", "Jumping"} <= set(ACTIONS)


@pytest.mark.parametrize("action", ACTIONS)
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 10**9))
def test_performances_are_smooth_and_within_the_limits(action: str, seed: int) -> None:
    motion = compose(action, 150, 50.0, Random(seed))
    assert (motion.angles >= LIMITS[..., 0] - 1e-5).all()
    assert (motion.angles <= LIMITS[..., 1] + 1e-5).all()
    assert (motion.clearance >= 0).all()
    speed = (motion.angles[1:] - motion.angles[:-1]) * 50
    assert speed.abs().max() < 1400  # degrees per second; the elbow of a boxer is the fastest
    assert (speed[1:] - speed[:-1]).abs().max() < 600


@pytest.mark.parametrize("action", ACTIONS)
def test_an_equal_state_gives_an_equal_performance_and_another_one_another(action: str) -> None:
    first, again, other = (compose(action, 100, 50.0, Random(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.angles, again.angles)
    assert (first.heading, first.spot, first.speed) == (again.heading, again.spot, again.speed)
    assert (first.angles - other.angles).abs().mean() > 1


@pytest.mark.parametrize("action", ACTIONS)
def test_even_a_moment_can_be_performed(action: str) -> None:
    for seed in range(10):
        assert compose(action, 3, 50.0, Random(seed)).angles.isfinite().all()


def test_both_hands_are_used() -> None:
    elbows = torch.tensor([INDEX["left_elbow"], INDEX["right_elbow"]])
    at_the_ear = [compose("Phoning", 2, 50.0, Random(seed)).angles[0, elbows, 0].argmax().item() for seed in range(40)]
    assert 10 < sum(at_the_ear) < 30


@pytest.mark.parametrize("gait", [_WALK, _JOG, _TREAD])
def test_gaits_are_periodic_and_pass_near_their_samples(gait: _Gait) -> None:
    phase = torch.linspace(0, 0.9, 10, dtype=torch.float64)
    angles = torch.stack(gait.at(phase))
    torch.testing.assert_close(torch.stack(gait.at(phase + 3)), angles)
    assert (angles - torch.tensor(gait, dtype=torch.float64)).abs().max() < 5
