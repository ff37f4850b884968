"""A free matrix between joints that starts as the operator of a hypergraph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from skelgraph.errors import unknown_name
from skelgraph.fixed import FixedBuffers
from skelgraph.nn.features import accepts_flat_batch
from skelgraph.nn.hyper.hyperedge_conv import hyperedge_operator
from skelgraph.ops import graph_conv
from skelgraph.options import Channels, CheckedOptions
from skelgraph.topology import HypergraphLike, JointHypergraph, as_hypergraph

_FLOOR = 1e-3  # where pairs of joints without a common hyperedge start: softplus is never 0


class LearnedOperatorConv(CheckedOptions, FixedBuffers):
    r"""Learned hypergraph operator of `HGMamba <https://arxiv.org/abs/2504.06638>`_ and `HyperDiff
    <https://arxiv.org/abs/2508.14431>`_: the matrix between joints is a parameter, and the hypergraph where it starts.

    .. math::
        \mathbf{X}' = \sum_s c_s \left( \hat{\mathbf{A}}_s \mathbf{X} \boldsymbol\Theta_s + \mathbf{b}_s \right), \qquad
        \hat A_{ij} = \frac{A_{ij}}{\sum_k A_{kj} + 10^{-3}}

    Each scale :math:`s` is one group of hyperedges; :math:`c_s` is learned if there are several.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output.
        hypergraph: A :class:`~skelgraph.topology.JointHypergraph`, or a skeleton or layout name for its default groups.
        groups: The groups of the hypergraph that are a scale each; by default all hyperedges are one scale.
        positive: Learn :math:`\mathbf{A}` through a softplus; otherwise it is the parameter itself, as published, which
            may turn negative so that a column sum crosses zero.
        bias: Add a learned bias per scale and channel.

    Shapes:
        - input: ``(..., J, C_in)`` or ``(B * J, C_in)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``
        - ``operator`` ``(S, J, J)``, ``weight`` ``(S, C_in, C_out)``, ``bias`` ``(S, C_out)``; ``gates`` ``(S)`` if
          ``S`` is more than one

    Raises:
        SkelgraphError: If the hypergraph has no such group.
        SkelgraphError: If the input is not on this hypergraph or has other channels.

    Initialisation: :math:`\mathbf{A}` the symmetric operator of :class:`HyperedgeConv` (``norm="sym"``), at least 0.001
    if positive; Glorot-uniform weights, zero biases, gates 1.

    The matrix is dense whatever the number of joints: it has no sparse path.

    Example:
        >>> hypergraph = JointHypergraph.from_skeleton("h36m17", ("parts10", "parts"))
        >>> LearnedOperatorConv(8, 12, hypergraph, groups=("parts10", "parts"))(torch.randn(4, 17, 8)).shape
        torch.Size([4, 17, 12])
    """

    initial: Tensor

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        hypergraph: HypergraphLike,
        groups: Annotated[Sequence[str], Field(min_length=1)] | None = None,
        positive: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        hypergraph = as_hypergraph(hypergraph)
        scales = [hypergraph] if groups is None else [_group(hypergraph, name) for name in groups]
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_nodes = hypergraph.num_nodes
        self.positive = positive
        operators = torch.stack([hyperedge_operator(scale, "sym") for scale in scales])
        self.register_buffer("initial", operators.to(torch.get_default_dtype()), persistent=False)
        self.operator = nn.Parameter(torch.empty(self.initial.shape))
        self.weight = nn.Parameter(torch.empty(len(scales), in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(len(scales), out_channels)) if bias else None
        self.gates = nn.Parameter(torch.empty(len(scales))) if len(scales) > 1 else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        with torch.no_grad():
            self.operator.copy_(self.initial.clamp_min(_FLOOR).expm1().log() if self.positive else self.initial)
        for weight in self.weight:
            nn.init.xavier_uniform_(weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        if self.gates is not None:
            nn.init.ones_(self.gates)

    def adjacency(self) -> Tensor:
        """The normalised matrices ``(S, J, J)`` with their gates."""
        matrix = nn.functional.softplus(self.operator) if self.positive else self.operator
        matrix = matrix / (matrix.sum(dim=1, keepdim=True) + 1e-3)
        return matrix if self.gates is None else matrix * self.gates[:, None, None]

    @accepts_flat_batch
    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``."""
        bias: Tensor | None = self.bias
        if bias is not None:
            bias = bias.squeeze(0) if self.gates is None else self.gates @ bias
        return graph_conv(x, self.weight, self.adjacency(), bias=bias)

    def extra_repr(self) -> str:
        """Channels, joints and number of scales."""
        return f"{self.in_channels}, {self.out_channels}, {self.num_nodes} nodes, scales={self.weight.size(0)}"


def _group(hypergraph: JointHypergraph, name: str) -> JointHypergraph:
    if name not in hypergraph.groups:
        raise unknown_name("group of the hypergraph", name, hypergraph.groups)
    ids = list(hypergraph.groups[name])
    hyperedges = hypergraph.hyperedges
    lists = [hyperedges[m] for m in ids]
    return JointHypergraph.from_lists(hypergraph.num_nodes, lists, hyperedge_weight=hypergraph.hyperedge_weight[ids])
