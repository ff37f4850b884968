"""The base class of the layers that send from nodes to hyperedges and back."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from skelgraph.ops import DenseIncidence, Incidence, IncidenceMessages, IncidenceRows, SparseIncidence
from skelgraph.options import Channels, CheckedOptions
from skelgraph.topology import JointHypergraph, SkeletonLike

DENSE_LIMIT = 4096
"""Up to so many entries of the incidence matrix the dense path is taken unless the caller says otherwise."""

HypergraphLike: TypeAlias = JointHypergraph | SkeletonLike


class Hyperedges(NamedTuple):
    """Hyperedges that depend on the sample, hard or soft, for the call of a layer.

    Shapes:
        ``incidence`` memberships ``(..., J, R)``; ``weight`` ``(..., R)``, 1 by default, may be negative.
    """

    incidence: Tensor
    weight: Tensor | None = None


class HyperConv(CheckedOptions, IncidenceMessages):
    r"""Base of the hyperedge layers: ``in_channels``, ``out_channels`` and, if it stays the same, the hypergraph.

    A subclass writes :meth:`convolve` once for one :class:`~skelgraph.ops.DenseIncidence` or
    :class:`~skelgraph.ops.SparseIncidence`; this class finds out which, and takes care of the shapes.

    Args:
        in_channels: Channels of every node at the input.
        out_channels: Channels of every node at the output.
        hypergraph: The hypergraph of all inputs, or a skeleton or layout name for the default groups of
            :meth:`~skelgraph.topology.JointHypergraph.from_skeleton`; ``None`` if every call brings its own.
        dense: Take the dense or the sparse path; by default the dense one up to 4096 entries of the incidence matrix.

    Calls take, beside the features, a ``hypergraph`` that replaces that of the layer:

        - a :class:`~skelgraph.topology.JointHypergraph` or ``dhg.Hypergraph`` (converted at each call)
        - PyG's ``hyperedge_index`` ``(2, nnz)``: for all samples of ``x (..., J, C)`` alike, or of a whole PyG batch
          for ``x (B * J, C)``; ``num_hyperedges`` says how many there are, else the largest id is read (which
          ``torch.compile`` cannot)
        - what a builder of dynamic hyperedges returns, or a matrix of memberships ``(J, R)`` or ``(..., J, R)``

    Shapes:
        - input: ``(..., J, C_in)``, or ``(B * J, C_in)`` as in a PyG batch; weights ``(M,)`` or ``(..., M)``; hyperedge
          features ``(..., M, C_e)`` or ``(B * M, C_e)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``, and on request features of the hyperedges

    Raises:
        ValueError: If there is no hypergraph or an input has another shape.
    """

    takes_hyperedges = False
    """Whether :meth:`convolve` reads features of the hyperedges."""
    memberships: Tensor

    def __init__(
        self,
        in_channels: Channels,
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
        if self.is_dense(hypergraph):
            self.register_buffer("memberships", hypergraph.incidence, persistent=False)
        else:
            rows = IncidenceRows.from_index(hypergraph.hyperedge_index, hypergraph.num_nodes, hypergraph.num_hyperedges)
            for name, buffer in rows._asdict().items():
                self.register_buffer(f"rows_{name}", buffer, persistent=False)

    def is_dense(self, hypergraph: JointHypergraph) -> bool:
        """Whether the dense path is taken for a hypergraph."""
        if self.dense is None:
            return hypergraph.num_nodes * hypergraph.num_hyperedges <= DENSE_LIMIT
        return self.dense

    @property
    def num_nodes(self) -> int:
        """Number of nodes of the hypergraph of the layer."""
        if self.hypergraph is None:
            raise ValueError(f"{self} has no hypergraph; hand one to its constructor or to the call")
        return self.hypergraph.num_nodes

    def reset_parameters(self) -> None:
        """Initialise the parameters."""
        raise TypeError(f"{type(self).__name__} must define reset_parameters()")

    def convolve(self, x: Tensor, incidence: Incidence, weight: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map nodes ``(..., J, C_in)`` to nodes ``(..., J, C_out)`` and hyperedges ``(..., M, C)``."""
        raise TypeError(f"{type(self).__name__} must define convolve()")

    def forward(
        self,
        x: Tensor,
        hypergraph: Any = None,
        weight: Tensor | None = None,
        y: Tensor | None = None,
        num_hyperedges: int | None = None,
        return_hyperedges: bool = False,
    ) -> Any:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``.

        Args:
            x: Features of the nodes.
            hypergraph: A hypergraph for this call, see the class.
            weight: Hyperedge weights in place of those of the hypergraph.
            y: Features of the hyperedges, for the layers that take them.
            num_hyperedges: Number of hyperedges of a ``hyperedge_index``.
            return_hyperedges: Return ``(x, y)`` with the features of the hyperedges.
        """
        if y is not None and not self.takes_hyperedges:
            raise ValueError(f"{self} takes no features of hyperedges")
        counted = next((value.size(dim) for value, dim in ((weight, -1), (y, -2)) if value is not None), None)
        incidence, own_weight = self.incidence_of(x, hypergraph, counted if num_hyperedges is None else num_hyperedges)
        if weight is None:
            weight = own_weight
        flat = x.dim() == 2 and not _is_index(hypergraph)
        self._check(x, incidence, weight, y, flat)
        if flat:
            x = x.unflatten(0, (-1, incidence.num_nodes))
            y = None if y is None else y.unflatten(0, (x.size(0), incidence.num_hyperedges))
        wide = torch.promote_types(x.dtype, torch.float32)
        weight = x.new_ones(incidence.num_hyperedges, dtype=wide) if weight is None else weight.to(wide)
        x, y = self.convolve(x, incidence, weight, y)
        if flat:
            x, y = x.flatten(0, 1), y.flatten(0, 1)
        return (x, y) if return_hyperedges else x

    def incidence_of(
        self, x: Tensor, hypergraph: Any = None, num_hyperedges: int | None = None
    ) -> tuple[Incidence, Tensor | None]:
        """Return the incidence that a call works on and the weights that come with the hypergraph."""
        if hypergraph is None:
            hypergraph = self.hypergraph
        if isinstance(hypergraph, Hyperedges):
            return DenseIncidence(hypergraph.incidence), hypergraph.weight
        if isinstance(hypergraph, JointHypergraph):
            return self._incidence_of_data(hypergraph), hypergraph.weight
        if isinstance(hypergraph, Tensor):
            if not _is_index(hypergraph):
                return DenseIncidence(hypergraph), None
            if num_hyperedges is None:
                num_hyperedges = int(hypergraph[1].max()) + 1 if hypergraph.numel() else 0
            if self.dense:
                matrix = x.new_zeros(x.size(-2), num_hyperedges)
                return DenseIncidence(matrix.index_put((hypergraph[0], hypergraph[1]), matrix.new_ones(()))), None
            return SparseIncidence(hypergraph, x.size(-2), num_hyperedges, self), None
        if hasattr(hypergraph, "e_of_group"):
            converted = JointHypergraph.from_dhg(hypergraph).to(x.device)
            return self._incidence_of_data(converted), converted.weight
        found = "no hypergraph" if hypergraph is None else f"a hypergraph of type {type(hypergraph).__name__}"
        raise ValueError(f"{self} has {found}; hand a JointHypergraph to its constructor or a hypergraph to the call")

    def _incidence_of_data(self, hypergraph: JointHypergraph) -> Incidence:
        own = hypergraph is self.hypergraph
        if self.is_dense(hypergraph):
            return DenseIncidence(self.memberships if own else hypergraph.incidence)
        index, size = hypergraph.hyperedge_index, (hypergraph.num_nodes, hypergraph.num_hyperedges)
        if own:
            rows = IncidenceRows(*(self.get_buffer(f"rows_{name}") for name in IncidenceRows._fields))
        else:
            rows = IncidenceRows.from_index(index, *size)
        return SparseIncidence(index, *size, self, rows)

    def _check(self, x: Tensor, incidence: Incidence, weight: Tensor | None, y: Tensor | None, flat: bool) -> None:
        nodes, hyperedges = incidence.num_nodes, incidence.num_hyperedges
        fits = x.dim() > 1 and x.size(-1) == self.in_channels
        if not fits or (x.size(0) % max(nodes, 1) if flat else x.size(-2) != nodes):
            raise ValueError(
                f"{self} needs input of shape (..., {nodes}, {self.in_channels}) or (B * {nodes}, {self.in_channels}), "
                f"got {tuple(x.shape)}"
            )
        if weight is not None and weight.size(-1) != hyperedges:
            raise ValueError(f"{self} needs one weight for each of {hyperedges} hyperedges, got {tuple(weight.shape)}")
        if y is not None and (y.size(0) % max(hyperedges, 1) if flat else y.size(-2) != hyperedges):
            raise ValueError(f"{self} needs features of {hyperedges} hyperedges, got {tuple(y.shape)}")

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


def _is_index(hypergraph: Any) -> bool:
    return isinstance(hypergraph, Tensor) and not hypergraph.is_floating_point()
