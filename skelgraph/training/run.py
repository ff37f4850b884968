"""A run from configuration to report: build the data, build the model, fit, evaluate, report."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from pydantic import Field
from torch import Tensor

from skelgraph.datasets import DATASETS, PoseDataset, load_dataset
from skelgraph.datasets.human36m import H36M_KEYPOINTS
from skelgraph.datasets.plausibility import check_splits
from skelgraph.errors import CheckpointError, SkelgraphError, unknown_name
from skelgraph.files import as_path, is_safetensors
from skelgraph.models import PoseLifter, create_model, load_model
from skelgraph.models.loading import model_of_run
from skelgraph.options import NotNegative, OneOf, Positive, check_option, option_types
from skelgraph.text import plain, shown
from skelgraph.topology import SkeletonLike, as_skeleton, skeleton_config
from skelgraph.training.checkpoint import AtomicCheckpointIO, check_state, load_checkpoint, mean_pose_of_run
from skelgraph.training.checkpointing import LastAndBest
from skelgraph.training.checks import check_batch, check_network
from skelgraph.training.data import PoseData, share_of_batch
from skelgraph.training.environment import environment, versions
from skelgraph.training.folder import CONFIG, LAST, Kind, check_free, claimed, read_record
from skelgraph.training.history import History, ProgressBar, best_epoch
from skelgraph.training.module import Decay, LiftingModule, Loss, Schedule, Seed
from skelgraph.training.report import Sample, write_json, write_report
from skelgraph.training.resume import check_resumable

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed"}
"""What Lightning calls the precisions."""

Number = Annotated[int, Field(ge=1, le=10**6)]


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides what a training run does.

    Args:
        out: Folder of the results.
        model: A name of :func:`skelgraph.models.list_models`.
        options: Options of the model; the published values are the defaults.
        dataset: ``"synthetic"``, ``"human36m"`` or ``"mocap"``.
        data_3d: File of the 3D positions; for all but the synthetic data.
        data_2d: File of the 2D keypoints.
        cameras: File of the cameras.
        keypoints: Which 2D keypoints of Human3.6M: ``"gt"``, ``"cpn"``, ``"hr"``, ``"detectron"``.
        skeleton: The joint layout: its name, a :class:`~skelgraph.topology.Skeleton` or the data of one.
        train_subjects: Subjects to train on; ``None``: the dataset's own split.
        test_subjects: Subjects to test on; ``None``: the dataset's own split.
        downsample: Train on every n-th frame; ``None``: on all that the dataset offers.
        test_downsample: Test on every n-th frame; ``None``: on all.
        max_epochs: Epochs to train.
        batch_size: Windows in a batch, over all processes.
        lr: Learning rate of Adam, the highest of its schedule.
        schedule: ``"onecycle"`` (up, then down to nothing over the run) or ``"exponential"``.
        lr_decay: Factor on the learning rate after every epoch, for ``"exponential"``.
        weight_decay: Decoupled weight decay.
        clip_grad: Largest norm of the gradient; 0 turns the clipping off.
        loss: A name of :data:`skelgraph.training.LOSSES`.
        flip: Train on mirrored windows too; ``None``: where the skeleton says what is left and right.
        flip_test: Average the answers to each test window and its mirror image; ``None`` likewise.
        seed: Seed of initialisation, order and dropout.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        devices: Number of processes (of GPUs on ``"cuda"``).
        precision: ``"32"`` or ``"bf16"``.
        progress: Show progress.
        unchecked: Do not ask whether the data are plausible, nor whether training and test subjects are apart.
    """

    out: str
    model: str = "sem_gcn"
    options: Mapping[str, Any] = field(default_factory=dict)
    dataset: Annotated[str, OneOf(DATASETS)] = "synthetic"
    data_3d: str | None = None
    data_2d: str | None = None
    cameras: str | None = None
    keypoints: Annotated[str, OneOf(H36M_KEYPOINTS)] = "gt"
    skeleton: SkeletonLike = "h36m17"
    train_subjects: tuple[str, ...] | None = None
    test_subjects: tuple[str, ...] | None = None
    downsample: Number | None = None
    test_downsample: Number | None = None
    max_epochs: Number = 20
    batch_size: Number = 128
    lr: Positive = 4e-3
    schedule: Schedule = "onecycle"
    lr_decay: Decay = 0.95
    weight_decay: NotNegative = 0.0
    clip_grad: NotNegative = 1.0
    loss: Loss = "mpjpe"
    flip: bool | None = None
    flip_test: bool | None = None
    seed: Seed = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices: Number = 1
    precision: Annotated[str, OneOf(PRECISIONS)] = "32"
    progress: bool = True
    unchecked: bool = False

    def __post_init__(self) -> None:
        """Check the settings by their annotations.

        Raises:
            SkelgraphError: If one is not what its annotation says.
        """
        for name, hint in option_types(type(self)).items():
            value = getattr(self, name)
            path = os.fspath(value) if isinstance(value, os.PathLike) else value
            object.__setattr__(self, name, check_option(name.replace("_", "-"), path, hint))
        if not isinstance(self.options, Mapping) or not all(isinstance(option, str) for option in self.options):
            raise SkelgraphError(f"options is {shown(self.options)}; expected the values of options by their names")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON and checkpoints."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values |= {"options": dict(self.options), "skeleton": skeleton_config(self.skeleton)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    def replace(self, **changes: Any) -> TrainConfig:
        """The same settings but for some."""
        return dataclasses.replace(self, **changes)

    def decided(self) -> TrainConfig:
        """The same settings with what was left open decided: mirror images where the skeleton has them.

        Raises:
            TopologyError: If they are wanted of a skeleton that does not say what is left and right.
        """
        layout = as_skeleton(self.skeleton)
        flip, flip_test = (
            layout.symmetry_known if wanted is None else wanted for wanted in (self.flip, self.flip_test)
        )
        if flip or flip_test:
            layout.mirror_index  # noqa: B018 - refused here, before anything is written
        return self.replace(flip=flip, flip_test=flip_test)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """The inverse of :meth:`to_dict`.

        Raises:
            SkelgraphError: If these are no settings, one is unknown, or one is not what its annotation says.
        """
        names = [setting.name for setting in dataclasses.fields(cls)]
        if not isinstance(values, Mapping) or "out" not in values:
            raise SkelgraphError(
                f"the settings are {shown(values)}; expected their values by their names, out among them"
            )
        for name in values:
            if name not in names:
                raise unknown_name("setting", name, names)
        return cls(**values)


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
    layout = as_skeleton(config.skeleton)
    if None in (config.flip, config.flip_test) and not layout.symmetry_known:
        rank_zero_only(print)(
            f"Note: neither training nor test takes mirrored poses, since {plain(layout)} does not say what is left "
            "and right (symmetric_pairs)."
        )
    flips = config.decided()
    out = Path(config.out)
    if resume:
        _resumable(config)
    else:
        check_free(out, "train", overwrite=overwrite)
    pl.seed_everything(config.seed, verbose=False)
    model = create_model(config.model, config.skeleton, **config.options)
    train_set, test_set = (_load(config, split) for split in ("train", "test"))
    for data_set in (train_set, test_set):
        check_network(model, data_set)
    if not config.unchecked:
        check_splits(train_set, test_set)
    module = _module(config, model, test_set.actions, train_set.mean_pose())
    data = PoseData(
        train_set,
        test_set,
        frames=model.num_frames,
        batch_size=config.batch_size,
        flip=bool(flips.flip),
        seed=config.seed,
    )
    history = History(verbose=config.progress and not sys.stdout.isatty())
    with _quiet():
        trainer = _trainer(config, history)
        _check_batches(config, model, train_set)
        with claimed(out, "train", resume=resume, overwrite=overwrite):
            checkpoint = _resumable(config) if resume else None
            if checkpoint is not None:
                data.trainer = trainer
                check_state(load_checkpoint(checkpoint), module, trainer, len(data.train_dataloader()), checkpoint)
            _write_config(config, "train")
            _call(trainer.fit, module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
            _call(trainer.test, module, datamodule=data, verbose=False)
            best = best_epoch(history.rows)
            metrics = {
                **module.results,
                "best_epoch": best["epoch"],
                "best_mpjpe_mm": best["val_mpjpe_mm"],
                **_facts(config, module, test_set),
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
        **changes: Fields of :class:`TrainConfig` that differ from those of the run: the dataset, the device.

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
        config = TrainConfig(str(out), about["name"], about["options"], skeleton=model.skeleton).replace(**changes)
    else:
        saved = load_checkpoint(path)
        config = _config_of(saved["skelgraph"], path).replace(**changes, out=str(out))
        model, epochs = model_of_run(saved, path), saved["epoch"] + 1
        mean_pose = mean_pose_of_run(saved, model.skeleton, path)
    test_set = _load(config, "test")
    check_network(model, test_set)
    module = _module(config, model, test_set.actions, test_set.mean_pose() if mean_pose is None else mean_pose)
    data = PoseData(None, test_set, frames=model.num_frames, batch_size=config.batch_size)
    with _quiet():
        trainer = _trainer(config)
        with claimed(out, "evaluate", overwrite=overwrite):
            _write_config(config, "evaluate")
            _call(trainer.test, module, datamodule=data, verbose=False)
            metrics = {
                **module.results,
                "checkpoint": str(checkpoint),
                **_facts(config, module, test_set),
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
    sample = functools.partial(_sample, module, test_set)
    write_report(Path(config.out), metrics, config.decided().to_dict(), history, sample, test_set.skeleton)


def _load(config: TrainConfig, split: str) -> PoseDataset:
    return load_dataset(
        config.dataset,
        split,
        data_3d=config.data_3d,
        data_2d=config.data_2d,
        cameras=config.cameras,
        keypoints=config.keypoints,
        skeleton=config.skeleton,
        subjects=config.train_subjects if split == "train" else config.test_subjects,
        downsample=config.downsample if split == "train" else config.test_downsample,
        unchecked=config.unchecked,
    )


def _module(config: TrainConfig, model: PoseLifter, actions: tuple[str, ...], mean_pose: Tensor) -> LiftingModule:
    return LiftingModule(
        model,
        actions,
        mean_pose,
        loss=config.loss,
        lr=config.lr,
        schedule=config.schedule,
        lr_decay=config.lr_decay,
        weight_decay=config.weight_decay,
        flip_test=bool(config.decided().flip_test),
        seed=config.seed,
        config=config.to_dict(),
    )


def _trainer(config: TrainConfig, history: History | None = None) -> pl.Trainer:
    """The trainer of a run; without a history one that only evaluates."""
    available = torch.cuda.device_count()
    accelerator = config.device if config.device != "auto" else "cuda" if available else "cpu"
    if accelerator == "cuda" and config.devices > available:
        raise SkelgraphError(f"{config.devices} CUDA device(s) asked for, {available} found")
    callbacks: list[Callback] = []
    loggers: list[Logger] = []
    if history is not None:
        callbacks += [history, LastAndBest(Path(config.out))]
        logs = Path(config.out) / "logs"
        loggers += [CSVLogger(logs, name="csv"), TensorBoardLogger(logs, name="tensorboard", version="")]
    progress_bar = config.progress and sys.stdout.isatty()
    if progress_bar:
        callbacks.append(ProgressBar())
    return pl.Trainer(
        accelerator=accelerator,
        devices=config.devices,
        strategy="ddp" if config.devices > 1 else "auto",
        precision=PRECISIONS[config.precision],  # type: ignore[arg-type]
        max_epochs=config.max_epochs,
        gradient_clip_val=config.clip_grad or None,
        callbacks=callbacks,
        logger=loggers,
        plugins=[AtomicCheckpointIO()],
        enable_checkpointing=history is not None,
        enable_progress_bar=progress_bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        use_distributed_sampler=False,  # the loaders know their rank
    )


def _call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Call ``fit`` or ``test``, which turn Ctrl-C into an exit of the program and ignore every further one."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        function(*args, **kwargs)
    except SystemExit as error:
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what Lightning says and the user of this program can do nothing about."""
    logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")  # which devices there are
    level = logger.level
    logger.setLevel(logging.WARNING)
    hook = threading.excepthook
    # TensorBoard's thread cannot write: the same error comes to us.
    threading.excepthook = lambda args: None if isinstance(args.exc_value, OSError) else hook(args)
    with warnings.catch_warnings():
        for message in (
            r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning's own business with torch
            ".*it is recommended to use `Trainer\\(devices=1",  # our loaders evaluate exactly on any number
        ):
            warnings.filterwarnings("ignore", message)
        try:
            yield
        finally:
            logger.setLevel(level)
            threading.excepthook = hook


def saved_config(out: str | Path) -> TrainConfig:
    """The settings of the run in a folder, as it was last started.

    Raises:
        SkelgraphError: If there is no training run, or its ``config.json`` or checkpoint is not usable.
    """
    out = as_path(out)
    record = read_record(out)
    return _saved_before(out)[1] if record is None else _config_of(record, out / CONFIG)


def _saved_before(out: Path) -> tuple[int, TrainConfig]:
    """How many epochs the training run in a folder has finished, and with which settings.

    Raises:
        SkelgraphError: As :func:`saved_config`.
    """
    record, last = read_record(out), out / LAST
    if record is not None and record["kind"] != "train":
        raise SkelgraphError(f"nothing to resume: {out} holds the results of an evaluation")
    if last.exists():
        saved = load_checkpoint(last)
        return saved["epoch"] + 1, _config_of(saved["skelgraph"], last)
    if record is None:
        raise CheckpointError(f"nothing to resume: {last} does not exist, nor a {CONFIG} of a run")
    return 0, _config_of(record, out / CONFIG)


def _resumable(config: TrainConfig) -> Path | None:
    """The checkpoint from which a run goes on; ``None`` for one that was stopped in its first epoch.

    Raises:
        SkelgraphError: If there is no such run, or it cannot go on with these settings.
    """
    out = Path(config.out)
    epochs, before = _saved_before(out)
    check_resumable(before.decided().to_dict(), config.decided().to_dict(), epochs, out)
    return out / LAST if epochs else None


def _config_of(holder: Any, path: Path) -> TrainConfig:
    try:
        return TrainConfig.from_dict(holder["config"])
    except (TypeError, KeyError, AttributeError, SkelgraphError) as error:
        raise CheckpointError(f"{path} holds no configuration of this version: {error}") from error


def _check_batches(config: TrainConfig, model: PoseLifter, train_set: PoseDataset) -> None:
    """Check before anything is written that the batches can be made and trained on.

    Raises:
        SkelgraphError: If the processes cannot get equal shares, or one pose is too few for batch normalisation.
    """
    windows = train_set.windows(model.num_frames, flip=bool(config.decided().flip))
    smallest = min(share_of_batch(config.batch_size, config.devices), len(windows) // config.devices)
    if smallest == 0:
        raise SkelgraphError(f"devices is {config.devices}, more than the {len(windows)} training windows")
    cores, on_cpu = os.cpu_count() or 1, config.device == "cpu" or not torch.cuda.device_count()
    if on_cpu and config.devices > max(cores, 2):
        raise SkelgraphError(f"devices is {config.devices}, more processes than the {cores} cores of this machine")
    check_batch(model, smallest)


def _facts(config: TrainConfig, module: LiftingModule, test_set: PoseDataset) -> dict[str, Any]:
    """What the numbers of a run were measured with."""
    files = (config.data_3d, config.data_2d, config.cameras)
    return {
        "dataset": {
            "name": test_set.name,
            "is_synthetic": test_set.is_synthetic,
            "split": test_set.split,
            "subjects": list(test_set.subjects),
            "frames": len(test_set),
            "files": [file for file in files if file],
        },
        "model": config.model,
        "flip_test": config.decided().flip_test,
        "num_parameters": sum(p.numel() for p in module.model.parameters()),
        "seed": config.seed,
        "versions": versions(),
    }


@torch.no_grad()
def _sample(module: LiftingModule, test_set: PoseDataset, seconds: float = 4.0, frame_rate: float = 25.0) -> Sample:
    """The middle of a typical clip for the animation: of the action whose error is nearest to the mean."""
    errors = {action: row["mpjpe_mm"] for action, row in module.results["per_action"].items()}
    typical = min(errors, key=lambda action: abs(errors[action] - module.results["mpjpe_mm"]))
    clip = next(clip for clip in test_set.clips if clip.action_name == typical)
    step = max(1, round(test_set.frame_rate / frame_rate))
    length = min(clip.length, max(1, round(seconds * test_set.frame_rate)))
    first = clip.start + (clip.length - length) // 2
    windows = test_set.windows(module.model.num_frames)
    batch = windows[slice(first, first + length, step)]
    module.eval()
    prediction = module(batch.network_input(module.model.in_channels).to(module.device))
    middle = batch.keypoints_2d.size(1) // 2
    centre, target = batch.keypoints_2d[:, middle], batch.poses_3d
    if batch.confidence is not None:  # what nobody has seen is not drawn
        centre = torch.where(batch.confidence[:, middle, :, None] > 0, centre, torch.nan)
    if batch.visible_3d is not None:
        target = torch.where(batch.visible_3d[..., None], target, torch.nan)
    subject, action, camera = (plain(name, 30) for name in (clip.subject, clip.action, clip.camera))
    title = f"{'Synthetic data: ' * test_set.is_synthetic}{subject}, {action}, camera {camera}"
    return Sample(centre.cpu(), prediction.cpu(), target.cpu(), test_set.frame_rate / step, title)
