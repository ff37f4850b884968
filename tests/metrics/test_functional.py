from __future__ import annotations

import doctest
from collections.abc import Callable
from typing import Any

import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import skelgraph.metrics.functional
from skelgraph.errors import SkelgraphError
from skelgraph.metrics import (
    AUC31_THRESHOLDS_MM,
    AUC_THRESHOLDS_MM,
    auc,
    joint_error,
    mpjpe,
    mpjve,
    n_mpjpe,
    p_mpjpe,
    pck,
)

LoadGolden = Callable[[str], Any]
Metric = Callable[[Tensor, Tensor], Tensor]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def poses(*batch: int, joints: int = 17) -> Tensor:
    return 0.3 * torch.randn(*batch, joints, 3, dtype=torch.float64)


def test_docstring_examples() -> None:
    results = doctest.testmod(skelgraph.metrics.functional, optionflags=doctest.ELLIPSIS)
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("name", ["protocol_metrics", "protocol_metrics_16j"])
def test_match_golden(name: str, golden: LoadGolden) -> None:
    g = golden(name)
    pred, target = g["in/pred"], g["in/target"]
    g.assert_close(mpjpe(pred, target) / 1000, "out/mpjpe")
    g.assert_close(joint_error(pred, target).mean(-1) / 1000, "out/mpjpe_per_sample")
    g.assert_close(joint_error(pred, target, align="root").mean() / 1000, "out/mpjpe_root_aligned")
    g.assert_close(p_mpjpe(pred, target) / 1000, "out/p_mpjpe")
    aligned = joint_error(pred, target, align="procrustes").mean(-1) / 1000
    g.assert_close(aligned, "out/p_mpjpe_per_sample")
    g.assert_close(aligned, "out/rigid_align_per_sample")
    g.assert_close(n_mpjpe(pred, target) / 1000, "out/n_mpjpe")
    g.assert_close(mpjve(pred, target) / 1000, "out/mpjve")
    not_root = torch.ones(pred.shape[-2], 1, dtype=pred.dtype)
    not_root[0] = 0
    g.assert_close(mpjpe(pred * not_root, target * not_root) / 1000, "out/mpjpe_root_zeroed")


@pytest.mark.parametrize("name", ["protocol_metrics", "protocol_metrics_16j"])
def test_pck_and_auc_match_golden(name: str, golden: LoadGolden) -> None:
    g = golden(name)
    pred, target = g["in/pred"], g["in/target"]
    # The fractions of variant A are stored in float32.
    float32 = g.meta["tolerance"]["float32"]
    torch.testing.assert_close(pck(pred, target) / 100, g["out/pck150_graphmlp"], **float32)
    torch.testing.assert_close(pck(pred, target) / 100 * len(pred), g["out/pck150_graphmlp_sum_over_batch"], **float32)
    torch.testing.assert_close(auc(pred, target) / 100, g["out/auc_graphmlp"], **float32)
    g.assert_close(pck(pred, target), "out/pck150_percent")
    g.assert_close(auc(pred, target, AUC31_THRESHOLDS_MM), "out/auc31_percent")
    thresholds = g["in/pck_thresholds_mm"].tolist()
    assert thresholds == list(AUC31_THRESHOLDS_MM)
    g.assert_close(torch.stack([pck(pred, target, t) for t in thresholds]), "out/pck_curve_percent")


def test_exact_p2_per_action_matches_golden(golden: LoadGolden) -> None:
    g = golden("protocol_action_average")
    pred, target = g["in/pred"][:, 0], g["in/target"][:, 0]
    label = [str(text).split(" ")[0] for text in g.arrays["in/labels"]]
    rows = [[i for i, name in enumerate(label) if name == action] for action in g.arrays["in/actions"]]
    p1, p2 = (torch.stack([metric(pred[r], target[r]) for r in rows]) for metric in (mpjpe, p_mpjpe))
    g.assert_close(p1, "out/p1_mm")
    g.assert_close(p1.mean(), "out/avg_p1_mm")
    g.assert_close(p2, "out/p2_mm_exact")
    g.assert_close(p2.mean(), "out/avg_p2_mm_exact")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_invariances(seed: int, scale: float, shift: float) -> None:
    torch.manual_seed(seed)
    pred, target = poses(3), poses(3)
    rotation = roma.random_rotmat(dtype=torch.float64)
    close: dict[str, Any] = {"rtol": 1e-7, "atol": 1e-6}
    torch.testing.assert_close(p_mpjpe(scale * pred @ rotation.mT + shift, target), p_mpjpe(pred, target), **close)
    torch.testing.assert_close(n_mpjpe(scale * pred, target), n_mpjpe(pred, target), **close)
    torch.testing.assert_close(
        mpjpe(pred @ rotation.mT + shift, target @ rotation.mT + shift), mpjpe(pred, target), **close
    )
    torch.testing.assert_close(mpjve(pred + shift, target), mpjve(pred, target), **close)
    torch.testing.assert_close(
        joint_error(pred + shift, target, align="root"), joint_error(pred, target, align="root"), **close
    )
    # Least squares: no alignment is worse than leaving the pose as it is.
    squared = joint_error(pred, target).square().sum(-1)
    scaled = joint_error(pred, target, align="scale").square().sum(-1)
    aligned = joint_error(pred, target, align="procrustes").square().sum(-1)
    assert (scaled <= squared).all()
    assert (aligned <= squared).all()


