"""The `skelgraph` command: train, evaluate, convert-official, models, skeletons.

The settings of a run are options here because :mod:`skelgraph.training.config` declares them; nothing is said of them a
second time. Everything heavy is imported inside the commands, so that `skelgraph --help` is quick.
"""

import contextlib
import dataclasses
import importlib
import io
import json
import os
import re
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, Union, get_args, get_origin

import tyro
from tyro.conf import (
    DisallowNone,
    FlagCreatePairsOff,
    HelptextFromCommentsOff,
    OmitArgPrefixes,
    OmitSubcommandPrefixes,
    Positional,
    UseAppendAction,
    arg,
    subcommand,
)
from tyro.constructors import PrimitiveConstructorSpec

import skelgraph
from skelgraph.datasets.registry import DATASETS
from skelgraph.errors import SkelgraphError
from skelgraph.options import choices, option_types
from skelgraph.text import plain, shown
from skelgraph.training.config import TrainConfig
from skelgraph.training.losses import LOSSES
from skelgraph.training.schedules import SCHEDULES

if TYPE_CHECKING:
    from skelgraph.models import ModelInfo

TABLES: dict[str, Any] = {"dataset": DATASETS, "loss": LOSSES, "schedule": SCHEDULES}
"""Settings that are a name of a table whose entries say what they mean."""


def run(arguments: Sequence[str]) -> None:
    """Run a command.

    Args:
        arguments: What stands behind the program's name; without any the help is shown.

    Raises:
        SkelgraphError: If the arguments are not usable, or the command raises it.
        SystemExit: After the help.
    """
    if "--version" in arguments[:1]:
        print(f"skelgraph {skelgraph.__version__}")
        return
    _parse(arguments or ["--help"])()


def _parse(arguments: Sequence[str]) -> Callable[[], None]:
    """The command that the arguments name, with its options.

    Raises:
        SkelgraphError: If there is no such command or option, or a value is missing.
        SystemExit: After the help.
    """
    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            return tyro.cli(
                COMMANDS,
                prog="skelgraph",
                description="Learning on skeleton graphs: train and evaluate 2D-to-3D human pose networks.\n\n"
                "--version shows the version; --debug shows the traceback of an error.",
                args=list(arguments),
                config=(OmitArgPrefixes, OmitSubcommandPrefixes, HelptextFromCommentsOff),
            )
    except SystemExit as end:
        if not end.code:
            raise
    raise SkelgraphError(_message(messages.getvalue()))


def _message(box: str) -> str:
    """The sentence in what tyro draws: a title in a frame, parts with rules between them, the last of them the help."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", box)
    parts = re.split("─{3,}", " ".join(line.strip("│ ") for line in text.splitlines() if line.startswith("│")))
    words = [" ".join(part.split()).rstrip(".") for part in parts]
    footer = words.pop().replace("For full helptext, run", "see").replace("For full helptext, see", "see")
    return "; ".join(filter(None, [*words, footer]))


# --- options


def _text(metavar: str) -> PrimitiveConstructorSpec[Any]:
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
    if users := [name for name, info in DATASETS.items() if member.name in info.takes]:
        text += f" For {', '.join(users)}."
    if default is None:
        default = about["absent"] if member.default is None else _written(member.default)
    told = arg(help=text, help_behavior_hint=f"(default: {default})")
    if bool in _kinds(hint):
        return Annotated[bool | None, DisallowNone, told]
    return Annotated[str, _text(about["unit"] or "{" + ",".join(choices(hint)) + "}"), told]


def _written(value: Any) -> str:
    """A default as it is typed."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return format(value, "g") if isinstance(value, float) else str(value)


def _group(
    name: str, omit: Collection[str] = (), only: Collection[str] | None = None, default: str | None = None
) -> Any:
    """The options of a group of settings, as a dictionary of those that are given."""
    group = TrainConfig.groups()[name]
    members = [m for m in dataclasses.fields(group) if m.name not in omit and (only is None or m.name in only)]
    options = TypedDict(name, {m.name: _option(group, m, default) for m in members}, total=False)  # type: ignore[misc]
    options.__doc__ = (group.__doc__ or "").partition("\n")[0]
    return options


EVALUATED_DATA = ("dataset", "data_3d", "data_2d", "cameras", "keypoints", "test_subjects", "unchecked")


def _values(given: dict[str, str | bool]) -> dict[str, Any]:
    """The settings that the texts on the command line stand for, as far as they are any: what is left is refused by
    the checker of the settings."""
    groups = TrainConfig.groups()
    hints = {m.name: option_types(groups[group]).get(m.name) for group, m in TrainConfig.declared()}
    return {name: _value(name, value, hints[name]) for name, value in given.items()}


