"""A head that learns the errors of the network: beside it, calibrated on other data, kept in the same files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_mocap
import torch
from tiny_mocap import Run

from skelgraph import create_model, load_model
from skelgraph.datasets import load_dataset
from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.geometry import flip_average
from skelgraph.models import load_expected_error
from skelgraph.models.loading import expected_error_of_run
from skelgraph.models.pretrained import save_weights
from skelgraph.nn import ExpectedError
from skelgraph.training import LiftingModule, TrainConfig, evaluate, load_checkpoint, train
from skelgraph.training import run as training_run
from skelgraph.training.judging import statements
from skelgraph.training.losses import loss_label

LENGTHS = {"train": {"walk 1": 61, "walk 2": 40}, "val": {"jump 1": 25, "walk 9": 12}, "test": {"walk 3": 37}}
HEAD: dict[str, Any] = {"expected_error": True, "expected_error_channels": 32}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of three subjects."""
    positions = {
        subject: {action: tiny_mocap.motion(length, i) for i, (action, length) in enumerate(clips.items())}
        for subject, clips in LENGTHS.items()
    }
    files = tiny_mocap.write(tmp_path_factory.mktemp("three_subjects"), positions)
    del files["data_2d"]  # projected
    return files


def config_of(files: dict[str, str], out: Path, **changes: Any) -> TrainConfig:
    """Rays, dropout and normalisation over the batch, as the networks that ship have them."""
    settings = {
        "dataset": "mocap", **files, "input_form": "rays",
        "model": "martinez", "options": {"hidden_channels": 16, "num_stages": 1}, "max_epochs": 3, "batch_size": 32,
        "device": "cpu", "progress": False, **HEAD,
    }  # fmt: skip
    return TrainConfig(str(out)).replace(**settings | changes)


def last(out: Path) -> dict[str, Any]:
    return load_checkpoint(out / "checkpoints" / "last.ckpt")


def rows(out: Path) -> list[tuple[float, float]]:
    return [(row["train_loss"], row["val_mpjpe_mm"]) for row in last(out)["callbacks"]["History"]["rows"]]


def assert_same_network(one: dict[str, Any], other: dict[str, Any]) -> None:
    names = [name for name in one["state_dict"] if name.startswith("model.")]
    assert names
    for kind in {"state_dict", "trained_state_dict"} & one.keys():
        assert all(torch.equal(one[kind][name], other[kind][name]) for name in names)
    moments = [saved["optimizer_states"][0]["state"] for saved in (one, other)]
    count = min(map(len, moments))
    assert count == len(moments[0])
    assert all(torch.equal(moments[0][i][key], moments[1][i][key]) for i in range(count) for key in moments[0][i])


