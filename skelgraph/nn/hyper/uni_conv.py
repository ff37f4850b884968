"""The UniGNN family: graph layers carried over to hypergraphs."""

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
from skelgraph.ops import Incidence
from skelgraph.ops.incidence import Reduce, multiply_by
from skelgraph.ops.products import head_products, inverse, inverse_sqrt
from skelgraph.options import Channels, Count, Finite, Rate
from skelgraph.topology import HypergraphLike

Kind = Literal["gcn", "sage", "gin", "gat"]
Score = Literal["both", "hyperedge"]


class UniConv(HyperConv):
    r"""Hyperedge layers of `"UniGNN: a Unified Framework for Graph and Hypergraph Neural Networks"
    <https://arxiv.org/abs/2105.00956>`_ (IJCAI 2021).

    With :math:`\mathbf{T} = \mathbf{X} \boldsymbol\Theta + \mathbf{b}` and the weighted means
    :math:`\mathbf{Y} = \mathbf{W} \mathbf{D}_e^{-1} \mathbf{H}^\top \mathbf{T}` of the hyperedges:

    .. math::
        \text{gcn:} \quad & \mathbf{X}' = \mathbf{D}_v^{-1/2} \mathbf{H} \, \mathrm{diag}(\bar{\mathbf{d}})^{-1/2}
        \mathbf{Y}, \quad \bar d_m = \text{mean of } d_i, i \in m \\
        \text{sage:} \quad & \mathbf{X}' = \mathbf{T} + \mathbf{H} \mathbf{Y} \\
        \text{gin:} \quad & \mathbf{X}' = (1 + \varepsilon) \mathbf{T} + \mathbf{H} \mathbf{Y} \\
        \text{gat:} \quad & \mathbf{X}'_i = \sum_{m \ni i} \alpha_{im} \mathbf{Y}_m, \quad \alpha_{im} =
        \mathrm{softmax}_m \, \mathrm{LeakyReLU}(\mathbf{a}_e^\top \mathbf{Y}_m + \mathbf{a}_v^\top \mathbf{T}_i)

    The mean of :math:`\mathbf{Y}` and the sum over :math:`\mathbf{H}` may be other aggregations.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output, over all heads.
        hypergraph: A :class:`~skelgraph.topology.JointHypergraph`, a skeleton or layout name for its default groups, or
            ``None`` if every call brings its own; see :class:`HyperConv`.
        kind: ``"gcn"``, ``"sage"``, ``"gin"`` or ``"gat"``, as above.
        eps: :math:`\varepsilon` of ``"gin"``.
        train_eps: Learn it.
        heads: Heads of ``"gat"``.
        negative_slope: Of the LeakyReLU of ``"gat"``.
        clamp: Limits for the scores of ``"gat"``; ``(0.001, 5.0)`` in DHG.
        bias: Add a learned bias per channel.
        dense: True: matrices. False: index lists. None: matrices up to ``DENSE_INCIDENCE_LIMIT`` entries.
        score: What the scores of ``"gat"`` depend on: ``"both"`` as above, or the ``"hyperedge"`` alone, without
            :math:`\mathbf{a}_v`, as in the authors' code.
        dropout: Dropout rate of the coefficients of ``"gat"``.
        v2e: How a hyperedge gathers its joints (DHG's word: vertices to hyperedges): ``"mean"`` as above, ``"sum"``,
            ``"max"``, or ``"softmax"``, the sum weighted by the softmax of each channel.
        e2v: How a joint gathers its hyperedges: ``"sum"`` as above, or likewise; a mean is divided by the weighted
            degrees. ``"gat"`` weighs them by its attention.

    Shapes:
        - input: ``(..., J, C_in)`` or ``(B * J, C_in)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``; with ``return_hyperedges`` also :math:`\mathbf{Y}` ``(...,
          M, C_out)``
        - ``lin.weight`` ``(C_out, C_in)``, ``lin.bias`` ``(C_out)``; ``gin``: ``eps`` ``()`` if learned; ``gat``:
          ``att_node``, ``att_hyperedge`` ``(heads, C_out / heads)``

    Raises:
        SkelgraphError: If an option is unknown or does not go with the kind, the heads do not divide the output
            channels, there is no hypergraph, or an input has another shape.

    Initialisation: Glorot-uniform weight and attention, zero bias, :math:`\varepsilon` as given.

    Code and paper: the authors' code has no bias, and scores of ``"gat"`` that depend on the hyperedge alone
    (``bias=False, score="hyperedge"``). DHG's ``UniGATConv`` has one head and clamps its scores to [0.001, 5], so that
    all negative scores are the same.

    Example:
        >>> hyperedge_index = torch.tensor([[0, 1, 2, 2, 3], [0, 0, 0, 1, 1]])
        >>> conv = UniConv(1, 1, kind="sage", bias=False)
        >>> _ = torch.nn.init.ones_(conv.lin.weight)
        >>> conv(torch.tensor([[1.0], [2.0], [3.0], [7.0]]), hyperedge_index).flatten().tolist()
        [3.0, 4.0, 10.0, 12.0]
        >>> UniConv(8, 12, "h36m17", kind="gat", heads=3)(torch.randn(4, 17, 8)).shape
        torch.Size([4, 17, 12])
    """

    eps: Tensor | float

    def __init__(
        self,
        in_channels: InChannels,
        out_channels: Channels,
        hypergraph: HypergraphLike | None = None,
        kind: Kind = "gcn",
        eps: Finite = 0.0,
        train_eps: bool = False,
        heads: Count = 1,
        negative_slope: Finite = 0.2,
        clamp: tuple[Finite, Finite] | None = None,
        bias: bool = True,
        dense: bool | None = None,
        score: Score = "both",
        dropout: Rate = 0.0,
        v2e: Reduce = "mean",
        e2v: Reduce = "sum",
    ) -> None:
        super().__init__(in_channels, out_channels, hypergraph, dense)
        if out_channels % heads:
            raise SkelgraphError(f"heads is {heads}; expected a divisor of the width {out_channels}")
        if kind == "gat" and e2v != "sum":
            raise SkelgraphError(f"e2v is {e2v!r}; expected 'sum' with kind='gat', whose attention weighs hyperedges")
        self.kind = kind
        self.v2e: Reduce = v2e
        self.e2v: Reduce = e2v
        self.initial_eps = eps
        self.heads = heads
        self.negative_slope = negative_slope
        self.clamp = clamp
        self.lin = linear(in_channels, out_channels, bias)
        self.eps = nn.Parameter(torch.empty(())) if kind == "gin" and train_eps else eps
        if kind == "gat":
            if score == "both":
                self.att_node = nn.Parameter(torch.empty(heads, out_channels // heads))
            self.att_hyperedge = nn.Parameter(torch.empty(heads, out_channels // heads))
        self.score = score
        self.dropout = Dropout(dropout)
        linear_stages = {v2e, e2v} <= {"sum", "mean"} and kind != "gat" and not train_eps
        self.fix_stages(operator=linear_stages)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        xavier(self.lin)
        if isinstance(self.eps, nn.Parameter):
            nn.init.constant_(self.eps, self.initial_eps)
        if self.kind == "gat":
            if self.score == "both":
                nn.init.xavier_uniform_(self.att_node)
            nn.init.xavier_uniform_(self.att_hyperedge)

    def forward(
        self,
        x: Tensor,
        hypergraph: HypergraphInput | None = None,
        hyperedge_weight: Tensor | None = None,
        *,
        num_edges: NumEdges | None = None,
        return_hyperedges: bool = False,
        return_attention_weights: bool = False,
    ) -> Output:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``.

        Args:
            x: Features of the nodes.
            hypergraph: A hypergraph for this call, see :class:`HyperConv`.
            hyperedge_weight: Hyperedge weights in place of those of the hypergraph.
            num_edges: Number of hyperedges of a ``hyperedge_index``.
            return_hyperedges: Return ``(x, hyperedge_attr)`` with the features of the hyperedges.
            return_attention_weights: Return ``(x, (index, alpha))``, or ``(x, hyperedge_attr, (index, alpha))``, with
                the coefficients ``alpha (..., nnz, heads)`` of the incidences ``index (2, nnz)``; for ``kind="gat"``.
                For ``x (B * J, C)`` they are those of the disjoint union, as in a PyG batch.
        """
        return self.run_two_stages(
            x, hypergraph, hyperedge_weight, None, num_edges, return_hyperedges, return_attention_weights
        )

    def two_stages(self, x: Tensor, incidence: Incidence, hyperedge_weight: Tensor) -> tuple[Tensor, ...]:
        """What hyperedges gather, then what joints gather of it, after the kind of the layer."""
        t = self.lin(x)
        up, down = self.stages(incidence, hyperedge_weight, self.v2e, self.e2v)
        hyperedge_attr = up(t)
        if self.kind == "gat":
            alpha = self.dropout(self.attention(t, hyperedge_attr, incidence))
            return incidence.to_nodes(hyperedge_attr, alpha), hyperedge_attr, alpha
        gathered = down(hyperedge_attr)
        return gathered if self.kind == "gcn" else self._own(t) + gathered, hyperedge_attr

    def factors(self, incidence: Incidence, hyperedge_weight: Tensor) -> tuple[Factors, Factors]:
        """Inverse sizes and weights of the hyperedges, and on the way back the roots of UniGCN or inverse degrees."""
        size = incidence.hyperedge_degree().to(hyperedge_weight.dtype)
        up = None, inverse(size) * hyperedge_weight if self.v2e == "mean" else hyperedge_weight
        mean_root = node = None
        if self.e2v == "mean":
            node = inverse(incidence.node_degree(hyperedge_weight))
        if self.kind == "gcn":
            root, mean_root = propagation_roots(incidence, hyperedge_weight)
            node = root if node is None else root * node
        return up, (mean_root, node)

    def one_stage(self, x: Tensor, operator: Tensor) -> Tensor:
        """Both stages at once."""
        t = self.lin(x)
        gathered = multiply_by(operator)(t)
        return gathered if self.kind == "gcn" else self._own(t) + gathered

    def _own(self, t: Tensor) -> Tensor:
        """What joints keep of their own features."""
        return t if self.kind == "sage" else (1 + self.eps) * t

    def attention(self, t: Tensor, hyperedge_attr: Tensor, incidence: Incidence) -> Tensor:
        """The coefficients of the hyperedges of every joint."""
        hyperedge = head_products(hyperedge_attr, self.att_hyperedge)
        node = head_products(t, self.att_node) if self.score == "both" else None
        score = F.leaky_relu(incidence.score(node, hyperedge), self.negative_slope)
        return incidence.softmax(score if self.clamp is None else score.clamp(*self.clamp), over="hyperedges")

    def extra_repr(self) -> str:
        """Channels, hypergraph, kind and, where it has any, heads."""
        return super().extra_repr() + f", kind={self.kind!r}" + f", heads={self.heads}" * (self.kind == "gat")


def propagation_roots(incidence: Incidence, hyperedge_weight: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return the normalisation of UniGCN: :math:`d_i^{-1/2}` of the joints and :math:`\bar d_m^{-1/2}` of the mean
    degrees in the hyperedges."""
    degree = incidence.node_degree(hyperedge_weight)
    size = incidence.hyperedge_degree().to(degree.dtype)
    return inverse_sqrt(degree), inverse_sqrt(incidence.hyperedge_degree(degree) * inverse(size))
