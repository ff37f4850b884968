"""The LightningModule and the DataModule, piece by piece."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor

from skelgraph.datasets import PoseDataset, load_dataset
from skelgraph.errors import SkelgraphError
from skelgraph.geometry import mirror
from skelgraph.models import create_model, list_models
from skelgraph.topology import as_skeleton
from skelgraph.training import LOSSES, LiftingModule, PoseData
from skelgraph.training.losses import make_loss

ACTIONS = ("walk",)
BODY = as_skeleton("h36m17")
OF_ONE_FRAME = [name for name, info in LOSSES.items() if not info.over_time]


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


def test_data_are_shown_by_what_is_in_them() -> None:
    train_set, test_set = (load_dataset("synthetic", split) for split in ("train", "test"))
    shown = repr(PoseData(train_set, test_set, frames=3, batch_size=8))
    assert shown.startswith(f"PoseData({train_set!r}, {test_set!r}, val_set=")
    assert shown.endswith("frames=3, batch_size=8, flip=True)")
    assert repr(PoseData(None, test_set)).startswith("PoseData(None, SyntheticMocap(")


def test_empty_batch() -> None:
    assert small()(torch.zeros(0, 1, 17, 2)).shape == (0, 17, 3)


@pytest.mark.parametrize(
    ("name", "expected"), [("mse", 0.25 / 3), ("l1", 0.5 / 3), ("mpjpe", 0.5), ("smooth_l1", 0.475 / 3)]
)
def test_losses(name: str, expected: float) -> None:
    """One coordinate of every joint is off by half a metre."""
    target = torch.randn(4, 17, 3)
    prediction = target + torch.tensor([0.0, 0.5, 0.0])
    assert float(make_loss(name, BODY)(prediction, target)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", list(LOSSES))
def test_losses_have_finite_gradients_at_the_target(name: str) -> None:
    prediction = torch.zeros(2, 3, 17, 3, requires_grad=True)
    make_loss(name, BODY)(prediction, torch.zeros(2, 3, 17, 3)).backward()
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()


@pytest.mark.parametrize("name", OF_ONE_FRAME)
@pytest.mark.parametrize("clip", [0.05, None])
def test_every_loss_trains_in_bf16(sets: tuple[PoseDataset, PoseDataset], name: str, clip: float | None) -> None:
    """An epoch ends near that in float32: loss, clipping and steps are in float32, the network alone is not."""
    weights = []
    for precision in ("bf16-mixed", "32-true"):
        module = LiftingModule(
            small().model.train(), sets[1].actions, sets[0].mean_pose(), loss=name, seed=5, schedule="exponential"
        )
        before = torch.cat([p.detach().flatten() for p in module.model.parameters()])
        trainer_of(1, precision=precision, gradient_clip_val=clip).fit(
            module, datamodule=PoseData(*sets, batch_size=50)
        )
        weights.append(torch.cat([p.detach().flatten() for p in module.model.parameters()]) - before)
    assert 0 < (weights[0] - weights[1]).norm() < 0.3 * weights[1].norm()


@pytest.mark.parametrize("name", list_models())
def test_every_network_trains_in_bf16(name: str) -> None:
    """With its published options, its own loss in float32 and float32 gradients of about the same size."""
    torch.manual_seed(0)
    model = create_model(name).train()
    module = LiftingModule(model, ACTIONS, torch.zeros(17, 3))
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    x, y = 0.3 * torch.randn(4, model.num_frames, 17, 2), 0.3 * torch.randn(4, 17, 3)
    losses, norms = [], []
    for enabled in (True, False):
        model.zero_grad()
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            losses.append(model.training_loss(x, y - y[:, :1], module._loss))
        losses[-1].backward()
        norms.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).norm())
    assert losses[0].dtype == norms[0].dtype == torch.float32
    assert losses[0] != losses[1]
    torch.testing.assert_close(losses[0], losses[1], rtol=0.02, atol=0)
    torch.testing.assert_close(norms[0], norms[1], rtol=0.1, atol=0)


def test_the_clipped_gradient_is_that_of_the_whole_model(sets: tuple[PoseDataset, PoseDataset]) -> None:
    norms = []

    class Norm(pl.Callback):
        def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any) -> None:
            norms.append(
                float(torch.cat([p.grad.flatten() for p in pl_module.parameters() if p.grad is not None]).norm())
            )

    class Clipped(LiftingModule):
        def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, closure: Any) -> None:
            super().optimizer_step(epoch, batch_idx, optimizer, closure)
            norms.append(float(torch.cat([p.grad.flatten() for p in self.parameters() if p.grad is not None]).norm()))

    module = Clipped(small().model.train(), sets[1].actions, sets[0].mean_pose())
    trainer_of(1, callbacks=[Norm()], precision="bf16-mixed", gradient_clip_val=0.01).fit(
        module, datamodule=PoseData(*sets, batch_size=50)
    )
    before, after = norms[::2], norms[1::2]
    assert min(before) > 0.01
    assert after == pytest.approx([0.01] * len(after), rel=1e-3)


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("windows", [12, 13, 47, 48, 49, 154, 308])
def test_the_number_of_processes_changes_no_number_of_steps(
    sets: tuple[PoseDataset, PoseDataset], processes: int, windows: int
) -> None:
    """So that a run whose schedule counts steps can be resumed on any."""
    train_set = sets[0]
    flips = windows > len(train_set)
    train_set = train_set[: windows // (1 + flips)]
    data = PoseData(train_set, sets[1], batch_size=12, flip=flips)
    lengths = set()
    for rank in range(processes):
        data.trainer = SimpleNamespace(world_size=processes, global_rank=rank, current_epoch=0)  # type: ignore[assignment]
        lengths.add(len(data.train_dataloader()))
        lengths.add(len(list(data.train_dataloader())))
    assert lengths == {len(train_set) * (1 + flips) // 12}


def test_a_batch_that_cannot_be_shared(sets: tuple[PoseDataset, PoseDataset]) -> None:
    data = PoseData(*sets, batch_size=51)
    data.trainer = SimpleNamespace(world_size=2, global_rank=0, current_epoch=0)  # type: ignore[assignment]
    with pytest.raises(SkelgraphError, match="batch-size is 51, expected a multiple of the number of processes, 2"):
        data.train_dataloader()


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


def trainer_of(epochs: int, **options: Any) -> pl.Trainer:
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **options,
    )


def fit(sets: tuple[PoseDataset, PoseDataset], epochs: int = 3, **options: Any) -> Recorder:
    train_set, test_set = sets
    recorder = Recorder()
    module = LiftingModule(
        small().model.train(), test_set.actions, train_set.mean_pose(), lr=0.01, lr_decay=0.1, seed=5, **options
    )
    trainer_of(epochs, callbacks=[recorder]).fit(
        module, datamodule=PoseData(train_set, test_set, batch_size=50, flip=True, seed=5)
    )
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
