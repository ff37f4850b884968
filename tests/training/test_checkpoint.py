"""Checkpoint files: what is refused, and that a failed save leaves the old file."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_mocap import Run

from skelgraph.errors import CheckpointError
from skelgraph.training import evaluate, load_checkpoint
from skelgraph.training.checkpoint import AtomicCheckpointIO


class Malicious:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.path, "executed")


def broken(folder: Path, kind: str, good: Path) -> Path:
    path = folder / f"{kind}.ckpt"
    if kind == "truncated":
        path.write_bytes(good.read_bytes()[:5000])
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("not a checkpoint")
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Malicious(folder / "trace")))
    elif kind == "malicious":
        torch.save({"state_dict": {}, "skelgraph": Malicious(folder / "trace")}, path)
    elif kind == "foreign":
        torch.save({"epoch": 3, "state_dict": {"weight": torch.zeros(3)}}, path)
    elif kind == "tensor":
        torch.save(torch.zeros(3), path)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "there is no such file"),
        ("truncated", "damaged"),
        ("empty", "damaged"),
        ("text", "refused"),
        ("pickle", "refused"),
        ("malicious", "refused"),
        ("foreign", "was not written by"),
        ("tensor", "holds a Tensor"),
    ],
)
def test_wrong_files_are_refused(run: Run, tmp_path: Path, kind: str, message: str) -> None:
    path = broken(tmp_path, kind, run.last)
    with pytest.raises(CheckpointError, match=f"{kind}.ckpt.*{message}"):
        evaluate(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "trace").exists()


def test_weights_of_another_model_are_refused(run: Run, tmp_path: Path) -> None:
    saved = load_checkpoint(run.last)
    saved["skelgraph"]["config"]["options"] = {"hidden_channels": 8}
    torch.save(saved, tmp_path / "other.ckpt")
    with pytest.raises(
        CheckpointError, match=r"misshapen tensors: input_block\.conv\.weight: found \(2, 2, 16\), expected \(2, 2, 8\)"
    ):
        evaluate(tmp_path / "other.ckpt", tmp_path / "out")
    del saved["skelgraph"]["config"]["out"]
    torch.save(saved, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="no configuration"):
        evaluate(tmp_path / "other.ckpt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_interrupted_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder" / "last.ckpt"
    writer = AtomicCheckpointIO()
    writer.save_checkpoint({"epoch": 1}, path)

    def half(file: Path, content: bytes) -> None:
        with open(file, "wb") as stream:
            stream.write(content[:10])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match=r"disk full: '.*last\.ckpt'"):
        writer.save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"], "nothing half-written"
