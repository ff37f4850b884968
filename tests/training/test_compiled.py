"""Training steps handed out at once: the same run as steps one by one, with the network compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from skelgraph import create_model
from skelgraph.datasets import PoseBatch
from skelgraph.datasets.synthetic import SyntheticMocap
from skelgraph.errors import SkelgraphError
from skelgraph.nn import ExpectedError
from skelgraph.training import AugmentationConfig, LiftingModule, TrainConfig, train
from skelgraph.training import run as run_module
from skelgraph.training.checkpoint import load_checkpoint
from skelgraph.training.data import ManyBatches
from skelgraph.training.transforms.augmentation import Augmentation

SMALL = {
    "options": {"hidden_channels": 8, "num_blocks": 1},
    "downsample": 100,
    "test_downsample": 100,
    "max_epochs": 3,
    "batch_size": 64,
    "device": "cpu",
    "progress": False,
}


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes half a minute; what is handed out at once is tested without."""
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    monkeypatch.setattr(run_module, "STEPS_AT_ONCE", 7)  # no divisor of the steps of an epoch


def config(out: Path, **changes: Any) -> TrainConfig:
    return TrainConfig(str(out)).replace(**SMALL | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "cosine"},
        {"schedule": "exponential", "lr_decay": 0.5, "clip_grad": 0.01},
        {"schedule": "cosine", "precision": "bf16", "clip_grad": 0.0},
    ],
)
@pytest.mark.usefixtures("uncompiled")
def test_the_run_is_that_of_steps_one_by_one(tmp_path: Path, changes: dict[str, Any]) -> None:
    plain = train(config(tmp_path / "plain", **changes))
    at_once = train(config(tmp_path / "at_once", compile=True, **changes))
    assert at_once["mpjpe_mm"] == pytest.approx(plain["mpjpe_mm"], rel=1e-6)
    one, other = (load_checkpoint(tmp_path / name / "checkpoints/last.ckpt") for name in ("plain", "at_once"))
    assert other["global_step"] == one["global_step"] > 7
    assert other["lr_schedulers"][0]["last_epoch"] == one["lr_schedulers"][0]["last_epoch"]
    for name, weight in one["state_dict"].items():
        torch.testing.assert_close(other["state_dict"][name], weight, msg=name)
    rows = [saved["callbacks"]["History"]["rows"] for saved in (one, other)]
    for before, after in zip(*rows, strict=True):
        assert after["train_loss"] == pytest.approx(before["train_loss"], rel=1e-5)
        assert after["lr"] == before["lr"]
    logged = []
    for name in ("plain", "at_once"):
        events = EventAccumulator(str(tmp_path / name / "logs" / "tensorboard")).Reload()
        logged.append({tag: [event.step for event in events.Scalars(tag)] for tag in ("train_loss", "lr")})
    assert logged[0] == logged[1]
    assert logged[0]["lr"][-1] + 1 == one["global_step"]


OUTSIDE: dict[str, Any] = {
    "input_form": "rays", "virtual_views": True, "roll": 12.0, "tilt": 20.0, "mix": 0.4, "bend": 15.0,
    "limb_lengths": 10.0, "keypoint_noise": 1.0, "outliers": 0.1, "joint_dropout": 0.1, "middles": True,
}  # fmt: skip


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("network_too", [True, False])
def test_expected_errors_are_learned_as_one_by_one(tmp_path: Path, network_too: bool) -> None:
    """Network and head are clipped apart; each would be clipped otherwise with the other one."""
    head = {"expected_error": True, "expected_error_channels": 16, "clip_grad": 0.01, "schedule": "cosine"}
    if not network_too:
        train(config(tmp_path / "start"))
        head |= {"loss": "none", "init_from": str(tmp_path / "start/checkpoints/last.ckpt")}
    results = [train(config(tmp_path / str(many), compile=many, **head)) for many in (False, True)]
    one, other = (load_checkpoint(tmp_path / str(many) / "checkpoints/last.ckpt") for many in (False, True))
    assert any(name.startswith("expected_error.") for name in one["state_dict"])
    for name, weight in one["state_dict"].items():
        torch.testing.assert_close(other["state_dict"][name], weight, msg=name)
    rows = [saved["callbacks"]["History"]["rows"][-1]["train_loss"] for saved in (one, other)]
    assert rows[1] == pytest.approx(rows[0], rel=1e-5)
    assert results[1]["expected_error"]["scale"] == pytest.approx(results[0]["expected_error"]["scale"])


