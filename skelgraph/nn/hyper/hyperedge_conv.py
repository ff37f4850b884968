"""The two-stage hyperedge convolution: joints to hyperedges and back."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.nn.hyper.hyper_conv import Factors, HyperConv, InChannels
from skelgraph.nn.init import linear, xavier
from skelgraph.ops import DenseIncidence, Incidence
from skelgraph.ops.incidence import Reduce, multiply_by
from skelgraph.ops.products import inverse, inverse_sqrt
from skelgraph.options import Channels
from skelgraph.topology import HypergraphLike, as_hypergraph


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

    On the layer's own hypergraph both stages are one matrix between joints, :func:`hyperedge_operator`, which the layer
    computes when it is built. A call that asks for joints alone multiplies with that matrix (``has_operator``) if both
    stages are means or sums, no weights of groups are learned, the layer works with matrices (``dense``) and there are
    at most twice as many joints as hyperedges, as otherwise two stages are cheaper. All other calls take the two stages
    one after the other; the numbers are the same up to rounding.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output.
        hypergraph: A :class:`~skelgraph.topology.JointHypergraph`, a skeleton or layout name for its default groups, or
            ``None`` if every call brings its own; see :class:`HyperConv` for what a call takes.
        norm: ``"row"`` or ``"sym"``, as above.
        weight_mode: ``"full"`` as above; ``"degree"``: the weights act on :math:`\mathbf{D}_v` alone, as in PyG.
        group_weights: Learn one weight :math:`\sigma(u_g)` per group of the hypergraph, which multiplies the weights of
            its hyperedges.
        v2e: How a hyperedge gathers its joints (DHG's word: vertices to hyperedges): ``"mean"`` as above, ``"sum"``,
            ``"max"``, or ``"softmax"``, the sum weighted by the softmax of each channel.
        e2v: How a joint gathers its hyperedges, likewise; a mean is divided by :math:`\mathbf{D}_v`.
        bias: ``"post"`` (or true) as above; ``"pre"``: added before the first stage, as in DHG; ``None`` (or false):
            none.
        dense: True: matrices. False: index lists. None: matrices up to ``DENSE_INCIDENCE_LIMIT`` entries.

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
        Four joints in the hyperedges {0, 1, 2} and {2, 3}, as PyG writes them:

        >>> hyperedge_index = torch.tensor([[0, 1, 2, 2, 3], [0, 0, 0, 1, 1]])
        >>> conv = HyperedgeConv(1, 1, bias=None)
        >>> _ = torch.nn.init.ones_(conv.lin.weight)
        >>> x = torch.tensor([[1.0], [2.0], [3.0], [7.0]])
        >>> joints, hyperedges = conv(x, hyperedge_index, return_hyperedges=True)
        >>> hyperedges.flatten().tolist()  # (1 + 2 + 3) / 3 and (3 + 7) / 2
        [2.0, 5.0]
        >>> joints.flatten().tolist()
        [2.0, 2.0, 3.5, 5.0]
        >>> conv(x, hyperedge_index, hyperedge_weight=torch.tensor([1.0, 2.0])).flatten().tolist()
        [2.0, 2.0, 4.0, 5.0]

        The default groups of a layout:

        >>> conv = HyperedgeConv(8, 16, "h36m17")
        >>> conv(torch.randn(4, 17, 8)).shape
        torch.Size([4, 17, 16])
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
        if not group_weights:
            self.fix_stages(operator={v2e, e2v} <= {"sum", "mean"})
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
        return self._times_group_weights(self.default_hyperedge_weight)

    def factors(self, incidence: Incidence, hyperedge_weight: Tensor) -> tuple[Factors, Factors]:
        """Inverse sizes and weights of the hyperedges, inverse degrees of the joints or their roots."""
        hyperedge = hyperedge_weight if self.weight_mode == "full" else None
        if self.v2e == "mean":
            size = inverse(incidence.hyperedge_degree().to(hyperedge_weight.dtype))
            hyperedge = size if hyperedge is None else size * hyperedge
        if self.norm == "sym":
            root = inverse_sqrt(incidence.node_degree(hyperedge_weight))
            return (root, hyperedge), (None, root)
        node = inverse(incidence.node_degree(hyperedge_weight)) if self.e2v == "mean" else None
        return (None, hyperedge), (None, node)

    def two_stages(self, x: Tensor, incidence: Incidence, hyperedge_weight: Tensor) -> tuple[Tensor, ...]:
        """Hyperedges gather their joints, then joints their hyperedges."""
        hyperedge_weight = self._times_group_weights(hyperedge_weight)
        up, down = self.stages(incidence, hyperedge_weight, self.v2e, self.e2v)
        hyperedge_attr = up(self._add_bias(self.lin(x), "pre"))
        return self._add_bias(down(hyperedge_attr), "post"), hyperedge_attr

    def one_stage(self, x: Tensor, operator: Tensor) -> Tensor:
        """Both stages at once, on the narrower side of the map."""
        if self.in_channels <= self.out_channels and self.bias_place != "pre":
            x = self.lin(multiply_by(operator)(x))
        else:
            x = multiply_by(operator)(self._add_bias(self.lin(x), "pre"))
        return self._add_bias(x, "post")

    def _add_bias(self, x: Tensor, place: Literal["pre", "post"]) -> Tensor:
        """Add the bias if this is the place for it."""
        return x if self.bias is None or self.bias_place != place else x + self.bias

    def _times_group_weights(self, hyperedge_weight: Tensor) -> Tensor:
        """The weights of the hyperedges times the learned weights of their groups, if there are any."""
        if self.group_logits is None:
            return hyperedge_weight
        if hyperedge_weight.size(-1) != self.group_index.numel():
            raise SkelgraphError(f"{self} has weights for the groups of its own hypergraph, got another one")
        return hyperedge_weight * self.group_logits.to(hyperedge_weight.dtype).sigmoid()[self.group_index]

    def extra_repr(self) -> str:
        """Channels, hypergraph and what is not the default."""
        options = f", norm={self.norm!r}"
        options += "" if self.group_logits is None else ", group_weights=True"
        return super().extra_repr() + options


def hyperedge_operator(
    hypergraph: HypergraphLike, norm: Literal["row", "sym"] = "row", weight_mode: Literal["full", "degree"] = "full"
) -> Tensor:
    """Return what the two stages of :class:`HyperedgeConv` are together: a matrix between nodes.

    Args:
        hypergraph: The hypergraph, or a skeleton or layout name for its default groups.
        norm: As for :class:`HyperedgeConv`.
        weight_mode: As for :class:`HyperedgeConv`.

    Shapes:
        ``(J, J)``, float64.

    Example:
        >>> from skelgraph.topology import JointHypergraph
        >>> hyperedge_operator(JointHypergraph.from_lists(3, [[0, 1], [1, 2]])).tolist()
        [[0.5, 0.5, 0.0], [0.25, 0.5, 0.25], [0.0, 0.5, 0.5]]
    """
    hypergraph = as_hypergraph(hypergraph)
    incidence = DenseIncidence(hypergraph.incidence.double())
    weight = hypergraph.hyperedge_weight.double()
    degree = incidence.node_degree(weight)
    share = inverse(incidence.hyperedge_degree()) * (weight if weight_mode == "full" else 1)
    operator = incidence.matrix * share @ incidence.matrix.mT
    if norm == "sym":
        return inverse_sqrt(degree).unsqueeze(-1) * operator * inverse_sqrt(degree)
    return inverse(degree).unsqueeze(-1) * operator
