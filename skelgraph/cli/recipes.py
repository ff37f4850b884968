"""`skelgraph recipes`: the published results that can be trained."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from skelgraph.cli.options import text_option, written
from skelgraph.cli.output import answer, console, named
from skelgraph.errors import SkelgraphError
from skelgraph.text import shown
from skelgraph.training.config import TrainConfig

if TYPE_CHECKING:
    from skelgraph.recipes import Recipe


@dataclass
class Recipes:
    """List the published results that can be trained; with NAME: the settings of one, where they are published, and
    what is not."""

    name: Annotated[
        str | None, text_option("name"), Positional, arg(help="A recipe, to show it.", help_behavior_hint="")
    ] = None

    def __call__(self) -> None:
        """Run the command."""
        from skelgraph.recipes import list_recipes, read_recipe

        if self.name is None:
            recipes = [read_recipe(name) for name in list_recipes()]
            answer({"recipes": [_facts(recipe) for recipe in recipes]}, lambda facts: _print_recipes(recipes))
        else:
            recipe = read_recipe(self.name)
            columns = _settings(recipe)
            facts = {**_facts(recipe), "settings": columns}
            answer(facts, lambda facts: _print_recipe(recipe, columns))


def _facts(recipe: "Recipe") -> dict[str, Any]:
    """A recipe and what is published of it; errors in mm, PCK and AUC in per cent."""
    published = recipe.published
    return {
        "name": recipe.name,
        "about": recipe.about,
        "network": recipe.config.network.model,
        "keypoints": recipe.config.data.keypoints,
        "frames": published.frames,
        "published": recipe.numbers,
        "certain": published.certain,
        "exact": published.exact,
        "reasons": list(published.reasons),
        "system": published.system,
        "source": published.source,
        "paper": published.paper,
        "note": published.note,
    }


def _settings(recipe: "Recipe") -> dict[str, dict[str, Any]]:
    """The settings of its stages, and of its test where they differ."""
    stages = {"first stage": recipe.first_stage, "second stage": recipe.config} if recipe.first_stage else {}
    columns = {name: config.settings() for name, config in (stages or {"training": recipe.config}).items()}
    if recipe.test:
        columns["published test"] = {**recipe.config.settings(), **recipe.test}
    return columns


def about(recipe: "Recipe", changes: Sequence[str] = ()) -> list[str]:
    """What a user has to know of a recipe: its number, whether it trains exactly as published, and why not, as far as
    that is not said by the changes."""
    published = recipe.published
    numbers = ", ".join(f"{NAMES[name]} {number:g}" for name, number in recipe.numbers.items())
    lines = [
        f"{recipe.name}: {recipe.about}",
        f"Published as {published.system}: {numbers or 'no number'} ({published.source}).",
        *(f"Not exactly as published: {reason}." for reason in published.reasons),
    ]
    if published.exact and not changes:
        lines.append("All settings are as published.")
    if numbers and not published.certain:
        lines.append("That the number belongs to these settings is not certain.")
    if published.note is not None:
        lines.append(f"Note: {published.note}")
    return [*lines, *changes]


NAMES = {"mpjpe_mm": "MPJPE (mm)", "p_mpjpe_mm": "P-MPJPE (mm)", "pck": "PCK (%)", "auc": "AUC (%)"}
"""What the published numbers are called on the screen."""


def settings_of(name: str, given: Mapping[str, Any]) -> TrainConfig:
    """The settings of a recipe with those in their place that are given; prints what one has to know of it.

    Of a recipe of two stages they are those of the second where there are weights to start from, else of the first.
    """
    from skelgraph.recipes import read_recipe
    from skelgraph.recipes.recipe import changed

    if name.endswith((".yaml", ".yml", ".json")):
        raise SkelgraphError(f"--recipe is {shown(name)}, which is no name of a recipe; a file of settings is --config")
    recipe = read_recipe(name)
    is_first = recipe.first_stage is not None and given.get("init_from") is None
    stage = recipe.stages[0] if is_first else recipe.config
    config = changed(stage, given)
    lines = about(recipe, about_changes(stage, config))
    if is_first:
        lines.append(
            "This is the first of two stages; the second starts from its checkpoints/best.ckpt: --init-from FILE. "
            "skelgraph reproduce trains both."
        )
    print_lines(lines)
    return config


def about_changes(published: TrainConfig, ours: TrainConfig) -> list[str]:
    """What is not as in the recipe."""
    from skelgraph.recipes.recipe import differences

    changes = differences(published, ours)
    absent = {member.name: member.metadata["absent"] for _, member in TrainConfig.declared()}

    def said(name: str, value: Any) -> str:
        return absent.get(name) or "none" if value is None else shown(value)

    lines = [
        f"Changed: {name} is {said(name, mine)}, not {said(name, theirs)}." for name, (theirs, mine) in changes.items()
    ]
    if "dataset" in changes:
        lines.append("On other data: the error is not comparable to the published one.")
    return lines


def print_lines(lines: Sequence[str]) -> None:
    """Print lines of text, once for all processes of a run."""
    from lightning.fabric.utilities.rank_zero import rank_zero_only
    from rich.text import Text

    for line in lines:
        rank_zero_only(console().print)(Text(line), soft_wrap=True, highlight=False)


def _print_recipes(recipes: "Sequence[Recipe]") -> None:
    from rich.table import Table
    from rich.text import Text

    caption = "Published: MPJPE / P-MPJPE on Human3.6M in mm, or PCK / AUC on MPI-INF-3DHP in per cent"
    table = Table(title=f"{len(recipes)} recipes", caption=caption)
    named(table, "name", [recipe.name for recipe in recipes], style="bold")
    for column in ("keypoints", "frames", "published", "exact"):
        table.add_column(column, justify="right" if column in ("frames", "published") else "left", overflow="fold")
    for recipe in recipes:
        config, published = recipe.config, recipe.published
        table.add_row(
            recipe.name,
            Text(config.data.keypoints),
            str(published.frames),
            _pair(published.p1_mm, published.p2_mm, 2) or _pair(published.pck, published.auc, 1),
            "yes" if published.exact else "no",
        )
    console().print(table)
    exact = sum(recipe.published.exact for recipe in recipes)
    console().print(
        f"{exact} train exactly as published; skelgraph recipes NAME tells of the others why not.", soft_wrap=True
    )


def _pair(first: float | None, second: float | None, digits: int) -> str:
    known = [] if first is None else [first, second]
    return " / ".join("-" if number is None else f"{number:.{digits}f}" for number in known)


def _print_recipe(recipe: "Recipe", columns: Mapping[str, Mapping[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    print_lines([*about(recipe), recipe.published.paper])
    table = Table(title="Settings", title_justify="left")
    for column in ("group", "setting", *columns):
        table.add_column(column, no_wrap=column in ("group", "setting"))
    for group, member in TrainConfig.declared():
        values = [settings[member.name] for settings in columns.values()]
        if group != "machine":
            table.add_row(group, member.name, *(Text(_cell(value, member.metadata["absent"])) for value in values))
    console().print(table)


def _cell(value: Any, absent: str) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{option}={json.dumps(one)}" for option, one in value.items())
    return absent if value is None else written(value)
