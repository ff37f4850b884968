"""Turned rays against a camera that is really turned: a person at the edge of a portrait picture, far and near, half
out of sight, rolled, mirrored, with a guessed focal length."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.geometry import box_view, from_rays, mirror, project, rotation_to_axis, to_rays, turn, window_rays
from skelgraph.geometry.rays import SMALLEST

PORTRAIT = torch.tensor([1530.0, 1490.0, 520.0, 1010.0], dtype=torch.float64)  # of 1080 x 1920 pixels
EDGE = torch.tensor([1.3, -1.9, 4.0], dtype=torch.float64)  # 18 degrees to the right, 25 up: half of the person is out
PINHOLE = torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64)


def people(*lead: int, joints: int = 17, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*lead, joints, 3, generator=generator, dtype=torch.float64) * torch.tensor([0.2, 0.5, 0.3])


def rays_of(pixels: Tensor, intrinsics: Tensor, visible: Tensor | None = None) -> Tensor:
    rotation, size = box_view(pixels, intrinsics, visible)
    return to_rays(pixels, rotation, size, intrinsics, visible)


@pytest.mark.parametrize("lead", [(), (5,), (2, 3)])
def test_they_are_what_a_camera_sees_that_is_turned_to_the_box(lead: tuple[int, ...]) -> None:
    points = people(*lead) + EDGE
    pixels = project(points, PORTRAIT, "none")
    rotation, size = box_view(pixels, PORTRAIT)
    rays = to_rays(pixels, rotation, size, PORTRAIT)
    seen = project(points @ rotation.mT, PINHOLE, "none")
    torch.testing.assert_close(rays[..., :2] * size[..., None, None], seen)
    torch.testing.assert_close(rays[..., 2], size.log()[..., None].expand(rays.shape[:-1]))
    torch.testing.assert_close((rays[..., :2].amax(-2) - rays[..., :2].amin(-2)).amax(-1), torch.full_like(size, 2))
    middle = (pixels.amin(-2) + pixels.amax(-2)) / 2
    at_axis = to_rays(middle[..., None, :], rotation, size, PORTRAIT)[..., 0, :2]
    torch.testing.assert_close(at_axis, torch.zeros_like(at_axis), rtol=0, atol=1e-12)
    torch.testing.assert_close(from_rays(rays, rotation, PORTRAIT), pixels, rtol=0, atol=1e-9)


def test_the_rotation_is_one_without_roll() -> None:
    """A plumb line beside a level camera stays one: the shortest rotation to the axis would tilt it by 4 degrees."""
    ray = torch.tensor([[0.6, -0.45], [-1.2, 0.8], [0.0, 0.0], [0.0, 3.0]], dtype=torch.float64)
    rotation = rotation_to_axis(ray)
    identity = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(rotation @ rotation.mT, identity.expand(4, 3, 3))
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(rotation[2], identity)
    turned = turn(torch.nn.functional.pad(ray, (0, 1), value=1.0)[:, None], rotation)[:, 0]
    torch.testing.assert_close(turned[:, :2], torch.zeros(4, 2, dtype=torch.float64), rtol=0, atol=1e-15)
    assert (turned[:, 2] > 0).all()
    line = torch.stack([torch.tensor([1.3, y, 2.1], dtype=torch.float64) for y in (-1.9, -0.6, 0.3)])
    plumb = rays_of(project(line, PORTRAIT, "none"), PORTRAIT)
    torch.testing.assert_close(plumb[:, 0], torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-12)
    assert plumb[0, 1] < plumb[1, 1] < plumb[2, 1]


def test_a_rolled_camera_gives_a_rolled_person() -> None:
    """Only where the person is goes into the rotation: how the person is turned in the picture is what is learned."""
    body = people(seed=3)
    body = torch.cat((body, -body * torch.tensor([1.0, 1.0, -1.0])))  # its box is around the optical axis at any roll
    body[:, 2] = 0
    roll = torch.tensor(0.4, dtype=torch.float64)
    turned = torch.stack((roll.cos(), -roll.sin(), roll.sin(), roll.cos())).view(2, 2)
    at = torch.tensor([0.0, 0.0, 5.0], dtype=torch.float64)
    plain, rolled = body + at, torch.cat((body[:, :2] @ turned.mT, body[:, 2:]), -1) + at
    rays = [rays_of(project(points, PINHOLE, "none"), PINHOLE) for points in (plain, rolled)]
    flat = [x[:, :2] * x[:, 2:].exp() for x in rays]
    torch.testing.assert_close(flat[1], flat[0] @ turned.mT)


def test_focal_length_middle_and_size_of_the_picture_do_not_matter() -> None:
    points = people(4) + EDGE
    cameras = torch.tensor([[700.0, 900.0, -20.0, 3000.0], [2.3, 2.3, 0.1, -0.2]], dtype=torch.float64)
    expected = rays_of(project(points, PORTRAIT, "none"), PORTRAIT)
    for camera in cameras:
        torch.testing.assert_close(rays_of(project(points, camera, "none"), camera), expected)
    with_distortion = torch.cat((PORTRAIT, torch.full((5,), 9.0, dtype=torch.float64)))  # which is ignored
    torch.testing.assert_close(rays_of(project(points, PORTRAIT, "none"), with_distortion), expected)


def test_a_guessed_focal_length_changes_the_size_and_hardly_the_shape() -> None:
    pixels = project(people(20) + torch.tensor([0.5, 0.2, 6.0], dtype=torch.float64), PORTRAIT, "none")
    guess = PORTRAIT * torch.tensor([1.25, 1.25, 1.0, 1.0], dtype=torch.float64)
    known, guessed = rays_of(pixels, PORTRAIT), rays_of(pixels, guess)
    change = (guessed - known).abs()
    assert 1e-4 < change[..., :2].max() < 0.05
    torch.testing.assert_close(
        known[..., 2] - guessed[..., 2], torch.full((20, 17), 0.2231, dtype=torch.float64), atol=0.02, rtol=0
    )


def test_the_mirror_image_has_the_mirrored_rays() -> None:
    index = [0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13]
    windows = project(people(6, 5) + EDGE, PORTRAIT, "none")
    opposite = PORTRAIT * torch.tensor([1.0, 1.0, -1.0, 1.0], dtype=torch.float64)
    rays, rotation = window_rays(windows, PORTRAIT)
    mirrored, other = window_rays(mirror(windows, index), opposite)
    torch.testing.assert_close(mirrored, mirror(rays, index))
    flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(other, flip @ rotation @ flip)
    pose = people(6)
    torch.testing.assert_close(turn(mirror(pose, index), other), mirror(turn(pose, rotation), index))


def test_what_is_not_seen_does_not_count() -> None:
    pixels = project(people(3) + EDGE, PORTRAIT, "none")
    visible = torch.ones(3, 17, dtype=torch.bool)
    visible[0, [2, 9]] = visible[1, :14] = False
    expected = [rays_of(pixels[i, visible[i]], PORTRAIT) for i in range(3)]
    pixels[~visible] = torch.tensor([torch.nan, 1e30], dtype=torch.float64)
    pixels.requires_grad_()
    camera = PORTRAIT.clone().requires_grad_()
    rays = rays_of(pixels, camera, visible)
    for i in range(3):
        torch.testing.assert_close(rays[i, visible[i]], expected[i])
        assert not rays[i, ~visible[i], :2].any()
    rays.square().sum().backward()
    assert pixels.grad is not None
    assert camera.grad is not None
    assert camera.grad.isfinite().all()
    assert pixels.grad.isfinite().all()
    assert not pixels.grad[~visible].any()
    assert pixels.grad[visible].any()


@pytest.mark.parametrize("joints", [1, 17])
def test_a_box_of_no_size_has_the_smallest_one(joints: int) -> None:
    pixels = torch.tensor([1000.0, 30.0], dtype=torch.float64).repeat(joints, 1).requires_grad_()
    rotation, size = box_view(pixels, PORTRAIT)
    rays = to_rays(pixels, rotation, size, PORTRAIT)
    assert size.item() == SMALLEST
    torch.testing.assert_close(rays[:, :2], torch.zeros(joints, 2, dtype=torch.float64), rtol=0, atol=1e-10)
    torch.testing.assert_close(from_rays(rays, rotation, PORTRAIT), pixels)
    rays.sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.isfinite().all()


def test_where_nothing_is_seen_nothing_is_turned() -> None:
    pixels = torch.full((2, 17, 2), torch.nan, dtype=torch.float64)
    pixels[1] = project(people() + EDGE, PORTRAIT, "none")
    visible = torch.tensor([False, True])[:, None].expand(2, 17)
    rotation, size = box_view(pixels, PORTRAIT, visible)
    assert torch.equal(rotation[0], torch.eye(3, dtype=torch.float64))
    assert size[0] == 1
    assert not rays_of(pixels, PORTRAIT, visible)[0].any()
    torch.testing.assert_close(rotation[1], box_view(pixels[1], PORTRAIT)[0])


def test_a_joint_behind_the_turned_camera_has_no_image() -> None:
    pixels = torch.tensor([[-9.0, 0.0], [1000.0, 0.0]], dtype=torch.float64)  # -84 and 90 degrees
    assert rays_of(pixels, PINHOLE)[0, :2].isnan().all()


def test_the_frames_of_a_window_share_the_view_of_its_centre() -> None:
    way = torch.linspace(-0.8, 0.6, 5, dtype=torch.float64)[:, None, None] * torch.tensor([1.0, 0.0, 0.5])
    windows = project(people(3, 5) + EDGE + way, PORTRAIT, "none")
    cameras = PORTRAIT * torch.tensor([[1.0], [1.2], [0.7]], dtype=torch.float64)
    rays, rotation = window_rays(windows, cameras)
    assert rays.shape == (3, 5, 17, 3)
    for i in range(3):
        expected, size = box_view(windows[i, 2], cameras[i])
        torch.testing.assert_close(rotation[i], expected)
        torch.testing.assert_close(rays[i], to_rays(windows[i], expected, size, cameras[i]))
    middles = (rays[..., 0].amin(-1) + rays[..., 0].amax(-1)) / 2
    assert (middles.diff(dim=-1) > 0.1).all()  # the way is to be seen
    alone, _ = window_rays(windows[:, 2:3], cameras)
    torch.testing.assert_close(alone[:, 0], rays[:, 2])


def test_gradients() -> None:
    pixels = project(people(2, 3, joints=5) + EDGE, PINHOLE, "none").requires_grad_()
    camera = PINHOLE.repeat(2, 1).requires_grad_()
    assert torch.autograd.gradcheck(window_rays, (pixels, camera))
    visible = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(2)) < 0.7
    assert torch.autograd.gradcheck(lambda x, c: window_rays(x, c, visible), (pixels, camera))


def test_mixed_precision_does_not_round_poses() -> None:
    pose, rotation = people(4).float(), rotation_to_axis(torch.rand(4, 2))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(turn(turn(pose, rotation), rotation.mT), pose, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("keypoints", "camera", "visible", "message"),
    [
        (torch.zeros(17, 3), torch.ones(4), None, "keypoints_2d has shape"),
        (torch.zeros(2), torch.ones(4), None, "keypoints_2d has shape"),
        (torch.zeros(17, 2), torch.ones(3), None, "intrinsics has shape"),
        (torch.zeros(17, 2), torch.ones(4), torch.ones(17), "visible is torch.float32"),
        (torch.zeros(17, 2), torch.ones(4), torch.ones(3, 17, dtype=torch.bool), "visible is torch.bool of shape"),
    ],
)
def test_what_is_refused(keypoints: Tensor, camera: Tensor, visible: Tensor | None, message: str) -> None:
    with pytest.raises(SkelgraphError, match=message):
        box_view(keypoints, camera, visible)
    with pytest.raises(SkelgraphError, match="keypoints_2d has shape"):
        window_rays(torch.zeros(17, 2), torch.ones(4))
