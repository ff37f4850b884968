"""What lies in the folder of a reader who follows a page: files of their own, small, in the layouts that the page
reads."""

from __future__ import annotations

import itertools
import json
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keypoint_writers
import motion_writers
import numpy as np
import owners
import published_files
import pytest
import tiny_hgn
import tiny_mocap
import torch
from reduced_commands import reduced
from tiny_rtmlib import Double, joints_file, people_file

from skelgraph.__main__ import main
from skelgraph.datasets import Motion, four_views, write_keypoints, write_motion
from skelgraph.datasets.preparation import prepare_human36m, prepare_mpi_inf_3dhp
from skelgraph.files import read_video, write_video
from skelgraph.models import create_model
from skelgraph.topology import as_skeleton

Write = Callable[[Path, pytest.FixtureRequest], Any]
"""Writes what has this path; fixtures give the rest."""


def beginning(video: Path, path: Path) -> None:
    """Six frames of a video, of half the size."""
    with read_video(video) as frames, write_video(path, 30.0) as written:
        for frame in itertools.islice(frames, 6):
            written.add(frame[::2, ::2])


def _with_detector(path: Path, request: pytest.FixtureRequest) -> None:
    """A real video, and the weights of the detector where they are looked for."""
    cache = request.getfixturevalue("blazepose_files").parents[1]
    request.getfixturevalue("monkeypatch").setenv("SKELGRAPH_CACHE", str(cache))
    beginning(request.getfixturevalue("clip_videos")["cam02"], path)


def _h36m_video(path: Path, _: pytest.FixtureRequest) -> None:
    """As long as a clip of the files, at their frame rate."""
    with write_video(path, 50.0) as video:
        for shade in range(11):
            video.add(np.full((100, 100, 3), 20 * shade, np.uint8))


def _mocap(key: str, subjects: Sequence[str] = ("train", "test")) -> Write:
    """One of the three files of motion of one's own."""

    def write(path: Path, _: pytest.FixtureRequest) -> None:
        lengths = dict(zip(subjects, itertools.cycle(tiny_mocap.LENGTHS.values()), strict=False))
        written = tiny_mocap.write(path.parent / "written", *tiny_mocap.arrays(lengths))
        shutil.move(written[key], path)
        shutil.rmtree(path.parent / "written")

    return write


def _open(subjects: Sequence[str], suffix: str = "") -> dict[str, Write]:
    names = {"data_3d": f"data_3d{suffix}.npz", "data_2d": f"data_2d{suffix}{'_gt' * bool(suffix)}.npz"}
    names["cameras"] = f"cameras{suffix}.json"
    return {name: _mocap(key, subjects) for key, name in names.items()}


def _human36m(path: Path, _: pytest.FixtureRequest) -> None:
    """The positions, and beside them the keypoints of every detector."""
    published_files.human36m(path.parent)


def _owners_human36m(path: Path, request: pytest.FixtureRequest) -> None:
    """As its owners distribute it; these short recordings count as the published ones."""
    owners.count_as_published(request.getfixturevalue("monkeypatch"))
    owners.folder(path, owners.human36m(owners.recordings(), "mat"))


def _prepared_human36m(path: Path, request: pytest.FixtureRequest) -> None:
    _owners_human36m(path.with_name("owners"), request)
    prepare_human36m(path.with_name("owners"), path)


def _owners_3dhp(path: Path, _: pytest.FixtureRequest) -> None:
    owners.folder(path, owners.mpi_inf_3dhp())


def _prepared_3dhp(path: Path, _: pytest.FixtureRequest) -> None:
    _owners_3dhp(path.with_name("owners"), _)
    prepare_mpi_inf_3dhp(path.with_name("owners"), path, variant="graphmlp")


def _hgn(path: Path, _: pytest.FixtureRequest) -> None:
    """The annotations, and the body model in ``models`` beside them."""
    tiny_hgn.write(path.parent)


