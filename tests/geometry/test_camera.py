from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.geometry import (
    DISTORTIONS,
    Distortion,
    back_project,
    back_project_relative,
    camera_to_world,
    denormalize_screen,
    normalize_intrinsics,
    normalize_screen,
    project,
    project_linear,
    world_to_camera,
)

PROJECTIONS = [*(functools.partial(project, distortion=name) for name in DISTORTIONS), project_linear]
LoadGolden = Callable[[str], Any]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def random_camera(*batch: int) -> tuple[Tensor, Tensor]:
    orientation = torch.randn(*batch, 4, dtype=torch.float64)
    return orientation / orientation.norm(dim=-1, keepdim=True), torch.randn(*batch, 3, dtype=torch.float64)


def random_view(*batch: int) -> tuple[Tensor, Tensor]:
    """Points inside the view of a camera, and plausible normalised intrinsics."""
    points = torch.rand(*batch, 5, 3, dtype=torch.float64) - 0.5 + torch.tensor([0.0, 0.0, 4.0])
    intrinsics = torch.tensor([2.3, 2.2, 0.02, 0.01, -0.2, 0.24, -0.003, -0.001, -0.0014], dtype=torch.float64)
    return points, intrinsics.expand(*batch, 9)


def test_transforms_match_golden(golden: LoadGolden) -> None:
    g = golden("protocol_camera")
    orientation, translation = g["in/orientation"], g["in/translation_mm"] / 1000
    # (subject, camera, frame, joint, xyz): one camera per clip
    camera = world_to_camera(g["in/X_world"], orientation[:, :, None], translation[:, :, None])
    g.assert_close(camera, "out/X_camera")
    g.assert_close(camera_to_world(camera, orientation[:, :, None], translation[:, :, None]), "out/X_world_roundtrip")


def test_projections_match_golden(golden: LoadGolden) -> None:
    g = golden("protocol_camera")
    points, intrinsics = g["in/X_project"], g["in/cam_project"]
    g.assert_close(project(points, intrinsics, "human36m"), "out/project")
    g.assert_close(project_linear(points, intrinsics), "out/project_linear")
    beyond = (points[..., :2] / points[..., 2:]).abs().amax((-2, -1)) > 1
    assert beyond.any(), "the reference should reach the clamp"


@pytest.mark.parametrize(
    ("point", "intrinsics", "distortion", "expected"),
    [
        # 500 * 3 / 2 + 960, farther out than 45 degrees, which Human3.6M's model clamps to 500 + 960
        ((3.0, 0.0, 2.0), (500.0, 500.0, 960.0, 540.0, 0, 0, 0, 0, 0), "opencv", (1710.0, 540.0)),
        ((3.0, 0.0, 2.0), (500.0, 500.0, 960.0, 540.0, 0, 0, 0, 0, 0), "none", (1710.0, 540.0)),
        ((3.0, 0.0, 2.0), (500.0, 500.0, 960.0, 540.0, 0, 0, 0, 0, 0), "human36m", (1460.0, 540.0)),
        # p1 (r^2 + 2 y^2) belongs to y
        ((0.5, 0.0, 1.0), (1000.0, 1000.0, 0, 0, 0, 0, 0, 0.01, 0), "opencv", (500.0, 2.5)),
        ((0.5, 0.0, 1.0), (1000.0, 1000.0, 0, 0, 0, 0, 0, 0.01, 0), "human36m", (505.0, 0.0)),
        # x = 0.4, y = 0.2, r^2 = 0.2: radial 1 - 0.02 + 0.008 + 0.0024 = 0.9904;
        # x' = 0.39616 + 2 * 0.01 * 0.08 + 0.02 * (0.2 + 0.32), y' = 0.19808 + 0.01 * (0.2 + 0.08) + 2 * 0.02 * 0.08
        ((0.8, 0.4, 2.0), (1000.0, 2000.0, 10, 20, -0.1, 0.2, 0.3, 0.01, 0.02), "opencv", (418.16, 428.16)),
    ],
)
def test_projection_by_hand(
    point: tuple[float, ...], intrinsics: tuple[float, ...], distortion: Distortion, expected: tuple[float, ...]
) -> None:
    found = project(torch.tensor([point]).double(), torch.tensor(intrinsics).double(), distortion)
    torch.testing.assert_close(found, torch.tensor([expected]).double())


