"""A run from configuration to report: build the data, build the model, fit, evaluate, report."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from rich.progress import Progress
from torch import Tensor

from skelgraph.datasets import PoseDataset, hardest, load_dataset
from skelgraph.datasets.plausibility import check_splits
from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.files import as_path, is_safetensors
from skelgraph.models import PoseLifter, create_model, load_model
from skelgraph.models.loading import model_of_run
from skelgraph.text import plain
from skelgraph.topology import as_skeleton
from skelgraph.training.checkpoint import check_state, load_checkpoint, mean_pose_of_run
from skelgraph.training.checks import check_batches, check_causal, check_compiled, check_network
from skelgraph.training.config import NetworkConfig, TrainConfig
from skelgraph.training.data import PoseData
from skelgraph.training.environment import environment, versions
from skelgraph.training.folder import CONFIG, Kind, check_free, claimed
from skelgraph.training.history import History, best_epoch
from skelgraph.training.module import LiftingModule
from skelgraph.training.report import write_json, write_report
from skelgraph.training.resume import config_of, resumable_checkpoint
from skelgraph.training.sample import typical_clip
from skelgraph.training.trainer import hide_lightning_noise, make_trainer, reraise_interrupt

STEPS_AT_ONCE = 1024
"""Training steps that a compiled run hands to the GPU at once: a progress bar moves as often."""


def train(config: TrainConfig, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Train a model, evaluate its last epoch, and write ``config.json``, ``metrics.json``, ``report.html``, checkpoints
    and logs to ``config.out``.

    Args:
        config: What to do.
        resume: Continue the run of that folder from its last finished epoch, with
            :mod:`settings that may change <skelgraph.training.resume>`.
        overwrite: Replace the run that is in that folder. Files that no run writes stay.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        SkelgraphError: If the configuration, a data file, a checkpoint or the folder is not usable, in which case
            nothing has been written; or if training diverged.
    """
    layout = as_skeleton(config.data.skeleton)
    if None in (config.training.flip, config.evaluation.flip_test) and not layout.symmetry_known:
        rank_zero_only(print)(
            f"Note: neither training nor test takes mirrored poses, since {plain(layout)} does not say what is left "
            "and right (symmetric_pairs)."
        )
    flips = config.decided()
    out = Path(config.out)
    if resume:
        resumable_checkpoint(config)
    else:
        check_free(out, "train", overwrite=overwrite)
    pl.seed_everything(config.training.seed, verbose=False)
    model = create_model(config.network.model, config.data.skeleton, **config.network.options)
    check_causal(model, config.data.causal)
    train_set, test_set = _load(config, "train"), _load_test(config)
    for data_set in (train_set, test_set):
        check_network(model, data_set)
    if not config.data.unchecked:
        check_splits(train_set, test_set)
    module = _module(config, model, test_set.actions, train_set.mean_pose())
    data = PoseData(
        train_set,
        test_set,
        frames=model.num_frames,
        batch_size=config.training.batch_size,
        flip=bool(flips.training.flip),
        stride=config.data.stride,
        time_reversal=config.data.time_reversal,
        causal=config.data.causal,
        seed=config.training.seed,
        steps_at_once=STEPS_AT_ONCE if config.machine.compile else 0,
    )
    history = History(verbose=config.machine.progress and not sys.stdout.isatty())
    with hide_lightning_noise():
        trainer = make_trainer(config, history)
        check_batches(config, model, train_set)
        if config.machine.compile:
            check_compiled(config, module)
        with claimed(out, "train", resume=resume, overwrite=overwrite):
            checkpoint = resumable_checkpoint(config) if resume else None
            if checkpoint is not None:
                data.trainer = trainer
                check_state(load_checkpoint(checkpoint), module, trainer, len(data.training_batches()), checkpoint)
            _write_config(config, "train")
            reraise_interrupt(trainer.fit, module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
            reraise_interrupt(trainer.test, module, datamodule=data, verbose=False)
            best = best_epoch(history.rows)
            metrics = {
                **module.results,
                "best_epoch": best["epoch"],
                "best_mpjpe_mm": best["val_mpjpe_mm"],
                **_run_metadata(config, module, test_set),
                "epochs": len(history.rows),
                "seconds": sum(row["seconds"] for row in history.rows),
            }
            _write_report(metrics, config, history.rows, module, test_set)
    return metrics


def evaluate(checkpoint: str | Path, out: str | Path, *, overwrite: bool = False, **changes: Any) -> dict[str, Any]:
    """Evaluate a checkpoint and write ``config.json``, ``metrics.json`` and ``report.html`` to ``out``.

    Args:
        checkpoint: ``best.ckpt`` or ``last.ckpt`` of a run; or what ``model.save_pretrained`` or ``convert-official``
            wrote, which does not know its data: then a ``dataset`` has to be given, and the mean pose that the model
            is compared with is that of the test data.
        out: Folder of the results.
        overwrite: Replace the results of an earlier evaluation that are in that folder.
        **changes: Settings of :class:`TrainConfig`, by their names, that differ from those of the run: the dataset,
            the device.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        SkelgraphError: If the checkpoint, a data file or the folder is not usable; in that case nothing has been
            written.
    """
    start = time.perf_counter()
    out = as_path(out)
    check_free(out, "evaluate", overwrite=overwrite)
    path, mean_pose, epochs = as_path(checkpoint, CheckpointError), None, None
    if path.is_dir() or is_safetensors(path):
        if changes.get("dataset") is None:
            raise SkelgraphError(f"{plain(str(path), 500)} does not say on what data to evaluate it: name the dataset")
        model = load_model(path)
        about = model.config
        config = TrainConfig(str(out), NetworkConfig(about["name"], about["options"]))
        config = config.replace(**{"skeleton": model.skeleton} | changes)
    else:
        saved = load_checkpoint(path)
        config = config_of(saved["skelgraph"], path).replace(**changes, out=str(out))
        model, epochs = model_of_run(saved, path), saved["epoch"] + 1
        mean_pose = mean_pose_of_run(saved, model.skeleton, path)
    check_causal(model, config.data.causal)
    test_set = _load_test(config)
    check_network(model, test_set)
    module = _module(config, model, test_set.actions, test_set.mean_pose() if mean_pose is None else mean_pose)
    data = PoseData(
        None,
        test_set,
        frames=model.num_frames,
        batch_size=config.training.batch_size,
        causal=config.data.causal,
    )
    with hide_lightning_noise():
        trainer = make_trainer(config)
        with claimed(out, "evaluate", overwrite=overwrite):
            _write_config(config, "evaluate")
            reraise_interrupt(trainer.test, module, datamodule=data, verbose=False)
            metrics = {
                **module.results,
                "checkpoint": str(checkpoint),
                **_run_metadata(config, module, test_set),
                "epochs": epochs,
                "seconds": time.perf_counter() - start,
            }
            _write_report(metrics, config, [], module, test_set)
    return metrics


@rank_zero_only
def _write_config(config: TrainConfig, kind: Kind) -> None:
    """Record what is about to run, and on what."""
    write_json(Path(config.out) / CONFIG, {"kind": kind, "config": config.to_dict(), **environment()})


@rank_zero_only
def _write_report(
    metrics: Mapping[str, Any],
    config: TrainConfig,
    history: Sequence[Mapping[str, float]],
    module: LiftingModule,
    test_set: PoseDataset,
) -> None:
    sample = functools.partial(typical_clip, module, test_set, config.data.causal)
    write_report(Path(config.out), metrics, config.decided().settings(), history, sample, test_set.skeleton)


def _load(config: TrainConfig, split: str) -> PoseDataset:
    data = config.data
    return load_dataset(
        data.dataset,
        split,
        skeleton=data.skeleton,
        subjects=data.train_subjects if split == "train" else data.test_subjects,
        actions=data.actions,
        downsample=data.downsample if split == "train" else data.test_downsample,
        subset=data.subset if split == "train" else None,
        unchecked=data.unchecked,
        **data.sources(),
    )


def _load_test(config: TrainConfig) -> PoseDataset:
    """The test set, or the hardest poses of it, for which all training poses are read."""
    test_set, data = _load(config, "test"), config.data
    if data.hardest is None:
        return test_set
    train_set = _load(config.replace(actions=None, downsample=None, subset=None), "train")
    device = "cuda" if config.machine.device != "cpu" and torch.cuda.is_available() else "cpu"
    with Progress(disable=not config.machine.progress or getattr(rank_zero_only, "rank", 0) > 0) as progress:
        task = progress.add_task("ranking poses", total=1.0)
        view = hardest(
            test_set.to(device),
            train_set.to(device),
            data.hardest,
            data.hard_sigma,
            lambda done: progress.update(task, completed=done),
        )
    return view.to("cpu")


def _module(config: TrainConfig, model: PoseLifter, actions: tuple[str, ...], mean_pose: Tensor) -> LiftingModule:
    return LiftingModule(
        model,
        actions,
        mean_pose,
        loss=config.training.loss,
        lr=config.optimizer.lr,
        schedule=config.optimizer.schedule,
        lr_decay=config.optimizer.lr_decay,
        weight_decay=config.optimizer.weight_decay,
        flip_test=bool(config.decided().evaluation.flip_test),
        seed=config.training.seed,
        compile=config.machine.compile,
        clip_grad=config.optimizer.clip_grad,
        config=config.to_dict(),
    )


def _run_metadata(config: TrainConfig, module: LiftingModule, test_set: PoseDataset) -> dict[str, Any]:
    """What the numbers of a run were measured with."""
    files = (config.data.data_3d, config.data.data_2d, config.data.cameras)
    return {
        "dataset": {
            "name": test_set.name,
            "is_synthetic": test_set.is_synthetic,
            "split": test_set.split,
            "subjects": list(test_set.subjects),
            "frames": len(test_set),
            "files": [file for file in files if file],
        },
        "model": config.network.model,
        "flip_test": config.decided().evaluation.flip_test,
        "num_parameters": sum(p.numel() for p in module.model.parameters()),
        "seed": config.training.seed,
        "versions": versions(),
    }