@pytest.fixture(scope="module")
def judged(three: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with a head and validation subjects."""
    out = tmp_path_factory.mktemp("judged") / "out"
    config = config_of(three, out, val_subjects=("val",))
    return Run(config, train(config), out, out / "checkpoints" / "last.ckpt")


def test_the_network_learns_as_it_would_alone(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit: with dropout, a moving learning rate and a gradient that is clipped."""
    monkeypatch.setattr(training_run, "write_report", lambda *arguments: None)
    metrics = train(run.config.replace(out=str(tmp_path), **HEAD, clip_grad=1.0))
    assert_same_network(load_checkpoint(run.last), last(tmp_path))
    assert rows(run.out) == rows(tmp_path)
    assert {name: metrics[name] for name in ("mpjpe_mm", "p_mpjpe_mm", "rows")} == {
        name: run.metrics[name] for name in ("mpjpe_mm", "p_mpjpe_mm", "rows")
    }
    head = load_expected_error(tmp_path / "checkpoints" / "last.ckpt")
    assert head is not None
    assert (head.training, head.hidden_channels, head.in_channels, float(head.scale)) == (False, 32, 2, 1.0)
    assert not metrics["expected_error"]["calibrated"]
    assert "They are not calibrated, as there were no validation subjects" in " ".join(statements(metrics))


def test_averaged_and_resumed(judged: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The average of the weights is judged and calibrated; a stopped run ends as an undisturbed one."""
    monkeypatch.setattr(training_run, "write_report", lambda *arguments: None)
    config = judged.config.replace(ema=0.9, precision="bf16")
    train(config.replace(out=str(tmp_path / "alone"), expected_error=False))
    train(config.replace(out=str(tmp_path / "whole")))
    start, undo = LiftingModule.on_train_epoch_start, pytest.MonkeyPatch()

    def stop(self: LiftingModule) -> None:
        if self.current_epoch == 2:
            raise RuntimeError
        start(self)

    undo.setattr(LiftingModule, "on_train_epoch_start", stop)
    with pytest.raises(RuntimeError):
        train(config.replace(out=str(tmp_path / "stopped")))
    undo.undo()
    train(config.replace(out=str(tmp_path / "stopped")), resume=True)
    alone, whole, stopped = (last(tmp_path / name) for name in ("alone", "whole", "stopped"))
    assert_same_network(alone, whole)
    assert rows(tmp_path / "alone") == rows(tmp_path / "whole") == rows(tmp_path / "stopped")
    assert all(torch.equal(value, stopped["state_dict"][name]) for name, value in whole["state_dict"].items())
    assert whole["state_dict"]["expected_error.scale"] != 1
    assert whole["trained_state_dict"]["expected_error.scale"] == 1
    assert ratio(tmp_path / "whole", config) == pytest.approx(1, abs=0.03)  # in bfloat16


def ratio(out: Path, config: TrainConfig) -> float:
    """The mean of (e / s)^2 on the validation data, of what is in the file, counted here by hand."""
    path = out / "checkpoints" / "last.ckpt"
    network, head = load_model(path), load_expected_error(path)
    assert head is not None
    data = load_dataset("mocap", "train", subjects=("val",), **config.data.sources())
    batch = data.windows()[:].in_form("rays")
    with torch.no_grad():
        pose = flip_average(head.beside(network), batch.network_input(3), data.skeleton.mirror_index)
    expected, pose = pose[..., 3], pose[..., :3] - pose[:, :1, :3]
    others = [joint for joint in range(17) if joint != data.skeleton.root]
    error = (pose - batch.poses_3d).norm(dim=-1)[:, others]
    return float((error / expected[:, others]).square().mean())


def test_the_scale_is_that_of_the_validation_data(judged: Run, tmp_path: Path) -> None:
    found = judged.metrics["expected_error"]
    assert found["calibrated"]
    assert found["scale"] == float(last(judged.out)["state_dict"]["expected_error.scale"])
    assert found["scale"] != 1
    assert ratio(judged.out, judged.config) == pytest.approx(1, rel=1e-4)
    assert len(found["groups"]) == 10
    assert json.loads((judged.out / "metrics.json").read_text())["expected_error"] == found
    page = (judged.out / "report.html").read_text()
    assert f"Calibrated on validation data by the factor {found['scale']:.3f}." in page
    assert (judged.out / "expected_errors.png").read_bytes().startswith(b"\x89PNG")
    assert "Expected and true errors" in page


def test_what_is_evaluated_is_what_was_tested(judged: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the checkpoint, and from one file of safetensors."""
    monkeypatch.setattr(training_run, "write_report", lambda *arguments: None)
    again = evaluate(judged.last, tmp_path / "again", device="cpu", progress=False)
    assert again["expected_error"] == judged.metrics["expected_error"]
    head, path = load_expected_error(judged.last), tmp_path / "both.safetensors"
    save_weights(load_model(judged.last), path, expected_error=head)
    data = {name: getattr(judged.config.data, name) for name in ("dataset", "data_3d", "cameras")}
    other = evaluate(path, tmp_path / "other", device="cpu", progress=False, **data)
    assert other["expected_error"] == judged.metrics["expected_error"]
    save_weights(load_model(judged.last), path)
    assert "expected_error" not in evaluate(path, tmp_path / "none", device="cpu", progress=False, **data)


def test_the_head_alone_leaves_the_network_as_it_is(
    judged: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--loss none``: also the running statistics of its normalisation."""
    monkeypatch.setattr(training_run, "write_report", lambda *arguments: None)
    config = judged.config.replace(out=str(tmp_path), init_from=str(judged.last), loss="none", weight_decay=0.1)
    metrics = train(config)
    before, after = load_checkpoint(judged.last)["state_dict"], last(tmp_path)["state_dict"]
    assert all(torch.equal(value, after[name]) for name, value in before.items() if name.startswith("model."))
    assert metrics["mpjpe_mm"] == judged.metrics["mpjpe_mm"]
    losses = [loss for loss, _ in rows(tmp_path)]
    assert losses[-1] < losses[0], "it is what the head learns"
    assert not torch.equal(after["expected_error.last.bias"], before["expected_error.last.bias"])
    assert loss_label("none") == "loss of the expected errors"
    for changes, message in (
        ({"init_from": None}, "expected the weights of the network as init-from"),
        ({"devices": 2}, "devices is 2; expected 1"),
        ({"expected_error": False}, "loss is 'none'; expected a loss"),
    ):
        with pytest.raises(SkelgraphError, match=message):
            train(config.replace(out=str(tmp_path / "bad"), **changes))
    assert not (tmp_path / "bad").exists()


def test_windows_of_all_frames_and_joints_that_are_not_known(tmp_path: Path) -> None:
    """What is learned is the error of the centre frame, of joints whose place is known."""
    rng = np.random.default_rng(0)
    known = {s: {a: rng.random((n, 17)) > 0.2 for a, n in clips.items()} for s, clips in tiny_mocap.LENGTHS.items()}
    data = load_dataset("mocap", "train", **tiny_mocap.write(tmp_path, visible=known))
    torch.manual_seed(0)
    network = create_model("mlp_graph", "h36m17", num_frames=3, hidden_channels=8, graph_channels=8)
    head = ExpectedError("h36m17", 2, 16)
    module = LiftingModule(network, data.actions, data.mean_pose(), expected_error=head).train()
    batch = data.windows(3, targets="all")[:40]
    assert batch.visible_3d is not None
    loss = module.error_loss(batch)
    assert module.training
    assert network.training
    loss.backward()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(parameter.grad is not None for parameter in head.parameters())
    pose = network.eval()(batch.keypoints_2d)
    expected = head.loss(batch.keypoints_2d[:, 1], pose - pose[:, :1], batch.poses_3d[:, 1], batch.visible_3d[:, 1])
    torch.testing.assert_close(loss, expected)


def test_what_does_not_go_together(judged: Run, tmp_path: Path) -> None:
    out = {"out": str(tmp_path / "bad")}
    with pytest.raises(SkelgraphError, match="causal is on; expected no refine, no expected-error"):
        train(judged.config.replace(**out, causal=True))
    assert not (tmp_path / "bad").exists()


def test_damaged_checkpoints(judged: Run, tmp_path: Path) -> None:
    path = tmp_path / "broken.ckpt"
    for damage, message in (
        (lambda c: c["state_dict"].pop("expected_error.last.bias"), r"missing tensors: last\.bias"),
        (lambda c: c["state_dict"]["expected_error.scale"].fill_(-1.0), "the scale of the expected errors is -1"),
        (lambda c: c["state_dict"]["expected_error.first.bias"].fill_(torch.inf), "NaN or infinite"),
        (lambda c: c["skelgraph"]["config"]["uncertainty"].update(expected_error_channels=0), "hidden_channels is 0"),
        (lambda c: c["skelgraph"]["config"]["uncertainty"].update(expected_error_channels=8), "misshapen"),
        (lambda c: c["skelgraph"]["config"].pop("uncertainty"), "no configuration of its expected errors"),
    ):
        saved = torch.load(judged.last, weights_only=True)
        damage(saved)
        torch.save(saved, path)
        with pytest.raises(CheckpointError, match=rf"broken\.ckpt.*{message}"):
            expected_error_of_run(load_checkpoint(path), path)
