"""What layers are handed as features: the one check of it, and PyG's flattened form."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.options import check_option
from skelgraph.text import shown

Forward = TypeVar("Forward", bound=Callable[..., Tensor])


def check_features(
    layer: nn.Module,
    x: Tensor,
    channels: int | None = None,
    nodes: int | None = None,
    name: str = "input",
    flat: bool = False,
) -> None:
    """Check that features are a tensor ``(..., J, C)``, and no integers.

    Args:
        layer: Who needs them, for the message.
        x: The features.
        channels: How many channels they have; any number unless given.
        nodes: How many nodes they have; any number unless given.
        name: What they are, for the message.
        flat: Whether they may be ``(B * J, C)``, as in a PyG batch.

    Raises:
        SkelgraphError: If they are not.
    """
    check_tensor(layer, x, name)
    if not (x.is_floating_point() or x.is_complex() or x.is_quantized):
        raise SkelgraphError(f"{_short(layer)} needs {name} in floating point, got {x.dtype}")
    fits = x.dim() > 1 and (channels is None or x.size(-1) == channels)
    if fits and nodes is not None:
        fits = nodes > 0 and x.size(0) % nodes == 0 if flat and x.dim() == 2 else x.size(-2) == nodes
    if not fits:
        rows, columns = "J" if nodes is None else nodes, "C" if channels is None else channels
        shape = f"(..., {rows}, {columns})" + f" or (B * {rows}, {columns})" * flat
        raise SkelgraphError(f"{_short(layer)} needs {name} of shape {shape}, got {tuple(x.shape)}")


def check_tensor(layer: nn.Module, value: Tensor, name: str = "input") -> None:
    """Check that features are a tensor, of any shape.

    Raises:
        SkelgraphError: If they are not.
    """
    if not isinstance(value, Tensor):
        raise SkelgraphError(f"{_short(layer)} needs a tensor, got {shown(value)} as {name}")


def check_batch(
    layer: nn.Module, x: Tensor, nodes: int, value: Tensor, rows: int, name: str, exact: bool = False
) -> None:
    """Check that features of something else than the nodes, such as bones, are for the same poses as those of the
    nodes: ``(..., J, C)`` with ``(..., rows, C')``, or flattened ``(B * J, C)`` with ``(B * rows, C')``.

    Args:
        layer: Who needs them, for the message.
        x: The features of the nodes.
        nodes: Number of nodes of a pose.
        value: The other features.
        rows: How many of them a pose has.
        name: What they are, for the message.
        exact: Whether the axes before the last two must be equal; else it is enough that they broadcast.

    Raises:
        SkelgraphError: If they are not.
    """
    if x.dim() == 2:
        fits = value.dim() == 2 and value.size(0) * nodes == x.size(0) * rows
    else:
        fits = value.dim() > 1 and value.size(-2) == rows
    if not fits or (exact and value.shape[:-2] != x.shape[:-2]):
        raise SkelgraphError(
            f"{_short(layer)} needs features of {rows} {name} for the poses of its input {tuple(x.shape)}, got "
            f"{tuple(value.shape)}"
        )
    check_broadcast(layer, x, value, name)


def check_broadcast(layer: nn.Module, x: Tensor, value: Tensor, name: str, axes: int = 2) -> None:
    """Check that the axes before the last ones broadcast with those before the nodes of ``x (..., J, C)``.

    Args:
        layer: Who needs it, for the message.
        x: The features of the nodes.
        value: What is combined with them.
        name: What it is, for the message.
        axes: How many axes of ``value`` are its own.

    Raises:
        SkelgraphError: If they do not.
    """
    batch = value.shape[:-axes]
    if batch and batch != x.shape[:-2]:
        pairs = zip(reversed(batch), reversed(x.shape[:-2]), strict=False)
        if not all(one == other or one == 1 or other == 1 for one, other in pairs):
            raise SkelgraphError(
                f"{_short(layer)} needs {name} for the poses of its input {tuple(x.shape)}, got {tuple(value.shape)}"
            )


def check_flags(**flags: Any) -> None:
    """Check the switches of a call, such as ``return_hyperedges``.

    Raises:
        SkelgraphError: If one is no boolean.
    """
    for name, value in flags.items():
        if value is not True and value is not False:
            check_option(name, value, bool)


def check_edges(edge_index: Tensor, edge_weight: Tensor | None, num_nodes: int) -> None:
    """Check PyG's ``edge_index (2, E)`` and weights ``(E,)`` of a call; ids where values may be read.

    Raises:
        SkelgraphError: If they are of another form, or an id is out of range.
    """
    integers = isinstance(edge_index, Tensor) and not (edge_index.is_floating_point() or edge_index.is_complex())
    if not integers or edge_index.dim() != 2 or edge_index.size(0) != 2 or edge_index.dtype == torch.bool:
        raise SkelgraphError(f"edge_index is {shown(edge_index)}; expected integers (2, E)")
    if edge_weight is not None and (not isinstance(edge_weight, Tensor) or edge_weight.shape != edge_index.shape[1:]):
        raise SkelgraphError(f"edge_weight is {shown(edge_weight)}; expected one number for each of the edges, (E,)")
    if edge_index.numel() and is_readable(edge_index):
        low, high = torch.stack(torch.aminmax(edge_index)).tolist()
        if low < 0 or high >= num_nodes:
            found = low if low < 0 else high
            raise SkelgraphError(f"edge_index holds node {found}; expected nodes from 0 to {num_nodes - 1}")


def _looks_like_edges(value: Any) -> bool:
    """Whether it is no features but PyG's ``edge_index (2, E)``."""
    return isinstance(value, Tensor) and value.dtype == torch.int64 and value.dim() == 2 and value.size(0) == 2


