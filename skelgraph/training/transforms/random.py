"""Random numbers for transforms: on the device of what they change, from a generator of its own."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def uniform(like: Tensor, *shape: int, low: float = 0.0, high: float = 1.0, generator: Generator | None) -> Tensor:
    """Numbers from ``low`` to ``high``, all equally likely, of dtype and device of another tensor."""
    return low + (high - low) * torch.rand(shape, dtype=like.dtype, device=like.device, generator=generator)


def normal(like: Tensor, *shape: int, generator: Generator | None) -> Tensor:
    """Numbers of mean 0 and standard deviation 1, of dtype and device of another tensor."""
    return torch.randn(shape, dtype=like.dtype, device=like.device, generator=generator)
