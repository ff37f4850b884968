"""Which epoch is reported: the last, the best on the test set, the best on validation subjects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_mocap
import torch
from tiny_mocap import Run
from torch.optim.lr_scheduler import LambdaLR

from skelgraph.__main__ import main
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.training import SCHEDULES, ScheduleInfo, TrainConfig, evaluate, load_checkpoint, train

LENGTHS = {"train": {"walk 1": 61}, "val": {"jump 1": 25, "walk 9": 12}, "test": {"walk 3": 37, "bend 1": 8}}
"""Frames of the clips: actions of the validation subject are not those of the test subject, nor as many frames."""


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of three subjects."""
    positions = {
        subject: {action: tiny_mocap.motion(length, i) for i, (action, length) in enumerate(clips.items())}
        for subject, clips in LENGTHS.items()
    }
    folder = tmp_path_factory.mktemp("three")
    files = tiny_mocap.write(folder, positions)
    del files["data_2d"]  # projected
    return files


@pytest.fixture(autouse=True)
def _spoiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule whose last three epochs ruin what the first five have learned."""
    info = ScheduleInfo(
        "spoiling", lambda optimizer: LambdaLR(optimizer, lambda e: 1.0 if e < 5 else 300.0), "epoch", ""
    )
    monkeypatch.setitem(SCHEDULES, "spoiling", info)


def config_of(files: dict[str, str], out: Path, **changes: Any) -> TrainConfig:
    data: dict[str, Any] = {"dataset": "mocap", **files}
    settings = {
        "options": {"hidden_channels": 8, "num_blocks": 1},
        "max_epochs": 8, "batch_size": 16, "lr": 0.01, "schedule": "spoiling", "clip_grad": 0.0, "device": "cpu",
        "progress": False,
    }  # fmt: skip
    return TrainConfig(str(out)).replace(**data | settings | changes)


def rows(out: Path) -> list[dict[str, float]]:
    return load_checkpoint(out / "checkpoints" / "last.ckpt")["callbacks"]["History"]["rows"]


@pytest.mark.parametrize("select_by", ["actions", "frames"])
@pytest.mark.parametrize("select", ["last", "test", "validation"])
def test_whose_numbers_are_reported(three: dict[str, str], tmp_path: Path, select: str, select_by: str) -> None:
    val = {"val_subjects": ("val",)} if select == "validation" else {}
    metrics = train(config_of(three, tmp_path / "out", select=select, select_by=select_by, **val))
    errors = [row["val_mpjpe_mm"] for row in rows(tmp_path / "out")]
    best = errors.index(min(errors)) + 1
    assert best < 7  # or the choice would be none
    assert (metrics["best_epoch"], metrics["best_mpjpe_mm"]) == (best, min(errors))
    about = metrics["selection"]
    assert about["epoch"] == (8 if select == "last" else best)
    assert about["subjects"] == (["val"] if select == "validation" else ["test"])

    def judged(name: str, **changes: Any) -> dict[str, Any]:
        out = tmp_path / f"{name}{len(changes)}"
        return evaluate(out.parent / "out" / "checkpoints" / name, out, device="cpu", progress=False, **changes)

    reported = judged("last.ckpt" if select == "last" else "best.ckpt")
    assert metrics["mpjpe_mm"] == pytest.approx(reported["mpjpe_mm"], rel=1e-6)
    assert metrics["per_action"] == reported["per_action"]
    # The error that was compared is the mean that was asked for, on the subjects that were asked for.
    of_best = judged("best.ckpt", test_subjects=("val",) if select == "validation" else ("test",))
    mean = {"actions": "mpjpe_mm", "frames": "mpjpe_frames_mm"}
    assert min(errors) == pytest.approx(of_best[mean.pop(select_by)], rel=1e-5)
    assert min(errors) != pytest.approx(of_best[mean.popitem()[1]], rel=1e-3)

    page = " ".join((tmp_path / "out" / "report.html").read_text().split())
    said = {
        "last": "Numbers of the last epoch, 8. The best on the test set was epoch",
        "test": f"Numbers of the best epoch, {best} of 8, chosen on the test set by the mean over {select_by}, as the "
        "field does",
        "validation": f"Numbers of the best epoch, {best} of 8, chosen on the validation subjects val by the mean over",
    }
    assert [sentence in page for sentence in said.values()] == [name == select for name in said]


def test_the_screen_says_it(three: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = [item for key, path in three.items() for item in (f"--{key.replace('_', '-')}", path)]
    network = ["--option", "hidden_channels=8", "--option", "num_blocks=1", "--device", "cpu", "--no-progress"]
    choice = ["--val-subjects", "val", "--select", "validation", "--select-by", "frames", "--max-epochs", "2"]
    out = ["--out", str(tmp_path / "out")]
    assert main(["train", "--dataset", "mocap", *data, *network, *choice, *out]) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    expected = (
        f"best epoch, {metrics['best_epoch']} of 2, chosen on the validation subjects val by the mean over frames"
    )
    assert expected in " ".join(capsys.readouterr().out.split())


def test_a_choice_that_cannot_be_made(three: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(SkelgraphError, match="select is 'validation'; expected val-subjects too"):
        train(config_of(three, out, select="validation"))
    with pytest.raises(SkelgraphError, match="select is 'test' and val-subjects are given"):
        train(config_of(three, out, select="test", val_subjects=("val",)))
    with pytest.raises(SkelgraphError, match="select is 'best'; expected 'last', 'test' or 'validation'"):
        config_of(three, out, select="best")
    assert not out.exists()


@pytest.mark.parametrize(
    ("subjects", "message"),
    [
        ({"val_subjects": ("train",)}, "training and validation data share the subjects train"),
        ({"val_subjects": ("test",)}, "validation and test data share the subjects test"),
        ({"val_subjects": ("val",), "train_subjects": ("train", "val")}, "training and validation data share .* val"),
        ({"val_subjects": ("nobody",)}, "nobody"),
    ],
)
def test_subjects_are_apart(three: dict[str, str], tmp_path: Path, subjects: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        train(config_of(three, tmp_path / "out", **subjects))
    assert not (tmp_path / "out").exists()
    if "nobody" not in message:
        train(config_of(three, tmp_path / "out", **subjects, unchecked=True, max_epochs=1))


def test_validation_subjects_change_no_weight(three: dict[str, str], tmp_path: Path) -> None:
    """They are looked at, not learned from."""
    for name, changes in {"a": {}, "b": {"val_subjects": ("val",), "select": "validation"}}.items():
        train(config_of(three, tmp_path / name, max_epochs=3, **changes))
    states = [load_checkpoint(tmp_path / name / "checkpoints" / "last.ckpt")["state_dict"] for name in "ab"]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert rows(tmp_path / "a")[0]["val_mpjpe_mm"] != rows(tmp_path / "b")[0]["val_mpjpe_mm"]


def test_the_choice_is_the_same_after_a_resume(three: dict[str, str], tmp_path: Path) -> None:
    config = config_of(three, tmp_path / "out", val_subjects=("val",), select="validation")
    undisturbed = train(config.replace(out=str(tmp_path / "undisturbed")))
    train(config.replace(max_epochs=undisturbed["best_epoch"] + 1))
    metrics = train(config, resume=True)
    assert metrics["selection"] == undisturbed["selection"]
    assert metrics["mpjpe_mm"] == undisturbed["mpjpe_mm"]


def test_the_default_reports_the_last_epoch(run: Run) -> None:
    assert run.config.evaluation.select == "last"
    assert run.metrics["selection"]["epoch"] == run.metrics["epochs"] == 3
