"""skelgraph visualize: which clip, which of its frames, from which side, and the video behind it."""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_mocap
import torch
from full_disk import fill_disk
from matplotlib.colors import to_rgb
from PIL import Image
from published_files import human36m
from tiny_mocap import Run

from skelgraph.__main__ import main
from skelgraph.datasets import Human36M, load_dataset
from skelgraph.errors import SkelgraphError
from skelgraph.files import read_video, write_video
from skelgraph.models import create_model
from skelgraph.training import pictures, visualize
from skelgraph.training.pictures import averaged, chosen_rows, clips_to_draw, find_clip
from skelgraph.viz.drawing import LEFT, RIGHT

TEST = ["--subject", "S9", "--action", "Walking"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("human36m")
    human36m(folder)
    return str(folder / "data_3d_h36m.npz")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "sem_gcn.safetensors"
    create_model("sem_gcn", hidden_channels=8, num_blocks=1).save_pretrained(path)
    return str(path)


@pytest.fixture
def scenes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The scenes and the keywords that are drawn, in place of pictures."""
    drawn: list[Any] = []

    def frames(scene: Any, behind: Any = None, **options: Any) -> Any:
        drawn.append((scene, None if behind is None else list(behind), options))
        return iter([np.zeros((8, 8, 3), np.uint8)] * scene.num_frames)

    monkeypatch.setattr(pictures, "clip_frames", frames)
    return drawn


def frames_of(path: Path) -> list[np.ndarray]:
    if path.suffix == ".mp4":
        with read_video(path) as frames:
            return list(frames)
    image = Image.open(path)
    found = []
    for i in range(image.n_frames):
        image.seek(i)
        found.append(np.asarray(image.convert("RGB")))
    return found


def column(image: np.ndarray, color: str, part: int) -> float:
    """The mean column of the pixels of a colour in a third of the picture, without the legend."""
    width = image.shape[1] // 3
    panel = image[60:-30, part * width : (part + 1) * width].astype(int)
    found = np.argwhere(np.abs(panel - np.round(255 * np.array(to_rgb(color)))).max(-1) <= 40)
    assert len(found) > 10
    return float(found[:, 1].mean())


@pytest.mark.parametrize("name", ["clip.gif", "clip.mp4"])
def test_a_clip_with_a_network(data: str, weights: str, tmp_path: Path, name: str) -> None:
    """11 frames in pairs are 5 frames at 25 per second: keypoints, prediction and truth."""
    given = ["--weights", weights, "--dataset", "human36m", "--data-3d", data, "--device", "cpu", "--no-progress"]
    line = ["visualize", *given, *TEST, "--downsample", "2", "--size", "3", "--out", str(tmp_path / name)]
    assert main(line) == 0
    images = frames_of(tmp_path / name)
    assert len(images) == 5
    assert images[0].shape[1] in (899, 900)
    assert sum(not np.array_equal(a, b) for a, b in itertools.pairwise(images)) == 4
    # the truth stands as the keypoints do, seen from the side of the camera
    sides = [column(images[2], LEFT, part) - column(images[2], RIGHT, part) for part in (0, 2)]
    assert sides[0] * sides[1] > 0
    assert main(line) != 0  # it is there
    assert main([*line, "--overwrite"]) == 0


def test_what_is_drawn(data: str, weights: str, tmp_path: Path, scenes: list[Any]) -> None:
    """The means of the poses in the world, on the floor; the pixels of the keypoints; the true error."""
    options = {"dataset": "human36m", "data_3d": data, "subject": "S9", "action": "Walking", "device": "cpu"}
    assert visualize(tmp_path / "a.gif", weights, camera=1, skip=1, downsample=3, limit=2, **options) == 2
    scene, _, drawn = scenes[0]
    test_set = Human36M(data, split="test", subjects=["S9"], actions=["Walking"])
    clip = test_set.clips[1]
    rows = slice(clip.start + 1, clip.start + 7)
    world = tiny_mocap.motion(11, seed=5)[1:7]
    world = (world - world[:, :1]).reshape(2, 3, 17, 3).mean(1)
    (person,) = scene.people
    np.testing.assert_allclose(np.asarray(person.truth), world - [0, 0, world[..., 2].min()], atol=1e-5)
    assert person.truth[..., 2].min() == 0
    screen = test_set.keypoints_2d[rows].double().reshape(2, 3, 17, 2).mean(1).numpy()
    width, height = scene.image_size
    assert (width, height) == (clip.width, clip.height)
    pixels = (screen + np.array([1, height / width])) * width / 2
    np.testing.assert_allclose(person.keypoints_2d, pixels, rtol=1e-9)
    assert scene.frame_rate == pytest.approx(50 / 3)
    network = create_model("sem_gcn", hidden_channels=8, num_blocks=1)
    network.load_state_dict(pictures.evaluated(weights, tmp_path, None, None, {}, options_of(data)).model.state_dict())
    network.eval()
    keypoints = test_set.keypoints_2d[rows]
    index = torch.tensor(network.skeleton.mirror_index)
    mirrored = (keypoints * torch.tensor([-1.0, 1.0]))[:, index]
    with torch.no_grad():
        answer = (network(keypoints) + network(mirrored)[:, index] * torch.tensor([-1.0, 1.0, 1.0])) / 2
    answer = answer - answer[:, :1]
    true = test_set.poses_3d[rows]
    expected = (answer - true).reshape(2, 3, 17, 3).mean(1).norm(dim=-1)
    found = np.linalg.norm(np.asarray(person.positions) - np.asarray(person.truth), axis=-1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert [camera.name for camera in drawn["cameras"]] == ["prediction"]
    assert drawn["cameras"][0].elevation == 15


def options_of(data: str) -> dict[str, Any]:
    return {"dataset": "human36m", "data_3d": data}


def test_seen_from_the_side_of_the_camera(data: str, tmp_path: Path, scenes: list[Any]) -> None:
    """The published angles of Human3.6M's four cameras are these; another one is as it is given."""
    for camera, published in enumerate((70, -70, 110, -110)):
        visualize(tmp_path / "a.gif", subject="S11", camera=camera, **options_of(data))
        found = scenes[-1][2]["cameras"][0]
        assert found.name == "ground truth"
        assert abs(found.azimuth - published) < 7
    visualize(tmp_path / "a.gif", subject="S11", azimuth=12.5, **options_of(data))
    assert scenes[-1][2]["cameras"][0].azimuth == 12.5


def test_without_weights_input_and_truth(data: str, tmp_path: Path) -> None:
    out = tmp_path / "a.gif"
    assert visualize(out, subject="S9", action="Sitting 2", size=2, limit=3, **options_of(data)) == 3
    assert [image.shape[1] for image in frames_of(out)] == [400] * 3


@pytest.mark.parametrize(
    ("skip", "limit", "downsample", "rows"),
    [(0, 0, 1, (0, 10)), (0, -1, 3, (0, 9)), (3, 2, 2, (3, 7)), (9, 5, 1, (9, 10)), (0, 99, 4, (0, 8))],
)
def test_which_frames(data: str, skip: int, limit: int, downsample: int, rows: tuple[int, int]) -> None:
    clip = Human36M(data, split="test", subjects=["S11"]).clips[2]
    assert chosen_rows(clip, skip, limit, downsample) == range(clip.start + rows[0], clip.start + rows[1])


@pytest.mark.parametrize(("skip", "downsample"), [(10, 1), (500, 1), (0, 11), (5, 6)])
def test_nothing_left(data: str, skip: int, downsample: int) -> None:
    clip = Human36M(data, split="test", subjects=["S11"]).clips[0]
    with pytest.raises(SkelgraphError, match=r"leave nothing of the 10 frames of subject S11, action 'Sitting'"):
        chosen_rows(clip, skip, 0, downsample)


def test_pictures_are_averaged_and_an_incomplete_group_is_left_out() -> None:
    dark, light = (np.full((2, 3, 3), value, np.uint8) for value in (1, 252))
    found = list(averaged([dark, light, light, light, dark], 2))
    assert [image.dtype for image in found] == [np.uint8] * 2
    assert [int(image[0, 0, 0]) for image in found] == [126, 252]
    assert [int(image[0, 0, 0]) for image in averaged([dark, light], 1)] == [1, 252]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (("S5", None, None), "subject is 'S5'; expected one of those of human36m: S9, S11"),
        (("S9", "Walking 1", None), "action is 'Walking 1'; expected one of those of human36m: Walking, Sitting 2"),
        (("S9", "Running", None), "action is 'Running'; expected one"),
        (("S9", "Walking", "4"), "0 (54138969), 1 (55011271), 2 (58860488), 3 (60457274)"),
        (("S9", "Walking", "-1"), "camera is '-1'"),
        (("S9", "Walking", "²"), "camera is '²'"),
    ],
)
def test_what_there_is_not(data: str, wanted: tuple[Any, Any, Any], words: str) -> None:
    with pytest.raises(SkelgraphError) as error:
        find_clip(Human36M(data, split="test"), *wanted)
    assert words in str(error.value)


