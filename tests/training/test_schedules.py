"""The published schedules, against rates worked out by hand, and what else moves over a run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_mocap import Run
from torch import nn

from skelgraph import create_model
from skelgraph.__main__ import main
from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.training import SCHEDULES, LiftingModule, OptimizerConfig, load_checkpoint, train
from skelgraph.training.resume import may_change


def rates(name: str, count: int, lr: float, **settings: Any) -> list[float]:
    """The learning rates of so many intervals."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = SCHEDULES[name].make(optimizer, total_steps=10, epochs=10, **settings)
    found = []
    for _ in range(count):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_step_power_is_written_in_step_1_and_in_multiples() -> None:
    """lr0 / 4^(1/2) from step 1, lr0 / 4 from step 2, lr0 / 16 from step 4; every step where a step is the interval."""
    assert rates("step_power", 7, 1.0, lr_decay=0.25, lr_every=2) == [0.5, 0.25, 0.25, 0.0625, 0.0625, 1 / 64, 1 / 64]
    assert rates("step_power", 3, 1.0, lr_decay=0.25, lr_every=1) == [0.25, 1 / 16, 1 / 64]
    assert rates("step_power", 4, 8.0, lr_decay=0.125, lr_every=3) == [4.0, 4.0, 1.0, 1.0]


def test_step_power_at_the_published_steps() -> None:
    """Of SemGCN, by step counted from 1. Modulated GCN's published checkpoint notes 9.6e-4 in step 146 232."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-3)
    scheduler = SCHEDULES["step_power"].make(optimizer, total_steps=1, epochs=1, lr_decay=0.96, lr_every=100_000)
    expected = {1: 9.99999591780e-4, 99_999: 9.99999591780e-4, 100_000: 9.6e-4, 146_232: 9.6e-4, 199_999: 9.6e-4,
                200_000: 9.216e-4, 300_001: 8.84736e-4}  # fmt: skip
    for step, rate in expected.items():
        assert 1e-3 * scheduler.lr_lambdas[0](step - 1) == pytest.approx(rate, rel=1e-11)


def test_alternating() -> None:
    """GraphMLP's: x 0.95 after an epoch, x 0.5 in its place after every fifth."""
    expected = [1e-3, 9.5e-4, 9.025e-4, 8.57375e-4, 8.1450625e-4, 4.07253125e-4, 3.8689046875e-4]
    found = rates("alternating", 20, 1e-3, lr_decay=0.95, lr_large_decay=0.5, lr_every=5)
    assert found[:7] == pytest.approx(expected, rel=1e-12)
    assert found[10] / found[9] == pytest.approx(0.5)
    # NEHSNet's 20th epoch: after 6 multiples of 3 and 13 other epochs
    found = rates("alternating", 20, 1e-3, lr_decay=0.95, lr_large_decay=0.5, lr_every=3)
    assert found[:5] == pytest.approx([1e-3, 9.5e-4, 9.025e-4, 4.5125e-4, 4.286875e-4], rel=1e-12)
    assert found[19] == pytest.approx(8.02097e-6, rel=1e-6)


def test_every() -> None:
    """RS-Net's on detections: x 0.9 after every fourth epoch, else unchanged."""
    expected = [5e-3] * 4 + [4.5e-3] * 4 + [4.05e-3] * 4 + [3.645e-3]
    assert rates("every", 13, 5e-3, lr_decay=0.9, lr_every=4) == pytest.approx(expected, rel=1e-12)
    assert rates("every", 3, 8.0, lr_decay=0.5, lr_every=1) == [8.0, 4.0, 2.0]


def test_multistep() -> None:
    """HGN's: x 0.9 after 20, 40, ... epochs; in any order, and after the first."""
    found = rates("multistep", 42, 1e-3, lr_decay=0.9, lr_milestones=(20, 40))
    assert [found[i - 1] for i in (1, 20, 21, 40, 41)] == pytest.approx([1e-3, 1e-3, 9e-4, 9e-4, 8.1e-4], rel=1e-12)
    assert rates("multistep", 4, 8.0, lr_decay=0.5, lr_milestones=(3, 1)) == [8.0, 4.0, 4.0, 2.0]


