"""What is no file is refused at once, wherever a file is read."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from skelgraph import load_model, load_official
from skelgraph.datasets import MocapNPZ, read_calibration, read_cameras, read_npz, read_smpl
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.files import open_regular
from skelgraph.models import PoseLifter
from skelgraph.models.pretrained import load_weights
from skelgraph.topology import read_skeleton

READERS: dict[str, Callable[[Path], Any]] = {
    "read_npz": read_npz,
    "read_smpl": read_smpl,
    "read_cameras": lambda path: read_cameras(path, ["me"]),
    "read_calibration": read_calibration,
    "read_skeleton": read_skeleton,
    "cameras of a data set": lambda path: MocapNPZ("none.npz", None, path),
    "load_model": load_model,
    "load_weights": load_weights,
    "load_official": lambda path: load_official("sem_gcn", path),
    "from_pretrained": lambda path: PoseLifter.from_pretrained(path),
}


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """An alarm ends a reader that waits."""
    signal.alarm(20)
    yield
    signal.alarm(0)


@pytest.fixture(params=["pipe", "device", "endless device", "socket", "folder", "missing", "inside a file", "null"])
def special(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    path = tmp_path / "special.npz"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "socket":
        server = socket.socket(socket.AF_UNIX)
        os.chdir(tmp_path)  # the name of a socket must be short
        server.bind(path.name)
    elif request.param == "folder":
        path.mkdir()
    elif request.param == "inside a file":
        path.touch()
        path = path / "special.npz"
    return {"device": Path("/dev/null"), "endless device": Path("/dev/zero"), "null": "a\0b"}.get(request.param, path)


@pytest.mark.parametrize("reader", READERS)
def test_only_files_are_read(special: Any, reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SkelgraphError) as error:
        READERS[reader](special)
    assert len(str(error.value)) < 400


def test_a_pipe_inside_a_folder_of_weights(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(SkelgraphError, match="it is a pipe, expected a file"):
        load_model(tmp_path)


def test_what_is_read_ends_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with open_regular(path, DataError) as file:
        assert file.size == 10
        assert file.read(3) == b"012"
        assert file.read(2**62) == b"3456789"
        assert file.read() == b""


@pytest.mark.parametrize("name", [3, None, b"bytes", ["a"], True])
def test_what_is_no_name(name: Any) -> None:
    with pytest.raises(DataError, match="is no name of a file or folder"):
        read_npz(name)


def test_links_to_files_are_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with open_regular(tmp_path / "link", DataError) as file:
        assert file.read() == b"x"
