"""Two processes measure exactly what one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_mocap import Run

from skelgraph.training import evaluate, load_checkpoint, train

PLAIN: dict[str, Any] = {
    "model": "graph_mlp",
    "options": {
        "hidden_channels": 16, "token_channels": 8, "mlp_channels": 16, "num_blocks": 2, "dropout": 0.0,
        "drop_path": 0.0,
    },
}  # fmt: skip
"""A network that normalises each pose by itself: no batch normalisation, which sees the share of a process."""
CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {"max_epochs": 2},
    "plain": {**PLAIN, "max_epochs": 5},
    "accumulated": {**PLAIN, "max_epochs": 5, "accumulate": 2, "batch_size": 32, "ema": 0.9},
}
TRAIN = """
import json, sys
from skelgraph.training import TrainConfig, train
config = TrainConfig.from_dict(json.load(open(sys.argv[1]))["config"])
for name, changes in json.loads(sys.argv[3]).items():
    train(config.replace(devices=2, out=f"{sys.argv[2]}/{name}", **changes))
"""


@pytest.fixture(scope="module")
def two(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with other settings in two processes, each in a folder named as its settings are."""
    out = tmp_path_factory.mktemp("two")
    script = out / "train.py"
    script.write_text(TRAIN)
    process = subprocess.run(
        [sys.executable, str(script), str(run.out / "config.json"), str(out), json.dumps(CHANGES)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert process.returncode == 0, process.stderr
    return out


@pytest.mark.slow
def test_train_and_test_in_two_processes(two: Path, tmp_path: Path) -> None:
    """Six clips of 37, 23 and 8 frames from two cameras, in batches: processes get unequal shares."""
    out = two / "as it is"
    one = evaluate(out / "checkpoints" / "last.ckpt", tmp_path / "one", devices=1, progress=False)
    both = json.loads((out / "metrics.json").read_text())
    numbers = [key for key, value in one.items() if isinstance(value, float) and key != "seconds"]
    assert len(numbers) == 14
    assert {key: both[key] for key in numbers} == pytest.approx({key: one[key] for key in numbers}, abs=1e-4)
    assert both["per_joint_mm"] == pytest.approx(one["per_joint_mm"], abs=1e-4)
    for action, row in one["per_action"].items():
        assert both["per_action"][action] == pytest.approx(row, abs=1e-4)
    rows = load_checkpoint(out / "checkpoints" / "last.ckpt")["callbacks"]["History"]["rows"]
    assert rows[-1]["val_mpjpe_mm"] == pytest.approx(one["mpjpe_mm"], abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "accumulated"])
def test_two_processes_have_the_curve_of_one(run: Run, two: Path, tmp_path: Path, name: str) -> None:
    """Loss, validation error and rate of five epochs with the same batches over all processes, and what is measured."""
    metrics = train(run.config.replace(out=str(tmp_path / "one"), **CHANGES[name]))
    saved = [load_checkpoint(out / "checkpoints" / "last.ckpt") for out in (tmp_path / "one", two / name)]
    curves = [
        [row[value] for row in each["callbacks"]["History"]["rows"] for value in ("train_loss", "val_mpjpe_mm", "lr")]
        for each in saved
    ]
    assert curves[0] == pytest.approx(curves[1], rel=1e-5)
    assert saved[0]["global_step"] == saved[1]["global_step"] == 5 * 9
    measured = json.loads((two / name / "metrics.json").read_text())
    assert measured["per_joint_mm"] == pytest.approx(metrics["per_joint_mm"], rel=1e-4)
