"""Models by their names: ``create_model("sem_gcn")``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skelgraph.errors import CheckpointError, unknown_name
from skelgraph.models.lifter import PoseLifter
from skelgraph.models.pretrained import load_weights
from skelgraph.models.registry import build_model, model_info
from skelgraph.models.shipped import shipped_path, shipped_weights
from skelgraph.options import InputForm
from skelgraph.text import shown
from skelgraph.topology import SkeletonLike, as_skeleton


def create_model(
    name: str,
    skeleton: SkeletonLike | None = None,
    *,
    input_form: InputForm | None = None,
    pretrained: str | None = None,
    **options: Any,
) -> PoseLifter:
    """Build a registered model on any skeleton, or with weights that come with this package.

    Args:
        name: A name of :func:`list_models`.
        skeleton: Skeleton or layout name; by default that of the weights, or ``"h36m17"``, on which all networks of
            this package are compared; of a network of your own its ``published_skeleton``, see
            :func:`~skelgraph.models.register_model`.
        input_form: What the network is given, which is stored with its weights: keypoints on the normalised
            ``"screen"``, as all published ones, the default; or ``"rays"`` turned to the person, see
            :func:`~skelgraph.geometry.window_rays`, for which it is made with 3 ``in_channels`` unless they are given.
        pretrained: Name of weights of :func:`shipped_weights`, ``"open"``. They know their skeleton, input form and
            options: what is given beside is a check. Weights in a file are loaded by
            :func:`~skelgraph.models.load_network`.
        **options: Options of the model's class; the published hyper-parameters are the defaults.

    Returns:
        The model, freshly initialised, in training mode; with ``pretrained`` weights in evaluation mode.

    Raises:
        SkelgraphError: If the model, the skeleton, an option or the weights are unknown, an option is not what its
            annotation says (:mod:`skelgraph.options`), or the memory that is free cannot hold the model.
        CheckpointError: If the weights are of another model than was asked for, or damaged.
    """
    if pretrained is None:
        form = "screen" if input_form is None else input_form
        if skeleton is None:
            info = model_info(name)
            skeleton = "h36m17" if info.own is None else info.published_skeleton
        return build_model(name, skeleton, options, form)
    asked: dict[str, Any] = {} if skeleton is None else {"skeleton": as_skeleton(skeleton)}
    asked |= {} if input_form is None else {"input_form": input_form}
    return _pretrained(name, asked | options, pretrained)


def _pretrained(name: str, asked: Mapping[str, Any], weights: str) -> PoseLifter:
    """The network of weights of this package, if it is as it was asked for."""
    info, model = model_info(name), load_weights(shipped_path(weights))
    if model.registered_name != name:
        there = "; ".join(f"{key}: {one.model}, {one.skeleton}" for key, one in shipped_weights().items())
        raise CheckpointError(
            f"pretrained {shown(weights)} is a {model.registered_name}, expected a {shown(name)}; there are {there}"
        )
    found = {"skeleton": model.skeleton, "input_form": model.input_form, **info.options, **model.config["options"]}
    for option, value in asked.items():
        if option not in found:
            raise unknown_name(f"option of model {name!r}:", option, info.options)
        if value != found[option]:
            is_of = found[option].name if option == "skeleton" else found[option]
            raise CheckpointError(
                f"pretrained {shown(weights)} knows its network: {option} is {shown(is_of)}; leave it out, or make a "
                "network without pretrained weights"
            )
    return model
