"""Modulated graph convolution of Modulated GCN."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from skelgraph.nn.adjacency import ModulatedAdjacency
from skelgraph.nn.conv.skeleton_conv import SkeletonConv
from skelgraph.nn.edges import LearnOn, graph_edges, is_neighbour
from skelgraph.nn.features import accepts_flat_batch
from skelgraph.ops import empty_weight, graph_conv
from skelgraph.options import Channels
from skelgraph.topology import GraphLike

ModulationInit = Literal["ones", "xavier"]


class ModulatedGraphConv(SkeletonConv):
    r"""Modulated graph convolution of `"Modulated Graph Convolutional Network for 3D Human Pose Estimation"
    <https://openaccess.thecvf.com/content/ICCV2021/html/Zou_Modulated_Graph_Convolutional_Network_for_3D_Human_Pose_Estimation_ICCV_2021_paper.html>`_
    (ICCV 2021): every joint modulates the shared weights, and the adjacency is learned beyond the bones.

    .. math::
        \mathbf{Y} = (\hat{\mathbf{A}} \odot \mathbf{I}) (\mathbf{M} \odot \mathbf{X} \mathbf{W}_0)
        + (\hat{\mathbf{A}} \odot (\mathbf{1} - \mathbf{I})) (\mathbf{M} \odot \mathbf{X} \mathbf{W}_1) + \mathbf{b}

    with the symmetric :math:`\hat{\mathbf{A}}` of :class:`~skelgraph.nn.ModulatedAdjacency`: the row-normalised
    bones, the identity and a learned offset.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output.
        skeleton: Skeleton, layout name or :class:`~skelgraph.topology.Graph`.
        bias: Add a learned bias per channel.
        adjacency: The fixed matrix ``(J, J)`` in place of the bones and the identity.
        symmetric: Symmetrise the adjacency.
        modulation_init: ``"ones"`` as in the authors' network for ground-truth keypoints, ``"xavier"`` (uniform, gain
            1.414) as in their network for detected ones.
        learn_on: ``"pairs"``: an offset for every pair of joints, as released. ``"edges"``: one for every edge, and 0
            for the other pairs; the number of parameters grows with the edges, for large graphs.
        dense: How the layer computes: ``True``: dense matrices, ``False``: edge lists (needs ``learn_on="edges"``),
            ``None``: dense for pairs, for edges up to 2**17 entries. Parameters and answers are the same.

    Shapes:
        - input: ``(..., J, C_in)`` or ``(B * J, C_in)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``
        - ``weight`` ``(2, C_in, C_out)``, ``modulation`` ``(J, C_out)``, ``affinity.offset`` ``(J, J)``, ``bias``
          ``(C_out)``; learned on edges ``affinity.offset`` ``(E)``, row by row, for the non-zero entries of the fixed
          matrix, their reverse if ``symmetric``, and the self loops

    Raises:
        SkelgraphError: If the input is not on this skeleton or has other channels, or ``modulation_init`` is unknown.
        TopologyError: If the adjacency has another shape.

    Initialisation: ``weight`` Xavier-uniform over the whole 3-D tensor with gain 1.414, so its bound is ``1.414 *
    sqrt(6 / (C_out * (C_in + 2)))``; offset 1e-6; bias uniform within ``1 / sqrt(C_out)``.

    Code and paper: the modulation acts on the sending joint. The rows of the bones and the identity sum to 2, and the
    offset changes the self loops too.

    Example:
        >>> conv = ModulatedGraphConv(2, 8, "h36m17")
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
        symmetric: bool = True,
        modulation_init: ModulationInit = "ones",
        learn_on: LearnOn = "pairs",
        dense: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        self.modulation_init = modulation_init
        self.dense = self.choose_dense(2, dense, learn_on)
        edges = graph_edges(self.skeleton, adjacency, self_loops=False)
        if adjacency is None:
            edges = edges.with_identity()
        fixed, partition = edges.learned(is_neighbour, 2, learn_on, self.dense, symmetric)
        self.affinity = ModulatedAdjacency(fixed, symmetric, partition)
        self.weight = nn.Parameter(empty_weight(2, in_channels, out_channels))
        self.modulation = nn.Parameter(torch.empty(self.num_nodes, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as released."""
        super().reset_parameters()
        if self.modulation_init == "ones":
            nn.init.ones_(self.modulation)
        else:
            nn.init.xavier_uniform_(self.modulation, gain=1.414)

    @accepts_flat_batch
    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``."""
        return graph_conv(x, self.weight, self.affinity(), modulation=self.modulation, bias=self.bias)