@pytest.mark.usefixtures("uncompiled")
def test_new_cameras_are_those_of_seed_and_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    learned = LiftingModule.batch_loss

    def watched(module: LiftingModule, batch: PoseBatch) -> Tensor:
        seen.append(batch.keypoints_2d.flatten(1))
        return learned(module, batch)

    monkeypatch.setattr(LiftingModule, "batch_loss", watched)
    settings = {"schedule": "exponential", "compile": True, **OUTSIDE}
    train(config(tmp_path / "whole", **settings))
    whole = torch.cat(seen)
    assert len(whole.unique(dim=0)) == len(whole)
    seen.clear()
    train(config(tmp_path / "parts", **settings, max_epochs=1))
    train(config(tmp_path / "parts", **settings), resume=True)
    assert torch.equal(torch.cat(seen), whole)


class NothingWaits(TorchDispatchMode):
    """Forbids what makes the CPU wait for a GPU, or copies to it: neither can be recorded."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        assert name not in {"_local_scalar_dense", "nonzero", "masked_select", "lift_fresh", "unique_dim"}, name
        if name in {"index", "index_put", "index_put_"}:
            assert not any(index is not None and index.dtype == torch.bool for index in args[1]), "rows of a mask"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("frames", [1, 3])
def test_a_step_waits_for_nothing(frames: int) -> None:
    data = SyntheticMocap(seconds=0.3, downsample=3, subjects=["S1"], unchecked=True).put_in_middles()
    data.visible_3d = torch.rand(data.poses_3d.shape[:-1]) > 0.1
    data.confidence = torch.rand(data.poses_3d.shape[:-1])
    windows = data.windows(frames, flip=True)
    rows = torch.randint(len(windows), (16,))
    made = {name: value for name, value in OUTSIDE.items() if name not in ("input_form", "middles")}
    many = ManyBatches(windows.loader(16), 4, Augmentation(windows, AugmentationConfig(**made)))
    name = "sem_gcn" if frames == 1 else "graph_mlp"
    model = create_model(
        name, data.skeleton, input_form="rays", in_channels=4, **({"num_frames": 3} if frames == 3 else {})
    )
    head = ExpectedError(data.skeleton, in_channels=4)
    module = LiftingModule(model, data.actions, data.mean_pose(), expected_error=head, loss="mpjpe", root="subtract")
    with NothingWaits():
        first, second = module.train().losses(many.batch(rows))
        (first + second).backward()
    assert (first + second).isfinite()
    with pytest.raises(AssertionError, match="lift_fresh"), NothingWaits():
        torch.tensor([1.0])


@pytest.mark.usefixtures("uncompiled")
def test_resumed_run_is_the_undisturbed_one(tmp_path: Path) -> None:
    settings = {"schedule": "exponential", "compile": True}
    whole = train(config(tmp_path / "whole", **settings))
    train(config(tmp_path / "parts", **settings).replace(max_epochs=1))
    resumed = train(config(tmp_path / "parts", **settings), resume=True)
    assert resumed["mpjpe_mm"] == whole["mpjpe_mm"]
    with pytest.raises(SkelgraphError, match="compile was True, now False"):
        train(config(tmp_path / "parts", **settings).replace(compile=False, max_epochs=4), resume=True)


def test_what_cannot_be_recorded_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(SkelgraphError, match="'onecycle', which moves the momentum"):
        train(config(tmp_path / "a", compile=True))
    with pytest.raises(SkelgraphError, match="devices is 2; compiled training runs on one device"):
        train(config(tmp_path / "a", compile=True, schedule="cosine", devices=2))
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_compiled(tmp_path: Path) -> None:
    settings = {"schedule": "cosine", "max_epochs": 1, "lr": 1e-4}  # rounding grows little
    plain = train(config(tmp_path / "plain").replace(**settings))
    compiled = train(config(tmp_path / "compiled").replace(compile=True, **settings))
    assert compiled["mpjpe_mm"] == pytest.approx(plain["mpjpe_mm"], rel=1e-3)
