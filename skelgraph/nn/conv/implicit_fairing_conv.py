"""Higher-order implicit-fairing convolution of HOIF-Net."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.fixed import on_cpu
from skelgraph.nn.adjacency import AddedEdges
from skelgraph.nn.conv.high_order_graph_conv import HighOrderGraphConv, HopFusion, Hops, hop_pattern
from skelgraph.nn.features import accepts_flat_batch
from skelgraph.ops import EdgePattern, graph_conv
from skelgraph.options import Amount, Channels, Rate
from skelgraph.topology import GraphLike


def fairing_beta(layer: int, strength: float = 0.5) -> float:
    r"""The schedule :math:`\beta(l) = \ln(\lambda / l + 1)` that weakens deeper layers.

    Args:
        layer: Depth :math:`l` of the layer, from 1.
        strength: :math:`\lambda`.

    Raises:
        SkelgraphError: If the layer is not at least 1.
    """
    if layer < 1:
        raise SkelgraphError(f"layer is {layer}; expected at least 1")
    return math.log(strength / layer + 1)


class ImplicitFairingConv(HighOrderGraphConv):
    r"""Higher-order implicit-fairing convolution of `"Higher-Order Implicit Fairing Networks for 3D Human Pose
    Estimation" <https://arxiv.org/abs/2111.00950>`_ (BMVC 2021): high-order graph convolution of features that are
    mixed with the initial features.

    .. math::
        \mathbf{Y} = \big\Vert_{k=0}^{K} \, \beta
        \left((1 - \alpha) \mathbf{S}_k \mathbf{X} + \alpha \mathbf{X}_0\right) \mathbf{W}_k + \mathbf{b}

    with :math:`\mathbf{S}_k` as in :class:`~skelgraph.nn.HighOrderGraphConv`, whose further arguments, shapes, errors
    and initialisation it shares.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output, of all hops together.
        skeleton: Skeleton, layout name or graph, see there.
        bias: Add a learned bias per channel.
        num_hops: The highest hop K.
        hops: What "``k`` hops apart" means, see there.
        reduce: Concatenate (``"cat"``) or add up (``"sum"``) the hops.
        alpha: Share of the initial features.
        beta: Scale of the weights; :func:`fairing_beta` gives the published schedule over the layers of a network.
        dense: Work with matrices or on the edges alone, see there.

    Shapes:
        - input: features ``(..., J, C_in)`` or ``(B * J, C_in)``, and initial features of the same shape (the input
          itself if not given)
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``

    Code and paper: the released code has no identity term next to :math:`\beta \mathbf{W}_k`, so that :math:`\beta`
    rescales the weights and does not change what the layer can express; the bias is not scaled.

    Example:
        >>> conv = ImplicitFairingConv(2, 8, "h36m17", beta=fairing_beta(3))
        >>> conv(torch.randn(4, 17, 2), torch.randn(4, 17, 2)).shape
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
        alpha: Rate = 0.5,
        beta: float = fairing_beta(1),
        dense: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, skeleton, bias, num_hops, hops, reduce, dense)
        self.alpha, self.beta = alpha, beta
        edges = hop_pattern(self.skeleton, num_hops, hops, self.dense)
        self.add_own, self.add_initial = (self_edges(edges, beta * alpha, own) for own in (True, False))

    @accepts_flat_batch
    def forward(self, x: Tensor, x0: Tensor | None = None) -> Tensor:
        """Map ``(..., J, C_in)`` and initial features ``(..., J, C_in)`` to ``(..., J, C_out)``."""
        adjacency = self.beta * (1 - self.alpha) * self.attention()
        if x0 is None:
            adjacency = self.add_own(adjacency)
        else:  # the initial features of the joints send like further joints
            x, adjacency = torch.cat((x, x0), dim=-2), self.add_initial(adjacency)
        return graph_conv(x, self.weight, adjacency, bias=self.bias, groups=self.groups)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{super().extra_repr()}, alpha={self.alpha}, beta={self.beta:.4g}"


@on_cpu
def self_edges(edges: EdgePattern, value: float, own: bool) -> AddedEdges:
    """An edge from every node to itself in every partition: from the node's ``own`` features, or from its initial
    features, which are further senders."""
    num_parts, num_nodes, _ = edges.size
    part = torch.arange(num_parts).repeat_interleave(num_nodes)
    node = torch.arange(num_nodes).repeat(num_parts)
    index = torch.stack([part, node, node if own else num_nodes + node])
    values = torch.full((len(node),), value, dtype=torch.float64)
    return AddedEdges(index, values, (num_parts, num_nodes, num_nodes if own else 2 * num_nodes), edges)
