"""Calibrations of other programs: the cameras in them see what their own definition says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from skelgraph.datasets import CalibratedCamera, four_views, read_calibration
from skelgraph.errors import DataError

RNG = np.random.default_rng(5)
CENTRE = np.array([2.0, -3.0, 1.7])
"""Where the cameras stand, metres, z up; they look at the origin and are rolled by 20 degrees."""


def looking_at_origin(roll: float = 20.0) -> np.ndarray:
    """The rotation from the world (z up) to a camera (x right, y down, z forward)."""
    ahead = -CENTRE / np.linalg.norm(CENTRE)
    right = np.cross(ahead, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(ahead, right), ahead])
    about = np.array([0, 0, np.radians(roll)])
    return roma.rotvec_to_rotmat(torch.from_numpy(about)).numpy() @ turn


ROTATION = looking_at_origin()


def toml(rotation: np.ndarray = ROTATION, name: str = "left", extra: str = "") -> str:
    vector = roma.rotmat_to_rotvec(torch.from_numpy(rotation)).tolist()
    place = (-rotation @ CENTRE).tolist()
    return (
        f'[cam_1]\nname = "{name}"\nsize = [ 1279.0, 719.0]\n'
        "matrix = [ [ 900.5, 0.0, 630.0], [ 0.0, 905.5, 350.0], [ 0.0, 0.0, 1.0]]\n"
        f"distortions = [ -0.2, 0.1, 0.001, -0.002]\nrotation = {vector}\ntranslation = {place}\nfisheye = false\n"
        f"{extra}\n[metadata]\nadjusted = false\nerror = 0.0\n"
    )


def qualisys(rotation: np.ndarray = ROTATION, **changes: str) -> str:
    """Qualisys' camera looks along -z and has y up; its file holds the axes of the camera in the world, row by row the
    coordinates of one axis of the camera."""
    axes = np.diag([1.0, -1.0, -1.0]) @ rotation
    turn = " ".join(f'r{i + 1}{j + 1}="{axes[i, j]!r}"' for i in range(3) for j in range(3)).replace("np.float64", "")
    text = (
        '<?xml version="1.0"?><calibration><cameras><camera serial="12345" viewrotation="0" model="Miqus Video">'
        '<fov_video left="10" right="1289" top="4" bottom="723"/>'
        f'<transform x="2000" y="-3000" z="1700" {turn.replace("(", "").replace(")", "")}/>'
        f'<intrinsic focalLengthU="{900.5 * 64}" focalLengthV="{905.5 * 64}" centerPointU="{640 * 64}" '
        f'centerPointV="{354 * 64}" radialDistortion1="-0.2" radialDistortion2="0.1" radialDistortion3="0" '
        'tangentalDistortion1="0.001" tangentalDistortion2="-0.002"/></camera></cameras></calibration>'
    )
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def written(folder: Path, text: str) -> Path:
    path = folder / "calibration.txt"  # the content tells
    path.write_text(text)
    return path


@pytest.mark.parametrize(("text", "name"), [(toml(), "left"), (qualisys(), "12345")])
def test_a_camera_of_each_format(tmp_path: Path, text: str, name: str) -> None:
    cameras = read_calibration(written(tmp_path, text))
    assert [*cameras] == [name]
    camera = cameras[name]
    assert np.abs(np.subtract(camera.image_size, (1280, 720))).max() <= 1  # Pose2Sim writes one less
    assert (camera.focal, camera.principal_point) == ((900.5, 905.5), (630.0, 350.0))
    assert camera.distortion == (-0.2, 0.1, 0.0, 0.001, -0.002)
    np.testing.assert_allclose(camera.rotation, ROTATION, atol=1e-9)
    down = ROTATION @ [0, 0, -1.0]
    np.testing.assert_allclose(camera.gravity("z"), down, atol=1e-9)
    # a thing dropped before the camera falls down in the picture, along gravity
    above, below = (ROTATION @ (np.array([0, 0, z]) - CENTRE) for z in (0.1, -0.1))
    assert below[1] / below[2] > above[1] / above[2]
    with pytest.raises(DataError, match=r"with y up .* upside down or lie on its side .* expected the axis"):
        camera.gravity("y")


def test_a_world_with_y_up(tmp_path: Path) -> None:
    y_up = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # from y up to z up
    (camera,) = read_calibration(written(tmp_path, toml(ROTATION @ y_up))).values()
    np.testing.assert_allclose(camera.gravity("y"), ROTATION @ [0, 0, -1.0], atol=1e-9)


@pytest.mark.parametrize("steep", [89.0, -80.0])
def test_a_camera_that_looks_straight_down_or_up_is_none_that_lies_on_its_side(steep: float) -> None:
    angle = np.radians(steep)
    down = np.array([0, np.cos(angle), np.sin(angle)])
    across = np.array([1.0, 0, 0])
    rotation = np.stack([across, np.cross(-down, across), -down], 1)
    camera = CalibratedCamera("a", (10, 10), (9.0, 9.0), (5.0, 5.0), (0.0,) * 5, rotation)
    np.testing.assert_allclose(camera.gravity("z"), down, atol=1e-12)


def test_how_far_a_lens_bends_the_picture() -> None:
    def bend(*distortion: float) -> float:
        return CalibratedCamera("a", (2000, 1000), (1000.0, 1000.0), (1000.0, 500.0), distortion, None).bend

    assert bend(0, 0, 0, 0, 0) < 1e-9
    corner = np.hypot(1, 0.5)
    assert bend(-0.1, 0, 0, 0, 0) == pytest.approx(100 * corner**3)


def test_intrinsics_alone(tmp_path: Path) -> None:
    """Pose2Sim writes rotations and translations of 0 where there are no extrinsics yet."""
    text = toml()
    zero = "\n".join(
        line.partition("=")[0] + "= [ 0.0, 0.0, 0.0]" if line.startswith(("rotation", "translation")) else line
        for line in text.splitlines()
    )
    (camera,) = read_calibration(written(tmp_path, zero)).values()
    assert camera.rotation is None
    with pytest.raises(DataError, match="camera left: the calibration says nothing of how it is turned"):
        camera.gravity("z")
    # AniPose puts the world into the first of several cameras
    both = read_calibration(
        written(
            tmp_path, zero + "\n" + text.replace("cam_1", "cam_2").replace('"left"', '"right"').partition("[meta")[0]
        )
    )
    np.testing.assert_allclose(both["left"].rotation, np.eye(3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (toml().replace("900.5", "-900.5"), "camera cam_1: its focal length is"),
        (toml().replace("900.5", "nan"), "camera cam_1: a row of matrix: found .*expected 3 finite numbers"),
        (toml().replace("630.0", "6300.0"), "its optical axis meets the picture at .* of 1279 x 719 pixels"),
        (toml().replace("size = [ 1279.0, 719.0]", ""), "size: found None"),
        (toml().replace("size = [ 1279.0, 719.0]", "size = [ 1e300, 719.0]"), "its pictures are"),
        (toml().replace("fisheye = false", "fisheye = true"), "is a fisheye camera"),
        (toml().replace("-0.2, 0.1,", "-0.2,"), "distortions: found .*expected 4 or 5 finite"),
        (toml().replace("rotation", "turn"), "rotation: found None, expected 3"),
        (
            toml(extra='[cam_2]\nname = "left"' + toml().partition('"left"')[2].partition("fish")[0]),
            "two cameras 'left'",
        ),
        ("[metadata]\nerror = 0.0\n", "has no cameras"),
        ("a,b\n1,2\n", "no TOML"),
        ("<calibration/>", "has no cameras"),
        (qualisys(**{"fov_video": "fov"}), "camera 12345: has no fov_video"),
        (qualisys(**{'viewrotation="0"': 'viewrotation="90"'}), "its view is rotated by '90'"),
        (qualisys(**{"focalLengthU": "focal"}), "focalLengthU, .* of intrinsic: found .*None"),
        (qualisys(2 * ROTATION), "how it is turned is .*expected a rotation"),
        ("<!DOCTYPE a []><a/>", "declares a document type"),
    ],
)
def test_what_is_no_calibration(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"calibration\.txt: .*{message}") as error:
        read_calibration(written(tmp_path, text))
    assert "\n" not in str(error.value)


def test_the_calibration_of_the_example(clip_calibration: Path) -> None:
    """The four views were made from this file by other code than ours."""
    cameras, views = read_calibration(clip_calibration), four_views()
    assert [*cameras] == [*views]
    for name, view in views.items():
        camera = cameras[name]
        np.testing.assert_allclose([*camera.focal, *camera.principal_point], view.intrinsics, rtol=1e-6)
        np.testing.assert_allclose(camera.gravity("z"), view.gravity, atol=1e-6)
        assert np.abs(np.subtract(camera.image_size, view.detections.image_size)).max() <= 8
        assert camera.bend < 12
