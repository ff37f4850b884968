"""A file is the old one or the new one, whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from skelgraph import create_model, load_model
from skelgraph.errors import SkelgraphError
from skelgraph.files import write_file
from skelgraph.models.pretrained import save_weights

FULL = """
import resource, signal, sys, torch
from skelgraph import create_model
from skelgraph.errors import SkelgraphError
from skelgraph.files import write_file
from skelgraph.models.pretrained import save_weights
from skelgraph.training.checkpoint import AtomicCheckpointIO
from skelgraph.training.report import write_json
from pathlib import Path

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
model = create_model("sem_gcn", hidden_channels=64)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
for name, write in {
    "a": lambda path: write_file(path, bytes(10_000)),
    "b": lambda path: save_weights(model, path),
    "c": lambda path: AtomicCheckpointIO().save_checkpoint({"w": torch.zeros(5000)}, path),
    "d": lambda path: write_json(path, {"x": "y" * 10_000}),
}.items():
    try:
        write(Path(sys.argv[1]) / name)
    except OSError as error:
        print(f"{type(error).__name__} {error}")
"""


def test_a_full_disk_leaves_the_old_file_and_names_it(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / name).write_text("old")
    process = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=120)
    lines = process.stdout.splitlines()
    assert len(lines) == 4, process.stderr
    for name, line in zip("abcd", lines, strict=True):
        assert line.startswith("OSError [Errno 27] File too large")
        assert line.endswith(f"'{tmp_path / name}'")
        assert (tmp_path / name).read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == list("abcd"), "nothing half-written"


def test_two_that_write_the_same_file(tmp_path: Path) -> None:
    path, contents = tmp_path / "file", [bytes([i]) * 100_000 for i in range(8)]
    threads = [threading.Thread(target=write_file, args=(path, content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_made_and_names_may_be_long(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / ("x" * 255)
    write_file(path, b"1")
    write_file(str(path), b"2")
    assert path.read_bytes() == b"2"
    assert os.listdir(path.parent) == [path.name]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"'.*file/inside'"):
        write_file(tmp_path / "file" / "inside", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SkelgraphError, match="folder is a folder, expected the name of a file"):
        write_file(tmp_path / "folder", b"")
    with pytest.raises(SkelgraphError, match="1j is no name"):
        write_file(1j, b"")  # type: ignore[arg-type]
    with pytest.raises(SkelgraphError, match=r"'\\ud800' is no name of a file"):
        write_file("\ud800", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_weights_that_share_memory_are_written(tmp_path: Path) -> None:
    model = create_model("sem_gcn", hidden_channels=8, num_blocks=1)
    save_weights(model, tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())
