"""Regular-splitting graph convolution of RS-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelgraph.fixed import on_cpu
from skelgraph.nn.adjacency import ModulatedAdjacency
from skelgraph.nn.conv.high_order_graph_conv import HopFusion, hop_groups
from skelgraph.nn.conv.skeleton_conv import SkeletonConv
from skelgraph.nn.edges import Edges, LearnOn, graph_edges, is_neighbour, self_and_neighbours
from skelgraph.nn.features import accepts_flat_batch
from skelgraph.ops import EdgePattern, empty_weight, graph_conv
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
    features go through one linear map of their own, applied to each joint alone, without aggregation.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output, of all hops together.
        skeleton: Skeleton, layout name or :class:`~skelgraph.topology.Graph`.
        bias: Add a learned bias per channel.
        num_hops: The highest hop K.
        reduce: Concatenate (``"cat"``) or add up (``"sum"``) the hops.
        learn_on: ``"pairs"``: an offset for every pair of joints, as released. ``"edges"``: one for every pair that
            a walk of ``k`` bones joins, and 0 for the others; for large graphs.
        dense: How the layer computes: ``True``: dense matrices, ``False``: edge lists (needs ``learn_on="edges"``),
            ``None``: dense for pairs, for edges up to 2**17 entries. Parameters and answers are the same.

    Shapes:
        - input: features ``(..., J, C_in)`` or ``(B * J, C_in)``, and initial features of the same shape (the input
          itself if not given)
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``
        - with ``C = C_out / (K + 1)``, or ``C = C_out`` for the sum: ``weight`` ``(2 * (K + 1), C_in, C)``,
          ``initial_weight`` ``(K + 1, C_in, C)``, ``modulation`` ``(K + 1, J, C)``, ``affinity.offset``
          ``(K + 1, J, J)``, ``bias`` ``(C_out)``; learned on edges ``affinity.offset`` ``(E)``, hop by hop and row by
          row, for the non-zero entries of each power, their reverse and the self loops

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

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        skeleton: GraphLike,
        bias: bool = True,
        num_hops: Amount = 3,
        reduce: HopFusion = "cat",
        learn_on: LearnOn = "pairs",
        dense: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        self.groups, width = hop_groups(out_channels, num_hops, reduce)
        self.num_hops, self.reduce = num_hops, reduce
        num_terms = num_hops + 1
        self.dense = self.choose_dense(2 * num_terms, dense, learn_on)
        bones = graph_edges(self.skeleton, normalization="sym", self_loops=False)
        powers = powers_of(bones.double(), num_hops)
        if learn_on == "pairs":
            fixed = torch.stack([power.to_matrix() for power in powers])
            self.affinity = ModulatedAdjacency(fixed, partition=self_and_neighbours(self.num_nodes))
        else:
            values, edges = split_edges(powers, self.dense)
            self.affinity = ModulatedAdjacency(values, partition=edges)
        self.weight = nn.Parameter(empty_weight(2 * num_terms, in_channels, width))
        self.initial_weight = nn.Parameter(empty_weight(num_terms, in_channels, width))
        self.modulation = nn.Parameter(torch.empty(num_terms, self.num_nodes, width))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as released."""
        super().reset_parameters()
        for weight in (self.initial_weight, self.modulation):
            nn.init.xavier_uniform_(weight, gain=1.414)

    @accepts_flat_batch
    def forward(self, x: Tensor, x0: Tensor | None = None) -> Tensor:
        """Map ``(..., J, C_in)`` and initial features ``(..., J, C_in)`` to ``(..., J, C_out)``."""
        modulation = self.modulation.repeat_interleave(2, dim=0)
        y = graph_conv(x, self.weight, self.affinity(), modulation=modulation, bias=self.bias, groups=self.groups)
        if self.reduce == "cat":  # the maps V_k of all hops side by side
            initial = self.initial_weight.movedim(0, 1).flatten(1)
        else:
            initial = self.initial_weight.sum(dim=0)
        return y + (x if x0 is None else x0) @ initial

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{super().extra_repr()}, num_hops={self.num_hops}, reduce={self.reduce}"


@on_cpu
def powers_of(edges: Edges, degree: int) -> list[Edges]:
    """The edges of the powers 0 to ``degree`` of a matrix."""
    node, size = torch.arange(edges.num_nodes), (edges.num_nodes, edges.num_nodes)
    matrix = torch.sparse_coo_tensor(
        torch.stack([edges.receiver, edges.sender]), edges.values, size, check_invariants=False
    )
    power = torch.sparse_coo_tensor(
        torch.stack([node, node]), torch.ones_like(node, dtype=edges.values.dtype), size, check_invariants=False
    )
    powers = [Edges.of_matrix(power)]
    for _ in range(degree):
        power = torch.sparse.mm(power, matrix)
        powers.append(Edges.of_matrix(power))
    return powers


def split_edges(powers: list[Edges], dense: bool) -> tuple[Tensor, EdgePattern]:
    """Values and pattern of the edges on which the powers are learned, each split into self loops and the rest."""
    hops, num_nodes = [power.closed(symmetric=True) for power in powers], powers[0].num_nodes
    index = [torch.stack([2 * k + is_neighbour(*hop[:2]), *hop[:2]]) for k, hop in enumerate(hops)]
    size = (2 * len(hops), num_nodes, num_nodes)
    return torch.cat([hop.values for hop in hops]), EdgePattern(torch.cat(index, dim=1), size, dense)
