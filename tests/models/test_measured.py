"""What was measured is added to a file, with the command that did, and listed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_mocap

from skelgraph.__main__ import main
from skelgraph.errors import SkelgraphError
from skelgraph.models import create_model, list_models, measured
from skelgraph.models.measured import MEASURED, add_measured, read_measured
from skelgraph.models.pretrained import save_weights
from skelgraph.nn import PostRefine


def metrics(**changes: Any) -> dict[str, Any]:
    row = {"mpjpe_mm": 40.126, "p_mpjpe_mm": 30.0, "mpjpe_frames_mm": 41.0, "p_mpjpe_frames_mm": 31.0, "auc": 60.0}
    return {
        "model": "sem_gcn", "weights": "a/b/w.pth", "flip_test": True, "root": "zero", "rows": {"network": row},
        "dataset": {"name": "mocap", "subjects": ["S1", "S2"], "frames": 12},
        "protocol": {"joints": None}, "per_joint_mm": {"hip": 1.0, "head": 2.0}, **changes,
    }  # fmt: skip


def test_the_same_command_replaces_what_it_measured(tmp_path: Path) -> None:
    path, labels = tmp_path / "mine.json", {"network": "network", "refined_true_depth": "refined"}
    for number in (40.126, 39.0):
        row = metrics()["rows"]["network"] | {"mpjpe_mm": number}
        add_measured(path, metrics(rows={"network": row, "refined_true_depth": row}), labels, "one")
    add_measured(path, metrics(model="any_gcn"), labels, "two")
    rows = read_measured(path)
    assert [(row.model, row.answer, row.command, row.mpjpe_mm) for row in rows] == [
        ("any_gcn", "network", "two", 40.13),
        ("sem_gcn", "network", "one", 39.0),
        ("sem_gcn", "refined", "one", 39.0),
    ]
    assert (rows[0].weights, rows[0].data, rows[0].frames, rows[0].root) == ("w.pth", "mocap, S1, S2", 12, "zero")
    add_measured(path, metrics(protocol={"joints": ["head"]}), labels, "two")
    assert [row.joints for row in read_measured(path)] == [2, 2, 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: {"rows": rows}, "expected a list of objects of answer"),
        (lambda rows: [*rows, 1], "expected a list of objects"),
        (lambda rows: [{**rows[0], "mpjpe_mm": "40"}], "mpjpe_mm is '40'; expected a number"),
        (lambda rows: [{**rows[0], "flip_test": 1}], "flip_test is 1"),
        (lambda rows: [{**rows[0], "more": 1}], "expected a list of objects"),
    ],
)
def test_other_files_are_refused(change: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    add_measured(path, metrics(), {"network": "network"}, "one")
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    before = path.read_text()
    with pytest.raises(SkelgraphError, match=words):
        read_measured(path)
    with pytest.raises(SkelgraphError, match=words):
        add_measured(path, metrics(), {"network": "network"}, "two")
    assert path.read_text() == before


def test_the_file_of_the_package_names_networks_that_there_are() -> None:
    rows = read_measured()
    assert rows
    for row in rows:
        assert row.model in list_models()
        assert row.command.startswith(f"skelgraph evaluate --model {row.model} ")
        assert "/" not in row.command


def test_evaluate_records_and_models_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    files = tiny_mocap.write(tmp_path / "data")
    save_weights(create_model("sem_gcn", hidden_channels=8, num_blocks=1), tmp_path / "w")
    save_weights(PostRefine("h36m17", hidden_channels=8), tmp_path / "head")
    arguments = ["evaluate", "--weights", f"{tmp_path}/w", "--refine", f"{tmp_path}/head", "--dataset", "mocap"]
    arguments += [f"--{key.replace('_', '-')}={path}" for key, path in files.items()]
    arguments += ["--device", "cpu", "--no-progress", "--out", f"{tmp_path}/out"]
    record = tmp_path / "mine.json"
    monkeypatch.setattr(sys, "argv", ["skelgraph", *arguments, "--record", str(record)])
    assert main(sys.argv[1:]) == 0
    measures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    rows = read_measured(record)
    assert [row.answer for row in rows] == ["network", "refined, true root depth", "refined, estimated root depth"]
    assert [row.mpjpe_mm for row in rows] == [round(row["mpjpe_mm"], 2) for row in measures["rows"].values()]
    assert {row.command for row in rows} == {" ".join(["skelgraph", *arguments])}

    monkeypatch.setattr(measured.read_measured, "__defaults__", (record,))
    capsys.readouterr()
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    line = next(line for line in printed.splitlines() if "refined, estimated root depth" in line)
    assert f"{rows[2].mpjpe_mm:.2f} / {rows[2].p_mpjpe_mm:.2f}" in line
    assert rows[0].command in printed
    record.write_text("[1]")
    assert main([*arguments, "--overwrite", "--record", str(record)]) == 2
    assert "expected a list of objects" in capsys.readouterr().err


def test_published_numbers_that_follow_ups_quote(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert MEASURED.exists()
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for words in (("any_gcn", "37.83 / 30.09", "0.32"), ("modulated_gcn", "38.25 / 30.06", "0.08")):
        assert any(all(word in line for word in words) for line in lines)
    assert any("gt, paper: 37.43 / 29.73" in line for line in lines)
    assert any("ckpt_modulated_gcn_gt.pth.tar" in line and "85.68 / 60.15" in line for line in lines)
