"""PyG's message passing along incidences."""

from __future__ import annotations

from typing import Any, ClassVar, Optional

from torch import Tensor
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import OptTensor
from torch_geometric.utils import scatter, softmax

from skelgraph.errors import SkelgraphError
from skelgraph.fixed import FixedBuffers
from skelgraph.ops import SparsePattern, sparse_product
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
        """Gather features where incidences end, see :class:`~skelgraph.ops.Send`: by a sparse product where no
        coefficient or mask acts on the incidences, else message by message."""
        plain_sum = alpha is None and reduce == "sum" and not self.explain
        if pattern is not None and plain_sum and has_sparse_product(x):
            matrix = pattern.matrix(x.new_ones(pattern.column.numel()))  # by which PyG knows that it may fuse
            return self.propagate(matrix, x=x, alpha=None, reduce=reduce, pattern=pattern)
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

    def message_and_aggregate(self, edge_index: Tensor, x: Tensor, pattern: OptPattern) -> Tensor:
        """Sum without holding the messages: a product of the sparse matrix with all features at once."""
        assert pattern is not None
        columns = x.movedim(-2, 0)
        y = sparse_product(pattern, columns.flatten(1))
        return y.view(y.size(0), *columns.shape[1:]).movedim(0, -2)
