from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.geometry import procrustes

FLIP = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
OCTAHEDRON = torch.cat((torch.eye(3, dtype=torch.float64), -torch.eye(3, dtype=torch.float64)))


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def poses(*batch: int, joints: int = 17) -> Tensor:
    return 0.3 * torch.randn(*batch, joints, 3, dtype=torch.float64)


def reference(source: Tensor, target: Tensor, scale: bool = True) -> Tensor:
    """Umeyama's solution for one pair of poses by the singular value decomposition."""
    x, y = source - source.mean(0), target - target.mean(0)
    U, D, Vt = torch.linalg.svd(y.T @ x)
    signs = torch.tensor([1.0, 1.0, float(torch.sign(torch.det(U @ Vt)))], dtype=source.dtype)
    factor = (D * signs).sum() / x.square().sum() if scale else 1.0
    return factor * x @ (U * signs @ Vt).T + target.mean(0)


@pytest.mark.parametrize("scale", [True, False])
def test_matches_umeyama(scale: bool) -> None:
    source, target = poses(8), poses(8)
    source[-1] = target[-1] * FLIP  # mirrored: the sign correction is at work
    expected = torch.stack([reference(s, t, scale) for s, t in zip(source, target, strict=True)])
    torch.testing.assert_close(procrustes(source, target, scale), expected)


@pytest.mark.parametrize("scale", [True, False])
def test_gradients_at_generic_poses(scale: bool) -> None:
    source, target = poses(2, joints=5).requires_grad_(), poses(2, joints=5).requires_grad_()
    assert torch.autograd.gradcheck(lambda s, t: procrustes(s, t, scale), (source, target))


DEGENERATE: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "source collapsed": (lambda p: p[..., :1, :].expand_as(p), lambda p: p),
    "target collapsed": (lambda p: p, lambda p: p[..., :1, :].expand_as(p)),
    "both collapsed": (lambda p: p[..., :1, :].expand_as(p), lambda p: torch.zeros_like(p)),
    "both zero": (torch.zeros_like, torch.zeros_like),
    "source nearly collapsed": (lambda p: 5 + 1e-9 * p, lambda p: p),
    "source collinear": (lambda p: p[..., :1] * p[..., :1, :] + 5, lambda p: p),
    "target collinear": (lambda p: p, lambda p: p[..., :1] * p[..., :1, :]),
    "both collinear": (lambda p: p[..., :1] * p[..., :1, :], lambda p: -2 * p[..., :1] * p[..., :1, :]),
    "both planar": (lambda p: p * torch.tensor([1, 1, 0]), lambda p: (p + 0.1) * torch.tensor([0, 1, 1])),
    "mirrored": (lambda p: p * FLIP.to(p.dtype), lambda p: p),
    "equal": (lambda p: p, lambda p: p),
    "point-mirrored octahedron": (lambda p: OCTAHEDRON.to(p.dtype), lambda p: -OCTAHEDRON.to(p.dtype)),
    "a single joint": (lambda p: p[..., :1, :], lambda p: p[..., 1:2, :]),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("case", DEGENERATE)
def test_finite_at_degenerate_poses(case: str, scale: bool, dtype: torch.dtype) -> None:
    make_source, make_target = DEGENERATE[case]
    pose = poses(4).to(dtype)
    source, target = make_source(pose).clone().requires_grad_(), make_target(pose).clone().requires_grad_()
    aligned = procrustes(source, target, scale)
    assert aligned.isfinite().all()
    (aligned * torch.randn_like(aligned)).sum().backward()
    assert source.grad is not None
    assert target.grad is not None
    assert source.grad.isfinite().all()
    assert target.grad.isfinite().all()
    if scale:  # no worse than the centre of the target, which every similarity can reach
        worst = (target - target.mean(-2, keepdim=True)).square().sum((-2, -1))
        assert ((aligned - target).square().sum((-2, -1)) <= worst * (1 + 1e-5) + 1e-12).all()


def test_collapsed_source_goes_to_the_centre() -> None:
    target = poses(3)
    aligned = procrustes(torch.full_like(target, 2.0), target)
    torch.testing.assert_close(aligned, target.mean(-2, keepdim=True).expand_as(target))


def test_collinear_poses_align_exactly() -> None:
    source = poses(4)[..., :1] * torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
    target = -0.5 * source[..., [2, 0, 1]] + 3
    torch.testing.assert_close(procrustes(source, target), target, atol=1e-9, rtol=0)


similarity = {
    "seed": st.integers(0, 2**32),
    "log_scale": st.floats(-3, 3),
    "shift": st.lists(st.floats(-10, 10), min_size=3, max_size=3),
}


def random_similarity(points: Tensor, log_scale: float, shift: list[float]) -> Tensor:
    rotation = roma.random_rotmat(dtype=points.dtype)
    return 10**log_scale * points @ rotation.mT + torch.tensor(shift, dtype=points.dtype)


@settings(max_examples=40, deadline=None)
@given(**similarity)
def test_invariant_to_similarity_of_the_source(seed: int, log_scale: float, shift: list[float]) -> None:
    torch.manual_seed(seed)
    source, target = poses(), poses()
    moved = random_similarity(source, log_scale, shift)
    torch.testing.assert_close(procrustes(moved, target), procrustes(source, target), rtol=0, atol=1e-8)
    torch.testing.assert_close(
        procrustes(random_similarity(target, log_scale, shift), target), target, rtol=0, atol=1e-8
    )


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_reflection_is_not_allowed(seed: int) -> None:
    torch.manual_seed(seed)
    target = poses()
    aligned = procrustes(target * FLIP, target)
    assert (aligned - target).norm(dim=-1).mean() > 0.01
    handedness = [torch.det(pose[1:4] - pose[0]).sign() for pose in (aligned, target)]
    assert handedness[0] == -handedness[1]


def test_leading_dimensions_are_independent() -> None:
    source, target = poses(2, 3), poses(2, 3)
    together = procrustes(source, target)
    torch.testing.assert_close(together[1, 2], procrustes(source[1, 2], target[1, 2]))
    assert procrustes(source[:0], target[:0]).shape == (0, 3, 17, 3)
    source[0, 0, 0, 0] = torch.nan
    poisoned = procrustes(source, target)
    assert poisoned[0, 0].isnan().all()
    torch.testing.assert_close(poisoned[1], together[1])


def test_float32_and_autocast() -> None:
    source, target = poses(4) + 5, poses(4)
    exact = procrustes(source, target)
    assert procrustes(source.float(), target.float()).dtype == torch.float32
    torch.testing.assert_close(procrustes(source.float(), target.float()).double(), exact, rtol=0, atol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(procrustes(source.float(), target.float()).double(), exact, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("source", "target"), [((17, 3), (16, 3)), ((17, 2), (17, 2)), ((3,), (3,))])
def test_wrong_shapes_are_named(source: tuple[int, ...], target: tuple[int, ...]) -> None:
    with pytest.raises(SkelgraphError, match=r"expected \(\.\.\., J, 3\)"):
        procrustes(torch.zeros(source), torch.zeros(target))


def test_gradients_after_a_first_use_in_inference_mode():
    """In a process of its own, where nothing was cached before."""
    script = (
        "import torch\n"
        "from skelgraph.geometry import procrustes\n"
        "x = torch.randn(2, 5, 3)\n"
        "with torch.inference_mode():\n"
        "    procrustes(x, x + 1)\n"
        "x.requires_grad_()\n"
        "procrustes(x, torch.randn(2, 5, 3)).square().sum().backward()\n"
        "assert x.grad.isfinite().all()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
