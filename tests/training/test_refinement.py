"""A refinement head beside the network: what it is given, how both are trained, saved and resumed."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_mocap
import torch
from tiny_mocap import Run
from torch import nn

from skelgraph import create_model, load_model
from skelgraph.datasets import PoseDataset, load_dataset
from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.models.loading import refine_of_run
from skelgraph.nn import PostRefine
from skelgraph.training import LiftingModule, load_checkpoint, train
from skelgraph.training.checks import check_refine

LENSES = ("none", "opencv")


def dataset(folder: Path, lens: str, monkeypatch: pytest.MonkeyPatch) -> PoseDataset:
    """The tiny motion, seen through another lens."""
    cameras = [camera | {"distortion": lens} for camera in tiny_mocap.CAMERAS]
    if lens == "none":
        cameras = [camera | {"radial_distortion": [0.0] * 3, "tangential_distortion": [0.0] * 2} for camera in cameras]
    monkeypatch.setattr(tiny_mocap, "CAMERAS", cameras)
    return load_dataset("mocap", "train", **tiny_mocap.write(folder))


def module_of(data: PoseDataset, *, num_frames: int = 1, **options: Any) -> LiftingModule:
    torch.manual_seed(0)
    if num_frames == 1:
        model = create_model("sem_gcn", data.skeleton, hidden_channels=8, num_blocks=1)
    else:
        model = create_model("mlp_graph", data.skeleton, num_frames=num_frames, hidden_channels=8, graph_channels=8)
    head = PostRefine(data.skeleton, 32, 0.5)
    return LiftingModule(model, data.actions, data.mean_pose(), refine=head, **options)


@pytest.mark.parametrize("num_frames", [1, 5])
def test_the_keypoints_are_back_projected_by_the_camera_of_each_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_frames: int
) -> None:
    """A head that trusts them alone finds the true pose, given its depths: mirrored or not, with either camera."""
    data = dataset(tmp_path, "none", monkeypatch)
    module = module_of(data).eval()
    assert module.refine is not None
    nn.init.zeros_(module.refine.gate.weight)
    nn.init.constant_(module.refine.gate.bias, -100.0)
    batch = data.windows(num_frames, flip=True)[:]
    assert batch.root_3d is not None
    pose = batch.poses_3d.clone()
    pose[..., :2] += torch.randn_like(pose[..., :2])
    found = module.refined(pose, batch, batch.root_3d[:, 2])
    torch.testing.assert_close(found, batch.poses_3d, atol=1e-5, rtol=0)
    nearer = module.refined(pose, batch, batch.root_3d[:, 2] - 1)
    assert (nearer - batch.poses_3d)[..., :2].norm(dim=-1).max() > 0.05


def test_the_head_is_given_the_root_that_the_network_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As published: neither is it moved to the origin in the first half of the input, nor taken off the depths."""
    data = dataset(tmp_path, "opencv", monkeypatch)
    module, given = module_of(data).eval(), []
    assert module.refine is not None
    module.refine.register_forward_pre_hook(lambda _, inputs: given.append(inputs))
    batch = data.windows(flip=True)[::7]
    assert batch.root_3d is not None
    assert batch.intrinsics is not None
    pose = 0.3 * torch.randn(len(batch.frame), 17, 3)
    module.refined(pose, batch, batch.root_3d[:, 2])
    (first, second) = given[0]
    torch.testing.assert_close(first, pose)
    torch.testing.assert_close(second[:, 0], torch.zeros(len(pose), 3))
    depth = batch.root_3d[:, 2, None] + pose[..., 2]
    depth[:, 0] = batch.root_3d[:, 2]
    f, c = batch.intrinsics[:, None, :2], batch.intrinsics[:, None, 2:4]
    points = torch.cat(((batch.keypoints_2d[:, 0] - c) / f * depth[..., None], depth[..., None]), -1)
    torch.testing.assert_close(second, points - points[:, :1], atol=1e-5, rtol=1e-5)


