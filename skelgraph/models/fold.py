"""Folding for inference: values that need no input are computed once, batch normalisation moves into the weights."""

from __future__ import annotations

import copy
import operator
import warnings
from typing import Any, TypeVar

import torch
from torch import Tensor, fx, nn
from torch.export import Dim, ExportedProgram
from torch.fx.experimental.const_fold import get_unique_attr_name_in_module

from skelgraph.errors import SkelgraphError

aten = torch.ops.aten

_VIEWS = (aten.view.default, aten.reshape.default)
_PRODUCTS = (aten.matmul.default, aten.mm.default, aten.bmm.default)


_Module = TypeVar("_Module", bound=nn.Module)


def inference_copy(model: _Module) -> _Module:
    """A copy of a model in evaluation mode, without gradients.

    Raises:
        SkelgraphError: If the model is on ``meta``.
    """
    if next(model.parameters()).is_meta:
        raise SkelgraphError("the model is on the meta device, without weights; expected one that can run")
    return copy.deepcopy(model).eval().requires_grad_(False)


@torch.no_grad()
def trace(module: nn.Module, example: Tensor) -> ExportedProgram:
    """Export a module for batches of any size.

    Args:
        module: A module in evaluation mode with one input.
        example: An input, two or more of a batch.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch about itself
        return torch.export.export(module, (example,), dynamic_shapes=({0: Dim.DYNAMIC},))


@torch.no_grad()
def fold_constants(module: fx.GraphModule) -> fx.GraphModule:
    """Fold an exported evaluation-mode graph: every value that depends on parameters and buffers alone, such
    as a learned adjacency, becomes a buffer, and batch normalisation becomes part of the weights in front of it.

    Args:
        module: ``torch.export.export(model.eval(), ...).module()``.

    Returns:
        The folded graph, without checks of its input. It computes the same but for rounding.
    """
    fold = _Fold(module)
    for node in list(module.graph.nodes):
        if node.op == "get_attr":
            fold.values[node] = operator.attrgetter(node.target)(module)
        elif node.op == "call_function":
            fold.visit(node)
    fold.store()
    return fx.GraphModule(module, module.graph)  # an exported module refuses eval()


class _Fold:
    """A graph while it is folded: ``values`` holds the value of every node that needs no input."""

    def __init__(self, module: fx.GraphModule) -> None:
        self.module = module
        self.graph = module.graph
        self.values: dict[fx.Node, Any] = {}

    def visit(self, node: fx.Node) -> None:
        """Evaluate a node that needs no input, or replace it by a cheaper one."""
        if self.is_constant(*node.all_input_nodes) and not _has_effects(node):
            args, kwargs = fx.map_arg((node.args, node.kwargs), self.values.__getitem__)
            self.values[node] = node.target(*args, **kwargs)  # type: ignore[operator]
            return
        new: Any = None
        arguments: Any = node.args
        with self.graph.inserting_before(node):
            if node.target is aten.batch_norm.default:
                new = self.batch_norm(*arguments)
            elif node.target is aten.linear.default:
                new = self.linear(node, *arguments)
            elif node.target is aten.dropout.default and not arguments[2]:
                new = arguments[0]
        if new is not None:
            new.meta.setdefault("val", node.meta["val"])
            node.replace_all_uses_with(new)
            self.graph.erase_node(node)

    def store(self) -> None:
        """Insert the constants that other nodes read, and remove nodes that nothing reads."""
        for node, value in list(self.values.items()):
            if node.op == "call_function" and isinstance(value, Tensor) and not self.is_constant(*node.users):
                with self.graph.inserting_before(node):
                    node.replace_all_uses_with(self.constant(value))
        for node in reversed(self.graph.nodes):
            if node.op == "call_module" and not node.users:  # checks of the input
                self.graph.erase_node(node)
        self.graph.eliminate_dead_code()
        self.graph.lint()

    def is_constant(self, *arguments: Any) -> bool:
        """Whether arguments of a node need no input."""
        return all(argument in self.values for argument in arguments if isinstance(argument, fx.Node))

    def value(self, argument: Any) -> Any:
        """The value of an argument that needs no input."""
        return self.values[argument] if isinstance(argument, fx.Node) else argument

    def constant(self, value: Tensor) -> fx.Node:
        """A new node that holds a value, contiguous: products with few rows on the left are then faster."""
        name = get_unique_attr_name_in_module(self.module, f"folded_{len(self.values)}")
        self.module.register_buffer(name, value.clone(memory_format=torch.contiguous_format))
        node = self.graph.get_attr(name)
        self.values[node] = value
        return node

    def call(self, target: Any, *args: Any) -> fx.Node:
        """A new node; tensors among the arguments become constants."""
        return self.graph.call_function(target, tuple(self.constant(a) if isinstance(a, Tensor) else a for a in args))

    def plus(self, x: fx.Node, shift: Tensor | None) -> fx.Node:
        """``x + shift``."""
        return x if shift is None else self.call(aten.add.Tensor, x, shift)

    def linear(self, node: fx.Node, x: fx.Node, weight: Any, bias: Any = None) -> fx.Node | None:
        """A linear layer as a plain product."""
        if not self.is_constant(weight, bias):
            return None
        product = self.call(aten.matmul.default, x, self.value(weight).t())
        product.meta["val"] = node.meta["val"]
        return self.plus(product, self.value(bias))

    def batch_norm(
        self, x: fx.Node, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, *options: Any
    ) -> fx.Node | None:
        """A batch normalisation with fixed statistics as ``x * scale + shift``."""
        if training or mean is None or not self.is_constant(weight, bias, mean, variance):
            return None
        _, eps, _ = options
        scale: Tensor = (self.value(variance) + eps).rsqrt()
        if weight is not None:
            scale = scale * self.value(weight)
        shift = -self.value(mean) * scale
        if bias is not None:
            shift = shift + self.value(bias)
        num_dims = x.meta["val"].dim()
        if num_dims == 2:
            return self.scale(x, scale, shift) or self.plus(self.call(aten.mul.Tensor, x, scale), shift)
        if x.target is aten.conv1d.default and len(x.users) == 1 and self.is_constant(*x.args[1:3]):
            return self.conv1d(scale, shift, *x.args)
        column = (-1, *[1] * (num_dims - 2))
        return self.plus(self.call(aten.mul.Tensor, x, scale.view(column)), shift.view(column))

    def conv1d(self, scale: Tensor, shift: Tensor, x: Any, weight: Any, bias: Any = None, *options: Any) -> fx.Node:
        """A convolution whose output channels are scaled and shifted."""
        shift = shift if bias is None else shift + scale * self.value(bias)
        return self.call(aten.conv1d.default, x, scale.view(-1, 1, 1) * self.value(weight), shift, *options)

    def scale(self, x: Any, scale: Tensor, shift: Tensor | None) -> fx.Node | None:
        """``x * scale + shift``, one scale per channel of the last axis, by changing constants that ``x`` is computed
        from; ``None`` if none of them can hold the scale."""
        if len(x.users) != 1 or x.kwargs:  # other nodes need the unscaled value
            return None
        first, *rest = (*x.args, None)[: max(2, len(x.args))]
        second = rest[0]
        if x.target in _VIEWS:
            runs = _num_runs(first, len(scale))  # a row of ``first`` holds the channels once or several times
            after = shift if shift is None or shift.dim() > 1 else None  # what differs between rows stays outside
            before = None if shift is after else shift.repeat(runs)  # type: ignore[union-attr]
            inner = self.scale(first, scale.repeat(runs), before) if runs else None
            return inner and self.plus(self.call(x.target, inner, *rest), after)
        if x.target is aten.transpose.int and not {-1, x.meta["val"].dim() - 1} & set(rest):
            inner = self.scale(first, scale, None)
            return inner and self.plus(self.call(x.target, inner, *rest), shift)
        if x.target is aten.add.Tensor:
            if self.is_constant(second):
                term = scale * self.value(second)
                term = term if shift is None else term + shift
                return self.scale(first, scale, term) or self.plus(self.call(aten.mul.Tensor, first, scale), term)
            left, right = self.scale(first, scale, shift), self.scale(second, scale, None)
            return left and right and self.call(x.target, left, right)
        if x.target is aten.mul.Tensor or x.target in _PRODUCTS:
            if self.is_constant(second) and (x.target is aten.mul.Tensor or self.value(second).dim() > 1):
                return self.plus(self.call(x.target, first, scale * self.value(second)), shift)
            if x.target is aten.mul.Tensor and self.is_constant(first):
                return self.plus(self.call(x.target, scale * self.value(first), second), shift)
            inner = None if x.target is aten.mul.Tensor else self.scale(second, scale, None)
            return inner and self.plus(self.call(x.target, first, inner), shift)
        return None


def _has_effects(node: fx.Node) -> bool:
    """Whether a call has side effects or is random."""
    return node.is_impure() or torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def _num_runs(x: Any, channels: int) -> int:
    """How often a row of ``x`` repeats the channels; 0 if it does not consist of them."""
    width = x.meta["val"].size(-1) if "val" in x.meta and x.meta["val"].dim() else 0
    return width // channels if isinstance(width, int) and width % channels == 0 else 0
