"""Adjacency matrices that depend on the pose: expert matrices mixed by a routing of the input."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from skelgraph.fixed import FixedBuffers
from skelgraph.nn.dropout import Dropout
from skelgraph.nn.features import check_features
from skelgraph.ops import Adjacency, EdgePattern
from skelgraph.options import Channels, CheckedOptions, Count, Rate

ExpertMode = Literal["add", "mul", "no_skeleton"]


class ConditionalAdjacency(CheckedOptions, FixedBuffers):
    r"""An adjacency for every pose, as in the `Any-GCN code <https://github.com/tamasino52/Any-GCN>`_: learned
    expert matrices, weighted by a gate on the mean joint.

    .. math::
        \mathbf{r} = \sigma\left(\mathrm{Linear}\left(\tfrac{1}{J} \textstyle\sum_j \mathbf{x}_j\right)\right), \qquad
        \mathbf{Q} = \mathbf{A} + \sum_e r_e \mathbf{E}_e

    The experts change the skeleton's :math:`\mathbf{A}` (``"add"``), scale its edges (``"mul"``: :math:`\mathbf{A}
    \odot \sum_e r_e \mathbf{E}_e`) or replace it (``"no_skeleton"``); then :math:`\mathbf{Q}` is symmetrised.

    Args:
        in_channels: Channels of a joint.
        adjacency: The skeleton's matrix ``(J, J)``, or the values ``(E)`` of its edges.
        partition: Masks ``(K, J, J)`` that the result is split with. Or the edges, if ``symmetric`` with the reverse of
            each: then the experts are learned on these edges and 0 elsewhere.
        num_experts: Number of expert matrices, at least 1.
        mode: ``"add"``, ``"mul"`` or ``"no_skeleton"``.
        symmetric: Return the mean of the matrix and its transpose.
        dropout: Dropout rate of the mean joint before the gate.

    Shapes:
        - input ``(..., J, C_in)``, output ``(..., K, J, J)``; of edges the same matrices or a
          :class:`~skelgraph.ops.SparseAdjacency`
        - ``experts`` ``(num_experts, J, J)``, on edges ``(num_experts, E)``; ``routing`` a linear map from ``C_in`` to
          ``num_experts``

    Raises:
        SkelgraphError: If the mode is none of these, there is no expert, or the reverse of an edge is missing.

    Initialisation: experts Xavier-uniform over the whole tensor, bound ``sqrt(6 / (J * J + num_experts * J))``, on
    edges ``sqrt(6 / (E + num_experts))``; ``routing`` as any linear layer.

    Example:
        >>> graph = ConditionalAdjacency(2, torch.eye(17), torch.ones(1, 17, 17), num_experts=4)
        >>> graph(torch.randn(8, 17, 2)).shape
        torch.Size([8, 1, 17, 17])
    """

    adjacency: Tensor
    partition: Tensor
    reverse: Tensor | None

    def __init__(
        self,
        in_channels: Channels,
        adjacency: Tensor,
        partition: Tensor | EdgePattern,
        num_experts: Count,
        mode: ExpertMode = "add",
        symmetric: bool = True,
        dropout: Rate = 0.2,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.symmetric = symmetric
        self.register_buffer("adjacency", adjacency, persistent=False)
        self.edges: EdgePattern | None = None
        masks = reverse = None
        if isinstance(partition, EdgePattern):
            self.edges = partition
            reverse = partition.reverse(over_partitions=True) if symmetric else None
        else:
            masks = partition / 2 if symmetric else partition  # half: a mean
        self.register_buffer("partition", masks, persistent=False)
        self.register_buffer("reverse", reverse, persistent=False)
        self.experts = nn.Parameter(torch.empty(num_experts, *adjacency.shape))
        self.dropout = Dropout(dropout)
        self.routing = nn.Linear(in_channels, num_experts)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as released."""
        nn.init.xavier_uniform_(self.experts)
        self.routing.reset_parameters()

    def forward(self, x: Tensor) -> Adjacency:
        """The matrices ``(..., K, J, J)`` of poses ``(..., J, C_in)``."""
        check_features(self, x, self.routing.in_features)
        gates = self.routing(self.dropout(x.mean(dim=-2))).sigmoid()
        experts: Tensor = self.experts
        if self.mode == "mul":
            experts = experts * self.adjacency
        elif self.mode == "add":  # the skeleton is one more expert, whose gate is always open
            experts = torch.cat([experts, self.adjacency.unsqueeze(0)])
            gates = nn.functional.pad(gates, (0, 1), value=1.0)
        if self.edges is not None:
            if self.reverse is not None:
                experts = torch.lerp(experts, experts.index_select(-1, self.reverse), 0.5)
            return self.edges(gates @ experts, per_sample=True)
        if self.symmetric:  # Q is linear in the experts: these few are symmetrised and split, not all of the batch
            experts = experts + experts.mT
        experts = experts.unsqueeze(1) * self.partition
        return (gates @ experts.flatten(1)).unflatten(-1, experts.shape[1:])

    def extra_repr(self) -> str:
        """Number of experts and mode."""
        return f"experts={self.experts.size(0)}, mode={self.mode}"