def test_what_a_schedule_needs() -> None:
    assert OptimizerConfig().lr_every is None
    for name, missing in (("step_power", "lr-every"), ("alternating", "lr-every"), ("multistep", "lr-milestones")):
        with pytest.raises(SkelgraphError, match=f"{missing} is not given, which the schedule {name} needs"):
            module(schedule=name)
    assert not any(SCHEDULES[name].spans_run for name in ("step_power", "alternating", "every", "multistep"))
    assert [SCHEDULES[name].interval for name in ("step_power", "alternating")] == ["step", "epoch"]


def test_milestones_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("3,x", "0", "", "2.5", "1,-2"):
        assert main(["train", "--schedule", "multistep", "--lr-milestones", text, "--out", str(tmp_path / "a")]) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "lr-milestones is " in said
        assert "each an integer from 1" in said
    options = "--option hidden_channels=8 --option num_blocks=1 --downsample 100 --test-downsample 100 --device cpu"
    command = ["train", *options.split(), "--max-epochs", "3", "--no-progress", "--out", str(tmp_path / "b")]
    assert (
        main([*command, "--schedule", "multistep", "--lr-milestones", "1, 2", "--lr-decay", "0.5", "--lr", "8e-3"]) == 0
    )
    assert noted(tmp_path / "b") == pytest.approx([8e-3, 4e-3, 2e-3])


def noted(out: Path) -> list[float]:
    rows = load_checkpoint(out / "checkpoints" / "last.ckpt")["callbacks"]["History"]["rows"]
    return [row["lr"] for row in rows]


def module(**settings: Any) -> LiftingModule:
    torch.manual_seed(0)
    model = create_model("sem_gcn", "h36m17", hidden_channels=8, num_blocks=1)
    return LiftingModule(model, ("walk",), torch.zeros(17, 3), **settings)


# --- a run that is stopped and goes on


PUBLISHED: dict[str, Any] = {
    "step_power": {"lr_decay": 0.5, "lr_every": 5},
    "alternating": {"lr_decay": 0.9, "lr_large_decay": 0.3, "lr_every": 2},
    "every": {"lr_decay": 0.3, "lr_every": 2},
    "multistep": {"lr_decay": 0.3, "lr_milestones": (1, 2)},
}
"""Settings whose rate moves just before and just after the second epoch."""


