"""The head that tells the error to expect: its loss finds the deviation, its calibration the missing factor."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from skelgraph.errors import SkelgraphError
from skelgraph.geometry import flip_average, mirror
from skelgraph.nn import ExpectedError, expected_error_loss
from skelgraph.topology import Skeleton, as_skeleton

ARM = Skeleton([1, -1, 1, 1], symmetric_pairs=[(0, 2)], name="arm4")  # its root is not the first joint
ROOT = 1


def head(seed: int = 0, in_channels: int = 3) -> ExpectedError:
    torch.manual_seed(seed)
    return ExpectedError(ARM, in_channels, 32)


def test_answers_are_metres_above_zero_and_zero_of_the_root() -> None:
    torch.manual_seed(0)
    keypoints, pose = torch.randn(5, 2, 4, 3), torch.randn(5, 2, 4, 3)
    error = head()(keypoints, pose)
    others = error[..., [0, 2, 3]]
    assert error.shape == (5, 2, 4)
    assert (error[..., ROOT] == 0).all()
    assert 0.04 < others.mean() < 0.06, "about 5 cm before it has learned anything"
    assert 0.01 < others.min() < others.max() < 0.2
    wild = head()(1e6 * keypoints, 1e6 * pose)[..., [0, 2, 3]]
    assert 0.001 <= wild.min() * 1.001 < 0.01 < 1 < wild.max() <= 2.501
    torch.testing.assert_close(head()(keypoints, pose + torch.randn(5, 2, 1, 3)), error, msg="a place of the root")
    assert not torch.allclose(head()(keypoints + 1, pose), error)
    assert not torch.allclose(head()(keypoints, 2 * pose), error)
    assert sum(p.numel() for p in ExpectedError("h36m16", 3).parameters()) == 94_736


def test_the_scale_is_part_of_the_state_and_multiplies_the_answer() -> None:
    one, keypoints, pose = head(), torch.randn(3, 4, 3), torch.randn(3, 4, 3)
    other = copy.deepcopy(one)
    other.calibrate(torch.tensor(2.25))
    torch.testing.assert_close(other(keypoints, pose), 1.5 * one(keypoints, pose))
    torch.testing.assert_close(other.log_error(keypoints, pose), one.log_error(keypoints, pose), msg="is trained so")
    again = head(1)
    again.load_state_dict(other.state_dict())
    assert torch.equal(again(keypoints, pose), other(keypoints, pose))
    for nothing in (0.0, torch.nan, torch.inf):
        other.calibrate(torch.tensor(nothing))
        assert float(other.scale) == 1.5
    other.calibrate(torch.tensor(0.25))
    assert float(other.scale) == 0.75


def test_the_loss_is_smallest_at_the_root_of_the_mean_square() -> None:
    error = torch.tensor([0.01, 0.02, 0.2], dtype=torch.float64)
    best = error.square().mean().sqrt()
    log = best.log().requires_grad_()
    (slope,) = torch.autograd.grad(expected_error_loss(log.expand(3), error), log, create_graph=True)
    assert abs(float(slope.detach())) < 1e-12
    values = [float(expected_error_loss((best * f).log().expand(3), error)) for f in (0.9, 1.0, 1.1)]
    assert values[1] == pytest.approx(float(best.log()) + 0.5)
    assert min(values) == values[1]


def test_joints_that_do_not_count_change_nothing() -> None:
    layer, keypoints, pose = head(), torch.randn(6, 4, 3), torch.randn(6, 4, 3)
    target = pose + 0.1 * torch.randn(6, 4, 3)
    visible = torch.ones(6, 4, dtype=torch.bool)
    visible[2, 3] = visible[4, 0] = False
    loss = layer.loss(keypoints, pose, target, visible)
    logs, error = layer.log_error(keypoints, pose), (pose - target).norm(dim=-1)
    rows = [(i, j) for i in range(6) for j in (0, 2, 3) if (i, j) not in ((2, 3), (4, 0))]
    each = [logs[at] + error[at] ** 2 / (2 * logs[at].exp() ** 2) for at in rows]
    torch.testing.assert_close(loss, torch.stack(each).mean())
    target[2, 3] = torch.nan
    target[:, ROOT] = 100.0
    again = layer.loss(keypoints, pose, target, visible)
    again.backward()
    torch.testing.assert_close(again, loss)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())
    assert layer.loss(keypoints, pose, target, torch.zeros(6, 4, dtype=torch.bool)) == 0


def test_it_learns_where_errors_are_large() -> None:
    """Errors of a joint grow with its depth: the answers follow, joint by joint, and are right on average."""
    layer = head()
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(1)
    size = torch.tensor([0.02, 0.0, 0.05, 0.1])

    def batch() -> tuple[torch.Tensor, ...]:
        keypoints, pose = (torch.randn(256, 4, 3, generator=generator) for _ in range(2))
        pose[:, ROOT] = 0
        true = size * pose[..., 2].exp().clamp(0.2, 5)
        noise = nn.functional.normalize(torch.randn(256, 4, 3, generator=generator), dim=-1)
        length = true * torch.randn(256, 4, generator=generator)
        return keypoints, pose, pose + length[..., None] * noise, true

    for _ in range(300):
        keypoints, pose, target, _ = batch()
        optimizer.zero_grad()
        layer.loss(keypoints, pose, target).backward()
        optimizer.step()
    keypoints, pose, _, true = batch()
    found, true = (value[:, [0, 2, 3]].log() for value in (layer(keypoints, pose), true))
    assert torch.corrcoef(torch.stack((found.flatten(), true.flatten())))[0, 1] > 0.95
    assert (found - true).abs().mean() < 0.25


def test_beside_a_network_the_pose_is_that_of_the_network() -> None:
    """In windows, mirrored and under mixed precision; what is told belongs to the joints of its own side."""
    layer, net = head(), nn.Linear(3, 3)

    def network(x: torch.Tensor) -> torch.Tensor:
        return net(x[:, x.size(1) // 2]) if x.dim() == 4 else net(x)

    x = torch.randn(7, 5, 4, 3)
    both = layer.beside(network)(x)
    assert torch.equal(both[..., :3], network(x))
    assert torch.equal(both[..., 3], layer(x[:, 2], network(x)))
    assert torch.equal(layer.beside(network)(x[:, 2]), both)
    index = ARM.mirror_index
    mean = flip_average(layer.beside(network), x, index)
    assert torch.equal(mean[..., :3], flip_average(network, x, index))
    other = layer(mirror(x[:, 2], index), network(mirror(x, index)))
    torch.testing.assert_close(mean[..., 3], (both[..., 3] + other[:, list(index)]) / 2)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = layer.beside(network)(x)
        assert torch.equal(mixed[..., :3], network(x))
    torch.testing.assert_close(mixed[..., 3], both[..., 3].bfloat16(), rtol=0.05, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_precisions(dtype: torch.dtype) -> None:
    for batch in (0, 1, 4):
        error = head().to(dtype)(*(torch.randn(batch, 4, 3, dtype=dtype) for _ in range(2)))
        assert (error.dtype, error.shape) == (dtype, (batch, 4))


def test_compiled() -> None:
    layer, x, pose = head(), torch.randn(3, 4, 3), torch.randn(3, 4, 3)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, pose), layer(x, pose))


def test_faults_are_named() -> None:
    layer = ExpectedError(as_skeleton("h36m17"))
    message = r"ExpectedError needs keypoints of shape \(\.\.\., 17, 2\) and a pose of shape \(\.\.\., 17, 3\)"
    for keypoints, pose in (((2, 17, 3), (2, 17, 3)), ((2, 17, 2), (2, 17, 2)), ((3, 17, 2), (2, 17, 3))):
        with pytest.raises(SkelgraphError, match=message):
            layer(torch.zeros(keypoints), torch.zeros(pose))
