"""One small run that the tests of this folder look at from many sides."""

from __future__ import annotations

from typing import Any

import pytest
import tiny_mocap
from tiny_mocap import Run

from skelgraph.training import TrainConfig, report, train
from skelgraph.viz import figures

DRAWN = {"test_names", "test_pictures", "test_report", "test_run", "test_uncertainty_of_runs"}
"""Modules whose runs render the figures of their reports."""


@pytest.fixture(scope="module", autouse=True)
def _reports(request: pytest.FixtureRequest) -> None:
    if request.module.__name__ not in DRAWN:
        request.getfixturevalue("quick_reports")


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The tiny motion files."""
    return tiny_mocap.write(tmp_path_factory.mktemp("mocap"))


@pytest.fixture(scope="session")
def run(files: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three epochs with all that could break a resume: dropout, a learning rate that moves, mirrored windows."""
    out = tmp_path_factory.mktemp("run") / "out"
    data: dict[str, Any] = {"dataset": "mocap", **files}
    config = TrainConfig(str(out)).replace(
        options={"hidden_channels": 16, "num_blocks": 1, "dropout": 0.2},
        **data,
        max_epochs=3,
        batch_size=64,
        seed=3,
        device="cpu",
        progress=False,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "png", figures.png)  # whichever module asks for it first
        return Run(config, train(config), out, out / "checkpoints" / "last.ckpt")
