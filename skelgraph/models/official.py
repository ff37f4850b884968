"""Import of checkpoints in the layout of the authors' code."""

from __future__ import annotations

import functools
import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import torch
from torch import Tensor, nn

from skelgraph.errors import CheckpointError
from skelgraph.nn import PostRefine

if TYPE_CHECKING:
    from skelgraph.models.lifter import PoseLifter
    from skelgraph.topology import SkeletonLike

StateDict = dict[str, Tensor]

_WRAPPERS = ("state_dict", "model_state_dict", "model_pos", "model", "net")
"""Keys under which the authors' training scripts store the weights."""


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
        source: Path of a checkpoint file, or a state dict (bare, wrapped, or with DataParallel prefixes).
        skeleton: The skeleton that the weights were trained on; the one of the released code by default.
        **options: Options of the model that weights cannot tell; they override what is inferred.

    Returns:
        The model in evaluation mode, with the weights in their stored precision.

    Raises:
        CheckpointError: If the file cannot be read safely, or tensors are missing, unexpected or misshapen; all are
        listed.
        SkelgraphError: If the model or the skeleton is unknown.
    """
    from skelgraph.models.registry import create_model, model_info

    if name in OFFICIAL_PARTS:
        target = OFFICIAL_PARTS[name]
    else:
        info = model_info(name)
        if info.cls.official is None:
            raise CheckpointError(f"model {name!r} has no official checkpoints to import")
        target = OfficialPart(functools.partial(create_model, name), info.cls.official, info.published_skeleton)
    label = "the given state dict" if isinstance(source, Mapping) else str(source)
    official = unwrap_state_dict(source if isinstance(source, Mapping) else read_checkpoint(source), label)
    try:
        inferred = target.official.options(official)
        state = target.official.translate(official)
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        reason = f"{error} not found" if isinstance(error, KeyError) else str(error)
        raise CheckpointError(
            f"{label} is not an official {name} checkpoint: {reason} among its {len(official)} tensors "
            f"({', '.join(list(official)[:3])}, ...)"
        ) from error
    model = target.build(skeleton or target.published_skeleton, **(inferred | options))
    load_checked(model, state, f"{label} as official {name}")
    return model.eval()


def load_checked(model: torch.nn.Module, state: StateDict, label: str) -> None:
    """Load a state dict strictly; on a fault nothing is loaded and the error lists every tensor at fault.

    Raises:
        CheckpointError: If tensors are missing, unexpected, misshapen or not finite.
    """
    own = model.state_dict()
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    misshapen = [
        f"{key}: found {tuple(state[key].shape)}, expected {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    broken = [key for key, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    faults = {"missing": missing, "unexpected": unexpected, "misshapen": misshapen, "NaN or infinite": broken}
    if any(faults.values()):
        text = "; ".join(f"{kind} tensors: {', '.join(keys)}" for kind, keys in faults.items() if keys)
        raise CheckpointError(f"{label} does not fit {type(model).__name__}: {text}")
    model.load_state_dict(state)


def read_checkpoint(path: str | Path) -> Mapping[str, Any]:
    """Read a checkpoint file with ``torch.load(weights_only=True)``, on the CPU.

    Raises:
        CheckpointError: If the file is missing, damaged, or holds more than tensors and plain values.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"checkpoint {path} does not exist or is no file")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"checkpoint {path} is refused: it is no checkpoint, or holds objects other than tensors and plain data"
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise CheckpointError(f"checkpoint {path} is damaged or no checkpoint file: {error}") from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"checkpoint {path} holds a {type(content).__name__}, expected a dict of tensors")
    return content


def unwrap_state_dict(content: Mapping[str, Any], label: str) -> StateDict:
    """The state dict inside a checkpoint: without the training script's wrapper and DataParallel's prefix.

    Raises:
        CheckpointError: If there is none.
    """
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    state = {re.sub(r"^(module\.)+", "", key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise CheckpointError(
            f"{label} holds no tensors; its keys are {', '.join(map(str, list(content)[:8])) or 'none'}"
        )
    return state


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
