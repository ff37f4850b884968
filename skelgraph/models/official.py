"""Import of checkpoints in the layout of the authors' code."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

from torch import nn

from skelgraph.errors import CheckpointError
from skelgraph.files import read_checkpoint
from skelgraph.models.factory import create_model
from skelgraph.models.lifter import PoseLifter
from skelgraph.models.pretrained import PARTS
from skelgraph.models.registry import list_models, model_info
from skelgraph.models.saved import StateDict, check_fits, load_checked, on_meta
from skelgraph.models.state_dicts import OfficialLayout, inner_weights, unread_entries, unwrap_state_dict
from skelgraph.nn import PostRefine
from skelgraph.text import plain
from skelgraph.topology import Skeleton, SkeletonLike, as_skeleton, list_skeletons


@dataclass(frozen=True)
class OfficialPart:
    """A module that has official checkpoints but is no model, since it does not lift 2D poses.

    Attributes:
        build: Makes the module from a skeleton and the options that ``official`` infers.
        official: How its checkpoints are laid out.
        published_skeleton: The layout of the released code.
    """

    build: Callable[..., nn.Module]
    official: OfficialLayout
    published_skeleton: SkeletonLike = "h36m17"


OFFICIAL_PARTS = {
    "post_refine": OfficialPart(
        PARTS["post_refine"],
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
            :func:`~skelgraph.files.read_checkpoint`: objects in it that are no data are skipped, never built. Or a
            state dict (bare, wrapped, or with the prefixes of DataParallel or torch.compile).
        skeleton: The skeleton that the weights were trained on; the one of the released code by default.
        **options: Options of the model that cannot be inferred from weights; they override those that can.

    Returns:
        The model in evaluation mode, in torch's default precision.

    Raises:
        CheckpointError: If the file cannot be read safely, or tensors are missing, unexpected or misshapen: the first
            of them are listed, behind the layout or the network that they fit, where there is one.
        SkelgraphError: If the model or the skeleton is unknown.
    """
    target = _target(name)
    label = "the given state dict" if isinstance(source, Mapping) else plain(str(source), 500)
    content = source if isinstance(source, Mapping) else read_checkpoint(source)
    official = unwrap_state_dict(content, label)
    try:
        inferred = target.official.options(official)
        state = target.official.translate(official)
    except Exception as error:  # as many as there are ways for tensors not to be those expected
        reason = f"{plain(str(error), 200)} not found" if isinstance(error, KeyError) else plain(str(error), 200)
        raise CheckpointError(
            f"{_of_others(name, official, label)}{label} is not an official {name} checkpoint: {reason} among its "
            f"{len(official)} tensors ({', '.join(plain(key) for key in list(official)[:3])}, ...)"
            f"{unread_entries(inner_weights(content, label))}"
        ) from error
    layout = as_skeleton(target.published_skeleton if skeleton is None else skeleton)
    model = on_meta(lambda: target.build(layout, **(inferred | options)))
    try:
        load_checked(model, state, f"{label} as official {name}")
    except CheckpointError as error:
        raise CheckpointError(
            f"{_fitting(name, layout, official, target, inferred | options, label)}{error}"
            f"{unread_entries(inner_weights(content, label))}"
        ) from error
    return model.eval()


def _target(name: str) -> OfficialPart:
    """How the official checkpoints of a module are read."""
    if isinstance(name, str) and name in OFFICIAL_PARTS:
        return OFFICIAL_PARTS[name]
    info = model_info(name)
    if info.cls.official is None:
        raise CheckpointError(f"model {name!r} has no official checkpoints to import")
    return OfficialPart(functools.partial(create_model, name), info.cls.official, info.published_skeleton)


def _fitting(
    name: str, skeleton: Skeleton, state: StateDict, target: OfficialPart, options: Mapping[str, Any], label: str
) -> str:
    """A sentence that names the layouts of other joints, or else the networks, that tensors fit; empty if none does."""

    layouts = [as_skeleton(layout) for layout in list_skeletons()]
    others = [
        other for other in layouts if other.num_joints != skeleton.num_joints and _fits(target, other, state, options)
    ]
    if others:
        names = " or ".join(plain(other.name) for other in others)
        return (
            f"{label}: these weights are of {others[0].num_joints} joints, {plain(skeleton.name)} has "
            f"{skeleton.num_joints}; expected skeleton {names}; "
        )
    return _of_others(name, state, label)


def _of_others(name: str, state: StateDict, label: str) -> str:
    """A sentence that names the other networks that tensors are of; empty if they are of none."""
    others = [other for other in list_models() if other != name and model_info(other).cls.official is not None]
    found = [other for other in others if _fits(part := _target(other), part.published_skeleton, state)]
    return f"{label}: these weights are of {' or '.join(found)}, not of {plain(name)}; " if found else ""


def _fits(part: OfficialPart, layout: SkeletonLike, state: StateDict, options: Mapping[str, Any] | None = None) -> bool:
    """Whether tensors are those of a module, by default with the options that they tell."""
    try:
        options = part.official.options(state) if options is None else options
        check_fits(on_meta(lambda: part.build(layout, **options)), part.official.translate(state), "")
    except Exception:  # as many as there are ways for tensors not to be those expected
        return False
    return True
