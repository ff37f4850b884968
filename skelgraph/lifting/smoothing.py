"""Less trembling, at the price of little delay: the One-Euro filter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from skelgraph.options import NotNegative, Positive, check_options


@dataclass(frozen=True)
class OneEuro:
    r"""Settings of the One-Euro filter of `"1€ Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
    Interactive Systems" <https://doi.org/10.1145/2207676.2208639>`_, a low-pass filter that follows fast movements.

    Each coordinate :math:`x` of each joint is smoothed exponentially with a cutoff frequency that rises with its own,
    smoothed speed, :math:`\Delta t` after the frame before:

    .. math::
        \dot x_t &= \alpha(f_d) \, \frac{x_t - \hat x_{t-1}}{\Delta t} + (1 - \alpha(f_d)) \, \dot x_{t-1} \\
        \hat x_t &= \alpha(f) \, x_t + (1 - \alpha(f)) \, \hat x_{t-1}, \quad f = f_{min} + \beta |\dot x_t|,
        \quad \alpha(f) = \frac{1}{1 + 1 / (2 \pi f \Delta t)}

    Args:
        min_cutoff: :math:`f_{min}`, hertz: lower, and what is at rest trembles less.
        beta: :math:`\beta`, hertz for each metre per second: higher, and what is fast lags behind less.
        derivative_cutoff: :math:`f_d`, hertz.

    Raises:
        SkelgraphError: If a cutoff is not positive or ``beta`` is negative.
    """

    min_cutoff: Positive = 2.0
    beta: NotNegative = 5.0
    derivative_cutoff: Positive = 1.0

    def __post_init__(self) -> None:  # noqa: D105
        check_options(type(self), vars(self), type(self).__name__)


class OneEuroFilter:
    """One-Euro filter of arrays, one after another; it needs no later ones.

    Args:
        settings: The settings.
        frame_rate: How many arrays there are in a second.
    """

    def __init__(self, settings: OneEuro, frame_rate: float) -> None:
        self.settings = settings
        self._frame_time = 1 / frame_rate
        self._value: np.ndarray | None = None
        self._speed = np.zeros(())
        self._elapsed = np.zeros(())

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Filter the next array, of the shape of those before.

        A coordinate that is NaN keeps its last filtered value, NaN if there is none; the next one counts as later by
        the frames between.
        """
        if self._value is None:
            self._value, self._speed = np.full(values.shape, np.nan), np.zeros(values.shape)
            self._elapsed = np.zeros(values.shape)
        self._elapsed += self._frame_time
        known, first = np.isfinite(values), np.isnan(self._value)
        time = self._elapsed
        with np.errstate(invalid="ignore"):
            share = _share(self.settings.derivative_cutoff, time)
            speed = share * (values - self._value) / time + (1 - share) * self._speed
            share = _share(self.settings.min_cutoff + self.settings.beta * np.abs(speed), time)
            value = share * values + (1 - share) * self._value
        self._speed = np.where(known & ~first, speed, self._speed)
        self._value = np.where(known, np.where(first, values, value), self._value)
        self._elapsed = np.where(known, 0, self._elapsed)
        return self._value.copy()


def _share(cutoff: np.ndarray | float, time: np.ndarray) -> np.ndarray:
    return 1 / (1 + 1 / (2 * math.pi * cutoff * time))
