"""The geometry of new cameras, recomputed from where they stand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from skelgraph.geometry import project
from skelgraph.training.transforms.views import new_views


def people(count: int = 3000, frames: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    """Tall, small and lying bodies ``(count, frames, 7, 3)``, asymmetric, far from the origin, some of which run."""
    generator = torch.Generator().manual_seed(5)
    size = torch.rand(count, 1, 1, 3, generator=generator, dtype=torch.float64) * torch.tensor([1.5, 0.6, 2.1]) + 0.2
    shape = torch.randn(count, 1, 7, 3, generator=generator, dtype=torch.float64).clamp(-2, 2) / 4
    way = torch.randn(count, 1, 1, 3, generator=generator, dtype=torch.float64) * torch.tensor([0.4, 0.4, 0.0])
    step = torch.arange(frames, dtype=torch.float64)[:, None, None] / 4
    return (size * shape + way * step + torch.tensor([3.0, -2.0, 1.0])).to(dtype)


def middle_of(positions: Tensor) -> Tensor:
    points = positions.flatten(1, 2)
    return (points.amin(1) + points.amax(1)) / 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("frames", [1, 9])
def test_keypoints_are_the_projection_and_inside_the_picture(dtype: torch.dtype, frames: int) -> None:
    world = people(1500, frames, dtype)
    views = new_views(world, roll=25, generator=torch.Generator().manual_seed(0))
    assert {part.dtype for part in views} == {dtype}
    # by the camera alone, from the world: one camera for all frames
    turned = torch.linalg.solve(views.rotation[:, None, None], (world - views.centre[:, None, None])[..., None])[..., 0]
    torch.testing.assert_close(turned, views.positions, atol=1e-4 if dtype == torch.float32 else 1e-9, rtol=0)
    flat = views.positions[..., :2] / views.positions[..., 2:] * views.intrinsics[:, None, None, :2]
    torch.testing.assert_close(views.keypoints_2d, flat)
    assert torch.equal(project(views.positions, views.intrinsics[:, None], "none"), views.keypoints_2d)
    assert views.keypoints_2d[..., 0].abs().max() < 1
    assert (views.keypoints_2d[..., 1].abs() < views.height[:, None, None]).all()
    assert views.positions[..., 2].min() > 0.29
    assert not views.intrinsics[:, 2:].any()
    rotation = views.rotation
    torch.testing.assert_close(rotation.mT @ rotation, torch.eye(3, dtype=dtype).expand_as(rotation), atol=1e-5, rtol=0)
    assert (torch.linalg.det(rotation) > 0).all()  # no mirror


def test_hands_are_filmed_as_bodies_are() -> None:
    """What is a tenth of a body is seen from a tenth as far."""
    world = people(200) - torch.tensor([3.0, -2.0, 1.0], dtype=torch.float64)
    size = (world.amax(2) - world.amin(2)).amax(-1).median()
    hands = world * 0.17 / size  # a tenth of 1.7 m
    small = new_views(hands, generator=torch.Generator().manual_seed(3))
    distance = (small.centre - middle_of(hands)).norm(dim=-1)
    assert 0.2 - 1e-9 < distance.min() < 0.25
    assert 0.8 < distance.max() < 2
    assert small.keypoints_2d[..., 0].abs().max() < 1


def test_where_cameras_stand_and_what_they_are() -> None:
    world = people()
    views = new_views(world, generator=torch.Generator().manual_seed(1))
    ray = views.centre - middle_of(world)
    distance = ray.norm(dim=-1)
    azimuth = torch.atan2(ray[:, 1], ray[:, 0])
    elevation = torch.rad2deg((ray[:, 2] / distance).asin())
    width = views.intrinsics[:, 0] / 2
    # uniform: smallest, largest and every quartile
    for drawn, low, high in (
        (azimuth, -math.pi, math.pi),
        (elevation, -15, 45),
        (width.log(), math.log(0.8), math.log(2.5)),
        (views.height.log(), math.log(9 / 16), math.log(16 / 9)),
    ):
        share = (drawn - low) / (high - low)
        assert share.min() > -1e-9
        assert share.max() < 1 + 1e-9
        torch.testing.assert_close(
            share.quantile(torch.tensor([0.25, 0.5, 0.75], dtype=share.dtype)),
            torch.tensor([0.25, 0.5, 0.75], dtype=share.dtype),
            atol=0.04,
            rtol=0,
        )
    torch.testing.assert_close(views.intrinsics[:, 0], views.intrinsics[:, 1])
    assert distance.min() > 2 - 1e-9
    # a camera farther than 10 m is there because a joint would be beyond the edge otherwise
    far = distance > 10
    assert 0 < far.double().mean() < 0.3
    edge = torch.maximum(
        views.keypoints_2d[..., 0].abs(), views.keypoints_2d[..., 1].abs() / views.height[:, None, None]
    )
    torch.testing.assert_close(edge[far].flatten(1).amax(1), torch.full((int(far.sum()),), 0.97, dtype=edge.dtype))
    # people are everywhere in the picture, not only in its middle
    place = views.keypoints_2d.flatten(1, 2).mean(1)
    assert (place[:, 0] < -0.5).double().mean() > 0.05
    assert (place[:, 0] > 0.5).double().mean() > 0.05
    assert (place[:, 1] / views.height).abs().quantile(0.9) > 0.4


def test_small_bodies_stand_at_the_distances_that_are_drawn() -> None:
    world = people() * 0.5
    size = (world.amax(2) - world.amin(2)).amax((1, 2))
    world = world[(size > 0.4) & (size < 0.6)]  # hardly any has to be farther away to be in view
    assert len(world) > 500
    views = new_views(world, roll=12, generator=torch.Generator().manual_seed(1))
    distance = (views.centre - middle_of(world)).norm(dim=-1)
    assert distance.min() >= 2
    assert (distance > 10).double().mean() < 0.01
    assert abs(float(distance.mean()) - 6) < 0.15


def test_roll_is_about_the_optical_axis_and_level_without() -> None:
    world = people()
    level, rolled = (new_views(world, roll=roll, generator=torch.Generator().manual_seed(2)) for roll in (0, 12))
    assert level.rotation[:, 2, 0].abs().max() < 1e-9  # x of the picture is horizontal, wherever the body is
    assert (level.rotation[:, 2, 1] < 0).all()  # and y goes down
    right, _, forward = rolled.rotation.unbind(-1)
    horizontal = torch.linalg.cross(forward, torch.tensor([[0.0, 0, 1]], dtype=forward.dtype).expand_as(forward))
    horizontal = horizontal / horizontal.norm(dim=-1, keepdim=True)
    sine = (torch.linalg.cross(horizontal, right) * forward).sum(-1)
    angle = torch.rad2deg(torch.atan2(sine, (horizontal * right).sum(-1)))
    assert abs(float(angle.std()) - 12) < 0.5
    assert abs(float(angle.mean())) < 0.7
    # the elevation is that of the level camera all the same
    for views in (level, rolled):
        ray = views.centre - middle_of(world)
        assert torch.rad2deg((ray[:, 2] / ray.norm(dim=-1)).asin()).min() > -15 - 1e-9


def test_what_is_not_known_changes_nothing() -> None:
    world = people(200, 3)
    visible = torch.rand(200, 3, 7, generator=torch.Generator().manual_seed(3)) > 0.3
    visible[0] = False  # nothing at all
    wrong = torch.where(visible[..., None], world, 1e4)
    plain, other = (new_views(p, visible, generator=torch.Generator().manual_seed(4)) for p in (world, wrong))
    assert torch.equal(plain.keypoints_2d, other.keypoints_2d)
    assert torch.equal(plain.positions[visible], other.positions[visible])
    assert not plain.keypoints_2d[~visible].any()
    assert plain.keypoints_2d.isfinite().all()
    assert plain.centre.isfinite().all()
    everything = new_views(world, torch.ones_like(visible), generator=torch.Generator().manual_seed(4))
    assert torch.equal(
        everything.keypoints_2d, new_views(world, generator=torch.Generator().manual_seed(4)).keypoints_2d
    )


def test_shapes_on_meta() -> None:
    views = new_views(torch.zeros(5, 3, 7, 3, device="meta"), torch.ones(5, 3, 7, dtype=torch.bool, device="meta"))
    assert [tuple(part.shape) for part in views] == [(5, 3, 7, 3), (5, 3, 7, 2), (5, 9), (5,), (5, 3, 3), (5, 3)]
