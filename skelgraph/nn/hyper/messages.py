"""PyG's message passing along incidences."""

from __future__ import annotations

from typing import Any, ClassVar, Optional

from torch import Tensor
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import OptTensor
from torch_geometric.utils import scatter, softmax

from skelgraph.errors import SkelgraphError
from skelgraph.fixed import FixedBuffers
from skelgraph.ops import SparsePattern, sparse_product, sparse_products
from skelgraph.ops.incidence import Reduce
from skelgraph.ops.sparse_product import has_sparse_product

OptPattern = Optional[SparsePattern]  # noqa: UP045 - PyG reads annotations in this form alone


class IncidenceMessages(FixedBuffers, MessagePassing):
    """PyG message passing along incidences, so that its hooks and explainers reach the sparse path of every layer."""

    propagate_type: ClassVar = {"x": Tensor, "alpha": OptTensor, "reduce": str, "pattern": OptPattern}
    """The arguments that PyG compiles :meth:`propagate` for."""
    propagate: Any
    _edge_mask: Tensor | None
    _apply_sigmoid: bool

    def __init__(self) -> None:
        super().__init__(aggr="sum", node_dim=-2)
        # explainers need the plain form of propagate, for which PyG takes the compiled one of a parent class
        type(self)._orig_propagate = MessagePassing.propagate

    def send(
        self,
        index: Tensor,
        x: Tensor,
        alpha: Tensor | None,
        reduce: Reduce,
        size: tuple[int, int],
        pattern: SparsePattern | None,
    ) -> Tensor:
        """Gather features where incidences end, see :class:`~skelgraph.ops.Send`: sums by a sparse product where no
        mask acts on the incidences, else message by message."""
        if pattern is not None and reduce == "sum" and not self.explain and has_sparse_product(x):
            matrix = pattern.ones(x)  # by which PyG knows that it may fuse
            return self.propagate(matrix, x=x, alpha=alpha, reduce=reduce, pattern=pattern)
        return self.propagate(index, x=x, alpha=alpha, reduce=reduce, pattern=None, size=size)

    def message(self, x_j: Tensor, alpha: OptTensor) -> Tensor:
        """What goes along an incidence: the features of its sender, each head times its coefficient."""
        if alpha is None:
            return x_j
        return (x_j.unflatten(-1, (alpha.size(-1), -1)) * alpha.to(x_j.dtype).unsqueeze(-1)).flatten(-2)

    def aggregate(self, inputs: Tensor, index: Tensor, dim_size: Optional[int], reduce: str) -> Tensor:  # noqa: UP045
        """Sum, maximum, or sum weighted by the softmax of every channel."""
        if reduce == "softmax":
            inputs = inputs * softmax(inputs, index, num_nodes=dim_size, dim=-2)
            reduce = "sum"
        return scatter(inputs, index, dim=-2, dim_size=dim_size, reduce=reduce)

    def explain_message(self, inputs: Tensor) -> Tensor:
        """What goes along an incidence, times the mask of an explainer: one number per incidence, in the order of the
        ``hyperedge_index`` of the layer's hypergraph or of the call, the same on the way to hyperedges and back."""
        mask = self._edge_mask
        if mask is None or mask.shape != inputs.shape[-2:-1]:
            found = "none" if mask is None else tuple(mask.shape)
            raise SkelgraphError(
                f"the mask of the explainer is {found}; expected one number for each of {inputs.size(-2)} incidences"
            )
        return inputs * (mask.sigmoid() if self._apply_sigmoid else mask).to(inputs.dtype).unsqueeze(-1)

    def message_and_aggregate(self, edge_index: Tensor, x: Tensor, alpha: OptTensor, pattern: OptPattern) -> Tensor:
        """Sum without holding the messages: a product of a sparse matrix, or of one for each head, with the
        features."""
        assert pattern is not None
        if alpha is None:
            return sparse_product(pattern, x)
        heads = x.unflatten(-1, (alpha.size(-1), -1)).transpose(-3, -2)
        return sparse_products(pattern, heads, alpha.to(x.dtype).mT).transpose(-3, -2).flatten(-2)
