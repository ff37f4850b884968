"""Buffers that are fixed when a module is built: computed on the CPU, moved with it, kept while on ``meta``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError, TopologyError

Function = TypeVar("Function", bound=Callable[..., Any])

_building: ContextVar[bool] = ContextVar("building", default=False)


def on_cpu(function: Function) -> Function:
    """Make a function that computes a topology run on the CPU, whatever torch's default device is.

    Raises:
        TopologyError: If it is handed a tensor of the ``meta`` device: there are no values to compute with.
    """

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(value, Tensor) and value.is_meta for value in (*args, *kwargs.values())):
            raise TopologyError(
                f"{function.__qualname__} reads the values of its tensors, got one on meta, without any"
            )
        with torch.device("cpu"):
            return function(*args, **kwargs)

    return wrapped  # type: ignore[return-value]


class FixedBuffers(nn.Module):
    """Base of the modules whose non-persistent buffers are fixed: masks, matrices and edges made from a topology.

    No state dict holds these buffers, so that their values have to be kept while a module is on ``meta``. A constructor
    computes them on the CPU; when the outermost one returns, those of all parts are put on torch's default device,
    where the parameters are.
    A buffer on ``meta`` keeps its value on the CPU and gets it back with the parameters, whether these come by
    ``to_empty(device=...)`` or by ``load_state_dict(..., assign=True)``, which it follows in device and floating-point
    type.
    """

    follows_default_device = True
    """Whether a module that is built on its own is moved to the default device; false for a topology as a module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kept: dict[str, Tensor] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Wrap the constructor, so that the buffers are moved when it has finished."""
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = _moving_buffers(cls.__init__)  # type: ignore[method-assign]

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """As torch does.

        Raises:
            SkelgraphError: If a buffer that no state dict will hold has no value.
        """
        if not persistent and tensor is not None and tensor.is_meta:
            raise SkelgraphError(
                f"buffer {name!r} of {type(self).__name__} is on meta, without values; "
                "expected fixed buffers to be computed under torch.device('cpu')"
            )
        super().register_buffer(name, tensor, persistent)

    def register_exact(self, name: str, value: Tensor) -> None:
        """Register a fixed matrix in torch's default precision so that a module moved to float64 has all its digits.

        What is rounded off a float64 matrix is a second buffer, ``<name>_remainder``: a buffer in float64 could not
        move to every device. :meth:`exact` puts the two together.
        """
        rounded = value.to(torch.get_default_dtype())
        remainder = None if rounded.dtype == value.dtype else (value - rounded).to(rounded.dtype)
        self.register_buffer(name, rounded, persistent=False)
        self.register_buffer(f"{name}_remainder", remainder, persistent=False)

    def exact(self, name: str) -> Tensor:
        """The matrix of :meth:`register_exact` in the precision of the module."""
        rounded: Tensor = self._buffers[name]  # type: ignore[assignment]
        if rounded.dtype != torch.float64:  # in less precision the remainder is nothing
            return rounded
        remainder = self._buffers[f"{name}_remainder"]
        return rounded if remainder is None else rounded + remainder

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FixedBuffers:
        before = self._fixed()
        super()._apply(fn, recurse)
        for name, old in before.items():
            self._fill(name, old)
        return self

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, local_metadata: Mapping[str, Any], *args: Any
    ) -> None:
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)
        if local_metadata.get("assign_to_params_buffers"):
            given = [value for value in state_dict.values() if isinstance(value, Tensor)]
            types = [value.dtype for value in given if value.is_floating_point()]
            # a part without parameters has followed those around it already
            for part in _parts(self) if given else [self]:
                part._move(given[0].device if given else None, types[0] if types else None)

    def _fixed(self) -> dict[str, Tensor]:
        buffers = ((name, self._buffers.get(name)) for name in self._non_persistent_buffers_set)
        return {name: buffer for name, buffer in buffers if buffer is not None}

    def _move(self, device: torch.device | None, dtype: torch.dtype | None = None) -> None:
        """Move the fixed buffers of this module alone; by default those on ``meta`` to the CPU."""
        for name, old in self._fixed().items():
            to = device or (torch.device("cpu") if old.is_meta else old.device)
            kind = dtype if dtype and old.is_floating_point() else old.dtype
            if (to, kind) != (old.device, old.dtype):
                self._buffers[name] = torch.empty_like(old, device=to, dtype=kind)
                self._fill(name, old)

    @torch.no_grad()
    def _fill(self, name: str, old: Tensor) -> None:
        """Give a buffer that was replaced its value."""
        new = self._buffers[name]
        if new is None or new is old:
            return
        value = self._kept.pop(name) if old.is_meta else old
        if new.is_meta:
            self._kept[name] = value.to("cpu", new.dtype)
        else:
            new.copy_(value)


def _parts(module: nn.Module) -> list[FixedBuffers]:
    return [part for part in module.modules() if isinstance(part, FixedBuffers)]


def _moving_buffers(init: Callable[..., None]) -> Callable[..., None]:
    """A constructor that, if no other runs around it, puts the fixed buffers on the default device in the end."""

    @functools.wraps(init)
    def wrapped(self: FixedBuffers, *args: Any, **kwargs: Any) -> None:
        if _building.get():
            return init(self, *args, **kwargs)
        token = _building.set(True)
        try:
            init(self, *args, **kwargs)
        finally:
            _building.reset(token)
        if type(self).follows_default_device:
            device = torch.get_default_device()
            for part in _parts(self):
                part._move(device)
        return None

    return wrapped
