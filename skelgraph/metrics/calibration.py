"""How well expected errors fit the true ones."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from skelgraph.errors import SkelgraphError


def error_calibration(expected: Tensor, error: Tensor, groups: int = 10) -> dict[str, Any]:
    r"""Compare expected errors of joints with the true ones, whatever tells them: a head, or the spread of answers.

    An expected error :math:`s` is right if it is the root of the expected square of the distance :math:`e`, in all
    joints for which it is told alike. Were errors normal and alike in all directions, 61 % of the joints would be
    within :math:`s` and 99 % within :math:`2 s`.

    Args:
        expected: Expected errors, metres, above 0, of any shape.
        error: True errors, the distances of the joints from their true positions, metres, of the same shape.
        groups: How many groups of equal size ``groups`` has at most.

    Returns:
        Plain numbers by their names: ``within_1`` and ``within_2``, the shares of joints within once and twice their
        expected error; ``mean_expected_mm``, ``rms_expected_mm`` and ``rms_error_mm``, the mean and the roots of the
        mean squares; ``likelihood_loss``, the mean of :math:`\log s + e^2 / (2 s^2)` in metres, which no :math:`s` that
        is wrong makes smaller; and ``groups``: the joints in the order of their expected errors, in parts of equal size
        (by 10: deciles), each with its ``expected_mm`` and ``error_mm``, roots of mean squares. NaN where there are no
        joints.

    Raises:
        SkelgraphError: If the shapes differ.

    Example:
        >>> import torch
        >>> error_calibration(torch.tensor([0.01, 0.1]), torch.tensor([0.03, 0.05]), groups=2)["groups"]
        [{'expected_mm': 10.0, 'error_mm': 30.0}, {'expected_mm': 100.0, 'error_mm': 50.0}]
    """
    if expected.shape != error.shape:
        raise SkelgraphError(f"expected has shape {tuple(expected.shape)} and error {tuple(error.shape)}; expected one")
    expected, error = expected.flatten().double(), error.flatten().double()
    order = expected.argsort(stable=True)
    parts = (part for part in order.tensor_split(groups) if len(part))
    return {
        "within_1": float((error <= expected).double().mean()),
        "within_2": float((error <= 2 * expected).double().mean()),
        "mean_expected_mm": float(1000 * expected.mean()),
        "rms_expected_mm": _rms_mm(expected),
        "rms_error_mm": _rms_mm(error),
        "likelihood_loss": float((expected.log() + (error / expected).square() / 2).mean()),
        "groups": [{"expected_mm": _rms_mm(expected[part]), "error_mm": _rms_mm(error[part])} for part in parts],
    }


def _rms_mm(metres: Tensor) -> float:
    return round(float(1000 * metres.square().mean().sqrt()), 6)
