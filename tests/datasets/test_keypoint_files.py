"""Readers of keypoints, on files as the programs write them: two people who cross, of whom one leaves, in portrait."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skelgraph import Skeleton, as_skeleton
from skelgraph.datasets import Detections, read_keypoints, write_keypoints
from skelgraph.errors import DataError

FRAMES = 7


def people(joints: int, seed: int = 0) -> list[tuple[int, int, np.ndarray]]:
    """Frame, person and keypoints ``(J, 3)``: the second person is there in frames 2 to 4 only and in frame 3 stands
    first, nobody is there in frame 5; joint 1 of the first person is never seen."""
    rng = np.random.default_rng(seed)
    found = []
    for frame in range(FRAMES):
        here = {2: [0, 1], 3: [1, 0], 4: [0, 1], 5: []}.get(frame, [0])
        for person in here:
            keypoints = np.column_stack(
                [rng.uniform(5, 1070, joints), rng.uniform(5, 1900, joints), rng.uniform(0.1, 1, joints)]
            )
            if person == 0:
                keypoints[1] = 0
            found.append((frame, person, np.round(keypoints, 3)))
    return found


def check(result: Detections, expected: list[tuple[int, int, np.ndarray]], layout: str, persons: bool = True) -> None:
    """That these are the people."""
    assert result.skeleton == as_skeleton(layout)
    assert result.frames.tolist() == [frame for frame, _, _ in expected]
    joints = result.skeleton.num_joints
    np.testing.assert_allclose(result.keypoints, [keypoints[:joints] for _, _, keypoints in expected], atol=1e-9)
    assert (None if result.persons is None else result.persons.tolist()) == (
        [person for _, person, _ in expected] if persons else None
    )


# ---------------------------------------------------------------------------------------------- our own


@pytest.fixture
def detections() -> Detections:
    found = people(17)
    return Detections(
        np.array([keypoints for _, _, keypoints in found]),
        np.array([frame for frame, _, _ in found]),
        as_skeleton("coco17"),
        FRAMES + 2,
        np.array([person for _, person, _ in found]),
        (1080, 1920),
        29.97,
    )


def same(a: Detections, b: Detections) -> None:
    np.testing.assert_array_equal(a.keypoints, b.keypoints)
    np.testing.assert_array_equal(a.frames, b.frames)
    assert (a.persons is None) == (b.persons is None)
    if a.persons is not None:
        np.testing.assert_array_equal(a.persons, b.persons)
    for name in ("skeleton", "num_frames", "image_size", "frame_rate"):
        assert getattr(a, name) == getattr(b, name)


def test_own_file_loses_nothing(tmp_path: Path, detections: Detections) -> None:
    path = tmp_path / "cache"  # a name says nothing
    write_keypoints(path, detections)
    same(read_keypoints(path), detections)
    mine = Skeleton([-1, *range(16)], [f"j{i}" for i in range(17)])
    bare = replace(detections, persons=None, image_size=None, frame_rate=None, skeleton=mine)
    write_keypoints(path, bare)
    same(read_keypoints(path), bare)
    same(read_keypoints(path, frame_rate=12.5, image_size=(8, 9)), replace(bare, frame_rate=12.5, image_size=(8, 9)))
    nobody = replace(bare, keypoints=np.zeros((0, 17, 3)), frames=np.zeros(0, np.int64))
    write_keypoints(path, nobody)
    same(read_keypoints(path), nobody)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"frame_rate": 30.0}, "frame_rate is 29.97, but frame_rate is 30"),
        ({"image_size": (1920, 1080)}, r"image_size is \(1080, 1920\), but"),
        ({"skeleton": "h36m17"}, "skeleton is"),
    ],
)
def test_what_the_file_says_differently(tmp_path: Path, detections: Detections, asked: Any, message: str) -> None:
    write_keypoints(tmp_path / "a.npz", detections)
    with pytest.raises(DataError, match=message):
        read_keypoints(tmp_path / "a.npz", **asked)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("keypoints", np.zeros((3, 17, 3)), "frames|keypoints are"),
        ("keypoints", np.full((9, 17, 3), np.inf), "finite"),
        ("keypoints", np.zeros((9, 17, 3), dtype=object), "keypoints are"),
        ("keypoints", np.float64(3), "keypoints are"),
        ("frames", np.arange(9)[::-1].copy(), "ascend"),
        ("frames", np.arange(9) - 1, "ascend"),
        ("frames", np.zeros((9, 1), int), "frames"),
        ("num_frames", 2, "ascend"),
        ("num_frames", -1, "expected 0 to"),
        ("num_frames", 10**9, "expected 0 to"),
        ("skeleton", "coco", "coco17"),
        ("skeleton", "{", "JSON"),
        ("skeleton", 7, "layout"),
        ("persons", np.zeros(9, int), "twice"),
        ("persons", np.zeros(8, int), "persons"),
        ("image_size", np.array([0, 5]), "width and height"),
        ("frame_rate", -2.0, "above 0"),
    ],
)
def test_damaged_own_file(tmp_path: Path, detections: Detections, name: str, value: Any, message: str) -> None:
    write_keypoints(tmp_path / "a.npz", detections)
    members = {**np.load(tmp_path / "a.npz"), name: value}
    assert len(members["frames"]) == 9
    np.savez(tmp_path / "a.npz", **members)
    with pytest.raises(DataError, match=message):
        read_keypoints(tmp_path / "a.npz")


# ---------------------------------------------------------------------------------------------- OpenPose


def write_openpose(folder: Path, found: list, name: str = "video_{:012d}_keypoints.json", frames: int = FRAMES) -> None:
    folder.mkdir(exist_ok=True)
    for frame in range(frames):
        document = {
            "version": 1.3,
            "people": [
                {
                    "person_id": [-1],
                    "pose_keypoints_2d": keypoints.ravel().tolist(),
                    "face_keypoints_2d": [],
                    "hand_left_keypoints_2d": [],
                    "hand_right_keypoints_2d": [],
                    "pose_keypoints_3d": [],
                    "face_keypoints_3d": [],
                    "hand_left_keypoints_3d": [],
                    "hand_right_keypoints_3d": [],
                }
                for at, _, keypoints in found
                if at == frame
            ],
        }
        (folder / name.format(frame)).write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("joints", "layout", "name"),
    [
        (25, "body25", "my.video2_{:012d}_keypoints.json"),
        (18, "openpose_coco18", "{}_keypoints.json"),  # without leading zeros: 10 comes after 9
        (26, "halpe26", "cam01_{:06d}.json"),  # Pose2Sim, by rtmlib
        (133, "coco_wholebody_body23", "cam01_{:06d}.json"),
    ],
)
def test_openpose(tmp_path: Path, joints: int, layout: str, name: str) -> None:
    found = people(joints)
    write_openpose(tmp_path / "json", found, name, frames=12)
    (tmp_path / "json" / "notes.txt").write_text("beside")
    result = read_keypoints(tmp_path / "json", image_size=(1080, 1920), frame_rate=30.0)
    check(result, found, layout, persons=False)
    assert (result.num_frames, result.image_size, result.frame_rate) == (12, (1080, 1920), 30.0)
    assert (result.converted("h36m17").keypoints[:, 0, 2] > 0).all()


def test_openpose_of_other_layouts_and_versions(tmp_path: Path) -> None:
    found = people(25)
    write_openpose(tmp_path / "json", found)
    check(read_keypoints(tmp_path / "json", skeleton="body25b"), found, "body25b", persons=False)
    for path in (tmp_path / "json").iterdir():
        path.write_text(path.read_text().replace("pose_keypoints_2d", "pose_keypoints").replace("[-1]", "[4]"))
    result = read_keypoints(tmp_path / "json" / "video_000000000001_keypoints.json")
    assert (result.frames.tolist(), result.num_frames, result.persons.tolist()) == ([1], 2, [4])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "a_2.json").write_text("{}"), "video_000000000002_keypoints.json: is frame 2, as a_2.json"),
        (lambda f: (f / "a.json").write_text("{}"), "a.json says no number"),
        (lambda f: (f / "a_99.json").write_text('{"x": 1}'), "a_99.json: found .* list of people"),
        (lambda f: (f / "a_99.json").write_text('{"people": [7]}'), "a person is 7"),
        (lambda f: (f / "a_99999999999.json").write_text('{"people": []}'), "expected 0 to 9999999"),
        (lambda f: (f / "a_9.json").write_text('{"people": [{"pose_keypoints_2d": [1, 2]}]}'), "2 of them"),
        (lambda f: (f / "a_9.json").write_text('{"people": [{"pose_keypoints_2d": [1, 2, "x"]}]}'), "among the key"),
        (lambda f: (f / "a_9.json").write_text('{"people": [{"pose_keypoints_2d": [5, 2, true]}]}'), "found True"),
        (lambda f: (f / "a_9.json").write_text('{"people": [{"pose_keypoints_2d": [5, 2, 1]}]}'), "have 1 and 25 joi"),
        (lambda f: (f / "a_9.json").write_text('{"people"'), "a_9.json: is not a JSON"),
    ],
)
def test_damaged_openpose(tmp_path: Path, change: Callable[[Path], Any], message: str) -> None:
    write_openpose(tmp_path / "json", people(25))
    change(tmp_path / "json")
    with pytest.raises(DataError, match=message):
        read_keypoints(tmp_path / "json")


def test_what_the_number_of_joints_does_not_say(tmp_path: Path) -> None:
    write_openpose(tmp_path / "json", people(15))
    with pytest.raises(DataError, match=r"15 joints, and which these are is known of 25 \(body25\).*expected skeleton"):
        read_keypoints(tmp_path / "json")
    with pytest.raises(DataError, match="skeleton h36m17 has 17"):
        read_keypoints(tmp_path / "json", skeleton="h36m17")
    write_openpose(tmp_path / "nobody", [])
    with pytest.raises(DataError, match="nobody in it"):
        read_keypoints(tmp_path / "nobody")
    assert len(read_keypoints(tmp_path / "nobody", skeleton="body25").frames) == 0
    found = [(0, 0, np.array([[0.2, 0.7, 0.9]] * 25))]
    write_openpose(tmp_path / "scaled", found)
    with pytest.raises(DataError, match="between -1 and 1"):
        read_keypoints(tmp_path / "scaled")


# ---------------------------------------------------------------------------------------------- COCO


def coco_results(found: list, **more: Any) -> list[dict[str, Any]]:
    return [
        {"image_id": frame, "category_id": 1, "keypoints": keypoints.ravel().tolist(), "score": 0.9, **more}
        for frame, _, keypoints in found
    ]


@pytest.mark.parametrize(("joints", "layout"), [(17, "coco17"), (133, "coco_wholebody_body23")])
def test_coco_results(tmp_path: Path, joints: int, layout: str) -> None:
    found = people(joints)
    entries = coco_results(found)
    for entry, (_, person, _) in zip(entries, found, strict=True):
        entry["track_id"] = person
    (tmp_path / "results").write_text(json.dumps(entries[::-1]))  # in any order
    result = read_keypoints(tmp_path / "results")
    check(result, [found[i] for i in (0, 1, 3, 2, 5, 4, 7, 6, 8)], layout)
    assert result.num_frames == FRAMES
