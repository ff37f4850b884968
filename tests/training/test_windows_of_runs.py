"""Which windows a run is trained and tested on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_mocap import LENGTHS

from skelgraph.datasets import PoseWindows
from skelgraph.errors import SkelgraphError
from skelgraph.training import LiftingModule, TrainConfig, train


@pytest.mark.parametrize(
    ("settings", "copies"),
    [
        ({}, 2),
        ({"stride": 4}, 2),
        ({"time_reversal": True, "stride": 7}, 3),
        ({"flip": False, "time_reversal": True}, 2),
    ],
)
def test_training_windows(
    files: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    copies: int,
) -> None:
    seen = []
    step = LiftingModule.training_step

    def training_step(self: LiftingModule, batch: Any, batch_idx: int) -> torch.Tensor:
        seen.append(len(batch.frame))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(LiftingModule, "training_step", training_step)
    data: dict[str, Any] = {"dataset": "mocap", **files}
    config = TrainConfig(str(tmp_path / "out")).replace(**data, options={"hidden_channels": 4, "num_blocks": 1})
    config = config.replace(max_epochs=1, batch_size=1, device="cpu", progress=False, downsample=3, **settings)
    metrics = train(config)
    clips = [-(-length // 3) for length in LENGTHS["train"].values()]
    chunks = sum(-(-frames // settings.get("stride", 1)) for frames in clips)
    assert sum(seen) == 2 * copies * chunks  # two cameras
    assert metrics["dataset"]["frames"] == 2 * sum(LENGTHS["test"].values())  # the test is on all frames


def test_causal_windows_in_training_and_test(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    init = PoseWindows.__init__

    def remember(self: PoseWindows, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        made.append(self)

    monkeypatch.setattr(PoseWindows, "__init__", remember)
    data: dict[str, Any] = {"dataset": "mocap", **files}
    config = TrainConfig(str(tmp_path / "out")).replace(**data, model="mlp_graph", causal=True, downsample=5)
    config = config.replace(options={"num_frames": 5, "hidden_channels": 8, "graph_channels": 8, "num_blocks": 1})
    train(config.replace(max_epochs=1, device="cpu", progress=False, skeleton="h36m17"))
    used = [windows for windows in made if windows.frames == 5]
    gathered = {windows.dataset.split: windows.causal for windows in used}
    assert gathered == {"train": True, "test": True}
    with pytest.raises(SkelgraphError, match="causal is on, and VideoPose is causal itself"):
        train(config.replace(model="video_pose", options={"causal": True}, out=str(tmp_path / "other")))
    assert not (tmp_path / "other").exists()
