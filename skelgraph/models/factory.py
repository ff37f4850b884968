"""Models by their names: ``create_model("sem_gcn")``."""

from __future__ import annotations

from typing import Any

from skelgraph.models.lifter import PoseLifter
from skelgraph.models.registry import build_model
from skelgraph.options import InputForm
from skelgraph.topology import SkeletonLike


def create_model(
    name: str, skeleton: SkeletonLike = "h36m17", *, input_form: InputForm = "screen", **options: Any
) -> PoseLifter:
    """Build a registered model on any skeleton.

    Args:
        name: A name of :func:`list_models`.
        skeleton: Skeleton or layout name.
        input_form: What the network is given, which is stored with its weights: keypoints on the normalised
            ``"screen"``, as all published ones; or ``"rays"`` turned to the person, see
            :func:`~skelgraph.geometry.window_rays`, for which it is made with 3 ``in_channels`` unless they are given.
        **options: Options of the model's class; the published hyper-parameters are the defaults.

    Returns:
        The model, freshly initialised, in training mode.

    Raises:
        SkelgraphError: If the model, the skeleton or an option is unknown, an option is not what its annotation says
            (:mod:`skelgraph.options`), or the memory that is free cannot hold the model.
    """
    return build_model(name, skeleton, options, input_form)
