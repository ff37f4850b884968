"""RTMPose by rtmlib (https://github.com/Tau-J/rtmlib): several people, from the body to hands and face.

One network finds the people (YOLOX), the other one the joints of each (RTMPose, https://arxiv.org/abs/2303.07399); both
are ONNX files that ONNX Runtime runs.
"""

from __future__ import annotations

import contextlib
import sys
from os import PathLike
from typing import Any, Literal

import numpy as np

from skelgraph.errors import DataError
from skelgraph.files import as_path
from skelgraph.options import CheckedOptions
from skelgraph.text import plain, shown
from skelgraph.topology import as_skeleton

Layout = Literal["coco17", "halpe26", "coco_wholebody_body23"]
Mode = Literal["lightweight", "balanced", "performance"]

_SOLUTIONS = {"coco17": "Body", "halpe26": "BodyWithFeet", "coco_wholebody_body23": "Wholebody"}
"""The class of rtmlib that knows where the networks of a layout are."""
_LAYOUTS = {17: "coco17", 26: "halpe26", 133: "coco_wholebody_body23"}
"""The layout by the number of joints that a network finds; of COCO-WholeBody the joints of the body, its first 23."""
_INSTALL = (
    "pip install --no-deps rtmlib, then pip install onnxruntime opencv-python-headless tqdm (without --no-deps it "
    "brings two builds of OpenCV that overwrite each other)"
)


class RTMLib(CheckedOptions):
    """The detector ``rtmlib``: all people in a frame.

    The confidence of a joint is the network's score, at most 1. Each frame is seen on its own.

    Args:
        people: The network that finds people: an ONNX file of YOLOX.
        joints: The network that finds their joints: an ONNX file of RTMPose. Without the two files rtmlib downloads
            those of ``layout`` and ``mode`` when they are first used.
        layout: The joints; with files that which the number of joints tells, 17, 26 or 133.
        mode: Which networks are downloaded.
        device: Where they run.

    Raises:
        DataError: rtmlib is not installed, or a file is missing or not of such a network.
    """

    def __init__(
        self,
        people: str | PathLike[str] | None = None,
        joints: str | PathLike[str] | None = None,
        layout: Layout | None = None,
        mode: Mode = "balanced",
        device: Literal["cpu", "cuda"] = "cpu",
    ) -> None:
        library = _library()
        if (people is None) != (joints is None):
            raise DataError("detector rtmlib: expected both files, people and joints, or none of them.")
        if people is not None and joints is not None:
            self._people = _network(library.YOLOX, people, "people", device)
            self._joints = _network(library.RTMPose, joints, "joints", device)
        else:
            known = getattr(library, _SOLUTIONS[layout or "coco17"]).MODE[mode]
            self._people = _downloaded(library.YOLOX, known["det"], known["det_input_size"], device)
            self._joints = _downloaded(library.RTMPose, known["pose"], known["pose_input_size"], device)
        count = self._count()
        if count not in _LAYOUTS or layout not in (None, _LAYOUTS[count]):
            expected = shown(layout) if layout else "17 (coco17), 26 (halpe26) or 133 (COCO-WholeBody)"
            raise DataError(f"detector rtmlib: the network joints finds {count} joints, expected {expected}.")
        self.skeleton = as_skeleton(_LAYOUTS[count])

    def reset(self) -> None:
        """There is nothing to forget."""

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """The people in a frame.

        Shapes:
            ``frame``: ``(H, W, 3)``, uint8, RGB; out ``(N, J, 3)``.

        Raises:
            DataError: If it is no such picture.
        """
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or frame.size == 0:
            raise DataError(f"frame is {shown(frame)}, expected uint8 (H, W, 3).")
        # YOLOX was trained on BGR and RTMPose on RGB, which rtmlib leaves to its callers
        boxes = self._people(np.ascontiguousarray(frame[..., ::-1]))
        if not len(boxes):  # for which RTMPose would take the whole picture for a person
            return np.zeros((0, self.skeleton.num_joints, 3))
        points, scores = self._joints(frame, bboxes=boxes)
        found = np.concatenate([points, np.clip(scores, 0, 1)[..., None]], axis=-1)
        return found[:, : self.skeleton.num_joints]

    def _count(self) -> int:
        """How many joints the network finds, in a picture of nothing."""
        width, height = self._joints.model_input_size
        points, _ = self._joints(np.zeros((height, width, 3), np.uint8), bboxes=[[0, 0, width, height]])
        return int(points.shape[1])


def _library() -> Any:
    try:
        import onnxruntime  # noqa: F401 - which rtmlib asks for when it is too late
        import rtmlib
    except ImportError as error:
        raise DataError(f"detector rtmlib: {plain(str(error), 200)}: {_INSTALL}.") from None
    return rtmlib


def _network(tool: Any, path: str | PathLike[str], name: str, device: str) -> Any:
    """A network of rtmlib from a file, which tells the size of its input."""
    import onnxruntime

    file = as_path(path, DataError)
    where = f"detector rtmlib: {name}={plain(str(file), 1000)}"
    if not file.is_file():
        raise DataError(f"{where}: there is no such file, expected an ONNX file.")
    try:
        (given, *_) = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"]).get_inputs()
    except Exception as error:  # of its own kinds, which it does not export
        raise DataError(f"{where}: is no ONNX file that can be run ({plain(str(error), 300)}).") from None
    *_, height, width = given.shape
    if len(given.shape) != 4 or not isinstance(height, int) or not isinstance(width, int):
        raise DataError(f"{where}: takes {shown(tuple(given.shape))}, expected pictures (1, 3, H, W) of a fixed size.")
    size = (height, width) if name == "people" else (width, height)  # as each of the two wants it
    with contextlib.redirect_stdout(sys.stderr):  # it says what it loads
        return tool(str(file), model_input_size=size, backend="onnxruntime", device=device)


def _downloaded(tool: Any, source: str, size: tuple[int, int], device: str) -> Any:
    """A network that rtmlib downloads, or has downloaded before."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return tool(source, model_input_size=size, backend="onnxruntime", device=device)
    except Exception as error:  # whatever goes wrong in a network
        raise DataError(
            f"detector rtmlib: the weights cannot be downloaded ({plain(str(error), 300)}); without network, name the "
            "two ONNX files: people=FILE of YOLOX and joints=FILE of RTMPose."
        ) from None
