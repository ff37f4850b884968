"""Readers of keypoints, on files as the programs write them: two people who cross, of whom one leaves, in portrait."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keypoint_writers import (
    FRAMES,
    PAW,
    SIZE,
    SPORTS2D,
    coco_annotations,
    coco_results,
    deeplabcut,
    deeplabcut_csv,
    instances,
    mediapipe_long,
    mediapipe_wide,
    names_of,
    objects,
    people,
    sports2d_trc,
    write_deeplabcut_h5,
    write_openpose,
)

from skelgraph import Skeleton, as_skeleton
from skelgraph.datasets import Detections, read_keypoints, write_keypoints
from skelgraph.datasets.keypoint_files import FORMATS
from skelgraph.errors import DataError, SkelgraphError


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
        ("keypoints", np.full((9, 17, 3), np.inf), "farther than"),
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


def test_coco_results_of_wholebody_in_lists_of_their_own(tmp_path: Path) -> None:
    found = people(23)
    entries = coco_results([(frame, person, keypoints[:17]) for frame, person, keypoints in found], face_kpts=[1, 2, 3])
    for entry, (_, _, keypoints) in zip(entries, found, strict=True):
        entry["foot_kpts"] = keypoints[17:].ravel().tolist()
    (tmp_path / "a.json").write_text(json.dumps(entries))
    check(read_keypoints(tmp_path / "a.json"), found, "coco_wholebody_body23", persons=False)


def test_coco_annotations(tmp_path: Path) -> None:
    found = people(17)
    document = coco_annotations(found)
    (tmp_path / "a.json").write_text(json.dumps(document))
    result = read_keypoints(tmp_path / "a.json", frame_rate=24.0)
    expected = [(frame, person, keypoints.copy()) for frame, person, keypoints in found]
    for _, _, keypoints in expected:
        keypoints[:, 2] = keypoints[:, 2] > 0
    check(result, expected, "coco17", persons=False)
    assert (result.num_frames, result.image_size, result.frame_rate) == (9, (1080, 1920), 24.0)
    for image in document["images"]:
        image["frame_id"] = 3 + int(image["file_name"][0])
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert read_keypoints(tmp_path / "a.json").frames.tolist() == [3 + frame for frame, _, _ in found]
    with pytest.raises(DataError, match=r"image_size is \(1080, 1920\), but"):
        read_keypoints(tmp_path / "a.json", image_size=(1920, 1080))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["images"].append({"id": 7, "width": 5, "height": 5}), "2 different sizes"),
        (
            lambda d: d["annotations"].append({"image_id": 5, "keypoints": [1] * 51}),
            "picture 5, which it does not list",
        ),
        (lambda d: d["annotations"].append({"image_id": 1000, "keypoints": [1] * 50}), "50 of them"),
        (lambda d: d["annotations"].append({"image_id": "x"}), "whose image_id is an integer"),
        (lambda d: d["annotations"].append(3), "found 3"),
        (lambda d: [image.update(width=-1) for image in d["images"]], "expected width and height"),
        (lambda d: d["annotations"][0].update(keypoints=[1e9] * 51), "farther than a picture"),
        (lambda d: d["annotations"][0].update(keypoints=[10**400] * 51), "numbers"),
    ],
)
def test_damaged_coco_annotations(tmp_path: Path, change: Callable[[Any], Any], message: str) -> None:
    document = coco_annotations(people(17))
    change(document)
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=message):
        read_keypoints(tmp_path / "a.json")


# ---------------------------------------------------------------------------------------------- AlphaPose


@pytest.mark.parametrize(("joints", "layout"), [(17, "coco17"), (26, "halpe26"), (136, "halpe26")])
def test_alphapose(tmp_path: Path, joints: int, layout: str) -> None:
    found = people(joints)
    entries = coco_results(found, box=[1.0, 2.0, 3.0, 4.0])
    for entry, (frame, person, _) in zip(entries, found, strict=True):
        entry.update(image_id=f"{frame}.jpg", idx=[person, float(person), [person + 0.0]][frame % 3])
    (tmp_path / "a.json").write_text(json.dumps(entries))
    check(read_keypoints(tmp_path / "a.json"), found, layout)
    del entries[-1]["idx"]
    (tmp_path / "a.json").write_text(json.dumps(entries))
    assert read_keypoints(tmp_path / "a.json").persons is None  # half of the truth is none
    entries[0]["image_id"] = "picture.jpg"
    (tmp_path / "a.json").write_text(json.dumps(entries))
    with pytest.raises(DataError, match=r"picture.jpg says no number of a frame"):
        read_keypoints(tmp_path / "a.json")
    entries[0] = {**entries[1], "image_id": 3}
    (tmp_path / "a.json").write_text(json.dumps(entries[1:] + entries[:1]))
    with pytest.raises(DataError, match="expected an object with image_id, a name"):
        read_keypoints(tmp_path / "a.json")


@pytest.mark.parametrize(("people_key", "joints_key"), [("people", "pose_keypoints_2d"), ("bodies", "joints")])
def test_alphapose_in_the_way_of_openpose(tmp_path: Path, people_key: str, joints_key: str) -> None:
    found = people(18)
    document: dict[str, Any] = {}
    for frame, _, keypoints in found:
        here = document.setdefault(f"frame_{frame:04d}.jpg", {"version": "AlphaPose v0.3", people_key: []})
        here[people_key].append({joints_key: keypoints.ravel().tolist()})
    (tmp_path / "a.json").write_text(json.dumps(document))
    check(read_keypoints(tmp_path / "a.json"), found, "openpose_coco18", persons=False)
    (tmp_path / "sep").mkdir()
    for name, frame in document.items():
        (tmp_path / "sep" / name.replace("jpg", "json")).write_text(json.dumps(frame))
    check(read_keypoints(tmp_path / "sep"), found, "openpose_coco18", persons=False)


# ---------------------------------------------------------------------------------------------- MMPose


@pytest.mark.parametrize(
    ("joints", "layout"), [(17, "coco17"), (26, "halpe26"), (133, "coco_wholebody_body23"), (17, "h36m17")]
)
def test_mmpose_of_the_demos(tmp_path: Path, joints: int, layout: str) -> None:
    found = people(joints)
    meta = {"dataset_name": "x", "keypoint_id2name": names_of(layout, joints), "sigmas": {"__ndarray__": [0.1]}}
    frames = [{"frame_id": frame + 1, "instances": instances(found, frame)} for frame in range(9)]  # counted from 1
    (tmp_path / "a.json").write_text(json.dumps({"meta_info": meta, "instance_info": frames}, indent="\t"))
    result = read_keypoints(tmp_path / "a.json")
    check(result, found, layout, persons=False)
    assert result.num_frames == 9
    with pytest.raises(DataError, match=r"skeleton is Skeleton.* but skeleton is"):
        read_keypoints(tmp_path / "a.json", skeleton="hand21")
    meta["keypoint_id2name"][0] = "beak"  # an animal
    (tmp_path / "a.json").write_text(json.dumps({"meta_info": meta, "instance_info": frames}))
    with pytest.raises(DataError, match=f"people have {joints} joints, and which these are is known of no number"):
        read_keypoints(tmp_path / "a.json")


@pytest.mark.parametrize("form", ["inferencer", "lists"])
def test_mmpose_of_the_inferencer_and_rtmlib(tmp_path: Path, form: str) -> None:
    found = people(26)
    frames: list[Any] = [instances(found, frame) for frame in range(9)]
    if form == "inferencer":
        frames = [{"frame_id": frame, "instances": here} for frame, here in enumerate(frames)]  # counted from 0
    (tmp_path / "a.json").write_text(json.dumps(frames))
    result = read_keypoints(tmp_path / "a.json")
    check(result, found, "halpe26", persons=False)
    assert result.num_frames == 9
    (tmp_path / "a.json").write_text(json.dumps([[], *frames]) if form == "lists" else json.dumps(frames[2:]))
    shift = 1 if form == "lists" else 0
    assert read_keypoints(tmp_path / "a.json").frames[-1] == FRAMES - 1 + shift


def test_mmpose_of_a_picture_and_what_it_does_not_say(tmp_path: Path) -> None:
    found = people(17)
    (tmp_path / "a.json").write_text(json.dumps(instances(found, 3)))
    with pytest.raises(DataError, match=r"17 joints, and which these are is known of 26 \(halpe26\), 133"):
        read_keypoints(tmp_path / "a.json")
    result = read_keypoints(tmp_path / "a.json", skeleton="coco17")
    check(result, [(0, person, keypoints) for frame, person, keypoints in found if frame == 3], "coco17", persons=False)
    for change, message in (
        (lambda person: person.update(keypoint_scores=[0.5]), "scores of 17 keypoints"),
        (lambda person: person.update(keypoints=[[1, 2, 3]] * 17), "x and y of each joint"),
        (lambda person: person.update(keypoints=[[1, 2], [3]]), "lists of one length"),
        (lambda person: person.update(keypoints=[["1", "2"]] * 17), "found '1'"),
        (lambda person: person.pop("keypoints"), "expected an object with keypoints"),
    ):
        spoilt = instances(found, 3)
        change(spoilt[1])
        (tmp_path / "a.json").write_text(json.dumps(spoilt))
        with pytest.raises(DataError, match=message):
            read_keypoints(tmp_path / "a.json", skeleton="coco17")
    frames = [{"frame_id": 4, "instances": instances(found, 4)}] * 2
    (tmp_path / "a.json").write_text(json.dumps(frames))
    with pytest.raises(DataError, match="frame 4 twice"):
        read_keypoints(tmp_path / "a.json", skeleton="coco17")


# ---------------------------------------------------------------------------------------------- MediaPipe


@pytest.mark.parametrize("named", [True, False])
def test_mediapipe_long(tmp_path: Path, named: bool) -> None:
    found = people(33)
    (tmp_path / "a.txt").write_text(mediapipe_long(found, True, named))
    result = read_keypoints(tmp_path / "a.txt", image_size=SIZE)
    check(result, found, "blazepose33")
    assert result.image_size == SIZE
    one = [sighting for sighting in found if sighting[1] == 0]
    (tmp_path / "a.txt").write_text(mediapipe_long(one, False, named))
    check(read_keypoints(tmp_path / "a.txt", image_size=SIZE), one, "blazepose33", persons=False)


def test_mediapipe_wide(tmp_path: Path) -> None:
    found = people(33)
    (tmp_path / "a.csv").write_text(mediapipe_wide(found))
    result = read_keypoints(tmp_path / "a.csv", image_size=SIZE)
    check(result, found, "blazepose33", persons=False)
    assert result.num_frames == 78


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("", "", "expected image_size"),
        ("NOSE", "BEAK", "found landmark 'BEAK'"),
        ("LEFT_EYE,", "NOSE,", "expected each one of 0 to 32 once"),
        ("\n3,", "\n-3,", "frame is -3"),
        ("\n3,", "\n3.5,", "found '3.5'"),
        ("\n3,", "\nnan,", "found 'nan'"),
        (",-0.1,", ",x,", None),  # z is not looked at
        ("NOSE,0.", "NOSE,9990.", "20 pictures away"),
        ("NOSE,0.", "NOSE,zero", "expected numbers"),
    ],
)
def test_damaged_mediapipe(tmp_path: Path, old: str, new: str, message: str | None) -> None:
    text = mediapipe_long(people(33), True, True)
    assert old in text
    (tmp_path / "a.csv").write_text(text.replace(old, new))
    if message is None:
        read_keypoints(tmp_path / "a.csv", image_size=SIZE)
        return
    with pytest.raises(DataError, match=message):
        read_keypoints(tmp_path / "a.csv", image_size=SIZE if old else None)


def test_mediapipe_wide_without_a_landmark(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(mediapipe_wide(people(33)).replace("mouth_left_y", "mouth_y"))
    with pytest.raises(DataError, match="_visibility of left_mouth"):
        read_keypoints(tmp_path / "a.csv", image_size=SIZE)


# ---------------------------------------------------------------------------------------------- DeepLabCut


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("likelihood", [False, True])
@pytest.mark.parametrize("form", ["csv", "h5"])
def test_deeplabcut(tmp_path: Path, several: bool, likelihood: bool, form: str) -> None:
    columns, values, expected = deeplabcut(several, likelihood)
    path = tmp_path / "a"
    if form == "csv":
        path.write_text(deeplabcut_csv(columns, values, [str(i) for i in range(5)]))
    else:
        pytest.importorskip("h5py")
        write_deeplabcut_h5(path, columns, values, np.arange(5))
    result = read_keypoints(path, skeleton=PAW, image_size=(700, 700))
    assert result.skeleton == PAW
    assert result.num_frames == 5
    assert [*zip(result.frames.tolist(), result.persons.tolist(), strict=True)] == [(f, p) for f, p, _ in expected]
    np.testing.assert_allclose(result.keypoints, [keypoints for _, _, keypoints in expected])


def test_deeplabcut_of_labels(tmp_path: Path) -> None:
    columns, values, expected = deeplabcut(False, False)
    index = [f"labeled-data,video1,img{frame:04d}.png" for frame in (0, 10, 20, 21, 300)]
    (tmp_path / "a.csv").write_text(deeplabcut_csv(columns, values, index))
    result = read_keypoints(tmp_path / "a.csv", skeleton=PAW)
    assert (result.frames.tolist(), result.num_frames) == ([0, 10, 20, 21, 300], 301)
    np.testing.assert_allclose(result.keypoints, [keypoints for _, _, keypoints in expected])


def test_deeplabcut_finds_the_layout_of_its_names(tmp_path: Path) -> None:
    found = [sighting for sighting in people(17) if sighting[1] == 0]
    order = np.random.default_rng(0).permutation(17)
    names = [as_skeleton("coco17").joint_names[joint] for joint in order]
    names = ["".join(word.title() for word in name.split("_")) for name in names]
    columns = [("me", name, coord) for name in names for coord in ("x", "y", "likelihood")]
    values = np.array([keypoints[order].ravel() for _, _, keypoints in found])
    (tmp_path / "a.csv").write_text(deeplabcut_csv(columns, values, [str(frame) for frame, _, _ in found]))
    check(read_keypoints(tmp_path / "a.csv"), found, "coco17")
    with pytest.raises(DataError, match=r"no joints hip.* of skeleton h36m17; it has"):
        read_keypoints(tmp_path / "a.csv", skeleton="h36m17")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("paw_left,paw_left,paw_left", "paw,paw,paw", "no joints left_paw of skeleton paw"),
        ("coords,x,y", "coords,x,z", "found column"),
        ("coords,x,y", "coords,x,x", "found column"),
        ("bodyparts", "parts", "its columns are named by"),
        ("coords", "xyz", "up to coords"),
        ("\n3,", "\n2,", "has a frame twice"),
        ("\n3,", "\n99999999999999,", "expected 0 to"),
        ("\n3,", "\nthree,", "says no number of a frame"),
        ("\n3,", "\n3,1,", "cells, expected"),
        ("\n3,", "\n3\n4,", "cells, expected"),
        ("0.", "x.", "expected numbers"),
    ],
)
def test_damaged_deeplabcut(tmp_path: Path, old: str, new: str, message: str) -> None:
    columns, values, _ = deeplabcut(False)
    text = deeplabcut_csv(columns, values, [str(i) for i in range(5)])
    assert old in text
    (tmp_path / "a.csv").write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        read_keypoints(tmp_path / "a.csv", skeleton=PAW)


def test_joints_of_no_layout_are_asked_for(tmp_path: Path) -> None:
    columns, values, _ = deeplabcut(False)
    (tmp_path / "a.csv").write_text(deeplabcut_csv(columns, values, [str(i) for i in range(5)]))
    with pytest.raises(DataError, match=r"of no layout: tail tip, Nose, paw_left, tailBase; expected skeleton"):
        read_keypoints(tmp_path / "a.csv")
    doubled = [*columns, *(("DLC_resnet50", "NOSE", coord) for coord in ("x", "y", "likelihood"))]
    (tmp_path / "a.csv").write_text(deeplabcut_csv(doubled, values[:, [*range(12), 0, 1, 2]], [*"01234"]))
    with pytest.raises(DataError, match="two of its joints have the name Nose"):
        read_keypoints(tmp_path / "a.csv", skeleton=PAW)


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("executed",)


def test_hostile_h5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    columns, values, _ = deeplabcut(False)
    path = tmp_path / "a.h5"
    for wrong, message in (
        ([_Evil()] * 12, "names of its columns cannot be read"),
        (columns[:-1], "names of its columns are"),
        ([7] * 12, "names of its columns are"),
        ([("a", "b")] * 12, "3 or 4 levels"),
    ):
        write_deeplabcut_h5(path, wrong, values, np.arange(5))
        with pytest.raises(DataError, match=message):
            read_keypoints(path, skeleton=PAW)
    write_deeplabcut_h5(path, columns, values, np.arange(5), compression="lzf")
    with pytest.raises(DataError, match="compressed in a way"):
        read_keypoints(path, skeleton=PAW)
    with h5py.File(path, "w") as file:
        file.create_group("df_with_missing")["table"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(DataError, match="no data set that is stored in the file"):
        read_keypoints(path, skeleton=PAW)
    with h5py.File(path, "w") as file:
        file["tracks"] = np.zeros(3)  # SLEAP
    with pytest.raises(DataError, match="has 0 tables of pandas"):
        read_keypoints(path, skeleton=PAW)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="only a part of one"):
        read_keypoints(path, skeleton=PAW)


# ---------------------------------------------------------------------------------------------- demos


@pytest.mark.parametrize("channels", [2, 3])
def test_input_of_the_demos(tmp_path: Path, channels: int) -> None:
    tracks = np.random.default_rng(0).uniform(5, 1900, (2, 6, 17, channels)).astype(np.float32)
    tracks[1, 4] = np.nan
    np.savez_compressed(tmp_path / "a.npz", reconstruction=tracks)
    result = read_keypoints(tmp_path / "a.npz")
    assert result.skeleton == as_skeleton("h36m17")
    assert result.frames.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 5]
    assert result.persons.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1]
    np.testing.assert_array_equal(result.keypoints[8, :, :2], tracks[0, 4, :, :2])
    np.testing.assert_array_equal(result.keypoints[8, :, 2], tracks[0, 4, :, 2] if channels == 3 else 1)
    for wrong in (tracks[0], np.lib.stride_tricks.as_strided(tracks, (0, 10**15, 17, 2))):  # of output_3D; a few bytes
        np.savez(tmp_path / "a.npz", reconstruction=wrong)
        with pytest.raises(DataError, match="is it the output of the demo"):
            read_keypoints(tmp_path / "a.npz")


def test_detectron_of_videopose3d(tmp_path: Path) -> None:
    found = people(17)
    frames = []
    for frame in range(9):
        here = [np.stack([k[:, 0], k[:, 1], k[:, 0] * 0, k[:, 2]]) for at, _, k in found if at == frame]
        frames.append([[], np.array(here) if here else []])
    metadata = {"w": 1080, "h": 1920}
    rest = {"boxes": objects([[[], []]] * 9), "segments": np.array([None] * 9), "metadata": metadata}
    np.savez_compressed(tmp_path / "a.mp4.npz", **rest, keypoints=objects(frames))
    result = read_keypoints(tmp_path / "a.mp4.npz")
    check(result, found, "coco17", persons=False)
    assert (result.num_frames, result.image_size) == (9, (1080, 1920))
    np.savez_compressed(tmp_path / "b.npz", **rest, keypoints=np.zeros((9, 2, 0)))  # nobody in any frame
    assert len(read_keypoints(tmp_path / "b.npz", skeleton="coco17").frames) == 0
    np.savez_compressed(tmp_path / "b.npz", **rest, keypoints=np.zeros((10**15, 2, 0)))
    with pytest.raises(DataError, match="expected 0 to 9999999"):
        read_keypoints(tmp_path / "b.npz", skeleton="coco17")
    frames[3] = [[], np.zeros((1, 3, 17))]
    np.savez_compressed(tmp_path / "b.npz", **rest, keypoints=objects(frames))
    with pytest.raises(DataError, match="frame 3 is"):
        read_keypoints(tmp_path / "b.npz")
    rest["metadata"] = {"w": 1080}  # type: ignore[assignment]
    np.savez_compressed(tmp_path / "b.npz", **rest, keypoints=objects(frames[:3]))
    with pytest.raises(DataError, match="expected w and h"):
        read_keypoints(tmp_path / "b.npz")


def test_custom_data_of_videopose3d(tmp_path: Path) -> None:
    keypoints = np.random.default_rng(0).uniform(5, 1900, (6, 17, 2)).astype(np.float32)
    metadata = {
        "layout_name": "coco",
        "num_joints": 17,
        "keypoints_symmetry": [[1, 3], [2, 4]],
        "video_metadata": {"a.mp4": {"w": 1080, "h": 1920}},
    }
    np.savez_compressed(tmp_path / "a.npz", positions_2d={"a.mp4": {"custom": [keypoints]}}, metadata=metadata)
    result = read_keypoints(tmp_path / "a.npz", frame_rate=25.0)
    np.testing.assert_array_equal(result.keypoints[..., :2], keypoints)
    assert (result.keypoints[..., 2] == 1).all()
    assert (result.skeleton, result.num_frames, result.image_size) == (as_skeleton("coco17"), 6, (1080, 1920))
    takes = {"S9": {"Walking": [keypoints]}, "S11": {"Walking": [keypoints]}}
    np.savez_compressed(tmp_path / "a.npz", positions_2d=takes, metadata=metadata)
    with pytest.raises(DataError, match="of 2 videos or subjects"):
        read_keypoints(tmp_path / "a.npz")


# ---------------------------------------------------------------------------------------------- TRC in pixels


def test_trc_of_sports2d(tmp_path: Path) -> None:
    names = SPORTS2D.split()
    values = np.zeros((4, len(names), 3))
    values[..., :2] = np.random.default_rng(0).uniform(5, 900, (4, len(names), 2))
    values[1, 2, :2] = np.nan
    values[2, 3, :2] = 0
    (tmp_path / "a.trc").write_text(sports2d_trc(values, names))
    result = read_keypoints(tmp_path / "a.trc")
    halpe = as_skeleton("halpe26")
    assert (result.skeleton, result.frame_rate, result.num_frames) == (halpe, 30.0, 4)
    seen = result.keypoints[..., 2]
    for name in ("left_eye", "right_eye", "left_ear", "right_ear"):
        assert not seen[:, halpe.index(name)].any()
    assert seen[1, halpe.index("right_knee")] == seen[2, halpe.index("right_ankle")] == 0
    assert seen.sum() == 4 * len(names) - 2
    for ours, theirs in (("left_big_toe", "LBigToe"), ("hip", "Hip"), ("right_wrist", "RWrist"), ("head", "Head")):
        np.testing.assert_array_equal(
            result.keypoints[:, halpe.index(ours), :2], values[:, names.index(theirs), :2], err_msg="y down, as it is"
        )
    assert (result.converted("h36m17").keypoints[3, :, 2] == 1).all()
    deep = values + np.array([0, 0, 5])
    for change, message in ((values / 400, "is it in metres"), (deep, "has positions in space")):
        (tmp_path / "a.trc").write_text(sports2d_trc(np.nan_to_num(change), names))
        with pytest.raises(DataError, match=message):
            read_keypoints(tmp_path / "a.trc")
    (tmp_path / "a.trc").write_text(sports2d_trc(values, names))
    with pytest.raises(DataError, match=r"says that its frame_rate is 30.0, but frame_rate is 25.0"):
        read_keypoints(tmp_path / "a.trc", frame_rate=25.0)


# ---------------------------------------------------------------------------------------------- all


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is like no file of keypoints that can be read: npz, OpenPose"),
        (b"[]", "is like no file"),
        (b"{}", "is like no file"),
        (b'{"a": {"b": 1}}', "is like no file"),
        (b"[[[[]]]]", "is like no file"),
        (b"[[], []]", "is like no file"),
        (b"[1, 2]", "is like no file"),
        (b"{", "is not a JSON file"),
        (b"[" * 100_000, "nested too deeply"),
        (b"PK\x03\x04", "is not an npz file"),
        (b"frame,x\n1,2\n", "is like no file"),
        (b"\xff\xfe\x00", "is like no file"),
        (b"HIERARCHY\n", "is like no file"),
        (b"[camera]\nsize = [1, 2]\n", "is like no file"),  # a calibration beside the videos
    ],
)
def test_files_of_other_kinds(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_keypoints(tmp_path / "a.json")


def test_every_format_has_its_line_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    rows = [line.partition(" |")[0] for line in page.partition("## Motion")[0].splitlines() if line.startswith("| `")]
    assert [name for name in FORMATS if not any(f"`{name}`" in row for row in rows)] == []


def test_no_file_and_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_keypoints(tmp_path / "a.json")
    with pytest.raises(DataError, match="holds no files of keypoints"):
        read_keypoints(tmp_path)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"image_size": (0, 5)}, "image_size"),
        ({"image_size": (5.5, 5)}, "image_size"),
        ({"image_size": 5}, "image_size"),
        ({"frame_rate": 0.0}, "frame_rate"),
        ({"frame_rate": float("nan")}, "frame_rate"),
        ({"skeleton": "coco"}, "coco17"),
        ({"skeleton": 17}, "skeleton"),
    ],
)
def test_silly_arguments(tmp_path: Path, asked: Any, message: str) -> None:
    write_openpose(tmp_path, people(25))
    with pytest.raises(SkelgraphError, match=message):
        read_keypoints(tmp_path, **asked)
