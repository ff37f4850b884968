"""Initialisation that layers share."""

from __future__ import annotations

from torch import nn
from torch.nn.parameter import is_lazy


def xavier(linear: nn.Linear, rows: int | None = None, columns: int | None = None) -> None:
    """Zero the bias of a linear layer and draw its weight Xavier-uniform; a layer that joins several maps, of so many
    ``rows`` or ``columns`` each, map by map. One whose input channels are still open is left for later."""
    if is_lazy(linear.weight):
        return
    for part in linear.weight.detach().split(rows or linear.out_features, dim=0):
        for weight in part.split(columns or linear.in_features, dim=1):
            nn.init.xavier_uniform_(weight)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)


def linear(in_channels: int, out_channels: int, bias: bool = True) -> nn.Linear:
    """A linear map, lazy if its input channels are open (-1); see :meth:`HyperConv.infer_channels`."""
    if in_channels == -1:
        return nn.LazyLinear(out_channels, bias)
    return nn.Linear(in_channels, out_channels, bias)


def parameter_with_shape(module: nn.Module, name: str) -> nn.Parameter | None:
    """The parameter of that name; ``None`` if there is none, if it is a part or something else, or if it is lazy."""
    value = getattr(module, name, None)
    return value if isinstance(value, nn.Parameter) and not is_lazy(value) else None


def reset_parts(module: nn.Module) -> None:
    """Call ``reset_parameters`` of every part that has it, in containers too; other parts are left as they are."""
    for part in module.children():
        reset = getattr(part, "reset_parameters", None)
        if callable(reset):
            reset()
        else:
            reset_parts(part)


class MadeOfParts(nn.Module):
    """Base of blocks with no parameters but those of their parts."""

    def reset_parameters(self) -> None:
        """Initialise all parts, as their constructors do."""
        reset_parts(self)
