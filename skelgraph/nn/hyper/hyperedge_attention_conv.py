"""Hyperedge convolution with attention between joints and hyperedges."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from skelgraph.errors import SkelgraphError
from skelgraph.nn.dropout import Dropout
from skelgraph.nn.hyper.hyper_conv import Factors, HyperConv, InChannels, Output
from skelgraph.nn.hyper.hypergraph_input import HypergraphInput, NumEdges
from skelgraph.nn.init import linear, xavier
from skelgraph.ops import Incidence, Stage
from skelgraph.ops.products import head_products, inverse, scale
from skelgraph.options import Channels, Count, Finite, Rate
from skelgraph.topology import HypergraphLike


class HyperedgeAttentionConv(HyperConv):
    r"""Hyperedge convolution with attention of `"Hypergraph Convolution and Hypergraph Attention"
    <https://arxiv.org/abs/1901.08150>`_: a learned score says how much a joint and a hyperedge matter to each other.

    .. math::
        s_{im} = \mathrm{LeakyReLU}(\mathbf{a}^\top [\boldsymbol\Theta \mathbf{x}_i, \boldsymbol\Theta_e \mathbf{y}_m])

    With ``mode="node"`` a softmax over the joints of every hyperedge takes the place of its mean, with ``mode="edge"``
    a softmax over the hyperedges of every joint; the other stage is the mean weighted by the hyperedge weights:

    .. math::
        \text{node:} \quad \mathbf{Y}_m &= \sum_{i \in m} \alpha_{im} \boldsymbol\Theta \mathbf{x}_i, &
        \mathbf{X}'_i &= \sum_{m \ni i} \frac{w_m}{d_i} \mathbf{Y}_m \\
        \text{edge:} \quad \mathbf{Y}_m &= \frac{1}{|m|} \sum_{i \in m} \boldsymbol\Theta \mathbf{x}_i, &
        \mathbf{X}'_i &= \sum_{m \ni i} \alpha_{im} \mathbf{Y}_m, \quad \alpha_{im} \propto w_m \exp s_{im}

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output, over all heads if they are concatenated.
        hypergraph: A :class:`~skelgraph.topology.JointHypergraph`, a skeleton or layout name for its default groups, or
            ``None`` if every call brings its own; see :class:`HyperConv`.
        heads: Number of heads.
        hyperedge_channels: Channels of the features ``hyperedge_attr`` that every call hands over. By default those are
            optional, have the channels of the joints and are the means of the joints if missing.
        share: Map joints and hyperedges with the same weight; by default if their channels agree.
        mode: ``"node"`` or ``"edge"``, as above.
        norm: ``"softmax"`` as above; ``"pyg"``: the coefficients multiply both stages on top of both means, as in PyG.
        concat: Concatenate the heads; otherwise their mean is taken.
        negative_slope: Of the LeakyReLU.
        dropout: Dropout rate of the coefficients.
        bias: Add a learned bias per channel.
        dense: True: matrices. False: index lists. None: matrices up to ``DENSE_INCIDENCE_LIMIT`` entries.

    Shapes:
        - input: ``(..., J, C_in)`` or ``(B * J, C_in)``, hyperedges ``(..., M, C_e)`` or ``(B * M, C_e)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``; with ``return_hyperedges`` also :math:`\mathbf{Y}` ``(...,
          M, heads * C)``
        - ``lin.weight`` ``(heads * C, C_in)``, ``lin_hyperedge.weight`` ``(heads * C, C_e)`` unless shared, ``att``
          ``(1, heads, 2 * C)``, ``bias`` ``(C_out)`` with ``C = C_out / heads``, or ``C_out`` without concatenation

    Raises:
        SkelgraphError: If an option is unknown or does not go with another.
        SkelgraphError: If there is no hypergraph, features of hyperedges are missing or an input has another shape.

    Initialisation: Glorot-uniform weights and attention, zero bias.

    Code and paper: PyG divides by the size of a hyperedge what its softmax has averaged already, so that the output
    shrinks with the size; ``norm="pyg"`` with PyG's state dict gives its numbers.

    Example:
        >>> hyperedge_index = torch.tensor([[0, 1, 2, 2, 3], [0, 0, 0, 1, 1]])
        >>> conv = HyperedgeAttentionConv(8, 8)
        >>> _ = torch.nn.init.zeros_(conv.att)  # all joints of a hyperedge matter alike
        >>> _, (index, alpha) = conv(torch.randn(4, 8), hyperedge_index, return_attention_weights=True)
        >>> torch.equal(index, hyperedge_index)
        True
        >>> [round(share, 2) for share in alpha.flatten().tolist()]
        [0.33, 0.33, 0.33, 0.5, 0.5]
        >>> HyperedgeAttentionConv(8, 12, "h36m17", heads=3)(torch.randn(4, 17, 8)).shape
        torch.Size([4, 17, 12])
    """

    def __init__(
        self,
        in_channels: InChannels,
        out_channels: Channels,
        hypergraph: HypergraphLike | None = None,
        heads: Count = 1,
        hyperedge_channels: Channels | None = None,
        share: bool | None = None,
        mode: Literal["node", "edge"] = "node",
        norm: Literal["softmax", "pyg"] = "softmax",
        concat: bool = True,
        negative_slope: Finite = 0.2,
        dropout: Rate = 0.0,
        bias: bool = True,
        dense: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, hypergraph, dense)
        if concat and out_channels % heads:
            raise SkelgraphError(f"heads is {heads}; expected a divisor of the width {out_channels}")
        own_channels = hyperedge_channels not in (None, in_channels)
        share = not own_channels if share is None else share
        if share and own_channels:
            raise SkelgraphError(
                f"share is True; expected hyperedge_channels of {in_channels} as the joints, got {hyperedge_channels}"
            )
        self.heads = heads
        self.hyperedge_channels = hyperedge_channels
        self.mode = mode
        self.norm = norm
        self.concat = concat
        self.negative_slope = negative_slope
        channels = out_channels // heads if concat else out_channels
        self.lin = linear(in_channels, heads * channels, bias=False)
        self.lin_hyperedge = None if share else linear(hyperedge_channels or in_channels, heads * channels, bias=False)
        self.att = nn.Parameter(torch.empty(1, heads, 2 * channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.dropout = Dropout(dropout)
        self.fix_stages()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as PyG does."""
        xavier(self.lin)
        if self.lin_hyperedge is not None:
            xavier(self.lin_hyperedge)
        nn.init.xavier_uniform_(self.att)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(
        self,
        x: Tensor,
        hypergraph: HypergraphInput | None = None,
        hyperedge_weight: Tensor | None = None,
        hyperedge_attr: Tensor | None = None,
        num_edges: NumEdges | None = None,
        return_hyperedges: bool = False,
        return_attention_weights: bool = False,
    ) -> Output:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``.

        Args:
            x: Features of the nodes.
            hypergraph: A hypergraph for this call, see :class:`HyperConv`.
            hyperedge_weight: Hyperedge weights in place of those of the hypergraph.
            hyperedge_attr: Features of the hyperedges; by default the means of their joints.
            num_edges: Number of hyperedges of a ``hyperedge_index``.
            return_hyperedges: Return ``(x, hyperedge_attr)`` with the features of the hyperedges.
            return_attention_weights: Return ``(x, (index, alpha))``, or ``(x, hyperedge_attr, (index, alpha))``, with
                the coefficients ``alpha (..., nnz, heads)`` of the incidences ``index (2, nnz)``. For
                ``x (B * J, C)`` they are those of the disjoint union, as in a PyG batch.
        """
        return self.run_two_stages(
            x, hypergraph, hyperedge_weight, hyperedge_attr, num_edges, return_hyperedges, return_attention_weights
        )

    def two_stages(
        self, x: Tensor, incidence: Incidence, hyperedge_weight: Tensor, hyperedge_attr: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Score every incidence, then the two stages."""
        h = self.lin(x)
        mean, back = self.stages(incidence, hyperedge_weight)
        g = self._map_hyperedges(x, h, mean, hyperedge_attr)
        alpha = self.dropout(self.attention(h, g, incidence, hyperedge_weight))
        if self.norm == "pyg":
            (_, size), (_, share) = self.known_factors(incidence, hyperedge_weight)
            hyperedge_attr = scale(incidence.to_hyperedges(h, alpha), size)
            x = scale(incidence.to_nodes(hyperedge_attr, alpha), share)
        elif self.mode == "node":
            hyperedge_attr = incidence.to_hyperedges(h, alpha)
            x = back(hyperedge_attr)
        else:
            hyperedge_attr = mean(h)
            x = incidence.to_nodes(scale(hyperedge_attr, hyperedge_weight.sign()), alpha)
        if not self.concat:
            x = x.unflatten(-1, (self.heads, -1)).mean(dim=-2)
        return (x if self.bias is None else x + self.bias), hyperedge_attr, alpha

    def factors(self, incidence: Incidence, hyperedge_weight: Tensor) -> tuple[Factors, Factors]:
        """The means of hyperedges, and on the way back their weights and inverse degrees."""
        size = inverse(incidence.hyperedge_degree().to(hyperedge_weight.dtype))
        return (None, size), (hyperedge_weight, inverse(incidence.node_degree(hyperedge_weight)))

    def attention(self, h: Tensor, g: Tensor, incidence: Incidence, hyperedge_weight: Tensor) -> Tensor:
        """The coefficients for mapped joints ``(..., J, heads * C)`` and hyperedges ``(..., M, heads * C)``."""
        node, hyperedge = self.att.squeeze(0).chunk(2, dim=-1)
        score = incidence.score(head_products(h, node), head_products(g, hyperedge))
        score = F.leaky_relu(score, self.negative_slope)
        if self.mode == "edge" and self.norm == "softmax":
            tiny = torch.finfo(hyperedge_weight.dtype).tiny
            magnitude = hyperedge_weight.abs().clamp_min(tiny).log().unsqueeze(-1)
            score = score + incidence.score(None, magnitude)
        return incidence.softmax(score, over="nodes" if self.mode == "node" else "hyperedges")

    def _map_hyperedges(self, x: Tensor, h: Tensor, mean: Stage, hyperedge_attr: Tensor | None) -> Tensor:
        """The mapped features of the hyperedges, ``(..., M, heads * C)``."""
        expected = self.hyperedge_channels or self.in_channels
        if hyperedge_attr is None:
            if self.hyperedge_channels is not None:
                raise SkelgraphError(f"{self} needs hyperedge_attr with {expected} channels")
            if self.lin_hyperedge is None:
                return mean(h)  # the mean of maps is the map of the mean
            hyperedge_attr = mean(x)
        if hyperedge_attr.size(-1) != expected:
            raise SkelgraphError(
                f"{self} needs hyperedge_attr with {expected} channels, got {tuple(hyperedge_attr.shape)}"
            )
        return (self.lin if self.lin_hyperedge is None else self.lin_hyperedge)(hyperedge_attr)

    def extra_repr(self) -> str:
        """Channels, hypergraph, heads and mode."""
        return super().extra_repr() + f", heads={self.heads}, mode={self.mode!r}"