def is_readable(tensor: Tensor) -> bool:
    """Whether values may decide: not on ``meta``, not while a graph is compiled."""
    return tensor.device.type != "meta" and not torch.compiler.is_compiling()


def _short(layer: nn.Module) -> str:
    """A layer with its arguments where they fit on a line, else its class."""
    text = str(layer)
    return type(layer).__name__ if "\n" in text else text


def accepts_flat_batch(forward: Forward) -> Forward:
    """Let a ``forward`` written for ``(..., J, C)`` also take the flattened ``(B * J, C)``, and check the joint count.

    This holds for every tensor that ``forward`` is given, such as the initial features of a layer that has them; they
    must be of one shape.

    Raises:
        SkelgraphError: By the decorated function, if it is given no features, or of another shape.
    """

    @functools.wraps(forward)
    def wrapped(self: Any, *args: Tensor | None, **kwargs: Any) -> Tensor:
        num_nodes = self.num_nodes
        given = (*args, *kwargs.values())
        if not given:
            return forward(self)  # Python says what is missing
        first = given[0]
        features = [value for value in given if value is first or value is not None]
        for x in features:
            if x is not first and _looks_like_edges(x):
                raise SkelgraphError(
                    f"{_short(self)} takes no edge_index, got {x.dtype} of shape {tuple(x.shape)}; it is bound to the "
                    "graph of its constructor"
                )
            check_features(self, x, self.in_channels, num_nodes, flat=True)
            if x is not first and x.shape != first.shape:
                raise SkelgraphError(f"{self} needs inputs of one shape, got {[tuple(x.shape) for x in features]}")
        if first.dim() > 2:
            return forward(self, *args, **kwargs)

        def poses(value: Any) -> Any:
            return value.unflatten(0, (-1, num_nodes)) if isinstance(value, Tensor) else value

        kwargs = {name: poses(value) for name, value in kwargs.items()}
        return forward(self, *map(poses, args), **kwargs).flatten(0, 1)

    return wrapped  # type: ignore[return-value]
