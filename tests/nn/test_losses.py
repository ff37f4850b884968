"""Training losses on poses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.metrics import p_mpjpe
from skelgraph.nn import aligned_pose_loss, mpjpe_loss, of_visible, p_mpjpe_loss

FLIP = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
OCTAHEDRON = torch.cat((torch.eye(3, dtype=torch.float64), -torch.eye(3, dtype=torch.float64)))


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def poses(*batch: int, joints: int = 17) -> Tensor:
    return 0.3 * torch.randn(*batch, joints, 3, dtype=torch.float64)


def usual_evaluation(pred: np.ndarray, target: np.ndarray) -> float:
    """P-MPJPE of one pose pair by the definition: centre, normalise, rotate, scale."""
    p0, t0 = pred - pred.mean(0), target - target.mean(0)
    p_norm, t_norm = np.linalg.norm(p0), np.linalg.norm(t0)
    U, s, Vt = np.linalg.svd((t0 / t_norm).T @ (p0 / p_norm))
    signs = np.array([1, 1, np.sign(np.linalg.det(Vt.T @ U.T))])
    R = Vt.T @ np.diag(signs) @ U.T
    scale = (s * signs).sum() * t_norm / p_norm
    aligned = scale * pred @ R + target.mean(0) - scale * pred.mean(0) @ R
    return float(np.linalg.norm(aligned - target, axis=-1).mean())


@pytest.mark.parametrize("grad", ["full", "detached"])
def test_p_mpjpe_loss_is_the_usual_evaluation_in_metres(grad):
    pred, target = poses(50), poses(50)
    pred[:5] = target[:5] * FLIP  # a reflection would fit better: it is not allowed
    expected = np.mean([usual_evaluation(p, t) for p, t in zip(pred.numpy(), target.numpy(), strict=True)])
    loss = p_mpjpe_loss(pred, target, grad)
    assert abs(float(loss) - expected) < 1e-14
    assert abs(1000 * float(loss) - float(p_mpjpe(pred, target))) < 1e-11


@pytest.mark.parametrize("reflected", [False, True])
def test_full_gradient_is_exact(reflected):
    target = poses(2, joints=6)
    pred = target * (FLIP if reflected else 1) + 0.05 * poses(2, joints=6)
    leaves = (pred.requires_grad_(), target.requires_grad_())
    assert torch.autograd.gradcheck(p_mpjpe_loss, leaves)
    assert torch.autograd.gradcheck(aligned_pose_loss, leaves)


def test_full_gradient_is_invariant_to_similarities_and_the_detached_one_is_not():
    """Scaling, turning or moving the prediction does not change the loss: the full gradient knows that."""
    pred, target = poses(), poses()
    turn = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 0]], dtype=torch.float64)
    slopes = {}
    for grad in ("full", "detached"):
        leaf = pred.clone().requires_grad_()
        p_mpjpe_loss(leaf, target, grad).backward()
        slopes[grad] = torch.stack([(leaf.grad * along).sum() for along in (pred, pred @ turn, torch.ones_like(pred))])
    assert slopes["full"].abs().max() < 1e-9  # damped by 1e-10 of itself
    assert slopes["detached"][:2].abs().min() > 1e-4
    assert slopes["detached"][2].abs() < 1e-14


def test_detached_gradient_holds_the_alignment_constant():
    pred, target = poses(joints=5), poses(joints=5)
    leaf = pred.clone().requires_grad_()
    p_mpjpe_loss(leaf, target, "detached").backward()
    p0, t0 = pred - pred.mean(0), target - target.mean(0)
    U, s, Vt = torch.linalg.svd(t0.T @ p0)
    signs = torch.tensor([1.0, 1.0, torch.det(Vt.T @ U.T).sign()], dtype=torch.float64)
    motion = (s * signs).sum() / p0.square().sum() * (Vt.T * signs @ U.T)
    constant = pred.clone().requires_grad_()
    ((constant - constant.mean(0)) @ motion - t0).norm(dim=-1).mean().backward()
    torch.testing.assert_close(leaf.grad, constant.grad)


SYMMETRIC = {
    "octahedron": (OCTAHEDRON, OCTAHEDRON + 0.1),
    "octahedron, point-mirrored": (OCTAHEDRON, -OCTAHEDRON),
    "octahedron, turned": (OCTAHEDRON, OCTAHEDRON[:, [1, 2, 0]]),
    "square": (OCTAHEDRON[[0, 1, 3, 4]], OCTAHEDRON[[1, 3, 4, 0]]),
    "line": (OCTAHEDRON[[0, 3]], OCTAHEDRON[[1, 4]]),
    "one point": (torch.zeros(6, 3, dtype=torch.float64), OCTAHEDRON),
    "onto one point": (OCTAHEDRON, torch.zeros(6, 3, dtype=torch.float64)),
    "equal": (OCTAHEDRON, OCTAHEDRON),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("grad", ["full", "detached"])
@pytest.mark.parametrize("case", SYMMETRIC)
def test_finite_at_symmetric_poses(case, grad, dtype):
    pred, target = (pose.to(dtype, copy=True).requires_grad_() for pose in SYMMETRIC[case])
    loss = aligned_pose_loss(pred, target, grad=grad)
    loss.backward()
    assert loss.isfinite()
    assert pred.grad.isfinite().all()
    assert target.grad.isfinite().all()


def test_composite_adds_up_and_does_not_move_the_root():
    pred, target = poses(8), poses(8)
    target = target - target[:, :1]
    mpjpe = torch.stack([(p - t).norm() for p, t in zip(pred.view(-1, 3), target.view(-1, 3), strict=True)]).mean()
    for weight in (0.5, 2.0):
        expected = mpjpe + weight * p_mpjpe_loss(pred, target)
        torch.testing.assert_close(aligned_pose_loss(pred, target, weight), expected)
    torch.testing.assert_close(aligned_pose_loss(pred, target), aligned_pose_loss(pred, target, 0.5))
    moved = aligned_pose_loss(pred + 1, target) - aligned_pose_loss(pred, target)
    assert moved > 0.5, "a shift of the whole pose costs"


def test_wrong_gradient_mode_is_named():
    with pytest.raises(SkelgraphError, match="expected 'full' or 'detached'"):
        p_mpjpe_loss(poses(), poses(), grad="half")


MASKED = {
    "mpjpe": mpjpe_loss,
    "mse": of_visible(torch.nn.functional.mse_loss),
    "p_mpjpe": p_mpjpe_loss,
    "aligned": aligned_pose_loss,
}


@pytest.mark.parametrize("name", MASKED)
def test_masked_losses(name: str) -> None:
    """The mean over the joints that count, of values and gradients; what the others hold changes nothing."""
    loss = MASKED[name]
    pred, target = poses(6, joints=9).requires_grad_(), poses(6, joints=9)
    visible = torch.rand(6, 9) > 0.4
    visible[2] = False
    broken = torch.where(visible[..., None], target, torch.nan)
    value = loss(pred, broken, visible=visible)
    value.backward()

    copy = pred.detach().clone().requires_grad_()
    share = visible.sum(1) / visible.sum()
    rows = [i for i in range(6) if visible[i].any()]
    expected = sum(share[i] * loss(copy[i, visible[i]], target[i, visible[i]]) for i in rows)
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=0)
    expected.backward()  # type: ignore[union-attr]
    torch.testing.assert_close(pred.grad, copy.grad, rtol=1e-5, atol=1e-9)
    assert (pred.grad[~visible] == 0).all()  # type: ignore[index]

    plain = loss(pred, target)
    torch.testing.assert_close(loss(pred, target, visible=torch.ones(6, 9).bool()), plain)


@pytest.mark.parametrize("name", MASKED)
def test_nothing_visible_is_no_loss(name: str) -> None:
    pred = poses(2).requires_grad_()
    value = MASKED[name](pred, torch.full((2, 17, 3), torch.nan).double(), visible=torch.zeros(2, 17).bool())
    value.backward()
    assert value == 0
    assert (pred.grad == 0).all()  # type: ignore[union-attr]
    with pytest.raises(SkelgraphError, match=r"visible is torch\.float32 .* expected torch\.bool of shape \(2, 17\)"):
        MASKED[name](pred, pred, visible=torch.ones(2, 17))
