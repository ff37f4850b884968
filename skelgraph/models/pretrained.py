"""Own weight files: safetensors with the model's configuration inside, in a folder or on the Hugging Face Hub."""

from __future__ import annotations

import functools
import inspect
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import ModelCard, ModelHubMixin, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from skelgraph.errors import CheckpointError, SkelgraphError, unknown_name
from skelgraph.files import as_path, is_safetensors, parse_json, write_file
from skelgraph.models.card import is_generated, model_card
from skelgraph.models.measured import checked_tested
from skelgraph.models.saved import DTYPES, build_on_meta, build_saved, check_fits, load_checked
from skelgraph.models.shipped import FILE_NAME, weights_path
from skelgraph.nn import ExpectedError, PostRefine
from skelgraph.options import FrameRate, check_option, check_options, constructor, option_types
from skelgraph.text import plain, shown
from skelgraph.topology import skeleton_config

_METADATA = "skelgraph"

PARTS: dict[str, Callable[..., nn.Module]] = {"post_refine": PostRefine}
"""What is no model, since it lifts no keypoints, and has weight files too."""

_NOTES: dict[str, Callable[[Any], Any]] = {
    "frame_rate": functools.partial(check_option, "frame_rate", hint=FrameRate),
    "trained_on": functools.partial(check_option, "trained_on", hint=str),
    "tested": checked_tested,
}
"""What a file may say of the training and the test of its weights, and the check of what it says."""

EXPECTED_ERROR = "expected_error."
"""What the names of the tensors of a head that tells the errors to expect begin with, in files of all kinds."""


