"""Which epoch a run reports, and the sentences that say so on the page and on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skelgraph.datasets import PoseDataset
from skelgraph.errors import SkelgraphError
from skelgraph.text import plain
from skelgraph.training.config import TrainConfig
from skelgraph.training.folder import BEST, LAST
from skelgraph.training.history import Judged, best_epoch


def check_selection(config: TrainConfig) -> None:
    """Check that the set that selects the epoch is the one that is judged after every epoch.

    Raises:
        SkelgraphError: If it is another one.
    """
    select, subjects = config.evaluation.select, config.data.val_subjects
    if select == "validation" and subjects is None:
        raise SkelgraphError("select is 'validation'; expected val-subjects too, which choose the best epoch")
    if select == "test" and subjects is not None:
        raise SkelgraphError(
            "select is 'test' and val-subjects are given, which are judged after every epoch in place of the test set: "
            "leave them out, or choose select 'validation'"
        )


def judged_checkpoint(config: TrainConfig) -> str:
    """The name of the checkpoint whose weights are tested at the end of a run."""
    return LAST if config.evaluation.select == "last" else BEST


def judged_each_epoch(config: TrainConfig) -> Judged:
    """What is judged after every epoch: the test set, unless there are subjects to validate on."""
    return "test" if config.data.val_subjects is None else "validation"


def selection(config: TrainConfig, rows: Sequence[Mapping[str, float]], val_set: PoseDataset) -> dict[str, Any]:
    """What ``metrics.json`` says of the choice of the epoch.

    Args:
        config: Settings of the run.
        rows: Its learning curve.
        val_set: What was judged after every epoch.
    """
    best, last = best_epoch(rows), rows[-1]["epoch"]
    select = config.evaluation.select
    return {
        "best_epoch": best["epoch"],
        "best_mpjpe_mm": best["val_mpjpe_mm"],
        "selection": {
            "select": select,
            "select_by": config.evaluation.select_by,
            "judged_each_epoch": judged_each_epoch(config),
            "subjects": list(val_set.subjects),
            "epoch": last if select == "last" else best["epoch"],
            "max_epochs": config.training.max_epochs,
            "stopped_early": last < config.training.max_epochs,
        },
    }


def sentences(metrics: Mapping[str, Any]) -> list[str]:
    """Whose numbers those of a run are, in words; none of an evaluation, which judges the weights that it was given."""
    if "selection" not in metrics:
        return []
    about, epochs = metrics["selection"], metrics["epochs"]
    on_test = about["judged_each_epoch"] == "test"
    names = ", ".join(plain(subject, 40) for subject in about["subjects"][:10])
    where = "the test set" if on_test else f"the validation subjects {names}"
    mean = f"the mean over {about['select_by']}"
    if about["select"] == "last":
        said = [
            f"Numbers of the last epoch, {epochs}. The best on {where} was epoch {metrics['best_epoch']} with an MPJPE "
            f"of {metrics['best_mpjpe_mm']:.1f} mm, {mean}"
            + ("; to report that one would be to choose on the test data." if on_test else ".")
        ]
    else:
        field = ", as the field does: they are chosen on the test data" if on_test else ""
        said = [f"Numbers of the best epoch, {about['epoch']} of {epochs}, chosen on {where} by {mean}{field}."]
    if about["stopped_early"]:
        better = f"since the {epochs - metrics['best_epoch']} epochs after the best one were not better on {where}"
        said.append(f"Training stopped early, after epoch {epochs} of {about['max_epochs']}, {better}.")
    return said
