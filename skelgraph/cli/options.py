"""How settings become options of the command line, and options settings."""

import contextlib
import dataclasses
import importlib
import json
import os
import re
import sys
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypedDict, get_args, get_origin

from tyro.conf import DisallowNone, FlagCreatePairsOff, UseAppendAction, arg
from tyro.constructors import PrimitiveConstructorSpec

from skelgraph.datasets.registry import DATASETS, read_layout
from skelgraph.detection.protocol import DETECTORS
from skelgraph.errors import SkelgraphError
from skelgraph.options import choices, option_types
from skelgraph.settings import GroupedSettings
from skelgraph.text import plain, shown
from skelgraph.training.config import TrainConfig
from skelgraph.training.losses import LOSSES
from skelgraph.training.schedules import SCHEDULES

TABLES: dict[str, Any] = {"dataset": DATASETS, "loss": LOSSES, "schedule": SCHEDULES, "detector": DETECTORS}
"""Settings that are a name of a table whose entries say what they mean."""


def text_option(metavar: str) -> PrimitiveConstructorSpec[Any]:
    """An option of one word, which the checker of the settings makes a value of, or refuses."""
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar if metavar.startswith("{") else metavar.upper(),
        instance_from_str=lambda words: words[0],
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda value: [value],
    )


def _option(group: type, member: dataclasses.Field[Any], default: str | None) -> Any:
    """What tyro is told of a setting: its help with what it may be, and its default."""
    hint, about = option_types(group).get(member.name), member.metadata
    text = about["help"]
    if table := TABLES.get(member.name):
        text += " " + "; ".join(f"{name}: {info.help}" for name, info in table.items()) + "."
    if about["source"] and (users := [name for name, info in DATASETS.items() if member.name in info.takes]):
        text += f" For {', '.join(users)}."
    if default is None:
        default = about["absent"] if member.default is None else written(member.default)
    told = arg(help=text, help_behavior_hint=f"(default: {default})")
    if bool in _kinds(hint):
        return Annotated[bool | None, DisallowNone, told]
    return Annotated[str, text_option(about["unit"] or "{" + ",".join(choices(hint)) + "}"), told]