@pytest.mark.parametrize("distortion", ["opencv", "none"])
def test_what_is_in_or_behind_the_camera_has_no_image(distortion: Distortion) -> None:
    points = torch.tensor([[0.5, 0.3, -4.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [-0.5, -0.3, 4.0]])
    points.requires_grad_()
    intrinsics = torch.tensor([500.0, 500.0, 960.0, 540.0, -0.1, 0, 0, 0.01, 0])
    seen = project(points, intrinsics, distortion)
    assert seen[:3].isnan().all()
    assert seen[3].isfinite().all()
    seen[3].sum().backward()
    assert points.grad is not None
    assert points.grad[3].isfinite().all()


def test_unknown_lens() -> None:
    with pytest.raises(SkelgraphError, match="unknown distortion 'open_cv'; did you mean opencv"):
        project(torch.zeros(17, 3), torch.zeros(9), "open_cv")  # type: ignore[arg-type]


def test_screen_matches_golden(golden: LoadGolden) -> None:
    g = golden("protocol_camera")
    normalised = normalize_screen(g["in/pixels"], 1000, 1002)
    g.assert_close(normalised, "out/normalised_1000x1002")
    g.assert_close(normalize_screen(g["in/pixels"], 1920, 1080), "out/normalised_1920x1080")
    g.assert_close(denormalize_screen(normalised, 1000, 1002), "out/denormalised")


def test_intrinsics_match_golden(golden: LoadGolden) -> None:
    g = golden("protocol_camera")
    width, height = g["in/resolution"].unbind(-1)
    normalised = normalize_intrinsics(g["in/intrinsic_raw"], width, height)
    g.assert_close(normalised, "out/intrinsic_normalised")  # stored in float32


def test_hgn_camera_matches_golden(golden: LoadGolden) -> None:
    """HGN's camera is a rotation matrix in millimetres and projects to pixels without distortion."""
    g = golden("protocol_camera")
    orientation = roma.quat_xyzw_to_wxyz(roma.rotmat_to_unitquat(g["in/R_matrix"]))
    camera = world_to_camera(g["in/X_world"][0, 0, 0] * 1000, orientation, g["in/t_mm"])
    g.assert_close(camera, "out/hgn_world2cam_mm")
    pixels = project_linear(camera, g["in/intrinsic_raw"][0])
    g.assert_close(torch.cat((pixels, camera[:, 2:]), -1), "out/hgn_cam2pixel")


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), frames=st.integers(0, 3))
def test_world_and_camera_are_inverse(seed: int, frames: int) -> None:
    torch.manual_seed(seed)
    camera = random_camera()
    points = 5 * torch.randn(frames, 17, 3, dtype=torch.float64)
    torch.testing.assert_close(camera_to_world(world_to_camera(points, *camera), *camera), points)
    # rigid: distances stay
    torch.testing.assert_close(
        torch.cdist(world_to_camera(points, *camera), world_to_camera(points, *camera)),
        torch.cdist(points, points),
        rtol=1e-6,
        atol=1e-6,
    )


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), width=st.integers(1, 4000), height=st.integers(1, 4000))
def test_screen_round_trip(seed: int, width: int, height: int) -> None:
    torch.manual_seed(seed)
    pixels = torch.rand(3, 2, dtype=torch.float64) * torch.tensor([width, height])
    screen = normalize_screen(pixels, width, height)
    assert (screen[:, 0].abs() <= 1).all()
    torch.testing.assert_close(denormalize_screen(screen, width, height), pixels)


@pytest.mark.parametrize("distortion", DISTORTIONS)
def test_projection_commutes_with_normalisation(distortion: Distortion) -> None:
    points, intrinsics = random_view(2)
    intrinsics = torch.cat((500 * intrinsics[..., :2], 500 + 100 * intrinsics[..., 2:4], intrinsics[..., 4:]), -1)
    expected = normalize_screen(project(points, intrinsics, distortion), 1000, 1002)
    torch.testing.assert_close(project(points, normalize_intrinsics(intrinsics, 1000, 1002), distortion), expected)


