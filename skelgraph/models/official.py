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
from skelgraph.models.registry import model_info
from skelgraph.models.saved import load_checked, on_meta
from skelgraph.models.state_dicts import OfficialLayout, inner_weights, unread_entries, unwrap_state_dict
from skelgraph.nn import PostRefine
from skelgraph.text import plain
from skelgraph.topology import SkeletonLike


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
        CheckpointError: If the file cannot be read safely, or tensors are missing, unexpected or misshapen; all are
            listed.
        SkelgraphError: If the model or the skeleton is unknown.
    """
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
            f"({', '.join(plain(key) for key in list(official)[:3])}, ...)"
            f"{unread_entries(inner_weights(content, label))}"
        ) from error
    model = on_meta(
        lambda: target.build(target.published_skeleton if skeleton is None else skeleton, **(inferred | options))
    )
    try:
        load_checked(model, state, f"{label} as official {name}")
    except CheckpointError as error:
        raise CheckpointError(f"{error}{unread_entries(inner_weights(content, label))}") from error
    return model.eval()
