"""Weights of any origin: which it is, the content of the file tells, never its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from skelgraph.errors import CheckpointError, SkelgraphError, not_given
from skelgraph.files import is_safetensors, read_checkpoint
from skelgraph.models.lifter import PoseLifter
from skelgraph.models.loading import expected_error_of_run, load_model, model_of_run, refine_of_run
from skelgraph.models.official import load_official
from skelgraph.models.pretrained import load_expected_error_weights, load_weights
from skelgraph.models.shipped import weights_path
from skelgraph.nn import ExpectedError, PostRefine
from skelgraph.text import plain, shown
from skelgraph.topology import Skeleton, SkeletonLike, as_skeleton

Origin = Literal["pretrained", "run", "official"]
"""Whose file it is: of ``save_pretrained`` and ``convert-official``, of a training run, of the authors' code."""


def origin_of(path: str | Path) -> Origin:
    """Tell whose weights a file holds.

    Raises:
        CheckpointError: If there is no such file, or it is damaged or no file of weights.
    """
    return read_weights(path)[0]


def read_weights(path: str | Path) -> tuple[Origin, Mapping[str, Any]]:
    """Whose weights a file holds, and the checkpoint in it, which is read once; nothing of a safetensors file is read.

    Raises:
        CheckpointError: If there is no such file, or it is damaged or no file of weights.
    """
    path = weights_path(path)
    if is_safetensors(path):
        return "pretrained", {}
    checkpoint = read_checkpoint(path)
    return "run" if {"skelgraph", "state_dict"} <= checkpoint.keys() else "official", checkpoint


def load_network(
    path: str | Path, name: str | None = None, skeleton: SkeletonLike | None = None, **options: Any
) -> PoseLifter:
    """Load a network from weights of any origin, in evaluation mode.

    Args:
        path: A file of the authors' code, a safetensors file (or its folder) of this library, or ``best.ckpt`` or
            ``last.ckpt`` of a run; or ``"open"``, or another name of weights that come with this package, see
            :func:`~skelgraph.models.shipped_weights`.
        name: Name of the model. Files of the authors do not tell it; of others it is a check.
        skeleton: Skeleton of the weights, likewise; for files of the authors by default that of the released code.
        **options: Options of the model that weights of the authors cannot tell.

    Raises:
        CheckpointError: If the file is not usable, or holds another model or another skeleton than asked for.
        SkelgraphError: If the name is needed and missing, or options are given for weights that know theirs.
    """
    path = weights_path(path)
    label, (origin, checkpoint) = plain(str(path), 500), read_weights(path)
    if origin == "official":
        if name is None:
            raise not_given(
                CheckpointError,
                f"{label} was not written by skelgraph and does not say what network it holds: expected {{}}, its name",
                "model",
            )
        return load_official(name, path, skeleton, **options)
    model = model_of_run(checkpoint, path) if origin == "run" else load_model(path)
    check_asked(model, path, name, skeleton, options)
    return model


def check_asked(
    model: PoseLifter,
    path: str | Path,
    name: str | None = None,
    skeleton: SkeletonLike | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Check that a network of a file that knows what it is, is the one that was asked for.

    Args:
        model: The network.
        path: Its file, for messages.
        name: Name that was asked for.
        skeleton: Skeleton that was asked for.
        options: Options that were given.

    Raises:
        CheckpointError: If it is another one.
        SkelgraphError: If there are options.
    """
    label = plain(str(path), 500)
    if options:
        raise SkelgraphError(f"{label} knows the options of its network: leave out {', '.join(map(plain, options))}")
    if name is not None and name != model.registered_name:
        raise CheckpointError(f"{label} holds weights of {model.registered_name}, expected those of {plain(name)}")
    _check_skeleton(model.skeleton, skeleton, label)


def load_head(path: str | Path, skeleton: SkeletonLike) -> PostRefine:
    """Load a refinement head from weights of any origin, in evaluation mode.

    Args:
        path: A file of the authors' code, what ``convert-official`` wrote, or a checkpoint of a run that trained one.
        skeleton: Skeleton of the network that it corrects.

    Raises:
        CheckpointError: If the file is not usable, or holds no head for this skeleton.
    """
    path = weights_path(path)
    label, (origin, checkpoint) = plain(str(path), 500), read_weights(path)
    if origin == "official":
        return load_official("post_refine", path, skeleton)
    if origin == "run":
        head = refine_of_run(checkpoint, path)
        if head is None:
            raise CheckpointError(f"{label} is of a run without a refinement head")
    else:
        head = load_weights(path)
    if not isinstance(head, PostRefine):
        raise CheckpointError(f"{label} holds a {type(head).__name__}, expected a refinement head (post_refine)")
    _check_skeleton(head.skeleton, skeleton, label)
    return head


def load_expected_error(path: str | Path) -> ExpectedError | None:
    """Load the head that tells the errors to expect of the poses of a network, in evaluation mode.

    Args:
        path: Weights of any origin: those of a run that trained one, or what
            :func:`~skelgraph.models.pretrained.save_weights` wrote with one.

    Returns:
        The head; ``None`` if the weights come without, as those of the authors' code do.

    Raises:
        CheckpointError: If the file is not usable.
    """
    path = weights_path(path)
    origin, checkpoint = read_weights(path)
    if origin == "run":
        return expected_error_of_run(checkpoint, path)
    return load_expected_error_weights(path) if origin == "pretrained" else None


def _check_skeleton(found: Skeleton, expected: SkeletonLike | None, label: str) -> None:
    if expected is not None and found != as_skeleton(expected):
        raise CheckpointError(
            f"{label} is for the skeleton {shown(found.name)} of {found.num_joints} joints, expected "
            f"{shown(as_skeleton(expected).name)} of {as_skeleton(expected).num_joints}"
        )
