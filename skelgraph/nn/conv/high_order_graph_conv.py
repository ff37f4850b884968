"""High-order graph convolution of HGCN."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.nn.adjacency import SoftmaxAdjacency
from skelgraph.nn.conv.skeleton_conv import SkeletonConv
from skelgraph.nn.features import accepts_flat_batch
from skelgraph.ops import EdgePattern, empty_weight, graph_conv
from skelgraph.options import Amount, Channels
from skelgraph.topology import Graph, GraphLike, Skeleton, as_graph

Hops = Literal["walk", "exact", "within"]
HopFusion = Literal["cat", "sum"]


class HighOrderGraphConv(SkeletonConv):
    r"""High-order graph convolution of `"High-order Graph Convolutional Networks for 3D Human Pose Estimation"
    <https://www.bmvc2020-conference.com/assets/papers/0550.pdf>`_ (BMVC 2020): one weight and one learned adjacency for
    each of the hops 0 to K.

    .. math::
        \mathbf{Y} = \big\Vert_{k=0}^{K} \, \mathbf{S}_k \mathbf{X} \mathbf{W}_k + \mathbf{b}, \qquad
        \mathbf{S}_k = \mathrm{softmax}_{\mathrm{row}}(\mathbf{E}_k)

    with one learned logit in :math:`\mathbf{E}_k` for every pair of joints that are ``k`` hops apart; a joint without
    such neighbours receives nothing from hop ``k``. With ``reduce="sum"`` the hops are added up.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output, of all hops together.
        skeleton: Skeleton, layout name or :class:`~skelgraph.topology.Graph`; only its bones or edges count, not their
            weights, nor self loops.
        bias: Add a learned bias per channel.
        num_hops: The highest hop K.
        hops: What "``k`` hops apart" means: joined by a walk of exactly ``k`` bones (``"walk"``, as released), at
            distance ``k`` (``"exact"``, as published) or at most ``k`` (``"within"``).
        reduce: Concatenate (``"cat"``) or add up (``"sum"``) the hops.
        dense: How the layer computes: ``True``: dense matrices, ``False``: edge lists, ``None``: dense up to 2**17
            entries. Parameters and answers are the same.

    Shapes:
        - input: ``(..., J, C_in)`` or ``(B * J, C_in)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``
        - ``weight`` ``(K + 1, C_in, C)`` with ``C = C_out / (K + 1)``, or ``C = C_out`` for the sum;
          ``attention.logits`` ``(1, pairs)``, hop by hop and row by row; ``bias`` ``(C_out)``

    Raises:
        SkelgraphError: If the input is not on this skeleton or has other channels, the hops cannot share
            ``out_channels`` evenly, or an option is unknown.

    Initialisation: ``weight`` Xavier-uniform over the whole 3-D tensor with gain 1.414, so its bound is ``1.414 *
    sqrt(6 / (C * (C_in + K + 1)))``; logits 1; bias uniform within ``1 / sqrt(C)``.

    Code and paper: the paper aggregates over neighbours at distance ``k``; the released code takes powers of the
    adjacency, so that hop 2 contains the joint itself and hop 3 its direct neighbours. Their values are not used. The
    logits of hop 0 have no effect (a softmax over one entry).

    Example:
        >>> conv = HighOrderGraphConv(2, 8, "h36m17", hops="exact")
        >>> conv(torch.randn(4, 17, 2)).shape
        torch.Size([4, 17, 8])
    """

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        skeleton: GraphLike,
        bias: bool = True,
        num_hops: Amount = 3,
        hops: Hops = "walk",
        reduce: HopFusion = "cat",
        dense: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        self.groups, width = hop_groups(out_channels, num_hops, reduce)
        self.num_hops, self.hops, self.reduce = num_hops, hops, reduce
        self.dense = self.choose_dense(num_hops + 1, dense)
        edges = hop_pattern(self.skeleton, num_hops, hops, self.dense)
        self.attention = SoftmaxAdjacency(edges)
        self.weight = nn.Parameter(empty_weight(num_hops + 1, in_channels, width))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    @accepts_flat_batch
    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``."""
        return graph_conv(x, self.weight, self.attention(), bias=self.bias, groups=self.groups)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{super().extra_repr()}, num_hops={self.num_hops}, hops={self.hops}, reduce={self.reduce}"


def hop_pattern(skeleton: Skeleton | Graph, num_hops: int, hops: Hops, dense: bool) -> EdgePattern:
    """The pairs that are 0 to ``num_hops`` hops apart, one partition for each hop."""
    num_nodes = skeleton.num_joints
    pairs = [as_graph(skeleton).hop_edges(k, hops).flip(0) for k in range(num_hops + 1)]
    parts = [torch.full_like(edges[:1], k) for k, edges in enumerate(pairs)]
    index = torch.cat([torch.cat(parts, dim=1), torch.cat(pairs, dim=1)])
    return EdgePattern(index, (num_hops + 1, num_nodes, num_nodes), dense)


def hop_groups(out_channels: int, num_hops: int, reduce: HopFusion) -> tuple[int, int]:
    """Number of concatenated results of a layer over the hops 0 to ``num_hops``, and the channels of each.

    Raises:
        SkelgraphError: If the channels cannot be divided among them.
    """
    groups = num_hops + 1 if reduce == "cat" else 1
    if out_channels % groups:
        raise SkelgraphError(
            f"out_channels is {out_channels}; expected a multiple of {groups}, to concatenate the hops 0 to {num_hops}"
        )
    return groups, out_channels // groups
