"""A run from configuration to report: build the data, build the model, fit, evaluate, report."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.callbacks import Callback
from rich.progress import Progress
from torch import Tensor

from skelgraph.datasets import PoseDataset, hardest, load_dataset
from skelgraph.datasets.plausibility import check_splits
from skelgraph.device import chosen_device
from skelgraph.errors import SkelgraphError
from skelgraph.files import as_path
from skelgraph.models import PoseLifter, create_model
from skelgraph.models.saved import naming_imports
from skelgraph.nn import ExpectedError, PostRefine
from skelgraph.text import plain
from skelgraph.topology import as_skeleton
from skelgraph.training.checkpoint import check_state, load_checkpoint
from skelgraph.training.checks import (
    check_batches,
    check_causal,
    check_compiled,
    check_expected_error,
    check_network,
    check_refine,
    check_vertices,
)
from skelgraph.training.config import TrainConfig
from skelgraph.training.data import PoseData
from skelgraph.training.elastic import join_workers
from skelgraph.training.environment import environment, versions
from skelgraph.training.evaluated import evaluated
from skelgraph.training.folder import CONFIG, CURVE, Kind, check_free, claimed, read_record
from skelgraph.training.history import History
from skelgraph.training.judging import lacking, protocol_record
from skelgraph.training.meshes import check_mesh, write_meshes
from skelgraph.training.module import LiftingModule
from skelgraph.training.more_motion import with_more_motion
from skelgraph.training.network import network_options
from skelgraph.training.probe import settled, threads_as_before
from skelgraph.training.report import write_json, write_report
from skelgraph.training.resume import as_found_before, resumable_checkpoint
from skelgraph.training.sample import typical_clip
from skelgraph.training.selection import check_selection, judged_checkpoint, judged_each_epoch, selection
from skelgraph.training.trainer import hide_lightning_noise, make_trainer, reraise_interrupt
from skelgraph.training.warm_start import warm_start

STEPS_AT_ONCE = 1024
"""Training steps that a compiled run hands to the GPU at once: a progress bar moves as often."""


@threads_as_before()
def train(
    config: TrainConfig,
    *,
    resume: bool | Literal["if-exists"] = False,
    overwrite: bool = False,
    callbacks: Sequence[Callback] = (),
) -> dict[str, Any]:
    """Train a model, evaluate its last or best epoch, and write ``config.json``, ``metrics.json``, ``report.html``,
    checkpoints and logs to ``config.out``.

    Args:
        config: What to do.
        resume: Continue the run of that folder from its last finished epoch, with
            :mod:`settings that may change <skelgraph.training.resume>`; ``"if-exists"``: if there is one, and start it
            otherwise, so that the same call may be made until it is through.
        overwrite: Replace the run that is in that folder. Files that no run writes stay.
        callbacks: Lightning's callbacks of your own. ``trainer.callback_metrics`` has ``train_loss`` and
            ``val_mpjpe_mm`` in ``on_train_epoch_end``, before the checkpoint of the epoch is written.

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
    check_selection(config)
    check_expected_error(config)
    out = Path(config.out)
    if resume == "if-exists":
        resume = read_record(out) is not None
    if resume:
        config = as_found_before(config)
    goes_on = resume and resumable_checkpoint(config) is not None
    if not resume:
        check_free(out, "train", overwrite=overwrite)
    pl.seed_everything(config.training.seed, verbose=False)
    network = config.network
    options = network_options(network.options, config.data.smpl)
    with naming_imports(config.to_dict()):
        model = create_model(network.model, config.data.skeleton, input_form=network.input_form, **options)
    check_mesh(config, model)
    check_causal(config, model)
    config = settled(config, model)
    train_set, test_set = _load(config, "train"), _load_test(config)
    val_set = test_set if config.data.val_subjects is None else _load(config, "validation")
    for data_set in (train_set, val_set, test_set):
        check_network(model, data_set)
        if config.refinement.refine:
            check_refine(model, data_set, config.refinement.root_depth if data_set is test_set else "true")
    check_vertices(model, train_set)
    if not config.data.unchecked:
        check_splits(train_set, test_set)
        if val_set is not test_set:
            check_splits(train_set, val_set, "training", "validation")
            check_splits(val_set, test_set, "validation", "test")
    head = _head(config, model)
    expected_error = _expected_error(config, model)  # last: the weights of the others are drawn as without it
    if not goes_on:
        warm_start(config, model, head)
    module = _module(config, model, head, expected_error, test_set.actions, train_set.mean_pose(), val_set.actions)
    data = PoseData(
        train_set,
        test_set,
        val_set=val_set,
        frames=model.num_frames,
        batch_size=config.training.batch_size,
        accumulate=config.training.accumulate,
        flip=bool(flips.training.flip),
        drop_last=config.training.drop_last,
        targets=config.training.loss_frames,
        stride=config.data.stride,
        time_reversal=config.data.time_reversal,
        causal=config.data.causal,
        seed=config.training.seed,
        augmentation=config.augmentation,
        steps_at_once=STEPS_AT_ONCE if config.machine.compile else 0,
    )
    history = History(
        verbose=config.machine.progress and not sys.stdout.isatty(),
        judged=judged_each_epoch(config),
        table=out / CURVE,
        settings=config.settings(),
    )
    with hide_lightning_noise():
        trainer = make_trainer(config, history, callbacks)
        windows = data.training_windows()
        check_batches(config, model, len(windows))
        data.augmented(windows)
        if config.machine.compile:
            check_compiled(config, *module.optimization(100, 10))
        with claimed(out, "train", resume=resume, overwrite=overwrite, imports=config.machine.imports or ()):
            checkpoint = resumable_checkpoint(config) if resume else None
            if checkpoint is not None:
                data.trainer = trainer
                steps = len(data.training_batches()) // config.training.accumulate
                check_state(load_checkpoint(checkpoint), module, trainer, steps, checkpoint)
            _write_config(config, "train", resume=bool(resume))
            join_workers(trainer)
            reraise_interrupt(trainer.fit, module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
            # What is tested is what is in the file. The first process says when it is written, and where.
            judged = trainer.strategy.broadcast(str(out / judged_checkpoint(config)))
            module.load_state_dict(load_checkpoint(judged)["state_dict"])
            reraise_interrupt(trainer.test, module, datamodule=data, verbose=False)
            metrics = {
                **module.results,
                **selection(config, history.rows, val_set),
                **_run_metadata(config, module, test_set),
                "notes": [],
                "epochs": len(history.rows),
                "seconds": sum(row["seconds"] for row in history.rows),
            }
            _write_report(metrics, config, history.rows, module, test_set)
    return metrics


@threads_as_before()
def evaluate(
    weights: str | Path,
    out: str | Path,
    model: str | None = None,
    refine: str | Path | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    **changes: Any,
) -> dict[str, Any]:
    """Evaluate weights and write ``config.json``, ``metrics.json`` and ``report.html`` to ``out``.

    Args:
        weights: ``best.ckpt`` or ``last.ckpt`` of a run; what ``model.save_pretrained`` or ``convert-official`` wrote;
            or a checkpoint of the authors' code. Which it is, its content tells. The latter two do not know their data:
            then a ``dataset`` has to be given, and the mean pose that the network is compared with is that of the test
            data.
        out: Folder of the results.
        model: Name of the network, which weights of the authors do not tell.
        refine: Weights of a refinement head, likewise of any origin; by default the one of the run, if it has one.
        options: Options of the network that weights of the authors cannot tell.
        overwrite: Replace the results of an earlier evaluation that are in that folder.
        **changes: Settings of :class:`TrainConfig`, by their names, that differ from those of the run: the dataset,
            the device; ``test_downsample`` for every n-th frame, since ``downsample`` is of training. ``skeleton`` is
            that of the weights, where they do not tell it.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        SkelgraphError: If the weights, a data file or the folder are not usable; in that case nothing has been
            written.
    """
    start = time.perf_counter()
    out = as_path(out)
    check_free(out, "evaluate", overwrite=overwrite)
    config, network, head, expected_error, mean_pose, epochs, chosen = evaluated(
        weights, out, model, refine, options or {}, changes
    )
    check_mesh(config, network)
    check_causal(config, network)
    config = settled(config, network, training=False)
    test_set = _load_test(config)
    check_network(network, test_set)
    notes = []
    if head is not None and (lack := lacking(test_set, config.refinement.root_depth)):
        if refine is not None:
            raise SkelgraphError(f"poses cannot be refined by {plain(str(refine), 500)}: {lack}")
        head, notes = None, [f"The head of the run is not judged: {lack}."]
    mean_pose = test_set.mean_pose() if mean_pose is None else mean_pose
    module = _module(config, network, head, expected_error, test_set.actions, mean_pose)
    data = PoseData(
        None,
        test_set,
        frames=network.num_frames,
        batch_size=config.training.batch_size,
        causal=config.data.causal,
    )
    with hide_lightning_noise():
        trainer = make_trainer(config)
        with claimed(out, "evaluate", overwrite=overwrite):
            _write_config(config, "evaluate")
            join_workers(trainer)
            reraise_interrupt(trainer.test, module, datamodule=data, verbose=False)
            metrics = {
                **module.results,
                "weights": str(weights),
                "refine": None if refine is None else str(refine),
                **_run_metadata(config, module, test_set),
                "weights_of": chosen,
                "notes": notes,
                "epochs": epochs,
                "seconds": time.perf_counter() - start,
            }
            _write_report(metrics, config, [], module, test_set)
    return metrics


@rank_zero_only
def _write_config(config: TrainConfig, kind: Kind, resume: bool = False) -> None:
    """Record what is about to run, and on what; of a run that goes on, the command that began it stays."""
    out, now = Path(config.out), environment()
    if resume and (before := read_record(out) or {}).get("command"):
        now |= {"command": before["command"], "resumed": [*before.get("resumed", []), now["command"]]}
    write_json(out / CONFIG, {"kind": kind, "config": config.to_dict(), **now})


@rank_zero_only
def _write_report(
    metrics: Mapping[str, Any],
    config: TrainConfig,
    history: Sequence[Mapping[str, float]],
    module: LiftingModule,
    test_set: PoseDataset,
) -> None:
    if config.evaluation.save_obj is not None:
        write_meshes(Path(config.out) / "meshes", module.model, test_set, config.evaluation.save_obj)
    sample = functools.partial(typical_clip, module, test_set, config.data.causal)
    write_report(Path(config.out), metrics, config.decided().settings(), history, sample, test_set.skeleton)


def _load(config: TrainConfig, split: Literal["train", "validation", "test"]) -> PoseDataset:
    """The data of a split; those to validate on are subjects of the training data, sampled as the test data are."""
    data = config.data
    subjects = {"train": data.train_subjects, "validation": data.val_subjects, "test": data.test_subjects}
    found = load_dataset(
        data.dataset,
        "test" if split == "test" else "train",
        skeleton=data.skeleton,
        subjects=subjects[split],
        actions=data.actions,
        downsample=data.downsample if split == "train" else data.test_downsample,
        subset=data.subset if split == "train" else None,
        unchecked=data.unchecked,
        middles=data.middles,
        **data.sources(),
    )
    if split == "train":
        return with_more_motion(found, data)
    if config.evaluation.pck_threshold is not None:
        found.protocol = found.protocol.up_to(config.evaluation.pck_threshold)
    return found


def _load_test(config: TrainConfig) -> PoseDataset:
    """The test set, or the hardest poses of it, for which all training poses are read."""
    test_set, data = _load(config, "test"), config.data
    if data.hardest is None:
        return test_set
    train_set = _load(config.replace(actions=None, downsample=None, subset=None), "train")
    device = chosen_device(config.machine.device)
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


def _head(config: TrainConfig, model: PoseLifter) -> PostRefine | None:
    """The refinement head that is trained too."""
    about = config.refinement
    return PostRefine(model.skeleton, about.refine_channels, about.refine_dropout) if about.refine else None


def _expected_error(config: TrainConfig, model: PoseLifter) -> ExpectedError | None:
    """The head that learns the errors of the network."""
    about = config.uncertainty
    if not about.expected_error:
        return None
    return ExpectedError(model.skeleton, model.in_channels, about.expected_error_channels)


def _module(
    config: TrainConfig,
    model: PoseLifter,
    head: PostRefine | None,
    expected_error: ExpectedError | None,
    actions: tuple[str, ...],
    mean_pose: Tensor,
    val_actions: tuple[str, ...] | None = None,
) -> LiftingModule:
    return LiftingModule(
        model,
        actions,
        mean_pose,
        refine=head,
        expected_error=expected_error,
        val_actions=val_actions,
        loss=config.training.loss,
        loss_frames=config.training.loss_frames,
        refine_loss=config.refinement.refine_loss,
        refine_dropout_at_test=config.refinement.refine_dropout_at_test,
        root_depth=config.refinement.root_depth,
        lr=config.optimizer.lr,
        schedule=config.optimizer.schedule,
        lr_decay=config.optimizer.lr_decay,
        lr_large_decay=config.optimizer.lr_large_decay,
        lr_every=config.optimizer.lr_every,
        lr_milestones=config.optimizer.lr_milestones,
        amsgrad=config.optimizer.amsgrad,
        norm_momentum=config.training.norm_momentum,
        weight_decay=config.optimizer.weight_decay,
        flip_test=bool(config.decided().evaluation.flip_test),
        root=config.evaluation.root,
        select_by=config.evaluation.select_by,
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
        "root": config.evaluation.root,
        "headline": module.headline,
        "refine_dropout_at_test": module.refine is not None and config.refinement.refine_dropout_at_test,
        "protocol": protocol_record(test_set.protocol),
        "num_parameters": sum(p.numel() for p in module.model.parameters()),
        "seed": config.training.seed,
        "versions": versions(),
    }
