"""The base class that binds a graph layer to a skeleton."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn
from torch_geometric.utils import scatter

from skelgraph.errors import SkelgraphError
from skelgraph.fixed import FixedBuffers
from skelgraph.nn.edges import Edges, LearnOn
from skelgraph.nn.features import check_edges, check_features
from skelgraph.nn.init import parameter_with_shape, reset_parts
from skelgraph.ops import Adjacency, EdgePattern
from skelgraph.ops.products import inverse
from skelgraph.options import Channels, CheckedOptions
from skelgraph.text import plain
from skelgraph.topology import Graph, GraphLike, as_skeleton

DENSE_LIMIT = 2**17
"""Largest number of entries of the dense adjacency matrices of a layer; above it the layer takes edge lists."""


class SkeletonConv(CheckedOptions, FixedBuffers):
    """Base of the graph layers: a layer with ``in_channels`` and ``out_channels`` bound to one skeleton.

    A subclass holds what is its own (``weight``, ``bias``, how its adjacency is made) and writes ``forward`` for
    ``(..., J, C)`` under the decorator :func:`accepts_flat_batch`, which adds PyG's flattened ``(B * J, C)`` form.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output.
        skeleton: A :class:`~skelgraph.topology.Skeleton` or the name of a layout; for layers that need no more than an
            adjacency also any :class:`~skelgraph.topology.Graph`, whose nodes are then the joints.

    Shapes:
        - input: ``(..., J, C_in)``, or ``(B * J, C_in)`` as in a PyG ``Batch`` of poses on this skeleton
        - output: the same form with ``C_out`` channels
    """

    weight: nn.Parameter
    adjacency: Tensor
    bias: nn.Parameter | None

    def __init__(self, in_channels: Channels, out_channels: Channels, skeleton: GraphLike) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        # Graph offers num_joints and its edges, which is all that the layers that take one read
        self.skeleton: Any = skeleton if isinstance(skeleton, Graph) else as_skeleton(skeleton)

    @property
    def num_nodes(self) -> int:
        """Nodes of the graph: the joints, or those of several frames for a layer that joins frames."""
        return self.skeleton.num_joints

    def choose_dense(self, num_matrices: int, dense: bool | None, learn_on: LearnOn = "edges") -> bool:
        """Whether the layer computes with dense matrices or with edge lists. It is the same layer either way.

        Args:
            num_matrices: How many dense matrices ``(num_nodes, num_nodes)`` there would be.
            dense: What the caller asks for; ``None``: dense up to :data:`DENSE_LIMIT` entries.
            learn_on: ``"pairs"``: the layer learns matrices, so that they are dense.

        Raises:
            SkelgraphError: If edge lists are asked for, but matrices are learned.
        """
        if learn_on == "pairs":
            if dense is False:
                raise SkelgraphError(
                    "dense is False and learn_on is 'pairs'; expected learn_on='edges', to learn no matrices"
                )
            return True
        return num_matrices * self.num_nodes**2 <= DENSE_LIMIT if dense is None else dense

    def register_adjacency(self, edges: EdgePattern, values: Tensor) -> None:
        """Keep an adjacency that is not learned, for :meth:`fixed_adjacency`."""
        self.edges = edges
        self.register_buffer("adjacency", edges(values) if edges.dense else values, persistent=False)

    def fixed_adjacency(self) -> Adjacency:
        """The adjacency of :meth:`register_adjacency`."""
        return self.adjacency if self.edges.dense else self.edges(self.adjacency)

    def edges_of_call(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None) -> Edges:
        """The edges, with row-normalised weights, of the graph that a call has in place of the bound one.

        Raises:
            SkelgraphError: If the input has other channels, or the edges are no edges among its nodes.
        """
        check_features(self, x, self.in_channels)
        check_edges(edge_index, edge_weight, x.size(-2))
        sender, receiver = edge_index
        weight = x.new_ones(len(sender)) if edge_weight is None else edge_weight
        degree = scatter(weight, receiver, dim_size=x.size(-2))
        return Edges(receiver, sender, weight * inverse(degree)[receiver], x.size(-2))

    def reset_parameters(self) -> None:
        """Initialise as the released codes of this family do; a layer adds what is its own.

        A ``weight`` of two or more dimensions is Xavier-uniform with gain 1.414 over the whole tensor, as if it were
        one convolution kernel; ``bias`` is uniform within ``1 / sqrt(weight.size(2))``, or ``1 / sqrt(out_channels)``
        without a third dimension. A layer need not have either, and a ``weight`` or ``bias`` that is no parameter, such
        as an ``nn.Linear`` of that name, is a part like others. Parts that can, such as a learned adjacency or a linear
        map, reset themselves, in containers too. Other parts, such as ``nn.Dropout``, further parameters and lazy ones,
        whose shape is still open, are left as they are.

        Raises:
            SkelgraphError: If ``weight`` has fewer than two dimensions: a layer resets that itself.
        """
        weight, bias = parameter_with_shape(self, "weight"), parameter_with_shape(self, "bias")
        if weight is not None:
            if weight.dim() < 2:
                raise SkelgraphError(
                    f"weight of {type(self).__name__} has shape {tuple(weight.shape)}; expected two dimensions or "
                    "more, or a reset_parameters() of its own"
                )
            nn.init.xavier_uniform_(weight, gain=1.414)
        if bias is not None:
            fan = weight.size(2) if weight is not None and weight.dim() > 2 else self.out_channels
            nn.init.uniform_(bias, -1 / math.sqrt(fan), 1 / math.sqrt(fan))
        reset_parts(self)

    def extra_repr(self) -> str:
        """The arguments, for ``repr``: ``SemGraphConv(2, 128, h36m17)``."""
        name = plain(self.skeleton.name) if self.skeleton.name else f"{self.skeleton.num_joints} joints"
        return f"{self.in_channels}, {self.out_channels}, {name}"
