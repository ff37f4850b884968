"""What this project measured of its networks, with the command that did: ``measured.json`` of the package, or a file of
the user's own."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skelgraph.errors import SkelgraphError
from skelgraph.files import as_path, read_json, write_file
from skelgraph.options import Joints, NotNegative, check_options
from skelgraph.text import plain, shown

MEASURED = Path(__file__).with_name("measured.json")
"""The file of the package."""


@dataclass(frozen=True)
class Measured:
    """One answer to one test set, in millimetres.

    Args:
        model: Name of the network.
        answer: What was judged: the pose of the network, or the refined one and with which depth of the root.
        weights: Name of the file.
        data: Name of the data set and its subjects.
        frames: How many frames.
        flip_test: Whether it is the mean of the answers to a pose and its mirror image.
        root: What was done with the predicted root.
        mpjpe_mm: Mean over actions.
        p_mpjpe_mm: Mean over actions.
        mpjpe_frames_mm: Mean over frames.
        p_mpjpe_frames_mm: Mean over frames.
        command: The command that measured it.
    """

    model: str
    answer: str
    weights: str
    data: str
    frames: Joints
    flip_test: bool
    root: str
    mpjpe_mm: NotNegative
    p_mpjpe_mm: NotNegative
    mpjpe_frames_mm: NotNegative
    p_mpjpe_frames_mm: NotNegative
    command: str


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
    path, about = as_path(path), metrics["dataset"]
    others = [row for row in read_measured(path) if row.command != command] if path.exists() else []
    errors = ("mpjpe_mm", "p_mpjpe_mm", "mpjpe_frames_mm", "p_mpjpe_frames_mm")
    new = [
        Measured(
            model=metrics["model"],
            answer=labels[row],
            weights=Path(metrics["weights"]).name,
            data=f"{about['name']}, {', '.join(about['subjects'])}",
            frames=about["frames"],
            flip_test=metrics["flip_test"],
            root=metrics["root"],
            command=command,
            **{error: round(numbers[error], 2) for error in errors},
        )
        for row, numbers in metrics["rows"].items()
    ]
    _write(path, [*others, *new])


def _write(path: Path, rows: Sequence[Measured]) -> None:
    ordered = sorted(rows, key=lambda row: (row.model, row.command))  # rows of one command stay in order
    text = json.dumps([dataclasses.asdict(row) for row in ordered], indent=2, ensure_ascii=False)
    write_file(path, (text + "\n").encode())
