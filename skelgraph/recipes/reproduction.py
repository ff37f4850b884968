"""Reproducing a published result: all stages of its training, its test, and ours beside theirs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only

from skelgraph.errors import SkelgraphError
from skelgraph.files import as_path, read_json
from skelgraph.recipes.recipe import Recipe, changed, differences, of_no_files, read_recipe
from skelgraph.recipes.usual_files import usual_files
from skelgraph.training import TrainConfig, evaluate, saved_config, train
from skelgraph.training.report import write_json
from skelgraph.training.selection import judged_checkpoint

RESULT = "reproduction.json"


def reproduce(
    name: str, out: str | PathLike[str], *, data_root: str | PathLike[str] | None = None, **changes: Any
) -> dict[str, Any]:
    """Train a published result by its recipe, test it, and compare it with what is published.

    The stages of the training are runs in ``out/stage-1`` and so on, a test on other data is an evaluation in
    ``out/test``, and ``out/reproduction.json`` holds what is returned. Called again with the same settings it goes on
    where it was stopped.

    Args:
        name: A name of :func:`~skelgraph.recipes.list_recipes`.
        out: Folder of the results.
        data_root: Folder of the data under :mod:`their usual names <skelgraph.recipes.usual_files>`; files that are
            given as settings need not be there.
        **changes: Settings, by their names, that differ from those of the recipe, in all its stages.

    Returns:
        ``recipe``; ``published`` and ``ours``, numbers by their names in ``metrics.json``; ``exact`` and ``reasons``,
        whether the recipe is exactly as published and why not; ``changes``, the settings that differ from it;
        ``comparable``, whether ours was measured on the data of theirs; ``runs``, the folders of stages and test.

    Raises:
        SkelgraphError: If there is no such recipe, or a file is missing, before anything is written; and as
            :func:`~skelgraph.training.train`.
    """
    recipe, out = read_recipe(name), as_path(out)
    comparable = changes.get("dataset", recipe.config.data.dataset) == recipe.config.data.dataset
    stages = [_with_files(changed(stage, changes), data_root) for stage in recipe.stages]
    test = _test(recipe, stages[-1], data_root) if comparable else {}
    runs: list[str] = []
    weights: str | None = None
    metrics: dict[str, Any] = {}
    for number, config in enumerate(stages, 1):
        runs.append(str(out / f"stage-{number}"))
        metrics = _trained(config.replace(out=runs[-1], **({} if weights is None else {"init_from": weights})))
        weights = str(Path(runs[-1], judged_checkpoint(config)))
    if test and weights is not None:
        runs.append(str(out / "test"))
        metrics = evaluate(weights, runs[-1], overwrite=True, **test)
    result = {
        "recipe": name,
        "published": recipe.numbers,
        "ours": _ours(metrics),
        "exact": recipe.published.exact,
        "reasons": list(recipe.published.reasons),
        "changes": differences(recipe.config, stages[-1]),
        "comparable": comparable,
        "runs": runs,
    }
    rank_zero_only(write_json)(out / RESULT, result)
    return result


def _with_files(config: TrainConfig, folder: str | PathLike[str] | None) -> TrainConfig:
    return config.replace(**usual_files(config, folder))


def _test(recipe: Recipe, trained: TrainConfig, folder: str | PathLike[str] | None) -> dict[str, Any]:
    """The settings of the published test that are not those of the training."""
    if not recipe.test:
        return {}
    changes = dict(recipe.test)
    if "dataset" in changes:
        changes = of_no_files() | changes
    machine = {member.name: getattr(trained.machine, member.name) for member in dataclasses.fields(trained.machine)}
    return changes | usual_files(trained.replace(**changes), folder) | machine


def _trained(config: TrainConfig) -> dict[str, Any]:
    """Train, or go on with a run that was stopped; what a finished run has measured."""
    finished = Path(config.out, "metrics.json")
    if finished.exists() and saved_config(config.out) == config:
        return read_json(finished, SkelgraphError)
    return train(config, resume="if-exists")


def _ours(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The numbers that are compared, of the refined poses where there are any."""
    return {name: metrics[name] for name in ("mpjpe_mm", "p_mpjpe_mm", "pck", "auc")}
