"""What is known of the camera of an input, and what is said of a result because of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import skelgraph
from skelgraph.__main__ import main
from skelgraph.datasets import four_views, write_keypoints
from skelgraph.detection import DETECTORS, register_detector
from skelgraph.errors import SkelgraphError
from skelgraph.files import write_video
from skelgraph.lifting import LiftSettings, lift_file
from skelgraph.lifting.camera import KnownCamera, known_camera
from skelgraph.topology import as_skeleton

VIEW = four_views()["cam02"]
TABLE = """
[{key}]
name = "{name}"
size = [ 1087.0, 1919.0]
matrix = [ [ 1673.0, 0.0, 534.0], [ 0.0, 1674.0, 963.0], [ 0.0, 0.0, 1.0]]
distortions = [ {bent}, 0.0, 0.0, 0.0]
rotation = [ 1.8, 0.3, -0.2]
translation = [ 0.5, 0.1, 4.0]
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    skelgraph.create_model("martinez", "h36m16", hidden_channels=16).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    path = tmp_path / "Calib.toml"
    path.write_text("".join(TABLE.format(key=name, name=name, bent=0.0) for name in ("cam01", "cam02")))
    return path


@pytest.fixture
def keypoints(tmp_path: Path) -> Path:
    path = tmp_path / "cam02.npz"
    write_keypoints(path, VIEW.detections)
    return path


def settings(**values: object) -> LiftSettings:
    return LiftSettings.of(**values)


def test_what_the_caller_says() -> None:
    assert known_camera(settings().lifting, "a", None) == KnownCamera(gravity_from="a level camera is assumed")
    told = known_camera(settings(focal=900.0, gravity=(0.0, 1.0, 0.0)).lifting, "a", None)
    assert (told.focal, told.gravity_from) == (900.0, "given")


def test_the_camera_of_the_name_of_the_input_or_that_which_is_named(calibration: Path) -> None:
    lifting = settings(calibration=str(calibration), up="z").lifting
    found = known_camera(lifting, "cam02", (1088, 1920))
    assert (found.name, found.focal, found.principal_point) == ("cam02", (1673.0, 1674.0), (534.0, 963.0))
    assert found.gravity_from == "the calibration"
    with pytest.raises(SkelgraphError, match=r"none of its cameras has the name of the input, 'walk'; .* cam01, cam02"):
        known_camera(lifting, "walk", None)
    assert known_camera(replace(lifting, camera="cam01"), "walk", None).name == "cam01"
    with pytest.raises(SkelgraphError, match="has no camera 'cam9'; it has cam01, cam02"):
        known_camera(replace(lifting, camera="cam9"), "cam01", None)
    with pytest.raises(SkelgraphError, match="cam02 has pictures of 1087 x 1919, but those of cam02 are 540 x 960"):
        known_camera(lifting, "cam02", (540, 960))
    with pytest.raises(SkelgraphError, match="not which axis of its world points up; expected up, z or y"):
        known_camera(replace(lifting, up=None), "cam02", None)


def test_the_only_camera_needs_no_name(calibration: Path) -> None:
    calibration.write_text(TABLE.format(key="cam_1", name="left", bent=0.0))
    assert known_camera(settings(calibration=str(calibration), up="z").lifting, "walk", None).name == "left"


def test_intrinsics_alone_assume_a_level_camera(calibration: Path) -> None:
    text = TABLE.replace("1.8, 0.3, -0.2", "0, 0, 0").replace("0.5, 0.1, 4.0", "0, 0, 0")
    calibration.write_text(text.format(key="a", name="a", bent=0.0))
    told = known_camera(settings(calibration=str(calibration)).lifting, "a", None)
    assert (told.focal, told.gravity, told.gravity_from) == ((1673.0, 1674.0), (0, 1, 0), "a level camera is assumed")
    with pytest.raises(SkelgraphError, match="does not say how its cameras are turned"):
        known_camera(settings(calibration=str(calibration), up="z").lifting, "a", None)


@pytest.mark.parametrize("name", ["focal", "principal_point", "gravity"])
def test_one_who_says_it(name: str) -> None:
    value = {"focal": 900.0, "principal_point": (1.0, 2.0), "gravity": (0.0, 1.0, 0.0)}[name]
    with pytest.raises(SkelgraphError, match=f"calibration and {name.replace('_', '-')} are given; expected one"):
        settings(calibration="c.toml", **{name: value})


@pytest.mark.parametrize("given", [{"up": "z"}, {"camera": "a"}])
def test_what_is_of_a_calibration(given: dict[str, str]) -> None:
    with pytest.raises(SkelgraphError, match=f"{next(iter(given))} is given, but no calibration"):
        settings(**given)