def written(value: Any) -> str:
    """A default as it is typed."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(map(written, value))
    return format(value, "g") if isinstance(value, float) else str(value)


def group_options(
    name: str,
    omit: Collection[str] = (),
    only: Collection[str] | None = None,
    default: str | None = None,
    settings: type[GroupedSettings] = TrainConfig,
) -> Any:
    """The options of a group of settings, as a dictionary of those that are given."""
    group = settings.groups()[name]
    members = [m for m in dataclasses.fields(group) if m.name not in omit and (only is None or m.name in only)]
    options = TypedDict(name, {m.name: _option(group, m, default) for m in members}, total=False)  # type: ignore[misc]
    options.__doc__ = (group.__doc__ or "").partition("\n")[0]
    return options


def every_option(omit: Collection[str], default: str) -> Any:
    """The options of all groups of settings, as a dictionary of those that are given."""
    groups = TrainConfig.groups()
    members = {m.name: _option(groups[group], m, default) for group, m in TrainConfig.declared() if m.name not in omit}
    options = TypedDict("settings", members, total=False)  # type: ignore[misc]
    options.__doc__ = "Settings in the place of those of the recipe."
    return options


def values_of(given: dict[str, str | bool], settings: type[GroupedSettings] = TrainConfig) -> dict[str, Any]:
    """The settings that the texts on the command line stand for, as far as they are any: what is left is refused by
    the checker of the settings."""
    groups = settings.groups()
    hints = {m.name: option_types(groups[group]).get(m.name) for group, m in settings.declared()}
    return {name: value_of(name, value, hints[name]) for name, value in given.items()}


def value_of(name: str, text: str | bool, hint: Any) -> Any:
    """The value that a text stands for where an annotation is declared; what it is not is left as it is."""
    if not isinstance(text, str):
        return text
    if name in ("skeleton", "layout"):
        return read_layout(text)
    kinds = _kinds(hint)
    if text == "none" and type(None) in kinds:
        return None
    if tuple in kinds:
        between = "[,x×]" if int in kinds and float not in kinds else ","  # 1920x1080
        return tuple(_number(part.strip(), kinds) for part in re.split(between, text))
    return _number(text, kinds)


def _number(text: str, kinds: Collection[Any]) -> Any:
    for kind in (int, float):
        if kind in kinds:
            with contextlib.suppress(ValueError):
                return kind(text)
    return text


def _kinds(hint: Any) -> set[Any]:
    """The types that an annotation is made of: ``Annotated[int, ...] | None`` of int and None, ``tuple[int, ...]`` of
    tuple and int."""
    if get_origin(hint) is Annotated:
        return _kinds(get_args(hint)[0])
    if get_origin(hint) is tuple:
        return {tuple}.union(*map(_kinds, get_args(hint)))
    return set().union(*map(_kinds, get_args(hint))) or {hint}


Given = dict[str, Any]
Repeated = Annotated[tuple[str, ...], UseAppendAction]
Flag = Annotated[bool, FlagCreatePairsOff]
DataOptions = Annotated[
    Repeated,
    arg(
        help="Option of the data set that is no setting, as key=value in JSON, frame_rate=30.",
        metavar="KEY=VALUE",
        help_behavior_hint="(repeatable)",
    ),
]
WEIGHTS_HELP = (
    "Weights: best.ckpt or last.ckpt of a run, a safetensors file, a checkpoint of the authors' code, or the name of "
    "weights that come with skelgraph, see `skelgraph models`."
)
WeightsModel = Annotated[
    str | None,
    text_option("name"),
    arg(help="Network of the weights, see `skelgraph models`.", help_behavior_hint="(default: as in the file)"),
]
WeightsSkeleton = Annotated[
    str | None,
    text_option("name"),
    arg(
        help="Joint layout of the weights, see `skelgraph skeletons`, or a JSON file of one (.json).",
        help_behavior_hint="(default: as in the file, or that of the released code)",
    ),
]
WeightsOptions = Annotated[
    Repeated,
    arg(
        help="Option of the network that weights of the authors cannot tell, key=value, value in JSON.",
        metavar="KEY=VALUE",
        help_behavior_hint="(repeatable)",
    ),
]
Imports = Annotated[
    Repeated,
    arg(
        name="import",
        metavar="MODULE",
        help="Python module of yours that registers data sets, losses, schedules, networks or skeletons.",
        help_behavior_hint="(repeatable)",
    ),
]


def import_modules(modules: Sequence[str]) -> None:
    """Import modules of the user, from the current folder too, as ``python -m`` does."""
    if modules and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for module in modules:
        try:
            importlib.import_module(module)
        except (ModuleNotFoundError, ValueError, TypeError) as error:
            name = getattr(error, "name", None)
            if name is not None and not module.startswith(name):
                raise
            hint = f"; its name is {plain(module.removesuffix('.py'))}" if module.endswith(".py") else ""
            raise SkelgraphError(f"--import is {shown(module)}; there is no module of this name{hint}") from error


_SPELLINGS = {"True": "true", "False": "false", "None": "null"}


def parse_options(items: Sequence[str], flag: str = "--option") -> dict[str, Any]:
    """Read the ``key=value`` pairs of an option of the command line; a value that is not JSON is a string, unless it is
    a constant in Python's spelling."""
    options: dict[str, Any] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not (key and equals):
            raise SkelgraphError(f"{flag} is {shown(item)}, expected key=value")
        if value in _SPELLINGS:
            raise SkelgraphError(f"{flag} is {shown(item)}; values are JSON: did you mean {key}={_SPELLINGS[value]}?")
        try:
            options[key] = json.loads(value)
        except (ValueError, RecursionError):
            options[key] = value
    return options


def dated_folder(what: str) -> str:
    """A name for the folder of a run, by the millisecond, so that runs that are started together have their own."""
    name = re.sub(r"[^\w.-]+", "_", what)  # names of networks and data are any text
    return f"runs/{name}-{datetime.now():%Y%m%d-%H%M%S-%f}"[:-3]


def new_file(name: str, overwrite: bool) -> Path:
    """The path of a file to write.

    Raises:
        SkelgraphError: If it is there and is not to be replaced.
    """
    path = Path(name)
    if path.exists() and not overwrite:
        raise SkelgraphError(f"{plain(str(path), 500)} exists already: replace it (--overwrite) or choose another name")
    return path
