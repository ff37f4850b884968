"""The detector mediapipe: a double of the calls that MediaPipe documents."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from skelgraph.detection import create_detector
from skelgraph.errors import DataError

FRAME = np.zeros((200, 100, 3), np.uint8)


def person(shift: float) -> list[SimpleNamespace]:
    return [SimpleNamespace(x=shift + j / 100, y=j / 50, z=9.0, visibility=1 - j / 66, presence=9.0) for j in range(33)]


def pixels(shift: float) -> np.ndarray:
    joints = np.arange(33)
    return np.stack([100 * shift + joints, 4 * joints, 1 - joints / 66], -1)


class Double(ModuleType):
    """MediaPipe as it is called: ``seen`` are the people of the frames to come."""

    __version__ = "1.2"

    def __init__(self, seen: list[list[float]], solutions: bool) -> None:
        super().__init__("mediapipe")
        self.seen, self.times, self.closed, self.options = seen, [], 0, []
        if solutions:
            self.solutions = SimpleNamespace(pose=SimpleNamespace(Pose=self._start))
        self.ImageFormat = SimpleNamespace(SRGB="SRGB")
        self.Image = lambda image_format, data: (image_format, data)
        vision = SimpleNamespace(
            RunningMode=SimpleNamespace(VIDEO="VIDEO"),
            PoseLandmarkerOptions=dict,
            PoseLandmarker=SimpleNamespace(create_from_options=lambda options: self._start(**options)),
        )
        self.tasks = SimpleNamespace(vision=vision, BaseOptions=lambda model_asset_path: model_asset_path)

    def _start(self, **options: object) -> SimpleNamespace:
        self.options.append(options)
        if str(options.get("base_options", "")).endswith("bad.task"):
            raise RuntimeError("not a flatbuffer")
        self.times.append([])
        return SimpleNamespace(close=self._close, process=self._process, detect_for_video=self._detect)

    def _close(self) -> None:
        self.closed += 1

    def _process(self, frame: np.ndarray) -> SimpleNamespace:
        assert frame.flags.c_contiguous
        people = self.seen.pop(0)
        return SimpleNamespace(pose_landmarks=SimpleNamespace(landmark=person(people[0])) if people else None)

    def _detect(self, image: tuple, milliseconds: int) -> SimpleNamespace:
        assert image[0] == "SRGB"
        assert image[1].flags.c_contiguous
        self.times[-1].append(milliseconds)
        return SimpleNamespace(pose_landmarks=[person(shift) for shift in self.seen.pop(0)])


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "pose.task").touch()
    return tmp_path / "pose.task"


def test_its_own_weights_where_it_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    double = Double([[0.25], []], solutions=True)
    monkeypatch.setitem(sys.modules, "mediapipe", double)
    detector = create_detector("mediapipe", least_score=0.75)
    assert detector.skeleton.name == "blazepose33"
    assert detector(FRAME[:, ::-1])[0] == pytest.approx(pixels(0.25))
    assert detector(FRAME).shape == (0, 33, 3)
    assert double.options == [{"min_detection_confidence": 0.75, "min_tracking_confidence": 0.75}]


def test_several_people_and_the_next_video(task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    double = Double([[0.25, 0.5], [], [0.125]], solutions=False)
    monkeypatch.setitem(sys.modules, "mediapipe", double)
    detector = create_detector("mediapipe", model=task, people=3)
    assert detector(FRAME[:, ::-1]) == pytest.approx(np.stack([pixels(0.25), pixels(0.5)]))
    assert detector(FRAME).shape == (0, 33, 3)
    detector.reset()
    assert detector(FRAME) == pytest.approx(pixels(0.125)[None])
    assert double.times == [[0, 33], [0]]  # they ascend, and begin anew with a video
    assert double.closed == 1
    assert [options["num_poses"] for options in double.options] == [3, 3]


def test_what_is_missing_is_said(task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", Double([], solutions=False))
    bad = task.with_name("bad.task")
    bad.touch()
    for options, message in [
        ({}, r"MediaPipe 1\.2 brings no weights; expected model=FILE"),
        ({"model": task.with_name("none.task")}, "none.task: there is no such file"),
        ({"model": bad}, "bad.task: not a flatbuffer"),
    ]:
        with pytest.raises(DataError, match=message):
            create_detector("mediapipe", **options)
    monkeypatch.setitem(sys.modules, "mediapipe", Double([], solutions=True))
    with pytest.raises(DataError, match="people is 2, expected 1 without model=FILE"):
        create_detector("mediapipe", people=2)
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(DataError, match="pip install mediapipe"):
        create_detector("mediapipe")