def test_a_result_of_a_calibration(weights: str, keypoints: Path, calibration: Path, tmp_path: Path, capsys) -> None:
    calibration.write_text(TABLE.format(key="cam_2", name="cam02", bent=-0.2))
    command = ["lift", "--input", str(keypoints), "--weights", weights, "--format", "npz", "--out", str(tmp_path / "o")]
    assert main([*command, "--calibration", str(calibration), "--up", "z"]) == 0
    said = capsys.readouterr().out
    assert "focal length given: 1673 px; gravity: the calibration" in said
    assert "camera: cam02 of the calibration; its lens bends the picture by up to 98 pixels, which is ignored" in said
    assert "where down is, is not known" not in said
    record = json.loads((tmp_path / "o" / "lift.json").read_text())
    assert (record["camera"], record["gravity_from"], record["detector"]) == ("cam02", "the calibration", None)
    assert record["intrinsics"] == [1673.0, 1674.0, 534.0, 963.0]
    calibration.write_text(calibration.read_text().replace("1.8,", "1.7,"))  # calibrated anew, under the same name
    assert main([*command, "--calibration", str(calibration), "--up", "z"]) == 2
    assert "of other settings" in capsys.readouterr().err


def test_two_people_whose_feet_cannot_be_on_one_floor(weights: str, tmp_path: Path, capsys) -> None:
    """A camera that looks down sees who is farther away higher in the picture."""
    near = VIEW.detections
    far = near.keypoints.copy()
    far[..., :2] = 0.5 * far[..., :2] + [350.0, 150.0]
    both = replace(
        near,
        keypoints=np.stack([near.keypoints, far], 1).reshape(-1, *far.shape[1:]),
        frames=np.repeat(near.frames, 2),
        persons=np.tile([0, 1], len(far)),
    )
    write_keypoints(tmp_path / "two.npz", both)
    command = ["lift", "--input", str(tmp_path / "two.npz"), "--format", "npz", "--out"]
    assert main([*command, str(tmp_path / "level")]) == 0
    said = capsys.readouterr().out
    assert "where down is, is not known: people lean" in said
    assert "the feet of person 1 are" in said
    assert "above those of person 0: unless the floor is not level" in said
    assert "as the network says; --height sets it" in said
    assert main([*command, str(tmp_path / "one"), "--max-people", "1", "--height", "1.8"]) == 0
    said = capsys.readouterr().out
    assert "the feet of" not in said
    assert "height: 1.80 m, given (--height)" in said


class Jumping:
    """Sees somebody, and from the 20th frame on somebody else on the other side of the picture."""

    skeleton = as_skeleton("blazepose33")

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        self.count += 1
        return VIEW.detections.keypoints[[self.count]] / (12, 12, 1) + (60 * (self.count >= 20), 0, 0)

    def reset(self) -> None:
        self.count = -1


def test_a_detector_of_one_person_says_so_and_where_it_jumped(weights: str, tmp_path: Path, capsys) -> None:
    register_detector("jumping", help="somebody", one_person=True)(Jumping)
    try:
        with write_video(tmp_path / "walk.mp4", 30) as video:
            for _ in range(40):
                video.add(np.zeros((160, 160, 3), dtype=np.uint8))
        command = ["lift", "--input", str(tmp_path / "walk.mp4"), "--weights", weights, "--detector", "jumping"]
        assert main([*command, "--format", "npz", "--out", str(tmp_path / "out"), "--no-progress"]) == 0
    finally:
        del DETECTORS["jumping"]
    said = capsys.readouterr().out
    assert "jumping sees one person at a time; others in the picture are not lifted" in said
    assert "it went on somewhere else in 1 frame (20), with another person or the same" in said


def test_the_calibration_of_the_example_video(weights: str, keypoints: Path, clip_calibration: Path, tmp_path) -> None:
    record = lift_file(
        keypoints, tmp_path / "o", LiftSettings.of(weights, calibration=str(clip_calibration), up="z", format=("npz",))
    )
    np.testing.assert_allclose(record["gravity"], VIEW.gravity, atol=1e-6)
    np.testing.assert_allclose(record["intrinsics"], VIEW.intrinsics, rtol=1e-6)


def test_what_cannot_be_lifted_is_in_the_json_document(weights: str, tmp_path: Path, capsys) -> None:
    """Also where there is one input, or none."""
    (tmp_path / "own.csv").write_text("frame,head_x,head_y\n0,540.2,504.3\n")
    (tmp_path / "coco.json").write_text(json.dumps([{"image_id": 0, "keypoints": [100.0] * 51, "score": 1.0}]))
    said = {
        "own.csv": r"no file of keypoints that can be read: npz, OpenPose.*DeepLabCut CSV.*docs/formats\.md",
        "nothing.mp4": "there is no such file",
        "coco.json": "image.size",
    }
    for name, message in said.items():
        path = str(tmp_path / name)
        assert main(["lift", "--input", path, "--weights", weights, "--out", str(tmp_path / "out"), "--json"]) == 2
        out, err = capsys.readouterr()
        (failed,) = json.loads(out)["failed"]
        assert failed["source"] == path
        assert re.search(message, failed["error"])
        assert failed["error"] in " ".join(err.split())


def test_the_error_of_the_example_is_explained(tmp_path: Path, capsys) -> None:
    assert main(["lift", "--example", "--format", "npz", "--out", str(tmp_path / "out")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "P-MPJPE: the same once each pose is turned, moved and scaled to fit best" in said
    assert main(["lift", "--example", "--calibration", "c.toml", "--up", "z", "--out", str(tmp_path / "other")]) == 2
    assert "the four views have their own; expected none" in capsys.readouterr().err
