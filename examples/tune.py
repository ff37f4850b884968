"""Search for better settings of a run with Optuna, whose pruner ends trials that are not worth their time.

    python examples/tune.py --trials 20 --epochs 10                                  # on the generated data
    python examples/tune.py --recipe sem_gcn_h36m_gt --data-3d data_3d_h36m.npz --trials 50
    python examples/tune.py --config mine.yaml --trials 50

What is compared is the error of a subject that is neither trained nor tested on: a search over the test set would only
find what fits the test set. Each trial is a run of its own in OUT/trial-0, OUT/trial-1, ...; the study is a file, so
that the same command goes on with it. Needs ``pip install "skelgraph[tune]"``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import optuna

from skelgraph.training import DivergedError, TrainConfig, read_config, train


class Prune(pl.Callback):
    """Tell Optuna the validation error of every epoch, and end the trial when it says so."""

    def __init__(self, trial: optuna.Trial) -> None:
        self.trial = trial

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.trial.report(float(trainer.callback_metrics["val_mpjpe_mm"]), trainer.current_epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"not worth another epoch after {trainer.current_epoch + 1}")


def starting_point(args: argparse.Namespace) -> TrainConfig:
    """The settings that the search starts from."""
    if args.recipe is not None:
        from skelgraph.recipes import read_recipe

        config = read_recipe(args.recipe).config
    else:
        config = TrainConfig("") if args.config is None else read_config(args.config)
    data = {name: getattr(args, name) for name in ("dataset", "data_3d", "data_2d", "keypoints", "downsample")}
    given = {name: value for name, value in data.items() if value is not None}
    if args.downsample is not None:
        given["test_downsample"] = args.downsample
    subjects = {"train_subjects": tuple(args.train_subjects), "val_subjects": tuple(args.val_subjects)}
    return config.replace(**given, **subjects, select="validation", max_epochs=args.epochs, progress=False)


def main(argv: Sequence[str] | None = None) -> optuna.Study:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--recipe", help="start from a recipe, see `skelgraph recipes`")
    start.add_argument("--config", help="start from a file of settings")
    for data in ("--dataset", "--data-3d", "--data-2d", "--keypoints"):
        parser.add_argument(data, help="as of `skelgraph train`")
    parser.add_argument("--train-subjects", nargs="+", default=["S1", "S5", "S6", "S7"])
    parser.add_argument("--val-subjects", nargs="+", default=["S8"])
    parser.add_argument("--downsample", type=int, help="keep every n-th frame")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--trials", type=int, default=20, help="trials in all, those of earlier calls included")
    parser.add_argument("--out", type=Path, default=Path("runs/tune"))
    args = parser.parse_args(argv)
    config = starting_point(args)

    # 1. What is searched, and what a trial is.
    def objective(trial: optuna.Trial) -> float:
        settings: dict[str, Any] = {
            "lr": trial.suggest_float("lr", 1e-4, 1e-2, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True),
            "batch_size": trial.suggest_categorical("batch_size", [64, 128, 256]),
        }
        run = config.replace(out=str(args.out / f"trial-{trial.number}"), **settings)
        try:
            return train(run, callbacks=[Prune(trial)])["best_mpjpe_mm"]
        except DivergedError as error:  # the learning rate was too high: that is an answer, too
            raise optuna.TrialPruned(str(error)) from error

    # 2. The study: which settings are tried next, and which trials are ended.
    args.out.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name="skelgraph",
        storage=f"sqlite:///{args.out / 'study.db'}",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1),
    )
    study.optimize(objective, n_trials=max(0, args.trials - len(study.trials)))

    # 3. What it has found.
    pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in study.trials)
    print(f"{len(study.trials)} trials, {pruned} of them ended early")
    print(f"best: {study.best_value:.1f} mm on {', '.join(args.val_subjects)} with {study.best_params}")
    print(f"its error on the test set is in {args.out}/trial-{study.best_trial.number}/metrics.json")
    return study


if __name__ == "__main__":
    main()
