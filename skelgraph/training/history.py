"""What happened epoch by epoch: kept in the checkpoint, so that the learning curve survives a resume."""

from __future__ import annotations

import math
import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, RichProgressBar

from skelgraph.errors import SkelgraphError


class History(Callback):
    """Collect one row per epoch: ``epoch``, ``train_loss``, ``val_mpjpe_mm``, ``lr``, ``seconds``.

    Args:
        verbose: Print each row, for terminals without a progress bar.
    """

    def __init__(self, verbose: bool = False) -> None:
        self.verbose = verbose
        self.rows: list[dict[str, float]] = []
        self._start = 0.0
        self._lr = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock and note the learning rate, which has moved on by the end of the epoch."""
        self._start = time.perf_counter()
        self._lr = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Append the row of the epoch.

        Raises:
            SkelgraphError: If the loss is not a finite number any more.
        """
        loss = float(trainer.callback_metrics["train_loss"])
        row = {
            "epoch": trainer.current_epoch + 1,
            "train_loss": loss,
            "val_mpjpe_mm": float(trainer.callback_metrics["val_mpjpe_mm"]),
            "lr": self._lr,
            "seconds": time.perf_counter() - self._start,
        }
        if not math.isfinite(loss):
            raise SkelgraphError(
                f"the training loss became {loss} in epoch {row['epoch']}: training diverged; try a lower learning rate"
            )
        self.rows.append(row)
        if self.verbose and trainer.is_global_zero:
            print(
                f"epoch {row['epoch']}/{trainer.max_epochs}: loss {loss:.4g}, "
                f"validation MPJPE {row['val_mpjpe_mm']:.1f} mm, {row['seconds']:.1f} s",
                flush=True,
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the rows for the checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows of a checkpoint."""
        self.rows = list(state_dict["rows"])


class ProgressBar(RichProgressBar):
    """A bar for each epoch, which stays, with the loss and the validation error; without the version of a logger."""

    def __init__(self) -> None:
        super().__init__(leave=True)

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """Return what stands beside the bar."""
        items = super().get_metrics(trainer, pl_module)
        return {name: value for name, value in items.items() if name != "v_num"}
