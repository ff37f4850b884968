"""The Lightning trainer of a run, and what it has to be kept from."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from skelgraph.device import chosen_device
from skelgraph.errors import SkelgraphError
from skelgraph.signals import end_if_asked, held_back
from skelgraph.training.averaging import WeightAverage
from skelgraph.training.checkpoint import AtomicCheckpointIO
from skelgraph.training.checkpointing import Checkpoints
from skelgraph.training.config import PRECISIONS, MachineConfig, TrainConfig
from skelgraph.training.elastic import check_workers
from skelgraph.training.history import History, ProgressBar
from skelgraph.training.stopping import StopEarly


def make_trainer(config: TrainConfig, history: History | None = None, more: Sequence[Callback] = ()) -> pl.Trainer:
    """The trainer of a run.

    Args:
        config: Settings of the run.
        history: Its learning curve; ``None``: the trainer only evaluates.
        more: Callbacks of the user.

    Raises:
        SkelgraphError: If GPUs are asked for that there are not, or torchrun has started another number of processes.
    """
    machine = config.machine
    accelerator, devices = _devices(machine)
    callbacks: list[Callback] = [EndBetweenSteps()]
    loggers: list[Logger] = []
    if history is not None:
        callbacks.append(history)
        if config.training.ema is not None:
            callbacks.append(WeightAverage(config.training.ema))
        if config.training.early_stopping is not None:
            callbacks.append(StopEarly(history, config.training.early_stopping))
        callbacks += [*more, Checkpoints(Path(config.out), config.training.save_every)]
        logs = Path(config.out) / "logs"
        loggers.append(TensorBoardLogger(logs, name="tensorboard", version="", default_hp_metric=False))
    progress_bar = machine.progress and sys.stdout.isatty()
    if progress_bar:
        callbacks.append(ProgressBar())
    return pl.Trainer(
        accelerator=accelerator,
        devices=devices,
        strategy="ddp" if machine.devices > 1 else "auto",
        precision=PRECISIONS[machine.precision],  # type: ignore[arg-type]
        max_epochs=config.training.max_epochs,
        accumulate_grad_batches=config.training.accumulate,
        gradient_clip_val=None if machine.compile else config.optimizer.clip_grad or None,
        callbacks=callbacks,
        logger=loggers,
        plugins=[AtomicCheckpointIO()],
        enable_checkpointing=history is not None,
        enable_progress_bar=progress_bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        use_distributed_sampler=False,  # the loaders know their rank
    )


class EndBetweenSteps(Callback):
    """Ends a program that was asked to end when a batch is through."""

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """Of training, validation and test alike."""
        end_if_asked()

    on_validation_batch_end = on_test_batch_end = on_train_batch_end


def _devices(machine: MachineConfig) -> tuple[str, int | list[int]]:
    """The accelerator, and how many of its devices or which."""
    available = torch.cuda.device_count()
    check_workers(machine.devices)
    if machine.gpus is not None:
        named = ", ".join(map(str, machine.gpus))
        if machine.device == "cpu" or not available:
            what = "device is 'cpu'" if machine.device == "cpu" else "this machine has no CUDA device"
            raise SkelgraphError(f"gpus is {named}, but {what}")
        if len(set(machine.gpus)) != machine.devices or len(machine.gpus) != machine.devices:
            raise SkelgraphError(f"gpus is {named}; expected as many different ones as devices, {machine.devices}")
        if max(machine.gpus) >= available:
            raise SkelgraphError(f"gpus is {named}; expected numbers from 0 to {available - 1}")
        return "cuda", list(machine.gpus)
    accelerator = chosen_device(machine.device)
    if accelerator == "cuda" and machine.devices > available:
        raise SkelgraphError(f"{machine.devices} CUDA device(s) asked for, {available} found")
    return accelerator, machine.devices


def reraise_interrupt(function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Call ``fit`` or ``test``, which turn Ctrl-C into an exit of the program and ignore every further one: here it
    is a ``KeyboardInterrupt`` again. Where signals end the program, they do so between two batches."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        with held_back():
            function(*args, **kwargs)
    except SystemExit as error:
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from error


@contextmanager
def hide_lightning_noise() -> Iterator[None]:
    """Hide messages of Lightning that the user of this program can do nothing about."""
    logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")  # which devices there are
    level = logger.level
    logger.setLevel(logging.WARNING)
    hook = threading.excepthook
    # TensorBoard's thread cannot write: the same error comes to us.
    threading.excepthook = lambda args: None if isinstance(args.exc_value, OSError) else hook(args)
    with warnings.catch_warnings():
        for message in (
            r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning's own business with torch
            ".*it is recommended to use `Trainer\\(devices=1",  # our loaders evaluate exactly on any number
            r"Detected call of `lr_scheduler\.step\(\)` before",  # steps at once are told their rates before
        ):
            warnings.filterwarnings("ignore", message)
        try:
            yield
        finally:
            logger.setLevel(level)
            threading.excepthook = hook