def test_the_loss_is_that_of_both_and_trains_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset(tmp_path, "opencv", monkeypatch)
    module = module_of(data, loss="mse", refine_loss="l1").eval()
    batch = data.windows(flip=True)[::5]
    assert batch.root_3d is not None
    module.log = lambda *args, **kwargs: None  # type: ignore[method-assign]
    loss = module.training_step(batch, 0)
    pose = module.model(batch.keypoints_2d)
    refined = module.refined(pose, batch, batch.root_3d[:, 2])
    expected = nn.functional.mse_loss(pose, batch.poses_3d) + nn.functional.l1_loss(refined, batch.poses_3d)
    torch.testing.assert_close(loss, expected)
    nn.functional.l1_loss(refined, batch.poses_3d).backward()  # alone
    for part in (module.model, module.refine):
        assert part is not None
        assert all(p.grad is not None and p.grad.norm() > 0 for p in part.parameters())
    optimizer, _ = module.optimization(10, 1)
    assert {id(p) for p in optimizer.param_groups[0]["params"]} == {id(p) for p in module.parameters()}
    for limit in (0.5, 0):  # 0: none
        for parameter in module.parameters():
            parameter.grad = torch.ones_like(parameter)
        module.configure_gradient_clipping(optimizer, limit)
        whole = torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
        assert float(whole.norm()) == pytest.approx(limit or len(whole) ** 0.5, rel=1e-4)


def test_dropout_at_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset(tmp_path, "opencv", monkeypatch)
    batch = data.windows()[:]
    assert batch.root_3d is not None
    for wanted in (False, True):
        module = module_of(data, refine_dropout_at_test=wanted).train().eval()
        assert not module.model.training
        one, other = (module.refined(batch.poses_3d, batch, batch.root_3d[:, 2]) for _ in range(2))
        assert torch.equal(one, other) != wanted


def test_without_a_head_or_cameras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset(tmp_path, "opencv", monkeypatch)
    batch, module = data.windows()[:3], module_of(data)
    assert batch.root_3d is not None
    with pytest.raises(SkelgraphError, match="the data have no cameras to back-project keypoints with"):
        module.refined(batch.poses_3d, batch._replace(intrinsics=None), batch.root_3d[:, 2])
    module.refine = None
    with pytest.raises(SkelgraphError, match="there is no head to refine poses with"):
        module.refined(batch.poses_3d, batch, batch.root_3d[:, 2])