class Pretrained(ModelHubMixin):
    """Gives a model ``config``, ``save_pretrained(folder)``, ``push_to_hub(repository)``, and ``from_pretrained`` of
    either.

    Offline unless asked otherwise: ``from_pretrained("user/repository", local_files_only=False)`` downloads, else only
    a folder or what an earlier download left in the cache is used.
    """

    config: dict[str, Any]
    """What rebuilds the model: its registered ``name``, its ``skeleton`` and its ``options``, those that were not given
    as they are by default; as ``input`` the form of its input, unless that is the normalised screen; as ``frame_rate``
    that of the windows it was trained on, as ``trained_on`` the data, and as ``tested`` what its run measured and how,
    see :class:`~skelgraph.models.measured.Tested`, if the file says them."""

    registered_name: str | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Pretrained:
        """Store the arguments in ``config``, so that every model can be rebuilt."""
        instance = object.__new__(cls)  # not the mixin's, which stores arguments in a form of its own
        signature = constructor(cls)
        given = signature.bind_partial(*args, **kwargs).arguments
        options = given | check_options(cls, given, cls.__name__)
        usual_options = _defaults(cls)  # type: ignore[arg-type] # mypy takes it for an instance, which has no hash
        options |= {name: value for name, value in usual_options.items() if name not in options}
        usual = signature.parameters["skeleton"].default if "skeleton" in signature.parameters else None
        layout = options.pop("skeleton", None if usual is inspect.Parameter.empty else usual)
        config = {
            "name": cls.registered_name,
            "skeleton": None if layout is None else skeleton_config(layout),
            "options": options,
        }
        object.__setattr__(instance, "config", config)
        return instance

    @classmethod
    def _encode_arg(cls, arg: Any) -> None:
        """Nothing of a default is kept in the mixin's own form, which cannot hold that of a skeleton."""

    def _save_pretrained(self, save_directory: Path) -> None:
        save_weights(self, save_directory / FILE_NAME)

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        model_card_kwargs: dict[str, Any] | None = None,
        overwrite: bool = False,
        **options: Any,
    ) -> str | None:
        """Write the model to a folder: weights with the configuration inside, and a card, ``README.md``. A card that
        lacks the line that says who wrote it is somebody's own and stays as it is.

        Args:
            save_directory: The folder.
            overwrite: Replace the model that is there, and what its card states.
            model_card_kwargs: What the card says beside what is read off the model: ``license``, ``errors_mm``
                and their ``protocol``, ``trained_on``, see :func:`~skelgraph.models.card.model_card`.
            **options: Those of :meth:`huggingface_hub.ModelHubMixin.save_pretrained`.

        Raises:
            SkelgraphError: As :func:`save_weights`, if there is a model already, or if the card cannot be made.
        """
        folder = as_path(save_directory)
        if (folder / FILE_NAME).exists() and not overwrite:
            raise SkelgraphError(
                f"{plain(str(folder), 500)} holds a model already: replace it (overwrite=True) or choose another folder"
            )
        card = self.generate_model_card(**(model_card_kwargs or {}))  # a fault in it is said before anything is written
        address = super().save_pretrained(save_directory, model_card_kwargs=model_card_kwargs, **options)
        if is_generated(path := folder / "README.md"):
            write_file(path, str(card).encode())
        return address

    def generate_model_card(self, **stated: Any) -> ModelCard:
        """Return the card of the model, see :func:`~skelgraph.models.card.model_card`.

        Raises:
            SkelgraphError: As there, or if it is told something that no card states.
        """
        known = list(inspect.signature(model_card).parameters)[1:]
        for name in stated:
            if name not in known:
                raise unknown_name("entry of model_card_kwargs:", name, known)
        return model_card(self, **stated)

    def push_to_hub(self, repo_id: str, *, model_card_kwargs: dict[str, Any] | None = None, **upload: Any) -> str:
        """Upload the model and its card to the Hugging Face Hub.

        Args:
            repo_id: The repository, ``"user/name"``; it is created if there is none.
            model_card_kwargs: What the card says beside what is read off the model, see
                :func:`~skelgraph.models.card.model_card`.
            **upload: ``private``, ``token``, ``branch``, ``commit_message`` and more of
                :meth:`huggingface_hub.ModelHubMixin.push_to_hub`.

        Returns:
            The address of the commit.
        """
        return super().push_to_hub(
            repo_id, model_card_kwargs={"repo_id": repo_id, **(model_card_kwargs or {})}, **upload
        )

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | Path, *, local_files_only: bool = True, **download: Any
    ) -> Any:
        """Load a model that ``save_pretrained`` wrote, in evaluation mode.

        Args:
            pretrained_model_name_or_path: A folder or its safetensors file, the name of weights that come with this
                package, ``"open"``, or a repository of the Hugging Face Hub.
            local_files_only: Look for a repository in the local cache only.
            **download: ``revision``, ``cache_dir``, ``force_download`` and ``token`` of
                :func:`huggingface_hub.hf_hub_download`.

        Raises:
            CheckpointError: If there is no such model, or its file is damaged or of another class.
        """
        path = weights_path(pretrained_model_name_or_path)
        if not os.path.lexists(path):
            repository = str(pretrained_model_name_or_path)
            try:
                path = Path(hf_hub_download(repository, FILE_NAME, local_files_only=local_files_only, **download))
            except (HfHubHTTPError, LocalEntryNotFoundError, ValueError) as error:
                raise CheckpointError(
                    f"{plain(repository, 500)} is no file and neither a folder nor a repository with "
                    f"{FILE_NAME} in the local cache; local_files_only=False downloads it"
                ) from error
        elif not is_safetensors(path):
            raise CheckpointError(
                f"{plain(str(path), 500)} is no safetensors file; checkpoints of runs are read by "
                "skelgraph.load_model, those of the authors' code by skelgraph.load_official"
            )
        model = load_weights(path)
        if not isinstance(model, cls):
            raise CheckpointError(f"{plain(str(path), 500)} holds a {type(model).__name__}, expected a {cls.__name__}")
        return model


@functools.cache
def _defaults(cls: type) -> dict[str, Any]:
    """What the options of a model are that nobody gives, as far as a file can say it: kept with the weights, which a
    default that is changed later would make another network of."""
    hints, defaults = option_types(cls), {}
    for name, parameter in constructor(cls).parameters.items():
        if name == "skeleton":  # which is no option
            continue
        value = parameter.default
        with suppress(TypeError, ValueError):  # no plain value, which only the class can say
            read = json.loads(json.dumps(value))
            if name in hints:
                read = check_option(name, read, hints[name])
            if read == value:
                defaults[name] = value
    return defaults


