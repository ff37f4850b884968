"""The UniGNN family: graph layers carried over to hypergraphs."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from skelgraph.errors import SkelgraphError
from skelgraph.nn.hyper.hyper_conv import HyperConv, HypergraphLike
from skelgraph.ops import Incidence
from skelgraph.ops.incidence import inverse_sqrt, scale
from skelgraph.options import Channels, Count, Finite

Kind = Literal["gcn", "sage", "gin", "gat"]


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
        dense: Take the dense or the sparse path; by default the dense one up to 4096 entries of the incidence matrix.

    Shapes:
        - input: ``(..., J, C_in)`` or ``(B * J, C_in)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``; with ``return_hyperedges`` also :math:`\mathbf{Y}` ``(...,
          M, C_out)``
        - ``lin.weight`` ``(C_out, C_in)``, ``lin.bias`` ``(C_out)``; ``gin``: ``eps`` ``()`` if learned; ``gat``:
          ``att_node``, ``att_hyperedge`` ``(heads, C_out / heads)``

    Raises:
        SkelgraphError: If an option is unknown or the heads do not divide the output channels.
        ValueError: If there is no hypergraph or an input has another shape.

    Initialisation: Glorot-uniform weight and attention, zero bias, :math:`\varepsilon` as given.

    Code and paper: DHG's ``UniGATConv`` has one head and clamps its scores to [0.001, 5], so that all negative scores
    are the same.

    Example:
        >>> UniConv(8, 12, "h36m17", kind="gat", heads=3)(torch.randn(4, 17, 8)).shape
        torch.Size([4, 17, 12])
    """

    eps: Tensor | float

    def __init__(
        self,
        in_channels: Channels,
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
    ) -> None:
        super().__init__(in_channels, out_channels, hypergraph, dense)
        if out_channels % heads:
            raise SkelgraphError(f"heads is {heads}; expected a divisor of the width {out_channels}")
        self.kind = kind
        self.initial_eps = eps
        self.heads = heads
        self.negative_slope = negative_slope
        self.clamp = clamp
        self.lin = nn.Linear(in_channels, out_channels, bias)
        self.eps = nn.Parameter(torch.empty(())) if kind == "gin" and train_eps else eps
        if kind == "gat":
            self.att_node = nn.Parameter(torch.empty(heads, out_channels // heads))
            self.att_hyperedge = nn.Parameter(torch.empty(heads, out_channels // heads))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        nn.init.xavier_uniform_(self.lin.weight)
        if self.lin.bias is not None:
            nn.init.zeros_(self.lin.bias)
        if isinstance(self.eps, nn.Parameter):
            nn.init.constant_(self.eps, self.initial_eps)
        if self.kind == "gat":
            nn.init.xavier_uniform_(self.att_node)
            nn.init.xavier_uniform_(self.att_hyperedge)

    def convolve(self, x: Tensor, incidence: Incidence, weight: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Means of the joints, then the kind's way back."""
        t = self.lin(x)
        y = scale(incidence.to_hyperedges(t, reduce="mean"), weight)
        if self.kind == "gcn":
            degree = incidence.node_degree(weight)
            mean_degree = incidence.to_hyperedges(degree.unsqueeze(-1), reduce="mean").squeeze(-1)
            return scale(incidence.to_nodes(scale(y, inverse_sqrt(mean_degree))), inverse_sqrt(degree)), y
        if self.kind == "gat":
            return incidence.to_nodes(y, self.attention(t, y, incidence)), y
        return (t if self.kind == "sage" else (1 + self.eps) * t) + incidence.to_nodes(y), y

    def attention(self, t: Tensor, y: Tensor, incidence: Incidence) -> Tensor:
        """The coefficients of the hyperedges of every joint."""
        score = incidence.score(
            (t.unflatten(-1, (self.heads, -1)) * self.att_node).sum(dim=-1),
            (y.unflatten(-1, (self.heads, -1)) * self.att_hyperedge).sum(dim=-1),
        )
        score = F.leaky_relu(score, self.negative_slope)
        return incidence.softmax(score if self.clamp is None else score.clamp(*self.clamp), over="hyperedges")

    def extra_repr(self) -> str:
        """Channels, hypergraph and kind."""
        return super().extra_repr() + f", kind={self.kind!r}"
