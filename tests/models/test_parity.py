"""Every model against numbers from the authors' code: outputs, input gradients, parameter gradients, BatchNorm
updates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from skelgraph.models import load_official


@dataclass(frozen=True)
class Case:
    """One reference file, and how our model of that name takes its input."""

    file: str
    model: str
    skeleton: str
    options: dict[str, Any] = field(default_factory=dict)

    def keypoints(self, x: Tensor) -> Tensor:
        """The official input as ``(B, J, 2)``."""
        return x.unflatten(1, (-1, 2)) if self.model == "martinez" else x

    def official_form(self, y: Tensor, like: Tensor) -> Tensor:
        """Our output in the official shape."""
        return y.reshape(like.shape)


CASES = [
    Case("sem_gcn_model", "sem_gcn", "h36m16"),
    Case("sem_gcn_model_nonlocal", "sem_gcn", "h36m16"),
    Case("martinez_model", "martinez", "h36m16"),
]


def run(case: Case, reference: Any, train: bool) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Our output, the input and the official tensors as leaves, so that gradients reach them through the renaming."""
    options = case.options | ({"dropout": 0.0} if train else {})
    model = load_official(case.model, reference.state_dict(), case.skeleton, **options).double().train(train)
    leaves = {k: v.double() if v.is_floating_point() else v.clone() for k, v in reference.state_dict().items()}
    for key, value in leaves.items():
        value.requires_grad_(value.is_floating_point() and "running_" not in key)
    x = reference["in/x"].requires_grad_()
    assert type(model).official is not None
    state = type(model).official.translate(leaves)
    y = torch.func.functional_call(model, state, (case.keypoints(x),))
    return case.official_form(y, reference["in/g"]), x, leaves


def assert_gradients(reference: Any, leaves: dict[str, Tensor], prefix: str) -> None:
    keys = reference.keys(prefix)
    assert keys
    for key in keys:
        grad = leaves[key.removeprefix(prefix)].grad
        norm = torch.zeros((), dtype=torch.float64) if grad is None else grad.norm()
        reference.assert_close(norm, key)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_evaluation_matches_official_code(case, golden):
    reference = golden(case.file)
    y, x, leaves = run(case, reference, train=False)
    (y * reference["in/g"]).sum().backward()
    reference.assert_close(y, "out/y")
    reference.assert_close(x.grad, "grad/x")
    assert_gradients(reference, leaves, "out/gnorm/")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_training_matches_official_code(case, golden):
    reference = golden(case.file)
    assert "out/train_y" in reference
    y, _, leaves = run(case, reference, train=True)
    reference.assert_close(y, "out/train_y")
    loss = (y - reference["in/target"]).square().mean()
    loss.backward()
    reference.assert_close(loss, "out/train_loss")
    assert_gradients(reference, leaves, "out/train_gnorm/")
    for key in reference.keys("out/after/"):
        reference.assert_close(leaves[key.removeprefix("out/after/")], key)
