"""Import of checkpoints in the layout of the authors' code."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import torch
from torch import Tensor, nn

from skelgraph.errors import CheckpointError
from skelgraph.files import Skipped, read_checkpoint
from skelgraph.models.saved import StateDict, load_checked, on_meta, why_unread
from skelgraph.nn import PostRefine
from skelgraph.text import plain

if TYPE_CHECKING:
    from skelgraph.models.lifter import PoseLifter
    from skelgraph.topology import SkeletonLike

_WRAPPERS = ("state_dict", "model_state_dict", "model_pos", "model", "net")
"""Keys under which the authors' training scripts store the weights."""
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
"""What DataParallel, torch.compile and training classes put before every name."""
_MOST_MODULES = 10**4


@dataclass(frozen=True)
class OfficialLayout:
    """How the released checkpoints of a model map to ours.

    Attributes:
        options: Infers the options of our model (widths, depths, variants) from the official tensors.
        keys: ``(pattern, replacement)`` pairs, applied with :func:`re.sub` to every official key in turn.
        convert: Turns the renamed tensors into ours where more than the name differs (joined or reshaped tensors).
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


@dataclass(frozen=True)
class OfficialPart:
    """A module with official checkpoints of its own that is no model: it does not lift 2D poses.

    Attributes:
        build: Makes the module from a skeleton and the options that ``official`` infers.
        official: How its checkpoints are laid out.
        published_skeleton: The layout of the released code.
    """

    build: Callable[..., nn.Module]
    official: OfficialLayout
    published_skeleton: str = "h36m17"


OFFICIAL_PARTS = {
    "post_refine": OfficialPart(
        PostRefine,
        OfficialLayout(
            options=lambda state: {"hidden_channels": state["post_refine.0.weight"].size(0)},
            keys=((r"^post_refine\.0\.", "hidden."), (r"^post_refine\.3\.", "gate.")),
        ),
    )
}


@overload
def load_official(
    name: Literal["post_refine"],
    source: str | Path | Mapping[str, Any],
    skeleton: SkeletonLike | None = None,
    **options: Any,
) -> PostRefine: ...


@overload
def load_official(
    name: str, source: str | Path | Mapping[str, Any], skeleton: SkeletonLike | None = None, **options: Any
) -> PoseLifter: ...


def load_official(
    name: str, source: str | Path | Mapping[str, Any], skeleton: SkeletonLike | None = None, **options: Any
) -> nn.Module:
    """Load a checkpoint of the authors' code into our model; every size is read off the tensors.

    Args:
        name: Name of the model, see :func:`~skelgraph.models.list_models`; or ``"post_refine"`` for the refinement head
            :class:`~skelgraph.nn.PostRefine` that several of them come with.
        source: Path of a checkpoint file as the authors' scripts save it, see
            :func:`~skelgraph.files.read_checkpoint`: what in it is no data is skipped, never built. Or a state dict
            (bare, wrapped, or with the prefixes of DataParallel or torch.compile).
        skeleton: The skeleton that the weights were trained on; the one of the released code by default.
        **options: Options of the model that weights cannot tell; they override what is inferred.

    Returns:
        The model in evaluation mode, in torch's default precision.

    Raises:
        CheckpointError: If the file cannot be read safely, or tensors are missing, unexpected or misshapen; all are
        listed.
        SkelgraphError: If the model or the skeleton is unknown.
    """
    from skelgraph.models.registry import create_model, model_info

    if isinstance(name, str) and name in OFFICIAL_PARTS:
        target = OFFICIAL_PARTS[name]
    else:
        info = model_info(name)
        if info.cls.official is None:
            raise CheckpointError(f"model {name!r} has no official checkpoints to import")
        target = OfficialPart(functools.partial(create_model, name), info.cls.official, info.published_skeleton)
    label = "the given state dict" if isinstance(source, Mapping) else plain(str(source), 500)
    content = source if isinstance(source, Mapping) else read_checkpoint(source)
    official = unwrap_state_dict(content, label)
    try:
        inferred = target.official.options(official)
        state = target.official.translate(official)
    except Exception as error:  # as many as there are ways for tensors not to be those expected
        reason = f"{plain(str(error), 200)} not found" if isinstance(error, KeyError) else plain(str(error), 200)
        raise CheckpointError(
            f"{label} is not an official {name} checkpoint: {reason} among its {len(official)} tensors "
            f"({', '.join(plain(key) for key in list(official)[:3])}, ...){_unread(_weights(content, label))}"
        ) from error
    model = on_meta(
        lambda: target.build(target.published_skeleton if skeleton is None else skeleton, **(inferred | options))
    )
    try:
        load_checked(model, state, f"{label} as official {name}")
    except CheckpointError as error:
        raise CheckpointError(f"{error}{_unread(_weights(content, label))}") from error
    return model.eval()


def unwrap_state_dict(content: Mapping[Any, Any], label: str) -> StateDict:
    """The state dict inside a checkpoint, without what the training script put around the weights and their names.

    Of a module that was saved whole its parameters and buffers are taken.

    Raises:
        CheckpointError: If there is none, or it is one of this library's own runs.
    """
    content = _weights(content, label)
    state = {key: value for key, value in content.items() if isinstance(key, str) and why_unread(value) is None}
    if not state:
        keys = ", ".join(plain(key) for key in list(content)[:8])
        raise CheckpointError(f"{label} holds no tensors; its keys are {keys or 'none'}{_unread(content)}")
    _check_size(state, label)
    while prefix := next((prefix for prefix in _PREFIXES if all(key.startswith(prefix) for key in state)), None):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _weights(content: Mapping[Any, Any], label: str) -> Mapping[Any, Any]:
    """The dictionary that holds the weights, among other things perhaps."""
    if "skelgraph" in content and "state_dict" in content:
        raise CheckpointError(
            f"{label} is a checkpoint of `skelgraph train`, not of the authors' code; skelgraph.load_model loads it"
        )
    while (inner := next((inner for name in _WRAPPERS if (inner := _inside(content.get(name)))), None)) is not None:
        content = inner
    return _module_state(content, label) if isinstance(content.get("_modules"), Mapping) else content


def _inside(value: Any) -> Mapping[Any, Any] | None:
    """What a checkpoint holds under a name: a dictionary, or the attributes of a module that was saved whole."""
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


def _unread(content: Mapping[Any, Any]) -> str:
    """What a message says of the entries that are refused."""
    reasons = {key: reason for key, value in content.items() if (reason := why_unread(value))}
    if not any(isinstance(content[key], Skipped | Tensor) for key in reasons):
        return ""
    listed = [
        f"{plain(key)} ({reason})" for key, reason in reasons.items() if isinstance(content[key], Skipped | Tensor)
    ]
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return f"; what is refused and was not executed: {', '.join(listed[:8])}{more}"


def _check_size(state: StateDict, label: str) -> None:
    """Refuse tensors that show the same numbers many times over: to work with them takes memory for each."""
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
