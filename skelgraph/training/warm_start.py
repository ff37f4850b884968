"""Weights that a run starts from: of its network (``init_from``) and of its refinement head (``refine_from``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.models import PoseLifter
from skelgraph.models.loading import model_of_run
from skelgraph.models.saved import check_fits
from skelgraph.models.shipped import weights_path
from skelgraph.models.weights import check_asked, load_head, load_network, origin_of, read_weights
from skelgraph.nn import PostRefine
from skelgraph.text import plain, shown
from skelgraph.training.checkpoint import run_checkpoint
from skelgraph.training.config import TrainConfig
from skelgraph.training.network import network_options
from skelgraph.training.resume import config_of


def warm_start(config: TrainConfig, model: PoseLifter, head: PostRefine | None) -> None:
    """Give the network and the head of a new run the weights that its settings name.

    Args:
        config: The settings.
        model: The network, as the settings make it.
        head: The head; ``None``: none.

    Raises:
        SkelgraphError: If a file is not usable, or its weights are of another network, input form, skeleton or of other
            shapes, which are listed; or if there is a file for a head and no head.
    """
    path, name = config.network.init_from, config.network.model
    if path is not None:
        # the authors' files do not tell all options: those of this run are added to what their tensors tell
        options = config.network.options if origin_of(path) == "official" else {}
        start, label = load_network(path, name, model.skeleton, **options), f"init-from {plain(path, 500)}"
        if start.input_form != model.input_form:
            raise SkelgraphError(
                f"{label} takes the input form {start.input_form!r}, expected {model.input_form!r} (input-form)"
            )
        _take(model, start, label)
    path = config.refinement.refine_from
    if path is not None:
        if head is None:
            raise SkelgraphError(f"refine-from is {plain(path, 500)}, but refine is off: there is no head to start")
        _take(head, load_head(path, model.skeleton), f"refine-from {plain(path, 500)}")


def started_from(weights: str | Path, **given: Any) -> TrainConfig:
    """The settings of a run that starts from weights. Network, options, skeleton and input form are those of the
    weights, unless they are given; of the authors' files the network has to be.

    Args:
        weights: As ``init_from``: a file of any origin, or a name of weights that come with skelgraph.
        **given: Settings of :class:`TrainConfig` by their names; options of the network are added to those of the
            weights.

    Raises:
        SkelgraphError: If the weights are not usable, or are of another network or skeleton than is given.

    Example:
        >>> started_from("open", lr=1e-4).data.skeleton
        Skeleton(h36m16, num_joints=16)
    """
    name, skeleton, options = (given.get(setting) for setting in ("model", "skeleton", "options"))
    path, options = weights_path(weights), dict(options or {})
    origin, content = read_weights(path)
    if origin == "run":  # whose settings name what some options stand for
        saved = run_checkpoint(content, path)
        model, about = model_of_run(saved, path), config_of(saved["skelgraph"], path).network.options
        check_asked(model, path, name, skeleton)
    else:
        own = network_options(options, given.get("smpl")) if origin == "official" else {}
        model = load_network(path, name, skeleton, **own)
        about = model.config["options"]
    known = {"model": model.registered_name, "skeleton": model.skeleton, "input_form": model.input_form}
    return TrainConfig("").replace(**{**known, **given, "options": {**about, **options}, "init_from": str(weights)})


def _take(module: nn.Module, start: nn.Module, label: str) -> None:
    state = start.state_dict()
    found, expected = (part.config["options"] if isinstance(part, PoseLifter) else {} for part in (start, module))
    try:
        check_fits(module, state, label)
    except CheckpointError as error:
        others = [
            f"{name} is {shown(value)}, expected {shown(expected[name])}"
            for name, value in found.items()
            if name in expected and expected[name] != value
        ]
        if not others:
            raise
        raise CheckpointError(
            f"{label} has other options than the network of this run: {', '.join(others)}; {error}"
        ) from error
    module.load_state_dict(state)