def _bvh(subjects: Sequence[str]) -> Write:
    """LAFAN1's skeleton, a file for each subject."""

    def write(path: Path, _: pytest.FixtureRequest) -> None:
        for seed, subject in enumerate(subjects):
            frames = motion_writers.bvh_motion(motion_writers.LAFAN, 31, seed)
            text = motion_writers.bvh_text(motion_writers.LAFAN, frames)
            motion_writers.write_text(path / subject / "walk 1.bvh", text)

    return write


def _cmu(subjects: Sequence[str]) -> Write:
    """The CMU database as it is distributed."""

    def write(path: Path, _: pytest.FixtureRequest) -> None:
        for subject in subjects:
            folder, frames = path / subject, motion_writers.amc_motion(motion_writers.CMU, 25, int(subject))
            motion_writers.write_text(folder / f"{subject}.asf", motion_writers.asf_text(motion_writers.CMU))
            motion_writers.write_text(folder / f"{subject}_01.amc", motion_writers.amc_text(frames))

    return write


def _own_motion(path: Path, _: pytest.FixtureRequest) -> None:
    """A file that says itself what its unit is and where up is."""
    (path / "me").mkdir(parents=True)
    skeleton = as_skeleton("h36m17")
    names, parents = skeleton.joint_names, skeleton.parents
    motion = Motion(tiny_mocap.motion(40, 5), names, 50.0, unit=1.0, up="z", parents=parents)  # type: ignore[arg-type]
    write_motion(path / "me" / "walk.npz", motion)


def _coco(path: Path, _: pytest.FixtureRequest) -> None:
    path.write_text(json.dumps(keypoint_writers.coco_results(keypoint_writers.people(17))))


def _clips(path: Path, _: pytest.FixtureRequest) -> None:
    path.mkdir()
    for count in (5, 6):
        write_keypoints(path / f"walk{count}.npz", keypoint_writers.first_frames(SEEN, count))


def _listing(path: Path, request: pytest.FixtureRequest) -> None:
    """Of a file beside it."""
    write_keypoints(path.with_name("walk.npz"), keypoint_writers.first_frames(SEEN, 5))
    path.write_text("walk.npz\n")


def _weights_of(name: str) -> Write:
    """Weights of the authors' code, in a checkpoint."""

    def write(path: Path, request: pytest.FixtureRequest) -> None:
        torch.save(request.getfixturevalue("golden")(name).state_dict(), path)

    return write


def _lifter(path: Path, _: pytest.FixtureRequest) -> None:
    """A network that lifts single frames."""
    torch.manual_seed(0)
    create_model("martinez", "h36m16", hidden_channels=16).save_pretrained(path.with_suffix(""))
    (path.with_suffix("") / "model.safetensors").rename(path)


def _run(command: str) -> Write:
    """A run in the folder of the page."""

    def write(path: Path, _: pytest.FixtureRequest) -> None:
        assert main(reduced([*shlex.split(command), "--out", str(path.relative_to(Path.cwd()))])) == 0

    return write


def _people_network(path: Path, request: pytest.FixtureRequest) -> None:
    """The network of people, and a double of rtmlib which takes these two for those that it would download."""
    pytest.importorskip("onnxruntime")
    double = Double(str(people_file(path)), str(path.with_name("rtmpose.onnx")), dark=0)  # they are in any picture
    request.getfixturevalue("monkeypatch").setitem(sys.modules, "rtmlib", double)


def _joints_network(path: Path, _: pytest.FixtureRequest) -> None:
    joints_file(path.parent).rename(path)


def _calibration(path: Path, _: pytest.FixtureRequest) -> None:
    """The camera of `walk.mp4`, which has half the size."""
    path.write_text(
        '[cam_02]\nname = "cam02"\nsize = [540.0, 960.0]\n'
        "matrix = [[836.9, 0.0, 267.2], [0.0, 836.9, 481.6], [0.0, 0.0, 1.0]]\n"
        "distortions = [0.0, 0.0, 0.0, 0.0]\nrotation = [1.3498, 1.5964, -1.1983]\ntranslation = [0.1, 0.5, 3.0]\n"
    )


