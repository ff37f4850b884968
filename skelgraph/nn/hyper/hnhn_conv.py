"""The hyperedge layer of HNHN: a map and an activation on the hyperedges."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelgraph.nn.hyper.hyper_conv import Factors, HyperConv, InChannels
from skelgraph.nn.init import linear, xavier
from skelgraph.ops import Incidence
from skelgraph.ops.products import inverse
from skelgraph.options import Channels, Finite
from skelgraph.topology import HypergraphLike


class HNHNConv(HyperConv):
    r"""Hyperedge layer of `"HNHN: Hypergraph Networks with Hyperedge Neurons" <https://arxiv.org/abs/2006.12278>`_
    (2020): hyperedges have a map and an activation of their own.

    .. math::
        \mathbf{Y} = \mathrm{ReLU}(\mathbf{W} \mathbf{D}_e^{-1} \mathbf{H}^\top (\mathbf{X} \boldsymbol\Theta_1 +
        \mathbf{b}_1)), \qquad
        \mathbf{X}' = \mathbf{D}_v^{-1} \mathbf{H} (\mathbf{Y} \boldsymbol\Theta_2 + \mathbf{b}_2)

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output.
        hypergraph: A :class:`~skelgraph.topology.JointHypergraph`, a skeleton or layout name for its default groups, or
            ``None`` if every call brings its own; see :class:`HyperConv`.
        hidden_channels: Channels of every hyperedge; ``out_channels`` by default.
        alpha: Exponent: the mean over the hyperedges of a joint is weighted with their sizes to this power.
        beta: Exponent: the mean over the joints of a hyperedge is weighted with their degrees to this power.
        bias: Give both maps a bias.
        dense: True: matrices. False: index lists. None: matrices up to ``DENSE_INCIDENCE_LIMIT`` entries.

    Shapes:
        - input: ``(..., J, C_in)`` or ``(B * J, C_in)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``; with ``return_hyperedges`` also :math:`\mathbf{Y}` ``(...,
          M, C_h)``
        - ``lin1.weight`` ``(C_h, C_in)``, ``lin1.bias`` ``(C_h)``, ``lin2.weight`` ``(C_out, C_h)``, ``lin2.bias``
          ``(C_out)``

    Raises:
        SkelgraphError: If there is no hypergraph or an input has another shape.

    Initialisation: Glorot-uniform weights, zero biases.

    Code and paper: the weights :math:`\mathbf{W}` are DHG's addition; the paper's exponents are 0 there.

    Example:
        >>> hyperedge_index = torch.tensor([[0, 1, 2, 2, 3], [0, 0, 0, 1, 1]])
        >>> conv = HNHNConv(1, 1, bias=False)
        >>> for lin in (conv.lin1, conv.lin2):
        ...     _ = torch.nn.init.ones_(lin.weight)
        >>> conv(torch.tensor([[1.0], [2.0], [3.0], [-7.0]]), hyperedge_index).flatten().tolist()
        [2.0, 2.0, 1.0, 0.0]
        >>> HNHNConv(8, 12, "h36m17")(torch.randn(4, 17, 8)).shape
        torch.Size([4, 17, 12])
    """

    def __init__(
        self,
        in_channels: InChannels,
        out_channels: Channels,
        hypergraph: HypergraphLike | None = None,
        hidden_channels: Channels | None = None,
        alpha: Finite = 0.0,
        beta: Finite = 0.0,
        bias: bool = True,
        dense: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, hypergraph, dense)
        hidden_channels = out_channels if hidden_channels is None else hidden_channels
        self.alpha = alpha
        self.beta = beta
        self.lin1 = linear(in_channels, hidden_channels, bias)
        self.lin2 = nn.Linear(hidden_channels, out_channels, bias)
        self.fix_stages()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        xavier(self.lin1)
        xavier(self.lin2)

    def factors(self, incidence: Incidence, hyperedge_weight: Tensor) -> tuple[Factors, Factors]:
        """Powers of degrees and sizes, and what they sum to."""
        joint = _power(incidence.node_degree(hyperedge_weight), self.beta)
        total = incidence.hyperedge_degree(joint)
        size = _power(incidence.hyperedge_degree().to(hyperedge_weight.dtype), self.alpha)
        share = inverse(incidence.node_degree(hyperedge_weight * size))
        return (joint, inverse(total) * hyperedge_weight), (size, share)

    def two_stages(self, x: Tensor, incidence: Incidence, hyperedge_weight: Tensor) -> tuple[Tensor, ...]:
        """Two means, an activation between them."""
        up, down = self.stages(incidence, hyperedge_weight)
        hyperedge_attr = up(self.lin1(x)).relu()
        return down(self.lin2(hyperedge_attr)), hyperedge_attr


def _power(degree: Tensor, exponent: float) -> Tensor:
    """``degree`` to a power, 0 where it is 0 and the exponent is not."""
    if exponent == 0:
        return torch.ones_like(degree)
    return torch.where(degree == 0, 0, degree.masked_fill(degree == 0, 1).pow(exponent))
