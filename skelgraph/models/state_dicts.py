"""State dicts in the layout of the authors' code: how they are taken out of a checkpoint and converted to ours.

No model is imported here; each describes its checkpoints by an :class:`OfficialLayout`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from skelgraph.errors import CheckpointError
from skelgraph.files import Skipped
from skelgraph.models.saved import StateDict, why_unread
from skelgraph.text import plain

_WRAPPERS = ("state_dict", "model_state_dict", "model_pos", "model", "net")
"""Keys under which the authors' training scripts store the weights."""
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
"""What DataParallel, torch.compile and training classes put before every name."""
_MOST_MODULES = 10**4


@dataclass(frozen=True)
class OfficialLayout:
    """How the released checkpoints of a model map to ours.

    Attributes:
        options: Infers the options of our model (widths, depths, variants) from the official tensors, under their
            official names.
        keys: ``(pattern, replacement)`` pairs for :func:`re.sub`. All are applied to every official key, one after the
            other, so that a later pattern sees what the earlier ones have written.
        convert: Turns the renamed tensors into ours where more than the name differs (joined or reshaped tensors).

    Example:
        >>> layout = OfficialLayout(lambda state: {}, keys=(("^gconv_output", "head"), ("W$", "weight")))
        >>> list(layout.translate({"gconv_output.W": torch.zeros(2, 8, 3)}))
        ['head.weight']
    """

    options: Callable[[StateDict], dict[str, Any]]
    keys: tuple[tuple[str, str], ...]
    convert: Callable[[StateDict], StateDict] = lambda state: state

    def translate(self, official: StateDict) -> StateDict:
        """Our state dict for an official one."""
        renamed = {}
        for key, value in official.items():
            for pattern, replacement in self.keys:
                key = re.sub(pattern, replacement, key)
            renamed[key] = value
        return self.convert(renamed)


def unwrap_state_dict(content: Mapping[Any, Any], label: str) -> StateDict:
    """The state dict inside a checkpoint, without the wrappers and name prefixes of training scripts.

    Of a module that was saved whole its parameters and buffers are taken.

    Raises:
        CheckpointError: If there is none, or it is one of this library's own runs.
    """
    content = inner_weights(content, label)
    state = {key: value for key, value in content.items() if isinstance(key, str) and why_unread(value) is None}
    if not state:
        keys = ", ".join(plain(key) for key in list(content)[:8])
        raise CheckpointError(f"{label} holds no tensors; its keys are {keys or 'none'}{unread_entries(content)}")
    _check_size(state, label)
    while prefix := next((prefix for prefix in _PREFIXES if all(key.startswith(prefix) for key in state)), None):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def inner_weights(content: Mapping[Any, Any], label: str) -> Mapping[Any, Any]:
    """The dictionary in a checkpoint that holds the weights, perhaps among other entries."""
    if "skelgraph" in content and "state_dict" in content:
        raise CheckpointError(
            f"{label} is a checkpoint of `skelgraph train`, not of the authors' code; skelgraph.load_model loads it"
        )
    while (inner := next((inner for name in _WRAPPERS if (inner := _inside(content.get(name)))), None)) is not None:
        content = inner
    return _module_state(content, label) if isinstance(content.get("_modules"), Mapping) else content


def _inside(value: Any) -> Mapping[Any, Any] | None:
    """An entry of a checkpoint as a dictionary: itself, or the attributes of a module that was saved whole."""
    if isinstance(value, Skipped):
        value = value.state if isinstance(value.state, dict) and "_modules" in value.state else None
    return value if isinstance(value, Mapping) else None


def _module_state(attributes: Mapping[Any, Any], label: str) -> Mapping[Any, Any]:
    """The parameters and buffers of a module and its parts, by their names."""
    state: dict[str, Any] = {}
    modules = [("", attributes)]
    for prefix, attributes in modules:  # grows meanwhile
        for kind in ("_parameters", "_buffers"):
            state |= {f"{prefix}{name}": value for name, value in (_inside(attributes.get(kind)) or {}).items()}
        parts = _inside(attributes.get("_modules")) or {}
        modules += [(f"{prefix}{name}.", inner) for name, part in parts.items() if (inner := _inside(part))]
        if len(modules) > _MOST_MODULES:
            raise CheckpointError(f"{label} holds a network of more than {_MOST_MODULES} modules")
    return state


