"""The root of a pose from its keypoints: exact where they are, near where they are noisy, NaN where nothing tells."""

from __future__ import annotations

import doctest

import pytest
import torch
from torch import Tensor

import skelgraph.geometry.root
from skelgraph.errors import SkelgraphError
from skelgraph.geometry import back_project_relative, estimate_root, project

CAMERA = torch.tensor([2.29, 2.31, 0.025, -0.031], dtype=torch.float64)


def scene(*lead: int, joints: int = 17, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Poses of the size of a person, and roots 2 to 8 m away, off the axis."""
    generator = torch.Generator().manual_seed(seed)
    pose = 0.4 * torch.randn(*lead, joints, 3, generator=generator, dtype=torch.float64)
    place = torch.rand(*lead, 3, generator=generator, dtype=torch.float64)
    return pose - pose[..., :1, :], place * torch.tensor([2.0, 1.0, 6.0]) + torch.tensor([-1.0, -0.5, 2.5])


def seen(pose: Tensor, root: Tensor, camera: Tensor = CAMERA) -> Tensor:
    return project(pose + root[..., None, :], camera, "none")


@pytest.mark.parametrize(("lead", "joints"), [((), 17), ((4,), 16), ((3, 5), 2), ((2,), 24)])
def test_exact_projections_give_the_exact_root(lead: tuple[int, ...], joints: int) -> None:
    pose, root = scene(*lead, joints=joints)
    torch.testing.assert_close(estimate_root(pose, seen(pose, root), CAMERA), root, rtol=1e-9, atol=1e-9)


def test_a_camera_per_pose_of_which_the_distortion_is_ignored() -> None:
    pose, root = scene(6)
    cameras = torch.cat((CAMERA + torch.rand(6, 4), torch.full((6, 5), 9.0)), -1)
    torch.testing.assert_close(estimate_root(pose, seen(pose, root, cameras), cameras), root, rtol=1e-9, atol=1e-9)


def test_it_is_the_least_squares_of_the_two_equations_of_each_joint() -> None:
    """Against torch's solver, on keypoints that no place of the pose explains."""
    pose, root = scene(5)
    keypoints = seen(pose, root) + 0.01 * torch.randn(5, 17, 2, dtype=torch.float64)
    ray = (keypoints - CAMERA[2:]) / CAMERA[:2]
    ones, zeros = torch.ones(5, 17, dtype=torch.float64), torch.zeros(5, 17, dtype=torch.float64)
    rows = torch.cat((torch.stack((ones, zeros, -ray[..., 0]), -1), torch.stack((zeros, ones, -ray[..., 1]), -1)), 1)
    right = torch.cat([ray[..., i] * pose[..., 2] - pose[..., i] for i in (0, 1)], 1)
    expected = torch.linalg.lstsq(rows, right[..., None]).solution[..., 0]
    torch.testing.assert_close(estimate_root(pose, keypoints, CAMERA), expected)


def test_noise_of_a_few_pixels_moves_the_root_by_centimetres() -> None:
    pose, root = scene(500)
    keypoints = seen(pose, root) + 0.004 * torch.randn(500, 17, 2, dtype=torch.float64)  # 2 pixels of 1000
    error = (estimate_root(pose, keypoints, CAMERA) - root).norm(dim=-1)
    assert 0.001 < error.median() < 0.05


def test_a_pose_of_another_size_is_put_at_another_distance() -> None:
    pose, root = scene(3)
    torch.testing.assert_close(estimate_root(0.5 * pose, seen(pose, root), CAMERA), 0.5 * root)


def test_hidden_joints_change_nothing() -> None:
    pose, root = scene(4)
    keypoints, visible = seen(pose, root), torch.rand(4, 17) > 0.4
    expected = torch.stack([estimate_root(p[v], k[v], CAMERA) for p, k, v in zip(pose, keypoints, visible)])  # noqa: B905
    wrong_pose = torch.where(visible[..., None], pose, torch.nan)
    wrong = torch.where(visible[..., None], keypoints, torch.nan)
    torch.testing.assert_close(estimate_root(wrong_pose, wrong, CAMERA, visible), expected)
    torch.testing.assert_close(expected, root, rtol=1e-9, atol=1e-9)


def test_gradients() -> None:
    pose, root = scene(2, joints=5)
    keypoints = (seen(pose, root) + 0.01).requires_grad_()
    torch.autograd.gradcheck(estimate_root, (pose.requires_grad_(), keypoints, CAMERA.clone().requires_grad_()))


@pytest.mark.parametrize("case", ["one point", "one joint", "nobody", "mirrored"])
def test_where_nothing_tells_the_depth_it_is_nan_with_a_finite_gradient(case: str) -> None:
    pose, root = scene(2)
    keypoints, visible = seen(pose, root), torch.ones(2, 17, dtype=torch.bool)
    if case == "one point":
        keypoints[0] = 0.3
    elif case in ("one joint", "nobody"):
        visible[0] = False
        visible[0, 3] = case == "one joint"
    else:  # upside down and the wrong way round, as if seen from behind the camera
        keypoints[0] = 2 * CAMERA[2:] - seen(pose, torch.tensor([0.0, 0.0, 4.0]).double())[0]
    pose.requires_grad_()
    estimate = estimate_root(pose, keypoints.requires_grad_(), CAMERA, visible)
    assert estimate[0].isnan().all()
    torch.testing.assert_close(estimate[1], root[1], rtol=1e-9, atol=1e-9)
    estimate[..., 2].nansum().backward()
    for tensor in (pose, keypoints):
        assert tensor.grad is not None
        assert (tensor.grad[0] == 0).all()
        assert tensor.grad.isfinite().all()


def test_with_the_true_pose_it_gives_the_back_projection_of_the_true_depth() -> None:
    pose, root = scene(4)
    keypoints = seen(pose, root)
    estimated = estimate_root(pose, keypoints, CAMERA)[..., 2]
    torch.testing.assert_close(back_project_relative(keypoints, pose[..., 2], estimated, CAMERA), pose)


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (((17, 2), (17, 2), (9,)), "pose has shape"),
        (((17, 3), (16, 2), (9,)), r"keypoints_2d \(16, 2\)"),
        (((17, 3), (17, 2), (5,)), r"intrinsics has shape \(5,\)"),
    ],
)
def test_wrong_shapes(shapes: tuple[tuple[int, ...], ...], words: str) -> None:
    with pytest.raises(SkelgraphError, match=words):
        estimate_root(*map(torch.ones, shapes))


def test_docstring_example() -> None:
    result = doctest.testmod(skelgraph.geometry.root)
    assert result.attempted
    assert not result.failed