def test_back_project_inverts_linear_projection() -> None:
    points, intrinsics = random_view(3)
    torch.testing.assert_close(back_project(project_linear(points, intrinsics), points[..., 2], intrinsics), points)
    no_distortion = intrinsics.clone()
    no_distortion[..., 4:] = 0
    for distortion in DISTORTIONS:
        torch.testing.assert_close(
            project(points, no_distortion, distortion), project_linear(points, intrinsics[..., :4])
        )


def test_back_project_relative_inverts_projection_of_a_pose() -> None:
    points, intrinsics = random_view(2, 3)
    pose = points - points[..., 1:2, :]
    depth = pose[..., 2].clone()
    depth[..., 1] = 7.0  # the prediction for the root is replaced by the truth
    keypoints = project_linear(points, intrinsics)
    lifted = back_project_relative(keypoints, depth, points[..., 1, 2], intrinsics, root=1)
    torch.testing.assert_close(lifted, pose)


def test_one_camera_serves_a_clip() -> None:
    points = torch.randn(6, 4, 17, 3, dtype=torch.float64)
    orientation, translation = random_camera(4)
    together = world_to_camera(points, orientation, translation)
    for i in range(4):
        torch.testing.assert_close(together[:, i], world_to_camera(points[:, i], orientation[i], translation[i]))


@pytest.mark.parametrize("function", PROJECTIONS)
def test_projection_gradients(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    points, intrinsics = random_view(2)
    assert torch.autograd.gradcheck(function, (points.requires_grad_(), intrinsics.clone().requires_grad_()))


def test_transform_gradients() -> None:
    points = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    camera = tuple(t.requires_grad_() for t in random_camera(2))
    assert torch.autograd.gradcheck(world_to_camera, (points, *camera))
    assert torch.autograd.gradcheck(camera_to_world, (points, *camera))


@pytest.mark.parametrize("function", PROJECTIONS)
def test_projection_compiles_without_graph_break(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    points, intrinsics = random_view(2)
    compiled = torch.compile(function, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(points, intrinsics), function(points, intrinsics))


def test_float32_stays_float32() -> None:
    points, intrinsics = (t.float() for t in random_view(2))
    camera = tuple(t.float() for t in random_camera(2))
    results = [
        world_to_camera(points, *camera),
        camera_to_world(points, *camera),
        project(points, intrinsics, "human36m"),
        project(points, intrinsics, "opencv"),
        project_linear(points, intrinsics),
        normalize_screen(points[..., :2], 1000, 1002),
        denormalize_screen(points[..., :2], 1000, 1002),
        normalize_intrinsics(intrinsics, 1000, 1002),
        back_project(points[..., :2], points[..., 2], intrinsics),
    ]
    assert {result.dtype for result in results} == {torch.float32}


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: world_to_camera(torch.zeros(17, 2), torch.zeros(4), torch.zeros(3)), "points"),
        (lambda: world_to_camera(torch.zeros(17, 3), torch.zeros(3), torch.zeros(3)), "orientation"),
        (lambda: camera_to_world(torch.zeros(17, 3), torch.zeros(4), torch.zeros(4)), "translation"),
        (lambda: project(torch.zeros(17, 2), torch.zeros(9), "opencv"), "points_camera"),
        (lambda: project(torch.zeros(17, 3), torch.zeros(4), "opencv"), "intrinsics"),
        (lambda: project_linear(torch.zeros(17, 3), torch.zeros(5)), "expected 4 or 9"),
        (lambda: back_project(torch.zeros(17, 2), torch.zeros(16), torch.zeros(4)), "depth"),
        (lambda: normalize_screen(torch.zeros(17, 3), 1000, 1000), "points_px"),
        (lambda: denormalize_screen(torch.tensor(1.0), 1000, 1000), "points"),
        (lambda: normalize_intrinsics(torch.zeros(4), 1000, 1000), "intrinsics"),
    ],
)
def test_wrong_last_dimension_is_named(call: Callable[[], Tensor], named: str) -> None:
    with pytest.raises(SkelgraphError, match=named):
        call()
