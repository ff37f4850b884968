"""The table of errors that train and evaluate print."""

from typing import Any

from skelgraph.text import plain


def print_on_first_process(metrics: dict[str, Any], out: str) -> None:
    """Print what a run measured, once for all its processes."""
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    rank_zero_only(_print_results)(metrics, out)


def print_seeds_on_first_process(summary: dict[str, Any], out: str) -> None:
    """Print what runs with several seeds measured, once for all their processes."""
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    rank_zero_only(_print_seeds)(summary, out)


def _print_seeds(summary: dict[str, Any], out: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = {"MPJPE": "mpjpe_mm", "P-MPJPE": "p_mpjpe_mm", "MPJPE over frames": "mpjpe_frames_mm"}
    table = Table(title=f"{len(summary['finished'])} of {len(summary['seeds'])} seeds: error (mm)")
    for column in ("seed", *columns):
        table.add_column(column, justify="left" if column == "seed" else "right")
    for seed, metrics in summary["runs"].items():
        table.add_row(seed, *(f"{metrics[name]:.1f}" for name in columns.values()))
    table.add_section()
    table.add_row("mean", *(f"{summary['mean'][name]:.1f}" for name in columns.values()), style="bold")
    if summary["std"]:
        table.add_row("standard deviation", *(f"{summary['std'][name]:.2f}" for name in columns.values()))
    console = Console()
    console.print(table)
    for seed, why in summary["failed"].items():
        console.print(Text(f"Seed {seed} counts nowhere: {plain(why, 500)}"), style="bold", soft_wrap=True)
    console.print(Text(f"Report: {plain(str(out), 1000)}/seeds.html"), soft_wrap=True, highlight=False)


def _print_results(metrics: dict[str, Any], out: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from skelgraph.training.report import beats_mean_pose
    from skelgraph.training.selection import sentences

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
    for sentence in sentences(metrics):
        console.print(Text(sentence), soft_wrap=True, highlight=False)
    if metrics["dataset"]["is_synthetic"]:
        console.print("Synthetic data: comparable to no published result.")
    if not beats_mean_pose(metrics):
        worse = "Worse than no network: always answering the mean training pose has a lower error."
        console.print(worse, style="bold", soft_wrap=True)
    console.print(Text(f"Report: {plain(str(out), 1000)}/report.html"), soft_wrap=True, highlight=False)
