"""Arguments of a topology as tensors: arrays, lists, groups of ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from skelgraph.errors import TopologyError
from skelgraph.text import shown


def to_tensor(name: str, value: Any, dtype: torch.dtype | None = None) -> Tensor:
    """Return what an argument holds as a dense tensor.

    Args:
        name: Name of the argument, for the message.
        value: A tensor, an array or lists of numbers.
        dtype: Type of the entries; that of the value unless given.

    Raises:
        TopologyError: If it is none of these.
    """
    try:
        tensor = torch.as_tensor(value, dtype=dtype)
        if tensor.layout == torch.strided:
            return tensor
    except (TypeError, ValueError, RuntimeError, OverflowError):
        pass
    raise TopologyError(f"{name} is {shown(value)}; expected a tensor, an array or lists of numbers")


def to_ids(name: str, value: Any, dtype: torch.dtype | None = None) -> Tensor:
    """Return what an argument holds as a tensor of integers.

    Raises:
        TopologyError: If it holds anything else.
    """
    tensor = to_tensor(name, value, dtype)
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise TopologyError(f"{name} has shape {tuple(tensor.shape)} of {tensor.dtype}; expected integers")
    return tensor


def pad_groups(groups: Sequence[Sequence[int]]) -> Tensor:
    """Return groups of ids as one tensor, the shorter ones filled up with their first id, which changes no maximum over
    a group.

    Args:
        groups: The groups, none of them empty.

    Shapes:
        ``(groups, ids of the largest)``, int64, on the CPU.
    """
    size = max(map(len, groups))
    return torch.tensor([[*group, *[group[0]] * (size - len(group))] for group in groups], device="cpu")
