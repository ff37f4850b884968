"""Golden files: the numbers of the authors' code that a port has to reproduce, how one is written and judged.

``tests/golden/README.md`` says what the files hold, key by key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

StateDict: TypeAlias = Mapping[str, Tensor]
Call: TypeAlias = Callable[[Any, Tensor], Tensor]
Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
TOLERANCE = {"atol": 1e-9, "rtol": 1e-8}
"""How close float64 numbers have to be."""
STORED_IN_FLOAT32 = {"atol": 1e-7, "rtol": 1e-6}


class Golden:
    """The arrays of a golden file as torch tensors (``golden["in/x"]``), its ``meta`` and its state dict.

    Args:
        path: The file.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        with np.load(path, allow_pickle=False) as archive:
            self.arrays: dict[str, np.ndarray] = {k: archive[k] for k in archive.files if k != "meta"}
            self.meta: dict[str, Any] = json.loads(str(archive["meta"]))
        tolerances: dict[str, dict[str, float]] = self.meta["tolerance"]
        self.tolerance = tolerances.get("float64") or tolerances["float32"]  # fixed matrices are given in float32 only

    def __getitem__(self, key: str) -> Tensor:
        """An array, in float64 if it is floating."""
        value = torch.from_numpy(np.asarray(self.arrays[key]))
        return value.double() if value.is_floating_point() else value

    def __contains__(self, key: str) -> bool:
        """Whether there is an array of that name."""
        return key in self.arrays

    def keys(self, prefix: str = "") -> list[str]:
        """Names of the arrays that start with ``prefix``."""
        return [key for key in self.arrays if key.startswith(prefix)]

    def state_dict(self, prefix: str = "sd/") -> dict[str, Tensor]:
        """The official state dict stored in the file."""
        return {
            k[len(prefix) :]: torch.from_numpy(np.asarray(v)) for k, v in self.arrays.items() if k.startswith(prefix)
        }

    def assert_close(self, actual: Tensor, key: str) -> None:
        """Compare with the stored array at the file's tolerance; buffers after a step may be stored as float32.

        Raises:
            AssertionError: If they differ.
        """
        expected, tolerance = self[key].double(), self.tolerance
        if key.startswith("out/after/") and self.arrays[key].dtype == np.float32:
            tolerance = STORED_IN_FLOAT32
        torch.testing.assert_close(actual.detach().double(), expected, **tolerance, msg=lambda m: f"{key}: {m}")  # type: ignore[arg-type]


def write_golden(
    path: str | PathLike[str],
    network: nn.Module,
    x: Tensor,
    target: Tensor | None = None,
    loss: Loss = nn.functional.mse_loss,
    seed: int | None = 0,
    **meta: Any,
) -> None:
    """Write the numbers of a network, such as that of the authors' code, to a golden file.

    Everything is computed in float64 from values that float32 can hold: in evaluation mode the output, its gradient by
    the input and the norm of the gradient of every parameter; with a target the same of the loss in training mode, with
    every dropout rate at 0, and the buffers after that step.

    Args:
        path: The file to write.
        network: The network; its weights are changed if there is a ``seed``. A few channels are enough.
        x: The input.
        target: What the loss compares the output with.
        loss: The training loss.
        seed: Of random weights and batch statistics, far from those that a constructor makes; ``None`` keeps the
            weights of the network.
        **meta: Where the code is from: ``repo``, ``commit``, ``official_class``, ``constructor``, ``note``.
    """
    generator = torch.Generator().manual_seed(0 if seed is None else seed)
    network = network.float()
    if seed is not None:
        _randomise(network, generator)
    arrays = {f"sd/{name}": value.clone() for name, value in network.state_dict().items()}
    network, x = network.double().eval(), x.float().double().requires_grad_()
    y = network(x)
    cotangent = torch.randn(y.shape, generator=generator)
    (y * cotangent).sum().backward()
    assert x.grad is not None
    arrays |= {"in/x": x.float(), "in/g": cotangent, "out/y": y, "grad/x": x.grad.clone()}
    arrays |= _gradient_norms(network, "out/gnorm/")
    if target is not None:
        for module in network.train().modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.p = 0.0
        network.zero_grad()
        y = network(x.detach())
        value = loss(y, target.float().double())
        value.backward()
        arrays |= {"in/target": target.float(), "out/train_y": y, "out/train_loss": value}
        arrays |= _gradient_norms(network, "out/train_gnorm/")
        arrays |= {f"out/after/{name}": buffer for name, buffer in network.named_buffers()}
    meta = {"schema": 1, "tolerance": {"float64": TOLERANCE}} | meta
    np.savez_compressed(
        path, meta=np.array(json.dumps(meta)), **{key: value.detach().numpy() for key, value in arrays.items()}
    )


