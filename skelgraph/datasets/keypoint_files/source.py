"""A file or folder that is to be read as keypoints, looked at by all readers, and what the caller says of it."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from skelgraph.errors import DataError
from skelgraph.files import as_path, npz_members, open_regular, read_json
from skelgraph.text import plain
from skelgraph.topology import Skeleton

_JSON = re.compile(r"\s*(\{|\[\s*[\[{\]])")  # an object or a list of some; [camera] heads a table of TOML
_LARGEST = 2**28  # bytes of JSON


@dataclass(frozen=True)
class Asked:
    """What the caller says of a file that may not say it itself; ``None`` if nothing.

    Args:
        skeleton: The joints.
        image_size: Width and height of the video in pixels.
        frame_rate: Frames per second.
    """

    skeleton: Skeleton | None = None
    image_size: tuple[int, int] | None = None
    frame_rate: float | None = None


class Source:
    """A file, or a folder of files.

    Args:
        path: Its name.

    Raises:
        DataError: If it is neither, or cannot be read.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path: Path = as_path(path, DataError)
        self.label = plain(str(self.path), 1000)
        self.is_folder = self.path.is_dir()
        self.head = b""
        if not self.is_folder:
            with open_regular(self.path, DataError) as file:
                self.head = file.read(4096)

    @property
    def text(self) -> str:
        """The beginning as text; what is no UTF-8 becomes a replacement character."""
        return self.head.decode("utf-8-sig", "replace")

    @functools.cached_property
    def document(self) -> Any:
        """The content of a JSON file; ``None`` of another one.

        Raises:
            DataError: If it begins as JSON and is damaged.
        """
        return read_json(self.path, DataError, _LARGEST) if _JSON.match(self.text) else None

    @functools.cached_property
    def members(self) -> tuple[str, ...]:
        """The names of the members of an npz file; empty of another one.

        Raises:
            DataError: If it begins as npz and is damaged.
        """
        return npz_members(self.path) if self.head.startswith(b"PK") else ()
