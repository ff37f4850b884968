"""What was measured of networks, and how: by commands of this project, in ``measured.json`` of the package or a file of
the user's own, and by the run of a network, which its weights keep."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from skelgraph.errors import SkelgraphError
from skelgraph.files import as_path, read_json, write_file
from skelgraph.options import Joints, NotNegative, OneOf, check_options
from skelgraph.text import plain, shown

MEASURED = Path(__file__).with_name("measured.json")
"""The file of the package."""
ROOT_RULES = {
    "subtract": "subtracted from all joints",
    "zero": "set to zero, the other joints as they are",
    "keep": "kept as it is",
}
"""What may be done with the predicted root before a pose is judged, in words."""
REPORTED = {
    "last": "its last epoch",
    "test": "its best epoch on the test set",
    "validation": "its best epoch on validation subjects",
}
"""The epoch that a run reports, by its setting ``select``."""


@dataclass(frozen=True)
class Errors:
    """The errors of one answer to one test set, in millimetres, and how it was judged, without which they mean nothing.

    Args:
        data: Name of the data set and its subjects.
        frames: How many frames.
        joints: How many joints count.
        flip_test: Whether it is the mean of the answers to a pose and its mirror image.
        root: What was done with the predicted root, a key of :data:`ROOT_RULES`.
        mpjpe_mm: Mean over actions.
        p_mpjpe_mm: Mean over actions.
        mpjpe_frames_mm: Mean over frames.
        p_mpjpe_frames_mm: Mean over frames.
    """

    data: str
    frames: Joints
    joints: Joints
    flip_test: bool
    root: Annotated[str, OneOf(ROOT_RULES)]
    mpjpe_mm: NotNegative
    p_mpjpe_mm: NotNegative
    mpjpe_frames_mm: NotNegative
    p_mpjpe_frames_mm: NotNegative


@dataclass(frozen=True)
class Measured(Errors):
    """What a command measured.

    Args:
        model: Name of the network.
        answer: What was judged: the pose of the network, or the refined one and with which depth of the root.
        weights: Name of the file.
        command: The command that measured it.
    """

    model: str
    answer: str
    weights: str
    command: str


@dataclass(frozen=True)
class Tested(Errors):
    """What the run of a network measured of it, which its weights keep.

    Args:
        select: How the epoch of the weights was chosen, a key of :data:`REPORTED`.
    """

    select: Annotated[str, OneOf(REPORTED)]


def errors_in(metrics: Mapping[str, Any], row: str) -> dict[str, Any]:
    """The values of :class:`Errors` in what ``metrics.json`` holds.

    Args:
        metrics: What it holds.
        row: Name of the answer.
    """
    about, numbers = metrics["dataset"], metrics["rows"][row]
    errors = ("mpjpe_mm", "p_mpjpe_mm", "mpjpe_frames_mm", "p_mpjpe_frames_mm")
    return {
        "data": plain(f"{about['name']}, {', '.join(about['subjects'])}", 300),
        "frames": about["frames"],
        "joints": len(metrics["protocol"]["joints"] or metrics["per_joint_mm"]),
        "flip_test": metrics["flip_test"],
        "root": metrics["root"],
        **{error: round(numbers[error], 2) for error in errors},
    }


def tested_in(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The values of :class:`Tested` in ``metrics.json`` of a run; those of the network, not of a head that refines it.

    Raises:
        SkelgraphError: If they are not such values.
    """
    return checked_tested({**errors_in(metrics, "network"), "select": metrics["selection"]["select"]})


def checked_tested(values: Any) -> dict[str, Any]:
    """The values of :class:`Tested` that a file has.

    Raises:
        SkelgraphError: If they are not such values.
    """
    names = {field.name for field in dataclasses.fields(Tested)}
    if not isinstance(values, Mapping) or values.keys() != names:
        raise SkelgraphError(f"tested is {shown(values)}, expected {', '.join(sorted(names))}")
    return check_options(Tested, values, "tested")


def read_measured(path: str | Path = MEASURED) -> list[Measured]:
    """The measurements in a file.

    Raises:
        SkelgraphError: If it cannot be read, or holds something else.
    """
    label, rows = plain(str(path), 500), read_json(path, SkelgraphError)
    names = {field.name for field in dataclasses.fields(Measured)}
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() == names for row in rows):
        raise SkelgraphError(f"{label}: found {shown(rows)}, expected a list of objects of {', '.join(sorted(names))}")
    return [Measured(**check_options(Measured, row, label)) for row in rows]


def add_measured(path: str | Path, metrics: Mapping[str, Any], labels: Mapping[str, str], command: str) -> None:
    """Add what an evaluation measured to a file, which is made if there is none; what the same command measured before
    is replaced.

    Args:
        path: The file.
        metrics: What ``metrics.json`` holds.
        labels: What the rows of results are called.
        command: The command that measured it.

    Raises:
        SkelgraphError: If the file holds something else.
    """
    path = as_path(path)
    others = [row for row in read_measured(path) if row.command != command] if path.exists() else []
    weights = Path(metrics["weights"]).name
    new = [
        Measured(
            **errors_in(metrics, row), model=metrics["model"], answer=labels[row], weights=weights, command=command
        )
        for row in metrics["rows"]
    ]
    _write(path, [*others, *new])


def _write(path: Path, rows: Sequence[Measured]) -> None:
    ordered = sorted(rows, key=lambda row: (row.model, row.command))  # rows of one command stay in order
    text = json.dumps([dataclasses.asdict(row) for row in ordered], indent=2, ensure_ascii=False)
    write_file(path, (text + "\n").encode())
