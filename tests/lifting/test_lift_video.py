"""`skelgraph lift` of a real video with the real detector: every file is there, and others can read it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skelgraph.__main__ import main
from skelgraph.datasets import four_views, read_keypoints, read_motion_file
from skelgraph.files import read_video
from skelgraph.lifting import judge

FORMATS = "npz,json,trc,c3d,bvh,html,gif,mp4"


@pytest.fixture(scope="module")
def lifted(shared_dir, blazepose_files: Path, clip_videos: dict[str, Path], tmp_path_factory) -> Path:
    """What the command makes of the second view, with the Human3.6M checkpoint of the authors and the focal length."""
    out = tmp_path_factory.mktemp("video") / "lifted"
    weights = shared_dir("real") / "ckpt_modulated_gcn_gt.pth.tar"
    view = four_views()["cam02"]
    command = ["lift", "--input", str(clip_videos["cam02"]), "--weights", str(weights), "--model", "modulated_gcn"]
    command += ["--focal", f"{view.intrinsics[0]}", "--gravity", ",".join(f"{axis:.6f}" for axis in view.gravity)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKELGRAPH_CACHE", str(blazepose_files.parents[1]))
        assert main([*command, "--format", FORMATS, "--picture-width", "240", "--out", str(out)]) == 0
    return out


def test_all_files_are_there(lifted: Path) -> None:
    record = json.loads((lifted / "lift.json").read_text())
    person = {f"person0.{suffix}" for suffix in ("npz", "json", "trc", "c3d", "bvh")}
    assert set(record["files"]) == person | {"viewer.html", "animation.gif", "animation.mp4"}
    assert {path.name for path in lifted.iterdir()} == {*record["files"], "keypoints.npz", "lift.json"}
    assert record["focal"] == "given"
    assert record["gravity_from"] == "given"
    assert record["num_frames"] == 100
    assert record["environment"]["versions"]["torch"]


def test_the_person_is_found_and_upright(lifted: Path) -> None:
    view = four_views()["cam02"]
    seen = read_keypoints(lifted / "keypoints.npz")
    assert seen.image_size == (1080, 1920)
    off = np.linalg.norm(seen.keypoints[..., :2] - view.detections.keypoints[seen.frames, :, :2], axis=-1)
    assert np.median(off) < 15
    motion = read_motion_file(lifted / "person0.npz")
    assert motion.up == "z"
    joints = {name: motion.positions[:20, index] for index, name in enumerate(motion.joint_names)}  # walking
    assert ((joints["head"] - joints["hip"])[:, 2] > 0.3).all()
    assert (joints["hip"][:, 2] > 0.5).all()
    # the person faces the camera, which looks along y: the right side is on the left of the picture
    assert ((joints["left_hip"] - joints["right_hip"])[:, 0] > 0).all()


def test_the_pose_is_as_good_as_from_the_original_detector(lifted: Path) -> None:
    """119 / 64 mm from the keypoints of the heavy network, smoothed; ours are of the full one."""
    view = four_views()["cam02"]
    motion = read_motion_file(lifted / "person0.npz")
    assert len(motion.positions) == 100
    up, ahead = -view.gravity, np.array([0.0, 0.0, 1.0])
    ahead = ahead - (ahead @ up) * up
    ahead /= np.linalg.norm(ahead)
    camera_axes = motion.positions @ np.stack([np.cross(ahead, up), ahead, up])  # the transpose of the way to the world
    errors = judge(camera_axes, "h36m16", view.truth, "blazepose33")
    assert errors.mpjpe < 160
    assert errors.p_mpjpe < 100


def test_other_programs_read_the_files(lifted: Path) -> None:
    import ezc3d
    import pybvh

    motion = read_motion_file(lifted / "person0.npz")
    points = ezc3d.c3d(str(lifted / "person0.c3d"))["data"]["points"][:3].transpose(2, 1, 0) / 1000
    assert np.abs(points - motion.positions).max() < 1e-4
    bvh = pybvh.read_bvh_file(lifted / "person0.bvh")
    assert bvh.frame_count == 100


def test_pictures_move(lifted: Path) -> None:
    with Image.open(lifted / "animation.gif") as gif:
        assert gif.n_frames == 34  # every third frame, at 20 a second
        assert gif.info["duration"] == 50
    with read_video(lifted / "animation.mp4") as video:
        frames = [*video]
    assert len(frames) == 100
    assert video.frame_rate == pytest.approx(60)
    height, width = frames[0].shape[:2]
    assert width > height
    picture = [frame[60 : height - 60, : round(240 * 1080 / 1920)] for frame in (frames[0], frames[99])]
    assert picture[0].std() > 20  # the video is behind the keypoints
    assert np.abs(picture[0].astype(int) - picture[1]).mean() > 3
    assert (lifted / "viewer.html").read_text().count("/9j/") >= 100
