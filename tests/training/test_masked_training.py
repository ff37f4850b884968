"""Training and test with confidences and masks, from files to metrics.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_mocap
import torch

from skelgraph.datasets import load_dataset
from skelgraph.errors import SkelgraphError
from skelgraph.models import create_model
from skelgraph.training import LiftingModule, TrainConfig, evaluate, train
from skelgraph.training.checkpoint import load_checkpoint

SMALL: dict[str, Any] = {
    "dataset": "mocap",
    "options": {"hidden_channels": 8, "num_blocks": 1, "in_channels": 3},
    "max_epochs": 2,
    "batch_size": 64,
    "device": "cpu",
    "progress": False,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A third of the joints NaN, one action of which nothing is known, and keypoints of a detector that saw as much."""
    positions, keypoints = tiny_mocap.arrays()
    rng = np.random.default_rng(0)
    visible: dict[str, Any] = {}
    for subject, actions in positions.items():
        visible[subject] = {}
        for action, world in actions.items():
            mask = rng.random(world.shape[:2]) > 0.33
            mask[:, 0] = action != "bend 1"
            world[~mask] = np.nan
            visible[subject][action] = mask
            for i, view in enumerate(keypoints[subject][action]):
                confidence = np.where(mask, rng.random(mask.shape), 0)
                noisy = view + np.where(mask, 0, np.nan)[..., None]
                keypoints[subject][action][i] = np.concatenate([noisy, confidence[..., None]], -1)
    return tiny_mocap.write(tmp_path_factory.mktemp("masked"), positions, keypoints, visible)


def test_metrics_count_what_is_known(files: dict[str, str], tmp_path: Path) -> None:
    config = TrainConfig(str(tmp_path / "run")).replace(**SMALL, **files)
    metrics = train(config)
    written = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (tmp_path / "run" / "animation.gif").stat().st_size > 1000
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert evaluate(last, tmp_path / "again", progress=False)["mpjpe_mm"] == pytest.approx(metrics["mpjpe_mm"])

    test = load_dataset("mocap", "test", **files)
    assert test.visible_3d is not None
    model = create_model("sem_gcn", "h36m17", **config.network.options)
    module = LiftingModule(model, test.actions, torch.zeros(17, 3)).eval()
    module.load_state_dict(load_checkpoint(last)["state_dict"])
    with torch.no_grad():
        prediction = module(test.windows()[:].network_input(3))
    error = 1000 * (prediction - test.poses_3d).norm(dim=-1)
    of_action = {}
    for i, action in enumerate(test.actions):
        rows = test.action_id == i
        of_action[action] = error[rows][test.visible_3d[rows]].mean().item()
    assert np.isnan(of_action.pop("bend"))
    assert {a: row["mpjpe_mm"] for a, row in written["per_action"].items()} == pytest.approx(of_action, rel=1e-5)
    assert written["mpjpe_mm"] == pytest.approx(np.mean(list(of_action.values())), rel=1e-5)
    assert written["mpjpe_frames_mm"] == pytest.approx(error[test.visible_3d].mean().item(), rel=1e-5)
    assert {a: row["frames"] for a, row in written["per_action"].items()} == {"walk": 2 * 37, "wave": 2 * 23}
    numbers = [value for value in written.values() if isinstance(value, float)]
    assert len(numbers) >= 10
    assert np.isfinite(numbers).all()


def test_confidence_is_seen(files: dict[str, str]) -> None:
    """Two confidences give two answers; the flip test hands the network the confidence of the other side."""
    test = load_dataset("mocap", "test", **files)
    module = LiftingModule(
        create_model("sem_gcn", "h36m17", **SMALL["options"]), test.actions, torch.zeros(17, 3)
    ).eval()
    batch = test.windows(flip=True)[:]
    x = batch.network_input(3)
    half = len(x) // 2
    index = module.mirror_index
    mirrored = module(x[half:])[:, index] * torch.tensor([-1, 1, 1])
    torch.testing.assert_close(module(x[:half]), mirrored)
    assert not torch.allclose(module(x), module(torch.cat((x[..., :2], 1 - x[..., 2:]), -1)), atol=1e-4)


@pytest.mark.parametrize("loss", ["mse", "l1", "smooth_l1", "mpjpe", "aligned"])
def test_every_loss(files: dict[str, str], loss: str, tmp_path: Path) -> None:
    config = TrainConfig(str(tmp_path / "run")).replace(**(SMALL | {"loss": loss, "max_epochs": 1}), **files)
    assert np.isfinite(train(config)["mpjpe_mm"])


def test_hgn_trains_meshes_of_whole_bodies() -> None:
    torch.manual_seed(0)
    model = create_model("hgn", hidden_channels=8)
    x, y = torch.randn(6, 17, 2), 0.3 * torch.randn(6, 17, 3)
    visible = torch.ones(6, 17).bool()
    visible[3:, 5] = False
    broken = torch.where(visible[..., None], y, torch.nan)
    loss = model.training_loss(x, broken, visible=visible)
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    outputs, targets = model.forward_features(x), model.targets(y)
    joints = (outputs.joints - y)[visible].square().mean()
    whole = model.loss(type(outputs)(*(part[:3] for part in outputs)), type(targets)(*(part[:3] for part in targets)))
    meshes = whole - 100 * (outputs.joints - y)[:3].square().mean()
    torch.testing.assert_close(loss, 100 * joints + meshes)
    all_of_it = model.training_loss(x, y, visible=torch.ones(6, 17).bool())
    torch.testing.assert_close(all_of_it, model.training_loss(x, y))


def refused(tmp_path: Path, message: str, **settings: Any) -> None:
    with pytest.raises(SkelgraphError, match=message):
        train(TrainConfig(str(tmp_path / "refused")).replace(**settings))
    assert not (tmp_path / "refused").exists()


def test_data_without_confidence(tmp_path: Path) -> None:
    plain = tiny_mocap.write(tmp_path / "files")
    refused(tmp_path, "in_channels of the model is 3; expected 2, as in the keypoints", **SMALL, **plain)
    refused(tmp_path, "in_channels of the model is 4; expected 2", **(SMALL | {"options": {"in_channels": 4}}), **plain)


def test_people_who_are_trained_and_tested_on(tmp_path: Path) -> None:
    settings = SMALL | tiny_mocap.write(tmp_path / "files") | {"options": {"hidden_channels": 8, "num_blocks": 1}}
    settings |= {"train_subjects": ("train", "test"), "max_epochs": 1}
    refused(tmp_path, "share the subjects test.*--unchecked", **settings)
    assert train(TrainConfig(str(tmp_path / "run")).replace(**settings, unchecked=True))["epochs"] == 1
