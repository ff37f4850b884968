"""Weighted-Jacobi graph convolution of MLP-Graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelgraph.fixed import on_cpu
from skelgraph.nn.adjacency import AddedEdges, ModulatedAdjacency
from skelgraph.nn.conv.skeleton_conv import SkeletonConv
from skelgraph.nn.edges import LearnOn, graph_edges, one_partition
from skelgraph.nn.features import accepts_flat_batch
from skelgraph.ops import EdgePattern, graph_conv
from skelgraph.options import Channels, Rate
from skelgraph.topology import GraphLike


class WeightedJacobiConv(SkeletonConv):
    r"""Weighted-Jacobi graph convolution of `"Spatio-temporal MLP-graph network for 3D human pose estimation"
    <https://arxiv.org/abs/2308.15313>`_ (BMVC 2023): one sweep for the implicit-fairing system
    :math:`(\mathbf{I} + s (\mathbf{I} - \hat{\mathbf{A}})) \mathbf{H} = \mathbf{X}`, :math:`\alpha = 1 / (1 + s)`, with
    an initial residual connection.

    .. math::
        \mathbf{Y} = \mathbf{X} \mathbf{W}_1 - \mathbf{H} + (1 - \alpha) \check{\mathbf{A}} \mathbf{H}
        + \alpha \, \mathbf{M} \odot (\mathbf{X}_0 \mathbf{V}) + \mathbf{b}, \qquad
        \mathbf{H} = \mathbf{M} \odot (\mathbf{X} \mathbf{W}_0)

    with the symmetric :math:`\check{\mathbf{A}}` of :class:`~skelgraph.nn.ModulatedAdjacency`: the symmetrically
    normalised bones :math:`\hat{\mathbf{A}}`, without self loops, and a learned offset :math:`\mathbf{Q}`. What is
    applied to each joint alone is computed without :func:`~skelgraph.ops.graph_conv`.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output.
        skeleton: Skeleton, layout name or :class:`~skelgraph.topology.Graph`.
        bias: Add a learned bias per channel.
        alpha: Weight of the initial features.
        neighbours: Follow the published rule, in which joints receive from their neighbours. By default the rule of the
            released code, to which the published accuracies and weights belong, see below.
        learn_on: ``"pairs"``: an offset for every pair of joints, as released. ``"edges"``: one for every edge, and 0
            for the other pairs; the number of parameters grows with the edges, for large graphs.
        dense: How the layer computes: ``True``: dense matrices, ``False``: edge lists (needs ``learn_on="edges"``),
            ``None``: dense for pairs, for edges up to 2**17 entries. Parameters and answers are the same.

    Shapes:
        - input: features ``(..., J, C_in)`` or ``(B * J, C_in)``, and initial features of the same shape (the input
          itself if not given)
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``
        - ``weight`` ``(2, C_in, C_out)``, ``initial_weight`` ``(C_in, C_out)``, ``modulation`` ``(J, C_out)``,
          ``affinity.offset`` ``(J, J)``, ``bias`` ``(C_out)``; learned on edges ``affinity.offset`` ``(E)``, row by
          row, for the edges, their reverse and the self loops, or ``(J)`` for the self loops that the released
          rule uses
    Raises:
        SkelgraphError: If an input is not on this skeleton or has other channels.

    Initialisation: weights and modulation Xavier-uniform with gain 1.414 over whole 3-D tensors (bounds
    ``1.414 * sqrt(6 / (C_out * (n + C_in)))`` with ``n`` = 2 and 1, and ``1.414 * sqrt(6 / (C_out * (J + 1)))``),
    offset 1e-6, bias uniform within ``1 / sqrt(C_out)``.

    Code and paper: the released code sums over the diagonal of :math:`\check{\mathbf{A}}` instead of its rows, where
    :math:`\hat{\mathbf{A}}` is zero: only the diagonal of :math:`\mathbf{Q}` acts, no joint receives from another, and
    the rest of :math:`\mathbf{Q}` is never trained.

    Example:
        >>> conv = WeightedJacobiConv(8, 16, "h36m16")
        >>> x = torch.randn(4, 16, 8)
        >>> conv(x, torch.randn(4, 16, 8)).shape
        torch.Size([4, 16, 16])
    """

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        skeleton: GraphLike,
        bias: bool = True,
        alpha: Rate = 0.1,
        neighbours: bool = False,
        learn_on: LearnOn = "pairs",
        dense: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        self.alpha = alpha
        self.neighbours = neighbours
        self.dense = self.choose_dense(1, dense, learn_on)
        self.weight = nn.Parameter(torch.empty(2, in_channels, out_channels))
        self.initial_weight = nn.Parameter(torch.empty(in_channels, out_channels))
        self.modulation = nn.Parameter(torch.empty(self.num_nodes, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        edges = graph_edges(self.skeleton, normalization="sym", self_loops=False)
        if learn_on == "pairs":
            self.affinity = ModulatedAdjacency(edges.to_matrix())
        else:  # the rule without neighbours reads the self loops alone
            edges = edges.closed(symmetric=True)
            edges = edges.select((edges.receiver == edges.sender) | neighbours)
            pattern = edges.pattern(one_partition, 1, self.dense)
            self.affinity = ModulatedAdjacency(edges.values, partition=pattern)
        self.minus_identity = minus_identity(self.num_nodes, self.affinity.edges) if neighbours else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as released."""
        super().reset_parameters()
        for weight in (self.initial_weight, self.modulation):
            nn.init.xavier_uniform_(weight.unsqueeze(0), gain=1.414)

    @accepts_flat_batch
    def forward(self, x: Tensor, x0: Tensor | None = None) -> Tensor:
        """Map ``(..., J, C_in)`` and initial features ``(..., J, C_in)`` to ``(..., J, C_out)``."""
        return self.sweep(x, self.project(x if x0 is None else x0))

    def project(self, x0: Tensor) -> Tensor:
        """The initial features ``(..., J, C_out)`` in the channels of the output, which a following layer takes on."""
        return x0 @ self.initial_weight

    def sweep(self, x: Tensor, projected: Tensor) -> Tensor:
        """Map ``(..., J, C_in)`` and projected initial features ``(..., J, C_out)`` to ``(..., J, C_out)``."""
        own, passed = self.weight.unbind(0)
        if self.minus_identity is not None:
            jacobi = self.minus_identity((1 - self.alpha) * self.affinity())
            y = x @ passed + graph_conv(x, own.unsqueeze(0), jacobi, modulation=self.modulation)
        else:  # the matrix is diagonal: a multiplication
            diagonal = (1 - self.alpha) * self.affinity.self_loops()
            y = torch.addcmul(x @ passed, (diagonal - 1).view(-1, 1) * self.modulation, x @ own)
        y = torch.addcmul(y, self.alpha * self.modulation, projected)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """Channels, skeleton and rule."""
        return super().extra_repr() + (", neighbours=True" if self.neighbours else "")


@on_cpu
def minus_identity(num_nodes: int, edges: EdgePattern | None) -> AddedEdges:
    """Subtract the identity from an adjacency."""
    node = torch.arange(num_nodes)
    index, values = torch.stack([torch.zeros_like(node), node, node]), torch.full((num_nodes,), -1.0)
    return AddedEdges(index, values, (1, num_nodes, num_nodes), edges)
