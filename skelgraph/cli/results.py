"""The tables of errors that train and evaluate print."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from skelgraph.cli.output import answer, console
from skelgraph.text import plain

if TYPE_CHECKING:
    from rich.table import Table


def print_on_first_process(metrics: dict[str, Any], out: str) -> None:
    """Print what a run measured, once for all its processes."""
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    facts = {"out": out, "metrics": metrics}
    rank_zero_only(answer)(facts, lambda facts: _print_results(metrics, out))


def print_seeds_on_first_process(summary: dict[str, Any], out: str) -> None:
    """Print what runs with several seeds measured, once for all their processes."""
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    rank_zero_only(answer)({"out": out, "seeds": summary}, lambda facts: _print_seeds(summary, out))


def _print_seeds(summary: dict[str, Any], out: str) -> None:
    from rich.table import Table
    from rich.text import Text

    columns = {"MPJPE": "mpjpe_mm", "P-MPJPE": "p_mpjpe_mm", "MPJPE over frames": "mpjpe_frames_mm"}
    table = Table(title=f"{len(summary['finished'])} of {len(summary['seeds'])} seeds: error (mm)")
    for column in ("seed", *columns):
        table.add_column(column, justify="left" if column == "seed" else "right", overflow="fold")
    for seed, metrics in summary["runs"].items():
        table.add_row(seed, *(f"{metrics[name]:.1f}" for name in columns.values()))
    table.add_section()
    table.add_row("mean", *(f"{summary['mean'][name]:.1f}" for name in columns.values()), style="bold")
    if summary["std"]:
        table.add_row("standard deviation", *(f"{summary['std'][name]:.2f}" for name in columns.values()))
    screen = console()
    screen.print(table)
    for seed, why in summary["failed"].items():
        screen.print(Text(f"Seed {seed} counts nowhere: {plain(why, 500)}"), style="bold", soft_wrap=True)
    screen.print(Text(f"Report: {plain(str(out), 1000)}/seeds.html"), soft_wrap=True, highlight=False)


def _print_results(metrics: dict[str, Any], out: str) -> None:
    from rich.text import Text

    from skelgraph.training.judging import statements
    from skelgraph.training.report import beats_mean_pose
    from skelgraph.training.selection import sentences

    screen = console()
    screen.print(_by_action(metrics))
    screen.print(_by_measure(metrics["rows"]))
    if "per_scene" in metrics:
        screen.print(_by_scene(metrics["rows"]))
    for sentence in (*sentences(metrics), *statements(metrics)):
        screen.print(Text(plain(sentence, 500)), soft_wrap=True, highlight=False)
    if metrics["dataset"]["is_synthetic"]:
        screen.print("Synthetic data: comparable to no published result.")
    if not beats_mean_pose(metrics):
        worse = "Worse than no network: always answering the mean training pose has a lower error."
        screen.print(worse, style="bold", soft_wrap=True)
    screen.print(Text(f"Report: {plain(str(out), 1000)}/report.html"), soft_wrap=True, highlight=False)


def _by_action(metrics: dict[str, Any]) -> Table:
    """MPJPE and P-MPJPE of each action, for each of the answers that are judged."""
    from skelgraph.training.judging import ROWS

    rows = metrics["rows"]
    title = f"{plain(metrics['model'])} on {plain(metrics['dataset']['name'])}: error per action (mm)"
    labels = [ROWS[row].replace(", ", "\n") if rows.keys() - {"network"} else "" for row in rows]
    heads = [f"{label}\n{error}".lstrip("\n") for label in labels for error in ("MPJPE", "P-MPJPE")]
    table = _table(title, ["action", "frames", *heads])

    def errors(kind: str) -> list[str]:
        return [f"{row[f'{error}{kind}_mm']:.2f}" for row in rows.values() for error in ("mpjpe", "p_mpjpe")]

    for action, about in metrics["per_action"].items():
        of_action = [row["per_action"][action] for row in rows.values()]
        numbers = [f"{row[error]:.2f}" for row in of_action for error in ("mpjpe_mm", "p_mpjpe_mm")]
        _add(table, action, f"{about['frames']:,}", *numbers)
    table.add_section()
    table.add_row("mean over actions", "", *errors(""), style="bold")
    table.add_row("mean over frames", "", *errors("_frames"))
    table.add_row("always the mean pose", "", f"{metrics['mean_pose_mpjpe_mm']:.2f}")
    return table


def _by_measure(rows: dict[str, Any]) -> Table:
    """All that is measured, the answers side by side."""
    from skelgraph.training.judging import MEASURES, ROWS

    table = _table("All measures", ["", *(ROWS[row] for row in rows)])
    for measure, label in MEASURES.items():
        _add(table, label, *(f"{row[measure]:.2f}" for row in rows.values()))
    return table


def _by_scene(rows: dict[str, Any]) -> Table:
    """The scenes of a data set side by side; means over frames."""
    from skelgraph.training.judging import ROWS

    scenes = list(rows["network"]["per_scene"])
    table = _table("Scenes, means over frames", ["", *map(plain, scenes)])
    for row, label in ((row, ROWS[row]) for row in rows):
        for name, measure in (("MPJPE (mm)", "mpjpe_mm"), ("PCK (%)", "pck"), ("AUC (%)", "auc")):
            values = (rows[row]["per_scene"][scene][measure] for scene in scenes)
            _add(table, f"{label}: {name}", *(f"{value:.2f}" for value in values))
    return table


def _table(title: str, heads: Iterable[str]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title))
    for column, head in enumerate(heads):
        table.add_column(Text(head), justify="right" if column else "left", overflow="fold")
    return table


def _add(table: Table, name: str, *cells: str) -> None:
    from rich.text import Text

    table.add_row(Text(plain(name)), *cells)
