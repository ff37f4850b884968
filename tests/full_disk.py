"""A disk that is full when certain files are written."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class _Full(io.FileIO):
    """A file of which half of what is written arrives."""

    def write(self, content: Any) -> int:
        super().write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fill_disk(monkeypatch: pytest.MonkeyPatch, when: Callable[[Path], bool] = lambda path: True) -> None:
    """Let the disk be full when the files that ``when`` picks, by the name that they are written under, are opened."""
    open_file = Path.open

    def opened(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if "w" in mode and when(self):
            return _Full(self, "w")
        return open_file(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", opened)