def test_reflection_is_an_error() -> None:
    target = poses(4)
    assert p_mpjpe(target * torch.tensor([-1, 1, 1]), target) > 10


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), thresholds=st.lists(st.integers(0, 400), min_size=1, max_size=8))
def test_auc_is_the_mean_of_pck(seed: int, thresholds: list[int]) -> None:
    torch.manual_seed(seed)
    target = torch.zeros(5, 4, 3, dtype=torch.float64)
    pred = target.clone()
    pred[..., 0] = torch.randint(0, 400, (5, 4)) / 1000  # millimetres, so that some errors equal a threshold
    expected = torch.stack([(joint_error(pred, target) < t).double().mean() for t in thresholds]).mean() * 100
    torch.testing.assert_close(auc(pred, target, thresholds), expected)
    torch.testing.assert_close(torch.stack([pck(pred, target, t) for t in thresholds]).mean(), expected)


def test_threshold_is_strict() -> None:
    target = torch.zeros(1, 1, 3, dtype=torch.float64)
    pred = torch.tensor([[[0.125, 0.0, 0.0]]], dtype=torch.float64)  # exactly 125 mm
    assert pck(pred, target, 125.0) == 0
    assert pck(pred, target, 125.001) == 100
    assert len(AUC_THRESHOLDS_MM) == 150
    torch.testing.assert_close(auc(pred, target), torch.tensor(100 * 24 / 150, dtype=torch.float64))  # 126 ... 149


@pytest.mark.parametrize("metric", [mpjpe, p_mpjpe, n_mpjpe, mpjve])
def test_gradients(metric: Metric) -> None:
    pred, target = poses(3, joints=5).requires_grad_(), poses(3, joints=5).requires_grad_()
    assert torch.autograd.gradcheck(metric, (pred, target))


@pytest.mark.parametrize("metric", [mpjpe, p_mpjpe, n_mpjpe, mpjve])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gradients_are_finite_at_a_collapsed_prediction(metric: Metric, dtype: torch.dtype) -> None:
    """What an untrained network or a perfect one puts out."""
    target = poses(3).to(dtype)
    for start in (torch.zeros_like(target), target.clone()):
        pred = start.requires_grad_()
        error = metric(pred, target)
        error.backward()
        assert error.isfinite()
        assert error.dtype == dtype
        assert pred.grad is not None
        assert pred.grad.isfinite().all()


def test_mpjve_of_a_batch_of_clips_is_the_mean_over_clips() -> None:
    pred, target = poses(2, 6), poses(2, 6)
    expected = (mpjve(pred[0], target[0]) + mpjve(pred[1], target[1])) / 2
    torch.testing.assert_close(mpjve(pred, target), expected)
    assert mpjve(pred[0, :1], target[0, :1]).isnan()


def test_nan_propagates() -> None:
    pred, target = poses(2), poses(2)
    pred[0, 0, 0] = torch.nan
    for metric in (mpjpe, p_mpjpe, n_mpjpe, mpjve):
        assert metric(pred, target).isnan()
    assert pck(pred, target, 1e9) == 100 * (1 - 1 / 34)


@pytest.mark.parametrize("metric", [mpjpe, p_mpjpe, n_mpjpe, mpjve, pck, auc])
@pytest.mark.parametrize(
    ("pred", "target"), [((4, 17, 3), (4, 16, 3)), ((4, 17, 2), (4, 17, 2)), ((4, 17, 3), (17, 3))]
)
def test_wrong_shapes_are_named(metric: Metric, pred: tuple[int, ...], target: tuple[int, ...]) -> None:
    with pytest.raises(SkelgraphError, match=r"expected \(\.\.\., J, 3\)"):
        metric(torch.zeros(pred), torch.zeros(target))


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(SkelgraphError, match="align is 'rigid'"):
        joint_error(torch.zeros(17, 3), torch.zeros(17, 3), align="rigid")  # type: ignore[arg-type]
    with pytest.raises(SkelgraphError, match=r"\(\.\.\., T, J, 3\)"):
        mpjve(torch.zeros(17, 3), torch.zeros(17, 3))
