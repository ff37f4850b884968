"""Where weights are: those that come with this package, of which `weights.json` says which, stand by their names for
their files everywhere, and a folder for the file in it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

from skelgraph.errors import CheckpointError, SkelgraphError, unknown_name
from skelgraph.files import as_path, open_regular, read_json
from skelgraph.options import Joints, check_options
from skelgraph.text import plain, shown

FOLDER = Path(__file__).parents[1] / "weights"
"""Where the files are."""
TABLE = FOLDER / "weights.json"
FILE_NAME = "model.safetensors"
"""The name of the file of weights in a folder of them."""
DEFAULT = "open"
"""The name of those that are taken where none are named."""
_SUFFIXES = (".ckpt", ".safetensors", ".pth", ".pt", ".tar", ".bin", ".pkl")
"""What the names of weights end in; it decides only which are listed."""


@dataclass(frozen=True)
class ShippedWeights:
    """What is declared of weights that come with this package; what their network takes and gives, their file says.

    Args:
        file: Name of the file, of :func:`~skelgraph.models.pretrained.save_weights`.
        sha256: SHA-256 of the file, hexadecimal.
        model: Name of the network.
        skeleton: Name of its skeleton.
        frames: Frames that the network sees at once.
        settings: The settings of its training that are not the default ones.
        command: The command that trained it.
        commit: The commit of this project with which it was trained, and whether files were changed after it.
    """

    file: str
    sha256: str
    model: str
    skeleton: str
    frames: Joints
    settings: Mapping[str, Any]
    command: str
    commit: str

    @property
    def path(self) -> Path:
        """The file."""
        return FOLDER / self.file


def read_shipped(path: str | Path = TABLE) -> dict[str, ShippedWeights]:
    """The table in a file, by the names of the weights.

    Raises:
        SkelgraphError: If it cannot be read, or holds something else.
    """
    label, rows = plain(str(path), 500), read_json(path, SkelgraphError)
    names = {field.name for field in dataclasses.fields(ShippedWeights)}
    if not isinstance(rows, dict) or not all(
        isinstance(row, dict) and row.keys() == names and isinstance(row["settings"], dict) for row in rows.values()
    ):
        raise SkelgraphError(f"{label}: found {shown(rows)}, expected names with {', '.join(sorted(names))} each")
    return {name: ShippedWeights(**row | check_options(ShippedWeights, row, label)) for name, row in rows.items()}


@cache
def shipped_weights() -> dict[str, ShippedWeights]:
    """The weights that come with this package, by their names."""
    return read_shipped()


def shipped_path(name: str) -> Path:
    """The file of weights that come with this package, whose checksum is right.

    Args:
        name: A name of :func:`shipped_weights`, such as ``"open"``.

    Raises:
        SkelgraphError: If there are none of this name.
        CheckpointError: If the file is missing, or is not what was shipped.
    """
    table = shipped_weights()
    if not isinstance(name, str) or name not in table:
        raise unknown_name("weights that come with skelgraph:", name, table)
    path, expected = table[name].path, table[name].sha256
    with open_regular(path, CheckpointError) as file:
        found = hashlib.sha256(file.read()).hexdigest()
    if found != expected:
        raise CheckpointError(
            f"{plain(str(path), 500)} is damaged, or another file than skelgraph came with: its SHA-256 is "
            f"{found[:12]}..., expected {expected[:12]}...; install skelgraph again"
        )
    return path


def weights_path(weights: str | PathLike[str] | None) -> Path:
    """The file of weights, which a caller may name by its folder. Everything that takes weights calls this.

    Args:
        weights: A file, which need not exist; the folder of :data:`FILE_NAME`; or, as text, a name of
            :func:`shipped_weights`; ``None``: :data:`DEFAULT`.

    Raises:
        CheckpointError: If it is no name at all, a name that is a path too, so that it is not clear which is meant, or
            a folder without such a file, as that of a run, whose checkpoints are listed; or weights that came with this
            package are damaged.
    """
    if weights is None:
        return shipped_path(DEFAULT)
    path = as_path(weights, CheckpointError)
    if not isinstance(weights, str) or weights not in shipped_weights():
        return _in_folder(path) if os.path.isdir(path) else path  # which no name is too long for
    if path.exists():
        raise CheckpointError(
            f"{weights} is both the name of weights that come with skelgraph and a path here; expected ./{weights} for "
            f"the path, or {plain(str(shipped_weights()[weights].path), 500)} for the weights of skelgraph"
        )
    return shipped_path(weights)


def _in_folder(folder: Path) -> Path:
    """The weights in a folder.

    Raises:
        CheckpointError: If there are none of :data:`FILE_NAME`; those that may be meant are listed.
    """
    path, label = folder / FILE_NAME, plain(str(folder), 500)
    if os.path.lexists(path):
        return path
    is_run = (folder / "checkpoints").is_dir()
    pattern = "checkpoints/*.ckpt" if is_run else "*"
    there = sorted(file.relative_to(folder).as_posix() for file in folder.glob(pattern) if file.suffix in _SUFFIXES)
    names = ", ".join(map(plain, there[:5])) + ", ..." * (len(there) > 5)
    if is_run:
        raise CheckpointError(
            f"{label} is the folder of a run, which has more weights than one; expected one of its checkpoints: "
            f"{names or 'there is none yet'}"
        )
    raise CheckpointError(
        f"{label} is a folder without {FILE_NAME}, which save_pretrained writes; expected a file of weights: "
        f"{names or 'there is none in it'}"
    )
