"""The two-stage hyperedge convolution: joints to hyperedges and back."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.nn.features import accepts_flat_batch
from skelgraph.nn.hyper.hyper_conv import HyperConv, HypergraphLike, InChannels
from skelgraph.nn.hyper.hyperedges import Count
from skelgraph.nn.init import linear, xavier
from skelgraph.ops import DenseIncidence, Incidence
from skelgraph.ops.incidence import Reduce
from skelgraph.ops.products import inverse, inverse_sqrt, product, scale
from skelgraph.options import Channels
from skelgraph.topology import JointHypergraph


class HyperedgeConv(HyperConv):
    r"""Hyperedge convolution: every hyperedge gathers its joints, every joint gathers its hyperedges.

    With ``norm="row"`` the operator of `"Hypergraph Convolution and Hypergraph Attention"
    <https://arxiv.org/abs/1901.08150>`_, in the two stages of `HGNN+ <https://ieeexplore.ieee.org/document/9795251>`_:

    .. math::
        \mathbf{Y} = \mathbf{W} \mathbf{D}_e^{-1} \mathbf{H}^\top \mathbf{X} \boldsymbol\Theta, \qquad
        \mathbf{X}' = \mathbf{D}_v^{-1} \mathbf{H} \mathbf{Y} + \mathbf{b}

    and with ``norm="sym"`` that of `"Hypergraph Neural Networks" <https://arxiv.org/abs/1809.09401>`_:

    .. math::
        \mathbf{X}' = \mathbf{D}_v^{-1/2} \mathbf{H} \mathbf{W} \mathbf{D}_e^{-1} \mathbf{H}^\top \mathbf{D}_v^{-1/2}
        \mathbf{X} \boldsymbol\Theta + \mathbf{b}

    with the hyperedge weights :math:`\mathbf{W}`, the weighted degrees :math:`\mathbf{D}_v` of the joints and the sizes
    :math:`\mathbf{D}_e` of the hyperedges. On soft memberships and weights of either sign the degrees are sums of
    magnitudes.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output.
        hypergraph: A :class:`~skelgraph.topology.JointHypergraph`, a skeleton or layout name for its default groups, or
            ``None`` if every call brings its own; see :class:`HyperConv` for what a call takes.
        norm: ``"row"`` or ``"sym"``, as above.
        weight_mode: ``"full"`` as above; ``"degree"``: the weights act on :math:`\mathbf{D}_v` alone, as in PyG.
        group_weights: Learn one weight :math:`\sigma(u_g)` per group of the hypergraph, which multiplies the weights of
            its hyperedges.
        v2e: How a hyperedge gathers its joints: ``"mean"`` as above, ``"sum"``, ``"max"``, or ``"softmax"``, the sum
            weighted by the softmax of each channel.
        e2v: How a joint gathers its hyperedges, likewise; a mean is divided by :math:`\mathbf{D}_v`.
        bias: ``"post"`` (or true) as above; ``"pre"``: added before the first stage, as in DHG; ``None`` (or false):
            none.
        dense: Take the dense or the sparse path; by default the dense one up to 4096 entries of the incidence matrix.

    Shapes:
        - input: ``(..., J, C_in)`` or ``(B * J, C_in)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``; with ``return_hyperedges`` also :math:`\mathbf{Y}` ``(...,
          M, C_out)``
        - ``lin.weight`` ``(C_out, C_in)``, ``bias`` ``(C_out)``, ``group_logits`` ``(groups)``

    Raises:
        SkelgraphError: If an option is unknown or does not go with another, there is no hypergraph, or an input has
            another shape.

    Initialisation: Glorot-uniform weight, zero bias and group logits (all weights one half).

    Code and paper: in PyG's ``HypergraphConv`` a weight changes the degree only, which is not the published formula;
    its state dict loads here and the other way round. DHG adds the bias before the first stage, so that isolated joints
    have none.

    Example:
        >>> conv = HyperedgeConv(8, 16, "h36m17")
        >>> x, y = conv(torch.randn(4, 17, 8), return_hyperedges=True)
        >>> x.shape, y.shape
        (torch.Size([4, 17, 16]), torch.Size([4, 15, 16]))
    """

    group_index: Tensor
    operator: Tensor

    def __init__(
        self,
        in_channels: InChannels,
        out_channels: Channels,
        hypergraph: HypergraphLike | None = None,
        norm: Literal["row", "sym"] = "row",
        weight_mode: Literal["full", "degree"] = "full",
        group_weights: bool = False,
        v2e: Reduce = "mean",
        e2v: Reduce = "mean",
        bias: Literal["post", "pre"] | bool | None = "post",
        dense: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, hypergraph, dense)
        place = "post" if bias is True else bias or None
        if norm == "sym" and (v2e, e2v) != ("mean", "mean"):
            raise SkelgraphError(f"v2e is {v2e!r} and e2v is {e2v!r}; expected 'mean' for both with norm='sym'")
        if group_weights and self.hypergraph is None:
            raise SkelgraphError("group_weights is True; expected a hypergraph with groups for the constructor")
        self.norm = norm
        self.weight_mode = weight_mode
        self.v2e: Reduce = v2e
        self.e2v: Reduce = e2v
        self.lin = linear(in_channels, out_channels, bias=False)
        self.bias_place = place
        self.bias = None if place is None else nn.Parameter(torch.empty(out_channels))
        self.group_logits = None
        if group_weights and self.hypergraph is not None:
            self.group_logits = nn.Parameter(torch.empty(len(self.hypergraph.groups)))
            self.register_buffer("group_index", self.hypergraph.group_index, persistent=False)
        self.has_operator = (
            self.hypergraph is not None
            and self.is_dense(self.hypergraph)
            and self.hypergraph.num_nodes <= 2 * self.hypergraph.num_hyperedges  # else two stages are cheaper
            and (v2e, e2v, group_weights) == ("mean", "mean", False)
        )
        if self.has_operator and self.hypergraph is not None:
            self.register_exact("operator", hyperedge_operator(self.hypergraph, norm, weight_mode))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as PyG does."""
        xavier(self.lin)
        for parameter in (self.bias, self.group_logits):
            if parameter is not None:
                nn.init.zeros_(parameter)

    @property
    def hyperedge_weight(self) -> Tensor:
        """The weights ``(M,)`` of the hyperedges of the layer, those of their groups multiplied in."""
        if self.hypergraph is None:
            raise SkelgraphError(f"{self} has no hypergraph")
        return self._with_groups(self.bound_weight)

    def forward(
        self,
        x: Tensor,
        hypergraph: Any = None,
        weight: Tensor | None = None,
        y: Tensor | None = None,
        num_hyperedges: Count | None = None,
        return_hyperedges: bool = False,
        return_attention_weights: bool = False,
    ) -> Any:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``; see :meth:`HyperConv.forward`."""
        given = hypergraph is not None or weight is not None or y is not None
        if self.has_operator and not (given or return_hyperedges or return_attention_weights or self.explain):
            if self.in_channels == -1:
                self.infer_channels(x)
            return self._smooth(x)
        return super().forward(x, hypergraph, weight, y, num_hyperedges, return_hyperedges, return_attention_weights)

    def convolve(self, x: Tensor, incidence: Incidence, weight: Tensor, y: Tensor | None) -> tuple[Tensor, ...]:
        """The two stages one after the other."""
        weight = self._with_groups(weight)
        degree = incidence.node_degree(weight)
        x = self._biased(self.lin(x), "pre")
        if self.norm == "sym":
            x = scale(x, inverse_sqrt(degree))
        y = incidence.to_hyperedges(x, reduce=self.v2e)
        if self.weight_mode == "full":
            y = scale(y, weight)
        if self.e2v == "mean":
            x = scale(incidence.to_nodes(y), (inverse_sqrt if self.norm == "sym" else inverse)(degree))
        else:
            x = incidence.to_nodes(y, reduce=self.e2v)
        return self._biased(x, "post"), y

    @accepts_flat_batch
    def _smooth(self, x: Tensor) -> Tensor:
        """Both stages as one matrix between joints."""
        operator = self.exact("operator")
        if self.in_channels <= self.out_channels and self.bias_place != "pre":
            return self._biased(self.lin(product(operator, x)), "post")
        return self._biased(product(operator, self._biased(self.lin(x), "pre")), "post")

    def _biased(self, x: Tensor, place: str) -> Tensor:
        return x if self.bias is None or self.bias_place != place else x + self.bias

    def _with_groups(self, weight: Tensor) -> Tensor:
        if self.group_logits is None:
            return weight
        if weight.size(-1) != self.group_index.numel():
            raise SkelgraphError(f"{self} has weights for the groups of its own hypergraph, got another one")
        return weight * self.group_logits.to(weight.dtype).sigmoid()[self.group_index]

    def extra_repr(self) -> str:
        """Channels, hypergraph and what is not the default."""
        options = f", norm={self.norm!r}"
        options += "" if self.group_logits is None else ", group_weights=True"
        return super().extra_repr() + options


def hyperedge_operator(
    hypergraph: JointHypergraph, norm: Literal["row", "sym"] = "row", weight_mode: Literal["full", "degree"] = "full"
) -> Tensor:
    """Return what the two stages of :class:`HyperedgeConv` are together: a matrix between nodes.

    Args:
        hypergraph: The hypergraph.
        norm: As for :class:`HyperedgeConv`.
        weight_mode: As for :class:`HyperedgeConv`.

    Shapes:
        ``(J, J)``, float64.
    """
    incidence = DenseIncidence(hypergraph.incidence.double())
    weight = hypergraph.weight.double()
    degree = incidence.node_degree(weight)
    share = inverse(incidence.hyperedge_degree()) * (weight if weight_mode == "full" else 1)
    smooth = incidence.matrix * share @ incidence.matrix.mT
    if norm == "sym":
        return inverse_sqrt(degree).unsqueeze(-1) * smooth * inverse_sqrt(degree)
    return inverse(degree).unsqueeze(-1) * smooth
