"""Graph convolution over an adjacency that is partitioned by what an edge means, in space and time."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skelgraph.errors import TopologyError
from skelgraph.fixed import on_cpu
from skelgraph.nn.conv.skeleton_conv import SkeletonConv
from skelgraph.nn.features import accepts_flat_batch
from skelgraph.ops import EdgePattern, SparseAdjacency, graph_conv
from skelgraph.options import Channels, Frames
from skelgraph.text import shown
from skelgraph.topology import Skeleton, SkeletonLike, as_skeleton


class PartitionedGraphConv(SkeletonConv):
    r"""Graph operator of `"Exploiting Spatial-temporal Relationships for 3D Pose Estimation via Graph Convolutional
    Networks" <https://openaccess.thecvf.com/content_ICCV_2019/html/Cai_Exploiting_Spatial-Temporal_Relationships_for_3D_Pose_Estimation_via_Graph_Convolutional_ICCV_2019_paper.html>`_
    (ICCV 2019) and of `"GraphMLP" <https://arxiv.org/abs/2206.06420>`_: a mean over neighbours with one weight for each
    kind of edge.

    .. math::
        \mathbf{Y} = \sum_k \mathbf{A}_k \left( \mathbf{X} \mathbf{W}_k + \mathbf{1} \mathbf{b}_k^\top \right)

    The slices :math:`\mathbf{A}_k` of :func:`partitioned_adjacency` are self, closer, further and mirror, and with
    several frames also forward and backward in time.

    Args:
        in_channels: Channels of every node at the input.
        out_channels: Channels of every node at the output.
        skeleton: Skeleton or layout name.
        bias: Add a learned bias per slice and channel; the adjacency acts on it as on the features.
        num_frames: Frames that the graph joins; node ``t * J + j`` is joint ``j`` of frame ``t``.
        center: Name or id of the joint that closer and further refer to; by default the middle of the skeleton, see
            :func:`partitioned_adjacency`.
        dense: How the layer computes: ``True``: dense matrices, ``False``: edge lists, ``None``: dense up to 2**17
            entries. Parameters and answers are the same.

    Shapes:
        - input: ``(..., num_frames * J, C_in)`` or ``(B * num_frames * J, C_in)``
        - output: ``(..., num_frames * J, C_out)`` or ``(B * num_frames * J, C_out)``
        - ``weight`` ``(K, C_in, C_out)``, ``bias`` ``(K, C_out)`` with ``K`` = 4, or 6 with several frames

    Raises:
        SkelgraphError: If the input is not on this graph or has other channels, there is no such centre joint, or
            ``num_frames`` is not positive.

    Initialisation: weights and bias uniform within ``1 / sqrt(C_in)``, as a 1x1 convolution.

    Code and paper: the released code of both divides by the number of senders to a node over all slices together, as
    here. That of GraphMLP keeps the fixed adjacency as a frozen parameter of every layer; here it is none.

    Example:
        >>> conv = PartitionedGraphConv(2, 8, "h36m17", num_frames=3)
        >>> conv(torch.randn(4, 51, 2)).shape
        torch.Size([4, 51, 8])
    """

    shares: Tensor

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        skeleton: SkeletonLike,
        bias: bool = True,
        num_frames: Frames = 1,
        center: str | int | None = None,
        dense: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        self.num_frames = num_frames
        num_parts = 4 if num_frames == 1 else 6
        self.dense = self.choose_dense(num_parts, dense)
        index, values = partitioned_edges(self.skeleton, num_frames, center, torch.get_default_dtype())
        size = (num_parts, self.num_nodes, self.num_nodes)
        edges = EdgePattern(index, size, self.dense)
        self.register_adjacency(edges, values)
        self.register_exact("shares", SparseAdjacency(index, values.double(), size).row_sums())
        self.weight = nn.Parameter(torch.empty(num_parts, in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(num_parts, out_channels)) if bias else None
        self.reset_parameters()

    @property
    def num_nodes(self) -> int:
        """Joints times frames."""
        return self.num_frames * self.skeleton.num_joints

    def reset_parameters(self) -> None:
        """Initialise as released."""
        bound = 1 / math.sqrt(self.in_channels)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    @accepts_flat_batch
    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., num_frames * J, C_in)`` to ``(..., num_frames * J, C_out)``."""
        # sum_k A_k (1 b_k) = (A_k 1)_k b: the mixed bias is one bias per node
        bias = None if self.bias is None else self.exact("shares") @ self.bias
        return graph_conv(x, self.weight, self.fixed_adjacency(), bias=bias)

    def extra_repr(self) -> str:
        """Channels, skeleton and frames."""
        return super().extra_repr() + (f", num_frames={self.num_frames}" if self.num_frames > 1 else "")


