import math

import numpy as np
import pytest

from skelgraph.errors import SkelgraphError
from skelgraph.lifting import OneEuro, OneEuroFilter


def by_hand(values: list[float], rate: float, fmin: float, beta: float, fd: float) -> list[float]:
    """The recursion of the paper for one number, written down with its time constants."""
    time = 1 / rate

    def alpha(cutoff: float) -> float:
        tau = 1 / (2 * math.pi * cutoff)
        return 1 / (1 + tau / time)

    out = [values[0]]
    speed = 0.0
    for x in values[1:]:
        speed = alpha(fd) * (x - out[-1]) * rate + (1 - alpha(fd)) * speed
        a = alpha(fmin + beta * abs(speed))
        out.append(a * x + (1 - a) * out[-1])
    return out


def run(values: np.ndarray, rate: float, settings: OneEuro) -> np.ndarray:
    smooth = OneEuroFilter(settings, rate)
    return np.stack([smooth(value) for value in values])


def test_against_hand_values() -> None:
    """1 Hz, cutoff 1/(2 pi) Hz, so that alpha is 1/2 for the derivative; beta 1 adds the speed."""
    one = 1 / (2 * math.pi)
    # x = 0, 1: speed 1/2, cutoff (1/2 + 1 / (2 pi)), tau = 1 / (pi + 1), alpha = (pi + 1) / (pi + 2)
    made = run(np.array([[0.0], [1.0]]), 1.0, OneEuro(one, 1.0, one))
    assert made[1, 0] == pytest.approx((math.pi + 1) / (math.pi + 2))
    # without beta each step goes half the way
    assert run(np.array([[0.0], [8], [8], [8]]), 1.0, OneEuro(one, 0.0, one)).ravel() == pytest.approx([0, 4, 6, 7])


@pytest.mark.parametrize("rate", [29.97, 60.0])
def test_each_coordinate_is_filtered_by_its_own_speed(rate: float) -> None:
    values = np.random.default_rng(0).normal(size=(40, 3, 3)) * [0.01, 0.3, 2]
    made = run(values, rate, OneEuro(1.2, 0.7, 1.5))
    for joint in range(3):
        for axis in range(3):
            np.testing.assert_allclose(made[:, joint, axis], by_hand([*values[:, joint, axis]], rate, 1.2, 0.7, 1.5))


def test_a_gap_is_held_and_counts_as_time() -> None:
    values = np.array([[np.nan, 1.0], [0.0, 2], [4, np.nan], [np.nan, np.nan], [5, 3]])
    made = run(values, 10.0, OneEuro())
    assert np.isnan(made[0, 0])
    assert made[1, 0] == 0, "its first value"
    assert made[3].tolist() == made[2].tolist()
    assert made[2, 1] == made[1, 1]
    slow = OneEuroFilter(OneEuro(), 10 / 3)  # three frames passed since its last value
    slow._value, slow._speed, slow._elapsed = np.array([made[1, 1]]), np.array([0.0]), np.zeros(1)
    reference = OneEuroFilter(OneEuro(), 10.0)
    for value in (1.0, 2.0):
        reference(np.array([value]))
    slow._speed = reference._speed
    assert made[4, 1] == pytest.approx(slow(np.array([3.0]))[0])


def test_trembling_goes_and_fast_movement_is_followed() -> None:
    rng, time = np.random.default_rng(0), np.arange(300) / 30
    truth = np.where(time < 5, 0, 3 * (time - 5))[:, None]  # at rest, then 3 m/s
    noisy = truth + rng.normal(size=truth.shape) * 0.01
    made = run(noisy, 30.0, OneEuro())
    assert made[30:140].std() < 0.5 * noisy[30:140].std()
    assert np.abs(made - truth)[-60:].mean() < 0.05


@pytest.mark.parametrize(("name", "value"), [("min_cutoff", 0.0), ("beta", -1.0), ("derivative_cutoff", float("nan"))])
def test_settings_are_checked(name: str, value: float) -> None:
    with pytest.raises(SkelgraphError, match=f"OneEuro: {name} is {value}"):
        OneEuro(**{name: value})
