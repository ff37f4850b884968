"""Two processes measure exactly what one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_mocap import Run

from skelgraph.training import evaluate, load_checkpoint

TRAIN = """
import json, sys
from skelgraph.training import TrainConfig, train
config = TrainConfig.from_dict(json.load(open(sys.argv[1]))["config"])
train(config.replace(devices=2, out=sys.argv[2], max_epochs=2))
"""


@pytest.mark.slow
def test_train_and_test_in_two_processes(run: Run, tmp_path: Path) -> None:
    """Six clips of 37, 23 and 8 frames from two cameras, in batches: processes get unequal shares."""
    out = tmp_path / "out"
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    process = subprocess.run(
        [sys.executable, str(script), str(run.out / "config.json"), str(out)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert process.returncode == 0, process.stderr
    one = evaluate(out / "checkpoints" / "last.ckpt", tmp_path / "one", devices=1, progress=False)
    two = json.loads((out / "metrics.json").read_text())
    numbers = [key for key, value in one.items() if isinstance(value, float) and key != "seconds"]
    assert len(numbers) == 10
    assert {key: two[key] for key in numbers} == pytest.approx({key: one[key] for key in numbers}, abs=1e-4)
    assert two["per_joint_mm"] == pytest.approx(one["per_joint_mm"], abs=1e-4)
    for action, row in one["per_action"].items():
        assert two["per_action"][action] == pytest.approx(row, abs=1e-4)
    rows = load_checkpoint(out / "checkpoints" / "last.ckpt")["callbacks"]["History"]["rows"]
    assert rows[-1]["val_mpjpe_mm"] == pytest.approx(one["mpjpe_mm"], abs=1e-3)
