"""BlazePose: one person, 33 joints, on a CPU in real time (https://arxiv.org/abs/2006.10204).

Two networks of MediaPipe 0.10.21 (Apache-2.0) run by LiteRT. The first looks at the whole picture and finds the circle
around a person; the second looks at the square around this circle, turned so that the person stands upright in it, and
finds the joints. It also finds the circle, by which the person is followed into the next frame: as long as it sees a
person, the first is not asked.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import numpy as np
import torch

from skelgraph.detection.anchors import INPUT_PIXELS as DETECTOR_PIXELS
from skelgraph.detection.anchors import best_person
from skelgraph.detection.landmarks import CENTRE, INPUT_PIXELS, RIM, landmarks
from skelgraph.detection.sides import Sides
from skelgraph.detection.squares import Square
from skelgraph.detection.weights import weight_files
from skelgraph.errors import DataError
from skelgraph.options import CheckedOptions, Count, Rate
from skelgraph.text import shown
from skelgraph.topology import as_skeleton

# MediaPipe 0.10.21, mediapipe/modules/pose_landmark/pose_detection_to_roi.pbtxt and pose_landmarks_to_roi.pbtxt:
_SCALE = 1.25  # side of the square by the diameter of the circle


class BlazePose(CheckedOptions):
    """The detector ``blazepose``: one person, the joints of the layout ``blazepose33``.

    The confidence of a joint is the network's visibility: that it is in the picture and not hidden. Where it is low the
    position is a guess, which is often a good one. Its presence (in the picture, hidden or not) is not given. Nothing
    is smoothed over time.

    Args:
        least_score: How sure the first network is at least that there is a person.
        least_presence: How sure the second one is at least; where it is not, the first is asked, in the same frame.
        keep_sides: Left stays left from one frame to the next (:class:`~skelgraph.detection.sides.Sides`), which this
            network mistakes at times. ``False`` is as MediaPipe has it.
        threads: Of LiteRT; by default as many as PyTorch uses.
        folder: Where the two weight files are; by default where ``skelgraph fetch-detector blazepose`` puts them.

    Raises:
        DataError: A weight file is missing or not the one of MediaPipe 0.10.21, or LiteRT is not installed.
    """

    def __init__(
        self,
        least_score: Rate = 0.5,
        least_presence: Rate = 0.5,
        keep_sides: bool = True,
        threads: Count | None = None,
        folder: str | PathLike[str] | None = None,
    ) -> None:
        self.skeleton = as_skeleton("blazepose33")
        self.least_score, self.least_presence = least_score, least_presence
        detector, pose = weight_files("blazepose", folder)
        self._detector = _network(detector, threads or torch.get_num_threads())
        self._pose = _network(pose, threads or torch.get_num_threads())
        self._sides = Sides(self.skeleton) if keep_sides else None
        self.reset()

    def reset(self) -> None:
        """Forget the person of the frame before."""
        self._square: Square | None = None
        if self._sides:
            self._sides.forget()

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """The person in a frame, the one of the frame before where there was one.

        Shapes:
            ``frame``: ``(H, W, 3)``, uint8, RGB; out ``(1, 33, 3)``, or ``(0, 33, 3)`` if there is nobody.

        Raises:
            DataError: If it is no such picture.
        """
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or frame.size == 0:
            raise DataError(f"frame is {shown(frame)}, expected uint8 (H, W, 3).")
        found = self._joints(frame, self._square)
        if found is None:
            self.reset()
            found = self._joints(frame, self._find(frame))
        if found is None:
            return np.zeros((0, self.skeleton.num_joints, 3))
        points, visible = found
        self._square = Square.around(points[CENTRE], points[RIM], _SCALE)
        joints = np.column_stack([points, visible])[: self.skeleton.num_joints]
        return (self._sides.kept(joints) if self._sides else joints)[None]

    def _find(self, frame: np.ndarray) -> Square | None:
        """The square around a person, wherever it is in the picture."""
        letterbox = Square.letterbox(frame.shape[1], frame.shape[0])
        seen = letterbox.sample(frame, DETECTOR_PIXELS, outside="zeros")
        assert seen is not None  # it holds the whole picture
        boxes, logits = self._detector(seen / 127.5 - 1)
        person = best_person(boxes[0], logits[0, :, 0], self.least_score)
        if person is None:
            return None
        centre, rim, *_ = letterbox.in_picture(person)
        return Square.around(centre, rim, _SCALE)

    def _joints(self, frame: np.ndarray, square: Square | None) -> tuple[np.ndarray, np.ndarray] | None:
        """All landmarks of the person in a square, in pixels, and how visible they are."""
        seen = None if square is None else square.sample(frame, INPUT_PIXELS, outside="border")
        if square is None or seen is None:
            return None
        numbers, presence, _, heat, _ = self._pose(seen / 255)
        if not (presence.item() >= self.least_presence and np.isfinite(numbers).all()):
            return None
        points, visible = landmarks(numbers[0], heat[0])
        return square.in_picture(points), visible


def _network(path: Path, threads: int) -> Callable[[np.ndarray], list[np.ndarray]]:
    """A function from the input of a network to its outputs."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise DataError("detector blazepose is run by LiteRT: pip install 'skelgraph[lift]'.") from None
    with _without_chatter():
        interpreter = Interpreter(model_path=str(path), num_threads=threads)
        interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    wanted = [output["index"] for output in interpreter.get_output_details()]

    def run(picture: np.ndarray) -> list[np.ndarray]:
        interpreter.set_tensor(given["index"], picture)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in wanted]

    return run


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Leave out what LiteRT writes to the error stream of the process when all goes well (that it has a delegate), for
    which it has no switch."""
    try:
        before = os.dup(2)
    except OSError:  # there is no error stream
        yield
        return
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(before, said.read(2**16))
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)
