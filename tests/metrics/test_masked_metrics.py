"""Joints that are not known count in no mean: against loops that never see them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from test_classes import ACTIONS, ALL, JOINTS, sample, summary
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.geometry import mirror, procrustes
from skelgraph.metrics import AUC, MPJPE, MPJVE, PCK, JointMetric, auc, joint_error, mpjpe, mpjve, n_mpjpe, p_mpjpe, pck

BY_FRAME: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "MPJPE": joint_error,
    "PMPJPE": lambda pred, target: joint_error(pred, target, align="procrustes"),
    "NMPJPE": lambda pred, target: joint_error(pred, target, align="scale"),
    "PCK": lambda pred, target: torch.stack([pck(p[None], t[None]) for p, t in zip(pred, target, strict=True)]),
    "AUC": lambda pred, target: torch.stack([auc(p[None], t[None]) for p, t in zip(pred, target, strict=True)]),
}
FUNCTIONS = {mpjpe: "MPJPE", p_mpjpe: "PMPJPE", n_mpjpe: "NMPJPE", pck: "PCK", auc: "AUC"}
classes = pytest.mark.parametrize("cls", ALL)


def masked_sample(frames: int = 40, garbage: float = torch.nan) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """:func:`sample` with a third of the joints unknown: no joint of frame 4, none of action 1, never joint 2 of action
    3; unknown joints hold garbage."""
    pred, target, action, clip = sample(frames)
    visible = torch.rand(frames, JOINTS, generator=torch.Generator().manual_seed(1)) > 0.33
    visible[4] = False
    visible[5] = torch.arange(JOINTS) == 1
    visible[action == 1] = False
    visible[action == 3, 2] = False
    assert (visible.sum(1) == 1).any()
    assert len(action.unique()) == 3
    pred, target = pred.double(), target.double()
    pred[~visible] += 1 if garbage == garbage else torch.nan
    target[~visible] = garbage
    return pred, target, action, clip, visible


def scores(name: str, pred: Tensor, target: Tensor, visible: Tensor, clip: Tensor) -> list[tuple[int, int, float]]:
    """(frame, joint, score) of all that counts, from poses without the joints that do not."""
    found = []
    for frame in range(len(pred)):
        known = visible[frame].nonzero().flatten()
        if name == "MPJVE":
            if frame and clip[frame] == clip[frame - 1]:
                for joint in known[visible[frame - 1, known]].tolist():
                    steps = [p[frame, joint] - p[frame - 1, joint] for p in (pred, target)]
                    found.append((frame, joint, 1000 * (steps[0] - steps[1]).norm().item()))
        elif len(known):
            values = BY_FRAME[name](pred[frame, known], target[frame, known])
            found += zip([frame] * len(known), known.tolist(), values.tolist(), strict=True)
    return found


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_equal_loops(function: Callable[..., Tensor]) -> None:
    pred, target, _, clip, visible = masked_sample()
    expected = mean([score for _, _, score in scores(FUNCTIONS[function], pred, target, visible, clip)])
    assert float(function(pred, target, visible=visible)) == pytest.approx(expected, rel=1e-9)
    batched = (t[:36].reshape(2, 18, *t.shape[1:]) for t in (pred, target, visible))
    one, other, mask = batched
    assert float(function(one, other, visible=mask)) == pytest.approx(
        mean([s for _, _, s in scores(FUNCTIONS[function], pred[:36], target[:36], visible[:36], clip)]), rel=1e-9
    )


def test_velocities_need_both_frames() -> None:
    pred, target, _, _, visible = masked_sample()
    expected = mean([s for *_, s in scores("MPJVE", pred, target, visible, torch.zeros(40))])
    assert float(mpjve(pred, target, visible=visible)) == pytest.approx(expected)
    alternating = torch.zeros(4, JOINTS, dtype=torch.bool)
    alternating[::2] = True
    assert mpjve(pred[:4], target[:4], visible=alternating).isnan()


@classes
@pytest.mark.parametrize("garbage", [torch.nan, torch.inf, 1e6])
def test_classes_equal_loops(cls: type[JointMetric], garbage: float) -> None:
    pred, target, action, clip, visible = masked_sample(garbage=garbage)
    found = cls(JOINTS, ACTIONS)
    for rows in (slice(0, 7), slice(7, 7), slice(7, 19), slice(19, 40)):
        extra = {"clip": clip[rows]} if cls is MPJVE else {}
        found.update(pred[rows], target[rows], action[rows], visible=visible[rows], **extra)
    every = scores(cls.__name__, pred, target, visible, clip)
    by_action = {a: [s for frame, _, s in every if action[frame] == a] for a in (0, 3)}
    assert found.per_action() == pytest.approx({ACTIONS[a]: mean(values) for a, values in by_action.items()})
    assert float(found.compute()) == pytest.approx(mean([mean(values) for values in by_action.values()]))
    assert float(found.over_frames()) == pytest.approx(mean([s for *_, s in every]))
    for joint in range(JOINTS):
        means = []
        for a in by_action:
            values = [s for frame, j, s in every if j == joint and action[frame] == a]
            means += [mean(values)] if values else []
        assert float(found.per_joint()[joint]) == pytest.approx(mean(means))


@classes
def test_a_mask_of_all_is_no_mask(cls: type[JointMetric]) -> None:
    pred, target, action, clip = sample(40)
    extra = {"clip": clip} if cls is MPJVE else {}
    plain, masked = cls(JOINTS, ACTIONS), cls(JOINTS, ACTIONS)
    plain.update(pred, target, action, **extra)
    masked.update(pred, target, action, visible=torch.ones(40, JOINTS, dtype=torch.bool), **extra)
    if cls.__name__ in ("PMPJPE", "NMPJPE"):
        torch.testing.assert_close(summary(masked), summary(plain), rtol=1e-12, atol=0)
    else:
        torch.testing.assert_close(summary(masked), summary(plain), rtol=0, atol=0)


@classes
def test_nothing_visible_is_nothing_seen(cls: type[JointMetric]) -> None:
    pred, target, action, _ = sample(6)
    metric = cls(JOINTS, ACTIONS)
    metric.update(pred, target, action, visible=torch.zeros(6, JOINTS, dtype=torch.bool))
    assert metric.per_action() == {}
    assert metric.compute().isnan()
    assert metric.over_frames().isnan()
    assert metric.per_joint().isnan().all()
    function = ALL[cls]
    assert function(pred, target, visible=torch.zeros(6, JOINTS, dtype=torch.bool)).isnan()


@classes
def test_states_of_two_processes_are_summed(cls: type[JointMetric]) -> None:
    pred, target, action, clip, visible = masked_sample()
    border = int((clip == clip[20]).nonzero()[0])  # clips stay whole
    parts = [cls(JOINTS, ACTIONS) for _ in range(3)]
    for metric, rows in zip(parts, (slice(0, border), slice(border, 40), slice(0, 40)), strict=True):
        extra = {"clip": clip[rows]} if cls is MPJVE else {}
        metric.update(pred[rows], target[rows], action[rows], visible=visible[rows], **extra)
    one, two, whole = parts
    for state, reduction in one._reductions.items():
        if reduction is not None:
            setattr(one, state, getattr(one, state) + getattr(two, state))
    torch.testing.assert_close(summary(one), summary(whole), rtol=1e-12, atol=0)


def test_mirrored_masks_give_mirrored_errors() -> None:
    pred, target, _, _, visible = masked_sample()
    index = [1, 0, 2, 4, 3]
    flipped = joint_error(mirror(pred, index), mirror(target, index), "procrustes", visible=visible[:, index])
    torch.testing.assert_close(
        flipped, joint_error(pred, target, "procrustes", visible=visible)[:, index], equal_nan=True, rtol=0, atol=1e-7
    )


def test_joint_errors_say_what_is_not_measured() -> None:
    pred, target, _, _, visible = masked_sample()
    for align in (None, "scale", "procrustes"):
        assert torch.equal(joint_error(pred, target, align, visible=visible).isnan(), ~visible)  # type: ignore[arg-type]
    rooted = joint_error(pred, target, "root", root=1, visible=visible)
    assert torch.equal(rooted.isnan(), ~(visible & visible[:, 1:2]))
    row = int((visible[:, 1] & visible[:, 3]).nonzero()[0])
    expected = 1000 * ((pred[row, 3] - pred[row, 1]) - (target[row, 3] - target[row, 1])).norm()
    torch.testing.assert_close(rooted[row, 3], expected)


@pytest.mark.parametrize("scale", [True, False])
def test_alignment_by_the_visible_joints(scale: bool) -> None:
    """The hidden joints move along, and have no part in it."""
    generator = torch.Generator().manual_seed(0)
    source, target = torch.randn(2, 6, 9, 3, generator=generator, dtype=torch.float64)
    visible = torch.rand(6, 9, generator=generator) > 0.4
    aligned = procrustes(source, target, scale, visible=visible)
    for i, mask in enumerate(visible):
        torch.testing.assert_close(aligned[i, mask], procrustes(source[i, mask], target[i, mask], scale))
    moved = torch.cdist(aligned, aligned) / torch.cdist(source, source)
    for i in range(6):
        factors = moved[i][~torch.eye(9, dtype=torch.bool)]
        torch.testing.assert_close(factors, factors[:1].expand(72), rtol=1e-6, atol=0)
    broken = torch.where(visible[..., None], target, torch.nan)
    source.requires_grad_()
    loss = torch.where(visible[..., None], procrustes(source, broken, scale, visible=visible) - target, 0)
    loss.square().sum().backward()
    assert source.grad is not None
    assert source.grad.isfinite().all()


@pytest.mark.parametrize("mask", [torch.ones(40, JOINTS), torch.ones(40, JOINTS).long(), torch.ones(JOINTS).bool()])
def test_masks_are_boolean_and_of_one_shape(mask: Tensor) -> None:
    pred, target, action, _ = sample(40)
    for metric in (MPJPE(JOINTS, ACTIONS), MPJVE(JOINTS, ACTIONS), PCK(JOINTS, ACTIONS), AUC(JOINTS, ACTIONS)):
        with pytest.raises(SkelgraphError, match=r"visible is .*; expected torch\.bool of shape \(40, 5\)"):
            metric.update(pred, target, action, visible=mask)
    for function in ALL.values():
        with pytest.raises(SkelgraphError, match=r"expected torch\.bool"):
            function(pred, target, visible=mask)


@classes
@pytest.mark.parametrize(
    "convert",
    [
        lambda metric: metric.set_dtype(torch.float16),
        lambda metric: torch.nn.ModuleList([metric]).half(),
        lambda metric: torch.nn.ModuleList([metric]).to(torch.bfloat16),
        lambda metric: metric.half(),
    ],
    ids=["set_dtype", "half", "to", "own half"],
)
def test_sums_stay_double(cls: type[JointMetric], convert: Callable[[JointMetric], object]) -> None:
    data = sample(40)
    plain, metric = cls(JOINTS, ACTIONS), cls(JOINTS, ACTIONS)
    for one in (plain, metric):
        one.update(*data[:3])
    convert(metric)
    assert metric.score_sum.dtype == torch.float64
    metric.update(*(t.half() for t in data[:2]), data[2])
    plain.update(*(t.half() for t in data[:2]), data[2])
    torch.testing.assert_close(summary(metric), summary(plain), rtol=0, atol=0)
    metric.reset()
    assert metric.score_sum.dtype == torch.float64
