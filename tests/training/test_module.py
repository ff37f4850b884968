"""The LightningModule and the DataModule, piece by piece."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor

from skelgraph.datasets import PoseDataset, load_dataset
from skelgraph.errors import SkelgraphError
from skelgraph.geometry import mirror
from skelgraph.models import create_model
from skelgraph.training import LOSSES, LiftingModule, PoseData

ACTIONS = ("walk",)


def small(**options: object) -> LiftingModule:
    torch.manual_seed(0)
    model = create_model("sem_gcn", "h36m17", hidden_channels=8, num_blocks=1)
    return LiftingModule(model, ACTIONS, torch.zeros(17, 3), **options).eval()  # type: ignore[arg-type]


def test_answers_are_relative_to_the_root() -> None:
    module, x = small(flip_test=False), torch.randn(5, 1, 17, 2)
    raw = module.model(x)
    assert raw[:, 0].norm() > 0
    torch.testing.assert_close(module(x), raw - raw[:, :1])


def test_flip_test_makes_the_answer_symmetric() -> None:
    module, x = small(flip_test=True), torch.randn(5, 1, 17, 2)
    index = module.mirror_index
    torch.testing.assert_close(module(mirror(x, index)), mirror(module(x), index))
    plain = small(flip_test=False)
    assert not torch.allclose(plain(mirror(x, index)), mirror(plain(x), index), atol=1e-3)


def test_empty_batch() -> None:
    assert small()(torch.zeros(0, 1, 17, 2)).shape == (0, 17, 3)


@pytest.mark.parametrize(
    ("name", "expected"), [("mse", 0.25 / 3), ("l1", 0.5 / 3), ("mpjpe", 0.5), ("smooth_l1", 0.475 / 3)]
)
def test_losses(name: str, expected: float) -> None:
    """One coordinate of every joint is off by half a metre."""
    target = torch.randn(4, 17, 3)
    prediction = target + torch.tensor([0.0, 0.5, 0.0])
    assert float(LOSSES[name](prediction, target)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", list(LOSSES))
def test_losses_have_finite_gradients_at_the_target(name: str) -> None:
    prediction = torch.zeros(2, 17, 3, requires_grad=True)
    LOSSES[name](prediction, torch.zeros(2, 17, 3)).backward()
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()


def test_unknown_loss() -> None:
    with pytest.raises(SkelgraphError, match=r"loss is 'mpjp'; expected .*did you mean 'mpjpe'"):
        small(loss="mpjp")


class Recorder(pl.Callback):
    """Notes what training sees."""

    def __init__(self) -> None:
        self.frames: dict[int, list[Tensor]] = {}
        self.learning_rates: dict[int, float] = {}

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        self.frames.setdefault(trainer.current_epoch, []).append(batch.frame)  # type: ignore[attr-defined]
        self.learning_rates[trainer.current_epoch] = trainer.optimizers[0].param_groups[0]["lr"]


@pytest.fixture(scope="module")
def sets(files: dict[str, str]) -> tuple[PoseDataset, PoseDataset]:
    train_set, test_set = (load_dataset("mocap", split, **files) for split in ("train", "test"))  # type: ignore[arg-type]
    return train_set, test_set


def fit(sets: tuple[PoseDataset, PoseDataset], epochs: int = 3, **options: Any) -> Recorder:
    train_set, test_set = sets
    recorder = Recorder()
    module = LiftingModule(
        small().model.train(), test_set.actions, train_set.mean_pose(), lr=0.01, lr_decay=0.1, seed=5, **options
    )
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[recorder],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, datamodule=PoseData(train_set, test_set, batch_size=50, flip=True, seed=5))
    return recorder


def test_one_cycle_goes_up_and_then_down_to_nothing(sets: tuple[PoseDataset, PoseDataset]) -> None:
    near_the_top, second, last = fit(sets).learning_rates.values()  # at the last batch of each epoch
    assert 0.01 > near_the_top > second > 10 * last


def test_every_epoch_has_its_own_order_and_learning_rate(sets: tuple[PoseDataset, PoseDataset]) -> None:
    recorder, again = fit(sets, schedule="exponential"), fit(sets, epochs=2, schedule="exponential")
    orders = {epoch: torch.cat(frames) for epoch, frames in recorder.frames.items()}
    assert not torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[1], orders[2])
    assert torch.equal(torch.cat(again.frames[1]), orders[1])
    assert list(recorder.learning_rates.values()) == pytest.approx([1e-2, 1e-3, 1e-4])
    # Both the plain and the mirrored version of (nearly: the last batch is dropped) each frame, once.
    assert len(orders[0]) == 2 * len(sets[0]) // 50 * 50
    assert int(torch.bincount(orders[0]).max()) == 2


def test_data_without_trainer_or_training_set(sets: tuple[PoseDataset, PoseDataset]) -> None:
    with pytest.raises(RuntimeError, match="needs a Trainer"):
        PoseData(*sets).val_dataloader()
    with pytest.raises(RuntimeError, match="no training set"):
        PoseData(None, sets[1]).train_dataloader()