@pytest.mark.parametrize("action", ["Walking", "Walking 1"])
def test_actions_and_takes_of_generated_motion(action: str) -> None:
    data = load_dataset("synthetic", "test", seconds=0.2, actions=["Waving", "Walking 1"])
    assert find_clip(data, "S9", action, None).action == "Walking 1"
    assert {clip.action for clip in data.clips} == {"Walking 1", "Waving 1"}
    train_set = load_dataset("synthetic", "train", seconds=0.2, subjects=["S1"], actions=["Walking 2"])
    assert {clip.action for clip in train_set.clips} == {"Walking 2"}
    with pytest.raises(SkelgraphError, match=r"\['Walking 2'\], expected takes of which S9, S11 has one"):
        load_dataset("synthetic", "test", seconds=0.2, actions=["Walking 2"])


def test_cameras_by_number_and_name(data: str) -> None:
    test_set = Human36M(data, split="test")
    assert find_clip(test_set, None, None, None) == test_set.clips[0]
    found = [find_clip(test_set, "S11", "Sitting", camera) for camera in (2, "2", "58860488")]
    assert {(clip.subject, clip.action, clip.camera) for clip in found} == {("S11", "Sitting", "58860488")}


def test_the_list(data: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["visualize", "--dataset", "human36m", "--data-3d", data, "--list"]) == 0
    printed = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if "│" in line]
    cameras = "54138969, 55011271, 58860488, 60457274"
    assert rows == [
        ["S9", "Walking", "11", cameras], ["S9", "Sitting 2", "7", cameras],
        ["S11", "Sitting", "10", cameras], ["S11", "Walking", "9", cameras],
    ]  # fmt: skip
    assert len(clips_to_draw(**options_of(data))) == 16