def _value(name: str, text: str | bool, hint: Any) -> Any:
    if not isinstance(text, str):
        return text
    if name == "skeleton":
        from skelgraph.topology import read_skeleton

        return read_skeleton(text) if text.endswith(".json") else text
    kinds = _kinds(hint)
    if text == "none" and type(None) in kinds:
        return None
    if tuple in kinds:
        return tuple(part.strip() for part in text.split(","))
    for kind in (int, float):
        if kind in kinds:
            with contextlib.suppress(ValueError):
                return kind(text)
    return text


def _kinds(hint: Any) -> set[Any]:
    """The types that an annotation is made of: ``Annotated[int, ...] | None`` of int and None."""
    if get_origin(hint) is Annotated:
        return _kinds(get_args(hint)[0])
    if get_origin(hint) is tuple:
        return {tuple}
    return set().union(*map(_kinds, get_args(hint))) or {hint}


Given = dict[str, Any]
Repeated = Annotated[tuple[str, ...], UseAppendAction]
Flag = Annotated[bool, FlagCreatePairsOff]
Imports = Annotated[
    Repeated,
    arg(
        name="import",
        metavar="MODULE",
        help="Python module of yours that registers data sets, losses, schedules, networks or skeletons.",
        help_behavior_hint="(repeatable)",
    ),
]


def _import(modules: Sequence[str]) -> None:
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
            raise SkelgraphError(f"--import is {shown(module)}; there is no module of this name") from error


# --- commands


@dataclass
class Train:
    """Train a network, test its last epoch, and write metrics.json, report.html, animation.gif, checkpoints and logs.

    Without any option: SemGCN on the synthetic default data."""

    network: Annotated[Given, arg(constructor=_group("network", omit=["options"]))]
    data: Annotated[Given, arg(constructor=_group("data"))]
    training: Annotated[Given, arg(constructor=_group("training"))]
    optimizer: Annotated[Given, arg(constructor=_group("optimizer"))]
    evaluation: Annotated[Given, arg(constructor=_group("evaluation"))]
    machine: Annotated[Given, arg(constructor=_group("machine"))]
    option: Annotated[
        Repeated,
        arg(
            help="Option of the network as key=value in JSON, num_frames=27; see `skelgraph models NAME`.",
            metavar="KEY=VALUE",
            help_behavior_hint="(repeatable)",
        ),
    ] = ()
    config: Annotated[
        str | None,
        _text("file"),
        arg(
            help="Settings to start from: YAML or JSON, or the config.json of a run.",
            help_behavior_hint="(default: none)",
        ),
    ] = None
    out: Annotated[
        str | None,
        _text("folder"),
        arg(help="Folder of the results.", help_behavior_hint="(default: runs/<model>-<dataset>-<time>)"),
    ] = None
    resume: Annotated[
        Flag,
        arg(help="Continue the run in --out from its last finished epoch, with its settings.", help_behavior_hint=""),
    ] = False
    overwrite: Annotated[Flag, arg(help="Replace the run that is in the output folder.", help_behavior_hint="")] = False
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        if self.resume and self.overwrite:
            raise SkelgraphError("--resume continues a run and --overwrite replaces it: give one of them")
        if self.resume and self.config is not None:
            raise SkelgraphError("--resume continues a run with its own settings: leave out --config")
        _import(self.imports)
        given = _values(self.network | self.data | self.training | self.optimizer | self.evaluation | self.machine)
        if self.option:
            given["options"] = _parse_options(self.option)
        if self.out is not None:
            given["out"] = self.out
        from skelgraph import training

        if self.resume:  # what is not given again is as it was
            if self.out is None:
                raise SkelgraphError("--resume needs --out, the folder of the run to continue")
            config = training.saved_config(self.out)
        else:
            config = TrainConfig("") if self.config is None else training.read_config(self.config)
        config = config.replace(**given)
        if self.out is None and not config.out:
            name = f"{config.network.model}-{config.data.dataset}-{datetime.now():%Y%m%d-%H%M%S}"
            config = config.replace(out=f"runs/{name}")
        metrics = training.train(config, resume=self.resume, overwrite=self.overwrite)
        _print_on_first_process(metrics, config.out)


