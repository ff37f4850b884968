"""A run leaves the right numbers behind, and says no to what it cannot do."""

from __future__ import annotations

import csv
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_mocap import Run

from skelgraph import metrics as M  # noqa: N812
from skelgraph.datasets import load_dataset
from skelgraph.errors import SkelgraphError
from skelgraph.geometry import flip_average
from skelgraph.models import create_model
from skelgraph.training import LiftingModule, TrainConfig, evaluate, load_checkpoint, train

NUMBERS = (
    "mpjpe_mm", "p_mpjpe_mm", "mpjpe_frames_mm", "p_mpjpe_frames_mm", "n_mpjpe_mm", "mpjve_mm", "pck", "auc",
    "mean_pose_mpjpe_mm", "mean_pose_mpjpe_frames_mm", "mpjpe_root_zero_mm", "predicted_root_mm",
)  # fmt: skip


def test_every_file_is_there_and_whole(run: Run) -> None:
    names = {path.name for path in run.out.iterdir()}
    assert names == {
        "config.json", "metrics.json", "report.html", "animation.gif",
        "learning_curve.png", "joint_errors.png", "action_errors.png", "checkpoints", "logs",
    }  # fmt: skip
    assert {path.name for path in (run.out / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert not list(run.out.rglob("*.tmp"))
    assert json.loads((run.out / "metrics.json").read_text()) == run.metrics
    with open(run.out / "logs" / "metrics.csv", newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows == load_checkpoint(run.last)["callbacks"]["History"]["rows"]
    assert "max_epochs: 3" in (run.out / "logs" / "tensorboard" / "hparams.yaml").read_text()
    assert list((run.out / "logs" / "tensorboard").glob("events.*"))


def test_config_says_how_to_repeat_the_run(run: Run) -> None:
    record = json.loads((run.out / "config.json").read_text())
    assert TrainConfig.from_dict(record["config"]) == run.config
    assert {"command", "versions", "git", "platform", "threads"} <= record.keys()
    assert record["versions"]["torch"] == torch.__version__


def test_metrics_equal_a_computation_by_hand(run: Run, files: dict[str, str]) -> None:
    """From the checkpoint's weights, with the functional metrics, clip by clip."""
    model = create_model("sem_gcn", "h36m17", **run.config.network.options)
    state = load_checkpoint(run.last)["state_dict"]
    model.load_state_dict({key.removeprefix("model."): v for key, v in state.items() if key.startswith("model.")})
    model.eval()
    train_set, test_set = (load_dataset("mocap", split, **files) for split in ("train", "test"))  # type: ignore[arg-type]
    with torch.no_grad():
        pred = flip_average(model, test_set.keypoints_2d, test_set.skeleton.mirror_index)
    roots, zeroed = pred[:, 0], pred.clone()
    zeroed[:, 0] = 0
    pred = pred - pred[:, :1]
    mean = train_set.poses_3d.mean(0).expand_as(pred)
    rows = {action: test_set.action_id == i for i, action in enumerate(test_set.actions)}

    def over_actions(metric: Any, pred: torch.Tensor = pred) -> float:
        return float(torch.stack([metric(pred[r], test_set.poses_3d[r]) for r in rows.values()]).mean())

    expected = {
        "mpjpe_mm": over_actions(M.mpjpe),
        "p_mpjpe_mm": over_actions(M.p_mpjpe),
        "n_mpjpe_mm": over_actions(M.n_mpjpe),
        "pck": over_actions(M.pck),
        "auc": over_actions(M.auc),
        "mpjpe_frames_mm": float(M.mpjpe(pred, test_set.poses_3d)),
        "p_mpjpe_frames_mm": float(M.p_mpjpe(pred, test_set.poses_3d)),
        "mean_pose_mpjpe_mm": over_actions(M.mpjpe, mean),
        "mean_pose_mpjpe_frames_mm": float(M.mpjpe(mean, test_set.poses_3d)),
        "mpjpe_root_zero_mm": over_actions(M.mpjpe, zeroed),
        "predicted_root_mm": float(roots.norm(dim=-1).mean() * 1000),
    }
    velocities: dict[str, list[torch.Tensor]] = {}
    for clip in test_set.clips:
        part = slice(clip.start, clip.start + clip.length)
        errors = (pred[part].diff(dim=0) - test_set.poses_3d[part].diff(dim=0)).norm(dim=-1).flatten() * 1000
        velocities.setdefault(clip.action_name, []).append(errors)
    expected["mpjve_mm"] = float(torch.stack([torch.cat(parts).mean() for parts in velocities.values()]).mean())

    assert expected.keys() == set(NUMBERS)
    assert {name: run.metrics[name] for name in NUMBERS} == pytest.approx(expected, rel=1e-4)
    for action, mask in rows.items():
        of_action = run.metrics["per_action"][action]
        assert of_action["frames"] == int(mask.sum())
        assert of_action["mpjpe_mm"] == pytest.approx(float(M.mpjpe(pred[mask], test_set.poses_3d[mask])), rel=1e-4)
    assert sum(run.metrics["per_joint_mm"].values()) / 17 == pytest.approx(run.metrics["mpjpe_mm"])


def test_facts(run: Run, files: dict[str, str]) -> None:
    m = run.metrics
    assert m["dataset"] == {
        "name": "mocap", "is_synthetic": False, "split": "test", "subjects": ["test"], "frames": 136,
        "files": [files["data_3d"], files["data_2d"], files["cameras"]],
    }  # fmt: skip
    assert (m["model"], m["epochs"], m["seed"]) == ("sem_gcn", 3, 3)
    assert m["num_parameters"] == sum(
        p.numel() for p in create_model("sem_gcn", **run.config.network.options).parameters()
    )
    rows = load_checkpoint(run.last)["callbacks"]["History"]["rows"]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[0]["lr"] == pytest.approx(4e-3 / 25)  # where the cycle begins
    assert rows[0]["lr"] < rows[2]["lr"] < rows[1]["lr"] < 4e-3
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert rows[-1]["val_mpjpe_mm"] == pytest.approx(m["mpjpe_mm"], rel=1e-5)
    assert m["best_mpjpe_mm"] == min(row["val_mpjpe_mm"] for row in rows)
    assert m["seconds"] == pytest.approx(sum(row["seconds"] for row in rows))


def test_evaluate_repeats_the_numbers(run: Run, tmp_path: Path) -> None:
    again = evaluate(run.last, tmp_path / "again", device="cpu", progress=False)
    assert {name: again[name] for name in (*NUMBERS, "per_action", "per_joint_mm")} == {
        name: run.metrics[name] for name in (*NUMBERS, "per_action", "per_joint_mm")
    }
    assert again["epochs"] == 3
    assert not (tmp_path / "again" / "learning_curve.png").exists()
    best = evaluate(run.last.with_name("best.ckpt"), tmp_path / "best", device="cpu", progress=False)
    assert best["mpjpe_mm"] == pytest.approx(run.metrics["best_mpjpe_mm"], rel=1e-5)


def test_evaluate_on_other_data(run: Run, files: dict[str, str], tmp_path: Path) -> None:
    changes: dict[str, Any] = {"test_subjects": ("train",), "test_downsample": 2, "flip_test": False}
    other = evaluate(run.last, tmp_path / "other", device="cpu", progress=False, **changes)
    assert other["dataset"]["subjects"] == ["train"]
    assert other["dataset"]["frames"] == 2 * (31 + 20 + 27)
    assert other["mean_pose_mpjpe_mm"] != run.metrics["mean_pose_mpjpe_mm"]


def test_seed_decides(run: Run, tmp_path: Path) -> None:
    def weights(seed: int) -> dict[str, torch.Tensor]:
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        train(run.config.replace(out=str(out), seed=seed, max_epochs=1))
        return load_checkpoint(out / "checkpoints" / "last.ckpt")["state_dict"]

    first, second, other = weights(3), weights(3), weights(4)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_evaluation_in_bf16(run: Run, tmp_path: Path) -> None:
    """Only the network runs in bfloat16: the metrics of its answers are exact."""
    metrics = evaluate(run.last, tmp_path / "out", precision="bf16", device="cpu", progress=False)
    assert metrics["mpjpe_mm"] == pytest.approx(run.metrics["mpjpe_mm"], rel=0.02)
    assert metrics["mpjpe_mm"] != run.metrics["mpjpe_mm"]
    assert metrics["mean_pose_mpjpe_mm"] == run.metrics["mean_pose_mpjpe_mm"]


def test_training_in_bf16(run: Run, tmp_path: Path) -> None:
    """With every default, the clipping of gradients among them; the optimizer's state is in float32."""
    config = run.config.replace(out=str(tmp_path / "out"), precision="bf16")
    assert (config.optimizer.clip_grad, config.optimizer.lr, config.optimizer.weight_decay) == (1.0, 4e-3, 0.0)
    metrics = train(config)
    assert metrics["mpjpe_mm"] == pytest.approx(run.metrics["mpjpe_mm"], rel=0.05)
    assert metrics["mpjpe_mm"] != run.metrics["mpjpe_mm"]
    saved = load_checkpoint(tmp_path / "out" / "checkpoints" / "last.ckpt")
    state = saved["optimizer_states"][0]["state"]
    assert {moments[key].dtype for moments in state.values() for key in ("exp_avg", "exp_avg_sq")} == {torch.float32}
    assert {v.dtype for v in saved["state_dict"].values() if v.is_floating_point()} == {torch.float32}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_epochs": 0}, "max-epochs is 0; expected an integer from 1 to 1000000"),
        ({"lr": -1.0}, r"lr is -1\.0; expected a number above 0"),
        ({"lr": float("nan")}, "lr is nan; expected a number above 0"),
        ({"lr_decay": 1.5}, "lr-decay is 1.5"),
        ({"batch_size": 0}, "batch-size is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"precision": "16"}, "precision is '16'; expected '32', 'bf16' or 'auto'"),
        ({"device": "tpu"}, "device is 'tpu'; expected 'auto', 'cpu' or 'cuda'"),
        ({"model": "sem_gnc"}, "did you mean sem_gcn"),
        ({"options": {"hidden": 3}}, "hidden_channels"),
        ({"loss": "msee"}, "did you mean 'mse'"),
        ({"dataset": "mocop"}, "did you mean 'mocap'"),
        ({"skeleton": "h36m18"}, "h36m17"),
        ({"test_subjects": ("S99",)}, "S99"),
        ({"devices": 3}, "batch-size is 64, expected a multiple of the number of processes, 3"),
        ({"downsample": 1000, "batch_size": 15, "devices": 15}, "devices is 15, more than the 12 training windows"),
        ({"batch_size": 256, "devices": 256}, "devices is 256, more processes than the [0-9]+ cores"),
        ({"model": "martinez", "options": {}, "batch_size": 1}, "batch-size leaves 1 window"),
        ({"model": "martinez", "options": {}, "batch_size": 2, "devices": 2}, "batch-size leaves 1 window"),
        pytest.param({"device": "cuda", "devices": 1000}, "CUDA device", id="more GPUs than there are"),
    ],
)
def test_wrong_settings_write_nothing(run: Run, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SkelgraphError, match=message):
        train(run.config.replace(out=str(tmp_path / "out"), **changes))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("lr", "loss"), [(1e30, "mpjpe"), (1e6, "mpjpe"), (1e6, "mse")])
def test_divergence_is_an_error(run: Run, tmp_path: Path, lr: float, loss: str) -> None:
    """Also where every number is finite: 1e20 mm are no result."""
    config = run.config.replace(out=str(tmp_path / "out"), lr=lr, loss=loss, options={"hidden_channels": 16})
    with pytest.raises(SkelgraphError, match=rf"diverged in epoch 1 with lr {lr:g}".replace("+", r"\+")):
        train(config)
    assert not (tmp_path / "out" / "checkpoints").exists()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_validation_error_that_is_no_number_reaches_no_checkpoint(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    def log(self: LiftingModule) -> None:
        self.log("val_mpjpe_mm", wrong if self.current_epoch == 1 else 500.0)

    monkeypatch.setattr(LiftingModule, "on_validation_epoch_end", log)
    with pytest.raises(SkelgraphError, match=f"diverged in epoch 2 .* MPJPE {wrong} mm"):
        train(run.config.replace(out=str(tmp_path / "out")))
    for name in ("last.ckpt", "best.ckpt"):
        assert load_checkpoint(tmp_path / "out" / "checkpoints" / name)["epoch"] == 0


def test_training_recovers_from_spoilt_running_statistics(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log(self: LiftingModule) -> None:
        self.log("val_mpjpe_mm", 1e7 if self.current_epoch == 0 else 500.0)

    monkeypatch.setattr(LiftingModule, "on_validation_epoch_end", log)
    assert train(run.config.replace(out=str(tmp_path / "out"), max_epochs=2))["best_mpjpe_mm"] == 500


def test_a_finished_run_is_not_overwritten_by_accident(run: Run, tmp_path: Path) -> None:
    with pytest.raises(SkelgraphError, match="holds a run already"):
        train(run.config)
    with pytest.raises(SkelgraphError, match="holds a run already"):
        evaluate(run.last, run.out)
    out = tmp_path / "out"
    config = run.config.replace(out=str(out), max_epochs=1)
    train(config)
    (out / "mine.txt").write_text("kept")
    metrics = train(config.replace(seed=9), overwrite=True)
    assert metrics["seed"] == 9
    assert (out / "mine.txt").read_text() == "kept"
    assert {path.name for path in (out / "logs").iterdir()} == {"metrics.csv", "tensorboard"}
    assert len((out / "logs" / "metrics.csv").read_text().splitlines()) == 2


def test_config_round_trip() -> None:
    config = TrainConfig("x").replace(options={"a": [1, {"b": None}]}, train_subjects=("S1", "S5"))
    plain = json.loads(json.dumps(config.to_dict()))
    assert TrainConfig.from_dict(plain) == config
    assert plain.keys() == {f.name for f in fields(TrainConfig)}
