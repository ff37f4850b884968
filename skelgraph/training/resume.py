"""Going on with a run that was stopped: its settings, and which of them may change.

The declaration of a setting says whether it may (``resume=True`` in :mod:`skelgraph.training.config`). ``out``,
``progress``, ``save_every``, ``unchecked`` and ``imports`` decide nothing: a folder that was moved is resumed where it
is. ``device``, ``devices``, ``gpus`` and ``threads`` decide no step: the windows, their order and the size of a batch
over all processes are the same, so that the schedule fits; rounding differs between devices and numbers of threads, and
dropout and batch normalisation see the share of each process. ``early_stopping`` decides where a run ends, and no step
before.
``max_epochs`` is free where nothing depends on the length of the run: the learning rate
(:attr:`ScheduleInfo.spans_run <skelgraph.training.ScheduleInfo>`) or the momentum of batch normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.files import as_path
from skelgraph.models.saved import naming_imports
from skelgraph.text import plain, shown
from skelgraph.training.checkpoint import load_checkpoint
from skelgraph.training.config import AUTO, TrainConfig
from skelgraph.training.folder import BEST, CONFIG, LAST, OF_EPOCHS, read_record
from skelgraph.training.schedules import SCHEDULES


def may_change(schedule: str, norm_momentum: str = "constant") -> frozenset[str]:
    """The settings that a resumed run with this schedule and momentum of batch normalisation may change."""
    always = frozenset({"out", *(member.name for _, member in TrainConfig.declared() if member.metadata["resume"])})
    spans_run = SCHEDULES[schedule].spans_run or norm_momentum == "decaying"
    return always if spans_run else always | {"max_epochs"}


def saved_config(out: str | Path) -> TrainConfig:
    """The settings of the run in a folder, as it was last started.

    Raises:
        SkelgraphError: If there is no training run, or its ``config.json`` or checkpoint is not usable.
    """
    out = as_path(out)
    record = read_record(out)
    return saved_before(out)[1] if record is None else config_of(record, out / CONFIG)


def saved_before(out: Path) -> tuple[int, TrainConfig]:
    """How many epochs the training run in a folder has finished, and with which settings.

    Raises:
        SkelgraphError: As :func:`saved_config`.
    """
    record, last = read_record(out), out / LAST
    if record is not None and record["kind"] != "train":
        what = "the results of an evaluation" if record["kind"] == "evaluate" else "runs with several seeds"
        raise SkelgraphError(f"nothing to resume: {out} holds {what}")
    if last.exists():
        try:
            saved = load_checkpoint(last)
        except CheckpointError as error:
            raise CheckpointError(f"{error}{_instead(out)}") from error
        return saved["epoch"] + 1, config_of(saved["skelgraph"], last)
    if record is None:
        raise CheckpointError(f"nothing to resume: {last} does not exist, nor a {CONFIG} of a run")
    return 0, config_of(record, out / CONFIG)


def _instead(out: Path) -> str:
    """A sentence that names the latest other checkpoint of a run that is whole; none if there is none."""
    whole = {}
    for path in (path for pattern in (BEST, *OF_EPOCHS) for path in out.glob(pattern)):
        with suppress(CheckpointError):
            whole[load_checkpoint(path)["epoch"] + 1] = path
    if not whole:
        return ""
    name = plain(str(whole[max(whole)]), 500)
    return f"; {name}, of epoch {max(whole)}, is whole: copy it to {LAST} to go on from there"


def resumable_checkpoint(config: TrainConfig) -> Path | None:
    """The checkpoint from which a run goes on; ``None`` for one that was stopped in its first epoch.

    Raises:
        SkelgraphError: If there is no such run, or it cannot go on with these settings.
    """
    out = Path(config.out)
    epochs, before = saved_before(out)
    check_resumable(before.decided().settings(), config.decided().settings(), epochs, out)
    return out / LAST if epochs else None


def as_found_before(config: TrainConfig) -> TrainConfig:
    """The settings to go on with, with what they leave open as the run found it when it began (:mod:`.probe`).

    Raises:
        SkelgraphError: As :func:`saved_config`.
    """
    found = saved_before(Path(config.out))[1].machine
    if config.machine.threads is None:
        config = config.replace(threads=found.threads)
    return config.replace(precision=found.precision) if config.machine.precision == AUTO else config


def config_of(holder: Any, path: Path) -> TrainConfig:
    """The settings in the entry ``"config"`` of what a file holds.

    Raises:
        CheckpointError: If there are none, or they are not those of this version.
    """
    try:
        with naming_imports(holder["config"]):
            return TrainConfig.from_dict(holder["config"])
    except (TypeError, KeyError, AttributeError, SkelgraphError) as error:
        raise CheckpointError(f"{path} holds no configuration of this version: {error}") from error


def check_resumable(before: Mapping[str, Any], now: Mapping[str, Any], epochs: int, out: Path) -> None:
    """Check that a run can go on with these settings.

    Args:
        before: Settings of the run so far.
        now: Settings to go on with.
        epochs: How many epochs are finished.
        out: Folder of the run, for messages.

    Raises:
        CheckpointError: If a setting differs that may not change, or there are more epochs than asked for.
    """
    changed = [
        key for key in before.keys() - may_change(now["schedule"], now["norm_momentum"]) if before[key] != now[key]
    ]
    if changed:
        differences = "; ".join(
            f"{key} was {shown(before[key])}, now {shown(now[key])}" for key in before if key in changed
        )
        hint = ""
        if "max_epochs" in changed:
            spans = (
                f"the learning rate of schedule {shown(now['schedule'])}"
                if SCHEDULES[now["schedule"]].spans_run
                else "the momentum of normalisation (norm-momentum)"
            )
            hint = f"; {spans} spans the run: a new one may start from its weights (init-from {plain(out / LAST, 500)})"
        raise CheckpointError(f"{plain(str(out), 500)} cannot be resumed with other settings: {differences}{hint}")
    if epochs > now["max_epochs"]:
        raise CheckpointError(f"{plain(str(out), 500)} has {epochs} epochs, more than max-epochs {now['max_epochs']}")
