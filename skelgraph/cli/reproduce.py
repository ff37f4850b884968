"""`skelgraph reproduce`: a published result, trained and compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import Positional, arg

from skelgraph.cli.options import (
    DataOptions,
    Given,
    Imports,
    Repeated,
    every_option,
    import_modules,
    parse_options,
    text_option,
    values_of,
)
from skelgraph.cli.output import answer, console
from skelgraph.cli.recipes import NAMES, about, about_changes, print_lines


@dataclass
class Reproduce:
    """Train a published result by its recipe, test it, and print ours beside the published number.

    The same command again goes on where it was stopped."""

    name: Annotated[str, text_option("name"), Positional, arg(help="A recipe; see `skelgraph recipes`.")]
    settings: Annotated[
        Given,
        arg(
            constructor=every_option(
                omit=["options", "data_options", "init_from", "imports"], default="as in the recipe"
            )
        ),
    ]
    data_root: Annotated[
        str | None,
        text_option("folder"),
        arg(
            help="Folder with the files of the data under their usual names, data_3d_h36m.npz.",
            help_behavior_hint="(default: the files are given one by one, or not needed)",
        ),
    ] = None
    option: Annotated[
        Repeated,
        arg(
            help="Option of the network as key=value in JSON, hidden_channels=64; see `skelgraph models NAME`.",
            metavar="KEY=VALUE",
            help_behavior_hint="(repeatable)",
        ),
    ] = ()
    data_option: DataOptions = ()
    out: Annotated[
        str | None,
        text_option("folder"),
        arg(help="Folder of the results.", help_behavior_hint="(default: runs/<name>)"),
    ] = None
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        import_modules(self.imports)
        given = values_of(self.settings)
        if self.option:
            given["options"] = parse_options(self.option)
        if self.data_option:
            given["data_options"] = parse_options(self.data_option, "--data-option")
        if self.imports:
            given["imports"] = self.imports
        from skelgraph.recipes import read_recipe, reproduce
        from skelgraph.recipes.recipe import changed

        recipe = read_recipe(self.name)
        print_lines(about(recipe, about_changes(recipe.config, changed(recipe.config, given))))
        out = self.out or f"runs/{self.name}"
        _print_on_first_process(reproduce(self.name, out, data_root=self.data_root, **given), out)


def _print_on_first_process(result: Mapping[str, Any], out: str) -> None:
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    rank_zero_only(answer)({"out": out, "result": result}, lambda facts: _print(result, out))


def _print(result: Mapping[str, Any], out: str) -> None:
    from rich.table import Table
    from rich.text import Text

    from skelgraph.text import plain

    published, ours = result["published"], result["ours"]
    table = Table(title=Text(plain(result["recipe"])))
    for column in ("", "published", "ours", "difference"):
        table.add_column(column, justify="right" if column else "left")
    for name in (name for name in NAMES if name in (published or ours)):
        theirs = published.get(name)
        apart = "" if theirs is None or not result["comparable"] else f"{ours[name] - theirs:+.2f}"
        table.add_row(NAMES[name], "-" if theirs is None else f"{theirs:.2f}", f"{ours[name]:.2f}", apart)
    screen = console()
    screen.print(table)
    lines = [f"Not exactly as published: {reason}." for reason in result["reasons"]]
    if not result["comparable"]:
        lines.append("On other data: not comparable to the published number.")
    elif result["changes"]:
        lines.append(f"With other settings than the recipe: {', '.join(result['changes'])}.")
    for line in (*lines, f"Result: {plain(str(out), 1000)}/reproduction.json"):
        screen.print(Text(line), soft_wrap=True, highlight=False)
