"""Checkpoint files: written so that a kill leaves the old one whole, read without executing anything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from skelgraph.errors import CheckpointError
from skelgraph.models.official import read_checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write to a temporary name in the same folder and rename.

    Lightning writes to the system's temporary folder and moves the file, which is a copy, and can be cut short, where
    that folder is another file system.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Save ``checkpoint`` at ``path``, which holds either the old or the new file at every moment."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        torch.save(checkpoint, temporary)
        os.replace(temporary, path)


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of a training run with ``weights_only=True``, which refuses everything but plain data.

    Args:
        path: ``best.ckpt`` or ``last.ckpt`` of a run.

    Returns:
        The checkpoint on the CPU; its ``"skelgraph"`` entry holds the configuration and the history of the run.

    Raises:
        CheckpointError: If the file is not a checkpoint that skelgraph wrote.
    """
    checkpoint = dict(read_checkpoint(path))
    if not {"skelgraph", "state_dict"} <= checkpoint.keys():
        raise CheckpointError(
            f"checkpoint {path} was not written by `skelgraph train`: the entries 'skelgraph' and 'state_dict' are "
            "missing; weights of the authors' own code are read with skelgraph.models.load_official"
        )
    return checkpoint
