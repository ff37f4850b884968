"""The table of errors that train and evaluate print."""

from typing import Any

from skelgraph.text import plain


def print_on_first_process(metrics: dict[str, Any], out: str) -> None:
    """Print what a run measured, once for all its processes."""
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
