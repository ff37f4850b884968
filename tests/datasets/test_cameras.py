"""Cameras: the published ones, and what is no camera."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_mocap
import torch

from skelgraph.datasets import read_cameras
from skelgraph.datasets.cameras import H36M_CAMERAS
from skelgraph.datasets.human36m import H36M_SUBJECTS
from skelgraph.datasets.synthetic import CAMERAS
from skelgraph.errors import DataError
from skelgraph.geometry import normalize_intrinsics

SUBJECTS = [*H36M_SUBJECTS["train"], *H36M_SUBJECTS["test"]]


def test_published_cameras(golden: Callable[[str], Any]) -> None:
    g = golden("protocol_camera")
    subjects = [str(subject) for subject in g.arrays["in/subjects"]]
    assert sorted(subjects) == sorted(SUBJECTS)
    cameras = read_cameras(H36M_CAMERAS, subjects)
    for s, subject in enumerate(subjects):
        assert [camera.id for camera in cameras[subject]] == ["54138969", "55011271", "58860488", "60457274"]
        for c, camera in enumerate(cameras[subject]):
            assert list(camera.orientation) == g["in/orientation"][s, c].tolist()
            translation = torch.tensor(camera.translation, dtype=torch.float64)
            torch.testing.assert_close(translation * 1000, g["in/translation_mm"][s, c], atol=1e-8, rtol=0)
            assert list(camera.intrinsics) == g["in/intrinsic_raw"][c].tolist()
            assert [camera.width, camera.height] == g["in/resolution"][c].tolist()
            normalised = normalize_intrinsics(torch.tensor(camera.intrinsics), camera.width, camera.height)
            torch.testing.assert_close(normalised.double(), g["out/intrinsic_normalised"][c], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"focal_length": [1145.0]}, r"focal_length is \[1145\.0\], expected 2 finite numbers"),
        ({"translation": [0, 0, float("nan")]}, "translation is .* expected 3 finite"),
        ({"orientation": [1, 1, 0, 0]}, "is not a unit quaternion"),
        ({"res_w": 0}, "resolution 0 x 1002"),
        ({"res_w": "wide"}, "res_w is 'wide', expected a whole number"),
        ({"res_w": 1000.5}, r"res_w is 1000\.5, expected a whole number"),
        ({"res_h": True}, "res_h is True, expected a whole number"),
        ({"res_h": 10**400}, "res_h is .*2.*, expected a whole number"),
        ({"center": None}, "center is None, expected 2 finite numbers"),
        ({"center": ["512", "515"]}, "center is .*, expected 2 finite numbers"),
        ({"center": [10**400, 0]}, "center is .*, expected 2 finite numbers"),
        ({"focal_length": [-1145.0, 1143.0]}, "focal length .* expected positive"),
        ({"radial_distortion": [0.1, 0.2, 0.3, 0.4, 0.5]}, "radial_distortion is .* expected 3"),
        ({"distortion": "opnecv"}, "unknown distortion 'opnecv'; did you mean opencv"),
        ({"distortion": None}, "unknown distortion None"),
        ({"distortion": "none"}, "distortion is 'none', but its coefficients are"),
        ({"id": {}}, "id is {}, expected a text"),
    ],
)
def test_bad_cameras(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    camera = json.loads(H36M_CAMERAS.read_text())["cameras"]["S1"][0] | change
    path = tmp_path / "cameras.json"
    path.write_text(json.dumps({"cameras": [camera]}))
    with pytest.raises(DataError, match=r"cameras\.json: subject me, camera 0: .*" + message):
        read_cameras(path, ["me"])


def test_bad_camera_files(tmp_path: Path) -> None:
    path = tmp_path / "cameras.json"
    with pytest.raises(DataError, match=r"cameras\.json: there is no such file"):
        read_cameras(path, ["me"])
    for text in ("{", "[]", "{}", "\x00"):
        path.write_text(text)
        with pytest.raises(DataError, match=r"cameras\.json: is not a JSON file "):
            read_cameras(path, ["me"])
    path.write_text('{"cameras": 3}')
    with pytest.raises(DataError, match="no cameras for subject 'me'"):
        read_cameras(path, ["me"])
    path.write_text('{"cameras": {"me": [{"id": 1, "resolution": [640, 480], "orientation": [1, 0, 0, 0]}]}}')
    missing = "res_w, res_h, focal_length, center, radial_distortion, tangential_distortion, translation"
    with pytest.raises(DataError, match=f"subject me, camera 0: has no {missing}; .*; found: id, resolution, orient"):
        read_cameras(path, ["me"])


def test_cameras_name_their_lens(tmp_path: Path, shared_dir: Callable[[str], Path]) -> None:
    camera = {key: value for key, value in tiny_mocap.CAMERAS[0].items() if key != "distortion"}
    path = tmp_path / "cameras.json"

    def lens(document: dict[str, Any]) -> str:
        path.write_text(json.dumps(document))
        return read_cameras(path, ["me"])["me"][0].distortion

    assert lens({"cameras": [camera]}) == "opencv"
    assert lens({"cameras": [camera], "convention": "mine"}) == "opencv"
    assert lens({"cameras": {"me": [camera | {"distortion": "human36m"}]}}) == "human36m"
    bare = {key: value for key, value in camera.items() if not key.endswith("_distortion")}
    assert lens({"cameras": [bare | {"distortion": "none"}]}) == "none"
    assert read_cameras(path, ["me"])["me"][0].intrinsics == (*camera["focal_length"], *camera["center"], *[0] * 5)
    with pytest.raises(DataError, match="has no radial_distortion, tangential_distortion;"):
        lens({"cameras": [bare]})  # of a lens that was measured nothing is guessed
    # a file that spells Human3.6M's formula out, without a name for it
    real = json.loads((shared_dir("data") / "cameras_cmu.json").read_text())
    assert lens(real) == "human36m"
    assert lens(real | {"convention": {"projection": "x_px = fx*X/Z+cx"}}) == "opencv"
    path.write_text(json.dumps({"cameras": [camera, camera]}))
    with pytest.raises(DataError, match="two cameras have the id 'cam0'"):
        read_cameras(path, ["me"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": "1920"}, "resolution '1920' x 1002"),
        ({"width": 10**400}, "resolution .* expected positive numbers"),
        ({"intrinsics": ("500",) * 9}, "intrinsics is .* expected 9 finite numbers"),
        ({"translation": None}, "translation is None, but orientation is known; expected both or none"),
        ({"orientation": None}, "orientation is None, but translation is known"),
        ({"translation": (0.0, 0.0, float("nan"))}, "translation is .* expected 3 finite numbers"),
        ({"orientation": (1.0, 1.0, 0.0, 0.0)}, "is not a unit quaternion"),
        ({"distortion": "fisheye"}, "unknown distortion 'fisheye'; known: human36m, none, opencv"),
    ],
)
def test_cameras_made_by_hand(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        dataclasses.replace(CAMERAS[0], **change)
    assert dataclasses.replace(CAMERAS[0], orientation=None, translation=None).intrinsics == CAMERAS[0].intrinsics
    assert dataclasses.replace(CAMERAS[0], translation=tuple(np.float32([1, 2, 3]))).translation == (1, 2, 3)
