"""Who may write to a folder, and that nobody's files are lost there."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from full_disk import fill_disk
from tiny_mocap import Run

from skelgraph.errors import SkelgraphError
from skelgraph.training import evaluate, load_checkpoint, train
from skelgraph.training.folder import WRITTEN, claimed

CONFIG = json.dumps({"kind": "train", "config": {}, "versions": {"skelgraph": "0"}})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"my {name}")


MINE = (
    "checkpoints/thesis.pth",
    "logs/notes.txt",
    "logs/csv/mine.csv",
    "metrics.json.old",
    "runs/a/best.ckpt",
)


def test_overwrite_removes_only_what_a_run_writes(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = run.config.replace(out=str(out), max_epochs=2)
    train(config)
    (out / "checkpoints" / ".last.ckpt.0123456789abcdef.tmp").write_text("of a run that was killed")
    put(out, *MINE)
    train(config.replace(seed=9, max_epochs=1), overwrite=True)
    after = contents(out)
    assert all(after.pop(name) == f"my {name}".encode() for name in MINE)
    # Of the first run nothing is left: what is there is as many files as the second one wrote.
    train(config.replace(out=str(tmp_path / "new"), seed=9, max_epochs=1))
    assert len(after) == len(contents(tmp_path / "new"))
    assert json.loads(after["metrics.json"])["epochs"] == 1


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["report.html", "checkpoints/best.ckpt", "config.json"])
def test_files_of_others_are_not_replaced(run: Run, tmp_path: Path, name: str, overwrite: bool) -> None:
    put(tmp_path / "out", name)
    with pytest.raises(SkelgraphError, match="choose another folder"):
        train(run.config.replace(out=str(tmp_path / "out")), overwrite=overwrite)
    assert contents(tmp_path / "out") == {name: f"my {name}".encode()}
    if name == "checkpoints/best.ckpt":  # where an evaluation writes nothing
        evaluate(run.last, tmp_path / "out", device="cpu", progress=False)
        # ... which makes them no files of a run
        with pytest.raises(SkelgraphError, match=r"checkpoints/best\.ckpt"):
            train(run.config.replace(out=str(tmp_path / "out")), overwrite=True)
    else:
        with pytest.raises(SkelgraphError, match="choose another folder"):
            evaluate(run.last, tmp_path / "out", overwrite=overwrite)
    assert contents(tmp_path / "out")[name] == f"my {name}".encode()


def test_a_config_that_is_hardly_json(run: Run, tmp_path: Path) -> None:
    for text in ('{"config":' * 100_000, "[1, 2]", "{}", "\udc80", '{"config": {}, "versions": {"skelgraph": 1}}'):
        (tmp_path / "config.json").write_text(text, errors="surrogateescape")
        for resume in (False, True):
            with pytest.raises(SkelgraphError, match="was not written by skelgraph"):
                train(run.config.replace(out=str(tmp_path)), resume=resume, overwrite=not resume)


def test_an_evaluation_replaces_an_evaluation_only(run: Run, tmp_path: Path) -> None:
    first = evaluate(run.last, tmp_path / "out", device="cpu", progress=False)
    with pytest.raises(SkelgraphError, match=f"^{tmp_path}/out holds a run already: .*overwrite=True"):
        evaluate(run.last, tmp_path / "out")
    best = run.last.with_name("best.ckpt")
    second = evaluate(best, tmp_path / "out", overwrite=True, device="cpu", progress=False)
    assert (
        first["weights"] != second["weights"] == json.loads((tmp_path / "out" / "metrics.json").read_text())["weights"]
    )
    before = contents(run.out)
    with pytest.raises(SkelgraphError, match="holds a training run"):
        evaluate(best, run.out, overwrite=True)
    assert contents(run.out) == before
    with pytest.raises(SkelgraphError, match=r"nothing to resume: .* evaluation"):
        train(run.config.replace(out=str(tmp_path / "out")), resume=True)


@contextmanager
def _held(out: Path, start: Barrier, stop: Barrier) -> Iterator[None]:
    start.wait()
    try:
        with claimed(out, "train"):
            (out / "config.json").write_text(CONFIG)
            yield
            stop.wait()
    except SkelgraphError:
        stop.wait()
        raise


def _claim(folder: Path, rounds: int, start: Barrier, stop: Barrier) -> None:
    won = []
    for i in range(rounds):
        try:
            with _held(folder / str(i), start, stop):
                won.append(i)
        except SkelgraphError:
            pass
    (folder / f"{os.getpid()}.won").write_text(json.dumps(won))


def test_of_two_that_start_at_once_exactly_one_goes_on(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    rounds, start, stop = 40, fork.Barrier(2), fork.Barrier(2)
    both = [fork.Process(target=_claim, args=(tmp_path, rounds, start, stop)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    winners = [i for path in tmp_path.glob("*.won") for i in json.loads(path.read_text())]
    assert sorted(winners) == list(range(rounds))


def test_a_folder_in_use_is_left_alone(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = run.config.replace(out=str(out), max_epochs=1)
    train(config)
    before = contents(out)
    with claimed(out, "train", resume=True):
        for changes in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(SkelgraphError, match=f"^{out} is in use"):
                train(config, **changes)
    assert contents(out) == before
    train(config, resume=True)


def test_every_file_of_a_run_is_known(run: Run, tmp_path: Path) -> None:
    """So that overwriting leaves none behind, and no foreign one is taken for ours."""
    known = {path for pattern in WRITTEN["train"] for path in run.out.glob(pattern)}
    assert {path for path in run.out.rglob("*") if path.is_file()} <= known


@pytest.mark.parametrize(
    "name", ["checkpoints/last.ckpt", "checkpoints/best.ckpt", "metrics.json", "report.html", "logs/metrics.csv"]
)
def test_a_full_disk(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The message names the file, what is there stays whole, nothing unfinished is left, and the run can go on."""
    out = tmp_path / "out"
    written = []

    def full(path: Path) -> bool:
        if f".{Path(name).name}." not in path.name or not path.is_relative_to(out):
            return False
        written.append(path)
        return len(written) == 2 or "checkpoints" not in name

    fill_disk(monkeypatch, full)
    config = run.config.replace(out=str(out), schedule="exponential", lr_decay=1.0)
    with pytest.raises(OSError, match="No space left") as caught:
        train(config)
    assert str(out / name).startswith(str(caught.value.filename))
    assert caught.value.filename != str(out)
    assert not list(out.rglob("*.tmp"))
    if "checkpoints" in name:
        assert [load_checkpoint(path)["epoch"] for path in (out / "checkpoints").glob(f"{Path(name).stem}.ckpt")] == [0]
        assert not (out / "metrics.json").exists()
    assert (out / "metrics.json").exists() == (name == "report.html")
    monkeypatch.undo()
    train(config, resume=True)
    best, last = (load_checkpoint(out / "checkpoints" / f"{which}.ckpt")["epoch"] + 1 for which in ("best", "last"))
    assert (best, last) == (json.loads((out / "metrics.json").read_text())["best_epoch"], 3)


@pytest.mark.parametrize("kind", ["file", "pipe", "link to nothing"])
def test_what_is_no_folder(run: Run, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("mine")
    elif kind == "pipe":
        os.mkfifo(out)
    else:
        out.symlink_to(tmp_path / "nowhere")
    for use in (lambda: train(run.config.replace(out=str(out))), lambda: evaluate(run.last, out)):
        with pytest.raises(SkelgraphError, match="out is no folder: choose another name"):
            use()
    assert os.listdir(tmp_path) == ["out"]
