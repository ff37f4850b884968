"""When a run ends before its last epoch."""

from __future__ import annotations

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from skelgraph.training.history import History, best_epoch


class StopEarly(Callback):
    """Stop when ``patience`` epochs in a row were not better than the best one before them.

    How long that was is told by the rows of the :class:`~skelgraph.training.History`, which are in the checkpoint:
    there is nothing else to restore, and a run that is resumed stops where an undisturbed one does, or does not start
    again. Lightning's ``EarlyStopping`` keeps a count of its own.

    Args:
        history: What is known of the epochs.
        patience: Epochs.
    """

    def __init__(self, history: History, patience: int) -> None:
        self.history = history
        self.patience = patience

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Train no further where the run has stopped already."""
        self._stop(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the row of the epoch that ends; the history has noted it before."""
        self._stop(trainer)

    def _stop(self, trainer: pl.Trainer) -> None:
        rows = self.history.rows
        if rows and rows[-1]["epoch"] - best_epoch(rows)["epoch"] >= self.patience:
            trainer.should_stop = True
