"""Which checkpoints a run keeps: those of the last finished epoch and of the best one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint

from skelgraph.files import write_file
from skelgraph.training.folder import BEST, LAST, remove_results
from skelgraph.training.history import History, best_epoch


class LastAndBest(Checkpoint):
    """Write ``last.ckpt`` after every epoch, and a copy of it as ``best.ckpt`` if the epoch was the best so far.

    Which one was the best is told by the :class:`~skelgraph.training.History` inside the checkpoint: it hangs on no
    path, and no kill can part the two files, since a run that stops between them makes the copy when it is resumed.

    Lightning's ``ModelCheckpoint(save_last=True)`` writes ``last.ckpt`` only with a best one, and forgets the best
    score when the folder was moved.

    Args:
        out: Folder of the run.
    """

    def __init__(self, out: Path) -> None:
        self.last, self.best = out / LAST, out / BEST
        self.out = out

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the checkpoints of a finished epoch; results of an earlier ``last.ckpt`` go before it."""
        if trainer.is_global_zero:
            remove_results(self.out)
        trainer.save_checkpoint(self.last, weights_only=False)
        history = next(callback for callback in trainer.callbacks if isinstance(callback, History))  # type: ignore[attr-defined]
        self._copy_if_best(trainer, history.rows)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Make up for the copy that a kill may have prevented."""
        self._copy_if_best(trainer, checkpoint["callbacks"][History.__name__]["rows"])

    def _copy_if_best(self, trainer: pl.Trainer, rows: list[dict[str, float]]) -> None:
        if trainer.is_global_zero and best_epoch(rows) == rows[-1]:
            write_file(self.best, self.last.read_bytes())
