"""Adjacency matrices that depend on the pose: expert matrices mixed by a routing of the input."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from skelgraph.errors import unknown_name
from skelgraph.nn.dropout import Dropout

ExpertMode = Literal["add", "mul", "no_skeleton"]


class ConditionalAdjacency(nn.Module):
    r"""The adjacency of every single pose, as in the `Any-GCN code <https://github.com/tamasino52/Any-GCN>`_: learned
    expert matrices, weighted by a gate on the mean joint.

    .. math::
        \mathbf{r} = \sigma\left(\mathrm{Linear}\left(\tfrac{1}{J} \textstyle\sum_j \mathbf{x}_j\right)\right), \qquad
        \mathbf{Q} = \mathbf{A} + \sum_e r_e \mathbf{E}_e

    The experts change the skeleton's :math:`\mathbf{A}` (``"add"``), scale its edges (``"mul"``: :math:`\mathbf{A}
    \odot \sum_e r_e \mathbf{E}_e`) or replace it (``"no_skeleton"``); then :math:`\mathbf{Q}` is symmetrised.

    Args:
        in_channels: Channels of a joint.
        adjacency: The skeleton's matrix ``(J, J)``.
        partition: Masks ``(K, J, J)`` that the result is split with.
        num_experts: Number of expert matrices, at least 1.
        mode: ``"add"``, ``"mul"`` or ``"no_skeleton"``.
        symmetric: Return the mean of the matrix and its transpose.
        dropout: Dropout rate of the mean joint before the gate.

    Shapes:
        - input ``(..., J, C_in)``, output ``(..., K, J, J)``
        - ``experts`` ``(num_experts, J, J)``, ``routing`` a linear map from ``C_in`` to ``num_experts``

    Raises:
        SkelgraphError: If the mode is none of these.
        ValueError: If there is no expert.

    Initialisation: experts Xavier-uniform over the whole 3-D tensor, bound ``sqrt(6 / (J * J + num_experts * J))``;
    ``routing`` as any linear layer.

    Example:
        >>> graph = ConditionalAdjacency(2, torch.eye(17), torch.ones(1, 17, 17), num_experts=4)
        >>> graph(torch.randn(8, 17, 2)).shape
        torch.Size([8, 1, 17, 17])
    """

    adjacency: Tensor
    partition: Tensor

    def __init__(
        self,
        in_channels: int,
        adjacency: Tensor,
        partition: Tensor,
        num_experts: int,
        mode: ExpertMode = "add",
        symmetric: bool = True,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if mode not in get_args(ExpertMode):
            raise unknown_name("expert mode", mode, get_args(ExpertMode))
        if num_experts < 1:
            raise ValueError(f"num_experts is {num_experts}; expected at least 1")
        self.mode = mode
        self.symmetric = symmetric
        self.register_buffer("adjacency", adjacency, persistent=False)
        self.register_buffer("partition", partition / 2 if symmetric else partition, persistent=False)  # half: a mean
        self.experts = nn.Parameter(torch.empty(num_experts, *adjacency.shape))
        self.dropout = Dropout(dropout)
        self.routing = nn.Linear(in_channels, num_experts)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as released."""
        nn.init.xavier_uniform_(self.experts)
        self.routing.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """The matrices ``(..., K, J, J)`` of poses ``(..., J, C_in)``."""
        gates = self.routing(self.dropout(x.mean(dim=-2))).sigmoid()
        experts: Tensor = self.experts
        if self.mode == "mul":
            experts = experts * self.adjacency
        elif self.mode == "add":  # the skeleton is one more expert, whose gate is always open
            experts = torch.cat([experts, self.adjacency.unsqueeze(0)])
            gates = nn.functional.pad(gates, (0, 1), value=1.0)
        if self.symmetric:  # Q is linear in the experts: these few are symmetrised and split, not all of the batch
            experts = experts + experts.mT
        experts = experts.unsqueeze(1) * self.partition
        return (gates @ experts.flatten(1)).unflatten(-1, experts.shape[1:])

    def extra_repr(self) -> str:
        """Number of experts and mode."""
        return f"experts={self.experts.size(0)}, mode={self.mode}"
