from __future__ import annotations

import copy
import doctest
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed
import torch.multiprocessing
from torch import Tensor
from torchmetrics import MetricCollection

import skelgraph.metrics.classes
from skelgraph.errors import SkelgraphError
from skelgraph.metrics import (
    AUC,
    AUC31_THRESHOLDS_MM,
    MPJPE,
    MPJVE,
    NMPJPE,
    PCK,
    PMPJPE,
    JointMetric,
    auc,
    joint_error,
    mpjpe,
    mpjve,
    n_mpjpe,
    p_mpjpe,
    pck,
)

LoadGolden = Callable[[str], Any]

JOINTS = 5
ACTIONS = ("Directions", "Eating", "Sitting", "Walking")
ALL: dict[type[JointMetric], Callable[[Tensor, Tensor], Tensor]] = {
    MPJPE: mpjpe,
    PMPJPE: p_mpjpe,
    NMPJPE: n_mpjpe,
    PCK: pck,
    AUC: auc,
    MPJVE: mpjve,
}
classes = pytest.mark.parametrize("cls", ALL)
framewise = pytest.mark.parametrize("cls", [cls for cls in ALL if cls is not MPJVE])


def sample(frames: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Poses whose errors straddle the thresholds, the actions 0, 1 and 3 (never 2), and clips of one action each."""
    generator = torch.Generator().manual_seed(seed)
    target = 0.3 * torch.randn(frames, JOINTS, 3, generator=generator)
    pred = target + 0.08 * torch.randn(frames, JOINTS, 3, generator=generator)
    clip = torch.randint(0, 2, (frames,), generator=generator).cumsum(0)
    return pred, target, torch.tensor([0, 1, 3])[clip % 3], clip


def update(metric: JointMetric, data: tuple[Tensor, ...], rows: slice = slice(None)) -> None:
    pred, target, action, clip = (t[rows] for t in data)
    if isinstance(metric, MPJVE):
        metric.update(pred, target, action=action, clip=clip)
    else:
        metric.update(pred, target, action=action)


def summary(metric: JointMetric) -> dict[str, Any]:
    return {
        "compute": metric.compute(),
        "over_frames": metric.over_frames(),
        "per_action": metric.per_action(),
        "per_joint": metric.per_joint(),
    }


def test_docstring_examples() -> None:
    results = doctest.testmod(skelgraph.metrics.classes, optionflags=doctest.ELLIPSIS)
    assert results.attempted > 0
    assert results.failed == 0


def test_exact_action_average_matches_golden(golden: LoadGolden) -> None:
    g = golden("protocol_action_average")
    actions = [str(name) for name in g.arrays["in/actions"]]
    label = torch.tensor([actions.index(str(text).split(" ")[0]) for text in g.arrays["in/labels"]])
    p1, p2 = MPJPE(17, actions), PMPJPE(17, actions)
    # batches that mix actions, which is where published code is inexact
    for rows in torch.arange(len(label)).split(int(g["in/batch_size"])):
        for metric in (p1, p2):
            metric.update(g["in/pred"][rows, 0], g["in/target"][rows, 0], action=label[rows])
    for metric, per_action, mean in (
        (p1, "out/p1_mm", "out/avg_p1_mm"),
        (p2, "out/p2_mm_exact", "out/avg_p2_mm_exact"),
    ):
        g.assert_close(torch.tensor(list(metric.per_action().values()), dtype=torch.float64), per_action)
        g.assert_close(metric.compute(), mean)


@pytest.mark.parametrize(("name", "joints"), [("protocol_metrics", 17), ("protocol_metrics_16j", 16)])
def test_match_golden(name: str, joints: int, golden: LoadGolden) -> None:
    g = golden(name)
    for metric, key, unit in (
        (MPJPE(joints), "out/mpjpe", 1000),
        (PMPJPE(joints), "out/p_mpjpe", 1000),
        (NMPJPE(joints), "out/n_mpjpe", 1000),
        (MPJVE(joints), "out/mpjve", 1000),
        (PCK(joints), "out/pck150_percent", 1),
        (AUC(joints, thresholds_mm=AUC31_THRESHOLDS_MM), "out/auc31_percent", 1),
    ):
        for rows in torch.arange(len(g["in/pred"])).split(5):
            metric.update(g["in/pred"][rows], g["in/target"][rows])
        g.assert_close(metric.compute() / unit, key)


@classes
def test_batches_add_up_to_the_functional(cls: type[JointMetric]) -> None:
    data = sample(40)
    metric = cls(JOINTS)
    for start, stop in ((0, 7), (7, 7), (7, 8), (8, 40)):
        metric.update(data[0][start:stop], data[1][start:stop])
    expected = ALL[cls](data[0].double(), data[1].double())
    torch.testing.assert_close(metric.compute(), expected)
    torch.testing.assert_close(metric.over_frames(), expected)
    assert metric.per_action() == {}


@framewise
def test_breakdowns(cls: type[JointMetric]) -> None:
    pred, target, action, _ = data = sample(40)
    metric = cls(JOINTS, ACTIONS)
    update(metric, data)
    seen = sorted(set(action.tolist()))
    means = {ACTIONS[a]: ALL[cls](pred[action == a].double(), target[action == a].double()).item() for a in seen}
    assert metric.per_action() == pytest.approx(means)
    assert list(metric.per_action()) == ["Directions", "Eating", "Walking"]
    assert metric.compute().item() == pytest.approx(sum(means.values()) / 3)
    torch.testing.assert_close(metric.over_frames(), ALL[cls](pred.double(), target.double()))
    assert metric.compute() != metric.over_frames()
    assert metric.per_joint().shape == (JOINTS,)
    torch.testing.assert_close(metric.per_joint().mean(), metric.compute())


def test_per_joint_keeps_joints_apart() -> None:
    target = torch.zeros(3, JOINTS, 3)
    pred = target.clone()
    pred[:, 2, 1] = 0.05
    metric = MPJPE(JOINTS)
    metric.update(pred, target)
    torch.testing.assert_close(metric.per_joint(), torch.tensor([0.0, 0, 50, 0, 0], dtype=torch.float64))


def test_velocities_stay_inside_clips() -> None:
    pred, target, action, clip = data = sample(40)
    metric = MPJVE(JOINTS, ACTIONS)
    for start, stop in ((0, 7), (7, 7), (7, 8), (8, 9), (9, 40)):
        update(metric, data, slice(start, stop))
    pairs = [n for n in range(1, 40) if clip[n] == clip[n - 1]]
    assert 0 < len(pairs) < 39
    velocity = joint_error(pred.double().diff(dim=0), target.double().diff(dim=0)).mean(-1)
    torch.testing.assert_close(metric.over_frames(), velocity[[n - 1 for n in pairs]].mean())
    means = {ACTIONS[a]: velocity[[n - 1 for n in pairs if action[n] == a]].mean().item() for a in (0, 1, 3)}
    assert metric.per_action() == pytest.approx(means)
    assert metric.compute().item() == pytest.approx(sum(means.values()) / 3)


def test_velocity_forgets_the_last_row_on_reset() -> None:
    data = sample(6)
    metric = MPJVE(JOINTS)
    metric.update(data[0][:3], data[1][:3])
    metric.reset()
    metric.update(data[0][3:], data[1][3:])
    torch.testing.assert_close(metric.compute(), mpjve(data[0][3:].double(), data[1][3:].double()))


@classes
def test_forward_returns_the_batch_and_accumulates(cls: type[JointMetric]) -> None:
    data = sample(12)
    metric = cls(JOINTS)
    for start, stop in ((0, 5), (5, 5), (5, 12)):
        value = metric(data[0][start:stop], data[1][start:stop])
        expected = ALL[cls](data[0][start:stop].double(), data[1][start:stop].double())
        torch.testing.assert_close(value, expected, equal_nan=True)
    torch.testing.assert_close(metric.compute(), ALL[cls](data[0].double(), data[1].double()))


@classes
def test_nothing_seen_is_nan(cls: type[JointMetric]) -> None:
    metric = cls(JOINTS, ACTIONS)
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert metric.compute().isnan()
    update(metric, sample(0))
    assert metric.compute().isnan()
    assert metric.over_frames().isnan()
    assert metric.per_joint().isnan().all()
    assert metric.per_action() == {}


@classes
def test_copies_and_pickles(cls: type[JointMetric]) -> None:
    data = sample(12)
    metric = cls(JOINTS, ACTIONS)
    update(metric, data, slice(0, 5))
    for twin in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        update(twin, data, slice(5, 12))
        whole = cls(JOINTS, ACTIONS)
        update(whole, data)
        torch.testing.assert_close(twin.compute(), whole.compute())


def test_collection_with_an_empty_first_batch() -> None:
    pred, target, action, clip = data = sample(12)
    together = MetricCollection([cls(JOINTS, ACTIONS) for cls in ALL])
    for rows in (slice(0, 0), slice(0, 12)):
        together.update(pred[rows], target[rows], action=action[rows], clip=clip[rows])
    for cls in ALL:
        alone = cls(JOINTS, ACTIONS)
        update(alone, data)
        torch.testing.assert_close(together.compute()[cls.__name__], alone.compute())


def test_sums_are_exact_and_low_precision_input_is_taken() -> None:
    data = sample(4)
    metric = MPJPE(JOINTS).half()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        metric.update(data[0].bfloat16(), data[1].bfloat16())
        aligned = PMPJPE(JOINTS)
        aligned.update(data[0], data[1])
    assert metric.compute().dtype == torch.float64
    torch.testing.assert_close(metric.compute(), mpjpe(data[0].bfloat16().double(), data[1].bfloat16().double()))
    torch.testing.assert_close(aligned.compute(), p_mpjpe(data[0].double(), data[1].double()))


def test_nan_stays_with_its_action() -> None:
    pred, target, action, _ = sample(12)
    pred[action == 1] = torch.nan
    metric = MPJPE(JOINTS, ACTIONS)
    metric.update(pred, target, action)
    assert metric.compute().isnan()
    assert [name for name, value in metric.per_action().items() if math.isnan(value)] == ["Eating"]


@classes
def test_wrong_input_is_named(cls: type[JointMetric]) -> None:
    pose, action = torch.zeros(4, JOINTS, 3), torch.zeros(4, dtype=torch.long)
    metric = cls(JOINTS, ACTIONS)
    with pytest.raises(SkelgraphError, match=rf"expected \(B, {JOINTS}, 3\)"):
        metric.update(pose, pose[:3], action)
    with pytest.raises(SkelgraphError, match=rf"expected \(B, {JOINTS}, 3\)"):
        metric.update(pose[:, :-1], pose[:, :-1], action)
    with pytest.raises(SkelgraphError, match="action is missing"):
        metric.update(pose, pose)
    with pytest.raises(SkelgraphError, match=r"action has shape \(3,\)"):
        metric.update(pose, pose, action[:3])
    for outside in (-1, len(ACTIONS)):
        with pytest.raises(SkelgraphError, match=f"action holds {min(outside, 0)} to {max(outside, 0)}"):
            metric.update(pose, pose, torch.tensor([0, outside, 0, 0]))
    if isinstance(metric, MPJVE):
        with pytest.raises(SkelgraphError, match="clip has shape"):
            metric.update(pose, pose, action, clip=action[:1])
    with pytest.raises(SkelgraphError, match="actions is"):
        cls(JOINTS, ["Walking", "Walking"])
    with pytest.raises(SkelgraphError, match="actions is"):
        cls(JOINTS, [])
    with pytest.raises(SkelgraphError, match="num_joints is 0"):
        cls(0)


# Rows that each of two processes gets, update by update. Clips stay whole: one ends before row 20.
SCENARIOS: dict[str, list[list[tuple[int, int]]]] = {
    "uneven": [[(0, 9), (9, 9), (9, 20)], [(20, 40)]],
    "one process without samples": [[(0, 3), (3, 40)], [(0, 0)]],
    "one process without updates": [[], [(0, 40)]],
}


def distributed_sample() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    pred, target, _, _ = sample(40)
    clip = torch.tensor([0] * 4 + [1] * 16 + [2] * 3 + [3] * 17)
    return pred, target, torch.tensor([0, 1, 1, 3])[clip], clip


def accumulate(rank: int, folder: str) -> None:
    store = f"file://{folder}/store"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    torch.set_num_threads(1)
    results = {}
    for scenario, shares in SCENARIOS.items():
        for cls in ALL:
            metric = cls(JOINTS, ACTIONS)
            for start, stop in shares[rank]:
                update(metric, distributed_sample(), slice(start, stop))
            results[scenario, cls.__name__] = summary(metric)
            # the breakdowns leave the local sums alone, so accumulation can go on
            local = sum(int(stop - start) for start, stop in shares[rank])
            assert cls is MPJVE or metric.num_frames.sum() == local
            assert not metric._is_synced
            metric.sync()
            assert metric.over_frames() == results[scenario, cls.__name__]["over_frames"]
            assert metric._is_synced
    torch.save(results, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_equal_one(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(accumulate, (str(tmp_path),), nprocs=2)
    for rank in range(2):
        results = torch.load(tmp_path / f"{rank}.pt")
        for cls in ALL:
            whole = cls(JOINTS, ACTIONS)
            update(whole, distributed_sample())
            expected = summary(whole)
            for scenario in SCENARIOS:
                torch.testing.assert_close(results[scenario, cls.__name__], expected, rtol=1e-13, atol=0)
