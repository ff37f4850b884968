"""The `skelgraph` command: a file for each of its commands, but for the one that is about all of them.

The settings of a run are options here because :mod:`skelgraph.training.config` declares them; nothing is said of them a
second time. Everything heavy is imported inside the commands, so that `skelgraph --help` is quick.
"""

import contextlib
import io
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Union, get_args

import tyro
from tyro.conf import HelptextFromCommentsOff, OmitArgPrefixes, OmitSubcommandPrefixes, Positional, arg, subcommand

import skelgraph
from skelgraph.cli.convert import ConvertOfficial
from skelgraph.cli.data import Data
from skelgraph.cli.evaluate import Evaluate
from skelgraph.cli.export import Export
from skelgraph.cli.fetch_detector import FetchDetector
from skelgraph.cli.lift import Lift
from skelgraph.cli.listings import Models, Skeletons
from skelgraph.cli.options import text_option
from skelgraph.cli.output import answer, speaking
from skelgraph.cli.pack import Pack
from skelgraph.cli.recipes import Recipes
from skelgraph.cli.reproduce import Reproduce
from skelgraph.cli.train import Train
from skelgraph.cli.visualize import Visualize
from skelgraph.errors import SkelgraphError, unknown_name
from skelgraph.text import shown
from skelgraph.training.config import TrainConfig

SHELLS = ("bash", "zsh")
"""The shells that tyro writes scripts for without further packages."""


@dataclass
class Completion:
    """Print the script by which a shell completes the commands and options of skelgraph.

    bash: put `eval "$(skelgraph completion bash)"` into ~/.bashrc. zsh: write it to a file called _skelgraph in a
    folder of $fpath."""

    shell: Annotated[
        str, text_option("{" + ",".join(SHELLS) + "}"), Positional, arg(help="Whose script.", help_behavior_hint="")
    ]

    def __call__(self) -> None:
        """Run the command."""
        if self.shell not in SHELLS:
            raise unknown_name("shell", self.shell, SHELLS)
        script = io.StringIO()
        with contextlib.redirect_stdout(script), contextlib.suppress(SystemExit):
            _parse(["--tyro-write-completion", self.shell, "-"])
        answer({"shell": self.shell, "script": script.getvalue()}, lambda facts: print(facts["script"], end=""))


COMMANDS = Union[  # noqa: UP007
    Annotated[Train, subcommand("train")],
    Annotated[Evaluate, subcommand("evaluate")],
    Annotated[Lift, subcommand("lift")],
    Annotated[Visualize, subcommand("visualize")],
    Annotated[Data, subcommand("data")],
    Annotated[Recipes, subcommand("recipes")],
    Annotated[Reproduce, subcommand("reproduce")],
    Annotated[ConvertOfficial, subcommand("convert-official")],
    Annotated[Pack, subcommand("pack")],
    Annotated[Export, subcommand("export")],
    Annotated[FetchDetector, subcommand("fetch-detector")],
    Annotated[Models, subcommand("models")],
    Annotated[Skeletons, subcommand("skeletons")],
    Annotated[Completion, subcommand("completion")],
]

_LONGEST_OPTION = 200


def run(arguments: Sequence[str], switches: Collection[str] = ()) -> None:
    """Run a command.

    Args:
        arguments: What stands behind the program's name; without any the help is shown.
        switches: ``--json`` and ``--quiet``, where they are given.

    Raises:
        SkelgraphError: If the arguments are not usable, or the command raises it.
        SystemExit: After the help.
    """
    if "--version" in arguments[:1]:
        command: Callable[[], None] = _version
    else:
        command = _parse(arguments or ["--help"])
    with speaking(switches):
        command()


def _version() -> None:
    answer({"skelgraph": skelgraph.__version__}, lambda facts: print("skelgraph", facts["skelgraph"]))


def _parse(arguments: Sequence[str]) -> Callable[[], None]:
    """The command that the arguments name, with its options.

    Raises:
        SkelgraphError: If there is no such command or option, or a value is missing.
        SystemExit: After the help.
    """
    for option in (argument for argument in arguments if argument.startswith("--")):
        if len(option.partition("=")[0]) > _LONGEST_OPTION:  # for which near names would be sought for minutes
            raise SkelgraphError(f"there is no option {shown(option)}; see skelgraph --help")
    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            return tyro.cli(
                COMMANDS,
                prog="skelgraph",
                description="Learning on skeleton graphs: train and evaluate 2D-to-3D human pose networks.\n\n"
                "--version shows the version. Before a command or behind it, --json prints the answer as one JSON "
                "document, --quiet nothing but errors, and --debug the traceback of an error.",
                args=list(arguments),
                config=(OmitArgPrefixes, OmitSubcommandPrefixes, HelptextFromCommentsOff),
            )
    except SystemExit as end:
        if not end.code:
            raise
    raise SkelgraphError(_message(messages.getvalue(), arguments) + _stray(arguments))


def _stray(arguments: Sequence[str]) -> str:
    """What to do about words that belong to no option, where a command takes none."""
    if arguments[0] != "lift" or not any(_is_stray(arguments, index) for index in range(1, len(arguments))):
        return ""
    return ". The video is given by --input, one or a folder; several values of an option by commas, npz,trc"


def _is_stray(arguments: Sequence[str], index: int) -> bool:
    return not any(argument.startswith("-") for argument in arguments[index - 1 : index + 1])


def _message(box: str, arguments: Sequence[str]) -> str:
    """The sentence in what tyro draws, in lines or, where they cannot be printed, in dashes: a title, parts with rules
    between them, the last of them the help. Of options with near names, which it describes for every command that has
    them, the names of those of this command; and what options of networks are called."""
    names = {get_args(command)[1].name for command in get_args(COMMANDS)}
    command = [
        word for word in arguments[: 1 + (arguments[0] == "data")] if word in names or word in ("prepare", "check")
    ]
    own_help = " ".join(["skelgraph", *command, "--help"])
    lines = [line.strip("│╰╯") for line in re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines()[1:]]
    parts = [part.split("\n") for part in re.split(r"[─-]{3,}", "\n".join(lines)) if part.strip()]
    words = []
    for part in parts[:-1]:
        rows = [row for row in part if row.strip()]
        if rows[0].strip().startswith(("Perhaps you meant", "Arguments similar to")):
            near = [option for option, *about in _paragraphs(rows[1:]) if f"in {own_help}" in about or not command]
            if not near:
                continue
            rows = [rows[0], ", ".join(near)]
        words.append(" ".join(" ".join(rows).split()).rstrip("."))
    unknown = [word.lstrip("-").replace("-", "_") for word in arguments if word.startswith("--")]
    if any("Unrecognized options" in word for word in words):
        words += [
            f"an option of a network is given as --option {name}=VALUE, see `skelgraph models NAME`"
            for name in unknown
            if name in _options_of_networks()
        ]
    return "; ".join([*words, f"see {own_help}"])


def _paragraphs(rows: Sequence[str]) -> list[list[str]]:
    """The rows that are indented least, each with those below it."""
    indents = [len(row) - len(row.lstrip()) for row in rows]
    starts = [index for index, indent in enumerate(indents) if indent == min(indents)]
    return [[row.strip() for row in rows[start:end]] for start, end in zip(starts, [*starts[1:], None], strict=True)]


def _options_of_networks() -> set[str]:
    from skelgraph.models import list_models, model_info

    declared = {member.name for _, member in TrainConfig.declared()}
    return {option for name in list_models() for option in model_info(name).options} - declared
