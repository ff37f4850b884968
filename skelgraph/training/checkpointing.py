"""Which checkpoints a run keeps: those of the last finished epoch, of the best one, and of every n-th."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint

from skelgraph.files import write_file
from skelgraph.training.folder import BEST, LAST, of_epoch, remove_results
from skelgraph.training.history import History, best_epoch


class Checkpoints(Checkpoint):
    """Write ``last.ckpt`` after every epoch, and copies of it: ``best.ckpt`` if the epoch was the best so far, and
    ``epoch-0010.ckpt`` if it is one of those to keep.

    Which one was the best is told by the :class:`~skelgraph.training.History` inside the checkpoint: it hangs on no
    path, and no kill can part the files, since a run that stops between them makes the copies when it is resumed.

    Lightning's ``ModelCheckpoint(save_last=True)`` writes ``last.ckpt`` only with a best one, and forgets the best
    score when the folder was moved.

    Args:
        out: Folder of the run.
        every: Keep the checkpoint of every n-th epoch; ``None``: of none.
    """

    def __init__(self, out: Path, every: int | None = None) -> None:
        self.last = out / LAST
        self.out = out
        self.every = every

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the checkpoints of a finished epoch; results of an earlier ``last.ckpt`` go before it."""
        if trainer.is_global_zero:
            remove_results(self.out)
        trainer.save_checkpoint(self.last, weights_only=False)
        history = next(callback for callback in trainer.callbacks if isinstance(callback, History))  # type: ignore[attr-defined]
        self._copy(trainer, history.rows)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Make up for the copies that a kill may have prevented."""
        self._copy(trainer, checkpoint["callbacks"][History.__name__]["rows"])

    def _copy(self, trainer: pl.Trainer, rows: list[dict[str, float]]) -> None:
        if not trainer.is_global_zero:
            return
        epoch = int(rows[-1]["epoch"])
        if best_epoch(rows) == rows[-1]:
            write_file(self.out / BEST, self.last.read_bytes())
        if self.every is not None and epoch % self.every == 0:
            write_file(self.out / of_epoch(epoch), self.last.read_bytes())
