"""Semantic graph convolution and its channel-wise variant."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from skelgraph.nn.adjacency import (
    SoftmaxAdjacency,
    edge_list,
    graph_matrix,
    self_and_neighbour_edges,
    self_and_neighbours,
)
from skelgraph.nn.conv.skeleton_conv import SkeletonConv
from skelgraph.nn.features import accepts_flat_batch
from skelgraph.ops import EdgePattern, SparseAdjacency, graph_conv
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
        dense: Work with matrices or on the edges alone; by default on the edges where the matrices would have more than
            2**17 entries.

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

    partition: Tensor

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
        if self.dense:
            self.attention = SoftmaxAdjacency(graph_matrix(self.skeleton, adjacency), channels=self._num_graphs())
        else:
            receiver, sender, _ = edge_list(graph_matrix(self.skeleton, adjacency, sparse=True))
            edges = self_and_neighbour_edges(receiver, sender, self.num_nodes)
            self.attention = SoftmaxAdjacency(edges, channels=self._num_graphs(), across=True)
            self._add_uniform_rows(edges)
        self.weight = nn.Parameter(torch.empty(2, in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        partition = self_and_neighbours(self.skeleton.num_joints) if self.dense else None
        self.register_buffer("partition", partition, persistent=False)
        self.reset_parameters()

    def _num_graphs(self) -> int:
        return 1

    def _add_uniform_rows(self, edges: EdgePattern) -> None:
        """Let the joints without edges attend to all joints alike by three edges each, not by one from every joint:
        the mean joint, a further sender, goes to the neighbours' weight, the joint itself from there to its own."""
        size = self.num_nodes
        alone = (edges.index[1].bincount(minlength=size) == 0).nonzero().flatten()
        self.edges: EdgePattern | None = None
        if not len(alone):
            return
        partition = torch.tensor([[1], [1], [0]], device=alone.device).expand(3, len(alone))
        sender = torch.stack([torch.full_like(alone, size), alone, alone])
        added = torch.stack([partition.flatten(), alone.repeat(3), sender.flatten()])
        self.edges = EdgePattern(torch.cat([edges.index, added], dim=1), (2, size, size + 1))
        shares = torch.tensor([1, -1 / size, 1 / size], dtype=torch.float64, device=alone.device)
        self.register_exact("shares", shares.repeat_interleave(len(alone)))

    def _on_edges(self, x: Tensor, attention: SparseAdjacency) -> tuple[Tensor, SparseAdjacency]:
        """The senders and their edges, those of joints without edges among them."""
        if self.edges is None:
            return x, attention
        values = attention.values
        values = torch.cat([values, self.exact("shares").expand(*values.shape[:-1], -1)], dim=-1)
        return torch.cat([x, x.mean(dim=-2, keepdim=True)], dim=-2), self.edges(values)

    @accepts_flat_batch
    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``."""
        adjacency = self.attention()
        if isinstance(adjacency, SparseAdjacency):
            x, adjacency = self._on_edges(x, adjacency)
        else:
            adjacency = adjacency * self.partition
        return graph_conv(x, self.weight, adjacency, bias=self.bias)


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

    def _num_graphs(self) -> int:
        return self.out_channels

    def reset_parameters(self) -> None:
        """Initialise as released."""
        super().reset_parameters()
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_channels)
            nn.init.uniform_(self.bias, -bound, bound)

    @accepts_flat_batch
    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``."""
        graphs = self.attention()
        if isinstance(graphs, SparseAdjacency):
            # a list for every channel, also where there is one channel
            graphs = replace(graphs, values=graphs.values.view(self.out_channels, self.attention.logits.size(1)))
            x, graphs = self._on_edges(x, graphs)
        else:
            graphs = graphs.view(self.out_channels, *self.partition.shape[1:]) * self.partition.unsqueeze(1)
        return graph_conv(x, self.weight, graphs, bias=self.bias, channelwise=True)
