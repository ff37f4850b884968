"""Virtual cameras: a ring from which all of a motion is seen."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from skelgraph.datasets.virtual_cameras import MARGIN, SIZE, virtual_cameras
from skelgraph.errors import DataError
from skelgraph.geometry import look_at, project, world_to_camera


def path(length: float = 6.0) -> np.ndarray:
    """Something 1.8 m high that walks along x, 4 m above the floor; of one frame a joint is not known."""
    walk = np.linspace(0, length, 30)[:, None, None] * [1.0, 0.0, 0.0]
    body = np.random.default_rng(0).uniform(-0.5, 0.5, (12, 3)) * [0.5, 0.5, 1.0]
    body[:2, 2] = -0.9, 0.9
    positions = walk + body + [0, -3, 4]
    positions[3, 4] = np.nan
    return positions


def seen(positions: np.ndarray, **options: object) -> torch.Tensor:
    """Pixels from the middle of the images of the known joints, ``(cameras, N, 2)``."""
    points = torch.from_numpy(positions[np.isfinite(positions).all(-1)])
    images = []
    for camera in virtual_cameras(positions, **options):  # type: ignore[arg-type]
        orientation, translation, intrinsics = (
            torch.tensor(v, dtype=torch.float64) for v in (camera.orientation, camera.translation, camera.intrinsics)
        )
        assert (camera.width, camera.height, camera.distortion) == (SIZE, SIZE, "none")
        images.append(project(world_to_camera(points, orientation, translation), intrinsics, "none") - SIZE / 2)
    return torch.stack(images)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("elevation", [-30.0, 0.0, 10.0, 60.0])
@pytest.mark.parametrize("length", [0.0, 6.0, 40.0])
def test_every_joint_is_in_view(count: int, elevation: float, length: float) -> None:
    for key in ("a", "b"):
        pixels = seen(path(length), count=count, elevation=elevation, key=key)
        assert pixels.shape[0] == count
        largest = pixels.abs().max()
        assert largest <= MARGIN * SIZE / 2 + 1e-6
        if length > 30:  # and no camera is farther away than it takes
            assert largest > MARGIN * SIZE / 2 - 1e-6


def test_they_stand_evenly_around_it() -> None:
    positions = path()
    cameras = virtual_cameras(positions, 5, key="x", elevation=20.0)
    known = positions[np.isfinite(positions).all(-1)]
    middle = (known.min(0) + known.max(0)) / 2
    offsets = np.array([camera.translation for camera in cameras]) - middle
    angles = np.unwrap(np.arctan2(offsets[:, 1], offsets[:, 0]))
    np.testing.assert_allclose(np.diff(angles), 2 * math.pi / 5)
    np.testing.assert_allclose(np.degrees(np.arctan2(offsets[:, 2], np.hypot(*offsets[:, :2].T))), 20)
    for camera in cameras:  # it looks at the middle, with z up in its image
        orientation, translation = (
            torch.tensor(v, dtype=torch.float64) for v in (camera.orientation, camera.translation)
        )
        points = torch.from_numpy(np.stack([middle, middle + np.array([0, 0, 1])]))
        (x, y, z), (above_x, above_y, _) = world_to_camera(points, orientation, translation).tolist()
        assert (x, y) == pytest.approx((0, 0), abs=1e-9)
        assert z == pytest.approx(np.linalg.norm(offsets[0]))
        assert above_x == pytest.approx(0, abs=1e-9)
        assert above_y < -0.9


def test_a_function_of_the_key() -> None:
    first = virtual_cameras(path(), 3, key="0/S1/walk")
    assert virtual_cameras(path(), 3, key="0/S1/walk") == first
    assert virtual_cameras(path(), 3, key="1/S1/walk") != first
    assert [camera.id for camera in first] == ["virtual0", "virtual1", "virtual2"]


def test_distance_and_focal_length() -> None:
    still = path(0.0)
    cameras = virtual_cameras(still, 2, distance=9.0, focal=2000.0)
    known = still[np.isfinite(still).all(-1)]
    distances = np.linalg.norm(np.array([c.translation for c in cameras]) - (known.min(0) + known.max(0)) / 2, axis=1)
    np.testing.assert_allclose(distances, 9)
    assert cameras[0].intrinsics[:4] == (2000.0, 2000.0, 500.0, 500.0)
    # by itself as far as three times the body, where all is in view from there
    near = virtual_cameras(still, 2)
    extent = (np.nanmax(still, 1) - np.nanmin(still, 1)).max()
    offset = np.array(near[0].translation) - (known.min(0) + known.max(0)) / 2
    assert np.linalg.norm(offset) == pytest.approx(3 * extent)


def test_what_cannot_be_seen() -> None:
    with pytest.raises(
        DataError, match=r"b\.bvh: not every joint is in view .* distance of 5 m .* expected (\d+\.\d+) m or more"
    ) as error:
        virtual_cameras(path(20.0), 4, distance=5.0, label="b.bvh")
    enough = float(str(error.value).split("expected ")[1].split(" m")[0])
    assert seen(path(20.0), count=4, distance=enough).abs().max() <= MARGIN * SIZE / 2 + 1e-6
    with pytest.raises(DataError, match="no joint is known in any frame"):
        virtual_cameras(np.full((2, 3, 3), np.nan), 4)


def test_look_at() -> None:
    centres = torch.tensor([[0.0, -5.0, 1.0], [5.0, 0.0, 1.0]])
    orientations = look_at(centres, torch.tensor([0.0, 0.0, 1.0]))
    half = 0.5**0.5
    torch.testing.assert_close(orientations[0].abs(), torch.tensor([half, half, 0.0, 0.0]))
    ahead = world_to_camera(torch.tensor([[[0.0, 0.0, 1.0], [0.0, 1.0, 2.0]]] * 2), orientations, centres)
    torch.testing.assert_close(ahead[0], torch.tensor([[0.0, 0.0, 5.0], [0.0, -1.0, 6.0]]))
    torch.testing.assert_close(ahead[1], torch.tensor([[0.0, 0.0, 5.0], [1.0, -1.0, 5.0]]))
    rolled = world_to_camera(
        torch.tensor([[0.0, 1.0, 2.0]]), look_at(centres[0], torch.tensor([0.0, 0, 1]), math.pi / 2), centres[0]
    )
    torch.testing.assert_close(rolled, torch.tensor([[-1.0, 0.0, 6.0]]))
