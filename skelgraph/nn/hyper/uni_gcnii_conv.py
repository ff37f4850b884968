"""UniGCNII: a deep UniGCN that keeps to its first features and to the identity."""

from __future__ import annotations

from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.nn.features import check_features, check_flags
from skelgraph.nn.hyper.hyper_conv import Factors, HyperConv, Output
from skelgraph.nn.hyper.hypergraph_input import HypergraphInput, NumEdges
from skelgraph.nn.hyper.uni_conv import propagation_roots
from skelgraph.nn.init import linear, xavier
from skelgraph.ops import Incidence
from skelgraph.ops.incidence import Reduce, multiply_by
from skelgraph.ops.products import inverse
from skelgraph.options import Channels, Rate
from skelgraph.topology import HypergraphLike


class UniGCNIIConv(HyperConv):
    r"""UniGCNII of `"UniGNN: a Unified Framework for Graph and Hypergraph Neural Networks"
    <https://arxiv.org/abs/2105.00956>`_ (IJCAI 2021), one layer of a deep network.

    .. math::
        \mathbf{Z} = (1 - \alpha) \, \mathbf{D}_v^{-1/2} \mathbf{H} \, \mathrm{diag}(\bar{\mathbf{d}})^{-1/2}
        \mathbf{W} \mathbf{D}_e^{-1} \mathbf{H}^\top \mathbf{X} + \alpha \mathbf{X}_0, \qquad
        \mathbf{X}' = (1 - \beta) \mathbf{Z} + \beta \mathbf{Z} \boldsymbol\Theta

    with the propagation of :class:`UniConv` (``kind="gcn"``) and the features :math:`\mathbf{X}_0` at the start of the
    network. Layer :math:`l = 1, 2, ...` of the paper has :math:`\beta = \log(\lambda / l + 1)`, :math:`\lambda = 0.5`.

    Args:
        channels: Channels of every joint.
        hypergraph: A :class:`~skelgraph.topology.JointHypergraph`, a skeleton or layout name for its default groups, or
            ``None`` if every call brings its own; see :class:`HyperConv`.
        alpha: :math:`\alpha`, the share of the first features.
        beta: :math:`\beta`, the share of the learned map.
        dense: True: matrices. False: index lists. None: matrices up to ``DENSE_INCIDENCE_LIMIT`` entries.
        v2e: How a hyperedge gathers its joints (DHG's word: vertices to hyperedges): ``"mean"`` as above, ``"sum"``,
            ``"max"`` or ``"softmax"``.

    Shapes:
        - input: ``(..., J, C)`` or ``(B * J, C)``, and ``x0`` of the same shape, by default the input
        - output: the same; with ``return_hyperedges`` also what hyperedges gather, ``(..., M, C)``
        - ``lin.weight`` ``(C, C)``

    Raises:
        SkelgraphError: If a share is not from 0 to 1, there is no hypergraph, or an input has another shape.

    Initialisation: Glorot-uniform weight.

    Example:
        >>> x = torch.randn(4, 17, 8)
        >>> UniGCNIIConv(8, "h36m17")(x, x0=x).shape
        torch.Size([4, 17, 8])
    """

    def __init__(
        self,
        channels: Channels,
        hypergraph: HypergraphLike | None = None,
        alpha: Rate = 0.1,
        beta: Rate = 0.5,
        dense: bool | None = None,
        v2e: Reduce = "mean",
    ) -> None:
        super().__init__(channels, channels, hypergraph, dense)
        self.alpha = alpha
        self.beta = beta
        self.v2e: Reduce = v2e
        self.lin = linear(channels, channels, bias=False)
        self.fix_stages(operator=v2e in ("sum", "mean"))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the weight."""
        xavier(self.lin)

    def forward(
        self,
        x: Tensor,
        hypergraph: HypergraphInput | None = None,
        hyperedge_weight: Tensor | None = None,
        x0: Tensor | None = None,
        *,
        num_edges: NumEdges | None = None,
        return_hyperedges: bool = False,
    ) -> Output:
        """Map ``(..., J, C)`` and the first features ``x0`` of the same shape to that shape; see
        :meth:`HyperConv.forward`."""
        check_flags(return_hyperedges=return_hyperedges)
        first = x if x0 is None else x0
        check_features(self, x)
        check_features(self, first, name="x0")
        if first.shape != x.shape:
            raise SkelgraphError(f"{self} needs x0 of the shape {tuple(x.shape)} of x, got {tuple(first.shape)}")
        propagated = self.run_two_stages(x, hypergraph, hyperedge_weight, None, num_edges, return_hyperedges)
        propagated, *hyperedge_attr = propagated if return_hyperedges else (propagated,)
        z = (1 - self.alpha) * propagated + self.alpha * first
        x = (1 - self.beta) * z + self.beta * self.lin(z)
        return (x, *hyperedge_attr) if return_hyperedges else x

    def two_stages(self, x: Tensor, incidence: Incidence, hyperedge_weight: Tensor) -> tuple[Tensor, ...]:
        """The propagation alone."""
        up, down = self.stages(incidence, hyperedge_weight, self.v2e)
        hyperedge_attr = up(x)
        return down(hyperedge_attr), hyperedge_attr

    def factors(self, incidence: Incidence, hyperedge_weight: Tensor) -> tuple[Factors, Factors]:
        """Inverse sizes and weights of the hyperedges, and on the way back the roots of UniGCN."""
        root, mean_root = propagation_roots(incidence, hyperedge_weight)
        size = incidence.hyperedge_degree().to(hyperedge_weight.dtype)
        hyperedge = inverse(size) * hyperedge_weight if self.v2e == "mean" else hyperedge_weight
        return (None, hyperedge), (mean_root, root)

    def one_stage(self, x: Tensor, operator: Tensor) -> Tensor:
        """The propagation at once."""
        return multiply_by(operator)(x)

    def extra_repr(self) -> str:
        """Channels, hypergraph and shares."""
        return super().extra_repr() + f", alpha={self.alpha}, beta={self.beta}"
