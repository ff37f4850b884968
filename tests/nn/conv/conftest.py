"""What the tests of single layers share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn


@pytest.fixture(scope="session")
def assert_official() -> Callable[[Any, nn.Module, Callable[[dict[str, Tensor]], Mapping[str, Tensor]]], None]:
    """``assert_official(reference, conv, translate)``: output, input gradients and the gradient norm of every official
    parameter are those of the reference file, where ``translate`` turns official parameters into ours."""

    def check(reference: Any, conv: nn.Module, translate: Callable[[dict[str, Tensor]], Mapping[str, Tensor]]) -> None:
        official = {key: value.double().requires_grad_() for key, value in reference.state_dict().items()}
        inputs = [reference[key].requires_grad_() for key in ("in/x", "in/x0") if key in reference]
        ours = dict(translate(official))
        assert set(ours) == set(conv.state_dict())
        y = torch.func.functional_call(conv.double().eval(), ours, tuple(inputs))
        (y * reference["in/g"]).sum().backward()
        reference.assert_close(y, "out/y")
        for x, key in zip(inputs, ("grad/x", "grad/x0"), strict=False):
            reference.assert_close(x.grad, key)
        grads = {f"out/gnorm/{key}": value.grad for key, value in official.items() if value.grad is not None}
        assert set(grads) == set(reference.keys("out/gnorm/")), "what the released layer never uses, ours has not"
        for key, grad in grads.items():
            reference.assert_close(grad.norm(), key)

    return check
