"""Graph convolutions that differ in what shares a weight: all edges, those of a joint, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from skelgraph.errors import unknown_name
from skelgraph.nn.adjacency import graph_matrix, self_and_neighbours
from skelgraph.nn.conditional_adjacency import ConditionalAdjacency, ExpertMode
from skelgraph.nn.conv.skeleton_conv import SkeletonConv, per_joint
from skelgraph.ops import mix
from skelgraph.ops.mix import Order
from skelgraph.topology import SkeletonLike


def _whole(num_joints: int) -> Tensor:
    return torch.ones(1, num_joints, num_joints)


def _self_upper_lower(num_joints: int) -> Tensor:
    ones = torch.ones(num_joints, num_joints)
    return torch.stack([torch.eye(num_joints), ones.triu(1), ones.tril(-1)])


def _by_sender(num_joints: int) -> Tensor:
    return torch.eye(num_joints).unsqueeze(1).repeat(1, num_joints, 1)


class _Rule(NamedTuple):
    """How the adjacency is split, and whose the weights are: of all joints, the sender or the receiver."""

    partition: Callable[[int], Tensor]
    owner: Literal["all", "sender", "receiver"]


SHARING: dict[str, _Rule] = {
    "vanilla": _Rule(_whole, "all"),
    "dc_vanilla": _Rule(self_and_neighbours, "all"),
    "preagg": _Rule(_whole, "sender"),
    "dc_preagg": _Rule(self_and_neighbours, "sender"),
    "postagg": _Rule(_whole, "receiver"),
    "dc_postagg": _Rule(self_and_neighbours, "receiver"),
    "convst": _Rule(_self_upper_lower, "all"),
    "nosharing": _Rule(_by_sender, "receiver"),
}
_ORDER: dict[str, Order] = {"all": "auto", "sender": "transform", "receiver": "aggregate"}


class WeightSharingConv(SkeletonConv):
    r"""Graph convolutions of `"A Comprehensive Study of Weight Sharing in Graph Networks for 3D Human Pose Estimation"
    <https://www.ecva.net/papers/eccv_2020/papers_ECCV/papers/123550324.pdf>`_ (ECCV 2020), from one weight for all
    edges to one for each.

    .. math::
        \mathbf{y}_i = \sum_j q_{ij} \, \mathbf{x}_j \mathbf{W}_{ij} + \mathbf{b}

    =================  ================================================================  =======================
    ``sharing``        :math:`\mathbf{W}_{ij}` is                                        shape of ``weight``
    =================  ================================================================  =======================
    ``"vanilla"``      one matrix (full sharing)                                         ``(1, C_in, C_out)``
    ``"preagg"``       the sender's (pre-aggregation)                                    ``(1, J, C_in, C_out)``
    ``"postagg"``      the receiver's (post-aggregation)                                 ``(1, J, C_in, C_out)``
    ``"dc_..."``       as the above, with another one for :math:`i = j` (decoupled)      2 in place of 1
    ``"convst"``       one each for :math:`j = i`, :math:`j > i`, :math:`j < i`          ``(3, C_in, C_out)``
    ``"nosharing"``    its own; that of :math:`j` to :math:`i` is ``weight[j, i]``       ``(J, J, C_in, C_out)``
    =================  ================================================================  =======================

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output.
        skeleton: Skeleton or layout name.
        sharing: A name of the table.
        bias: Add a learned bias per channel.
        adjacency: The matrix ``(J, J)`` of :math:`q_{ij}`; by default the row-normalised bones with self loops.
        num_experts: If positive, the matrix depends on the pose: see :class:`~skelgraph.nn.ConditionalAdjacency`, also
            for the following arguments.
        expert_mode: How the experts act on the adjacency.
        symmetric: Symmetrise the matrix of every pose; without experts it stays as it is.
        routing_dropout: Dropout rate at the gate of the experts.

    Shapes:
        - input: ``(..., J, C_in)`` or ``(B * J, C_in)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``
        - ``bias`` ``(C_out)``; with experts ``conditional.experts`` ``(num_experts, J, J)`` and ``conditional.routing``

    Raises:
        ValueError: If the input is not on this skeleton or has other channels.
        SkelgraphError: If ``sharing`` or ``expert_mode`` is unknown, or the adjacency has another shape.

    Initialisation: ``weight`` Xavier-uniform over the whole tensor with gain 1.414; bias uniform within ``1 /
    sqrt(weight.size(2))``.

    Code and paper: ``"nosharing"`` takes the adjacency transposed, as released (``adjacency=A.T`` undoes it).
    ``"convst"`` follows the joint numbering, as released; on bones alone it is towards and away from the root wherever
    parents come before their children. The released ``"postagg"`` cannot run; this is what its equation says. The
    released ``"preagg"`` ignores its experts: for its weights set ``num_experts=0``.

    Example:
        >>> conv = WeightSharingConv(2, 8, "h36m17", sharing="dc_preagg", num_experts=4)
        >>> conv(torch.randn(4, 17, 2)).shape
        torch.Size([4, 17, 8])
    """

    adjacency: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        skeleton: SkeletonLike,
        sharing: str = "dc_preagg",
        bias: bool = True,
        adjacency: Tensor | None = None,
        num_experts: int = 0,
        expert_mode: ExpertMode = "add",
        symmetric: bool = True,
        routing_dropout: float = 0.2,
    ) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        if sharing not in SHARING:
            raise unknown_name("sharing", sharing, SHARING)
        self.sharing = sharing
        rule, num_joints = SHARING[sharing], self.skeleton.num_joints
        matrix = graph_matrix(self.skeleton, adjacency)
        matrix = matrix.t() if sharing == "nosharing" else matrix
        partition = rule.partition(num_joints)
        self.order = _ORDER[rule.owner]
        self.register_buffer("adjacency", None if num_experts else matrix * partition, persistent=False)
        self.conditional = (
            ConditionalAdjacency(
                in_channels, matrix, partition, num_experts, expert_mode, symmetric, dropout=routing_dropout
            )
            if num_experts
            else None
        )
        self.weight = nn.Parameter(_empty_weight(rule.owner, len(partition), num_joints, in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    @per_joint
    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``."""
        adjacency = self.adjacency if self.conditional is None else self.conditional(x)
        return mix(x, self.weight, adjacency, bias=self.bias, order=self.order)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{super().extra_repr()}, sharing={self.sharing}"


def _empty_weight(owner: str, parts: int, num_joints: int, in_channels: int, out_channels: int) -> Tensor:
    """Weights ``(K, [J,] C_in, C_out)``; those per joint lie in memory in the order in which the product reads them, so
    that no forward pass copies these large tensors."""
    if owner == "all":
        return torch.empty(parts, in_channels, out_channels)
    if owner == "sender":
        return torch.empty(num_joints, in_channels, parts, out_channels).movedim(2, 0)
    return torch.empty(num_joints, parts, in_channels, out_channels).transpose(0, 1)
