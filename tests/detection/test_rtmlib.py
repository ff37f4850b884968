"""The detector rtmlib: tiny networks of known answers, run by rtmlib where it is installed and by a double of it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from skelgraph.detection import create_detector
from skelgraph.errors import DataError

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

BOXES = [[4.0, 6.0, 16.0, 22.0], [20.0, 8.0, 32.0, 24.0]]
"""Where the network sees people in pictures of its own size, 3 : 4 as the other network's."""


def network(path: Path, size: tuple[int, int], outputs: dict[str, np.ndarray], channel: int, pixel: tuple) -> Path:
    """A network whose answers are constants times how bright a channel is; ``pixel`` brings it back to 0 to 1."""
    from onnx import TensorProto, helper, numpy_helper

    factor, offset = pixel
    nodes = [
        helper.make_node("ReduceMean", ["x", "space"], ["channels"], keepdims=0),
        helper.make_node("Gather", ["channels", "channel"], ["mean"], axis=1),
        helper.make_node("Mul", ["mean", "factor"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["bright"]),
    ]
    constants = {"space": np.array([2, 3]), "channel": np.array(channel)}
    constants |= {"factor": np.array(factor, np.float32), "offset": np.array(offset, np.float32)}
    infos = []
    for name, value in outputs.items():
        where = np.zeros(value.shape, np.float32)  # what the brightness is for: all, or the score in the last column
        where[..., slice(None) if name != "boxes" else -1] = 1
        constants |= {
            f"{name}_on": (value * where).astype(np.float32),
            f"{name}_off": (value * (1 - where)).astype("f"),
        }
        nodes += [
            helper.make_node("Mul", [f"{name}_on", "bright"], [f"{name}_seen"]),
            helper.make_node("Add", [f"{name}_seen", f"{name}_off"], [name]),
        ]
        infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, *size))
    initial = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", [given], infos, initial)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Sees two people where the first channel is bright: blue, for YOLOX takes BGR."""
    boxes = np.array([[[*box, 1.0] for box in BOXES]])
    return network(tmp_path / "people.onnx", (32, 40), {"boxes": boxes}, 0, (1 / 255, 0))


def joints_file(folder: Path, count: int = 17) -> Path:
    """Sees joint ``j`` at ``(j, 2 j)`` quarters of pixels of its input, as sure as the third channel is bright: blue,
    for RTMPose takes RGB."""
    x, y = np.zeros((1, count, 2 * 192)), np.zeros((1, count, 2 * 256))
    x[0, range(count), np.arange(count)] = 1
    y[0, range(count), 2 * np.arange(count)] = 1
    return network(folder / f"joints{count}.onnx", (256, 192), {"x_of": x, "y_of": y}, 2, (57.375 / 255, 103.53 / 255))


class Double(ModuleType):
    """rtmlib 0.0.16 as its documentation calls it, with these networks' answers."""

    def __init__(self) -> None:
        super().__init__("rtmlib")
        self.loaded: list[tuple] = []

        class Body:
            MODE = {  # noqa: RUF012
                "balanced": {"det": "D", "det_input_size": (640, 640), "pose": "P", "pose_input_size": (192, 256)}
            }

        class Tool:
            def __init__(tool, onnx_model, model_input_size, backend, device):  # noqa: N805
                self.loaded.append((onnx_model, model_input_size, backend, device))
                if not Path(onnx_model).exists():
                    raise OSError("no network")
                tool.model_input_size = model_input_size
                tool.session = ort.InferenceSession(onnx_model)

        class YOLOX(Tool):
            def __call__(tool, image):  # noqa: N805
                ratio = min(tool.model_input_size[0] / image.shape[0], tool.model_input_size[1] / image.shape[1])
                found = np.array(BOXES) / ratio if image[..., 0].mean() > 128 else np.array([])
                return found.reshape(-1, 4) if len(found) else found

        class RTMPose(Tool):
            def __call__(tool, image, bboxes=()):  # noqa: N805
                count = tool.session.get_outputs()[0].shape[1]
                bboxes = np.array(bboxes if len(bboxes) else [[0, 0, image.shape[1], image.shape[0]]], float)
                scale = 1.25 * (bboxes[:, 2:] - bboxes[:, :2])
                corner = (bboxes[:, 2:] + bboxes[:, :2] - scale) / 2
                steps = np.stack([np.arange(count), 2 * np.arange(count)], -1) / 2 / tool.model_input_size
                scores = np.full((len(bboxes), count), image[..., 2].mean() / 255)
                return corner[:, None] + steps * scale[:, None], scores

        self.Body, self.YOLOX, self.RTMPose = Body, YOLOX, RTMPose


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
