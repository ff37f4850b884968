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

TRAIN = """
import json, sys
from skelgraph.training import TrainConfig, train
config = TrainConfig.from_dict(json.load(open(sys.argv[1]))["config"])
train(config.replace(devices=2, out=sys.argv[2], **json.loads(sys.argv[3])))
"""


def in_two_processes(run: Run, out: Path, **changes: Any) -> None:
    """The run with other settings, in a folder of its own."""
    script = out.with_suffix(".py")
    script.write_text(TRAIN)
    process = subprocess.run(
        [sys.executable, str(script), str(run.out / "config.json"), str(out), json.dumps(changes)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert process.returncode == 0, process.stderr


@pytest.mark.slow
def test_train_and_test_in_two_processes(run: Run, tmp_path: Path) -> None:
    """Six clips of 37, 23 and 8 frames from two cameras, in batches: processes get unequal shares."""
    out = tmp_path / "out"
    in_two_processes(run, out, max_epochs=2)
    one = evaluate(out / "checkpoints" / "last.ckpt", tmp_path / "one", devices=1, progress=False)
    two = json.loads((out / "metrics.json").read_text())
    numbers = [key for key, value in one.items() if isinstance(value, float) and key != "seconds"]
    assert len(numbers) == 12
    assert {key: two[key] for key in numbers} == pytest.approx({key: one[key] for key in numbers}, abs=1e-4)
    assert two["per_joint_mm"] == pytest.approx(one["per_joint_mm"], abs=1e-4)
    for action, row in one["per_action"].items():
        assert two["per_action"][action] == pytest.approx(row, abs=1e-4)
    rows = load_checkpoint(out / "checkpoints" / "last.ckpt")["callbacks"]["History"]["rows"]
    assert rows[-1]["val_mpjpe_mm"] == pytest.approx(one["mpjpe_mm"], abs=1e-3)


PLAIN: dict[str, Any] = {
    "model": "graph_mlp",
    "options": {
        "hidden_channels": 16, "token_channels": 8, "mlp_channels": 16, "num_blocks": 2, "dropout": 0.0,
        "drop_path": 0.0,
    },
}  # fmt: skip
"""A network that normalises each pose by itself: no batch normalisation, which sees the share of a process."""


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"accumulate": 2, "batch_size": 32, "ema": 0.9}])
def test_two_processes_have_the_curve_of_one(run: Run, tmp_path: Path, more: dict[str, Any]) -> None:
    """Loss, validation error and rate of five epochs with the same batches over all processes, and what is measured."""
    changes = {**PLAIN, "max_epochs": 5, **more}
    in_two_processes(run, tmp_path / "two", **changes)
    metrics = train(run.config.replace(out=str(tmp_path / "one"), **changes))
    one, two = (load_checkpoint(tmp_path / name / "checkpoints" / "last.ckpt") for name in ("one", "two"))
    curves = [
        [row[name] for row in saved["callbacks"]["History"]["rows"] for name in ("train_loss", "val_mpjpe_mm", "lr")]
        for saved in (one, two)
    ]
    assert curves[0] == pytest.approx(curves[1], rel=1e-5)
    assert one["global_step"] == two["global_step"] == 5 * 9
    measured = json.loads((tmp_path / "two" / "metrics.json").read_text())
    assert measured["per_joint_mm"] == pytest.approx(metrics["per_joint_mm"], rel=1e-4)
