"""Runs whose error goes up and down, killed at random moments: nothing is lost, nothing is mixed up."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_mocap import Run

from skelgraph.training import evaluate, load_checkpoint, train

# Starts the run again and again in a process of its own and kills it, with the signal that nothing can catch, at random
# moments: while it opens its folder, trains, writes a checkpoint, tests, draws.
KILLER = """
import json, os, random, shutil, signal, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from skelgraph.training import TrainConfig, load_checkpoint, train
import skelgraph.training.report, lightning.pytorch.loggers

config = TrainConfig.from_dict(json.load(open(sys.argv[1])))
kills, longest = int(sys.argv[2]), float(sys.argv[3])
random.seed(int(sys.argv[4]))
out, done = Path(config.out), []
while len(done) < kills:
    child = os.fork()
    if not child:
        train(config, resume=(out / "config.json").exists())
        os._exit(0)
    time.sleep(random.uniform(0, longest))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    last, results = out / "checkpoints" / "last.ckpt", out / "metrics.json"
    epochs = load_checkpoint(last)["epoch"] + 1 if last.exists() else 0
    if results.exists():  # what is said is said of the checkpoint that is there
        assert json.loads(results.read_text())["epochs"] == epochs, (results, epochs)
    if os.WIFSIGNALED(status):
        done.append(epochs)
    else:
        assert status == 0, status
    if len(done) < kills and (os.WIFEXITED(status) or done[-2:] == 2 * [config.training.max_epochs]):
        shutil.rmtree(out, ignore_errors=True)  # nothing is left to be killed: again from the start
train(config, resume=True)
print(json.dumps(done))
"""


def same(one: Any, other: Any) -> bool:
    """Whether two checkpoints are bitwise the same but for clocks and folders."""
    if isinstance(one, dict):
        keys = one.keys() - {"seconds", "out"}
        return keys == other.keys() - {"seconds", "out"} and all(same(one[key], other[key]) for key in keys)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


EVERYTHING = {"ema": 0.5, "accumulate": 2, "save_every": 3, "early_stopping": 19, "select_by": "frames"}


@pytest.fixture(scope="module", params=[{}, EVERYTHING], ids=["plain", "everything"])
def restless(run: Run, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Run:
    """A run whose error goes up and down and whose last epoch is not the best."""
    for seed in range(8, 16):  # on which of them that is so, the last bits of a processor decide
        out = tmp_path_factory.mktemp("restless") / "out"
        config = run.config.replace(
            out=str(out),
            seed=seed,
            max_epochs=20,
            lr=0.3,
            schedule="exponential",
            lr_decay=1.0,
            clip_grad=0.0,
            **request.param,
        )
        made = Run(config, train(config), out, out / "checkpoints" / "last.ckpt")
        errors = [row["val_mpjpe_mm"] for row in rows(made.last)]
        if min(errors) < errors[-1]:
            break
    return made


def rows(checkpoint: Path) -> list[dict[str, float]]:
    return load_checkpoint(checkpoint)["callbacks"]["History"]["rows"]


def test_the_run_is_restless(restless: Run) -> None:
    errors = [row["val_mpjpe_mm"] for row in rows(restless.last)]
    ways = [later > earlier for earlier, later in itertools.pairwise(errors)]
    assert True in ways
    assert False in ways
    assert min(errors) < errors[-1]


def check_whole(finished: Run, undisturbed: Run) -> None:
    """Checkpoints and results of a run are those of one that nothing disturbed, and fit together."""
    assert same(load_checkpoint(finished.last), load_checkpoint(undisturbed.last))
    names = {path.name for path in undisturbed.last.parent.iterdir()}
    assert names == {path.name for path in finished.last.parent.iterdir()}
    assert (len(names) == 8) == (undisturbed.config.training.save_every is not None)  # those of 3, 6, ..., 18
    for name in names:
        assert same(load_checkpoint(finished.last.with_name(name)), load_checkpoint(undisturbed.last.with_name(name)))
    best = finished.last.with_name("best.ckpt")
    results = json.loads((finished.out / "metrics.json").read_text())
    assert same(results, json.loads(json.dumps(undisturbed.metrics)))
    assert not list(finished.out.rglob("*.tmp"))
    again = evaluate(finished.last, finished.out.parent / "again", device="cpu", progress=False)
    shared = again.keys() & results.keys()
    assert same({key: results[key] for key in shared}, {key: again[key] for key in shared})
    assert load_checkpoint(best)["epoch"] + 1 == results["best_epoch"]
    assert rows(best)[-1]["val_mpjpe_mm"] == results["best_mpjpe_mm"]


def killed(restless: Run, folder: Path, kills: int, seed: int, share: float) -> tuple[Run, list[Any]]:
    """A run that was killed within that share of the time that it takes, again and again."""
    out = folder / "out"
    folder.mkdir()
    config = restless.config.replace(out=str(out))
    (folder / "settings.json").write_text(json.dumps(config.to_dict()))
    longest = share * restless.metrics["seconds"] + 0.5
    process = subprocess.run(
        [sys.executable, "-c", KILLER, str(folder / "settings.json"), str(kills), str(longest), str(seed)],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads()), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    moments = json.loads(process.stdout.splitlines()[-1])
    return Run(config, {}, out, out / "checkpoints" / "last.ckpt"), moments


@pytest.mark.slow
def test_twelve_kills(restless: Run, tmp_path: Path) -> None:
    for share in (0.25, 0.5, 1.0):  # a machine that has become busy since is slower than it was
        finished, moments = killed(restless, tmp_path / str(share), 12, 0, share)
        if len(set(moments)) > 1:
            break
    print("epochs finished before each kill:", moments)
    assert len(moments) == 12
    assert len(set(moments)) > 1  # not all in the same epoch
    check_whole(finished, restless)
