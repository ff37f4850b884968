"""Checkpoint files: what is refused, and that a failed save leaves the old file."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from full_disk import fill_disk
from tiny_mocap import Run

from skelgraph import load_model
from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.training import evaluate, load_checkpoint, train
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
    saved["skelgraph"]["config"]["network"]["options"] = {"hidden_channels": 8}
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

    fill_disk(monkeypatch)
    with pytest.raises(OSError, match=r"No space left.*: '.*last\.ckpt'"):
        writer.save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"], "nothing half-written"


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Run:
    """The finished run in a folder of its own."""
    out = Path(shutil.copytree(run.out, tmp_path / "copy"))
    return Run(run.config.replace(out=str(out)), run.metrics, out, out / "checkpoints" / "last.ckpt")


LOADS: dict[str, Any] = {
    "epoch": [lambda c: c.update(epoch="x"), "epoch is 'x', expected a whole number"],
    "negative epoch": [lambda c: c.update(epoch=-3), "epoch is -3"],
    "huge step": [lambda c: c.update(global_step=2**70), "global_step is 11805"],
    "state is a list": [lambda c: c.update(state_dict=[1]), "state_dict is .1., expected a dictionary"],
    "entry is none": [lambda c: c.update(skelgraph=None), "skelgraph is None, expected a dictionary"],
    "tensor is text": [lambda c: c["state_dict"].update({"mean_pose": "x"}), "mean_pose is a str, expected a tensor"],
    "sparse": [
        lambda c: c["state_dict"].update({"mean_pose": torch.eye(3).to_sparse()}),
        "mean_pose is a sparse tensor",
    ],
}
MEAN_POSE: dict[str, Any] = {
    "no mean pose": [lambda c: c["state_dict"].pop("mean_pose"), "mean_pose"],
    "other mean pose": [lambda c: c["state_dict"].update({"mean_pose": torch.zeros(3)}), "mean_pose"],
}


@pytest.mark.parametrize("kind", [*LOADS, *MEAN_POSE])
def test_damaged_entries_are_named_by_evaluate_and_resume(copy: Run, tmp_path: Path, kind: str) -> None:
    damage, message = (LOADS | MEAN_POSE)[kind]
    saved = torch.load(copy.last, weights_only=True)
    damage(saved)
    torch.save(saved, copy.last)
    if kind in LOADS:
        with pytest.raises(CheckpointError, match=rf"last\.ckpt.*{message}"):
            load_checkpoint(copy.last)
    for use in (lambda: evaluate(copy.last, tmp_path / "out"), lambda: train(copy.config, resume=True)):
        with pytest.raises(CheckpointError, match=rf"last\.ckpt.*{message}") as error:
            use()
        assert len(str(error.value)) < 600
    assert not (tmp_path / "out").exists()


def _adam(checkpoint: dict[str, Any]) -> dict[str, Any]:
    return checkpoint["optimizer_states"][0]


RESUMES: dict[str, Any] = {
    "no optimizer": [lambda c: c.pop("optimizer_states"), "optimizer_states is None"],
    "two optimizers": [lambda c: c["optimizer_states"].append(_adam(c)), "expected 1 values"],
    "state is none": [lambda c: _adam(c).update(state=None), "state is None"],
    "moment of another shape": [lambda c: _adam(c)["state"][0].update(exp_avg=torch.zeros(2)), r"state: 0: exp_avg"],
    "moment is text": [lambda c: _adam(c)["state"][0].update(exp_avg_sq="x"), "exp_avg_sq is 'x'"],
    "no such parameter": [lambda c: _adam(c)["state"].update({999: _adam(c)["state"][0]}), "state is "],
    "learning rate": [lambda c: _adam(c)["param_groups"][0].update(lr="x"), "lr is 'x', expected a value like"],
    "fused": [lambda c: _adam(c)["param_groups"][0].update(fused="yes"), "fused is 'yes'"],
    "betas": [lambda c: _adam(c)["param_groups"][0].update(betas=0.9), "betas is 0.9, expected 2 values"],
    "parameters": [lambda c: _adam(c)["param_groups"][0].update(params=[0]), "params is .0., expected"],
    "schedule": [lambda c: c["lr_schedulers"][0].update(total_steps="x"), "total_steps is 'x'"],
    "shorter schedule": [lambda c: c["lr_schedulers"][0].update(total_steps=7), "ends after 7 steps"],
    "fewer steps": [lambda c: c.update(global_step=5), "made 5 steps in 3 epochs; with these data"],
    "method of the schedule": [lambda c: c["lr_schedulers"][0].update(step=3), "expected an object of"],
    "no schedule": [lambda c: c.update(lr_schedulers=[]), "lr_schedulers is .., expected 1 values"],
    "history": [lambda c: c["callbacks"].update(History={"rows": []}), r"rows is \[\], expected 3 values"],
    "row": [lambda c: c["callbacks"]["History"]["rows"][0].pop("lr"), r"rows\[0\] is"],
    "error": [lambda c: c["callbacks"]["History"]["rows"][1].update(val_mpjpe_mm="x"), "val_mpjpe_mm is 'x'"],
    "version": [lambda c: c.update({"pytorch-lightning_version": "x y"}), "pytorch-lightning_version is 'x y'"],
    "loops": [lambda c: c["loops"].update(fit_loop=3), "fit_loop is 3"],
    "no loops": [lambda c: c.pop("loops"), "loops is None"],
    "progress": [
        lambda c: c["loops"]["fit_loop"]["epoch_progress"]["current"].update(completed="x"),
        "completed is 'x'",
    ],
    "other epoch": [
        lambda c: c["loops"]["fit_loop"]["epoch_progress"]["current"].update(processed=1),
        "3 epochs, and 1",
    ],
    "missing weight": [lambda c: c["state_dict"].pop("model.head.bias"), r"missing tensors: model\.head\.bias"],
}


@pytest.mark.parametrize("kind", RESUMES)
def test_damaged_states_are_named_by_resume(copy: Run, kind: str) -> None:
    damage, message = RESUMES[kind]
    saved = torch.load(copy.last, weights_only=True)
    damage(saved)
    torch.save(saved, copy.last)
    before = {path: path.read_bytes() for path in copy.out.rglob("*.*") if path.is_file()}
    with pytest.raises(CheckpointError, match=rf"last\.ckpt.*{message}") as error:
        train(copy.config, resume=True)
    assert len(str(error.value)) < 1000
    assert {path: path.read_bytes() for path in copy.out.rglob("*.*") if path.is_file()} == before


def test_one_loader_takes_what_a_run_leaves(run: Run, tmp_path: Path) -> None:
    """The model of a run, as a file of its own, is evaluated to the same numbers."""
    model = load_model(run.last)
    model.save_pretrained(tmp_path / "model")
    data = {name: getattr(run.config.data, name) for name in ("dataset", "data_3d", "data_2d", "cameras")}
    metrics = evaluate(tmp_path / "model", tmp_path / "out", **data, progress=False, device="cpu")
    assert metrics["mpjpe_mm"] == pytest.approx(run.metrics["mpjpe_mm"], rel=1e-6)
    assert metrics["epochs"] is None
    assert "epoch" not in (tmp_path / "out" / "report.html").read_text().split("</p>")[0]
    with pytest.raises(SkelgraphError, match=r"model\.safetensors does not say on what data .* expected dataset"):
        evaluate(tmp_path / "model" / "model.safetensors", tmp_path / "other")
    assert not (tmp_path / "other").exists()
