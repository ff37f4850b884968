"""The LightningDataModule: sets to train, validate and test on as sharded, reproducible loaders."""

from __future__ import annotations

from collections.abc import Iterator

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from skelgraph.datasets import PoseDataset
from skelgraph.datasets.windows import PoseBatch, PoseWindows, Targets, WindowLoader
from skelgraph.errors import SkelgraphError
from skelgraph.training.config import AugmentationConfig
from skelgraph.training.transforms.augmentation import Augmentation


def share_of_batch(batch_size: int, processes: int) -> int:
    """Windows of a batch that each process gets.

    Raises:
        SkelgraphError: If the batch cannot be divided: the run would have other batches than one process has.
    """
    if batch_size % processes:
        raise SkelgraphError(f"batch-size is {batch_size}, expected a multiple of the number of processes, {processes}")
    return batch_size // processes


class ManyBatches:
    """The batches of a loader as the numbers of their windows, those of many steps at once: ``(steps, B)``.

    Args:
        loader: Its batches are all of the same size.
        steps: Steps at once.
        augmentation: What is made of the windows; ``None``: nothing.
    """

    def __init__(self, loader: WindowLoader, steps: int, augmentation: Augmentation | None = None) -> None:
        self.loader = loader
        self.steps = steps
        self.augmentation = augmentation

    def batch(self, rows: Tensor) -> PoseBatch:
        """The batch of the windows with these numbers ``(B,)``. What is random in it is drawn from torch's own
        generator of the device: a recorded step advances no other."""
        return self.loader.windows[rows] if self.augmentation is None else self.augmentation(rows)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next pass takes."""
        self.loader.set_epoch(epoch)

    def __len__(self) -> int:
        """How often there are many."""
        return -(-len(self.loader) // self.steps)

    def __iter__(self) -> Iterator[Tensor]:
        """The numbers of the windows."""
        order = self.loader.order()
        size = min(self.loader.batch_size, len(order))
        yield from order[: len(self.loader) * size].view(-1, size).split(self.steps)


class _WholeSteps(WindowLoader):
    """Batches for training, as many as make whole steps of the optimizer, and what is made of them."""

    batches_in_step = 1
    augmentation: Augmentation | None = None

    def batch(self, index: Tensor, step: int) -> PoseBatch:
        """The batch of a step. What is random in it is a function of seed, epoch, process and step alone."""
        if self.augmentation is None:
            return super().batch(index, step)
        seed = np.random.SeedSequence([self.seed, self.epoch, self.rank, step]).generate_state(1, np.uint64)
        return self.augmentation(index, torch.Generator(index.device).manual_seed(int(seed[0] >> 1)))

    def __len__(self) -> int:
        return super().__len__() // self.batches_in_step * self.batches_in_step


class PoseData(pl.LightningDataModule):
    """Serve windows of pose datasets, on the trainer's device and sharded over its processes.

    The order of the training windows is a function of ``(seed, epoch)`` alone. Evaluation sees every frame exactly
    once over all processes: whole clips go to one process and nothing is padded.

    Args:
        train_set: Training poses; ``None`` where only evaluation is wanted.
        test_set: Poses that the test at the end judges.
        val_set: Poses that are judged after every epoch; ``None``: the test set.
        frames: Length of a window, the receptive field of the model.
        batch_size: Windows in a training batch, over all processes together.
        accumulate: Batches whose gradients make one step, as the trainer's ``accumulate_grad_batches`` has it; batches
            that do not make a step at the end of an epoch are left out, as is a batch that is not full.
        flip: Train on left-right mirrored windows too.
        drop_last: Leave out the last training batch if it is not full; a single batch is kept in any case.
        targets: Train on the pose of the ``"centre"`` frame of each window, or on the poses of ``"all"`` frames.
        stride: Train on the centre frame of every so many frames.
        time_reversal: Train on windows that run backwards, too.
        causal: Windows end with the frame that is lifted, in training and test.
        seed: Seed of the training order.
        augmentation: What is made of the training windows; ``None``: nothing.
        steps_at_once: Hand out the batches of so many training steps at once, as :class:`ManyBatches`; 0: one by one.
    """

    def __init__(
        self,
        train_set: PoseDataset | None,
        test_set: PoseDataset,
        *,
        val_set: PoseDataset | None = None,
        frames: int = 1,
        batch_size: int = 256,
        accumulate: int = 1,
        flip: bool = True,
        drop_last: bool = True,
        targets: Targets = "centre",
        stride: int = 1,
        time_reversal: bool = False,
        causal: bool = False,
        seed: int = 0,
        augmentation: AugmentationConfig | None = None,
        steps_at_once: int = 0,
    ) -> None:
        super().__init__()
        self.augmentation = augmentation if augmentation is not None and augmentation.is_on else None
        self.steps_at_once = steps_at_once
        self.train_set = train_set
        self.test_set = test_set
        self.val_set = test_set if val_set is None else val_set
        self.frames = frames
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.flip = flip
        self.drop_last = drop_last
        self.targets = targets
        self.stride = stride
        self.time_reversal = time_reversal
        self.causal = causal
        self.seed = seed

    def __repr__(self) -> str:  # noqa: D105
        return (
            f"PoseData({self.train_set}, {self.test_set}, val_set={self.val_set}, frames={self.frames}, "
            f"batch_size={self.batch_size}, flip={self.flip})"
        )

    def setup(self, stage: str) -> None:
        """Move the poses to the trainer's device, where a batch is then a matter of indexing."""
        trainer = self._trainer()
        device = trainer.strategy.root_device
        same = self.val_set is self.test_set
        self.test_set = self.test_set.to(device)
        self.val_set = self.test_set if same else self.val_set.to(device)
        if self.train_set is not None:
            self.train_set = self.train_set.to(device)

    def train_dataloader(self) -> WindowLoader | ManyBatches:
        """Shuffled windows of the training set in the order of the current epoch."""
        loader = self.training_batches()
        return ManyBatches(loader, self.steps_at_once, loader.augmentation) if self.steps_at_once else loader

    def training_windows(self) -> PoseWindows:
        """All windows to train on, where the poses are now."""
        if self.train_set is None:
            raise RuntimeError("this PoseData has no training set")
        return self.train_set.windows(
            self.frames,
            self.stride,
            self.flip,
            targets=self.targets,
            vertices=self.train_set.bodies is not None,
            time_reversal=self.time_reversal,
            causal=self.causal,
        )

    def augmented(self, windows: PoseWindows) -> Augmentation | None:
        """What makes batches of training windows; ``None`` if they are taken as they are.

        Raises:
            SkelgraphError: If the data do not have what it takes.
        """
        return None if self.augmentation is None else Augmentation(windows, self.augmentation)

    def training_batches(self) -> _WholeSteps:
        """The batches of an epoch, one for each step."""
        windows, trainer = self.training_windows(), self._trainer()
        batch_size = share_of_batch(self.batch_size, trainer.world_size)
        loader = _WholeSteps(
            windows,
            batch_size,
            shuffle=True,
            seed=self.seed,
            # A last batch of one frame would be an error for batch normalisation and a noisy step for all others.
            drop_last=self.drop_last and len(windows) >= batch_size * trainer.world_size,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )
        loader.batches_in_step = self.accumulate
        loader.augmentation = self.augmented(windows)
        loader.set_epoch(trainer.current_epoch)
        return loader

    def val_dataloader(self) -> WindowLoader:
        """Every frame of the validation set once, whole clips per process."""
        return self._judged(self.val_set)

    def test_dataloader(self) -> WindowLoader:
        """Every frame of the test set once, whole clips per process."""
        return self._judged(self.test_set)

    def _judged(self, poses: PoseDataset) -> WindowLoader:
        trainer = self._trainer()
        windows = poses.windows(self.frames, causal=self.causal)
        return windows.loader(max(self.batch_size, 1024), rank=trainer.global_rank, world_size=trainer.world_size)

    def _trainer(self) -> pl.Trainer:
        if self.trainer is None:
            raise RuntimeError("PoseData needs a Trainer: pass it as Trainer.fit(module, datamodule=data)")
        return self.trainer
