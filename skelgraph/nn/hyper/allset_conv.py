"""AllSet: two learned functions of sets, from joints to hyperedges and back."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from skelgraph.errors import SkelgraphError
from skelgraph.nn.hyper.hyper_conv import HyperConv, HypergraphLike
from skelgraph.nn.hyper.relation_attention import xavier
from skelgraph.ops import Incidence
from skelgraph.ops.incidence import Over
from skelgraph.options import Channels, CheckedOptions, Count


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
    learned seed :math:`\boldsymbol\theta` per head. Hyperedge weights have no place in it and are not used.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output.
        hypergraph: A :class:`~skelgraph.topology.JointHypergraph`, a skeleton or layout name for its default groups, or
            ``None`` if every call brings its own; see :class:`HyperConv`.
        kind: ``"transformer"`` or ``"deepsets"``, as above.
        heads: Heads of the transformer.
        hidden_channels: Channels of every hyperedge; ``out_channels`` by default.
        bias: Give the maps after the sums (and those of the perceptrons) a bias.
        dense: Take the dense or the sparse path; by default the dense one up to 4096 entries of the incidence matrix.

    Shapes:
        - input: ``(..., J, C_in)`` or ``(B * J, C_in)``, and optionally hyperedges ``(..., M, C_h)`` or ``(B * M,
          C_h)`` that are added before :math:`\mathrm{LN}_0` (transformer) or :math:`\mathrm{MLP}_2` (deepsets)
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``; with ``return_hyperedges`` also ``(..., M, C_h)``
        - of each direction, ``n`` to ``m`` channels: ``key.weight`` and ``value.weight`` ``(m, n)``, ``seed`` ``(heads,
          m / heads)``, ``ff`` ``(m, m)`` and ``(m)``, two layer normalisations; or the maps of two perceptrons

    Raises:
        SkelgraphError: If the kind is unknown or the heads do not divide the channels.
        ValueError: If there is no hypergraph or an input has another shape.

    Initialisation: Xavier-uniform weights and seeds, zero biases.

    Code and paper: as released, scores are not scaled and there is no map after the heads.

    Example:
        >>> AllSetConv(8, 12, "h36m17", heads=3)(torch.randn(4, 17, 8)).shape
        torch.Size([4, 17, 12])
    """

    takes_hyperedges = True

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        hypergraph: HypergraphLike | None = None,
        kind: Literal["transformer", "deepsets"] = "transformer",
        heads: Count = 1,
        hidden_channels: Channels | None = None,
        bias: bool = True,
        dense: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, hypergraph, dense)
        hidden_channels = out_channels if hidden_channels is None else hidden_channels
        self.kind = kind
        self.hidden_channels = hidden_channels
        self.to_hyperedges: SetTransformer | DeepSet
        self.to_nodes: SetTransformer | DeepSet
        if kind == "transformer":
            self.to_hyperedges = SetTransformer(in_channels, hidden_channels, "nodes", heads, bias)
            self.to_nodes = SetTransformer(hidden_channels, out_channels, "hyperedges", heads, bias)
        else:
            self.to_hyperedges = DeepSet(in_channels, hidden_channels, "nodes", bias)
            self.to_nodes = DeepSet(hidden_channels, out_channels, "hyperedges", bias)

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        self.to_hyperedges.reset_parameters()
        self.to_nodes.reset_parameters()

    def convolve(self, x: Tensor, incidence: Incidence, weight: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """One function of sets after the other."""
        if y is not None and y.size(-1) != self.hidden_channels:
            raise ValueError(
                f"{self} needs features y of the hyperedges with {self.hidden_channels} channels, got {tuple(y.shape)}"
            )
        y = self.to_hyperedges(x, incidence, y)
        return self.to_nodes(y, incidence), y

    def extra_repr(self) -> str:
        """Channels, hypergraph and kind."""
        return super().extra_repr() + f", kind={self.kind!r}"


class SetTransformer(CheckedOptions, nn.Module):
    """One direction of :class:`AllSetConv`, ``kind="transformer"``: a learned seed attends to the members of a set.

    Args:
        in_channels: Channels of every member.
        out_channels: Channels of every set.
        over: What the members are: ``"nodes"`` for functions of hyperedges, ``"hyperedges"`` for functions of nodes.
        heads: Number of heads.
        bias: Give the map after the sum a bias.
    """

    def __init__(
        self, in_channels: Channels, out_channels: Channels, over: Over, heads: Count = 1, bias: bool = True
    ) -> None:
        super().__init__()
        if out_channels % heads:
            raise SkelgraphError(f"heads is {heads}; expected a divisor of the width {out_channels}")
        self.over: Over = over
        self.key = nn.Linear(in_channels, out_channels, bias=False)
        self.value = nn.Linear(in_channels, out_channels, bias=False)
        self.seed = nn.Parameter(torch.empty(heads, out_channels // heads))
        self.ff = nn.Linear(out_channels, out_channels, bias)
        self.norm0 = nn.LayerNorm(out_channels)
        self.norm1 = nn.LayerNorm(out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        for linear in (self.key, self.value, self.ff):
            xavier(linear)
        nn.init.xavier_uniform_(self.seed)
        self.norm0.reset_parameters()
        self.norm1.reset_parameters()

    def forward(self, x: Tensor, incidence: Incidence, state: Tensor | None = None) -> Tensor:
        """Map the members ``(..., N, C_in)`` to their sets ``(..., S, C_out)``; ``state`` of that shape is added."""
        heads = self.seed.size(0)
        score = F.leaky_relu((self.key(x).unflatten(-1, (heads, -1)) * self.seed).sum(dim=-1), 0.2)
        if self.over == "nodes":
            alpha = incidence.softmax(
                incidence.score(score, score.new_zeros(incidence.num_hyperedges, heads)), self.over
            )
            z = incidence.to_hyperedges(self.value(x), alpha)
        else:
            alpha = incidence.softmax(incidence.score(score.new_zeros(incidence.num_nodes, heads), score), self.over)
            z = incidence.to_nodes(self.value(x), alpha)
        z = z + self.seed.flatten()
        z = self.norm0(z if state is None else z + state)
        return self.norm1(z + self.ff(z).relu())


class DeepSet(CheckedOptions, nn.Module):
    """One direction of :class:`AllSetConv`, ``kind="deepsets"``: a perceptron of the sum of a perceptron.

    Args:
        in_channels: Channels of every member.
        out_channels: Channels of every set and inside the perceptrons, which have two layers.
        over: What the members are: ``"nodes"`` for functions of hyperedges, ``"hyperedges"`` for functions of nodes.
        bias: Give the maps a bias.
    """

    def __init__(self, in_channels: Channels, out_channels: Channels, over: Over, bias: bool = True) -> None:
        super().__init__()
        self.over: Over = over

        def perceptron(channels: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Linear(channels, out_channels, bias), nn.ReLU(), nn.Linear(out_channels, out_channels, bias)
            )

        self.inner = perceptron(in_channels)
        self.outer = perceptron(out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                xavier(module)

    def forward(self, x: Tensor, incidence: Incidence, state: Tensor | None = None) -> Tensor:
        """Map the members ``(..., N, C_in)`` to their sets ``(..., S, C_out)``; ``state`` of that shape is added."""
        z = self.inner(x)
        z = incidence.to_hyperedges(z) if self.over == "nodes" else incidence.to_nodes(z)
        return self.outer(z if state is None else z + state)