@dataclass
class Evaluate:
    """Test a checkpoint, and write metrics.json, report.html and animation.gif.

    What is not given is as in the run that wrote the checkpoint; with --dataset the data are described anew. A
    safetensors file (of save_pretrained or convert-official) needs --dataset."""

    checkpoint: Annotated[str, _text("file"), arg(help="best.ckpt or last.ckpt of a run, or a safetensors file.")]
    data: Annotated[Given, arg(constructor=_group("data", only=EVALUATED_DATA, default="as in the run"))]
    evaluation: Annotated[Given, arg(constructor=_group("evaluation", default="as in the run"))]
    machine: Annotated[Given, arg(constructor=_group("machine"))]
    downsample: Annotated[
        str | None,
        _text("frames"),
        arg(help="Test on every n-th frame.", help_behavior_hint="(default: as in the run)"),
    ] = None
    out: Annotated[
        str | None,
        _text("folder"),
        arg(help="Folder of the results.", help_behavior_hint="(default: runs/evaluate-<time>)"),
    ] = None
    overwrite: Annotated[
        Flag, arg(help="Replace the evaluation that is in the output folder.", help_behavior_hint="")
    ] = False
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        _import(self.imports)
        data = self.data if self.downsample is None else self.data | {"test_downsample": self.downsample}
        given = _values(data | self.evaluation)
        declared = {member.name: member for _, member in TrainConfig.declared()}
        if "dataset" in given:
            anew = [name for name in (*EVALUATED_DATA, "test_downsample") if name not in given]
            given |= {name: declared[name].default for name in anew}
        machine = {m.name: m.default for m in dataclasses.fields(TrainConfig.groups()["machine"])}
        machine |= _values(self.machine)
        from skelgraph import training

        out = self.out or f"runs/evaluate-{datetime.now():%Y%m%d-%H%M%S}"
        metrics = training.evaluate(self.checkpoint, out, overwrite=self.overwrite, **given, **machine)
        _print_on_first_process(metrics, out)


@dataclass
class ConvertOfficial:
    """Convert a checkpoint of the authors' code to a safetensors file with the model's configuration inside."""

    model: Annotated[str, _text("name"), arg(help="Network; see `skelgraph models`.")]
    checkpoint: Annotated[str, _text("file"), arg(help="Checkpoint file of the authors' code.")]
    out: Annotated[str, _text("file"), arg(help="File to write, model.safetensors.")]
    skeleton: Annotated[
        str | None,
        _text("name"),
        arg(help="Joint layout of the weights.", help_behavior_hint="(default: that of the released code)"),
    ] = None
    option: Annotated[
        Repeated,
        arg(
            help="Option of the network that weights cannot tell, key=value, value in JSON.",
            metavar="KEY=VALUE",
            help_behavior_hint="(repeatable)",
        ),
    ] = ()
    overwrite: Annotated[Flag, arg(help="Replace the file that is there.", help_behavior_hint="")] = False
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        _import(self.imports)
        from skelgraph.models import load_official, model_info
        from skelgraph.models.pretrained import save_weights

        out = Path(self.out)
        if out.exists() and not self.overwrite:
            raise SkelgraphError(
                f"{plain(str(out), 500)} exists already: replace it (--overwrite) or choose another name"
            )
        model_info(self.model)  # an unknown name is an error before anything is read
        converted = load_official(self.model, self.checkpoint, self.skeleton, **_parse_options(self.option))
        save_weights(converted, out)
        about = converted.config
        print(plain(f"{out}: {self.model} on {about['skeleton']}, {about['options']}", 1000))


@dataclass
class Models:
    """List the networks: parameters at the published width, published errors on Human3.6M, paper; with NAME: the
    options of one network, what each may be, and what it means."""

    name: Annotated[
        str | None, _text("name"), Positional, arg(help="A network, to list its options.", help_behavior_hint="")
    ] = None
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        _import(self.imports)
        if self.name is None:
            _print_models()
        else:
            _print_model(self.name)


@dataclass
class Skeletons:
    """List the named skeletons: joints, bones, symmetric pairs, body parts."""

    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        _import(self.imports)
        _print_skeletons()


COMMANDS = Union[  # noqa: UP007
    Annotated[Train, subcommand("train")],
    Annotated[Evaluate, subcommand("evaluate")],
    Annotated[ConvertOfficial, subcommand("convert-official")],
    Annotated[Models, subcommand("models")],
    Annotated[Skeletons, subcommand("skeletons")],
]


# --- what they print


