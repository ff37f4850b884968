"""Small products that graph and hyperedge layers share."""

from __future__ import annotations

import torch
from torch import Tensor


def inverse(degree: Tensor) -> Tensor:
    """``1 / degree``, and 0 where the degree is 0, with a gradient of 0 there."""
    return degree.masked_fill(degree == 0, torch.inf).reciprocal()


def inverse_sqrt(degree: Tensor) -> Tensor:
    """``1 / sqrt(degree)``, and 0 where the degree is 0, with a gradient of 0 there."""
    return degree.masked_fill(degree == 0, torch.inf).rsqrt()


def scale(x: Tensor, factor: Tensor) -> Tensor:
    """Multiply the rows of ``x (..., N, C)`` with ``factor (..., N)``."""
    return x * factor.to(x.dtype).unsqueeze(-1)


def product(matrix: Tensor, x: Tensor) -> Tensor:
    """Multiply one matrix ``(R, S)``, or one per sample ``(..., R, S)``, with ``x (..., S, C)``."""
    if matrix.dim() > 2 or x.dim() == 2:
        return matrix @ x
    rows = x.flatten(0, -3)
    # bmm rather than matmul: the backward pass of a broadcast matmul is two to three times slower
    y = torch.bmm(matrix.expand(rows.size(0), -1, -1), rows)
    return y.view(*x.shape[:-2], *y.shape[-2:])
