"""Regular-splitting graph convolution of RS-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelgraph.nn.adjacency import ModulatedAdjacency, graph_matrix, identity, learned_edges, self_and_neighbours
from skelgraph.nn.conv.high_order_graph_conv import Reduce, hop_groups
from skelgraph.nn.conv.skeleton_conv import SkeletonConv
from skelgraph.nn.features import accepts_flat_batch
from skelgraph.ops import EdgePattern, SparseAdjacency, empty_weight, graph_conv
from skelgraph.options import Amount, Channels
from skelgraph.topology import GraphLike


class RegularSplittingConv(SkeletonConv):
    r"""Regular-splitting graph convolution of `"Regular Splitting Graph Network for 3D Human Pose Estimation"
    <https://arxiv.org/abs/2305.05785>`_ (IEEE TIP 2023): a modulated graph convolution for each of the hops 0 to K, and
    an initial residual connection with weights of its own.

    .. math::
        \mathbf{Y} = \big\Vert_{k=0}^{K} \,
        (\hat{\mathbf{A}}_k \odot \mathbf{I}) (\mathbf{M}_k \odot \mathbf{X} \mathbf{W}_{2k})
        + (\hat{\mathbf{A}}_k \odot (\mathbf{1} - \mathbf{I})) (\mathbf{M}_k \odot \mathbf{X} \mathbf{W}_{2k+1})
        + \mathbf{X}_0 \mathbf{V}_k + \mathbf{b}

    with the symmetric :math:`\hat{\mathbf{A}}_k` of :class:`~skelgraph.nn.ModulatedAdjacency`: the ``k``-th power
    of the symmetrically normalised bones and a learned offset. With ``reduce="sum"`` the hops are added up. The initial
    features go through one linear map beside :func:`~skelgraph.ops.graph_conv`: nothing moves between joints there.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output, of all hops together.
        skeleton: Skeleton, layout name or :class:`~skelgraph.topology.Graph`.
        bias: Add a learned bias per channel.
        num_hops: The highest hop K.
        reduce: Concatenate (``"cat"``) or add up (``"sum"``) the hops.
        dense: Work with matrices or on the edges alone; by default on the edges where the matrices would have more than
            2**17 entries. On edges, pairs that no walk of ``k`` bones joins have no offset of hop ``k``: the layer
            equals the one of matrices whose offsets are zero there.

    Shapes:
        - input: features ``(..., J, C_in)`` or ``(B * J, C_in)``, and initial features of the same shape (the input
          itself if not given)
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``
        - with ``C = C_out / (K + 1)``, or ``C = C_out`` for the sum: ``weight`` ``(2 * (K + 1), C_in, C)``,
          ``initial_weight`` ``(K + 1, C_in, C)``, ``modulation`` ``(K + 1, J, C)``, ``affinity.offset``
          ``(K + 1, J, J)``, ``bias`` ``(C_out)``; on edges ``affinity.offset`` ``(E)``, hop by hop and row by row, for
          the non-zero entries of each power, their reverse and the self loops

    Raises:
        SkelgraphError: If an input is not on this skeleton or has other channels, the hops cannot share
            ``out_channels`` evenly, or ``reduce`` is unknown.

    Initialisation: ``weight``, ``initial_weight`` and ``modulation`` Xavier-uniform over whole tensors with gain 1.414,
    bounds ``1.414 * sqrt(6 / (C * (C_in + n)))`` with ``n`` matrices and ``1.414 * sqrt(6 / (C * (J + K + 1)))``;
    offset 1e-6; bias uniform within ``1 / sqrt(C)``.

    Code and paper: the paper unshares the weights before aggregation; the released code shares them and modulates them
    per joint. Through the offset hop 0 has learned links between joints, and odd hops have self loops.

    Example:
        >>> conv = RegularSplittingConv(2, 8, "h36m16")
        >>> conv(torch.randn(4, 16, 2), torch.randn(4, 16, 2)).shape
        torch.Size([4, 16, 8])
    """

    partition: Tensor

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        skeleton: GraphLike,
        bias: bool = True,
        num_hops: Amount = 3,
        reduce: Reduce = "cat",
        dense: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        self.groups, width = hop_groups(out_channels, num_hops, reduce)
        self.num_hops, self.reduce = num_hops, reduce
        num_joints, num_terms = self.skeleton.num_joints, num_hops + 1
        self.dense = self.choose_dense(2 * num_terms, dense)
        bones = graph_matrix(self.skeleton, sparse=not self.dense, normalization="sym", self_loops=False).double()
        if self.dense:
            self.affinity = ModulatedAdjacency(torch.stack([bones.matrix_power(k) for k in range(num_terms)]))
        else:
            edges, values = power_edges(bones, num_hops)
            self.affinity = ModulatedAdjacency(values, edges=edges)
        self.weight = nn.Parameter(empty_weight(2 * num_terms, in_channels, width))
        self.initial_weight = nn.Parameter(empty_weight(num_terms, in_channels, width))
        self.modulation = nn.Parameter(torch.empty(num_terms, num_joints, width))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.register_buffer("partition", self_and_neighbours(num_joints) if self.dense else None, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as released."""
        super().reset_parameters()
        for weight in (self.initial_weight, self.modulation):
            nn.init.xavier_uniform_(weight, gain=1.414)

    @accepts_flat_batch
    def forward(self, x: Tensor, x0: Tensor | None = None) -> Tensor:
        """Map ``(..., J, C_in)`` and initial features ``(..., J, C_in)`` to ``(..., J, C_out)``."""
        adjacency = self.affinity()
        if not isinstance(adjacency, SparseAdjacency):
            adjacency = (adjacency.unsqueeze(1) * self.partition).flatten(0, 1)
        modulation = self.modulation.repeat_interleave(2, dim=0)
        y = graph_conv(x, self.weight, adjacency, modulation=modulation, bias=self.bias, groups=self.groups)
        concatenate = self.reduce == "cat"
        initial = self.initial_weight.movedim(0, 1).flatten(1) if concatenate else self.initial_weight.sum(dim=0)
        return y + (x if x0 is None else x0) @ initial

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{super().extra_repr()}, num_hops={self.num_hops}, reduce={self.reduce}"


def power_edges(matrix: Tensor, degree: int) -> tuple[EdgePattern, Tensor]:
    """The edges on which the powers 0 to ``degree`` of a sparse matrix are learned, each split into self loops and the
    rest, and their values."""
    num_nodes = len(matrix)
    power, index, values = identity(num_nodes, sparse=True).to(matrix.dtype), [], []
    for k in range(degree + 1):
        power = power if k == 0 else torch.sparse.mm(power, matrix).coalesce()
        receiver, sender, fixed = learned_edges(power, symmetric=True)
        index.append(torch.stack([2 * k + (receiver != sender), receiver, sender]))
        values.append(fixed)
    return EdgePattern(torch.cat(index, dim=1), (2 * degree + 2, num_nodes, num_nodes)), torch.cat(values)
