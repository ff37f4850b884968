"""Expected errors against true ones, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.metrics import error_calibration


def test_by_hand() -> None:
    expected, error = torch.tensor([[0.2, 0.1], [0.01, 0.02]]), torch.tensor([[0.1, 0.15], [0.03, 0.02]])
    found = error_calibration(expected, error, groups=3)
    assert found["within_1"] == 0.5
    assert found["within_2"] == 0.75
    assert found["mean_expected_mm"] == pytest.approx(82.5)
    assert found["rms_expected_mm"] == pytest.approx(1000 * math.sqrt((0.04 + 0.01 + 0.0001 + 0.0004) / 4))
    assert found["rms_error_mm"] == pytest.approx(1000 * math.sqrt((0.01 + 0.0225 + 0.0009 + 0.0004) / 4))
    each = [math.log(s) + e * e / (2 * s * s) for s, e in ((0.2, 0.1), (0.1, 0.15), (0.01, 0.03), (0.02, 0.02))]
    assert found["likelihood_loss"] == pytest.approx(sum(each) / 4)
    # in the order of what is expected, the first group is the larger one
    assert [g["error_mm"] for g in found["groups"]] == pytest.approx([1000 * math.sqrt(0.0013 / 2), 150.0, 100.0])
    assert [g["expected_mm"] for g in found["groups"]] == pytest.approx([1000 * math.sqrt(0.0005 / 2), 100.0, 200.0])


def test_normal_errors_are_within_as_often_as_is_said() -> None:
    generator = torch.Generator().manual_seed(0)
    scale = 0.01 + 0.2 * torch.rand(200_000, generator=generator)
    error = (scale[:, None] / math.sqrt(3) * torch.randn(200_000, 3, generator=generator)).norm(dim=-1)
    found = error_calibration(scale, error)
    assert found["within_1"] == pytest.approx(0.608, abs=0.005)
    assert found["within_2"] == pytest.approx(0.993, abs=0.002)
    assert len(found["groups"]) == 10
    for group in found["groups"]:
        assert group["error_mm"] == pytest.approx(group["expected_mm"], rel=0.02)
    for wrong in (0.8, 1.2):
        assert error_calibration(wrong * scale, error)["likelihood_loss"] > found["likelihood_loss"]


def test_few_or_none_and_what_does_not_fit() -> None:
    assert len(error_calibration(torch.ones(3), torch.ones(3))["groups"]) == 3
    assert math.isnan(error_calibration(torch.ones(0), torch.ones(0))["rms_error_mm"])
    with pytest.raises(SkelgraphError, match=r"expected has shape \(3,\) and error \(2,\)"):
        error_calibration(torch.ones(3), torch.ones(2))
