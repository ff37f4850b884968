"""AllSet: two learned functions of sets, from joints to hyperedges and back."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from skelgraph.errors import SkelgraphError
from skelgraph.nn.dropout import Dropout
from skelgraph.nn.hyper.hyper_conv import HyperConv, InChannels, Output
from skelgraph.nn.hyper.hypergraph_input import HypergraphInput, NumEdges
from skelgraph.nn.init import linear, xavier
from skelgraph.ops import Incidence
from skelgraph.ops.incidence import Over, Reduce
from skelgraph.ops.products import head_products
from skelgraph.options import Channels, CheckedOptions, Count, Finite, Rate
from skelgraph.topology import HypergraphLike

Variant = Literal["paper", "released"]


class AllSetConv(HyperConv):
    r"""Hyperedge layer of `"You are AllSet: A Multiset Function Framework for Hypergraph Neural Networks"
    <https://arxiv.org/abs/2106.13264>`_ (ICLR 2022): every hyperedge is a learned function of the set of its joints,
    every joint one of the set of its hyperedges.

    .. math::
        \text{deepsets:} \quad & \mathbf{y}_m = \mathrm{MLP}_2 \Big( \sum_{i \in m} \mathrm{MLP}_1(\mathbf{x}_i) \Big)
        \\ \text{transformer:} \quad & \mathbf{y}_m = \mathrm{LN}_1(\mathbf{z}_m +
        \mathrm{ReLU}(\mathrm{FF}(\mathbf{z}_m))), \quad
        \mathbf{z}_m = \mathrm{LN}_0 \Big( \sum_{i \in m} \alpha_{im} \mathbf{V}_i + \boldsymbol\theta \Big), \quad
        \alpha_{im} = \mathrm{softmax}_{i \in m} \, \mathrm{LeakyReLU}(\mathbf{K}_i^\top \boldsymbol\theta)

    with keys and values :math:`\mathbf{K} = \mathbf{X} \mathbf{W}_K, \mathbf{V} = \mathbf{X} \mathbf{W}_V` and a
    learned seed :math:`\boldsymbol\theta` per head, and the same from hyperedges to joints. Hyperedge weights have no
    place in it and are not used.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output.
        hypergraph: A :class:`~skelgraph.topology.JointHypergraph`, a skeleton or layout name for its default groups, or
            ``None`` if every call brings its own; see :class:`HyperConv`.
        kind: ``"transformer"`` or ``"deepsets"``, as above.
        heads: Heads of the transformer.
        hidden_channels: Channels of every hyperedge; ``out_channels`` by default.
        bias: Give the maps after the sums (and those of the perceptrons) a bias.
        dense: True: matrices. False: index lists. None: matrices up to ``DENSE_INCIDENCE_LIMIT`` entries.
        variant: ``"paper"`` as above, or ``"released"``, what the authors' code computes: keys and values have a bias,
            and what hyperedges send on goes through a ReLU; of deepsets both perceptrons start with a layer
            normalisation, have another behind their ReLU, and end with a ReLU.
        num_layers: Layers of :math:`\mathrm{FF}`, 1 by default, or of each perceptron, 2 by default (2 for both in the
            authors' script).
        v2e: How deepsets gather the joints of a hyperedge (DHG's word: vertices to hyperedges): ``"sum"`` as above,
            ``"mean"`` (the default of the authors' script), ``"max"`` or ``"softmax"``. Transformers weigh them by
            their attention.
        e2v: How they gather the hyperedges of a joint, likewise.
        dropout: Dropout rate of what hyperedges send on, and in and behind the first perceptrons of released deepsets.
        negative_slope: Of the LeakyReLU of the transformer.

    Shapes:
        - input: ``(..., J, C_in)`` or ``(B * J, C_in)``, and optionally hyperedges ``(..., M, C_h)`` or ``(B * M,
          C_h)`` that are added before :math:`\mathrm{LN}_0` (transformer) or :math:`\mathrm{MLP}_2` (deepsets)
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``; with ``return_hyperedges`` also ``(..., M, C_h)``
        - of each direction, ``n`` to ``m`` channels: ``key.weight`` and ``value.weight`` ``(m, n)``, ``seed`` ``(heads,
          m / heads)``, ``ff`` ``(m, m)`` and ``(m)``, two layer normalisations; or the maps of two perceptrons

    Raises:
        SkelgraphError: If an option is unknown or does not go with the kind, the heads do not divide the channels,
            there is no hypergraph, or an input has another shape.

    Initialisation: Xavier-uniform weights and seeds, zero biases.

    Code and paper: as released, scores are not scaled and there is no map after the heads. The rest of what the code
    does otherwise is ``variant="released"``; its network has dropout and a ReLU behind each layer, too.

    Example:
        >>> AllSetConv(8, 12, "h36m17", heads=3)(torch.randn(4, 17, 8)).shape
        torch.Size([4, 17, 12])
    """

    def __init__(
        self,
        in_channels: InChannels,
        out_channels: Channels,
        hypergraph: HypergraphLike | None = None,
        kind: Literal["transformer", "deepsets"] = "transformer",
        heads: Count = 1,
        hidden_channels: Channels | None = None,
        bias: bool = True,
        dense: bool | None = None,
        variant: Variant = "paper",
        num_layers: Count | None = None,
        v2e: Reduce = "sum",
        e2v: Reduce = "sum",
        dropout: Rate = 0.0,
        negative_slope: Finite = 0.2,
    ) -> None:
        super().__init__(in_channels, out_channels, hypergraph, dense)
        if kind == "transformer" and (v2e, e2v) != ("sum", "sum"):
            raise SkelgraphError(f"v2e is {v2e!r} and e2v is {e2v!r}; expected 'sum' for both with kind='transformer'")
        hidden_channels = out_channels if hidden_channels is None else hidden_channels
        released = variant == "released"
        self.kind = kind
        self.heads = heads
        self.hidden_channels = hidden_channels
        self.activation = nn.ReLU() if released else None
        self.dropout = Dropout(dropout)
        self.to_hyperedges: SetTransformer | DeepSet
        self.to_nodes: SetTransformer | DeepSet
        if kind == "transformer":

            def transformer(channels: int, width: int, over: Over) -> SetTransformer:
                return SetTransformer(
                    channels, width, over, heads, bias, released and bias, num_layers or 1, negative_slope
                )

            self.to_hyperedges = transformer(in_channels, hidden_channels, "nodes")
            self.to_nodes = transformer(hidden_channels, out_channels, "hyperedges")
        else:
            layers = 2 if num_layers is None else num_layers
            self.to_hyperedges = DeepSet(in_channels, hidden_channels, "nodes", bias, v2e, released, layers, dropout)
            self.to_nodes = DeepSet(hidden_channels, out_channels, "hyperedges", bias, e2v, released, layers, dropout)

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        self.to_hyperedges.reset_parameters()
        self.to_nodes.reset_parameters()

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
        r"""Map ``(..., J, C_in)`` to ``(..., J, C_out)``.

        Args:
            x: Features of the nodes.
            hypergraph: A hypergraph for this call, see :class:`HyperConv`.
            hyperedge_weight: Not used, as hyperedge weights have no place in this layer.
            hyperedge_attr: Features of the hyperedges, added before :math:`\mathrm{LN}_0` or :math:`\mathrm{MLP}_2`.
            num_edges: Number of hyperedges of a ``hyperedge_index``.
            return_hyperedges: Return ``(x, hyperedge_attr)`` with the features of the hyperedges.
            return_attention_weights: Return ``(x, (index, alpha))``, or ``(x, hyperedge_attr, (index, alpha))``, with
                the coefficients ``alpha (..., nnz, heads)`` of the incidences ``index (2, nnz)``; of a transformer, of
                both directions, to hyperedges first. For ``x (B * J, C)`` they are those of the disjoint union, as in a
                PyG batch.
        """
        return self.run_two_stages(
            x, hypergraph, hyperedge_weight, hyperedge_attr, num_edges, return_hyperedges, return_attention_weights
        )

    def two_stages(
        self, x: Tensor, incidence: Incidence, hyperedge_weight: Tensor, hyperedge_attr: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """One function of sets after the other."""
        if hyperedge_attr is not None and hyperedge_attr.size(-1) != self.hidden_channels:
            raise SkelgraphError(
                f"{self} needs hyperedge_attr with {self.hidden_channels} channels, got {tuple(hyperedge_attr.shape)}"
            )
        hyperedge_attr, *alpha = self.to_hyperedges(x, incidence, hyperedge_attr)
        sent = self.dropout(hyperedge_attr if self.activation is None else self.activation(hyperedge_attr))
        x, *back = self.to_nodes(sent, incidence)
        return x, hyperedge_attr, *alpha, *back

    def extra_repr(self) -> str:
        """Channels, hypergraph, kind and, where it has any, heads."""
        return super().extra_repr() + f", kind={self.kind!r}" + f", heads={self.heads}" * (self.kind == "transformer")


class SetTransformer(CheckedOptions, nn.Module):
    """One direction of :class:`AllSetConv`, ``kind="transformer"``: a learned seed attends to the members of a set.

    Args:
        in_channels: Channels of every member.
        out_channels: Channels of every set.
        over: What the members are: ``"nodes"`` for functions of hyperedges, ``"hyperedges"`` for functions of nodes.
        heads: Number of heads.
        bias: Give the maps after the sum a bias.
        key_value_bias: Give keys and values a bias.
        num_layers: Number of maps after the sum.
        negative_slope: Of the LeakyReLU.
    """

    def __init__(
        self,
        in_channels: InChannels,
        out_channels: Channels,
        over: Over,
        heads: Count = 1,
        bias: bool = True,
        key_value_bias: bool = False,
        num_layers: Count = 1,
        negative_slope: Finite = 0.2,
    ) -> None:
        super().__init__()
        if out_channels % heads:
            raise SkelgraphError(f"heads is {heads}; expected a divisor of the width {out_channels}")
        self.over: Over = over
        self.negative_slope = negative_slope
        self.key = linear(in_channels, out_channels, key_value_bias)
        self.value = linear(in_channels, out_channels, key_value_bias)
        self.seed = nn.Parameter(torch.empty(heads, out_channels // heads))
        maps = [nn.Linear(out_channels, out_channels, bias) for _ in range(num_layers)]
        self.ff = maps[0] if num_layers == 1 else nn.Sequential(*_with_relu(maps))
        self.norm0 = nn.LayerNorm(out_channels)
        self.norm1 = nn.LayerNorm(out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                xavier(module)
        nn.init.xavier_uniform_(self.seed)
        self.norm0.reset_parameters()
        self.norm1.reset_parameters()

    def forward(self, x: Tensor, incidence: Incidence, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map the members ``(..., N, C_in)`` to their sets ``(..., S, C_out)``; ``state`` of that shape is added. The
        second result are the coefficients of the members."""
        score = F.leaky_relu(self._scores(x), self.negative_slope)
        if self.over == "nodes":
            alpha = incidence.softmax(incidence.score(score, None), self.over)
            z = incidence.to_hyperedges(self.value(x), alpha)
        else:
            alpha = incidence.softmax(incidence.score(None, score), self.over)
            z = incidence.to_nodes(self.value(x), alpha)
        z = z + self.seed.flatten()
        z = self.norm0(z if state is None else z + state)
        return self.norm1(z + self.ff(z).relu()), alpha

    def _scores(self, x: Tensor) -> Tensor:
        """The products of all keys with the seed, ``(..., N, heads)``: the seed is multiplied with the map of the keys,
        which has fewer rows than there are members, unless something else was put in its place or hung on it."""
        key = self.key
        if type(key) is not nn.Linear or key._forward_hooks or key._forward_pre_hooks:
            return head_products(key(x), self.seed)
        weight = (key.weight.unflatten(0, self.seed.shape) * self.seed.unsqueeze(-1)).sum(dim=1)
        bias = key.bias
        return F.linear(x, weight, None if bias is None else (bias.view_as(self.seed) * self.seed).sum(dim=-1))


class DeepSet(CheckedOptions, nn.Module):
    """One direction of :class:`AllSetConv`, ``kind="deepsets"``: a perceptron of the sum of a perceptron.

    Args:
        in_channels: Channels of every member.
        out_channels: Channels of every set and inside the perceptrons.
        over: What the members are: ``"nodes"`` for functions of hyperedges, ``"hyperedges"`` for functions of nodes.
        bias: Give the maps a bias.
        reduce: How the members of a set are gathered.
        released: Have the normalisations and activations of the authors' code.
        num_layers: Layers of each perceptron.
        dropout: Dropout rate, if released: inside the perceptrons and behind the first.
    """

    def __init__(
        self,
        in_channels: InChannels,
        out_channels: Channels,
        over: Over,
        bias: bool = True,
        reduce: Reduce = "sum",
        released: bool = False,
        num_layers: Count = 2,
        dropout: Rate = 0.0,
    ) -> None:
        super().__init__()
        if released and in_channels == -1:
            raise SkelgraphError("in_channels is -1; expected a positive number for a layer that normalises its input")
        self.over: Over = over
        self.reduce: Reduce = reduce
        self.released = released
        self.dropout = Dropout(dropout)

        def perceptron(channels: int) -> nn.Sequential:
            widths = [channels] + (num_layers - 1) * [out_channels]
            maps = [linear(width, out_channels, bias) for width in widths]
            if not released:
                return nn.Sequential(*_with_relu(maps))
            behind = [nn.Sequential(nn.ReLU(), nn.LayerNorm(out_channels), Dropout(dropout)) for _ in maps[1:]]
            inner = [part for pair in zip(maps, [*behind, nn.ReLU()], strict=True) for part in pair]
            return nn.Sequential(nn.LayerNorm(channels), *inner)

        self.inner = perceptron(in_channels)
        self.outer = perceptron(out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                xavier(module)
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()

    def forward(self, x: Tensor, incidence: Incidence, state: Tensor | None = None) -> tuple[Tensor]:
        """Map the members ``(..., N, C_in)`` to their sets ``(..., S, C_out)``; ``state`` of that shape is added."""
        z = self.inner(x)
        z = self.dropout(z) if self.released else z
        gather = incidence.to_hyperedges if self.over == "nodes" else incidence.to_nodes
        z = gather(z, reduce=self.reduce)
        return (self.outer(z if state is None else z + state),)


def _with_relu(maps: list[nn.Linear]) -> list[Any]:
    """The maps with a ReLU between any two."""
    return [part for linear_map in maps for part in (linear_map, nn.ReLU())][:-1]
