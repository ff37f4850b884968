"""Learned adjacency matrices on a fixed pattern, and the split into self and neighbours."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MASKED = -9e15
"""Logit of an absent edge: exactly 0 after the softmax, while a row without any edge becomes uniform, not NaN."""


class SoftmaxAdjacency(nn.Module):
    r"""Row-softmax over one learned logit per edge, :math:`S_{ij} = \mathrm{softmax}_j(e_{ij})` on a fixed pattern.

    Args:
        pattern: Boolean or numeric ``(I, J)``; non-zero where an edge carries node ``j`` to node ``i``.
        channels: Number of independent matrices on the same pattern.

    Shapes:
        - ``logits``: ``(channels, nnz)``, the edges row by row, 1 at the start
        - output: ``(I, J)`` if ``channels`` is 1, else ``(channels, I, J)``
    """

    index: Tensor
    blank: Tensor

    def __init__(self, pattern: Tensor, channels: int = 1) -> None:
        super().__init__()
        self.shape = tuple(pattern.shape)
        self.register_buffer("index", (pattern != 0).flatten().nonzero().flatten(), persistent=False)
        self.register_buffer("blank", torch.full((1, pattern.numel()), MASKED), persistent=False)
        self.logits = nn.Parameter(torch.empty(channels, self.index.numel()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Give all edges of a node the same weight."""
        nn.init.ones_(self.logits)

    def forward(self) -> Tensor:
        """The matrices for the present logits."""
        channels = self.logits.size(0)
        logits = self.blank.expand(channels, -1).scatter(1, self.index.expand(channels, -1), self.logits)
        adjacency = logits.view(channels, *self.shape).softmax(dim=-1)
        return adjacency.squeeze(0) if channels == 1 else adjacency

    def extra_repr(self) -> str:
        """Pattern size and number of edges."""
        return f"{self.shape}, edges={self.index.numel()}, channels={self.logits.size(0)}"


def self_and_neighbours(num_joints: int) -> Tensor:
    """Masks ``(2, J, J)`` that split an adjacency into its diagonal (self) and the rest (neighbours)."""
    eye = torch.eye(num_joints)
    return torch.stack([eye, 1 - eye])