def test_data_that_a_head_cannot_be_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset(tmp_path, "opencv", monkeypatch)
    model = module_of(data).model
    check_refine(model, data, "true")
    data.root_3d[3, 2] = torch.nan
    check_refine(model, data, "estimated")
    with pytest.raises(SkelgraphError, match="refine is on, but mocap does not know the depth of the root"):
        check_refine(model, data, "true")
    data.clips[2] = dataclasses.replace(data.clips[2], intrinsics=(0.0,) * 9)
    for depth in ("true", "estimated"):
        with pytest.raises(SkelgraphError, match="refine is on, but mocap has no cameras in split train"):
            check_refine(model, data, depth)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def joint(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Network and head trained together for three epochs, with dropout in both."""
    out = tmp_path_factory.mktemp("joint") / "out"
    config = run.config.replace(out=str(out), refine=True, refine_channels=48, refine_loss="l1")
    return Run(config, train(config), out, out / "checkpoints" / "last.ckpt")


def test_a_checkpoint_holds_both(joint: Run, run: Run) -> None:
    saved = load_checkpoint(joint.last)
    parts = {key.split(".")[0] for key in saved["state_dict"]}
    assert parts == {"model", "refine", "mean_pose"}
    network, head = load_model(joint.last), refine_of_run(saved, joint.last)
    assert head is not None
    assert (head.hidden.out_features, head.dropout.p, head.training) == (48, 0.5, False)
    for part, prefix in ((network, "model."), (head, "refine.")):
        for name, value in part.state_dict().items():
            assert torch.equal(value, saved["state_dict"][prefix + name])
    assert refine_of_run(load_checkpoint(run.last), run.last) is None


def test_damaged_heads(joint: Run, tmp_path: Path) -> None:
    for damage, message in (
        (lambda c: c["state_dict"].pop("refine.gate.bias"), "missing tensors: gate.bias"),
        (
            lambda c: c["skelgraph"]["config"]["refinement"].update(refine_channels=8),
            "misshapen tensors: hidden.weight",
        ),
        (lambda c: c["skelgraph"]["config"]["refinement"].update(refine_channels="x"), "hidden_channels is 'x'"),
        (lambda c: c["skelgraph"]["config"].pop("refinement"), "no configuration of its refinement head"),
        (lambda c: c["state_dict"]["refine.gate.bias"].fill_(torch.nan), "NaN or infinite"),
    ):
        saved = torch.load(joint.last, weights_only=True)
        damage(saved)
        torch.save(saved, tmp_path / "broken.ckpt")
        with pytest.raises(CheckpointError, match=rf"broken\.ckpt.*{message}"):
            refine_of_run(load_checkpoint(tmp_path / "broken.ckpt"), tmp_path / "broken.ckpt")


def test_a_stopped_joint_run_ends_as_an_undisturbed_one(
    joint: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = joint.config.replace(out=str(tmp_path / "out"))
    start = LiftingModule.on_train_epoch_start

    def stop(self: LiftingModule) -> None:
        if self.current_epoch == 1:
            raise RuntimeError
        start(self)

    monkeypatch.setattr(LiftingModule, "on_train_epoch_start", stop)
    with pytest.raises(RuntimeError):
        train(config)
    monkeypatch.undo()
    train(config, resume=True)
    one, other = (load_checkpoint(out / "checkpoints" / "last.ckpt") for out in (joint.out, tmp_path / "out"))
    assert one["state_dict"].keys() == other["state_dict"].keys()
    assert all(torch.equal(value, other["state_dict"][name]) for name, value in one["state_dict"].items())
    moments = [c["optimizer_states"][0]["state"] for c in (one, other)]
    assert all(torch.equal(moments[0][i][key], moments[1][i][key]) for i in moments[1] for key in moments[1][i])


TRAIN = """
import json, sys
from skelgraph.training import TrainConfig, train
train(TrainConfig.from_dict(json.load(open(sys.argv[1]))["config"]).replace(devices=2, out=sys.argv[2]))
"""


@pytest.mark.slow
def test_two_processes_train_both_as_one_does(run: Run, tmp_path: Path) -> None:
    """With a network that normalises each pose alone and no dropout, and its loss left out: its weights have gradients
    through the head only."""
    config = run.config.replace(
        out=str(tmp_path / "one"), model="nehs_net", options={"d_model": 24, "n_heads": 2, "depth": 1, "dropout": 0.0},
        refine=True, refine_channels=16, refine_dropout=0.0, loss="none", refine_loss="mpjpe + 0.01*symmetry", lr=1e-3,
        schedule="alternating", lr_every=2,
    )  # fmt: skip
    train(config)
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    process = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "one" / "config.json"), str(tmp_path / "two")],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert process.returncode == 0, process.stderr
    one, two = (load_checkpoint(tmp_path / name / "checkpoints" / "last.ckpt") for name in ("one", "two"))
    rows = [[row["train_loss"] for row in saved["callbacks"]["History"]["rows"]] for saved in (one, two)]
    assert len(set(rows[0])) == 3
    assert rows[1] == pytest.approx(rows[0], rel=1e-5)


def test_resume_names_what_is_wrong_with_the_head(joint: Run, tmp_path: Path) -> None:
    shutil.copytree(joint.out, tmp_path / "copy")
    last = tmp_path / "copy" / "checkpoints" / "last.ckpt"
    saved = torch.load(last, weights_only=True)
    del saved["state_dict"]["refine.hidden.bias"]
    torch.save(saved, last)
    with pytest.raises(CheckpointError, match=r"missing tensors: refine\.hidden\.bias"):
        train(joint.config.replace(out=str(tmp_path / "copy")), resume=True)
    with pytest.raises(CheckpointError, match=r"refine_channels was 48, now 8"):
        train(joint.config.replace(out=str(tmp_path / "copy"), refine_channels=8), resume=True)
