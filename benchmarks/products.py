"""The matrix products in a module, alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


def bare_products(run: Callable[[], object]) -> Callable[[], None]:
    """A function that does the matrix products and convolutions of ``run()``, backward passes among them, and nothing
    else: a lower bound for any way to do the same arithmetic with the same library."""
    recorder = _Products()
    with recorder:
        run()
    calls = recorder.calls

    @torch.no_grad()
    def products() -> None:
        for function, args, kwargs in calls:
            function(*args, **kwargs)

    return products


class _Products(TorchDispatchMode):
    """Notes every product, with inputs of the same shapes that all calls share: only few are held in memory."""

    PRODUCTS: ClassVar = {"mm", "addmm", "bmm", "baddbmm", "convolution", "convolution_backward", "mv", "addmv"}

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, list[Any], dict[str, Any]]] = []
        self.tensors: dict[Any, Tensor] = {}

    def stand_in(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        key = value.shape, value.stride(), value.dtype
        if key not in self.tensors:
            last = sum((n - 1) * step for n, step in zip(value.shape, value.stride(), strict=True))
            self.tensors[key] = torch.randn(last + 1, dtype=value.dtype).as_strided(value.shape, value.stride())
        return self.tensors[key]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.overloadpacket.__name__ in self.PRODUCTS:
            self.calls.append((func, [self.stand_in(arg) for arg in args], kwargs))
        return func(*args, **kwargs)
