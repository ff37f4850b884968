"""The report page holds what it should, and nothing that a file could smuggle in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_mocap import Run

from skelgraph.topology import skeleton
from skelgraph.training import report

SKELETON = skeleton("h36m17")


def metrics(**changes: Any) -> dict[str, Any]:
    return {
        "mpjpe_mm": 51.25, "p_mpjpe_mm": 40.5, "n_mpjpe_mm": 50.0, "mpjve_mm": 3.0, "pck_150mm": 98.0, "auc": 70.0,
        "mpjpe_frames_mm": 52.0, "p_mpjpe_frames_mm": 41.0, "mean_pose_mpjpe_mm": 200.0,
        "per_action": {"Walking": {"mpjpe_mm": 51.25, "p_mpjpe_mm": 40.5, "frames": 1234}},
        "per_joint": dict.fromkeys(SKELETON.joint_names, 10.0),
        "dataset": {"name": "synthetic", "is_synthetic": True, "subjects": ["S9"], "frames": 1234},
        "model": "sem_gcn", "num_parameters": 267373, "epochs": 1, "seconds": 1.0, "versions": {"torch": "2"},
        **changes,
    }  # fmt: skip


def write(out: Path, values: dict[str, Any]) -> str:
    poses = torch.randn(2, 17, 3)
    sample = report.Sample(poses[..., :2], poses, poses, 25.0, "S9")
    history = [{"epoch": 1, "train_loss": 1.0, "val_mpjpe_mm": 50.0}]
    report.write_report(out, values, {"loss": "mse", "lr": 0.1}, history, lambda: sample, SKELETON)
    return (out / "report.html").read_text()


def test_page_is_complete_and_self_contained(run: Run) -> None:
    page = (run.out / "report.html").read_text()
    assert len(re.findall(r'<img src="data:image/png;base64,[A-Za-z0-9+/=]{1000,}"', page)) == 3
    assert len(re.findall(r'<img src="data:image/gif;base64,[A-Za-z0-9+/=]{1000,}"', page)) == 1
    assert not re.search(r"(src|href)=[\"'](?!data:)", page)
    assert f"{run.metrics['mpjpe_mm']:.1f} mm" in page
    for action, row in run.metrics["per_action"].items():
        assert f"<td>{action}</td><td>{row['frames']}</td><td>{row['mpjpe_mm']:.1f}</td>" in page
    assert "Synthetic data" not in page


def test_synthetic_data_are_called_so(tmp_path: Path) -> None:
    page = write(tmp_path, metrics())
    assert "comparable to no published result" in page


def test_names_from_files_are_escaped(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>"
    page = write(tmp_path, metrics(per_action={name: {"mpjpe_mm": 1.0, "p_mpjpe_mm": 1.0, "frames": 1}}))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_numbers_that_do_not_exist(tmp_path: Path) -> None:
    """Clips of one frame have no velocity: JSON has no NaN."""
    page = write(tmp_path, metrics(mpjve_mm=float("nan")))

    assert json.loads((tmp_path / "metrics.json").read_text())["mpjve_mm"] is None
    assert "<b>– mm</b>" in page


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.json"
    report.write_json(path, {"mpjpe_mm": 1.0})

    def half(self: Path, content: bytes) -> None:
        with open(self, "wb") as file:
            file.write(content[:3])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="disk full"):
        report.write_json(path, {"mpjpe_mm": 2.0})
    assert json.loads(path.read_text()) == {"mpjpe_mm": 1.0}