def _print_models() -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from skelgraph.models import create_model, list_models, model_info

    table = Table(title="Networks", caption="Published MPJPE / P-MPJPE on Human3.6M, by source of the 2D keypoints")
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("parameters", justify="right")
    table.add_column("skeleton", no_wrap=True)
    table.add_column("published (mm)")
    table.add_column("paper")
    for name in list_models():
        info = model_info(name)
        parameters = sum(p.numel() for p in create_model(name, info.published_skeleton).parameters())
        paper = Text(info.paper, style=f"link {info.url}")
        table.add_row(name, f"{parameters:,}", info.published_skeleton, "\n".join(_published(info)), paper)
    Console().print(table)


def _published(info: "ModelInfo") -> list[str]:
    return [
        f"{setting}: {' / '.join('-' if error is None else f'{error:.2f}' for error in errors)}"
        for setting, errors in info.published.items()
    ]


def _print_model(name: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from skelgraph.models import model_info
    from skelgraph.options import describe, meanings, option_types

    info = model_info(name)
    hints, meaning = option_types(info.cls), meanings(info.cls)
    table = Table(title=f"Options of {name}", caption="--option key=value; values are JSON", title_justify="left")
    table.add_column("option", style="bold", no_wrap=True)
    table.add_column("default")
    table.add_column("may be")
    table.add_column("meaning")
    for option, default in info.options.items():
        allowed = describe(hints[option]) if option in hints else ""
        table.add_row(*map(Text, (option, _as_json(default), allowed, meaning.get(option, ""))))
    console = Console()
    console.print(Text(f"{name}: {info.paper}\n{info.url}", style="bold"), soft_wrap=True)
    console.print(Text(f"Published on {info.published_skeleton}, MPJPE / P-MPJPE in mm: {'; '.join(_published(info))}"))
    console.print(table)


def _as_json(default: Any) -> str:
    """A default as it is written behind ``--option key=``; what JSON cannot say, as Python writes it."""
    try:
        return json.dumps(default)
    except TypeError:
        return shown(default)


def _print_skeletons() -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from skelgraph.topology import as_skeleton, list_skeletons

    table = Table(title="Skeletons")
    table.add_column("name", style="bold", no_wrap=True)
    for column in ("joints", "bones", "symmetric pairs"):
        table.add_column(column, justify="right")
    table.add_column("parts")
    for name in list_skeletons():
        layout = as_skeleton(name)
        counts = (layout.num_joints, len(layout.edges), len(layout.symmetric_pairs))
        table.add_row(Text(plain(name)), *map(str, counts), Text(", ".join(map(plain, layout.parts))))
    Console().print(table)


_SPELLINGS = {"True": "true", "False": "false", "None": "null"}


def _parse_options(items: Sequence[str]) -> dict[str, Any]:
    """Read ``key=value`` pairs; a value that is not JSON is a string, unless it is a constant in Python's spelling."""
    options: dict[str, Any] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not (key and equals):
            raise SkelgraphError(f"--option is {shown(item)}, expected key=value")
        if value in _SPELLINGS:
            raise SkelgraphError(f"--option is {shown(item)}; values are JSON: did you mean {key}={_SPELLINGS[value]}?")
        try:
            options[key] = json.loads(value)
        except (ValueError, RecursionError):
            options[key] = value
    return options


def _print_on_first_process(metrics: dict[str, Any], out: str) -> None:
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    rank_zero_only(_print_results)(metrics, out)


def _print_results(metrics: dict[str, Any], out: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from skelgraph.training.report import beats_mean_pose

    title = f"{plain(metrics['model'])} on {plain(metrics['dataset']['name'])}: error per action (mm)"
    table = Table(title=Text(title))
    for column in ("action", "frames", "MPJPE", "P-MPJPE"):
        table.add_column(column, justify="left" if column == "action" else "right")
    for action, row in metrics["per_action"].items():
        errors = (f"{row['mpjpe_mm']:.1f}", f"{row['p_mpjpe_mm']:.1f}")
        table.add_row(Text(plain(action)), f"{row['frames']:,}", *errors)
    table.add_section()
    table.add_row("mean over actions", "", f"{metrics['mpjpe_mm']:.1f}", f"{metrics['p_mpjpe_mm']:.1f}", style="bold")
    table.add_row("always the mean pose", "", f"{metrics['mean_pose_mpjpe_mm']:.1f}", "")
    console = Console()
    console.print(table)
    if metrics["dataset"]["is_synthetic"]:
        console.print("Synthetic data: comparable to no published result.")
    if not beats_mean_pose(metrics):
        worse = "Worse than no network: always answering the mean training pose has a lower error."
        console.print(worse, style="bold", soft_wrap=True)
    console.print(Text(f"Report: {plain(str(out), 1000)}/report.html"), soft_wrap=True, highlight=False)