def test_all_frames_are_drawn_of_a_run_that_was_tested_on_some(run: Run, tmp_path: Path) -> None:
    saved = torch.load(run.last, weights_only=True)
    saved["skelgraph"]["config"]["data"]["test_downsample"] = 5
    torch.save(saved, tmp_path / "last.ckpt")
    lengths = list(tiny_mocap.LENGTHS["test"].values())
    for asked, step in (({}, 1), ({"test_downsample": 4}, 4)):
        found = [clip.length for clip in clips_to_draw(tmp_path / "last.ckpt", **asked)]
        assert sorted(set(found)) == sorted(-(-length // step) for length in lengths)


def video(path: Path, size: tuple[int, int], rate: float = 50.0, frames: int = 14) -> str:
    """A video that becomes lighter."""
    with write_video(path, rate) as file:
        for frame in range(frames):
            file.add(np.full((size[1], size[0], 3), 10 + 16 * frame, np.uint8))
    return str(path)


def test_the_video_goes_along(data: str, tmp_path: Path, scenes: list[Any]) -> None:
    """It is skipped and averaged as the poses are."""
    path = video(tmp_path / "in.mp4", (200, 200))
    options = options_of(data) | {"subject": "S9", "camera": "55011271", "skip": 2, "downsample": 3}
    visualize(tmp_path / "a.gif", video=path, **options)
    scene, behind, _ = scenes[0]
    assert scene.num_frames == 3
    assert [float(image.mean()) for image in behind[:3]] == pytest.approx([58, 106, 154], abs=4)


def test_the_video_is_in_the_picture(data: str, tmp_path: Path) -> None:
    """The keypoints are over it, in a panel of its form."""
    path = video(tmp_path / "in.mp4", (200, 200))
    out = tmp_path / "a.mp4"
    visualize(out, subject="S9", camera=1, limit=2, size=3, video=path, **options_of(data))
    corners = [image[80, 10].astype(int) for image in frames_of(out)]
    assert [int(corner.mean()) for corner in corners] == pytest.approx([10, 26], abs=6)


@pytest.mark.parametrize(
    ("size", "rate", "words"),
    [((120, 200), 50.0, "pictures of 120 x 200"), ((200, 200), 25.0, "25 frames per second; expected 50")],
)
def test_a_video_of_something_else(
    data: str, tmp_path: Path, size: tuple[int, int], rate: float, words: str, scenes: list[Any]
) -> None:
    path = video(tmp_path / "in.mp4", size, rate)
    with pytest.raises(SkelgraphError, match=words):
        visualize(tmp_path / "a.gif", camera=1, video=path, **options_of(data))
    if rate != 50:
        visualize(tmp_path / "a.gif", camera=1, video=path, frame_rate=rate, **options_of(data))
        assert scenes[0][0].frame_rate == 25
    else:
        assert not scenes


def test_a_video_that_is_too_short(data: str, tmp_path: Path) -> None:
    path = video(tmp_path / "in.mp4", (100, 100), frames=4)
    with pytest.raises(SkelgraphError, match="pictures end with frame 4"):
        visualize(tmp_path / "a.mp4", camera=1, size=1, video=path, **options_of(data))
    assert os.listdir(tmp_path) == ["in.mp4"]


@pytest.mark.parametrize("name", ["a.gif", "a.mp4"])
def test_a_full_disk_leaves_nothing(data: str, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_disk(monkeypatch, lambda path: path.parent == tmp_path)
    with pytest.raises(OSError, match="No space left"):
        visualize(tmp_path / name, limit=3, size=1, **options_of(data))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"downsample": 0}, "downsample is 0"),
        ({"skip": -1}, "skip is -1"),
        ({"size": math.inf}, "size is inf"),
        ({"azimuth": math.nan}, "azimuth is nan"),
        ({"model": "sem_gcn"}, "expected weights"),
        ({"dataset": None}, "expected what to draw"),
    ],
)
def test_wrong_arguments(data: str, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(SkelgraphError, match=words):
        visualize(tmp_path / "a.gif", **options_of(data) | options)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("arguments", [[], ["--list", "--out", "a.gif"], ["--out", "a.avi"]])
def test_wrong_lines(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(["visualize", "--dataset", "synthetic", *arguments]) != 0
    assert "expected" in capsys.readouterr().err
