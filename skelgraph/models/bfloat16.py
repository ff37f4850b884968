"""Products in bfloat16, of a traced network, and whether a device has instructions for them."""

from __future__ import annotations

import torch
from torch import Tensor, fx

aten = torch.ops.aten

_PRODUCTS = (aten.matmul.default, aten.mm.default, aten.bmm.default, aten.linear.default, aten.conv1d.default)
_VIEWS = (
    aten.view.default,
    aten.reshape.default,
    aten.expand.default,
    aten.flatten.using_ints,
    aten.mT.default,
    aten.transpose.int,
    aten.permute.default,
    aten.squeeze.dim,
    aten.unsqueeze.default,
)
_LEAST = 16
"""Narrower products stay as they are: those of coordinates, in which a thousandth is a millimetre, cost no time."""


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies numbers in bfloat16 faster than in float32: a processor with AVX512-BF16, AMX or
    ARM's BF16, a GPU since Ampere."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def products_in_bfloat16(module: fx.GraphModule) -> None:
    """Give the wide matrix products of an exported graph bfloat16 operands, and take their results, which are summed in
    float32 and rounded once, back to the precision of before; all else, such as normalisation, sums and the products
    with coordinates, stays in it. So do the first wide products: rounded features of coordinates, or a rounded
    adjacency between them, cost most of the millimetres.

    Args:
        module: ``torch.export.export(...).module()``, changed in place. Weights are rounded where they are used.
    """
    rounded: dict[fx.Node, fx.Node] = {}

    def in_bfloat16(x: fx.Node) -> fx.Node:
        """The same value in bfloat16, rounded once for all who read it and before it is viewed in another shape."""
        if x not in rounded:
            source = in_bfloat16(x.all_input_nodes[0]) if x.target in _VIEWS else x
            with module.graph.inserting_after(x):
                if source is x:
                    rounded[x] = module.graph.call_function(aten.to.dtype, (x, torch.bfloat16))
                else:
                    rounded[x] = module.graph.call_function(x.target, (source, *x.args[1:]), x.kwargs)  # type: ignore[arg-type]
        return rounded[x]

    behind: set[fx.Node] = set()  # a wide product
    for node in list(module.graph.nodes):
        is_behind = not behind.isdisjoint(node.all_input_nodes)
        is_wide = node.op == "call_function" and node.target in _PRODUCTS and _is_wide(node)
        if is_behind or is_wide:
            behind.add(node)
        if is_behind and is_wide:
            precision = node.meta["val"].dtype
            node.args = fx.map_arg(node.args, lambda x: in_bfloat16(x) if isinstance(x.meta["val"], Tensor) else x)
            with module.graph.inserting_after(node):
                result = module.graph.call_function(aten.to.dtype, (node, precision))
            result.meta["val"] = node.meta["val"]
            node.replace_all_uses_with(result, delete_user_cb=lambda user, result=result: user is not result)
            rounded[result] = node
            behind.add(result)
    module.graph.lint()


def _is_wide(node: fx.Node) -> bool:
    """Whether a product is the work of a network: a sum of many terms, for many channels."""
    left, right = (argument.meta["val"].shape for argument in node.all_input_nodes[:2])
    if node.target is aten.conv1d.default:
        return min(right[0], right[1] * right[2]) >= _LEAST
    columns = node.meta["val"].shape[-1:]
    return all(isinstance(size, int) and size >= _LEAST for size in (left[-1], *columns))
