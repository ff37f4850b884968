"""What a resumed run may change, and what decides its result and may not.

``out``, ``progress`` and ``unchecked`` decide nothing: a folder that was moved is resumed where it is. ``device`` and
``devices`` decide no step: the windows, their order and the size of a batch over all processes are the same, so that
the schedule fits; rounding differs between devices, and dropout and batch normalisation see the share of each process.
``max_epochs`` is free where the learning rate does not depend on the length of the run
(:data:`~skelgraph.training.module.SPANS_RUN`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skelgraph.errors import CheckpointError
from skelgraph.text import plain, shown
from skelgraph.training.module import SPANS_RUN

_ALWAYS = frozenset({"out", "device", "devices", "progress", "unchecked"})


def may_change(schedule: str) -> frozenset[str]:
    """The settings that a resumed run with this schedule may change."""
    return _ALWAYS if schedule in SPANS_RUN else _ALWAYS | {"max_epochs"}


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
    changed = [key for key in before.keys() - may_change(now["schedule"]) if before[key] != now[key]]
    if changed:
        differences = "; ".join(
            f"{key} was {shown(before[key])}, now {shown(now[key])}" for key in before if key in changed
        )
        raise CheckpointError(f"{plain(str(out), 500)} cannot be resumed with other settings: {differences}")
    if epochs > now["max_epochs"]:
        raise CheckpointError(f"{plain(str(out), 500)} has {epochs} epochs, more than max-epochs {now['max_epochs']}")
