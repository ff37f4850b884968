"""Weights that a run starts from: of its network (``init_from``) and of its refinement head (``refine_from``)."""

from __future__ import annotations

from torch import nn

from skelgraph.errors import SkelgraphError
from skelgraph.models import PoseLifter
from skelgraph.models.saved import check_fits
from skelgraph.models.weights import load_head, load_network, origin_of
from skelgraph.nn import PostRefine
from skelgraph.text import plain
from skelgraph.training.config import TrainConfig


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


def _take(module: nn.Module, start: nn.Module, label: str) -> None:
    state = start.state_dict()
    check_fits(module, state, label)
    module.load_state_dict(state)
