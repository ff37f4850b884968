"""The report page holds what it should, and nothing that a file could smuggle in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from full_disk import fill_disk
from PIL import Image
from tiny_mocap import Run

from skelgraph.datasets.protocol import GRAPHMLP
from skelgraph.topology import as_skeleton
from skelgraph.training import evaluate, report
from skelgraph.training.judging import protocol_record

SKELETON = as_skeleton("h36m17")


ROW = {
    "mpjpe_mm": 51.25, "p_mpjpe_mm": 40.5, "n_mpjpe_mm": 50.0, "mpjve_mm": 3.0, "pck": 98.0, "auc": 70.0,
    "mpjpe_frames_mm": 52.0, "p_mpjpe_frames_mm": 41.0, "pck_frames": 97.0, "auc_frames": 69.0,
    "per_action": {"Walking": {"mpjpe_mm": 51.25, "p_mpjpe_mm": 40.5}},
}  # fmt: skip


def metrics(**changes: Any) -> dict[str, Any]:
    row = ROW | {name: value for name, value in changes.items() if name in ROW}
    return {
        **row, "mean_pose_mpjpe_mm": 200.0, "rows": {"network": row}, "headline": "network",
        "per_action": {"Walking": {"mpjpe_mm": 51.25, "p_mpjpe_mm": 40.5, "frames": 1234}},
        "per_joint_mm": dict.fromkeys(SKELETON.joint_names, 10.0),
        "dataset": {"name": "synthetic", "is_synthetic": True, "subjects": ["S9"], "frames": 1234},
        "model": "sem_gcn", "num_parameters": 267373, "epochs": 1, "seconds": 1.0, "versions": {"torch": "2"},
        "root": "subtract", "predicted_root_mm": 1.0, "mpjpe_root_zero_mm": 51.0, "flip_test": True,
        "notes": [], "seed": 0, "refine_dropout_at_test": False,
        "best_epoch": 1, "best_mpjpe_mm": 51.25,
        "selection": {
            "select": "last", "select_by": "actions", "judged_each_epoch": "test", "subjects": ["S9"],
            "epoch": 1, "max_epochs": 1, "stopped_early": False,
        },
        "protocol": protocol_record(GRAPHMLP), **changes,
    }  # fmt: skip


def write(out: Path, values: dict[str, Any]) -> str:
    poses = torch.randn(2, 17, 3)
    sample = report.Sample(poses[..., :2], poses, poses, 25.0, "S9")
    history = [{"epoch": 1, "train_loss": 1.0, "val_mpjpe_mm": 50.0}]
    report.write_report(
        out, values, {"loss": "mse", "lr": 0.1, "select_by": "actions"}, history, lambda: sample, SKELETON
    )
    return (out / "report.html").read_text()


def test_page_is_complete_and_self_contained(run: Run) -> None:
    page = (run.out / "report.html").read_text()
    assert len(re.findall(r'<img src="data:image/png;base64,[A-Za-z0-9+/=]{1000,}"', page)) == 3
    assert len(re.findall(r'<img src="data:image/gif;base64,[A-Za-z0-9+/=]{1000,}"', page)) == 1
    assert not re.search(r"(src|href)=[\"'](?!data:)", page)
    assert f"{run.metrics['mpjpe_mm']:.2f} mm" in page
    for action, row in run.metrics["per_action"].items():
        assert f"<td>{action}</td><td>{row['frames']}</td><td>{row['mpjpe_mm']:.2f}</td>" in page
    assert "Synthetic data" not in page


def test_synthetic_data_are_called_so(tmp_path: Path) -> None:
    page = write(tmp_path, metrics())
    assert "comparable to no published result" in page


@pytest.mark.parametrize(
    ("root", "off", "zero", "said"),
    [
        ("subtract", 49.0, 33.95, True),
        ("keep", 49.0, 33.95, True),
        ("subtract", 10.0, 33.95, False),  # less than a fifth of 51.25
        ("subtract", 49.0, 52.0, False),
        ("zero", 49.0, 33.95, False),
    ],
)
def test_a_root_that_is_far_off_is_said(root: str, off: float, zero: float, said: bool, tmp_path: Path) -> None:
    page = write(tmp_path, metrics(root=root, predicted_root_mm=off, mpjpe_root_zero_mm=zero))
    assert ("The predicted root is 49.0 mm off on average; with --root zero" in page) is said
    assert ("the error (MPJPE) is 34.0 mm." in page) is said


def test_names_from_files_are_escaped(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>"
    page = write(tmp_path, metrics(per_action={name: {"mpjpe_mm": 1.0, "p_mpjpe_mm": 1.0, "frames": 1}}))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_numbers_that_do_not_exist(tmp_path: Path) -> None:
    """Clips of one frame have no velocity, and nobody knows what else: JSON has neither NaN nor infinity."""
    nan, infinity = float("nan"), float("inf")
    per_action = {"Walking": {"mpjpe_mm": infinity, "p_mpjpe_mm": nan, "frames": 1}}
    per_joint = dict.fromkeys(SKELETON.joint_names, nan)
    page = write(
        tmp_path, metrics(mpjve_mm=nan, per_action=per_action, per_joint_mm=per_joint, list=[(1.5, -infinity)])
    )

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    written = json.loads((tmp_path / "metrics.json").read_text(), parse_constant=refuse)
    assert written["mpjve_mm"] is None
    assert written["per_action"] == {"Walking": {"mpjpe_mm": None, "p_mpjpe_mm": None, "frames": 1}}
    assert set(written["per_joint_mm"].values()) == {None}
    assert written["list"] == [[1.5, None]]
    assert "<b>– mm</b>" in page
    assert "<td>1</td><td>–</td><td>–</td>" in page


PICTURES = ["joint_errors", "action_errors", "learning_curve", "animate_poses"]


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_that_fails_costs_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, picture: str
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        assert (tmp_path / "metrics.json").exists()  # the result is written by now
        raise ValueError("Axis limits cannot be <NaN> or Inf")

    monkeypatch.setattr(report, picture, fail)
    page = write(tmp_path, metrics())
    name = "animation.gif" if picture == "animate_poses" else f"{picture}.png"
    assert [record.getMessage() for record in caplog.records] == [
        f"{name} could not be drawn (ValueError: Axis limits cannot be <NaN> or Inf)"
    ]
    assert f"{name} could not be drawn" in page
    assert "ValueError: Axis limits cannot be &lt;NaN&gt; or Inf" in page
    assert page.count("<img") == 3
    assert len(list(tmp_path.iterdir())) == 5
    assert not (tmp_path / name).exists()


def test_the_picture_of_an_earlier_report_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, metrics())
    monkeypatch.setattr(report, "joint_errors", lambda *args: 1 / 0)
    write(tmp_path, metrics())
    assert not (tmp_path / "joint_errors.png").exists()


@pytest.mark.parametrize(("error", "is_worse"), [(199.9, False), (200.0, True), (4.8e14, True), (float("nan"), True)])
def test_a_result_that_is_worse_than_the_mean_pose(tmp_path: Path, error: float, is_worse: bool) -> None:
    assert ("Worse than no network" in write(tmp_path, metrics(mpjpe_mm=error))) == is_worse


def test_a_clip_of_less_than_a_frame_is_one_frame(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every 100 000th frame of 50 per second, which a GIF cannot show for as long."""
    evaluate(run.last, tmp_path, test_downsample=100_000, device="cpu", progress=False)
    assert not caplog.records
    assert Image.open(tmp_path / "animation.gif").n_frames == 1


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.json"
    report.write_json(path, {"mpjpe_mm": 1.0})

    fill_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        report.write_json(path, {"mpjpe_mm": 2.0})
    assert json.loads(path.read_text()) == {"mpjpe_mm": 1.0}
