"""The base class of the layers that send from nodes to hyperedges and back."""

from __future__ import annotations

import copy
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.nn.features import check_features, check_tensor
from skelgraph.nn.hyper.hyperedges import Count, Hyperedges, read_hypergraph
from skelgraph.ops import DenseIncidence, Incidence, IncidenceMessages, IncidenceRows, SparseIncidence
from skelgraph.options import Channels, CheckedOptions
from skelgraph.topology import JointHypergraph, SkeletonLike
from skelgraph.topology.hypergraph import disjoint_union

DENSE_LIMIT = 4096
"""Up to so many entries of the incidence matrix the dense path is taken unless the caller says otherwise."""

HypergraphLike: TypeAlias = JointHypergraph | SkeletonLike
InChannels = Channels | Literal[-1]
"""Width of the input, -1 to read it off the first call."""


class HyperConv(CheckedOptions, IncidenceMessages):
    r"""Base of the hyperedge layers: ``in_channels``, ``out_channels`` and, if it stays the same, the hypergraph.

    A subclass writes :meth:`convolve` once for one :class:`~skelgraph.ops.DenseIncidence` or
    :class:`~skelgraph.ops.SparseIncidence`; this class finds out which, and takes care of the shapes.

    Args:
        in_channels: Channels of every node at the input; -1 to read them off the first call, as in PyG.
        out_channels: Channels of every node at the output.
        hypergraph: The hypergraph of all inputs, or a skeleton or layout name for the default groups of
            :meth:`~skelgraph.topology.JointHypergraph.from_skeleton`; ``None`` if every call brings its own. The layer
            keeps it as it is now: weights that change are handed to the call.
        dense: Take the dense or the sparse path; by default the dense one up to 4096 entries of the incidence matrix.

    Calls take, beside the features, a ``hypergraph`` that replaces that of the layer:

        - a :class:`~skelgraph.topology.JointHypergraph` or ``dhg.Hypergraph`` (converted at each call)
        - PyG's ``HyperGraphData``, or a batch of them, with its ``hyperedge_weight`` if there is one
        - PyG's ``hyperedge_index`` ``(2, nnz)``: for all samples of ``x (..., J, C)`` alike, or of a whole PyG batch
          for ``x (B * J, C)``; ``num_hyperedges`` says how many there are (a tensor: in every graph of a batch), else
          the largest id is read (which ``torch.compile`` cannot). Equal incidences count as many, as in PyG
        - a matrix of memberships ``(J, R)`` or ``(..., J, R)``, of zeros and ones of any type or soft, or a sparse
          matrix of ones
        - what a builder of dynamic hyperedges returns

    A tensor is told by its shape and range, see :func:`~skelgraph.nn.hyper.hyperedges.read_hypergraph`; on two nodes
    integers ``(2, nnz)`` may be matrix or index, and the call must say: ``Hyperedges(incidence)``, or
    ``num_hyperedges=``.

    PyG's explainers act on every path: a mask has one number per incidence, in the order of
    ``hypergraph.hyperedge_index`` of the layer's hypergraph, or of the index that the call was handed.

    Shapes:
        - input: ``(..., J, C_in)``, or ``(B * J, C_in)`` as in a PyG batch; weights ``(M,)`` or ``(..., M)``; hyperedge
          features ``(..., M, C_e)`` or ``(B * M, C_e)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``, and on request features of the hyperedges

    Raises:
        SkelgraphError: If there is no hypergraph, an id is out of range or an input has another shape.
    """

    takes_hyperedges = False
    """Whether :meth:`convolve` reads features of the hyperedges."""
    memberships: Tensor
    bound_weight: Tensor

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
        self.hypergraph = None if hypergraph is None else own_hypergraph(hypergraph)
        self.dense = dense
        if self.hypergraph is None:
            return
        hypergraph = self.hypergraph
        self.register_buffer("bound_weight", hypergraph.weight.clone(), persistent=False)
        if self.is_dense(hypergraph):
            self.register_buffer("memberships", hypergraph.incidence, persistent=False)
        else:
            rows = IncidenceRows.from_index(hypergraph.hyperedge_index, hypergraph.num_nodes, hypergraph.num_hyperedges)
            for name, buffer in rows._asdict().items():
                self.register_buffer(f"rows_{name}", buffer, persistent=False)

    def is_dense(self, hypergraph: JointHypergraph) -> bool:
        """Whether the dense path is taken for a hypergraph."""
        if self.explain:  # masks act on messages
            return False
        if self.dense is None:
            return hypergraph.num_nodes * hypergraph.num_hyperedges <= DENSE_LIMIT
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

    def convolve(self, x: Tensor, incidence: Incidence, weight: Tensor, y: Tensor | None) -> tuple[Tensor, ...]:
        """Map nodes ``(..., J, C_in)`` to nodes ``(..., J, C_out)`` and hyperedges ``(..., M, C)``; a layer with
        attention also returns its coefficients."""
        raise TypeError(f"{type(self).__name__} must define convolve()")

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
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``.

        Args:
            x: Features of the nodes.
            hypergraph: A hypergraph for this call, see the class.
            weight: Hyperedge weights in place of those of the hypergraph.
            y: Features of the hyperedges, for the layers that take them.
            num_hyperedges: Number of hyperedges of a ``hyperedge_index``.
            return_hyperedges: Return ``(x, y)`` with the features of the hyperedges.
            return_attention_weights: Return ``(x, (index, alpha))``, or ``(x, y, (index, alpha))``, with the
                coefficients ``(..., nnz, heads)`` of the incidences ``index (2, nnz)``, for the layers that have them.
                For ``x (B * J, C)`` both are those of the disjoint union, as in a PyG batch.
        """
        check_features(self, x)
        for name, value in (("weight", weight), ("y", y)):
            if value is not None:
                check_tensor(self, value, name)
        if self.in_channels == -1:
            self.infer_channels(x)
        if y is not None and not self.takes_hyperedges:
            raise SkelgraphError(f"{self} takes no features of hyperedges")
        counted = next((value.size(dim) for value, dim in ((weight, -1), (y, -2)) if value is not None), None)
        incidence, own_weight, whole = self._read(x, hypergraph, num_hyperedges, counted)
        if weight is None:
            weight = own_weight
        flat = x.dim() == 2 and not whole
        self._check(x, incidence, weight, y, flat)
        if flat:
            x = x.unflatten(0, (-1, incidence.num_nodes))
            y = None if y is None else y.unflatten(0, (x.size(0), incidence.num_hyperedges))
        wide = torch.promote_types(x.dtype, torch.float32)
        weight = x.new_ones(incidence.num_hyperedges, dtype=wide) if weight is None else weight.to(wide)
        x, y, *alphas = self.convolve(x, incidence, weight, y)
        copies = x.size(0) if flat else None
        if flat:
            x, y = x.flatten(0, 1), y.flatten(0, 1)
        results: list[Any] = [x, y] if return_hyperedges else [x]
        if return_attention_weights:
            results.append(self._attention_weights(alphas, incidence, copies))
        return tuple(results) if len(results) > 1 else x

    def incidence_of(
        self, x: Tensor, hypergraph: Any = None, num_hyperedges: Count | None = None
    ) -> tuple[Incidence, Tensor | None]:
        """Return the incidence that a call works on and the weights that come with the hypergraph."""
        return self._read(x, hypergraph, num_hyperedges)[:2]

    def _read(
        self, x: Tensor, hypergraph: Any, num_hyperedges: Count | None, num_expected: int | None = None
    ) -> tuple[Incidence, Tensor | None, bool]:
        """The incidence, the weights that come with it, and whether its nodes are all rows of a flattened ``x``."""
        if hypergraph is None:
            if self.hypergraph is None:
                raise SkelgraphError(
                    f"{self} has no hypergraph; hand a JointHypergraph to its constructor or a hypergraph to the call"
                )
            return self._incidence_of_data(self.hypergraph), self.bound_weight, False
        read = read_hypergraph(hypergraph, x, num_hyperedges, num_expected)
        if isinstance(read, JointHypergraph):
            return self._incidence_of_data(read), read.weight, False
        if isinstance(read, Hyperedges):
            if self.explain:
                raise SkelgraphError(
                    "explainers mask incidences, and a matrix of memberships has no order of them; hand its "
                    "incidences as a hyperedge_index (2, nnz)"
                )
            return DenseIncidence(read.incidence), read.weight, False
        whole = read.num_nodes == x.size(-2)
        if self.dense and not self.explain:
            node, hyperedge = read.index
            matrix = x.new_zeros(read.num_nodes, read.num_hyperedges)
            matrix = matrix.index_put((node, hyperedge), matrix.new_ones(()), accumulate=True)
            return DenseIncidence(matrix, read.index), read.weight, whole
        return SparseIncidence(read.index, read.num_nodes, read.num_hyperedges, self), read.weight, whole

    def _incidence_of_data(self, hypergraph: JointHypergraph) -> Incidence:
        own = hypergraph is self.hypergraph
        index, size = hypergraph.hyperedge_index, (hypergraph.num_nodes, hypergraph.num_hyperedges)
        if self.is_dense(hypergraph):
            return DenseIncidence(self.memberships if own else hypergraph.incidence, index)
        if self.explain:
            return SparseIncidence(index, *size, self)
        if own:
            rows = IncidenceRows(*(self.get_buffer(f"rows_{name}") for name in IncidenceRows._fields))
        else:
            rows = IncidenceRows.from_index(index, *size)
        return SparseIncidence(index, *size, self, rows)

    def _attention_weights(
        self, alphas: list[Tensor], incidence: Incidence, copies: int | None
    ) -> tuple[Tensor, Tensor]:
        """The incidences and their coefficients; of ``copies`` flattened samples those of the disjoint union."""
        if not alphas:
            raise SkelgraphError(f"{self} has no attention weights to return")
        index = incidence.index
        each = [incidence.by_incidence(alpha) for alpha in alphas]
        if copies is not None:
            # coefficients that do not depend on the sample are the same in all
            each = [a.expand(copies, *a.shape[-2:]).flatten(0, 1) for a in each]
            index = disjoint_union(index, copies, incidence.num_nodes, incidence.num_hyperedges)
        return index, each[0] if len(each) == 1 else torch.stack(each)

    def infer_channels(self, x: Tensor) -> None:
        """Set the input channels that were left open (-1) to those of ``x``, and initialise all parameters unless they
        were loaded meanwhile."""
        self.in_channels = x.size(-1)
        lazy = [part for part in self.modules() if isinstance(part, nn.LazyLinear) and part.has_uninitialized_params()]
        for part in lazy:
            part.initialize_parameters(x)
        if lazy:
            self.reset_parameters()

    def _check(self, x: Tensor, incidence: Incidence, weight: Tensor | None, y: Tensor | None, flat: bool) -> None:
        nodes, hyperedges = incidence.num_nodes, incidence.num_hyperedges
        check_features(self, x, self.in_channels, nodes, flat=True)
        if weight is not None and (weight.dim() == 0 or weight.size(-1) != hyperedges):
            raise SkelgraphError(
                f"{self} needs one weight for each of {hyperedges} hyperedges, got {tuple(weight.shape)}"
            )
        if y is not None and (y.dim() < 2 or (y.size(0) % max(hyperedges, 1) if flat else y.size(-2) != hyperedges)):
            raise SkelgraphError(f"{self} needs features of {hyperedges} hyperedges, got {tuple(y.shape)}")

    def extra_repr(self) -> str:
        """The arguments, for ``repr``."""
        size = ""
        if self.hypergraph is not None:
            size = f", {self.hypergraph.num_nodes} nodes, {self.hypergraph.num_hyperedges} hyperedges"
        return f"{self.in_channels}, {self.out_channels}{size}"

    def __repr__(self) -> str:  # noqa: D105
        return f"{type(self).__name__}({self.extra_repr()})"


def own_hypergraph(hypergraph: HypergraphLike) -> JointHypergraph:
    """The hypergraph of a layer: a copy, so that what moves or converts the layer leaves that of the caller alone."""
    if isinstance(hypergraph, JointHypergraph):
        return copy.deepcopy(hypergraph)
    return JointHypergraph.from_skeleton(hypergraph)
