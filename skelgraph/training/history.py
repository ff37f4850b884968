"""What happened epoch by epoch: kept in the checkpoint, so that the learning curve survives a resume."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, RichProgressBar

from skelgraph.errors import SkelgraphError
from skelgraph.files import write_file

KILOMETRE = 1e3
"""Training has diverged where both its loss (m, or m²) and the validation error are beyond this; a high learning rate
can also spoil the running statistics of batch normalisation alone, from which training recovers."""


Judged = Literal["test", "validation"]
ROW = ("epoch", "train_loss", "val_mpjpe_mm", "lr", "seconds")
"""What is noted of an epoch."""


class DivergedError(SkelgraphError):
    """Training has diverged."""


class History(Callback):
    """Collect one row per epoch, of :data:`ROW`.

    Args:
        verbose: Print each row, for terminals without a progress bar.
        judged: What is judged after every epoch: ``"test"`` or ``"validation"``, for messages.
        table: File that holds the rows as CSV, those of before a resume too; ``None``: none.
        settings: Settings of the run, for the loggers.
    """

    def __init__(
        self,
        verbose: bool = False,
        judged: Judged = "validation",
        table: Path | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.verbose = verbose
        self.judged = judged
        self.table = table
        self.settings = settings
        self.rows: list[dict[str, float]] = []
        self._start = 0.0
        self._lr = 0.0

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Hand the settings to the loggers, before they write their first file."""
        if stage == "fit" and self.settings is not None:
            for logger in trainer.loggers:
                logger.log_hyperparams(dict(self.settings))

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock and note the learning rate, which has moved on by the end of the epoch."""
        self._start = time.perf_counter()
        self._lr = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Append the row of the epoch, before its checkpoint is written.

        Raises:
            DivergedError: If training diverged: the loss or the validation error is not finite, or both are beyond a
                kilometre.
        """
        loss, error = (float(trainer.callback_metrics[name]) for name in ("train_loss", "val_mpjpe_mm"))
        row = {
            "epoch": trainer.current_epoch + 1,
            "train_loss": loss,
            "val_mpjpe_mm": error,
            "lr": self._lr,
            "seconds": time.perf_counter() - self._start,
        }
        if not (math.isfinite(loss) and math.isfinite(error)) or min(loss, error / 1000) > KILOMETRE:
            raise DivergedError(
                f"training diverged in epoch {row['epoch']} with lr {pl_module.lr:g}: the training loss is {loss:.4g}, "
                f"the {self.judged} MPJPE {error:.4g} mm; try a lower learning rate"
            )
        self.rows.append(row)
        pl_module.log("lr", self._lr, sync_dist=True)
        if self.table is not None and trainer.is_global_zero:
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, ROW)
            writer.writeheader()
            writer.writerows(self.rows)
            write_file(self.table, text.getvalue().encode())
        if self.verbose and trainer.is_global_zero:
            print(
                f"epoch {row['epoch']}/{trainer.max_epochs}: loss {loss:.4g}, "
                f"{self.judged} MPJPE {error:.1f} mm, {row['seconds']:.1f} s",
                flush=True,
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the rows for the checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows of a checkpoint."""
        self.rows = list(state_dict["rows"])


def best_epoch(rows: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """The row of the epoch with the lowest validation error, the first of equals."""
    return min(rows, key=lambda row: row["val_mpjpe_mm"])


class ProgressBar(RichProgressBar):
    """A bar for each epoch, which stays, with the loss and the validation error; without the version of a logger."""

    def __init__(self) -> None:
        super().__init__(leave=True)

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """Return what stands beside the bar."""
        items = super().get_metrics(trainer, pl_module)
        return {name: value for name, value in items.items() if name != "v_num"}
