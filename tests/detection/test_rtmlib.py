"""The detector rtmlib: tiny networks of known answers, run by rtmlib where it is installed and by a double of it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tiny_rtmlib import BOXES, Double, joints_file, people_file

from skelgraph.detection import create_detector
from skelgraph.errors import DataError

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Two people in what is blue."""
    return people_file(tmp_path / "people.onnx")


@pytest.fixture(params=["rtmlib", "double"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    if request.param == "double":
        monkeypatch.setitem(sys.modules, "rtmlib", Double())
    else:
        pytest.importorskip("cv2", reason="rtmlib needs OpenCV, which is no dependency of the tests")
    return pytest.importorskip("rtmlib")


def blue(height: int, width: int) -> np.ndarray:
    frame = np.zeros((height, width, 3), np.uint8)
    frame[..., 2] = 255
    return frame


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("size", [(96, 120), (160, 120)], ids=["landscape", "portrait"])
def test_people_are_where_the_networks_see_them(people: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    detector = create_detector("rtmlib", people=people, joints=joints_file(tmp_path))
    assert detector.skeleton.name == "coco17"
    found = detector(blue(*size))
    assert found.shape == (2, 17, 3)
    boxes = np.array(BOXES) / min(32 / size[0], 40 / size[1])
    wide = 1.25 * (boxes[:, 2:] - boxes[:, :2])  # a quarter wider, around the same centre
    corner = (boxes[:, 2:] + boxes[:, :2] - wide) / 2
    steps = np.stack([np.arange(17) / 2 / 192, np.arange(17) / 256], -1)
    assert found[..., :2] == pytest.approx(corner[:, None] + steps * wide[:, None], abs=0.01)
    assert found[0, :, 2] == pytest.approx(np.ones(17), abs=0.01)  # the other one may be half out of the picture
    assert (found[..., 2] <= 1).all()


@pytest.mark.usefixtures("library")
def test_nobody_is_nobody_and_not_the_whole_picture(people: Path, tmp_path: Path) -> None:
    detector = create_detector("rtmlib", people=people, joints=joints_file(tmp_path))
    assert detector(blue(96, 120)[..., ::-1]).shape == (0, 17, 3)  # red: the colours are in the right order


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("count", "layout", "joints"), [(26, "halpe26", 26), (133, "coco_wholebody_body23", 23)])
def test_the_layout_by_the_number_of_joints(people: Path, tmp_path: Path, count: int, layout: str, joints: int) -> None:
    detector = create_detector("rtmlib", people=people, joints=joints_file(tmp_path, count))
    assert (detector.skeleton.name, detector(blue(96, 120)).shape) == (layout, (2, joints, 3))


@pytest.mark.usefixtures("library")
def test_files_that_cannot_be_used(people: Path, tmp_path: Path) -> None:
    joints = joints_file(tmp_path)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    for options, message in [
        ({"people": people}, "both files"),
        ({"people": people, "joints": tmp_path / "missing.onnx"}, "joints=.*missing.onnx: there is no such file"),
        ({"people": broken, "joints": joints}, "people=.*broken.onnx: is no ONNX file"),
        ({"people": people, "joints": joints, "layout": "halpe26"}, "finds 17 joints, expected 'halpe26'"),
        ({"people": people, "joints": joints_file(tmp_path, 21)}, r"finds 21 joints, expected 17 \(coco17\)"),
    ]:
        with pytest.raises(DataError, match=message):
            create_detector("rtmlib", **options)


def test_without_network_the_error_says_which_files_to_name(monkeypatch: pytest.MonkeyPatch) -> None:
    double = Double()
    monkeypatch.setitem(sys.modules, "rtmlib", double)
    with pytest.raises(DataError, match=r"cannot be downloaded \(no network\).*people=FILE of YOLOX and joints=FILE"):
        create_detector("rtmlib")
    assert double.loaded == [("D", (640, 640), "onnxruntime", "cpu")]


def test_without_rtmlib_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rtmlib", None)
    with pytest.raises(DataError, match="pip install --no-deps rtmlib"):
        create_detector("rtmlib")
