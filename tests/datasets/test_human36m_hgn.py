"""HGN's annotations, in the published layout, with bodies."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_hgn
import torch

from skelgraph.datasets import load_dataset
from skelgraph.errors import DataError

pytest.importorskip("smplx")


@pytest.fixture(scope="module", name="files")
def _files(tmp_path_factory):
    return tiny_hgn.write(tmp_path_factory.mktemp("hgn"))


@pytest.fixture(scope="module", name="train_set")
def _train_set(files):
    return load_dataset("human36m_hgn", "train", subjects=["S1"], **files)


def samples(dataset):
    """Subject, action, take, camera and frame of every row, by the order and the lengths of the clips."""
    actions = {
        "Directions": 2,
        "Greeting": 5,
        "SittingDown": 10,
        "Waiting": 13,
        "Walking": 14,
        "WalkTogether": 16,
    }
    for clip in dataset.clips:
        name, take = clip.action.split(" ")
        yield clip, (int(clip.subject[1:]), actions[name], int(take), int(clip.camera))


def test_samples_are_every_fifth_frame_with_a_box_and_a_body(train_set):
    assert train_set.frame_rate == 10
    found = [(key, clip.length) for clip, key in samples(train_set)]
    assert found == [
        ((1, 2, 1, 1), 2),  # frames 0, 5; 10 has no body
        ((1, 2, 1, 1), 4),  # 15, 20, 25, 30
        ((1, 2, 1, 3), 2),
        ((1, 2, 1, 3), 4),
        ((1, 2, 2, 1), 7),
        ((1, 2, 2, 3), 7),
        ((1, 14, 1, 1), 7),
        ((1, 14, 1, 3), 1),  # 0; 5 and 20 have no box
        ((1, 14, 1, 3), 2),  # 10, 15
        ((1, 14, 1, 3), 2),  # 25, 30
    ]
    assert train_set.actions == ("Directions", "Walking")


def test_three_takes_of_s9_are_left_out(files):
    test_set = load_dataset("human36m_hgn", "test", **files)
    assert {key[:3] for _, key in samples(test_set)} == {(9, 5, 1), (9, 13, 2), (11, 16, 1)}
    assert sorted({clip.length for clip in test_set.clips}) == [2, 3]  # frames 0, 50, 100; 0 of S11 has no body
    assert test_set.frame_rate == 1
    every_tenth = load_dataset("human36m_hgn", "test", downsample=10, **files)
    assert sorted({clip.length for clip in every_tenth.clips}) == [10, 13]


FRAMES = [0, 5, 15, 20, 25, 30, 0, 5, 15, 20, 25, 30, *range(0, 31, 5), *range(0, 31, 5), *range(0, 31, 5), 0]
FRAMES += [10, 15, 25, 30]


def test_keypoints_are_the_linear_projection_and_poses_in_camera_axes(train_set):
    row = 0
    for clip, (subject, action, take, view) in samples(train_set):
        camera, (width, height) = tiny_hgn.CAMERAS[view], tiny_hgn.SIZES[view]
        assert (clip.width, clip.height) == (width, height)
        for _ in range(clip.length):
            world = tiny_hgn.joints(subject, action, take)[FRAMES[row]]
            seen = world @ np.array(camera["R"]).T + camera["t"]
            pixels = seen[:, :2] / seen[:, 2:] * camera["f"] + camera["c"]
            expected = pixels / width * 2 - [1, height / width]
            np.testing.assert_allclose(train_set.keypoints_2d[row], expected, atol=2e-6)
            np.testing.assert_allclose(train_set.poses_3d[row], (seen - seen[0]) / 1000, atol=2e-6)
            np.testing.assert_allclose(train_set.root_3d[row], seen[0] / 1000, atol=2e-6)
            row += 1
    assert row == len(train_set) == len(FRAMES)


def test_vertices_are_those_of_the_formula(train_set):
    vertices = train_set.bodies.vertices(torch.arange(len(train_set)))
    keys = [key for clip, key in samples(train_set) for _ in range(clip.length)]
    expected = [tiny_hgn.true_vertices(*key[:3], frame, key[3]) for key, frame in zip(keys, FRAMES, strict=True)]
    np.testing.assert_allclose(vertices, np.stack(expected), atol=1e-5)
    far = [frame % 3 == 0 for frame in FRAMES]
    assert any(far)
    assert not all(far)
    torch.testing.assert_close(train_set.bodies.vertices(torch.tensor([7, 3])), vertices[[7, 3]])
    assert train_set.bodies.vertices(torch.tensor([], dtype=torch.long)).shape == (0, tiny_hgn.NUM_VERTICES, 3)
    assert torch.equal(train_set.bodies.faces, torch.from_numpy(tiny_hgn.FACES))


def test_windows_carry_vertices_where_they_are_asked_for(train_set):
    view = train_set[[9, 4, 20]]
    batch = view.windows(vertices=True)[:]
    torch.testing.assert_close(batch.vertices, train_set.bodies.vertices(torch.tensor([9, 4, 20])))
    assert view.windows()[:].vertices is None
    with pytest.raises(DataError, match=r"mirrored.*flip"):
        view.windows(vertices=True, flip=True)


def test_without_a_model_there_are_the_poses(files, train_set):
    plain = load_dataset("human36m_hgn", "train", subjects=["S1"], data_3d=files["data_3d"])
    assert torch.equal(plain.poses_3d, train_set.poses_3d)
    assert plain.bodies is None
    with pytest.raises(DataError, match="no bodies"):
        plain.windows(vertices=True)


def changed(part: str, change: Any) -> dict[str, Any]:
    document = copy.deepcopy(tiny_hgn.documents(1)[part])
    change(document)
    return {part: document}


def first_image(document, **values):
    next(image for image in document["images"] if image["frame_idx"] == 5).update(values)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"data": '{"images": ['}, r"subject1_data\.json: is not a JSON file"),
        ({"data": "[]"}, r"subject1_data\.json: holds \[\], expected an object"),
        ({"data": {"images": []}}, r"data\.json: .*has no 'annotations'"),
        (changed("data", lambda d: first_image(d, frame_idx="5")), "not of its form"),
        (changed("data", lambda d: first_image(d, subject=5)), "of subject 1"),
        (changed("data", lambda d: first_image(d, file_name="s_01_act_03/x.jpg")), "act_ and this number"),
        (changed("data", lambda d: first_image(d, width=999)), "images of several sizes"),
        (changed("data", lambda d: d["annotations"][3].update(bbox=[1, 2, 3])), "not of its form"),
        (changed("data", lambda d: d.update(images=d["images"] * 2)), "two images of action"),
        (changed("camera", lambda d: d.pop("3")), r"camera\.json: camera 3: is None"),
        (changed("camera", lambda d: d["1"].update(R=[[2, 0, 0], [0, 1, 0], [0, 0, 1]])), "expected a rotation"),
        (changed("camera", lambda d: d["1"].update(f=[0, 1])), r"camera 1: focal length"),
        (changed("joint_3d", lambda d: d["2"]["2"].pop("15")), r"joint_3d\.json: .*take 2: no joints of frame 15"),
        (changed("joint_3d", lambda d: d["2"]["2"]["15"].pop()), r"joint_3d\.json: .*expected finite numbers \(7, 17"),
        (
            changed("joint_3d", lambda d: d["2"]["2"].update({"15": [[None] * 3] * 17})),
            "joint_3d\\.json: .*found NaN",
        ),
        (changed("smpl_param", lambda d: d["2"]["2"]["15"].pop("trans")), "expected pose, shape and trans"),
        (changed("smpl_param", lambda d: d["2"]["2"]["15"]["pose"].pop()), r"smpl_param\.json: .*pose: found"),
        ({"smpl_param": {}}, "there is no motion"),
    ],
)
def test_damaged_files_are_one_clear_error(replaced, message, tmp_path):
    files = tiny_hgn.write(tmp_path / "hgn", **replaced)
    with pytest.raises(DataError, match=message) as error:
        load_dataset("human36m_hgn", "train", subjects=["S1"], data_3d=files["data_3d"])
    assert len(str(error.value)) < 600
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"weights": np.zeros((3, 24))}, r"weights is \(3, 24\) of float64, expected numbers \(138, 24\)"),
        ({"shapedirs": np.zeros((138, 3, 4))}, r"shapedirs is \(138, 3, 4\)"),
        ({"posedirs": np.full((138, 3, 207), np.nan)}, "NaN or infinite"),
        ({"kintree_table": np.full((2, 24), 23)}, "a joint before its parent"),
    ],
)
def test_unusable_models_are_named(files, model, message, tmp_path):
    np.savez(tmp_path / "neutral.npz", **tiny_hgn.body_model() | model)
    with pytest.raises(DataError, match=message):
        load_dataset("human36m_hgn", "train", subjects=["S1"], data_3d=files["data_3d"], smpl=tmp_path)


def test_the_model_file_is_found_or_asked_for(files, tmp_path, monkeypatch):
    def load(path):
        return load_dataset("human36m_hgn", "train", subjects=["S1"], data_3d=files["data_3d"], smpl=path)

    with pytest.raises(DataError, match=r"no file of a neutral SMPL model.*accept its licence"):
        load(tmp_path)
    (tmp_path / "smpl").mkdir()
    for name in ("basicModel_neutral_lbs_10_207_0_v1.0.0.npz", "basicModel_f_lbs_10_207_0_v1.0.0.npz"):
        np.savez(tmp_path / "smpl" / name, **tiny_hgn.body_model())
    assert load(tmp_path).bodies.path.name.startswith("basicModel_neutral")
    np.savez(tmp_path / "smpl" / "SMPL_NEUTRAL.npz", **tiny_hgn.body_model())
    with pytest.raises(DataError, match="several neutral SMPL models"):
        load(tmp_path)
    monkeypatch.setitem(sys.modules, "smplx.lbs", None)
    with pytest.raises(DataError, match=r"pip install .*skelgraph\[smpl\]"):
        load(Path(files["smpl"]))
