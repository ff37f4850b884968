"""What is lifted: videos, and files and folders of keypoints, told by their content; those of a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from skelgraph.datasets import is_keypoints
from skelgraph.errors import DataError
from skelgraph.files import is_video, open_regular, read_video
from skelgraph.lifting.claiming import is_own
from skelgraph.lifting.record import RECORD
from skelgraph.text import plain


def source_kind(path: Path) -> str | None:
    """``"video"`` or ``"keypoints"``, by the content; ``None`` for anything else.

    Raises:
        DataError: If it cannot be read.
    """
    if is_video_file(path):
        return "video"
    return "keypoints" if is_keypoints(path) else None


def is_video_file(path: Path) -> bool:
    """Whether it is a video, by its content.

    Raises:
        DataError: If it cannot be read.
    """
    if os.path.isdir(path):
        return False
    with open_regular(path, DataError) as file:
        return is_video(file.read(64))


def video_header(video: Path) -> tuple[tuple[int, int], float | None, int | None]:
    """Width and height, frame rate, and how many frames a video counts."""
    with read_video(video) as frames:
        return frames.image_size, frames.frame_rate, frames.counted


def sources_in(folder: Path, out: Path) -> list[tuple[Path, Path]]:
    """The videos and files of keypoints in a folder and the folders below, by their names, and where their results go:
    ``walks/cam01.mp4`` of the folder into ``walks/cam01.mp4`` of ``out``.

    Args:
        folder: The folder. Links are not followed out of it, hidden files, ``out`` and results of this program are left
            out.
        out: The folder of the results.

    Raises:
        DataError: If there are none.
    """
    found: list[tuple[Path, Path]] = []
    todo = [_entries(folder)]
    while todo:
        there = todo.pop()
        is_result = any(path.name == RECORD for path in there)
        for path in there:
            if path.name.startswith(".") or (is_result and (path.name == RECORD or is_own(path.name))):
                continue
            try:
                if path.is_symlink() or path.resolve() == out.resolve():
                    continue
                if not path.is_dir() and not path.is_file():  # a pipe, a device
                    continue
                is_source = source_kind(path) is not None
                if not is_source and path.is_dir():
                    todo.append(_entries(path))
            except (DataError, OSError):
                is_source = True  # which tells what is wrong when its turn comes
            if is_source:
                found.append((path, out / path.relative_to(folder)))
    if not found:
        raise DataError(
            f"{plain(str(folder), 1000)}: holds no videos and no files of keypoints (links are not followed)."
        )
    return sorted(found)


def identity_of(source: Path) -> dict[str, Any]:
    """What tells whether a source is still the same."""
    try:
        paths = [path for path in _entries(source) if path.suffix == ".json"] if source.is_dir() else [source]
        files = [path.stat() for path in paths]
    except OSError as error:
        raise DataError(f"{plain(str(source), 1000)}: cannot be read: {error.strerror}.") from None
    changed = max((file.st_mtime for file in files), default=0.0)
    return {"name": source.name, "bytes": sum(file.st_size for file in files), "modified": changed}


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, the last name first.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        return sorted(folder.iterdir(), reverse=True)
    except OSError as error:
        raise DataError(f"{plain(str(folder), 1000)}: cannot be read: {error.strerror}.") from None
