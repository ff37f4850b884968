"""The one check of what layers are handed as features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.text import shown


def check_features(
    layer: nn.Module,
    x: Tensor,
    channels: int | None = None,
    nodes: int | None = None,
    name: str = "input",
    flat: bool = False,
) -> None:
    """Check that features are a tensor ``(..., J, C)``.

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


def is_readable(tensor: Tensor) -> bool:
    """Whether values may decide: not on ``meta``, not while a graph is compiled."""
    return tensor.device.type != "meta" and not torch.compiler.is_compiling()


def _short(layer: nn.Module) -> str:
    """A layer with its arguments where they fit on a line, else its class."""
    text = str(layer)
    return type(layer).__name__ if "\n" in text else text
