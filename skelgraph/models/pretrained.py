"""Own weight files: safetensors with the model's configuration inside, in a folder or on the Hugging Face Hub."""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path
from typing import Any

from huggingface_hub import ModelHubMixin, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.models.official import load_checked
from skelgraph.options import check_options
from skelgraph.topology import skeleton_config

FILE_NAME = "model.safetensors"
_METADATA = "skelgraph"


class Pretrained(ModelHubMixin):
    """Gives a model ``config``, ``save_pretrained(folder)`` and ``from_pretrained(folder or repository)``.

    Offline unless asked otherwise: ``from_pretrained("user/repository", local_files_only=False)`` downloads, else only
    a folder or what an earlier download left in the cache is used.
    """

    config: dict[str, Any]
    """What rebuilds the model: its registered ``name``, its ``skeleton`` and the ``options`` that were given."""

    registered_name: str | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Pretrained:
        """Note the arguments, so that every model knows how to rebuild itself."""
        instance = object.__new__(cls)  # not the mixin's, which notes arguments in a form of its own
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
        path = Path(pretrained_model_name_or_path) / FILE_NAME
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
    """Write a model's weights and configuration to one safetensors file, under a temporary name until it is whole.

    Raises:
        SkelgraphError: If the model is not a registered one or was built with options that are no plain values.
    """
    if model.config["name"] is None:
        raise SkelgraphError(f"{type(model).__name__} is not a registered model; register_model(...) makes it one")
    try:
        config = json.dumps(model.config)
    except TypeError as error:
        raise SkelgraphError(f"the options of {type(model).__name__} cannot be saved: {error}") from error
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, temporary, metadata={_METADATA: config})
    os.replace(temporary, path)


def load_weights(path: str | Path) -> Any:
    """Rebuild the model of a file that :func:`save_weights` wrote, in evaluation mode.

    Raises:
        CheckpointError: If the file is missing, damaged, or does not hold a model of this library.
    """
    from skelgraph.models.registry import create_model

    if not Path(path).is_file():
        raise CheckpointError(f"weight file {path} does not exist")
    try:
        with safe_open(path, framework="pt") as file:
            config = json.loads((file.metadata() or {}).get(_METADATA, "null"))
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"weight file {path} cannot be read as safetensors: {error}") from error
    if not isinstance(config, dict) or not {"name", "skeleton", "options"} <= config.keys():
        raise CheckpointError(
            f"weight file {path} has no skelgraph configuration; it was not written by save_pretrained"
        )
    try:
        layout = config["skeleton"]
        model = create_model(config["name"], *([] if layout is None else [layout]), **config["options"])
    except (SkelgraphError, TypeError) as error:
        raise CheckpointError(f"weight file {path} has an unusable configuration: {error}") from error
    load_checked(model, state, f"weight file {path}")
    return model.eval()
