"""The registry of models: their names, classes, papers and published errors. It imports no model."""

from __future__ import annotations

import fnmatch
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psutil
import torch
from torch import nn

from skelgraph.errors import SkelgraphError, unknown_name
from skelgraph.options import InputForm, check_option, constructor
from skelgraph.registry import Registry
from skelgraph.text import shown
from skelgraph.topology import Skeleton, SkeletonLike, as_skeleton

Model = TypeVar("Model", bound=type[nn.Module])


@dataclass(frozen=True)
class ModelInfo:
    """The registry entry of a model.

    ``published`` maps a setting (``"gt"``, ``"cpn"``) to the published Human3.6M errors (P1, P2) in mm; ``None`` where
    a publication gives only one of them. ``published_skeleton`` is the layout of the released code, of a network of
    your own the one that :func:`~skelgraph.models.create_model` takes; ``published_seconds`` the time of an inference
    that a publication gives, on its own machine. ``paper`` and ``url`` are empty where there is none.
    """

    name: str
    cls: type[Any]
    paper: str
    url: str
    published_skeleton: SkeletonLike
    published: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    published_seconds: float | None = None

    @property
    def own(self) -> str | None:
        """Module and name of a class that does not come with skelgraph, such as ``my_models.MyNet``; else ``None``."""
        module = self.cls.__module__
        return None if module.partition(".")[0] == __name__.partition(".")[0] else f"{module}.{self.cls.__qualname__}"

    @property
    def options(self) -> dict[str, Any]:
        """The options that the model takes, with the published values as defaults."""
        parameters = list(constructor(self.cls).parameters.values())[1:]
        return {p.name: p.default for p in parameters}


_MODELS: Registry[ModelInfo] = Registry("model")


def register_model(
    name: str,
    *,
    paper: str = "",
    url: str = "",
    published_skeleton: SkeletonLike | None = None,
    published: Mapping[str, tuple[float | None, float | None]] | None = None,
    published_seconds: float | None = None,
) -> Callable[[Model], Model]:
    """Class decorator that puts a :class:`~skelgraph.models.PoseLifter` into the registry under ``name``.

    Its constructor takes ``skeleton`` first and has a default for everything else;
    :func:`~skelgraph.testing.check_model` tests what else is expected of it.

    Args:
        name: The name for :func:`~skelgraph.models.create_model`, ``--model`` and files.
        paper: Title and venue of its publication, if there is one.
        url: The address of that.
        published_skeleton: The layout of the released code; by default that of the constructor, or ``"h36m17"``. A
            network of your own is built on it by :func:`~skelgraph.models.create_model` where none is given.
        published: Published Human3.6M errors (P1, P2) in mm by setting, see :class:`ModelInfo`.
        published_seconds: Published time of an inference.

    Raises:
        SkelgraphError: If the name is taken, or the class is no :class:`~skelgraph.models.PoseLifter` with such a
            constructor.
    """

    def register(cls: Model) -> Model:
        _check_class(name, cls)
        usual = constructor(cls).parameters.get("skeleton")
        by_default = "h36m17" if usual is None or usual.default is inspect.Parameter.empty else usual.default
        layout = by_default if published_skeleton is None else published_skeleton
        info = ModelInfo(name, cls, paper, url, layout, dict(published or {}), published_seconds)
        _MODELS.add(name, info, cls)
        cls.registered_name = name  # type: ignore[attr-defined]
        return cls

    return register


def _check_class(name: str, cls: Any) -> None:
    """Check that a class can be built by name.

    Raises:
        SkelgraphError: If it does not derive from PoseLifter, which alone has a ``registered_name``, or its constructor
            is called in another way.
    """
    if not isinstance(cls, type) or not hasattr(cls, "registered_name"):
        raise SkelgraphError(
            f"model {shown(name)} is {shown(cls)}; expected a class that derives from skelgraph.models.PoseLifter or "
            "FrameLifter"
        )
    parameters = constructor(cls).parameters
    names = list(parameters)
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    required = [
        one.name
        for one in list(parameters.values())[1:]
        if one.default is inspect.Parameter.empty and one.kind not in open_ended
    ]
    if names[:1] != ["skeleton"] or required:
        raise SkelgraphError(
            f"model {shown(name)} is made by {cls.__name__}({', '.join(names)}); expected skeleton first"
            + (f", and a default for {' and '.join(required)}" if required else "")
        )


def list_models(pattern: str = "*") -> list[str]:
    """Names of the registered models that match a shell pattern, sorted."""
    return sorted(fnmatch.filter(_MODELS, pattern))


def model_info(name: str) -> ModelInfo:
    """The registry entry of a model.

    Raises:
        SkelgraphError: If there is none of that name; the near names are listed.
    """
    return _MODELS.find(name)


def build_model(name: str, skeleton: SkeletonLike, options: Mapping[str, Any], input_form: Any = "screen") -> Any:
    """Build a registered model, see :func:`~skelgraph.models.create_model`."""
    info = model_info(name)
    if check_option("input_form", input_form, InputForm) == "rays":
        options = {"in_channels": 3} | dict(options)
    for option in options:
        if option not in info.options:
            raise unknown_name(f"option of model {name!r}:", option, info.options)
    layout = as_skeleton(skeleton)
    if options and torch.get_default_device().type == "cpu":
        _check_memory(info, layout, options)
    model = info.cls(layout, **options)
    if input_form != "screen":
        model.config["input"] = input_form
    return model


def _check_memory(info: ModelInfo, skeleton: Skeleton, options: Mapping[str, Any]) -> None:
    """Refuse a model that the free memory cannot hold, before anything is allocated."""
    try:
        with torch.device("meta"):
            model = info.cls(skeleton, **options)
    except (RuntimeError, SkelgraphError):  # the real constructor raises it again, or needs values
        return
    size = sum(tensor.numel() * tensor.element_size() for tensor in (*model.parameters(), *model.buffers()))
    free = psutil.virtual_memory().available
    if size > free:
        parameters = sum(parameter.numel() for parameter in model.parameters())
        raise SkelgraphError(
            f"model {info.name!r} with {shown(dict(options))} has {parameters:,} parameters and takes "
            f"{size / 1e9:,.1f} GB; {free / 1e9:,.1f} GB of memory are free"
        )
