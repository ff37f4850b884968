"""The one product with a sparse matrix under graph and hyperedge layers, differentiable any number of times."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor

warnings.filterwarnings("ignore", ".*Sparse CSR tensor support is in beta state.*")


@dataclass(frozen=True, eq=False)
class SparsePattern:
    """Where a matrix ``(R, S)`` has entries: in compressed rows, and the same for its transpose, so that a backward
    pass need not sort anything.

    No tuple or pytree: ``torch.func.vmap`` over a backward pass is not to look into it.

    Args:
        row_ptr: Where each row begins in ``column``, ``(R + 1)``.
        column: Columns of the entries, row by row, ``(nnz)``.
        column_ptr: Where each column begins in ``row``, ``(S + 1)``.
        row: Rows of the entries, column by column, ``(nnz)``.
        by_row: Place among the values of every entry of ``column``; ``None`` if they are in this order.
        by_column: Place among the values of every entry of ``row``, likewise.
    """

    row_ptr: Tensor
    column: Tensor
    column_ptr: Tensor
    row: Tensor
    by_row: Tensor | None = None
    by_column: Tensor | None = None

    BY_ROW: ClassVar = ("row_ptr", "column", "column_ptr", "row", "by_column")
    """What there is of a pattern whose entries are in the order of its rows."""

    @classmethod
    def from_index(cls, row: Tensor, column: Tensor, size: tuple[int, int], by_row: bool = False) -> SparsePattern:
        """Sort entries both ways.

        Args:
            row: Row of every entry, ``(nnz)``.
            column: Column of every entry, likewise.
            size: Numbers of rows and columns.
            by_row: Whether they come row by row, and stay in their order. It is not looked for: that would wait for a
                GPU, and end compilation.
        """
        order, by_column = None if by_row else row.argsort(stable=True), column.argsort(stable=True)
        return cls(
            compress(row, size[0]), column if order is None else column[order],
            compress(column, size[1]), row[by_column], order, by_column,
        )  # fmt: skip

    @classmethod
    def selection(cls, row: Tensor, row_ptr: Tensor, by_row: Tensor | None) -> SparsePattern:
        """The pattern of the matrix ``(nnz, R)`` of ones that copies, for every entry of a matrix, what belongs to its
        row; its transpose sums over the rows.

        Args:
            row: Row of every entry, ``(nnz)``.
            row_ptr: As above.
            by_row: As above.
        """
        entries = torch.arange(row.numel() + 1, device=row.device)
        return cls(entries, row, row_ptr, entries[:-1] if by_row is None else by_row, None, by_row)

    @property
    def size(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        return self.row_ptr.numel() - 1, self.column_ptr.numel() - 1

    def transposed(self) -> SparsePattern:
        """The pattern of the transpose."""
        return SparsePattern(self.column_ptr, self.row, self.row_ptr, self.column, self.by_column, self.by_row)

    def to(self, device: torch.device) -> SparsePattern:
        """The pattern on a device."""
        values = (getattr(self, field.name) for field in fields(self))
        moved: list[Any] = [None if value is None else value.to(device) for value in values]
        return SparsePattern(*moved)

    def blocks(self, count: int) -> SparsePattern:
        """The pattern of the matrix that has this one ``count`` times on its diagonal."""
        if count == 1:
            return self
        (rows, columns), entries = self.size, self.column.numel()
        return SparsePattern(
            *_repeat_rows(self.row_ptr, self.column, columns, count),
            *_repeat_rows(self.column_ptr, self.row, rows, count),
            None if self.by_row is None else _repeat(self.by_row, entries, count),
            None if self.by_column is None else _repeat(self.by_column, entries, count),
        )

    def ones(self, like: Tensor) -> Tensor:
        """The matrix whose values are all 1, in the type of a tensor and where that is."""
        return self._with(like.new_ones(self.column.numel()))

    def matrix(self, values: Tensor) -> Tensor:
        """The matrix with these values ``(nnz)``."""
        return self._with(values if self.by_row is None else values[self.by_row])

    def _with(self, values: Tensor) -> Tensor:
        return torch.sparse_csr_tensor(self.row_ptr, self.column, values, self.size, check_invariants=False)

    def rows(self) -> Tensor:
        """The row of every entry of ``column``."""
        return torch.arange(self.size[0], device=self.column.device).repeat_interleave(self.row_ptr.diff())


def sparse_product(pattern: SparsePattern, x: Tensor, values: Tensor | None = None) -> Tensor:
    """Multiply a sparse matrix ``(R, S)`` with features.

    Args:
        pattern: Where the matrix has entries.
        x: Features ``(..., S, C)``.
        values: Values of the entries ``(nnz)``, in the order that the pattern was made from; by default ones.

    Returns:
        ``(..., R, C)``.
    """
    if x.dim() == 2:
        return _SparseProduct.apply(x, values, pattern)
    columns = x.movedim(-2, 0)  # samples are further columns
    y = _SparseProduct.apply(columns.flatten(1), values, pattern)
    return y.view(y.size(0), *columns.shape[1:]).movedim(0, -2)


def sparse_products(pattern: SparsePattern, x: Tensor, values: Tensor) -> Tensor:
    """Multiply sparse matrices ``(R, S)`` of one pattern, each with features of its own.

    Args:
        pattern: Where the matrices have entries.
        x: Features ``(..., S, C)``.
        values: Values of the entries ``(..., nnz)``, in the order that the pattern was made from.

    Returns:
        ``(..., R, C)``.
    """
    lead = torch.broadcast_shapes(x.shape[:-2], values.shape[:-1])
    x, values = x.expand(*lead, *x.shape[-2:]), values.expand(*lead, -1)
    y = _SparseProduct.apply(x.reshape(-1, x.size(-1)), values.flatten(), pattern.blocks(lead.numel()))
    return y.view(*lead, pattern.size[0], x.size(-1))


def has_sparse_product(x: Tensor) -> bool:
    """Whether torch multiplies sparse matrices with features of this kind."""
    return (
        not torch.compiler.is_compiling()  # sparse tensors break the graph
        and x.device.type in ("cpu", "cuda")
        and x.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled(x.device.type)  # would make it bfloat16
        and torch._C._functorch.peek_interpreter_stack() is None  # vmap and torch.func.grad cannot wrap them
    )


def compress(row: Tensor, num_rows: int) -> Tensor:
    """Where each row begins among entries that are sorted by row, ``(num_rows + 1)``."""
    ptr = row.new_zeros(num_rows + 1)
    ptr[1:] = row.bincount(minlength=num_rows).cumsum(0)
    return ptr


class _SparseProduct(torch.autograd.Function):
    """It is linear in the features and in the values, so that its derivatives are products like it and
    :class:`_SampledProduct`, whose derivatives are products again: there are derivatives of any order. It holds no
    message of any edge.
    """

    @staticmethod
    def forward(x: Tensor, values: Tensor | None, pattern: SparsePattern) -> Tensor:
        if _has_legacy_batch(x, x if values is None else values):
            messages = x.index_select(0, pattern.column)
            if values is not None:
                values = values if pattern.by_row is None else values.index_select(0, pattern.by_row)
                messages = messages * values.unsqueeze(-1)
            return messages.new_zeros(pattern.size[0], x.size(1)).index_add(0, pattern.rows(), messages)
        return torch.sparse.mm(pattern.ones(x) if values is None else pattern.matrix(values), x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, values, pattern = inputs
        _save(ctx, (None if values is None else x, values, pattern))  # the features are there for the values alone

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, values = ctx.saved_tensors
        grad_x = grad_values = None
        if ctx.needs_input_grad[0]:
            grad_x = _SparseProduct.apply(grad, values, ctx.pattern.transposed())
        if ctx.needs_input_grad[1]:
            grad_values = _SampledProduct.apply(grad, x, ctx.pattern)
        return grad_x, grad_values, None

    @staticmethod
    def jvp(ctx: Any, dx: Tensor | None, dvalues: Tensor | None, _: None) -> Tensor:
        x, values = ctx.saved_tensors
        if values is None:
            return _SparseProduct.apply(dx, None, ctx.pattern)
        moved = [(dx, values), (x, dvalues)]
        return sum(_SparseProduct.apply(a, b, ctx.pattern) for a, b in moved if a is not None and b is not None)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], x: Tensor, values: Tensor | None, pattern: SparsePattern
    ) -> tuple[Tensor, int]:
        count = info.batch_size
        if values is None or (in_dims[1] is None and in_dims[0] is not None):
            # samples of the features are further columns
            x = x.movedim(in_dims[0] or 0, 1)
            return _SparseProduct.apply(x.flatten(1), values, pattern).unflatten(1, x.shape[1:]), 1
        x, values = _samples(count, in_dims[:2], (x, values))  # one matrix with a block for each
        y = _SparseProduct.apply(x.flatten(0, 1), values.flatten(), pattern.blocks(count))
        return y.unflatten(0, (count, pattern.size[0])), 0


class _SampledProduct(torch.autograd.Function):
    """The scalar product of the features at row and column of every entry, ``(nnz)``: the derivative of
    :class:`_SparseProduct` by the values."""

    @staticmethod
    def forward(left: Tensor, right: Tensor, pattern: SparsePattern) -> Tensor:
        if _has_legacy_batch(left, right):
            products = left.index_select(0, pattern.rows()) * right.index_select(0, pattern.column)
            sampled = products.sum(dim=-1)
        else:
            blank = torch.sparse_csr_tensor(
                pattern.row_ptr, pattern.column, left.new_zeros(pattern.column.numel()), pattern.size,
                check_invariants=False,
            )  # fmt: skip
            sampled = torch.sparse.sampled_addmm(blank, left, right.t(), beta=0).values()
        if pattern.by_row is None:
            return sampled.clone()
        return torch.empty_like(sampled).index_copy(0, pattern.by_row, sampled)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _save(ctx, inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        left, right = ctx.saved_tensors
        grad_left = grad_right = None
        if ctx.needs_input_grad[0]:
            grad_left = _SparseProduct.apply(right, grad, ctx.pattern)
        if ctx.needs_input_grad[1]:
            grad_right = _SparseProduct.apply(left, grad, ctx.pattern.transposed())
        return grad_left, grad_right, None

    @staticmethod
    def jvp(ctx: Any, dleft: Tensor | None, dright: Tensor | None, _: None) -> Tensor:
        left, right = ctx.saved_tensors
        moved = [(dleft, right), (left, dright)]
        return sum(_SampledProduct.apply(a, b, ctx.pattern) for a, b in moved if a is not None and b is not None)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], left: Tensor, right: Tensor, pattern: SparsePattern
    ) -> tuple[Tensor, int]:
        count = info.batch_size
        left, right = _samples(count, in_dims[:2], (left, right))
        y = _SampledProduct.apply(left.flatten(0, 1), right.flatten(0, 1), pattern.blocks(count))
        return y.unflatten(0, (count, pattern.column.numel())), 0


for _function in (_SparseProduct, _SampledProduct):
    # torch asks for the signature at every call, which takes about as long as a product of 400 nodes
    _function.forward.__signature__ = inspect.signature(_function.forward)  # type: ignore


def _has_legacy_batch(*tensors: Tensor) -> bool:
    """Whether ``torch.autograd.grad(..., is_grads_batched=True)`` is at work, which knows nothing of our ``vmap``."""
    return any(map(torch._C._functorch.is_legacy_batchedtensor, tensors))


def _save(ctx: Any, inputs: tuple[Any, ...]) -> None:
    *tensors, ctx.pattern = inputs
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)


def _samples(count: int, dims: tuple[int | None, ...], tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """Tensors with the samples of a ``vmap`` first, those that are the same for all of them repeated."""
    return [
        value.expand(count, *value.shape) if dim is None else value.movedim(dim, 0)
        for dim, value in zip(dims, tensors, strict=True)
    ]


def _repeat(place: Tensor, size: int, count: int) -> Tensor:
    """Places in the first of equal blocks, as places in all."""
    return (torch.arange(count, device=place.device).unsqueeze(1) * size + place).flatten()


def _repeat_rows(ptr: Tensor, column: Tensor, num_columns: int, count: int) -> tuple[Tensor, Tensor]:
    """Compressed rows of equal blocks."""
    begins = _repeat(ptr[:-1], column.numel(), count)
    return torch.cat([begins, begins.new_tensor([column.numel() * count])]), _repeat(column, num_columns, count)
