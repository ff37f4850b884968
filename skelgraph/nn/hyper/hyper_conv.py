"""The base class of the layers that send from nodes to hyperedges and back."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.fixed import on_cpu
from skelgraph.nn.features import check_batch, check_broadcast, check_features, check_flags, check_tensor
from skelgraph.nn.hyper.hypergraph_input import HypergraphInput, Memberships, NumEdges, read_hypergraph
from skelgraph.nn.hyper.messages import IncidenceMessages
from skelgraph.ops import DenseIncidence, Incidence, SparseIncidence, SparsePattern, Stage, incidence_pattern
from skelgraph.ops.incidence import Reduce, multiply_by
from skelgraph.options import Channels, CheckedOptions
from skelgraph.topology import HypergraphLike, JointHypergraph, as_hypergraph
from skelgraph.topology.hypergraph_data import disjoint_union

DENSE_INCIDENCE_LIMIT = 4096
"""Largest number of entries of an incidence matrix that layers multiply with; above it they use index lists, unless the
caller says otherwise."""

InChannels = Channels | Literal[-1]
"""Width of the input, -1 to read it off the first call."""
AttentionWeights: TypeAlias = tuple[Tensor, Tensor]
"""The incidences ``(2, nnz)`` and their coefficients ``(..., nnz, heads)``."""
Factors: TypeAlias = tuple[Tensor | None, Tensor | None]
"""Of one stage: factors of what is sent and of what is gathered, 1 where there are none."""
Output: TypeAlias = Tensor | tuple[Tensor | AttentionWeights, ...]
"""The features of the nodes, or a tuple of these, of those of the hyperedges and of the attention weights, as far as
they were asked for."""


_FACTORS = ("up_send", "up_gather", "down_send", "down_gather")
"""Names of the buffers of :meth:`HyperConv.factors`."""


class HyperConv(CheckedOptions, IncidenceMessages):
    r"""Base of the hyperedge layers: ``in_channels``, ``out_channels`` and, if it stays the same, the hypergraph.

    A subclass writes :meth:`two_stages` once, for one :class:`~skelgraph.ops.DenseIncidence` or
    :class:`~skelgraph.ops.SparseIncidence`; this class decides between them and takes care of the shapes. Where a layer
    has options ``v2e`` and ``e2v``, these are DHG's words: vertices to hyperedges, and hyperedges to vertices.

    What a layer has of the hypergraph alone, such as degrees and their powers, it writes in :meth:`factors`, and calls
    :meth:`fix_stages` when it is built: on its own hypergraph and weights both stages are then buffers, and where they
    are linear they are one matrix between nodes.

    Args:
        in_channels: Channels of every node at the input; -1 to read them off the first call, as in PyG.
        out_channels: Channels of every node at the output.
        hypergraph: The hypergraph of all inputs, or a skeleton or layout name for the default groups of
            :meth:`~skelgraph.topology.JointHypergraph.from_skeleton`; ``None`` if every call brings its own.
        dense: True: matrices. False: index lists. None: matrices up to ``DENSE_INCIDENCE_LIMIT`` entries. Parameters
            and answers are the same.

    Calls take, beside the features, a ``hypergraph`` that replaces that of the layer:

        - a :class:`~skelgraph.topology.JointHypergraph` or ``dhg.Hypergraph`` (converted at each call)
        - PyG's ``HyperGraphData``, or a batch of them, with its ``hyperedge_weight`` if there is one
        - PyG's ``hyperedge_index`` ``(2, nnz)``: for all samples of ``x (..., J, C)`` alike, or of a whole PyG batch
          for ``x (B * J, C)``; ``num_edges`` says how many hyperedges there are (a tensor: in every graph of a batch),
          else the largest id is read (which ``torch.compile`` cannot). Equal incidences count as many, as in PyG
        - a matrix of memberships ``(J, R)`` or ``(..., J, R)``, of zeros and ones of any type or soft, or a sparse
          matrix of ones
        - what a builder of dynamic hyperedges returns

    A tensor is recognised by its shape and range, see :func:`~skelgraph.nn.hyper.hypergraph_input.read_hypergraph`. On
    two nodes integers ``(2, nnz)`` may be matrix or index, and the call must say which: ``Memberships(incidence)``, or
    ``num_edges=``.

    PyG's explainers act on every path: a mask has one number per incidence, in the order of
    ``hypergraph.hyperedge_index`` of the layer's hypergraph, or of the index that the call was handed.

    Shapes:
        - input: ``(..., J, C_in)``, or ``(B * J, C_in)`` as in a PyG batch; weights ``(M,)`` or ``(..., M)``; hyperedge
          features ``(..., M, C_e)`` or ``(B * M, C_e)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``, and on request features of the hyperedges

    Raises:
        SkelgraphError: If there is no hypergraph, an id is out of range or an input has another shape.
    """

    hyperedge_index: Tensor
    default_hyperedge_weight: Tensor
    incidence_matrix: Tensor
    non_members: Tensor
    has_operator = False
    """Whether the layer has both stages as one matrix between nodes."""

    def __init__(
        self,
        in_channels: InChannels,
        out_channels: Channels,
        hypergraph: HypergraphLike | None = None,
        dense: bool | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.hypergraph = None if hypergraph is None else as_hypergraph(hypergraph)
        self.dense = dense
        self._stage_buffers: list[str] = []
        if self.hypergraph is None:
            return
        hypergraph = self.hypergraph
        index = hypergraph.hyperedge_index
        self.register_buffer("hyperedge_index", index, persistent=False)
        self.register_buffer("default_hyperedge_weight", hypergraph.hyperedge_weight, persistent=False)
        if self.uses_matrix(hypergraph):
            self.register_buffer("incidence_matrix", hypergraph.incidence, persistent=False)
            self.register_buffer("non_members", hypergraph.incidence == 0, persistent=False)
        else:
            pattern = incidence_pattern(index, hypergraph.num_nodes, hypergraph.num_hyperedges, by_hyperedge=True)
            for name in SparsePattern.BY_ROW:
                self.register_buffer(f"pattern_{name}", getattr(pattern, name), persistent=False)

    def uses_matrix(self, hypergraph: JointHypergraph) -> bool:
        """Whether the layer works with the incidence matrix of a hypergraph, not with its index lists."""
        if self.explain:  # masks act on messages
            return False
        if self.dense is None:
            return hypergraph.num_nodes * hypergraph.num_hyperedges <= DENSE_INCIDENCE_LIMIT
        return self.dense

    @property
    def num_nodes(self) -> int:
        """Number of nodes of the hypergraph of the layer."""
        if self.hypergraph is None:
            raise SkelgraphError(f"{self} has no hypergraph; hand one to its constructor or to the call")
        return self.hypergraph.num_nodes

    def reset_parameters(self) -> None:
        """Initialise the parameters."""
        raise TypeError(f"{type(self).__name__} must define reset_parameters()")

    def two_stages(self, x: Tensor, incidence: Incidence, hyperedge_weight: Tensor) -> tuple[Tensor, ...]:
        """The equation of the layer, from nodes to hyperedges and back.

        Args:
            x: Features of the nodes, ``(..., J, C_in)``.
            incidence: Which node is in which hyperedge.
            hyperedge_weight: Weights of the hyperedges, ``(M,)`` or ``(..., M)``.

        A layer that takes features of the hyperedges has one more argument, ``hyperedge_attr=None``.

        Returns:
            The features of the nodes ``(..., J, C_out)``, those of the hyperedges ``(..., M, C)``, and of a layer with
            attention its coefficients.
        """
        raise TypeError(f"{type(self).__name__} must define two_stages()")

    def factors(self, incidence: Incidence, hyperedge_weight: Tensor) -> tuple[Factors, Factors]:
        """What the two stages have of the hypergraph alone: the factors of the nodes that are sent and of the
        hyperedges that gather them, then of the hyperedges that are sent and of the nodes that gather these."""
        return (None, None), (None, None)

    @on_cpu
    def fix_stages(self, operator: bool = False) -> None:
        """Keep what the stages have of the hypergraph and the weights of the layer, so that no call computes it.

        Args:
            operator: Keep both stages as one matrix, too, for calls that ask for nodes alone; if the layer works with
                matrices and there are at most twice as many nodes as hyperedges, as otherwise two stages are cheaper.
        """
        hypergraph = self.hypergraph
        if hypergraph is None:
            return
        size = hypergraph.num_nodes, hypergraph.num_hyperedges
        each = SparseIncidence(hypergraph.hyperedge_index, *size, self.send)
        up, down = self.factors(each, hypergraph.hyperedge_weight.double())
        fixed = dict(zip(_FACTORS, (*up, *down), strict=True))
        if self.uses_matrix(hypergraph):
            dense = DenseIncidence(hypergraph.incidence.double())
            there, back = dense.weighted("hyperedges", *up), dense.weighted("nodes", *down)
            self.has_operator = operator and size[0] <= 2 * size[1]
            fixed |= {"up": there, "down": back, "operator": back @ there if self.has_operator else None}
        for name, value in fixed.items():
            if value is not None:
                self.register_exact(name, value)
                self._stage_buffers.append(name)

    def known_factors(self, incidence: Incidence, hyperedge_weight: Tensor) -> tuple[Factors, Factors]:
        """The :meth:`factors`, from buffers on the hypergraph and weights of the layer."""
        if not (incidence.is_fixed and self._stage_buffers):
            return self.factors(incidence, hyperedge_weight)
        values = [self.exact(name) if name in self._stage_buffers else None for name in _FACTORS]
        return (values[0], values[1]), (values[2], values[3])

    def stages(
        self, incidence: Incidence, hyperedge_weight: Tensor, v2e: Reduce = "sum", e2v: Reduce = "sum"
    ) -> tuple[Stage, Stage]:
        """Both ways with the :meth:`factors`, as maps of ``(..., J, C)`` to ``(..., M, C)`` and back; a mean is a sum
        that the factors divide."""
        v2e, e2v = "sum" if v2e == "mean" else v2e, "sum" if e2v == "mean" else e2v
        if v2e == e2v == "sum" and incidence.is_fixed and "up" in self._stage_buffers and not self.explain:
            return multiply_by(self.exact("up")), multiply_by(self.exact("down"))
        up, down = self.known_factors(incidence, hyperedge_weight)
        return incidence.stage("hyperedges", *up, reduce=v2e), incidence.stage("nodes", *down, reduce=e2v)

    def forward(
        self,
        x: Tensor,
        hypergraph: HypergraphInput | None = None,
        hyperedge_weight: Tensor | None = None,
        *,
        num_edges: NumEdges | None = None,
        return_hyperedges: bool = False,
    ) -> Output:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``.

        Args:
            x: Features of the nodes.
            hypergraph: A hypergraph for this call, see the class.
            hyperedge_weight: Hyperedge weights in place of those of the hypergraph.
            num_edges: Number of hyperedges of a ``hyperedge_index``.
            return_hyperedges: Return ``(x, hyperedge_attr)`` with the features of the hyperedges.
        """
        return self.run_two_stages(
            x, hypergraph, hyperedge_weight, None, num_edges, return_hyperedges=return_hyperedges
        )

    def run_two_stages(
        self,
        x: Tensor,
        hypergraph: HypergraphInput | None,
        hyperedge_weight: Tensor | None,
        hyperedge_attr: Tensor | None,
        num_edges: NumEdges | None,
        return_hyperedges: bool,
        return_attention_weights: bool = False,
    ) -> Any:
        """Check and reshape what a call was handed, take the two stages, and return what was asked for; the arguments
        are those of the ``forward`` of the layers that have them all."""
        nothing_given = hypergraph is None and hyperedge_weight is None and hyperedge_attr is None
        if nothing_given and return_hyperedges is False and return_attention_weights is False:
            return self._run_bound(x)
        check_features(self, x)
        check_flags(return_hyperedges=return_hyperedges, return_attention_weights=return_attention_weights)
        for name, value in (("hyperedge_weight", hyperedge_weight), ("hyperedge_attr", hyperedge_attr)):
            if value is not None:
                check_tensor(self, value, name)
        if self.in_channels == -1:
            self.infer_channels(x)
        rows = ((hyperedge_weight, -1), (hyperedge_attr, -2))
        counts = [value.size(dim) for value, dim in rows if value is not None and value.dim() >= -dim]
        incidence, own_weight, is_union = self._read(x, hypergraph, num_edges, counts[0] if counts else None)
        if hyperedge_weight is None:
            hyperedge_weight = own_weight
            incidence.is_fixed = hypergraph is None or hypergraph is self.hypergraph
        flat = x.dim() == 2 and not is_union
        self._check(x, incidence, hyperedge_weight, hyperedge_attr)
        if flat:
            x = x.unflatten(0, (-1, incidence.num_nodes))
            if hyperedge_attr is not None:
                hyperedge_attr = hyperedge_attr.unflatten(0, (x.size(0), incidence.num_hyperedges))
        if hyperedge_weight is not None:
            check_broadcast(self, x, hyperedge_weight, "hyperedge_weight", axes=1)
        if isinstance(incidence, DenseIncidence):
            check_broadcast(self, x, incidence.matrix, "memberships")
        float32_or_wider = torch.promote_types(x.dtype, torch.float32)
        if hyperedge_weight is None:
            hyperedge_weight = x.new_ones(incidence.num_hyperedges, dtype=float32_or_wider)
        hyperedge_weight = hyperedge_weight.to(float32_or_wider)
        # not every layer has an argument for them, and their forward takes none where it does not
        given_attr = [value for value in (hyperedge_attr,) if value is not None]
        x, hyperedge_attr, *alphas = self.two_stages(x, incidence, hyperedge_weight, *given_attr)
        num_samples = x.size(0) if flat else None
        if flat:
            x, hyperedge_attr = x.flatten(0, 1), hyperedge_attr.flatten(0, 1)
        results: list[Any] = [x, hyperedge_attr] if return_hyperedges else [x]
        if return_attention_weights:
            results.append(self._attention_weights(alphas, incidence, num_samples))
        return tuple(results) if len(results) > 1 else x

    def _run_bound(self, x: Tensor) -> Tensor:
        """:meth:`run_two_stages` on the hypergraph and weights of the layer, for the features of the nodes alone: the
        usual call, on which everything else need not be looked at."""
        if self.in_channels == -1:
            check_features(self, x)
            self.infer_channels(x)
        incidence = self._own_incidence()
        incidence.is_fixed = True
        num_nodes = incidence.num_nodes
        check_features(self, x, self.in_channels, num_nodes, flat=True)
        single = x.dim() == 3 and x.size(0) == 1  # products of two matrices are faster than those of a batch of one
        flat = x.dim() == 2 and x.size(0) != num_nodes
        if single:
            x = x.squeeze(0)
        elif flat:
            x = x.unflatten(0, (-1, num_nodes))
        if self.has_operator and isinstance(incidence, DenseIncidence):
            x = self.one_stage(x, self.exact("operator"))
        else:
            weight: Any = self._buffers["default_hyperedge_weight"]  # an attribute of a module takes longer to find
            x = self.two_stages(x, incidence, weight.to(torch.promote_types(x.dtype, torch.float32)))[0]
        return x.unsqueeze(0) if single else x.flatten(0, 1) if flat else x

    def one_stage(self, x: Tensor, operator: Tensor) -> Tensor:
        """The equation of a layer whose two stages are linear, with both as one matrix ``operator (J, J)``."""
        raise TypeError(f"{type(self).__name__} must define one_stage()")

    def incidence_of(
        self, x: Tensor, hypergraph: HypergraphInput | None = None, num_edges: NumEdges | None = None
    ) -> tuple[Incidence, Tensor | None]:
        """Return the incidence that a call works on and the weights that come with the hypergraph."""
        return self._read(x, hypergraph, num_edges)[:2]

    def _read(
        self, x: Tensor, hypergraph: HypergraphInput | None, num_edges: NumEdges | None, num_expected: int | None = None
    ) -> tuple[Incidence, Tensor | None, bool]:
        """The incidence, the weights that come with it, and whether all rows of a flattened ``x`` are its nodes, as in
        a PyG batch of different hypergraphs."""
        if hypergraph is None or hypergraph is self.hypergraph:
            return self._own_incidence(), self.default_hyperedge_weight, False
        read = read_hypergraph(hypergraph, x, num_edges, num_expected)
        if isinstance(read, Memberships):
            if self.explain:
                raise SkelgraphError(
                    "explainers mask incidences, and a matrix of memberships has no order of them; hand its "
                    "incidences as a hyperedge_index (2, nnz)"
                )
            return DenseIncidence(read.incidence), read.hyperedge_weight, False
        size = read.num_nodes, read.num_hyperedges
        if isinstance(read, JointHypergraph):
            index, weight = read.hyperedge_index, read.hyperedge_weight.to(x.device)
            if self.uses_matrix(read):
                return DenseIncidence(read.incidence.to(x.device), index.to(x.device)), weight, False
            pattern = None if self.explain else incidence_pattern(index, *size, by_hyperedge=True).to(x.device)
            return SparseIncidence(index.to(x.device), *size, self.send, pattern), weight, False
        is_union = read.num_nodes == x.size(-2)
        if self.dense and not self.explain:
            node, hyperedge = read.index
            matrix = x.new_zeros(size)
            matrix = matrix.index_put((node, hyperedge), matrix.new_ones(()), accumulate=True)
            return DenseIncidence(matrix, read.index), read.hyperedge_weight, is_union
        return SparseIncidence(read.index, *size, self.send), read.hyperedge_weight, is_union

    def _own_incidence(self) -> Incidence:
        """The incidence of the layer's hypergraph, from its buffers."""
        hypergraph = self.hypergraph
        if hypergraph is None:
            raise SkelgraphError(
                f"{self} has no hypergraph; hand a JointHypergraph to its constructor or a hypergraph to the call"
            )
        buffers: dict[str, Any] = self._buffers  # attributes of a module take longer to find
        index = buffers["hyperedge_index"]
        if "incidence_matrix" in buffers and not self.explain:
            return DenseIncidence(buffers["incidence_matrix"], index, buffers["non_members"])
        size = hypergraph.num_nodes, hypergraph.num_hyperedges
        if self.explain:
            return SparseIncidence(index, *size, self.send)
        pattern = SparsePattern(**{name: buffers[f"pattern_{name}"] for name in SparsePattern.BY_ROW})
        return SparseIncidence(index, *size, self.send, pattern)

    def _attention_weights(
        self, alphas: list[Tensor], incidence: Incidence, num_samples: int | None
    ) -> AttentionWeights:
        """The incidences and their coefficients; of flattened samples those of the disjoint union."""
        if not alphas:
            raise SkelgraphError(f"{self} has no attention weights to return")
        index = incidence.index
        each = [incidence.by_incidence(alpha) for alpha in alphas]
        if num_samples is not None:
            # coefficients that do not depend on the sample are the same in all
            each = [a.expand(num_samples, *a.shape[-2:]).flatten(0, 1) for a in each]
            index = disjoint_union(index, num_samples, incidence.num_nodes, incidence.num_hyperedges)
        return index, each[0] if len(each) == 1 else torch.stack(each)

    def infer_channels(self, x: Tensor) -> None:
        """Set the input channels that were left open (-1) to those of ``x``, and initialise all parameters unless they
        were loaded meanwhile."""
        self.in_channels = x.size(-1)
        lazy = [part for part in self.modules() if isinstance(part, nn.LazyLinear)]
        is_new = any(part.has_uninitialized_params() for part in lazy)
        for part in lazy:
            part._infer_parameters(part, (x,))  # makes it an nn.Linear, as its own first call would
        if is_new:
            self.reset_parameters()

    def _check(
        self,
        x: Tensor,
        incidence: Incidence,
        hyperedge_weight: Tensor | None,
        hyperedge_attr: Tensor | None,
    ) -> None:
        nodes, hyperedges = incidence.num_nodes, incidence.num_hyperedges
        check_features(self, x, self.in_channels, nodes, flat=True)
        if hyperedge_weight is not None and (hyperedge_weight.dim() == 0 or hyperedge_weight.size(-1) != hyperedges):
            raise SkelgraphError(
                f"{self} needs one weight for each of {hyperedges} hyperedges, got {tuple(hyperedge_weight.shape)}"
            )
        if hyperedge_attr is not None:
            check_batch(self, x, nodes, hyperedge_attr, hyperedges, "hyperedges")

    def extra_repr(self) -> str:
        """The arguments, for ``repr``."""
        size = ""
        if self.hypergraph is not None:
            size = f", {self.hypergraph.num_nodes} nodes, {self.hypergraph.num_hyperedges} hyperedges"
        return f"{self.in_channels}, {self.out_channels}{size}"

    def __repr__(self) -> str:  # noqa: D105
        return f"{type(self).__name__}({self.extra_repr()})"