def check_evaluation(
    golden: Golden,
    module: nn.Module,
    translate: Callable[[StateDict], StateDict],
    call: Call = lambda module, x: module(x),
    official: StateDict | None = None,
    output: str = "out/y",
) -> None:
    """Check a port in evaluation mode: output, gradient of the input, gradient norm of every official parameter.

    Args:
        golden: The golden file.
        module: The port, such as :func:`~skelgraph.models.load_official` makes it.
        translate: Turns an official state dict into ours: :meth:`~skelgraph.models.OfficialLayout.translate`.
        call: Calls the port with the official input and returns its output in the official shape.
        official: The official state dict, if it is not in the file.
        output: The key of the output.

    Raises:
        AssertionError: If numbers differ; the message names the key.
    """
    y, x, leaves = _run(golden, module.double().eval(), translate, call, official)
    (y * golden["in/g"]).sum().backward()
    golden.assert_close(y, output)
    assert x.grad is not None, "no gradient reaches the input"
    golden.assert_close(x.grad, "grad/x")
    _check_gradient_norms(golden, leaves, "out/gnorm/")


def check_training(
    golden: Golden,
    module: nn.Module,
    translate: Callable[[StateDict], StateDict],
    loss: Loss = nn.functional.mse_loss,
    call: Call = lambda module, x: module(x),
) -> None:
    """Check a port in training mode: output, loss, gradient norms, and batch statistics after the step.

    Args:
        golden: The golden file.
        module: The port, with every dropout rate at 0.
        translate: Turns an official state dict into ours.
        loss: The training loss of the official code.
        call: Calls the port with the official input and returns its output in the official shape.

    Raises:
        AssertionError: If numbers differ, or the file holds none of training; the message names the key.
    """
    assert golden.keys("out/train_gnorm/"), "the file holds no numbers of training: write it with a target"
    y, _, leaves = _run(golden, module.double().train(), translate, call, None)
    golden.assert_close(y, "out/train_y")
    value = loss(y, golden["in/target"])
    value.backward()
    golden.assert_close(value, "out/train_loss")
    _check_gradient_norms(golden, leaves, "out/train_gnorm/")
    for key in golden.keys("out/after/"):
        golden.assert_close(leaves[key.removeprefix("out/after/")], key)


class _Called(nn.Module):
    """A module that is called in another way than by ``forward``."""

    def __init__(self, module: nn.Module, call: Call) -> None:
        super().__init__()
        self.module, self.call = module, call

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self.module, x)


def _run(
    golden: Golden,
    module: nn.Module,
    translate: Callable[[StateDict], StateDict],
    call: Call,
    official: StateDict | None,
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """The output, the input and the official tensors as leaves, so that gradients reach them through the renaming."""
    state = golden.state_dict() if official is None else official
    leaves = {k: v.double() if v.is_floating_point() else v.clone() for k, v in state.items()}
    for key, value in leaves.items():
        value.requires_grad_(value.is_floating_point() and "running_" not in key)
    x = golden["in/x"].requires_grad_()
    ours = {f"module.{key}": value for key, value in translate(leaves).items()}
    return torch.func.functional_call(_Called(module, call), ours, (x,)), x, leaves


def _check_gradient_norms(golden: Golden, leaves: Mapping[str, Tensor], prefix: str) -> None:
    for key in golden.keys(prefix):
        grad = leaves[key.removeprefix(prefix)].grad
        golden.assert_close(torch.zeros((), dtype=torch.float64) if grad is None else grad.norm(), key)


def _gradient_norms(network: nn.Module, prefix: str) -> dict[str, Tensor]:
    found = {name: value.grad for name, value in network.named_parameters()}
    return {f"{prefix}{name}": grad.norm() for name, grad in found.items() if grad is not None}


@torch.no_grad()
def _randomise(network: nn.Module, generator: torch.Generator) -> None:
    for parameter in network.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    for name, value in network.named_buffers():
        if name.endswith("running_mean"):
            value.copy_(torch.randn(value.shape, generator=generator))
        elif name.endswith("running_var"):
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
