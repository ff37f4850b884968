"""Models from the files of this library."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.files import Skipped, is_safetensors, read_checkpoint, read_json
from skelgraph.models.lifter import PoseLifter
from skelgraph.models.measured import tested_in
from skelgraph.models.pretrained import EXPECTED_ERROR, built_expected_error, load_weights
from skelgraph.models.saved import (
    StateDict,
    build_on_meta,
    build_saved,
    load_checked,
    naming_imports,
    on_meta,
    why_unread,
)
from skelgraph.models.shipped import weights_path
from skelgraph.nn import ExpectedError, PostRefine
from skelgraph.text import plain, shown
from skelgraph.topology import as_skeleton

_PARTS = ("model.", "refine.", EXPECTED_ERROR)
"""What begins the names of the tensors of each part of a run."""


def load_model(path: str | Path) -> PoseLifter:
    """Load a model that this library saved, in evaluation mode.

    Args:
        path: A folder or safetensors file of ``model.save_pretrained`` or ``skelgraph convert-official``, or
            ``best.ckpt`` or ``last.ckpt`` of a training run, with or without a refinement head. Weights in the layout
            of the authors' code are loaded by :func:`~skelgraph.models.load_official`. Or ``"open"``, or another name
            of weights that come with this package, see :func:`~skelgraph.models.shipped_weights`.

    Raises:
        CheckpointError: If there is no such file, or it is damaged or none of these.
    """
    path = weights_path(path)
    if not is_safetensors(path):
        return model_of_run(read_checkpoint(path), path)
    model = load_weights(path)
    if not isinstance(model, PoseLifter):
        raise CheckpointError(f"weight file {plain(str(path), 500)} holds a {type(model).__name__}, expected a network")
    return model


def model_of_run(checkpoint: Mapping[str, Any], path: str | Path) -> PoseLifter:
    """Rebuild the model in a checkpoint of a training run, in evaluation mode.

    Args:
        checkpoint: The content of the file.
        path: The file.

    Raises:
        CheckpointError: If the checkpoint is not one of this library, or damaged.
    """
    label = f"checkpoint {plain(str(path), 500)}"
    groups, state = _content(checkpoint, label)
    model = _network_on_meta(groups, path, label)
    load_checked(model, _part(state, "model."), label)
    if told := _trained_on(groups["data"]):
        model.config["trained_on"] = told
    if tested := _tested(checkpoint, Path(path), model.registered_name):
        model.config["tested"] = tested
    return model.eval()


def _trained_on(data: Mapping[str, Any]) -> str:
    """The data set of a run and the names of its files, without their folders."""
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    files = [Path(texts[key]).name for key in ("data_3d", "extra_motion") if key in texts]
    return plain(" ".join(filter(None, (texts.get("dataset"), f"({', '.join(files)})" if files else ""))), 300)


def _tested(checkpoint: Mapping[str, Any], path: Path, name: str) -> dict[str, Any] | None:
    """What the run measured of these weights of its network, as ``metrics.json`` beside its checkpoints says; ``None``
    if that is of another epoch, or cannot be read, for which no weights are refused."""
    if path.parent.name != "checkpoints":
        return None
    try:
        metrics = read_json(path.parents[1] / "metrics.json", CheckpointError)
        if (metrics["model"], metrics["selection"]["epoch"]) != (name, checkpoint.get("epoch", -1) + 1):
            return None
        return tested_in(metrics)
    except (SkelgraphError, TypeError, KeyError, AttributeError, OverflowError):  # no such file, or another one
        return None


def _network_on_meta(groups: Mapping[str, Any], path: str | Path, label: str) -> Any:
    """The network that settings in a file stand for, without memory."""
    network = groups["network"]
    build = functools.partial(build_saved, input_form=network.get("input_form", "screen"))
    with naming_imports(groups):
        return build_on_meta(
            network["model"], groups["data"]["skeleton"], network["options"], os.path.getsize(path), label, build
        )


def refine_of_run(checkpoint: Mapping[str, Any], path: str | Path) -> PostRefine | None:
    """Rebuild the refinement head in a checkpoint of a training run, in evaluation mode; ``None`` if it has none.

    Args:
        checkpoint: The content of the file.
        path: The file.

    Raises:
        CheckpointError: As :func:`model_of_run`.
    """
    label = f"checkpoint {plain(str(path), 500)}"
    groups, state = _content(checkpoint, label)
    if not (weights := _part(state, "refine.")):
        return None
    about = groups.get("refinement")
    if not isinstance(about, Mapping) or not {"refine_channels", "refine_dropout"} <= about.keys():
        raise CheckpointError(f"{label} holds no configuration of its refinement head: {shown(about)}")
    try:
        head = on_meta(
            lambda: PostRefine(
                as_skeleton(groups["data"]["skeleton"]), about["refine_channels"], about["refine_dropout"]
            )
        )
    except SkelgraphError as error:
        raise CheckpointError(f"{label} has an unusable configuration: {error}") from error
    load_checked(head, weights, label)
    return head.eval()


def expected_error_of_run(checkpoint: Mapping[str, Any], path: str | Path) -> ExpectedError | None:
    """Rebuild the head that tells the errors to expect, in a checkpoint of a training run, in evaluation mode; ``None``
    if it has none.

    Args:
        checkpoint: The content of the file.
        path: The file.

    Raises:
        CheckpointError: As :func:`model_of_run`.
    """
    label = f"checkpoint {plain(str(path), 500)}"
    groups, state = _content(checkpoint, label)
    if not (weights := _part(state, EXPECTED_ERROR)):
        return None
    about = groups.get("uncertainty")
    if not isinstance(about, Mapping) or "expected_error_channels" not in about:
        raise CheckpointError(f"{label} holds no configuration of its expected errors: {shown(about)}")
    in_channels = _network_on_meta(groups, path, label).in_channels
    return built_expected_error(
        groups["data"]["skeleton"],
        {"in_channels": in_channels, "hidden_channels": about["expected_error_channels"]},
        weights,
        os.path.getsize(path),
        label,
    )


def _content(checkpoint: Mapping[str, Any], label: str) -> tuple[Mapping[str, Any], StateDict]:
    """The groups of settings in a checkpoint of a run, and its tensors."""
    config, state = checkpoint.get("skelgraph"), checkpoint.get("state_dict")
    for name, entry in (("skelgraph", config), ("state_dict", state)):
        if isinstance(entry, Skipped):
            raise CheckpointError(f"{label}: {name!r} is {entry.name}, which is refused and was not executed")
    if not isinstance(config, Mapping) or not isinstance(state, Mapping):
        raise CheckpointError(
            f"{label} was not written by `skelgraph train`: the entries 'skelgraph' and 'state_dict' are missing or no "
            "dictionaries; weights of the authors' own code are read with skelgraph.load_official"
        )
    settings = config.get("config")
    groups = settings if isinstance(settings, Mapping) else {}
    network, data = groups.get("network"), groups.get("data")
    if not (isinstance(network, Mapping) and {"model", "options"} <= network.keys()) or not (
        isinstance(data, Mapping) and "skeleton" in data
    ):
        raise CheckpointError(
            f"{label} holds no configuration of this version: {shown(settings)}; expected model, skeleton and options "
            "in network and data"
        )
    others = [plain(key) for key in state if not (isinstance(key, str) and key.startswith(_PARTS))]
    if others not in ([], ["mean_pose"]):
        raise CheckpointError(f"{label}: unexpected entries in 'state_dict': {', '.join(others[:10])}")
    for key, value in state.items():
        if reason := why_unread(value):
            raise CheckpointError(f"{label}: {plain(key)} is {reason}")
    if isinstance(made := config.get("options"), Mapping) and isinstance(network["options"], Mapping):
        groups = {**groups, "network": {**network, "options": {**network["options"], **made}}}  # what some stand for
    return groups, dict(state)


def _part(state: StateDict, prefix: str) -> StateDict:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
