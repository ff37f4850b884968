"""Weights keep what their run measured of them, and how."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny_mocap import Run

from skelgraph import load_model
from skelgraph.cli.pack import pack
from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.models import PoseLifter


@pytest.fixture
def last(run: Run, tmp_path: Path) -> Path:
    """Of a copy of the run."""
    shutil.copytree(run.out, tmp_path / "run")
    return tmp_path / "run" / run.last.relative_to(run.out)


def card(folder: Path) -> str:
    return (folder / "README.md").read_text()


def test_numbers_and_protocol_go_along(run: Run, last: Path, tmp_path: Path) -> None:
    """From the run to one file, to a folder and its card, and out of it."""
    tested = load_model(last).config["tested"]
    assert tested == {
        "data": "mocap, test",
        "frames": run.metrics["dataset"]["frames"],
        "joints": 17,
        "flip_test": True,
        "root": "subtract",
        "select": "last",
        **{name: round(run.metrics[name], 2) for name in tested if name.endswith("_mm")},
    }
    assert {"mpjpe_mm", "p_mpjpe_mm", "mpjpe_frames_mm", "p_mpjpe_frames_mm"} < tested.keys()
    pack(last, tmp_path / "packed")
    model = load_model(tmp_path / "packed")
    assert model.config["tested"] == tested
    model.save_pretrained(tmp_path / "folder")
    assert PoseLifter.from_pretrained(tmp_path / "folder").config["tested"] == tested
    text = card(tmp_path / "folder")
    assert f"| MPJPE / P-MPJPE, mean over actions | {tested['mpjpe_mm']:.2f} / {tested['p_mpjpe_mm']:.2f} mm |" in text
    assert f"| of | mocap, test: {tested['frames']:,} frames, 17 joints |" in text
    assert "| the mean of the answers to it and to its mirror image (flip test) |" in text
    assert "| predicted root | subtracted from all joints |" in text
    assert "| epoch of the run | last epoch |" in text
    assert "has stated none.\n\n## Configuration" not in text


def test_the_numbers_of_a_refined_pose_are_not_those_of_the_network(run: Run, last: Path) -> None:
    """Which alone is handed on; and the protocol is that of the test."""
    path = last.parents[1] / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics |= {"headline": "refined_true_depth", "mpjpe_mm": 1.0, "flip_test": False, "root": "zero"}
    metrics["rows"]["refined_true_depth"] = {**metrics["rows"]["network"], "mpjpe_mm": 1.0}
    metrics["selection"]["select"], metrics["protocol"]["joints"] = "test", ["hip", "head"]
    path.write_text(json.dumps(metrics))
    tested = load_model(last).config["tested"]
    assert tested["mpjpe_mm"] == round(run.metrics["rows"]["network"]["mpjpe_mm"], 2)
    assert [tested[name] for name in ("flip_test", "root", "select", "joints")] == [False, "zero", "test", 2]


@pytest.mark.parametrize(
    "change",
    [
        lambda path, metrics: path.unlink(),
        lambda path, metrics: path.write_text("{"),
        lambda path, metrics: path.write_text("[]"),
        lambda path, metrics: path.write_text(json.dumps({**metrics, "rows": []})),
        lambda path, metrics: path.write_text(json.dumps({**metrics, "flip_test": "yes"})),
        lambda path, metrics: path.write_text(json.dumps({**metrics, "root": "away"})),
        lambda path, metrics: path.write_text(json.dumps({**metrics, "model": "martinez"})),
        lambda path, metrics: path.write_text(json.dumps({**metrics, "dataset": {"name": 3}})),
        lambda path, metrics: path.write_text(json.dumps(metrics).replace(str(metrics["mpjpe_frames_mm"]), "1e999")),
    ],
)
def test_what_is_not_known_of_these_weights_is_not_said(run: Run, last: Path, change: Any) -> None:
    change(last.parents[1] / "metrics.json", json.loads((run.out / "metrics.json").read_text()))
    assert "tested" not in load_model(last).config


def test_numbers_are_of_one_epoch_and_of_untrained_weights(last: Path, tmp_path: Path) -> None:
    checkpoint = torch.load(last, weights_only=True)
    torch.save({**checkpoint, "epoch": checkpoint["epoch"] - 1}, last.with_name("best.ckpt"))
    assert "tested" not in load_model(last.with_name("best.ckpt")).config
    shutil.copy(last, tmp_path / "last.ckpt")
    assert "tested" not in load_model(tmp_path / "last.ckpt").config, "beside no run"
    model = load_model(last)
    assert "tested" in model.eval().config
    assert "tested" not in model.train().eval().config
    model = load_model(last)
    torch.nn.Sequential(model).load_state_dict({f"0.{name}": value for name, value in model.state_dict().items()})
    assert "tested" not in model.config, "weights from elsewhere"


def test_a_file_that_says_something_else_is_refused(last: Path, tmp_path: Path) -> None:
    model = load_model(last)
    tested = model.config["tested"]
    for wrong, message in (
        (3, "tested is 3, expected data, "),
        ({**tested, "more": 1}, "tested is .*, expected data, "),
        ({**tested, "mpjpe_mm": -1}, "tested: mpjpe_mm is -1; expected a number of at least 0"),
        ({**tested, "root": "<b>"}, "tested: root is '<b>'; expected 'subtract', 'zero' or 'keep'"),
    ):
        config = json.dumps({**model.config, "tested": wrong})
        save_file(model.state_dict(), tmp_path / "wrong.safetensors", {"skelgraph": config})
        with pytest.raises(CheckpointError, match=f"has an unusable configuration: {message}"):
            load_model(tmp_path / "wrong.safetensors")


def test_what_the_saver_states_needs_a_protocol_too(last: Path, tmp_path: Path) -> None:
    model = load_model(last).train().eval()
    stated: dict[str, Any] = {"errors_mm": {"MPJPE, S9": 61.3}}
    model.save_pretrained(tmp_path / "a", model_card_kwargs=stated)
    assert "how they were measured (flips, the predicted root, the joints) is not stated.\n\n| " in card(tmp_path / "a")
    model.save_pretrained(tmp_path / "b", model_card_kwargs={**stated, "protocol": "no flips, root | zero"})
    assert "measured so: no flips, root \\| zero.\n\n| measured | mm |" in card(tmp_path / "b")
    with pytest.raises(SkelgraphError, match="protocol is 'no flips', but there are no errors_mm"):
        model.save_pretrained(tmp_path / "c", model_card_kwargs={"protocol": "no flips"})
