"""Runs that start from weights of any origin, and second stages with a refinement head."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_mocap import Run
from torch import nn

from skelgraph import create_model, load_model
from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.files import read_checkpoint
from skelgraph.models import load_official, loading
from skelgraph.models import weights as weights_module
from skelgraph.models.pretrained import save_weights
from skelgraph.nn import PostRefine
from skelgraph.training import LiftingModule, TrainConfig, checkpoint, load_checkpoint, train
from skelgraph.training.warm_start import started_from, warm_start


def same(first: nn.Module, second: nn.Module) -> bool:
    states = first.state_dict(), second.state_dict()
    return states[0].keys() == states[1].keys() and all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def make(config: TrainConfig) -> Any:
    torch.manual_seed(99)
    network = config.network
    return create_model(network.model, config.data.skeleton, input_form=network.input_form, **network.options)


@pytest.fixture(scope="module")
def joint(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("joint") / "out"
    config = run.config.replace(out=str(out), refine=True, refine_channels=24, max_epochs=1)
    return Run(config, train(config), out, out / "checkpoints" / "last.ckpt")


def test_from_a_run_and_from_saved_weights(run: Run, joint: Run, tmp_path: Path) -> None:
    """A run with a head, too; options without a shape are those of the new run."""
    load_model(run.last).save_pretrained(tmp_path / "folder")
    for path in (run.last, joint.last, tmp_path / "folder", tmp_path / "folder" / "model.safetensors"):
        config = run.config.replace(init_from=str(path))
        model = make(config)
        warm_start(config, model, None)
        assert same(model, load_model(path))
        assert model.training
    config = config.replace(options={**run.config.network.options, "dropout": 0.0})
    model = make(config)
    warm_start(config, model, None)
    assert same(model, load_model(run.last))
    assert model.config["options"]["dropout"] == 0.0
    assert {part.p for part in model.modules() if isinstance(part, nn.Dropout)} <= {0.0}


def test_from_files_of_the_authors(golden: Callable[[str], Any], tmp_path: Path) -> None:
    official, head = tmp_path / "model.pth", tmp_path / "refine.pth"
    torch.save({"epoch": 6, "state_dict": golden("rs_net_model").state_dict()}, official)
    torch.save(golden("rs_net_post_refine").state_dict(), head)
    expected, refined = load_official("rs_net", official), load_official("post_refine", head, "h36m16")
    options = {"hidden_channels": expected.config["options"]["hidden_channels"]}
    config = TrainConfig("x").replace(
        model="rs_net", skeleton="h36m16", options=options, init_from=str(official), refine_from=str(head)
    )
    model, part = make(config), PostRefine("h36m16", refined.hidden.out_features)
    warm_start(config, model, part)
    assert same(model, expected)
    assert same(part, refined)
    save_weights(refined, tmp_path / "converted")
    other = PostRefine("h36m16", refined.hidden.out_features)
    warm_start(config.replace(refine_from=str(tmp_path / "converted")), model, other)
    assert same(other, refined)
    with pytest.raises(CheckpointError, match=r"misshapen tensors: hidden\.weight"):
        warm_start(config, model, PostRefine("h36m16", refined.hidden.out_features + 1))
    with pytest.raises(CheckpointError, match=r"init-from .*model\.pth does not fit RSNet: .*misshapen tensors"):
        warm_start(config, create_model("rs_net", "h36m16", hidden_channels=4), None)


def test_weights_say_what_their_network_is(
    run: Run, golden: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = started_from("open", lr=1e-4)
    about = (config.network.model, config.network.input_form, config.data.skeleton.name, config.optimizer.lr)
    assert about == ("any_gcn", "rays", "h36m16", 1e-4)
    assert config.network.options["hidden_channels"] == 80
    config = started_from(run.last, options={"dropout": 0.25})
    assert config.network.options == {**run.config.network.options, "dropout": 0.25}
    official = tmp_path / "model.pth"
    torch.save(golden("modulated_gcn_gt").state_dict(), official)
    config = started_from(official, model="modulated_gcn")
    model = make(config)
    warm_start(config, model, None)
    assert same(model, load_official("modulated_gcn", official))
    with monkeypatch.context() as patch:
        reads: list[Any] = []

        def counted(path: Any) -> Any:
            reads.append(path)
            return read_checkpoint(path)

        for module in (checkpoint, loading, weights_module):
            patch.setattr(module, "read_checkpoint", counted)
        started_from(run.last)
    assert reads == [run.last]
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (official, {}, "does not say what network it holds: expected model, its name"),
        ("open", {"model": "sem_gcn"}, "holds weights of any_gcn, expected those of sem_gcn"),
        ("open", {"skeleton": "h36m17"}, "'h36m16' of 16 joints, expected 'h36m17' of 17"),
        (official, {"model": "sem_gcn"}, "these weights are of any_gcn or modulated_gcn, not of sem_gcn"),
    ]
    for weights, given, message in wrong:
        with pytest.raises(SkelgraphError, match=message):
            started_from(weights, **given)
    config = started_from("open", options={"hidden_channels": 64})
    with pytest.raises(
        CheckpointError, match=r"open has other options .*: hidden_channels is 80, expected 64; .*misshap"
    ):
        warm_start(config, make(config), None)


def test_what_does_not_fit_is_named_and_nothing_is_written(run: Run, joint: Run, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.pth"
    torch.save({"weight": torch.zeros(3)}, foreign)
    small, options = {"hidden_channels": 8, "num_blocks": 1}, run.config.network.options
    own = tmp_path / "other.ckpt"
    saved = torch.load(run.last, weights_only=True)
    saved["skelgraph"]["config"]["data"]["skeleton"] = "mpi_inf_3dhp17"
    torch.save(saved, own)
    for wrong, message in (
        (
            {"options": small},
            r"init-from .*last\.ckpt has other options than the network of this run: hidden_channels is 16, "
            r".*misshapen tensors: .*found \(2, 2, 16\), exp",
        ),
        ({"options": options | {"num_blocks": 2}}, r"does not fit SemGCN: missing tensors: blocks\.1"),
        ({"model": "martinez", "options": {}}, r"last\.ckpt holds weights of sem_gcn, expected those of martinez"),
        ({"init_from": str(own)}, "is for the skeleton 'mpi_inf_3dhp17' of 17 joints, expected 'h36m17'"),
        ({"init_from": str(foreign)}, r"foreign\.pth is not an official sem_gcn checkpoint"),
        ({"init_from": str(tmp_path / "none.ckpt")}, "there is no such file"),
        ({"refine_from": str(joint.last)}, r"refine-from is .*last\.ckpt, but refine is off"),
        ({"refine_from": str(run.last), "refine": True}, "of a run without a refinement head"),
        (
            {"refine_from": str(joint.last), "refine": True},
            r"refine-from .* does not fit PostRefine: misshapen tensors",
        ),
    ):
        config = run.config.replace(out=str(tmp_path / "out"), **({"init_from": str(run.last)} | wrong))
        with pytest.raises(SkelgraphError, match=message):
            train(config)
        assert not (tmp_path / "out").exists()


def state(out: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(out / "checkpoints" / "last.ckpt")["state_dict"]


def test_a_second_stage(run: Run, joint: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts where the first one ended, at a rate of its own, and is resumed without the files it started from."""
    network, head = tmp_path / "network.ckpt", tmp_path / "head.ckpt"
    shutil.copy(run.last, network)
    shutil.copy(joint.last, head)
    config = run.config.replace(
        init_from=str(network), refine_from=str(head), refine=True, refine_channels=24, loss="none",
        refine_loss="mpjpe + 0.01*symmetry", lr=1e-9, schedule="alternating", lr_every=2, max_epochs=2,
    )  # fmt: skip
    metrics = train(config.replace(out=str(tmp_path / "whole")))
    before = {k: v for k, v in state(run.out).items() if k.startswith("model.")}
    before |= {k: v for k, v in state(joint.out).items() if k.startswith("refine.")}
    whole = state(tmp_path / "whole")
    assert whole.keys() - {"mean_pose"} == before.keys()
    running = {k for k in before if "running" in k or "batches" in k}
    assert all(torch.allclose(whole[k], before[k], atol=1e-6, rtol=0) for k in before.keys() - running)
    moved = [p for p in before.keys() - running if not torch.equal(whole[p], before[p])]
    assert {p.split(".")[0] for p in moved} == {"model", "refine"}  # both are trained on the refined pose
    assert metrics["epochs"] == 2

    start = LiftingModule.on_train_epoch_start
    for name, epoch in (("first", 0), ("second", 1)):  # stopped in the first and in the second epoch

        def stop(self: LiftingModule, epoch: int = epoch) -> None:
            if self.current_epoch == epoch:
                raise RuntimeError("stopped")
            start(self)

        monkeypatch.setattr(LiftingModule, "on_train_epoch_start", stop)
        with pytest.raises(RuntimeError, match="stopped"):
            train(config.replace(out=str(tmp_path / name)))
        monkeypatch.setattr(LiftingModule, "on_train_epoch_start", start)
        if epoch:
            network.unlink()
            head.unlink()
        train(config.replace(out=str(tmp_path / name)), resume=True)
        ended = state(tmp_path / name)
        assert all(torch.equal(value, ended[key]) for key, value in whole.items())
    with pytest.raises(CheckpointError, match=r"init_from was '.*network\.ckpt', now None"):
        train(config.replace(out=str(tmp_path / "first"), init_from=None), resume=True)
