"""Regular-splitting graph convolution of RS-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelgraph.nn.adjacency import ModulatedAdjacency, self_and_neighbours
from skelgraph.nn.conv.high_order_graph_conv import Reduce, hop_groups
from skelgraph.nn.conv.skeleton_conv import SkeletonConv, per_joint
from skelgraph.ops import empty_weight, mix
from skelgraph.topology import SkeletonLike


class RegularSplittingConv(SkeletonConv):
    r"""Regular-splitting graph convolution of `"Regular Splitting Graph Network for 3D Human Pose Estimation"
    <https://arxiv.org/abs/2305.05785>`_ (IEEE TIP 2023): a modulated graph convolution for each of the hops 0 to K, and
    an initial residual connection with weights of its own.

    .. math::
        \mathbf{Y} = \big\Vert_{k=0}^{K} \,
        (\hat{\mathbf{A}}_k \odot \mathbf{I}) (\mathbf{M}_k \odot \mathbf{X} \mathbf{W}_{2k})
        + (\hat{\mathbf{A}}_k \odot (\mathbf{1} - \mathbf{I})) (\mathbf{M}_k \odot \mathbf{X} \mathbf{W}_{2k+1})
        + \mathbf{X}_0 \mathbf{V}_k + \mathbf{b}

    with the dense symmetric :math:`\hat{\mathbf{A}}_k` of :class:`~skelgraph.nn.ModulatedAdjacency`: the ``k``-th power
    of the symmetrically normalised bones and a learned offset. With ``reduce="sum"`` the hops are added up. The initial
    features go through one linear map beside :func:`~skelgraph.ops.mix`: nothing moves between joints there.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output, of all hops together.
        skeleton: Skeleton or layout name.
        bias: Add a learned bias per channel.
        num_hops: The highest hop K.
        reduce: Concatenate (``"cat"``) or add up (``"sum"``) the hops.

    Shapes:
        - input: features ``(..., J, C_in)`` or ``(B * J, C_in)``, and initial features of the same shape (the input
          itself if not given)
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``
        - with ``C = C_out / (K + 1)``, or ``C = C_out`` for the sum: ``weight`` ``(2 * (K + 1), C_in, C)``,
          ``initial_weight`` ``(K + 1, C_in, C)``, ``modulation`` ``(K + 1, J, C)``, ``affinity.offset``
          ``(K + 1, J, J)``, ``bias`` ``(C_out)``

    Raises:
        ValueError: If an input is not on this skeleton or has other channels, the hops cannot share ``out_channels``
            evenly, or ``reduce`` is unknown.
        TopologyError: If the nodes are too many for dense learned matrices (more than 2**28 entries): there is no form
            on edges, the offsets join all pairs.

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
        in_channels: int,
        out_channels: int,
        skeleton: SkeletonLike,
        bias: bool = True,
        num_hops: int = 3,
        reduce: Reduce = "cat",
    ) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        self.groups, width = hop_groups(out_channels, num_hops, reduce)
        self.num_hops, self.reduce = num_hops, reduce
        num_joints, num_terms = self.skeleton.num_joints, num_hops + 1
        self.require_dense(2 * num_terms)
        bones = self.skeleton.adjacency("sym").double()
        self.affinity = ModulatedAdjacency(torch.stack([bones.matrix_power(k) for k in range(num_terms)]))
        self.weight = nn.Parameter(empty_weight(2 * num_terms, in_channels, width))
        self.initial_weight = nn.Parameter(empty_weight(num_terms, in_channels, width))
        self.modulation = nn.Parameter(torch.empty(num_terms, num_joints, width))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.register_buffer("partition", self_and_neighbours(num_joints), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as released."""
        super().reset_parameters()
        for weight in (self.initial_weight, self.modulation):
            nn.init.xavier_uniform_(weight, gain=1.414)

    @per_joint
    def forward(self, x: Tensor, x0: Tensor | None = None) -> Tensor:
        """Map ``(..., J, C_in)`` and initial features ``(..., J, C_in)`` to ``(..., J, C_out)``."""
        adjacency = (self.affinity().unsqueeze(1) * self.partition).flatten(0, 1)
        modulation = self.modulation.repeat_interleave(2, dim=0)
        y = mix(x, self.weight, adjacency, modulation=modulation, bias=self.bias, groups=self.groups)
        concatenate = self.reduce == "cat"
        initial = self.initial_weight.movedim(0, 1).flatten(1) if concatenate else self.initial_weight.sum(dim=0)
        return y + (x if x0 is None else x0) @ initial

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{super().extra_repr()}, num_hops={self.num_hops}, reduce={self.reduce}"
