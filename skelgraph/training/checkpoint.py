"""Checkpoint files of runs: written so that the old one stays until the new one is whole, and read without trust."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from torch import Tensor

from skelgraph.errors import CheckpointError
from skelgraph.files import Skipped, read_checkpoint, write_file
from skelgraph.models.saved import check_fits, why_unread
from skelgraph.text import plain, shown
from skelgraph.topology import Skeleton
from skelgraph.training.averaging import TRAINED, WeightAverage
from skelgraph.training.history import ROW
from skelgraph.training.module import LiftingModule


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint whole or not at all, and read it as every file from a stranger.

    Lightning writes to the system's temporary folder and moves the file, which is a copy, and can be cut short, where
    that folder is another file system.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Save ``checkpoint`` at ``path``, which holds either the old or the new file at every moment."""
        stream = io.BytesIO()
        torch.save(checkpoint, stream)
        write_file(path, stream.getvalue())

    def load_checkpoint(self, path: str | Path, map_location: Any = None, weights_only: bool | None = None) -> Any:
        """Load the checkpoint, on the CPU; Lightning moves what belongs elsewhere."""
        return load_checkpoint(path)


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of a training run; nothing in the file is ever executed.

    Args:
        path: ``best.ckpt`` or ``last.ckpt`` of a run.

    Returns:
        The checkpoint on the CPU; its ``"skelgraph"`` entry holds the settings of the run, as
        :meth:`TrainConfig.to_dict` gives them, under ``"config"``; the learning curve is the state of the callback
        :class:`~skelgraph.training.History`.

    Raises:
        CheckpointError: If the file is not a checkpoint that skelgraph wrote, or an entry is not what it should be.
    """
    return run_checkpoint(read_checkpoint(path), path)


def run_checkpoint(content: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
    """What a file of weights holds, if it is a checkpoint of a training run, see :func:`load_checkpoint`.

    Args:
        content: What was read.
        path: The file, for messages.

    Raises:
        CheckpointError: As there.
    """
    checkpoint, label = dict(content), f"checkpoint {plain(str(path), 500)}"
    if not {"skelgraph", "state_dict"} <= checkpoint.keys():
        raise CheckpointError(
            f"{label} was not written by `skelgraph train`: the entries 'skelgraph' and 'state_dict' are missing; "
            "weights of the authors' own code are read with skelgraph.load_official"
        )
    for name, value in checkpoint.items():
        if isinstance(value, Skipped):
            raise CheckpointError(f"{label}: {plain(name)} is {value.name}, which is refused and was not executed")
    if not isinstance(checkpoint["skelgraph"], dict):
        raise CheckpointError(f"{label}: skelgraph is {shown(checkpoint['skelgraph'])}, expected a dictionary")
    for name in ("epoch", "global_step"):
        value = checkpoint.get(name)
        if type(value) is not int or not 0 <= value < 2**31:
            raise CheckpointError(f"{label}: {name} is {shown(value)}, expected a whole number from 0")
    _tensors(checkpoint["state_dict"], f"{label}: state_dict")
    return checkpoint


def _tensors(state: Any, label: str) -> Mapping[str, Tensor]:
    """A dictionary of tensors, whole and unquantised, by their names."""
    if not isinstance(state, dict):
        raise CheckpointError(f"{label} is {shown(state)}, expected a dictionary")
    for key, value in state.items():
        if reason := why_unread(value) if isinstance(key, str) else "no name of a tensor":
            raise CheckpointError(f"{label}: {plain(key)} is {reason}")
    return state


def mean_pose_of_run(checkpoint: Mapping[str, Any], skeleton: Skeleton, path: Path) -> Tensor:
    """The mean training pose ``(J, 3)`` in a checkpoint, metres.

    Raises:
        CheckpointError: If there is none, or not one of these joints.
    """
    pose = checkpoint["state_dict"].get("mean_pose")
    if pose is None or pose.shape != (skeleton.num_joints, 3) or not pose.isfinite().all():
        raise CheckpointError(
            f"checkpoint {plain(str(path), 500)}: mean_pose is {shown(pose)}, expected {(skeleton.num_joints, 3)} "
            "finite numbers"
        )
    return pose.float()


def check_state(
    checkpoint: Mapping[str, Any], module: LiftingModule, trainer: pl.Trainer, steps: int, path: Path
) -> None:
    """Check before anything is written that a run can go on with the state in its checkpoint: weights, moments of the
    optimizer, learning rate, progress and history have the form of those that this run writes.

    Args:
        checkpoint: What :func:`load_checkpoint` read.
        module: The module that goes on.
        trainer: The trainer that goes on with it.
        steps: Steps of the optimizer in an epoch, with the data that it goes on with.
        path: The file, for messages.

    Raises:
        CheckpointError: If a part is missing or of another form, or the data are not those of the run.
    """
    label = f"checkpoint {plain(str(path), 500)}"
    check_fits(module, checkpoint["state_dict"], label)
    if any(isinstance(callback, WeightAverage) for callback in trainer.callbacks):  # type: ignore[attr-defined]
        check_fits(module, _tensors(checkpoint.get(TRAINED), f"{label}: {TRAINED}"), f"{label}: {TRAINED}")
    epochs, made = checkpoint["epoch"] + 1, checkpoint["global_step"]
    if made != steps * epochs:
        raise CheckpointError(
            f"{label} made {made} steps in {epochs} epochs; with these data it would have been {steps * epochs}"
        )
    optimizer, scheduler = module.optimization(steps * int(trainer.max_epochs or 1), int(trainer.max_epochs or 1))
    states = checkpoint.get("optimizer_states")
    moments = states[0].get("state") if isinstance(states, list) and states and isinstance(states[0], dict) else None
    parameters = optimizer.param_groups[0]["params"]
    form: dict[str, Any] = {
        "optimizer_states": [{**optimizer.state_dict(), "state": _moments(parameters, moments, module.amsgrad)}],
        "lr_schedulers": [scheduler.state_dict()],
        "pytorch-lightning_version": pl.__version__,
    }
    if checkpoint.get("pytorch-lightning_version") == pl.__version__:  # else Lightning may know how to read it
        loops = ("fit_loop", "validate_loop", "test_loop", "predict_loop")
        form["loops"] = {name: getattr(trainer, name).state_dict() for name in loops}
    for name, expected in form.items():
        _check_form(checkpoint.get(name), expected, f"{label}: {name}")
    noted = checkpoint.get("callbacks")  # what callbacks of the user have noted is theirs
    rows = noted.get("History") if isinstance(noted, dict) else None
    _check_form(rows, {"rows": [dict.fromkeys(ROW, 0.0)] * epochs}, f"{label}: History")
    total = checkpoint["lr_schedulers"][0].get("total_steps")
    if total != getattr(scheduler, "total_steps", None):
        raise CheckpointError(f"{label}: its schedule ends after {total} steps, that of this run does not")
    if (
        "loops" in form
        and (done := checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]) != epochs
    ):
        raise CheckpointError(f"{label}: it says {epochs} epochs, and {shown(done)} in its loops")


def _moments(parameters: list[Tensor], found: Any, amsgrad: bool) -> dict[int, dict[str, Tensor]]:
    """The form of Adam's moments, of those parameters that have any: one that no loss depends on has none."""
    known = [i for i in range(len(parameters)) if not isinstance(found, dict) or i in found]
    names = ("exp_avg", "exp_avg_sq", *("max_exp_avg_sq",) * amsgrad)
    return {i: {"step": torch.zeros(()), **dict.fromkeys(names, parameters[i])} for i in known}


