"""The moving average of the weights, which is judged and saved in place of the weights themselves."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

TRAINED = "trained_state_dict"
"""The entry of a checkpoint that holds the weights that are trained, where ``state_dict`` holds their average."""


class WeightAverage(Callback):
    """Keep an exponential moving average of the weights, `"Mean teachers" <https://arxiv.org/abs/1703.01780>`_:

        average_1 = weights_1,    average_t = decay * average_(t-1) + (1 - decay) * weights_t

    with a ``t`` for each step of the optimizer. Validation, the test and ``state_dict`` of the checkpoints have the
    average; the trained weights stand beside it in the checkpoints, so that a resumed run goes on exactly.

    The running statistics of batch normalisation are averaged as the weights are, since those of the trained weights
    do not fit the average; what is no floating-point number is copied. Lightning's ``WeightAveraging`` would average
    integers too, and with them the ids of joints.

    Args:
        decay: The share of the average that a step keeps.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.average: dict[str, Tensor] = {}
        self._steps = 0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Bring the average of a checkpoint to the device of the weights."""
        self.average = {name: value.to(pl_module.device) for name, value in self.average.items()}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Follow the weights, if the batch has made a step of the optimizer."""
        if trainer.global_step == self._steps:
            return
        self._steps = trainer.global_step
        weights = pl_module.state_dict()
        if not self.average:
            self.average = {name: value.clone() for name, value in weights.items()}
            return
        floating = [name for name, value in weights.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.average[n] for n in floating], [weights[n] for n in floating], 1 - self.decay)
        for name in weights.keys() - set(floating):
            self.average[name].copy_(weights[name])

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the average into the network."""
        self._exchange(pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the trained weights back."""
        self._exchange(pl_module)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the average as the weights of the network, and the trained weights beside it."""
        checkpoint[TRAINED] = checkpoint["state_dict"]
        checkpoint["state_dict"] = self.average

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on with the trained weights: those that were loaded are the average."""
        self._steps = checkpoint["global_step"]
        self.average = dict(checkpoint["state_dict"])
        pl_module.load_state_dict(checkpoint[TRAINED])

    @torch.no_grad()
    def _exchange(self, module: pl.LightningModule) -> None:
        for name, value in module.state_dict().items():
            trained = value.clone()
            value.copy_(self.average[name])
            self.average[name].copy_(trained)
