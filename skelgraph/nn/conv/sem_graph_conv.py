"""Semantic graph convolution and its channel-wise variant."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skelgraph.nn.adjacency import AddedEdges, SoftmaxAdjacency
from skelgraph.nn.conv.skeleton_conv import SkeletonConv
from skelgraph.nn.edges import graph_edges, is_neighbour, self_and_neighbours
from skelgraph.nn.features import accepts_flat_batch
from skelgraph.ops import EdgePattern, graph_conv
from skelgraph.options import Channels
from skelgraph.topology import GraphLike


class SemGraphConv(SkeletonConv):
    r"""Semantic graph convolution of `"Semantic Graph Convolutional Networks for 3D Human Pose Regression"
    <https://arxiv.org/abs/1904.03345>`_ (CVPR 2019): learned edge weights, one weight for self and one for neighbours.

    .. math::
        \mathbf{Y} = (\mathbf{S} \odot \mathbf{I}) \mathbf{X} \mathbf{W}_0
        + (\mathbf{S} \odot (\mathbf{1} - \mathbf{I})) \mathbf{X} \mathbf{W}_1 + \mathbf{b}, \qquad
        \mathbf{S} = \mathrm{softmax}_{\mathrm{row}}(\mathbf{E})

    with one learned logit :math:`e_{ij}` per bone and self loop in :math:`\mathbf{E}`.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output.
        skeleton: Skeleton, layout name or :class:`~skelgraph.topology.Graph`.
        bias: Add a learned bias per channel.
        adjacency: Matrix ``(J, J)`` whose non-zero entries are the edges, self loops among them; by default the bones
            and the self loops, of a graph its edges as they are. A joint without any attends to all joints alike.
        dense: How the layer computes: ``True``: dense matrices, ``False``: edge lists, ``None``: dense up to 2**17
            entries. Parameters and answers are the same.

    Shapes:
        - input: ``(..., J, C_in)`` or ``(B * J, C_in)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``
        - ``weight`` ``(2, C_in, C_out)``, ``attention.logits`` ``(1, edges)``, by default ``2 * bones + J`` edges;
          ``bias`` ``(C_out)``

    Raises:
        SkelgraphError: If the input is not on this skeleton or has other channels.
        TopologyError: If the adjacency has another shape.

    Initialisation: ``weight`` Xavier-uniform over the whole 3-D tensor with gain 1.414, so its bound is ``1.414 *
    sqrt(6 / (C_out * (C_in + 2)))``; logits 1; bias uniform within ``1 / sqrt(C_out)``.

    Code and paper: one softmax runs over self and neighbours together and is split afterwards, as released. The
    logits belong to the edges of one graph; batches of different graphs go through a layer that has none:
    :class:`~skelgraph.nn.ChebyshevGraphConv` or :class:`~skelgraph.nn.WeightSharingConv` with ``"dc_vanilla"``.

    Example:
        >>> conv = SemGraphConv(2, 8, "h36m17")
        >>> conv(torch.randn(4, 17, 2)).shape
        torch.Size([4, 17, 8])
    """

    channelwise = False
    """Whether every output channel has edge weights of its own."""

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        skeleton: GraphLike,
        bias: bool = True,
        adjacency: Tensor | None = None,
        dense: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        self.dense = self.choose_dense(2, dense)
        edges = graph_edges(self.skeleton, adjacency).pattern(is_neighbour, 2, self.dense)
        # joints without edges attend to all alike, as the masked softmax of the released code does
        everywhere = self_and_neighbours(self.num_nodes) if self.dense else None
        channels = out_channels if self.channelwise else None
        self.attention = SoftmaxAdjacency(edges, channels, over_partitions=True, empty_rows=everywhere)
        self.uniform = None if self.dense else uniform_rows(edges)
        self.weight = nn.Parameter(torch.empty(2, in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    @accepts_flat_batch
    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``."""
        # S * I and S * (1 - I), the two partitions of one softmax over the edges of every joint
        adjacency = self.attention()
        if self.uniform is not None:  # on lists, joints without edges receive from the mean joint, a further sender
            x, adjacency = torch.cat([x, x.mean(dim=-2, keepdim=True)], dim=-2), self.uniform(adjacency)
        # sum_k A_k X W_k + b
        return graph_conv(x, self.weight, adjacency, bias=self.bias, channelwise=self.channelwise)


class SemCHGraphConv(SemGraphConv):
    r"""Channel-wise semantic graph convolution of the same paper: every output channel learns edge weights of its own.

    .. math::
        \mathbf{y}^c = (\mathbf{S}^c \odot \mathbf{I}) \mathbf{X} \mathbf{w}_0^c
        + (\mathbf{S}^c \odot (\mathbf{1} - \mathbf{I})) \mathbf{X} \mathbf{w}_1^c + b^c

    Arguments, shapes and errors as :class:`SemGraphConv`, but ``attention.logits`` is ``(C_out, edges)`` and
    the bias starts uniform within ``1 / sqrt(C_in)``. Shipped by the authors, not used by their network.

    Example:
        >>> SemCHGraphConv(2, 8, "h36m17")(torch.randn(4, 17, 2)).shape
        torch.Size([4, 17, 8])
    """

    channelwise = True

    def reset_parameters(self) -> None:
        """Initialise as released."""
        super().reset_parameters()
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_channels)
            nn.init.uniform_(self.bias, -bound, bound)


def uniform_rows(edges: EdgePattern) -> AddedEdges | None:
    """Let the joints without edges attend to all joints alike, as the masked softmax of the released code does.

    Not by an edge from every joint, but by three for each such joint: the mean of all joints is a further sender, which
    goes to the neighbours' weight, and the joint's own share of it moves from there to the weight of self loops.
    """
    _, receiver, _ = edges.index
    size = edges.size[1]
    alone = (receiver.bincount(minlength=size) == 0).nonzero().flatten()
    if not len(alone):
        return None
    part = torch.tensor([1, 1, 0], device="cpu").repeat_interleave(len(alone))
    sender = torch.cat([torch.full_like(alone, size), alone, alone])
    shares = torch.tensor([1, -1 / size, 1 / size], dtype=torch.float64, device="cpu").repeat_interleave(len(alone))
    return AddedEdges(torch.stack([part, alone.repeat(3), sender]), shares, (2, size, size + 1), edges)