def _check_form(found: Any, form: Any, label: str) -> None:
    """Check that a value has the keys, lengths, shapes and types of another one."""
    if isinstance(form, dict):
        if not isinstance(found, dict) or found.keys() != form.keys():
            keys = f"an object of {', '.join(plain(key) for key in list(form)[:20])}"
            raise CheckpointError(f"{label} is {shown(found)}, expected {keys}")
        for key in form:
            _check_form(found[key], form[key], f"{label}: {plain(key)}")
    elif isinstance(form, list | tuple):
        if not isinstance(found, list | tuple) or len(found) != len(form):
            raise CheckpointError(f"{label} is {shown(found)}, expected {len(form)} values")
        for i, (item, expected) in enumerate(zip(found, form, strict=True)):
            _check_form(item, expected, f"{label}[{i}]")
    elif isinstance(form, Tensor):
        if why_unread(found) or found.shape != form.shape or not found.is_floating_point():
            raise CheckpointError(f"{label} is {shown(found)}, expected a tensor of shape {tuple(form.shape)}")
    elif not _is_like(found, form):
        raise CheckpointError(f"{label} is {shown(found)}, expected a value like {shown(form)}")


def _is_like(found: Any, form: Any) -> bool:
    if isinstance(form, bool) or form is None:
        return type(found) is type(form)
    if isinstance(form, str):
        return isinstance(found, str) and re.fullmatch(r"[\w.+]{1,40}", found) is not None
    whole = type(found) is int and 0 <= found < 2**53
    return whole if isinstance(form, int) else whole or (type(found) is float and math.isfinite(found))
