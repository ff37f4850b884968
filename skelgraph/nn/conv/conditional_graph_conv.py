"""Graph convolution whose adjacency is mixed from experts for every pose."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelgraph.nn.conditional_adjacency import ConditionalAdjacency, ExpertMode
from skelgraph.nn.conv.skeleton_conv import SkeletonConv
from skelgraph.nn.edges import LearnOn, graph_edges, is_neighbour
from skelgraph.nn.features import accepts_flat_batch
from skelgraph.ops import graph_conv
from skelgraph.options import Channels, Count, Rate
from skelgraph.topology import GraphLike


class ConditionalGraphConv(SkeletonConv):
    r"""Conditional and modulated graph convolution of the `Any-GCN code <https://github.com/tamasino52/Any-GCN>`_: an
    adjacency per pose, one weight for self and one for neighbours, and a modulation of the senders.

    .. math::
        \mathbf{Y} = (\mathbf{Q} \odot \mathbf{I}) \mathbf{X} \mathbf{W}_0
        + (\mathbf{Q} \odot (\mathbf{1} - \mathbf{I})) (\mathbf{M} \odot \mathbf{X} \mathbf{W}_1) + \mathbf{b}

    with :math:`\mathbf{Q}` of :class:`~skelgraph.nn.ConditionalAdjacency`.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output.
        skeleton: Skeleton, layout name or :class:`~skelgraph.topology.Graph`.
        bias: Add a learned bias per channel.
        adjacency: The matrix ``(J, J)`` that the experts act on; by default the row-normalised bones with self loops,
            of a graph its row-normalised edges as they are.
        num_experts: Number of expert matrices.
        modulate_self: Modulate the self term too (:math:`\mathbf{M} \odot \mathbf{X} \mathbf{W}_0`): this is the code's
            modulated graph convolution with experts.
        expert_mode: How the experts act on the adjacency.
        symmetric: Symmetrise the matrix of every pose.
        routing_dropout: Dropout rate at the gate of the experts.
        learn_on: ``"pairs"``: every expert has a number for every pair of joints, as released. ``"edges"``: one for
            every edge, and 0 for the other pairs; the number of parameters grows with the edges, for large graphs.
        dense: How the layer computes: ``True``: dense matrices, ``False``: edge lists (needs ``learn_on="edges"``),
            ``None``: dense for pairs, for edges up to 2**17 entries. Parameters and answers are the same.

    Shapes:
        - input: ``(..., J, C_in)`` or ``(B * J, C_in)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``
        - ``weight`` ``(2, C_in, C_out)``, ``modulation`` ``(J, C_out)``, ``bias`` ``(C_out)``, ``conditional.experts``
          ``(num_experts, J, J)``; learned on edges ``(num_experts, E)``, row by row, for the non-zero entries of the
          adjacency, their reverse if ``symmetric``, and the self loops

    Raises:
        SkelgraphError: If the input is not on this skeleton or has other channels, there is no expert, ``expert_mode``
            is unknown or the adjacency has another shape.

    Initialisation: ``weight`` and ``modulation`` Xavier-uniform over the whole tensor with gain 1.414, but
    ``modulation`` 1 with ``modulate_self``; bias uniform within ``1 / sqrt(C_out)``.

    Code and paper: the released modulated layer with experts keeps its learned affinity as a parameter that nothing
    reads; it is not here.

    Example:
        >>> conv = ConditionalGraphConv(2, 8, "h36m17")
        >>> conv(torch.randn(4, 17, 2)).shape
        torch.Size([4, 17, 8])
    """

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        skeleton: GraphLike,
        bias: bool = True,
        adjacency: Tensor | None = None,
        num_experts: Count = 8,
        modulate_self: bool = False,
        expert_mode: ExpertMode = "add",
        symmetric: bool = True,
        routing_dropout: Rate = 0.0,
        learn_on: LearnOn = "pairs",
        dense: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        self.dense = self.choose_dense(num_experts, dense, learn_on)
        edges = graph_edges(self.skeleton, adjacency)
        fixed, partition = edges.learned(is_neighbour, 2, learn_on, self.dense, symmetric)
        self.modulate_self = modulate_self
        self.conditional = ConditionalAdjacency(
            in_channels, fixed, partition, num_experts, expert_mode, symmetric, dropout=routing_dropout
        )
        self.weight = nn.Parameter(torch.empty(2, in_channels, out_channels))
        self.modulation = nn.Parameter(torch.empty(self.num_nodes, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as released."""
        super().reset_parameters()
        if self.modulate_self:
            nn.init.ones_(self.modulation)
        else:
            nn.init.xavier_uniform_(self.modulation, gain=1.414)

    @accepts_flat_batch
    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``."""
        modulation: Tensor = self.modulation
        if not self.modulate_self:
            modulation = torch.stack([torch.ones_like(modulation), modulation])
        return graph_conv(x, self.weight, self.conditional(x), modulation=modulation, bias=self.bias)
