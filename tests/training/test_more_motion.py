"""Training on more motion than that of the data set: files of the user's own, and generated motion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_mocap
import torch

from skelgraph import cli
from skelgraph.datasets import Motion, load_dataset, write_motion
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.topology import as_skeleton
from skelgraph.training import TrainConfig, read_config
from skelgraph.training.more_motion import with_more_motion


def own_files(folder: Path) -> Path:
    """Two people in two folders, at another rate than the data set's 50 frames a second."""
    skeleton = as_skeleton("h36m17")
    for number, person in enumerate(("anna", "ben")):
        motion = Motion(
            tiny_mocap.motion(30, number).astype(np.float64),
            skeleton.joint_names,
            frame_rate=100.0,
            unit=1.0,
            up="z",
            parents=skeleton.parents,
        )
        (folder / person).mkdir(parents=True)
        write_motion(folder / person / "sway 1.npz", motion)
    return folder


def test_all_of_it_is_trained_on(files: dict[str, str], tmp_path: Path) -> None:
    settings = TrainConfig("").replace(extra_motion=str(own_files(tmp_path / "own")), generated_share=0.25).data
    data = load_dataset("mocap", "train", up="z", **files)
    whole = with_more_motion(data, settings)
    frames = {name: sum(c.length for c in whole.clips if c.subject == name) for name in whole.subjects}
    assert frames["train"] == len(data)
    assert frames["anna"] == frames["ben"] == 4 * 15  # four cameras, 50 frames a second
    others = len(data) + 120
    assert len(whole) == others + round(others / 3)
    assert all(name.startswith("generated ") for name in [*frames][3:])
    rows = whole.frames[others:]
    chosen = {whole.clips[int(i)].subject for i in whole.clip_id[rows]}
    assert chosen == set([*frames][3:])  # evenly over all of them
    # the motion of the files, not of somebody else
    anna = next(clip for clip in whole.clips if clip.subject == "anna")
    own = torch.from_numpy(tiny_mocap.motion(30, 0)[::2])
    bones = (own - own[:, :1]).norm(dim=-1)
    torch.testing.assert_close(whole.poses_3d[anna.start :][:15].norm(dim=-1), bones, atol=1e-3, rtol=0)


def test_other_rates_and_middles(files: dict[str, str]) -> None:
    """People are as fast at any rate."""
    speeds = []
    for rate in (20.0, 30.0):
        data = load_dataset("mocap", "train", up="z", middles=True, frame_rate=rate, **files)
        whole = with_more_motion(data, TrainConfig("").replace(generated_share=0.5).data)
        assert (len(whole), whole.frame_rate) == (2 * len(data), rate)
        generated = whole.poses_3d[len(data) :]
        way = (generated[1:] - generated[:-1]).norm(dim=-1).mean(1)[whole.clip_id[len(data) :].diff() == 0]
        speeds.append(float(way.mean()) * rate)
    assert speeds[0] == pytest.approx(speeds[1], rel=0.1)
    thigh = [(whole.poses_3d[:, 4] + whole.poses_3d[:, 1]).abs().max(), whole.poses_3d[:, 0].abs().max()]
    assert max(map(float, thigh)) < 1e-6


def test_what_cannot_be_done_is_said(files: dict[str, str], tmp_path: Path) -> None:
    data = load_dataset("mocap", "train", up="z", downsample=7, **files)
    data.frame_rate = None
    with pytest.raises(DataError, match="do not say their frame rate"):
        with_more_motion(data, TrainConfig("").replace(generated_share=0.5).data)
    data.frame_rate, data.skeleton = 50.0, as_skeleton("hand21")
    with pytest.raises(DataError, match="of the 21 joints of hand21 0 are named as those of bodies"):
        with_more_motion(data, TrainConfig("").replace(generated_share=0.5).data)
    with pytest.raises(SkelgraphError, match="extra-motion, whose options they are, is not"):
        TrainConfig("").replace(extra_options={"unit": "cm"})
    with pytest.raises(SkelgraphError, match="generated-share is 1"):
        TrainConfig("").replace(generated_share=1.0)


def test_from_the_command_line(files: dict[str, str], tmp_path: Path) -> None:
    arguments: list[Any] = ["train", "--dataset", "mocap", "--up", "z", "--out", tmp_path / "run", "--max-epochs", 1]
    arguments += [word for name, file in files.items() for word in (f"--{name.replace('_', '-')}", file)]
    arguments += ["--extra-motion", own_files(tmp_path / "own"), "--extra-option", "frame_rate=50"]
    arguments += ["--generated-share", 0.25, "--virtual-views", "--middles", "--input-form", "rays", "--no-progress"]
    arguments += ["--option", "hidden_channels=8", "--option", "num_blocks=1", "--device", "cpu"]
    cli.run([*map(str, arguments)])
    config = read_config(tmp_path / "run" / "config.json")
    assert (config.data.extra_options, config.data.generated_share) == ({"frame_rate": 50}, 0.25)
    cli.run(["evaluate", "--weights", str(tmp_path / "run/checkpoints/last.ckpt"), "--out", str(tmp_path / "judged")])
