"""Own weight files: safetensors with the model's configuration inside, in a folder or on the Hugging Face Hub."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import ModelHubMixin, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.files import as_path, is_safetensors, parse_json, write_file
from skelgraph.models.registry import build_model
from skelgraph.models.saved import DTYPES, build_on_meta, check_fits, load_checked
from skelgraph.nn import PostRefine
from skelgraph.options import check_options
from skelgraph.text import plain
from skelgraph.topology import skeleton_config

FILE_NAME = "model.safetensors"
_METADATA = "skelgraph"

PARTS: dict[str, Callable[..., nn.Module]] = {"post_refine": PostRefine}
"""What is no model, since it lifts no keypoints, and has weight files too."""


class Pretrained(ModelHubMixin):
    """Gives a model ``config``, ``save_pretrained(folder)`` and ``from_pretrained(folder or repository)``.

    Offline unless asked otherwise: ``from_pretrained("user/repository", local_files_only=False)`` downloads, else only
    a folder or what an earlier download left in the cache is used.
    """

    config: dict[str, Any]
    """What rebuilds the model: its registered ``name``, its ``skeleton`` and the ``options`` that were given; and as
    ``input`` the form of its input, unless that is the normalised screen."""

    registered_name: str | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Pretrained:
        """Store the arguments in ``config``, so that every model can be rebuilt."""
        instance = object.__new__(cls)  # not the mixin's, which stores arguments in a form of its own
        given = inspect.signature(cls).bind_partial(*args, **kwargs).arguments
        options = given | check_options(cls, given, cls.__name__)
        layout = options.pop("skeleton", None)
        config = {
            "name": cls.registered_name,
            "skeleton": None if layout is None else skeleton_config(layout),
            "options": options,
        }
        object.__setattr__(instance, "config", config)
        return instance

    def _save_pretrained(self, save_directory: Path) -> None:
        save_weights(self, save_directory / FILE_NAME)

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | Path, *, local_files_only: bool = True, **download: Any
    ) -> Any:
        """Load a model that ``save_pretrained`` wrote, in evaluation mode.

        Args:
            pretrained_model_name_or_path: A folder, or a repository of the Hugging Face Hub.
            local_files_only: Look for a repository in the local cache only.
            **download: ``revision``, ``cache_dir``, ``force_download`` and ``token`` of
                :func:`huggingface_hub.hf_hub_download`.

        Raises:
            CheckpointError: If there is no such model, or its file is damaged or of another class.
        """
        path = as_path(pretrained_model_name_or_path, CheckpointError) / FILE_NAME
        if not path.parent.is_dir():
            try:
                repository = str(pretrained_model_name_or_path)
                path = Path(hf_hub_download(repository, FILE_NAME, local_files_only=local_files_only, **download))
            except (HfHubHTTPError, LocalEntryNotFoundError, ValueError) as error:
                raise CheckpointError(
                    f"{pretrained_model_name_or_path} is neither a folder nor a repository with {FILE_NAME} in the "
                    "local cache; local_files_only=False downloads it"
                ) from error
        model = load_weights(path)
        if not isinstance(model, cls):
            raise CheckpointError(f"{path} holds a {type(model).__name__}, expected a {cls.__name__}")
        return model


def save_weights(model: Any, path: str | Path) -> None:
    """Write the weights and the configuration of a model, or of a refinement head, to one safetensors file, all of it
    or nothing.

    Raises:
        SkelgraphError: If the model is not a registered one or was built with options that are no plain values.
    """
    about = configuration(model)
    if about["name"] is None:
        raise SkelgraphError(f"{type(model).__name__} is not a registered model; register_model(...) makes it one")
    try:
        config = json.dumps(about)
    except TypeError as error:
        raise SkelgraphError(f"the options of {type(model).__name__} cannot be saved: {error}") from error
    write_file(path, save({k: v.contiguous() for k, v in model.state_dict().items()}, metadata={_METADATA: config}))


def configuration(model: Any) -> dict[str, Any]:
    """What rebuilds a model or a refinement head: its registered ``name``, its ``skeleton`` and its ``options``."""
    if not isinstance(model, PostRefine):
        return model.config
    options = {"hidden_channels": model.hidden.out_features, "dropout": model.dropout.p}
    return {"name": "post_refine", "skeleton": skeleton_config(model.skeleton), "options": options}


def load_weights(path: str | Path) -> Any:
    """Rebuild the model, or the refinement head, of a file that :func:`save_weights` wrote, in evaluation mode.

    Raises:
        CheckpointError: If the file is missing, damaged, or does not hold a module of this library.
    """
    label = f"weight file {plain(str(path), 500)}"
    if not is_safetensors(path):  # refused before safe_open maps the file into memory
        raise CheckpointError(f"{label} cannot be read as safetensors: it does not begin as such a file")
    size = Path(path).stat().st_size
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_METADATA, "null")
            header = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
            config = parse_json(text, f"the configuration in {label}", CheckpointError)
            if not isinstance(config, dict) or not {"name", "skeleton", "options"} <= config.keys():
                raise CheckpointError(f"{label} has no skelgraph configuration; it was not written by save_pretrained")
            build = functools.partial(_build, input_form=config.get("input", "screen"))
            model = build_on_meta(config["name"], config["skeleton"], config["options"], size, label, build=build)
            check_fits(model, {key: _tensor_on_meta(part, f"{label}: {key}") for key, part in header.items()}, label)
            load_checked(model, {key: file.get_tensor(key) for key in header}, label)
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{label} cannot be read as safetensors: {plain(str(error), 200)}") from error
    return model.eval()


def _build(name: Any, skeleton: Any, options: Mapping[str, Any], input_form: Any) -> Any:
    part = PARTS.get(name) if isinstance(name, str) else None
    return build_model(name, skeleton, options, input_form) if part is None else part(skeleton, **options)


def _tensor_on_meta(part: Any, label: str) -> torch.Tensor:
    """A tensor on ``meta`` of the shape and type that the header of a file declares."""
    if (dtype := DTYPES.get(part.get_dtype())) is None:
        raise CheckpointError(f"{plain(label, 700)} is a tensor of {part.get_dtype()}; expected ordinary numbers")
    return torch.empty(part.get_shape(), dtype=dtype, device="meta")
