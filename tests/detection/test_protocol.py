"""Any object with the three members is a detector; what it finds in a video becomes Detections."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from skelgraph.detection import DETECTORS, create_detector, detect_video, register_detector
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.files.video import write_video
from skelgraph.topology import as_skeleton


class Marks:
    """Finds as many people as a frame has bright columns on its left."""

    skeleton = as_skeleton("coco17")

    def __init__(self, confidence: float = 0.5) -> None:
        self.confidence = confidence
        self.frames = 99

    def reset(self) -> None:
        self.frames = 0

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        assert frame.shape == (48, 64, 3)
        self.frames += 1
        count = int((frame[0, :, 0] > 128).sum()) // 16
        people = np.zeros((count, 17, 3), dtype=np.float32)
        people[:, :5] = [self.frames, 7, self.confidence]
        if count:
            people[0, 3, 0] = np.nan
            people[0, 4, 2] = -0.1
        return people


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Frames with 0, 2, 0, 1 and 0 people."""
    with write_video(tmp_path / "clip.mp4", 23.976) as video:
        for count in (0, 2, 0, 1, 0):
            frame = np.zeros((48, 64, 3), dtype=np.uint8)
            frame[:, : 16 * count] = 255
            video.add(frame)
    return tmp_path / "clip.mp4"


def test_the_people_of_a_video(clip: Path) -> None:
    seen = []

    def progress(frames: Iterable[np.ndarray], total: int | None) -> Iterator[np.ndarray]:
        seen.append(total)
        for frame in frames:
            seen.append(frame.shape)
            yield frame

    found = detect_video(clip, Marks(), progress)
    assert seen == [5] + [(48, 64, 3)] * 5
    assert found.frames.tolist() == [1, 1, 3]
    assert (found.num_frames, found.image_size, found.persons) == (5, (64, 48), None)
    assert found.frame_rate == pytest.approx(23.976, abs=1e-3)
    assert found.keypoints[:, 0].tolist() == [[2, 7, 0.5], [2, 7, 0.5], [4, 7, 0.5]]  # reset before the video
    assert found.keypoints[1, 3:5].tolist() == [[2, 7, 0.5]] * 2
    assert found.keypoints[0, 3:5].tolist() == [[0, 0, 0]] * 2  # no number, no confidence: not known
    assert (found.keypoints[:, 5:] == 0).all()


def test_who_has_no_joint_is_nobody(clip: Path) -> None:
    assert detect_video(clip, Marks(confidence=0.0)).keypoints.shape == (0, 17, 3)


def test_a_detector_that_gives_something_else(clip: Path) -> None:
    class Wrong(Marks):
        def __call__(self, frame: np.ndarray) -> np.ndarray:
            return np.zeros((1, 16, 3))

    with pytest.raises(DataError, match=r"expected people as \(N, 17, 3\)"):
        detect_video(clip, Wrong())


def test_own_detectors_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skelgraph.detection.protocol.DETECTORS", type(DETECTORS)("detector"))
    register_detector("marks", help="bright columns")(Marks)
    detector = create_detector("marks", confidence=1.0)
    assert isinstance(detector, Marks)
    assert detector.confidence == 1.0
    with pytest.raises(SkelgraphError, match="confidence is 'high'; expected a finite number"):
        create_detector("marks", confidence="high")
    with pytest.raises(
        SkelgraphError, match="unknown option of detector 'marks': 'confidenc'; did you mean confidence"
    ):
        create_detector("marks", confidenc=1.0)
    with pytest.raises(SkelgraphError, match="unknown detector 'mark'; did you mean marks"):
        create_detector("mark")
    with pytest.raises(SkelgraphError, match="'marks' is registered already, by Marks"):
        register_detector("marks", help="again")(type("Others", (Marks,), {}))


def test_detectors_are_listed_without_pytorch() -> None:
    program = "import sys, skelgraph.detection as d; print(*d.DETECTORS); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
