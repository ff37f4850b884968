"""Weighted-Jacobi graph convolution of MLP-Graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelgraph.nn.adjacency import ModulatedAdjacency, graph_matrix, identity, learned_edges
from skelgraph.nn.conv.skeleton_conv import SkeletonConv
from skelgraph.nn.features import accepts_flat_batch
from skelgraph.ops import EdgePattern, SparseAdjacency, graph_conv
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
    normalised bones :math:`\hat{\mathbf{A}}`, without self loops, and a learned offset :math:`\mathbf{Q}`. What moves
    nothing between joints is beside :func:`~skelgraph.ops.graph_conv`.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output.
        skeleton: Skeleton, layout name or :class:`~skelgraph.topology.Graph`.
        bias: Add a learned bias per channel.
        alpha: Weight of the initial features.
        neighbours: Follow the published rule, in which joints receive from their neighbours. By default the rule of the
            released code, to which the published accuracies and weights belong, see below.
        dense: Work with matrices or on the edges alone; by default on the edges where the matrices would have more than
            2**17 entries. On edges, pairs that no edge joins have no offset: the layer equals the one of matrices
            whose offsets are zero there.

    Shapes:
        - input: features ``(..., J, C_in)`` or ``(B * J, C_in)``, and initial features of the same shape (the input
          itself if not given)
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``
        - ``weight`` ``(2, C_in, C_out)``, ``initial_weight`` ``(C_in, C_out)``, ``modulation`` ``(J, C_out)``,
          ``affinity.offset`` ``(J, J)``, ``bias`` ``(C_out)``; on edges ``affinity.offset`` ``(E)``, row by row, for
          the edges, their reverse and the self loops, or ``(J)`` for the self loops that the released rule uses

    Raises:
        SkelgraphError: If an input is not on this skeleton or has other channels.

    Initialisation: weights and modulation Xavier-uniform with gain 1.414 over whole 3-D tensors (bounds
    ``1.414 * sqrt(6 / (C_out * (n + C_in)))`` with ``n`` = 2 and 1, and ``1.414 * sqrt(6 / (C_out * (J + 1)))``),
    offset 1e-6, bias uniform within ``1 / sqrt(C_out)``.

    Code and paper: the released code sums over the diagonal of :math:`\check{\mathbf{A}}` instead of its rows, where
    :math:`\hat{\mathbf{A}}` is zero: only the diagonal of :math:`\mathbf{Q}` acts, nothing moves between joints, and
    the rest of :math:`\mathbf{Q}` is never trained.

    Example:
        >>> conv = WeightedJacobiConv(8, 16, "h36m16")
        >>> x = torch.randn(4, 16, 8)
        >>> conv(x, torch.randn(4, 16, 8)).shape
        torch.Size([4, 16, 16])
    """

    eye: Tensor

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        skeleton: GraphLike,
        bias: bool = True,
        alpha: Rate = 0.1,
        neighbours: bool = False,
        dense: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        self.alpha = alpha
        self.neighbours = neighbours
        self.dense = self.choose_dense(1, dense)
        num_joints = self.skeleton.num_joints
        self.weight = nn.Parameter(torch.empty(2, in_channels, out_channels))
        self.initial_weight = nn.Parameter(torch.empty(in_channels, out_channels))
        self.modulation = nn.Parameter(torch.empty(num_joints, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        matrix = graph_matrix(self.skeleton, sparse=not self.dense, normalization="sym", self_loops=False)
        if self.dense:
            self.affinity, eye = ModulatedAdjacency(matrix), identity(num_joints)
        else:
            receiver, sender, values = learned_edges(matrix, symmetric=True)
            kept = (receiver == sender) | neighbours
            index = torch.stack([torch.zeros_like(receiver), receiver, sender])[:, kept]
            edges = EdgePattern(index, (1, num_joints, num_joints))
            self.affinity, eye = ModulatedAdjacency(values[kept], edges=edges), (index[1] == index[2]).float()
        self.register_buffer("eye", eye, persistent=False)
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
        graph, edges = self.affinity(), self.affinity.edges
        adjacency = (1 - self.alpha) * (graph.values if isinstance(graph, SparseAdjacency) else graph)
        if self.neighbours:
            jacobi = adjacency - self.eye
            graph = jacobi.unsqueeze(0) if edges is None else edges(jacobi)
            y = x @ passed + graph_conv(x, own.unsqueeze(0), graph, modulation=self.modulation)
        else:  # the matrix is diagonal: a multiplication
            diagonal = adjacency.diagonal() if edges is None else adjacency
            y = torch.addcmul(x @ passed, (diagonal - 1).unsqueeze(-1) * self.modulation, x @ own)
        y = torch.addcmul(y, self.alpha * self.modulation, projected)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """Channels, skeleton and rule."""
        return super().extra_repr() + (", neighbours=True" if self.neighbours else "")
