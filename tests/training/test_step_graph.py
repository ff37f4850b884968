"""Many steps at once do what single steps do."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from skelgraph import create_model
from skelgraph.errors import SkelgraphError
from skelgraph.training.step_graph import StepGraph

GPU = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))


def network(device: str) -> nn.Module:
    torch.manual_seed(0)
    model = create_model("sem_gcn", "h36m16", hidden_channels=16, num_blocks=1, dropout=0.0)
    return model.to(device, torch.float64).train()


def poses(device: str) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(500, 16, 2, generator=generator, dtype=torch.float64)
    return x.to(device), torch.randn(500, 16, 3, generator=generator, dtype=torch.float64).to(device)


@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize("max_norm", [0.0, 0.05])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_steps_are_those_of_a_loop(device: str, max_norm: float, amsgrad: bool) -> None:
    x, y = poses(device)
    order = torch.randint(500, (23, 32), generator=torch.Generator().manual_seed(2)).to(device)
    rates = [1e-2 / (1 + step) for step in range(23)]
    ours = network(device)
    theirs = copy.deepcopy(ours)

    optimizer = torch.optim.AdamW(ours.parameters(), lr=1.0, weight_decay=0.01, amsgrad=amsgrad, fused=True)
    steps = StepGraph(lambda rows: [(ours(x[rows]) - y[rows]).square().mean()], optimizer, max_norm, capacity=10)
    means = [float(steps(order[i : i + 10], rates[i : i + 10])) for i in (0, 10, 20)]
    assert optimizer.param_groups[0]["lr"] == 1.0  # schedules and checkpoints see numbers
    assert optimizer.param_groups[0]["capturable"] is False

    plain = torch.optim.AdamW(theirs.parameters(), lr=1.0, weight_decay=0.01, amsgrad=amsgrad, fused=True)
    losses = []
    for rows, rate in zip(order, rates, strict=True):
        plain.param_groups[0]["lr"] = rate
        plain.zero_grad()
        loss = (theirs(x[rows]) - y[rows]).square().mean()
        loss.backward()
        if max_norm:
            nn.utils.clip_grad_norm_(theirs.parameters(), max_norm)
        plain.step()
        losses.append(float(loss.detach()))
    expected = [sum(losses[i : i + 10]) / len(losses[i : i + 10]) for i in (0, 10, 20)]
    assert means == pytest.approx(expected, rel=1e-5)
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("device", ["cpu", GPU])
def test_dropout_differs_between_replays(device: str) -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(1000, device=device))
    sums = torch.zeros(8, device=device)
    counter = torch.zeros(1, dtype=torch.long, device=device)

    def losses(rows: Tensor) -> list[Tensor]:
        kept = nn.functional.dropout(torch.ones(1000, device=device), 0.5)
        sums.index_copy_(0, counter, (kept * torch.arange(1000, device=device)).sum().view(1))
        counter.add_(1)
        return [(weight * kept).sum()]

    steps = StepGraph(losses, torch.optim.AdamW([weight], fused=True), 0.0, capacity=8)
    steps(torch.zeros(8, 1, dtype=torch.long, device=device), [1e-3] * 8)
    assert len(set(sums.tolist())) == 8


def test_one_group_of_parameters() -> None:
    groups = [{"params": [nn.Parameter(torch.zeros(2))]} for _ in range(2)]
    with pytest.raises(SkelgraphError, match="2 groups of parameters; expected 1"):
        StepGraph(lambda rows: [rows.sum()], torch.optim.AdamW(groups), 0.0, 4)
