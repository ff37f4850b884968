"""Mirrored poses are for skeletons that say what is left and right; others are told, never mirrored joint by joint."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_mocap
import torch

from skelgraph import create_model
from skelgraph.__main__ import main
from skelgraph.datasets import load_dataset
from skelgraph.errors import SkelgraphError, TopologyError
from skelgraph.topology import Skeleton, as_skeleton
from skelgraph.training import LiftingModule, TrainConfig, evaluate, train

HAND = Skeleton(
    [-1, *(joint if joint % 4 else 0 for joint in range(20))],
    ["wrist", *(f"{finger}_{i}" for finger in ("thumb", "index", "middle", "ring", "little") for i in range(1, 5))],
    name="hand21",
)
BODY = as_skeleton("h36m17")
UNDECLARED = Skeleton(BODY.parents, BODY.joint_names, name="body17")  # as the layout, but for its pairs


@pytest.fixture(scope="module")
def hand_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A hand of 20 cm that waves in front of the cameras of the tiny files."""
    rng = np.random.default_rng(0)
    bones = rng.normal(size=(21, 3))
    bones *= 0.05 / np.linalg.norm(bones, axis=1, keepdims=True)
    rest = np.zeros((21, 3))
    for joint, parent in enumerate(HAND.parents[1:], start=1):
        rest[joint] = rest[parent] + bones[joint]
    positions, keypoints = {}, {}
    for subject, actions in tiny_mocap.LENGTHS.items():
        time = {action: np.arange(length)[:, None, None] / 50 for action, length in actions.items()}
        positions[subject] = {
            action: (rest + [0, 0, 1] + 0.1 * np.sin(3 * t + [0, 1, 2])).astype(np.float32)
            for action, t in time.items()
        }
        keypoints[subject] = {
            action: [tiny_mocap._film(world, camera) for camera in tiny_mocap.CAMERAS]
            for action, world in positions[subject].items()
        }
    return tiny_mocap.write(tmp_path_factory.mktemp("hand"), positions, keypoints)


def settings(out: Path, files: dict[str, str], **changes: Any) -> TrainConfig:
    small: dict[str, Any] = {"options": {"hidden_channels": 8, "num_blocks": 1}, "max_epochs": 1, "batch_size": 32}
    return TrainConfig(str(out)).replace(
        dataset="mocap", **{**files, **small, "progress": False, "device": "cpu", **changes}
    )


def test_a_hand_without_pairs_trains_and_evaluates_with_defaults(
    hand_files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = train(settings(tmp_path / "run", hand_files, skeleton=HAND))
    assert "neither training nor test takes mirrored poses" in capsys.readouterr().out
    assert metrics["flip_test"] is False
    assert set(metrics["per_joint_mm"]) == set(HAND.joint_names)
    tested = evaluate(tmp_path / "run" / "checkpoints" / "last.ckpt", tmp_path / "again", progress=False, device="cpu")
    assert tested["mpjpe_mm"] == metrics["mpjpe_mm"]


def test_the_command_line_reads_the_skeleton_of_a_file(hand_files: dict[str, str], tmp_path: Path) -> None:
    layout = tmp_path / "hand.json"
    layout.write_text(json.dumps(HAND.to_dict()))
    given = [f"--{key.replace('_', '-')}={path}" for key, path in hand_files.items()]
    small = ["--option", "hidden_channels=8", "--option", "num_blocks=1", "--max-epochs", "1", "--device", "cpu"]
    out = tmp_path / "run"
    run = ["train", "--dataset", "mocap", *given, *small, "--skeleton", str(layout), "--no-progress", "--out", str(out)]
    assert main(run) == 0
    layout.unlink()  # the checkpoint holds the skeleton: another process needs no file and no registered name
    again = ["evaluate", "--checkpoint", str(out / "checkpoints/last.ckpt"), "--out", str(tmp_path / "again")]
    subprocess.run([sys.executable, "-m", "skelgraph", *again, "--no-progress", "--device", "cpu"], check=True)
    assert json.loads((tmp_path / "again" / "metrics.json").read_text())["flip_test"] is False


@pytest.mark.parametrize("wanted", [{"flip": True}, {"flip_test": True}])
def test_mirrored_poses_that_are_asked_for_are_refused_before_anything_is_written(
    hand_files: dict[str, str], tmp_path: Path, wanted: dict[str, bool]
) -> None:
    with pytest.raises(TopologyError, match="does not say which joints are left and right"):
        train(settings(tmp_path / "run", hand_files, skeleton=HAND, **wanted))
    assert not (tmp_path / "run").exists()


def test_no_pose_is_mirrored_joint_by_joint(tmp_path: Path) -> None:
    files = tiny_mocap.write(tmp_path)
    data = load_dataset("mocap", "train", **files, skeleton=UNDECLARED)  # type: ignore[arg-type]
    assert len(data.windows(flip=False)[:3].keypoints_2d) == 3
    with pytest.raises(TopologyError, match="left and right"):
        data.windows(flip=True)
    model = create_model("sem_gcn", UNDECLARED, hidden_channels=8, num_blocks=1)
    with pytest.raises(TopologyError, match="left and right"):
        LiftingModule(model, ("walk",), torch.zeros(17, 3), flip_test=True)
    with pytest.raises(SkelgraphError, match="no symmetric pairs"):
        create_model("any_gcn", UNDECLARED, graph="paired")


def test_declared_by_name_they_give_the_numbers_of_the_layout(tmp_path: Path) -> None:
    """The same weights are the same model, whoever declared the pairs: with the flip test, too."""
    files = tiny_mocap.write(tmp_path / "files")
    by_name = Skeleton(BODY.parents, BODY.joint_names, "names", BODY.parts, name="body17")
    layouts = {"layout": "h36m17", "names": by_name, "none": UNDECLARED}
    metrics = {
        name: train(settings(tmp_path / name, files, skeleton=layout, flip=name != "none"))
        for name, layout in layouts.items()
    }
    assert metrics["names"]["mpjpe_mm"] == metrics["layout"]["mpjpe_mm"]
    assert [metrics[name]["flip_test"] for name in layouts] == [True, True, False]


def test_a_run_resumes_whether_its_flips_are_said_or_not(tmp_path: Path) -> None:
    files = tiny_mocap.write(tmp_path / "files")
    first = settings(tmp_path / "run", files, schedule="exponential")
    train(first)
    train(first.replace(flip=True, flip_test=True, max_epochs=2), resume=True)
    with pytest.raises(SkelgraphError, match="flip was True, now False"):
        train(first.replace(flip=False, max_epochs=3), resume=True)
