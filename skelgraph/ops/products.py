"""Small products that graph and hyperedge layers share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def inverse(degree: Tensor) -> Tensor:
    """``1 / degree``, and 0 where the degree is 0, with a gradient of 0 there."""
    return degree.masked_fill(degree == 0, torch.inf).reciprocal()


def inverse_sqrt(degree: Tensor) -> Tensor:
    """``1 / sqrt(degree)``, and 0 where the degree is 0, with a gradient of 0 there."""
    return degree.masked_fill(degree == 0, torch.inf).rsqrt()


def scale(x: Tensor, factor: Tensor) -> Tensor:
    """Multiply the rows of ``x (..., N, C)`` with ``factor (..., N)``."""
    return x * factor.to(x.dtype).unsqueeze(-1)


def head_products(x: Tensor, vector: Tensor) -> Tensor:
    """Scalar products of the heads of ``x (..., N, heads * C)`` with ``vector (heads, C)``, ``(..., N, heads)``."""
    if vector.size(0) == 1:
        return F.linear(x, vector)
    return (x.unflatten(-1, vector.shape) * vector).sum(dim=-1)


def product(matrix: Tensor, x: Tensor) -> Tensor:
    """Multiply one matrix ``(R, S)``, or one per sample ``(..., R, S)``, with ``x (..., S, C)``."""
    # bmm rather than matmul: the backward pass of a broadcast matmul is two to three times slower
    if matrix.dim() == 2 and x.dim() == 3:
        return torch.bmm(matrix.expand(x.size(0), -1, -1), x)
    if matrix.dim() > 2 or x.dim() == 2:
        return matrix @ x
    rows = x.flatten(0, -3)
    return torch.bmm(matrix.expand(rows.size(0), -1, -1), rows).view(*x.shape[:-2], -1, x.size(-1))
