"""The same run with several seeds: what they measure on average, and how far they are apart."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from lightning.fabric.utilities.rank_zero import rank_zero_only

from skelgraph.errors import SkelgraphError
from skelgraph.files import as_path, read_json, write_file
from skelgraph.options import check_option
from skelgraph.training.config import Seed, TrainConfig
from skelgraph.training.environment import environment
from skelgraph.training.folder import CONFIG, SEEDS, check_free, claimed, read_record, remove
from skelgraph.training.history import DivergedError
from skelgraph.training.report import render, write_json
from skelgraph.training.resume import check_resumable, config_of, saved_config
from skelgraph.training.run import train


def train_seeds(
    config: TrainConfig,
    seeds: Sequence[int],
    *,
    resume: bool | Literal["if-exists"] = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Train with each of several seeds, one after the other, in ``seed-0``, ``seed-1``, ... of ``config.out``, and
    write ``seeds.json`` and ``seeds.html`` there: mean and sample standard deviation of what they measured.

    A run that diverges is noted, and the others go on. One that was stopped, or has failed otherwise, goes on with
    ``resume``; finished ones are not repeated.

    Args:
        config: What to do; its seed does not count.
        seeds: The seeds, no two alike.
        resume: Go on with the runs of that folder; ``"if-exists"``: if there are any, and start them otherwise.
        overwrite: Replace the runs of these seeds that are in that folder.

    Returns:
        What ``seeds.json`` holds: ``seeds``, those that are ``finished``, the reasons of those that ``failed``, and
        ``mean``, ``std`` (``None`` of a single run) and ``runs``, in the form of ``metrics.json``.

    Raises:
        SkelgraphError: As :func:`~skelgraph.training.train`; or if ``seeds`` are none or not those of the runs that
            are there, or all of them diverged.
    """
    seeds = check_seeds(seeds)
    out = as_path(config.out)
    if resume == "if-exists":
        resume = read_record(out) is not None
    if resume:
        _check_resumable(config, seeds, out)
    else:
        check_free(out, "seeds", overwrite=overwrite)
        for seed in seeds:
            check_free(out / f"seed-{seed}", "train", overwrite=overwrite)
    runs: dict[int, dict[str, Any]] = {}
    failed: dict[int, str] = {}
    with claimed(out, "seeds", resume=resume, overwrite=overwrite, imports=config.machine.imports or ()):
        _write_record(config, seeds)
        for seed in seeds:
            one = config.replace(out=str(out / f"seed-{seed}"), seed=seed)
            try:
                found = _finished(one) if resume else None
                runs[seed] = found or train(one, resume="if-exists" if resume else False, overwrite=overwrite)
            except DivergedError as error:
                failed[seed] = str(error)
        if not runs:
            raise SkelgraphError(f"no run was finished: {'; '.join(f'seed {s}: {why}' for s, why in failed.items())}")
        summary = {
            "seeds": list(seeds),
            "finished": list(runs),
            "failed": {str(seed): why for seed, why in failed.items()},
            "mean": _over(statistics.fmean, list(runs.values())),
            "std": _over(statistics.stdev, list(runs.values())) if len(runs) > 1 else None,
            "runs": {str(seed): metrics for seed, metrics in runs.items()},
        }
        _write_summary(out, summary)
    return summary


def check_seeds(seeds: Any) -> tuple[int, ...]:
    """Seeds that are at least one and no two alike.

    Raises:
        SkelgraphError: If they are not.
    """
    seeds = check_option("seeds", seeds, tuple[Seed, ...])
    if not seeds or len(set(seeds)) != len(seeds):
        raise SkelgraphError(f"seeds is {', '.join(map(str, seeds)) or 'empty'}; expected at least one and none twice")
    return seeds


def saved_seeds(out: str | Path) -> tuple[TrainConfig, tuple[int, ...]] | None:
    """The settings and the seeds of the runs in a folder; ``None`` if there is something else, or nothing.

    Raises:
        SkelgraphError: If its ``config.json`` is not usable.
    """
    record = read_record(as_path(out))
    if record is None or record["kind"] != "seeds":
        return None
    return config_of(record, Path(out) / CONFIG), check_seeds(record.get("seeds"))


def _check_resumable(config: TrainConfig, seeds: tuple[int, ...], out: Path) -> None:
    saved = saved_seeds(out)
    if saved is None:
        raise SkelgraphError(f"nothing to resume: {out} does not hold runs with several seeds")
    before, known = saved
    if known != seeds:
        was, now = (", ".join(map(str, numbers)) for numbers in (known, seeds))
        raise SkelgraphError(f"{out} cannot be resumed with other seeds: they were {was}, now {now}")
    same_seed = config.replace(seed=before.training.seed)
    check_resumable(before.decided().settings(), same_seed.decided().settings(), 0, out)


@rank_zero_only
def _write_record(config: TrainConfig, seeds: tuple[int, ...]) -> None:
    """Record what is about to run; what was said of it together is not so any more."""
    out = Path(config.out)
    remove(out, SEEDS)
    write_json(out / CONFIG, {"kind": "seeds", "config": config.to_dict(), "seeds": list(seeds), **environment()})


@rank_zero_only
def _write_summary(out: Path, summary: Mapping[str, Any]) -> None:
    write_json(out / "seeds.json", summary)
    write_file(out / "seeds.html", render("seeds.html.j2", summary=summary).encode())


def _finished(config: TrainConfig) -> dict[str, Any] | None:
    """What a run has measured that is through, its page written; ``None`` if it is not."""
    out = Path(config.out)
    if not ((out / "metrics.json").exists() and (out / "report.html").exists()):
        return None
    metrics: Any = read_json(out / "metrics.json", SkelgraphError)
    patience = saved_config(out).training.early_stopping
    match metrics:
        case {"epochs": config.training.max_epochs}:
            return metrics
        case {"selection": {"stopped_early": True}} if patience == config.training.early_stopping:
            return metrics
    return None


def _over(function: Callable[[list[float]], float], values: list[Any]) -> Any:
    """A statistic of the measured numbers in dictionaries of one form; what not all of them have is left out."""
    if all(isinstance(value, Mapping) for value in values):
        shared = [key for key in values[0] if all(key in value for value in values)]
        found = {key: _over(function, [value[key] for value in values]) for key in shared}
        return {key: value for key, value in found.items() if value not in ({}, None)}
    if all(isinstance(value, float) and math.isfinite(value) for value in values):
        return function(values)
    return None