def partitioned_adjacency(
    skeleton: SkeletonLike,
    num_frames: int = 1,
    center: str | int | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Adjacency of a skeleton over one or several frames, one slice per kind of edge; every row of their sum is a mean.

    The slices are: 0 self; 1 closer: the receiver is nearer to the centre joint than the sender; 2 further: the other
    way; 3 mirror: the two joints of a symmetric pair; with several frames, 4 forward and 5 backward in time along the
    same joint.

    Args:
        skeleton: Skeleton or layout name.
        num_frames: Number of frames; node ``t * J + j`` is joint ``j`` of frame ``t``.
        center: Name or id of the centre joint. By default the topological centre of each tree, the joint from which the
            farthest one is nearest, with the smallest sum of distances among two such joints; on ``h36m17`` that is the
            spine, as published.
        dtype: Floating-point type of the matrices.

    Returns:
        ``(K, num_frames * J, num_frames * J)``, entry ``[k, i, j]`` carries node ``j`` to node ``i``; ``K`` is 4 for
        one frame, else 6.

    Raises:
        SkelgraphError: If there is no such joint, or ``num_frames`` is not positive.
    """
    index, values = partitioned_edges(skeleton, num_frames, center, dtype)
    num_nodes = num_frames * as_skeleton(skeleton).num_joints
    return SparseAdjacency(index, values, (4 if num_frames == 1 else 6, num_nodes, num_nodes)).to_dense()


@on_cpu
def partitioned_edges(
    skeleton: SkeletonLike,
    num_frames: int = 1,
    center: str | int | None = None,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """Index ``(3, E)`` and values of the edges of :func:`partitioned_adjacency`."""
    layout = as_skeleton(skeleton)
    if num_frames < 1:
        raise TopologyError(f"num_frames is {num_frames}; expected at least 1")
    num_joints, joints = layout.num_joints, torch.eye(layout.num_joints, dtype=torch.bool)
    distance = _distance_to_center(layout, center)
    mirror = torch.zeros_like(joints)  # no links where no pairs are declared
    for left, right in layout.symmetric_pairs:
        mirror[left, right] = mirror[right, left] = True
    bones = (layout.adjacency() > 0) & ~mirror  # a bone between mirrored joints counts as a mirror link
    closer = distance[:, None] < distance
    spatial = torch.stack([joints, bones & closer, bones & ~closer, mirror]).nonzero().t()
    frame = torch.tensor([0, num_joints, num_joints])[:, None, None] * torch.arange(num_frames)[:, None]
    index = (spatial[:, None] + frame).flatten(1)
    if num_frames > 1:
        earlier = torch.arange((num_frames - 1) * num_joints)
        later, forward = earlier + num_joints, torch.full_like(earlier, 4)
        temporal = torch.stack([forward, later, earlier]), torch.stack([forward + 1, earlier, later])
        index = torch.cat([index, *temporal], dim=1)
    receiver = index[1]
    return index, receiver.bincount().to(dtype).reciprocal()[receiver]


def _distance_to_center(skeleton: Skeleton, center: str | int | None) -> Tensor:
    """Bones between each joint and the centre of its tree."""
    hops = skeleton.hop_distance()
    num_joints = skeleton.num_joints
    if isinstance(center, str):
        center = skeleton.index(center)
    if center is not None and not 0 <= center < num_joints:
        raise TopologyError(f"center is {shown(center)}; expected a joint name or an id from 0 to {num_joints - 1}")
    farthest, total = hops.amax(dim=1), hops.clamp(min=0).sum(dim=1)
    order = (farthest * num_joints**2 + total) * num_joints + torch.arange(
        num_joints
    )  # the least of a tree is its centre
    if center is not None:
        order[center] = -1
    centers = torch.where(hops >= 0, order, order.max() + 1).argmin(dim=1)
    return hops.gather(1, centers[:, None]).squeeze(1)