def stop_after(epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    start = LiftingModule.on_train_epoch_start

    def stop(self: LiftingModule) -> None:
        if self.current_epoch == epochs:
            raise RuntimeError("stopped")
        start(self)

    monkeypatch.setattr(LiftingModule, "on_train_epoch_start", stop)


@pytest.mark.parametrize("schedule", PUBLISHED)
def test_a_stopped_run_ends_as_an_undisturbed_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schedule: str
) -> None:
    """With AMSGrad, whose largest moments are part of its state, and the momentum of the published video network."""
    config = run.config.replace(
        schedule=schedule, **PUBLISHED[schedule], amsgrad=True, norm_momentum="decaying", max_epochs=4
    )
    train(config.replace(out=str(tmp_path / "whole")))
    stop_after(2, monkeypatch)
    with pytest.raises(RuntimeError, match="stopped"):
        train(config.replace(out=str(tmp_path / "stopped")))
    monkeypatch.undo()
    train(config.replace(out=str(tmp_path / "stopped")), resume=True)
    one, other = (load_checkpoint(tmp_path / name / "checkpoints" / "last.ckpt") for name in ("whole", "stopped"))
    assert noted(tmp_path / "whole") == noted(tmp_path / "stopped")
    assert len(set(noted(tmp_path / "whole"))) > 2 - (schedule == "every")
    assert all(torch.equal(value, other["state_dict"][name]) for name, value in one["state_dict"].items())
    moments = [c["optimizer_states"][0]["state"] for c in (one, other)]
    assert {"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "step"} == moments[0][0].keys()
    assert all(torch.equal(moments[0][i][key], moments[1][i][key]) for i in moments[1] for key in moments[1][i])
    assert one["lr_schedulers"] == other["lr_schedulers"]


def test_a_run_with_a_published_schedule_can_be_made_longer(run: Run, tmp_path: Path) -> None:
    """Nothing in it knows its length; but the decaying momentum does."""
    config = run.config.replace(out=str(tmp_path / "out"), schedule="alternating", **PUBLISHED["alternating"])
    train(config.replace(max_epochs=1))
    assert train(config.replace(max_epochs=2), resume=True)["epochs"] == 2
    with pytest.raises(CheckpointError, match="amsgrad was False, now True"):
        train(config.replace(max_epochs=2, amsgrad=True), resume=True)
    with pytest.raises(CheckpointError, match="lr_every was 2, now 3"):
        train(config.replace(max_epochs=2, lr_every=3), resume=True)
    assert "max_epochs" in may_change("alternating")
    assert "max_epochs" not in may_change("alternating", "decaying")
    config = config.replace(out=str(tmp_path / "decaying"), norm_momentum="decaying", max_epochs=1)
    train(config)
    with pytest.raises(CheckpointError, match="max_epochs was 1, now 2"):
        train(config.replace(max_epochs=2), resume=True)


def test_a_run_without_the_largest_moments_is_refused(run: Run, tmp_path: Path) -> None:
    config = run.config.replace(out=str(tmp_path / "out"), amsgrad=True, max_epochs=1)
    train(config)
    last = tmp_path / "out" / "checkpoints" / "last.ckpt"
    saved = torch.load(last, weights_only=True)
    del saved["optimizer_states"][0]["state"][0]["max_exp_avg_sq"]
    torch.save(saved, last)
    with pytest.raises(
        CheckpointError, match=r"state: 0 is .*expected an object of step, exp_avg, exp_avg_sq, max_exp"
    ):
        train(config, resume=True)


# --- the optimizer


def by_definition(gradients: list[float], lr: float, amsgrad: bool) -> float:
    """Where Adam without weight decay moves a number from 0."""
    value = first = second = largest = 0.0
    for step, gradient in enumerate(gradients, start=1):
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        largest = max(largest, second)
        spread = math.sqrt((largest if amsgrad else second) / (1 - 0.999**step))
        value -= lr * first / (1 - 0.9**step) / (spread + 1e-8)
    return value


@pytest.mark.parametrize("amsgrad", [False, True])
def test_the_optimizer_is_adam_with_or_without_amsgrad(amsgrad: bool) -> None:
    """After a large gradient and many small ones, which AMSGrad does not forget."""
    trained = module(lr=0.01, schedule="exponential", lr_decay=1.0, amsgrad=amsgrad)
    optimizer, _ = trained.optimization(1, 1)
    parameter = next(trained.model.parameters())
    before = parameter.detach().double().clone()
    gradients = [1.0] + [0.01] * 200
    for gradient in gradients:
        parameter.grad = torch.full_like(parameter, gradient)
        optimizer.step()
    moved = parameter.detach().double() - before
    expected = by_definition(gradients, 0.01, amsgrad)
    torch.testing.assert_close(moved, torch.full_like(moved, expected), rtol=1e-4, atol=0)
    assert abs(by_definition(gradients, 0.01, not amsgrad) / expected - 1) > 0.02


def test_momentum_of_batch_normalisation_decays(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To 0.1 / 100^(e/4) after e of 4 epochs, in every layer; constant unless asked for."""
    seen: list[set[float]] = []

    def note(self: LiftingModule, *args: Any) -> None:
        if args[-1] == 0:
            seen.append({part.momentum for part in self.modules() if isinstance(part, nn.BatchNorm1d)})

    monkeypatch.setattr(LiftingModule, "on_train_batch_end", note)
    config = run.config.replace(out=str(tmp_path / "a"), max_epochs=4, options={"hidden_channels": 8, "num_blocks": 2})
    train(config.replace(norm_momentum="decaying"))
    assert [len(momenta) for momenta in seen] == [1] * 4
    assert [momenta.pop() for momenta in seen] == pytest.approx([0.1, 0.0316227766, 0.01, 0.00316227766], rel=1e-8)
    seen.clear()
    train(config.replace(out=str(tmp_path / "b")))
    assert seen == [{0.1}] * 4


def test_no_clipping(run: Run, tmp_path: Path) -> None:
    """With 0 the gradient is as it is: a limit that is never reached changes nothing, one that is does."""

    def weights(limit: float) -> torch.Tensor:
        out = tmp_path / str(limit)
        train(run.config.replace(out=str(out), clip_grad=limit, max_epochs=1, lr=0.05))
        state = load_checkpoint(out / "checkpoints" / "last.ckpt")["state_dict"]
        return torch.cat([value.flatten().double() for name, value in state.items() if name.startswith("model.")])

    none, never, often = weights(0.0), weights(1e6), weights(1e-6)
    assert torch.equal(none, never)
    assert not torch.allclose(none, often)
