"""What is to be evaluated: network, head and settings, from weights of any origin."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from skelgraph.errors import SkelgraphError, not_given
from skelgraph.models import PoseLifter
from skelgraph.models.loading import expected_error_of_run, model_of_run, refine_of_run
from skelgraph.models.measured import REPORTED
from skelgraph.models.shipped import weights_path
from skelgraph.models.weights import check_asked, load_expected_error, load_head, load_network, read_weights
from skelgraph.nn import ExpectedError, PostRefine
from skelgraph.text import plain, shown
from skelgraph.training.checkpoint import mean_pose_of_run, run_checkpoint
from skelgraph.training.config import NetworkConfig, TrainConfig
from skelgraph.training.network import network_options
from skelgraph.training.resume import config_of


class Evaluated(NamedTuple):
    """What is to be evaluated.

    Args:
        config: The settings of the evaluation: those of a run as far as they are not given anew.
        model: The network.
        head: The head that refines its poses; ``None``: none.
        expected_error: The head that tells how wrong they are likely to be; ``None``: none.
        mean_pose: Mean pose of the data that it was trained on ``(J, 3)``, metres; ``None``: not known.
        epochs: Epochs that it was trained; ``None``: not known.
        selection: How the weights were chosen, in words.
    """

    config: TrainConfig
    model: PoseLifter
    head: PostRefine | None
    expected_error: ExpectedError | None
    mean_pose: Tensor | None
    epochs: int | None
    selection: str


def evaluated(
    weights: str | Path,
    out: Path,
    name: str | None,
    refine: str | Path | None,
    options: Mapping[str, Any],
    changes: Mapping[str, Any],
) -> Evaluated:
    """Load what is to be evaluated, see :func:`skelgraph.training.evaluate`.

    Args:
        weights: Weights of the network, or of a run.
        out: Folder of the results.
        name: Name of the model.
        refine: Weights of the head.
        options: Options of the model that weights of the authors cannot tell.
        changes: Settings.

    Raises:
        SkelgraphError: If a file, a setting or their combination is not usable.
    """
    path, changes = weights_path(weights), dict(changes)
    skeleton = changes.pop("skeleton", None)
    origin, content = read_weights(path)
    if origin == "run":
        saved = run_checkpoint(content, path)
        config, model = config_of(saved["skelgraph"], path), model_of_run(saved, path)
        check_asked(model, path, name, skeleton, options)
        head, mean_pose = refine_of_run(saved, path), mean_pose_of_run(saved, model.skeleton, path)
        expected_error = expected_error_of_run(saved, path)
        epochs, selection = (
            saved["epoch"] + 1,
            f"epoch {saved['epoch'] + 1} of a run that reports {REPORTED[config.evaluation.select]}",
        )
    else:
        model = load_network(path, name, skeleton, **network_options(options, changes.get("smpl")))
        if changes.get("dataset") is None:
            label = plain(str(path), 500)
            raise not_given(
                SkelgraphError, f"{label} does not say on what data to evaluate it: expected {{}}", "dataset"
            )
        about = model.config
        network = NetworkConfig(about["name"], about["options"], input_form=model.input_form)
        config = TrainConfig("", network).replace(skeleton=model.skeleton)
        head, mean_pose, epochs, selection = None, None, None, "not known"
        expected_error = load_expected_error(path)
        if expected_error is not None:
            config = config.replace(expected_error=True, expected_error_channels=expected_error.hidden_channels)
    asked = changes.pop("input_form", model.input_form)
    if asked != model.input_form:
        raise SkelgraphError(
            f"{plain(str(path), 500)} holds a network of the input form {model.input_form!r}, expected {shown(asked)}"
        )
    if refine is not None:
        head = load_head(refine, model.skeleton)
        shape = {"refine_channels": head.hidden.out_features, "refine_dropout": head.dropout.p}
        config = config.replace(refine=True, refine_from=str(refine), **shape)
    config = config.replace(**changes, out=str(out))
    return Evaluated(config, model, head, expected_error, mean_pose, epochs, selection)
