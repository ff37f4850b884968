"""Models rebuilt from the configuration in a file: built on ``meta``, compared with the tensors of the file, and only
then given memory."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from skelgraph.errors import CheckpointError, SkelgraphError, unknown_name
from skelgraph.files import Skipped
from skelgraph.models.registry import build_model, list_models
from skelgraph.text import plain, shown

StateDict = dict[str, Tensor]

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""The types of numbers that weights are read in, by their names in safetensors files."""


def build_on_meta(
    name: Any,
    skeleton: Any,
    options: Any,
    size: int,
    label: str,
    build: Callable[[Any, Any, Mapping[str, Any]], Any] | None = None,
) -> Any:
    """Build a model on ``meta``, where it takes no memory, from the configuration in a file.

    Args:
        name: Name of the model.
        skeleton: Name or data of its skeleton; ``None``: that of the released code.
        options: Its options.
        size: Bytes in the file. A skeleton takes matrices between all of its joints, so that a small file with a very
            large skeleton is refused.
        label: What the file is, for messages.
        build: Makes it from its name, skeleton and options; :func:`build_saved` unless given.

    Raises:
        CheckpointError: If there is no such model.
    """
    parents = skeleton.get("parents") if isinstance(skeleton, Mapping) else None
    if isinstance(parents, list | tuple) and len(parents) ** 2 > size + 2**20:
        raise CheckpointError(
            f"{label} has an unusable configuration: a skeleton of {len(parents)} joints in a file of {size} bytes"
        )
    if not isinstance(options, Mapping) or not all(isinstance(option, str) for option in options):
        raise CheckpointError(f"{label} has an unusable configuration: options is {shown(options)}")
    try:
        return on_meta(lambda: (build or build_saved)(name, "h36m17" if skeleton is None else skeleton, options))
    except (SkelgraphError, TypeError) as error:
        raise CheckpointError(f"{label} has an unusable configuration: {error}") from error


def build_saved(name: Any, skeleton: Any, options: Mapping[str, Any], input_form: Any = "screen") -> Any:
    """Build the network that a file names, which may be one of the caller's own.

    Raises:
        SkelgraphError: As :func:`~skelgraph.models.registry.build_model`; of a network that is not registered the
            message says how it would be.
    """
    if isinstance(name, str) and name not in list_models():
        raise SkelgraphError(
            f"{unknown_name('model', name, list_models())} If it is a network of your own, first import the module "
            "that registers it (--import MODULE)"
        )
    return build_model(name, skeleton, options, input_form)


@contextmanager
def naming_imports(groups: Any) -> Iterator[None]:
    """Add to an error about the settings of a run the modules that its command line imported and that are not imported
    here. No file is a reason to import them: who trusts them does so.

    Args:
        groups: The groups of settings, as a file may have them.
    """
    try:
        yield
    except SkelgraphError as error:
        machine = groups.get("machine") if isinstance(groups, Mapping) else None
        modules = machine.get("imports") if isinstance(machine, Mapping) else None
        modules = modules if isinstance(modules, list | tuple) else ()
        absent = [name for name in modules[:20] if isinstance(name, str) and name not in sys.modules]
        if not absent:
            raise
        join = " It" if str(error).endswith((".", "?")) else "; it"
        raise type(error)(f"{error}{join} was made with {import_options(absent)}") from error


def import_options(modules: Iterable[str]) -> str:
    """The options of the command line that import modules."""
    return " ".join(f"--import {shlex.quote(plain(name))}" for name in modules)


def on_meta(build: Callable[[], Any]) -> Any:
    """Build a module without memory for its weights; :func:`load_checked` gives it the memory of those it loads."""
    with torch.device("meta"):
        return build()


def load_checked(model: nn.Module, state: StateDict, label: str) -> None:
    """Load a state dict strictly into a model on ``meta``; on a fault nothing is loaded.

    Raises:
        CheckpointError: If tensors are missing, unexpected, misshapen, of another kind of number or not finite; the
            error lists them.
    """
    broken = [key for key, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    check_fits(model, state, label, broken)
    own = model.state_dict()
    model.load_state_dict({key: _copy(value, own[key].dtype) for key, value in state.items()}, assign=True)


def check_fits(model: nn.Module, state: Mapping[str, Tensor], label: str, broken: Sequence[str] = ()) -> None:
    """Compare names, shapes and kinds of numbers; both sides may be on ``meta``.

    Args:
        model: What the tensors are for.
        state: The tensors.
        label: What they are, for messages.
        broken: Names of those that are not finite, for the list.

    Raises:
        CheckpointError: If there are faults; the error lists them.
    """
    own = model.state_dict()
    both = [key for key in own if key in state]
    faults = {
        "missing": [key for key in own if key not in state],
        "unexpected": [key for key in state if key not in own],
        "misshapen": [
            f"{key}: found {tuple(state[key].shape)}, expected {tuple(own[key].shape)}"
            for key in both
            if state[key].shape != own[key].shape
        ],
        "mistyped": [
            f"{key}: found {state[key].dtype}, expected {own[key].dtype}"
            for key in both
            if state[key].is_floating_point() != own[key].is_floating_point()
        ],
        "NaN or infinite": list(broken),
    }
    if any(faults.values()):
        text = "; ".join(f"{kind} tensors: {_listed(keys)}" for kind, keys in faults.items() if keys)
        raise CheckpointError(f"{label} does not fit {type(model).__name__}: {text}")


def why_unread(value: Any) -> str | None:
    """Why a value from a file is no tensor of ordinary numbers; ``None`` if it is one."""
    if not isinstance(value, Tensor):
        return value.name if isinstance(value, Skipped) else f"a {type(value).__name__}, expected a tensor"
    if value.layout != torch.strided or value.is_nested:
        return "a sparse or nested tensor"
    if value.is_meta:
        return "a tensor on meta, without numbers"
    return None if value.dtype in DTYPES.values() else f"a tensor of {value.dtype}"


def _listed(keys: list[str], most: int = 6) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(plain(key, 120) for key in keys[:most]) + more


def _copy(value: Tensor, dtype: torch.dtype) -> Tensor:
    """The numbers in memory of their own: tensors of a file may share it."""
    return torch.empty(value.shape, dtype=dtype).copy_(value.detach())