def unread_entries(content: Mapping[Any, Any]) -> str:
    """The end of an error message that lists the refused entries; empty if there are none."""
    reasons = {key: reason for key, value in content.items() if (reason := why_unread(value))}
    if not any(isinstance(content[key], Skipped | Tensor) for key in reasons):
        return ""
    listed = [
        f"{plain(key)} ({reason})" for key, reason in reasons.items() if isinstance(content[key], Skipped | Tensor)
    ]
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return f"; what is refused and was not executed: {', '.join(listed[:8])}{more}"


def _check_size(state: StateDict, label: str) -> None:
    """Refuse tensors that share their memory so much that copies of them would take far more than the file has."""
    stored = {value.untyped_storage().data_ptr(): value.untyped_storage().nbytes() for value in state.values()}
    if sum(value.numel() * value.itemsize for value in state.values()) > 4 * sum(stored.values()) + 2**20:
        raise CheckpointError(f"{label} shows the same numbers many times over (tensors of stride 0, or shared)")


def count(state: StateDict, pattern: str) -> int:
    """Number of distinct numbers that the first group of ``pattern`` takes among the keys: the depth of a stack of
    layers."""
    return len({match.group(1) for key in state if (match := re.match(pattern, key))})


def join_non_local(state: StateDict) -> StateDict:
    """Join the separate maps of the official non-local blocks, and drop their convolution axes.

    For both kinds, :class:`~skelgraph.nn.EmbeddedGaussianNonLocal` and :class:`~skelgraph.nn.GroupedNonLocal` (whose
    pooled maps have one level more in their names), once the output map is renamed to ``out``.
    """
    joined = dict(state)
    for prefix in [key.removesuffix("theta.weight") for key in state if re.search(r"(^|\.)theta\.weight$", key)]:
        grouped = f"{prefix}concat_project.0.weight" in state
        names = ("theta", "phi.0", "g.0") if f"{prefix}phi.0.weight" in state else ("theta", "phi", "g")
        for kind in ("weight", "bias"):
            joined[f"{prefix}theta_phi_g.{kind}"] = torch.cat([joined.pop(f"{prefix}{n}.{kind}") for n in names])
        for linear in ("theta_phi_g", "out"):
            joined[f"{prefix}{linear}.weight"] = joined[f"{prefix}{linear}.weight"].flatten(1)
        if grouped:
            joined[f"{prefix}score"] = joined.pop(f"{prefix}concat_project.0.weight").view(2, -1)
    return joined


def split_slices(state: StateDict, num_slices: int) -> StateDict:
    """Reshape the official 1x1 convolutions inside partitioned graph layers, which hold all slices of the adjacency in
    one, to the weights of :class:`~skelgraph.nn.PartitionedGraphConv`, once these layers are renamed to
    ``graph_conv*``."""
    split = dict(state)
    for key in [key for key in state if re.search(r"graph_conv\d?\.(weight|bias)$", key)]:
        rows = state[key].unflatten(0, (num_slices, -1))
        split[key] = rows.flatten(2).mT if key.endswith("weight") else rows
    return split


def join_hops(state: StateDict, part: str, joined: str, join: Callable[[list[Tensor]], Tensor]) -> StateDict:
    """Turn the parameters that the official high-order layers keep per hop into ours, and drop those that they never
    use.

    Args:
        state: Official tensors, the output layer renamed to ``head``.
        part: Name of the parameter per hop, without its number.
        joined: Name of ours.
        join: How it is made of those of the hops.
    """
    ours = dict(state)
    for prefix in [key.removesuffix("bias_2") for key in state if key.endswith(".bias_2")]:
        # hidden layers concatenate the hops and never read the bias of the sum, the output layer the other way round
        summed = ours.pop(f"{prefix}bias_2")
        if prefix == "head.":
            ours["head.bias"] = summed
        num_hops = state[f"{prefix}bias"].numel() // summed.numel()
        ours[prefix + joined] = join([ours.pop(f"{prefix}{part}{k}") for k in range(num_hops)])
    return ours


join_logits = functools.partial(
    join_hops, part="e_", joined="attention.logits", join=functools.partial(torch.cat, dim=1)
)
"""The official edge weights as the logits of :class:`~skelgraph.nn.SoftmaxAdjacency`."""


def per_hop_options(state: StateDict, weight: str) -> dict[str, Any]:
    """The options of a network of high-order layers, read off its first weight ``(num_hops + 1, C_in, C_hidden)``.

    Args:
        state: Official tensors.
        weight: Name of that weight.
    """
    num_matrices, in_channels, hidden_channels = state[weight].shape
    return {
        "hidden_channels": hidden_channels,
        "num_hops": num_matrices - 1,
        "in_channels": in_channels,
        "out_channels": state["gconv_output.W"].size(2),
    }