SEEN = four_views()["cam02"].detections
SEM_GCN = "train --model sem_gcn --dataset synthetic"
RS_NET, RS_NET_REFINE = _weights_of("rs_net_model"), _weights_of("rs_net_post_refine")
CMU_SUBJECTS = ("train", "test", "S02")

FILES: dict[str, dict[str, Write]] = {
    "README.md": {
        "walk.mp4": _with_detector,
        "my_3d.npz": _mocap("data_3d"),
        "my_2d.npz": _mocap("data_2d"),
        "cameras.json": _mocap("cameras"),
        "data_3d_h36m.npz": _human36m,
        "model_rsnet_5_eva_xyz_3728": RS_NET,
        "model.pth": RS_NET,
        "ckpt.pth.tar": _weights_of("modulated_gcn_gt"),
    },
    "docs/data.md": {
        "data_3d_h36m.npz": _human36m,
        "dataset": _prepared_3dhp,
        "annotations": _hgn,
        "lafan": _bvh(("actor1", "actor2", "actor5")),
        "cmu/subjects": _cmu(("02", "05", "06", "35")),
        "downloads": _owners_human36m,
        "mpi_inf_3dhp": _owners_3dhp,
        "cameras.json": _mocap("cameras"),
    },
    "docs/detectors.md": {
        "walk.mp4": _with_detector,
        "yolox.onnx": _people_network,
        "rtmpose.onnx": _joints_network,
    },
    "docs/evaluation.md": {
        "runs/first": _run(SEM_GCN),
        "model_rsnet_2_eva_post_4704.pth": RS_NET,
        "model_post_refine_2_eva_post_4704.pth": RS_NET_REFINE,
        "dataset/data_3d_h36m.npz": _human36m,
        "ckpt_modulated_gcn_gt.pth.tar": _weights_of("modulated_gcn_gt"),
        **_open(CMU_SUBJECTS, "_cmu"),
        "runs/my_run": _run("train --dataset human36m --data-3d dataset/data_3d_h36m.npz"),
        "Walking.54138969.mp4": _h36m_video,
    },
    "docs/from_the_papers.md": {"dataset": lambda path, _: published_files.human36m(path)},
    "docs/gpu_and_cluster.md": {"data_3d_h36m.npz": _human36m, "clips": _clips},
    "docs/lifting.md": {"keypoints.json": _coco, "walk.mp4": _with_detector},
    "docs/models/open.md": {
        **_open(CMU_SUBJECTS, "_cmu"),
        **_open(CMU_SUBJECTS),
        "my_motion": _own_motion,
        "cmu": _cmu(("01", "02", "05", "35")),
    },
    "docs/quickstart.md": {"walk.mp4": _with_detector},
    "docs/training.md": {
        "runs/martinez": _run("train --model martinez"),
        "runs/first": _run(SEM_GCN),
        "dataset": _prepared_human36m,
        "data_3d_h36m.npz": _human36m,
        "ckpt_modulated_gcn_gt.pth.tar": _weights_of("modulated_gcn_gt"),
    },
    "docs/video.md": {
        "walk.mp4": _with_detector,
        "clips": _clips,
        "clips.txt": _listing,
        "Calib.toml": _calibration,
        "best.ckpt": _lifter,
        "ckpt_modulated_gcn_gt.pth.tar": _weights_of("modulated_gcn_gt"),
    },
}
"""By page and by name."""


def put(page: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """Write the files of a page into the current folder.

    Returns:
        Those that cannot be made here, and why.
    """
    missing = {}
    for name, write in FILES.get(page, {}).items():
        path = Path.cwd() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(path, request)
        except pytest.skip.Exception as skipped:
            missing[name] = str(skipped)
    return missing