def save_weights(
    model: Any,
    path: str | Path,
    *,
    expected_error: ExpectedError | None = None,
    frame_rate: float | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Write the weights and the configuration of a model, or of a refinement head, to one safetensors file, all of it
    or nothing.

    Args:
        model: The model.
        path: The file.
        expected_error: The head that tells the errors to expect of its poses, which is written into the same file:
            tensors under ``expected_error.``, options in the configuration; ``None``: none.
        frame_rate: Frames per second of the windows that a model of several frames was trained on, which the file
            says then; by default what the model says.
        dtype: Type of numbers that floating-point numbers are written in, ``torch.float16`` for half of the size; they
            are rounded to it, and read as float32 again. By default each as it is.

    Raises:
        SkelgraphError: If the model is not a registered one or was built with options that are no plain values, the
            head is for another input or skeleton, or numbers are too large for the type.
    """
    name = type(model).__name__
    about = dict(configuration(model))
    if about["name"] is None:
        raise SkelgraphError(f"{name} is not a registered model; register_model(...) makes it one")
    state = model.state_dict()
    if expected_error is not None:
        check_beside(expected_error, model)
        about["expected_error"] = {
            "in_channels": expected_error.in_channels,
            "hidden_channels": expected_error.hidden_channels,
        }
        state |= {EXPECTED_ERROR + key: value for key, value in expected_error.state_dict().items()}
    if frame_rate is not None:
        about["frame_rate"] = check_option("frame_rate", frame_rate, FrameRate)
    try:
        config = json.dumps(about)
    except TypeError as error:
        raise SkelgraphError(f"the options of {name} cannot be saved: {error}") from error
    tensors = {key: _rounded(value, dtype, key).contiguous() for key, value in state.items()}
    write_file(path, save(tensors, metadata={_METADATA: config}))


def _rounded(value: torch.Tensor, dtype: torch.dtype | None, key: str) -> torch.Tensor:
    """A tensor in the type of numbers that is asked for, if it holds floating-point numbers."""
    if dtype is None or not value.is_floating_point():
        return value
    if not dtype.is_floating_point or dtype not in DTYPES.values():
        raise SkelgraphError(f"dtype is {shown(dtype)}; expected torch.float16, torch.bfloat16, float32 or float64")
    rounded = value.to(dtype)
    if not rounded.isfinite().all() and value.isfinite().all():
        raise SkelgraphError(f"{key} has numbers up to {float(value.abs().max()):g}, too large for {dtype}")
    return rounded


def check_beside(expected_error: ExpectedError, model: Any) -> None:
    """Check that a head tells the errors of the poses of this model.

    Raises:
        SkelgraphError: If it is for another skeleton, or for joints of other channels.
    """
    if isinstance(model, PostRefine):
        raise SkelgraphError("PostRefine has no expected errors; expected a network that lifts keypoints")
    if expected_error.skeleton != model.skeleton or expected_error.in_channels != model.in_channels:
        raise SkelgraphError(
            f"expected_error is for {expected_error.skeleton.num_joints} joints of {expected_error.in_channels} "
            f"channels ({shown(expected_error.skeleton.name)}); expected {model.skeleton.num_joints} of "
            f"{model.in_channels} ({shown(model.skeleton.name)}), as the network has"
        )


def configuration(model: Any) -> dict[str, Any]:
    """What rebuilds a model or a refinement head: its registered ``name``, its ``skeleton`` and its ``options``."""
    if not isinstance(model, PostRefine):
        return model.config
    options = {"hidden_channels": model.hidden.out_features, "dropout": model.dropout.p}
    return {"name": "post_refine", "skeleton": skeleton_config(model.skeleton), "options": options}


def load_weights(path: str | Path) -> Any:
    """Rebuild the model, or the refinement head, of a file that :func:`save_weights` wrote, in evaluation mode. A head
    that tells the errors to expect is left in the file, see :func:`load_expected_error_weights`.

    Raises:
        CheckpointError: If the file is missing, damaged, or does not hold a module of this library.
    """
    with _opened(path) as (file, config, names, label):
        keys = [name for name in names if not (_has_head(config) and name.startswith(EXPECTED_ERROR))]
        build = functools.partial(_build, input_form=config.get("input", "screen"))
        size = Path(path).stat().st_size
        model = build_on_meta(config["name"], config["skeleton"], config["options"], size, label, build=build)
        try:
            notes = {name: check(config[name]) for name, check in _NOTES.items() if config.get(name) is not None}
        except SkelgraphError as error:
            raise CheckpointError(f"{label} has an unusable configuration: {error}") from error
        check_fits(model, _on_meta(file, keys, label), label)
        load_checked(model, {key: file.get_tensor(key) for key in keys}, label)
    configuration(model).update(notes)
    return model.eval()


def load_expected_error_weights(path: str | Path) -> ExpectedError | None:
    """Rebuild the head that tells the errors to expect, of a file that :func:`save_weights` wrote, in evaluation mode;
    ``None`` if it holds none.

    Raises:
        CheckpointError: As :func:`load_weights`.
    """
    with _opened(path) as (file, config, names, label):
        if not _has_head(config):
            return None
        size = Path(path).stat().st_size
        head = build_on_meta(None, config["skeleton"], config["expected_error"], size, label, build=_build_head)
        keys = {name.removeprefix(EXPECTED_ERROR): name for name in names if name.startswith(EXPECTED_ERROR)}
        header = _on_meta(file, keys.values(), label)
        check_fits(head, {short: header[key] for short, key in keys.items()}, label)
        return _checked_head(head, {short: file.get_tensor(key) for short, key in keys.items()}, label)


def built_expected_error(skeleton: Any, options: Any, state: Mapping[str, torch.Tensor], size: int, label: str) -> Any:
    """The head of these options and tensors of a file, in evaluation mode.

    Args:
        skeleton: Name or data of its skeleton.
        options: Its options.
        state: Its tensors.
        size: Bytes in the file.
        label: What the file is, for messages.

    Raises:
        CheckpointError: If there is no such head, or the tensors are not its own.
    """
    return _checked_head(build_on_meta(None, skeleton, options, size, label, build=_build_head), dict(state), label)


def _checked_head(head: Any, state: dict[str, torch.Tensor], label: str) -> Any:
    load_checked(head, state, label)
    if not head.scale > 0:
        raise CheckpointError(f"{label}: the scale of the expected errors is {float(head.scale):g}, expected above 0")
    return head.eval()


def _build_head(name: None, skeleton: Any, options: Mapping[str, Any]) -> ExpectedError:
    return ExpectedError(skeleton, **options)


def _has_head(config: Mapping[str, Any]) -> bool:
    return config.get("expected_error") is not None


@contextmanager
def _opened(path: str | Path) -> Iterator[tuple[Any, dict[str, Any], list[str], str]]:
    """A file of :func:`save_weights`, open, with its configuration, the names of its tensors, and what it is called in
    messages."""
    label = f"weight file {plain(str(path), 500)}"
    if not is_safetensors(path):  # refused before safe_open maps the file into memory
        raise CheckpointError(f"{label} cannot be read as safetensors: it does not begin as such a file")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_METADATA, "null")
            config = parse_json(text, f"the configuration in {label}", CheckpointError)
            if not isinstance(config, dict) or not {"name", "skeleton", "options"} <= config.keys():
                raise CheckpointError(
                    f"{label} has no skelgraph configuration; it was not written by save_pretrained; weights of "
                    "the authors' own code: skelgraph.load_official(name, safetensors.torch.load_file(path))"
                )
            yield file, config, [*file.keys()], label
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{label} cannot be read as safetensors: {plain(str(error), 200)}") from error


def _on_meta(file: Any, keys: Iterable[str], label: str) -> dict[str, torch.Tensor]:
    """Tensors on ``meta`` of the shapes and types that the header of a file declares."""
    return {key: _tensor_on_meta(file.get_slice(key), f"{label}: {key}") for key in keys}


def _build(name: Any, skeleton: Any, options: Mapping[str, Any], input_form: Any) -> Any:
    part = PARTS.get(name) if isinstance(name, str) else None
    return build_saved(name, skeleton, options, input_form) if part is None else part(skeleton, **options)


def _tensor_on_meta(part: Any, label: str) -> torch.Tensor:
    """A tensor on ``meta`` of the shape and type that the header of a file declares."""
    if (dtype := DTYPES.get(part.get_dtype())) is None:
        raise CheckpointError(f"{plain(label, 700)} is a tensor of {part.get_dtype()}; expected ordinary numbers")
    return torch.empty(part.get_shape(), dtype=dtype, device="meta")
