"""BlazePose with the real weights on the real videos, against the landmarks that MediaPipe found in them."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from skelgraph.detection import create_detector, detect_video
from skelgraph.detection.blazepose import BlazePose, _without_chatter
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.files import read_video, write_video

STEP = 4


@pytest.fixture
def detector(blazepose_files: Path) -> BlazePose:
    detector = create_detector("blazepose", threads=1, folder=blazepose_files)
    assert isinstance(detector, BlazePose)
    return detector


@pytest.fixture(scope="module")
def mediapipe(shared_dir: Callable[[str], Path]) -> np.ndarray:
    """``(4, 100, 33, 3)``: what MediaPipe with its largest network found, smoothed; pixels and visibility."""
    return np.load(shared_dir("video") / "person_4views.npz")["keypoints_px"]


def first_frame(video: Path) -> np.ndarray:
    with read_video(video) as frames:
        return next(frames)


@pytest.mark.parametrize("view", [1, 2, 3, 4])
def test_joints_are_those_of_mediapipe(
    detector: BlazePose, clip_videos: dict[str, Path], mediapipe: np.ndarray, view: int
) -> None:
    with read_video(clip_videos[f"cam0{view}"]) as frames:
        found = [detector(frame) for frame in islice(frames, 0, None, STEP)]
    assert {people.shape for people in found} == {(1, 33, 3)}
    joints, expected = np.concatenate(found), mediapipe[view - 1, ::STEP]
    distance = np.linalg.norm((joints - expected)[..., :2], axis=-1)
    assert np.median(distance) < 12
    assert np.abs((joints - expected)[..., 2]).mean() < 0.1


def test_nothing_is_written_to_the_error_stream(
    blazepose_files: Path, clip_videos: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    assert len(create_detector("blazepose", folder=blazepose_files)(first_frame(clip_videos["cam02"]))) == 1
    assert capfd.readouterr() == ("", "")


def test_what_litert_writes_is_kept_where_it_fails(capfd: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        os.write(2, b"ERROR: why\n")
        raise ValueError("no model")

    with _without_chatter():
        os.write(2, b"INFO: created\n")
    with pytest.raises(ValueError, match="no model"), _without_chatter():
        fails()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "ERROR: why\nafter\n"


def test_a_whole_video(detector: BlazePose, clip_videos: dict[str, Path], mediapipe: np.ndarray) -> None:
    found = detect_video(clip_videos["cam04"], detector)
    assert found.frames.tolist() == list(range(100))
    assert (found.num_frames, found.image_size, found.frame_rate) == (100, (1088, 1920), 60.0)
    assert found.skeleton.name == "blazepose33"
    assert np.median(np.linalg.norm((found.keypoints - mediapipe[3])[..., :2], axis=-1)) < 9


def test_the_first_network_is_asked_only_when_the_person_is_lost(
    detector: BlazePose, clip_videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person jumps to the other side of the picture, is gone for a frame, and comes back."""
    asked, find = [], detector._find
    monkeypatch.setattr(detector, "_find", lambda frame: (asked.append(number), find(frame))[1])
    frame = first_frame(clip_videos["cam01"])
    wide = np.concatenate([frame, np.zeros_like(frame)], axis=1)
    moved, empty = np.ascontiguousarray(np.roll(wide, frame.shape[1], axis=1)), np.zeros_like(wide)
    found = []
    for number, each in enumerate([wide, wide, moved, moved, empty, wide]):  # noqa: B007 - seen by the lambda
        found.append(detector(each))
    assert [len(people) for people in found] == [1, 1, 1, 1, 0, 1]
    assert asked == [0, 2, 4, 5]
    shift = np.median(found[3][0, :, 0] - found[1][0, :, 0])
    assert shift == pytest.approx(frame.shape[1], abs=5)
    detector.reset()
    number = 6
    detector(wide)
    assert asked[-1] == 6


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_person_in_any_direction(detector: BlazePose, clip_videos: dict[str, Path], quarters: int) -> None:
    """Whoever hangs upside down or lies has the same joints: left is left, and the square is turned as they are."""
    frame = first_frame(clip_videos["cam04"])
    upright = detector(frame)[0, :, :2]
    detector.reset()
    turned = detector(np.ascontiguousarray(np.rot90(frame, quarters)))
    assert len(turned) == 1
    height, width = frame.shape[:2]
    x, y = turned[0, :, 0], turned[0, :, 1]
    back = {1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}[quarters]
    assert np.median(np.linalg.norm(np.stack(back, axis=-1) - upright, axis=-1)) < 12


def test_the_mirrored_person_has_the_other_sides(detector: BlazePose, clip_videos: dict[str, Path]) -> None:
    frame = first_frame(clip_videos["cam04"])
    joints = detector(frame)[0]
    detector.reset()
    mirrored = detector(np.ascontiguousarray(frame[:, ::-1]))[0][list(detector.skeleton.mirror_index)]
    mirrored[:, 0] = frame.shape[1] - mirrored[:, 0]
    assert np.median(np.linalg.norm((mirrored - joints)[:, :2], axis=-1)) < 12


def test_nobody(detector: BlazePose, tmp_path: Path) -> None:
    """Pictures of noise, of any size; a video without anybody has no entry, but all its frames."""
    random = np.random.default_rng(0)
    for shape in [(1, 1, 3), (2, 500, 3), (400, 300, 3)]:
        assert detector(random.integers(0, 255, shape, dtype=np.uint8)).shape == (0, 33, 3)
    with write_video(tmp_path / "empty.mp4", 25) as video:
        for _ in range(3):
            video.add(np.full((64, 64, 3), 90, dtype=np.uint8))
    found = detect_video(tmp_path / "empty.mp4", detector)
    assert found.keypoints.shape == (0, 33, 3)
    assert found.num_frames == 3


def test_what_is_no_picture(detector: BlazePose) -> None:
    for frame in (np.zeros((4, 4), dtype=np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), dtype=np.uint8)):
        with pytest.raises(DataError, match=r"expected uint8 \(H, W, 3\)"):
            detector(frame)


def test_options_are_checked(blazepose_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SkelgraphError, match="least_score is 2"):
        create_detector("blazepose", least_score=2.0, folder=blazepose_files)
    with pytest.raises(SkelgraphError, match="threads is 0"):
        create_detector("blazepose", threads=0, folder=blazepose_files)
    monkeypatch.setitem(__import__("sys").modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(DataError, match=r"pip install 'skelgraph\[lift\]'"):
        create_detector("blazepose", folder=blazepose_files)
