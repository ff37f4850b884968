"""What does not fit is said before anything is written."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from silly import SILLY
from torch import nn

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.models import FrameLifter, create_model, register_model, registry
from skelgraph.options import option_types
from skelgraph.training import TrainConfig, evaluate, train
from skelgraph.training.checks import check_batch


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": {"in_channels": 3}}, "in_channels of the model is 3; expected 2"),
        ({"options": {"out_channels": 2}}, "out_channels of the model is 2; expected 3"),
        ({"options": {"non_local": "False"}}, "non_local is 'False'; expected true or false"),
        ({"model": "martinez", "batch_size": 1}, "batch-size leaves 1 window.*at least 2.*Martinez normalises"),
        ({"model": "video_pose", "batch_size": 1}, "batch-size leaves 1 window.*VideoPose normalises"),
        ({"model": "martinez", "batch_size": 2, "devices": 2}, "batch-size leaves 1 window"),
    ],
    ids=str,
)
def test_nothing_is_written(files: dict[str, str], tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    config = TrainConfig(str(tmp_path / "out")).replace(dataset="mocap", device="cpu", progress=False, **files)
    with pytest.raises(SkelgraphError, match=message):
        train(config.replace(**changes))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["martinez", "video_pose"])
def test_one_window_is_too_few_for_what_normalises_over_windows(name: str) -> None:
    model = create_model(name, hidden_channels=8, **({} if name == "martinez" else {"filter_widths": [3]}))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(SkelgraphError, match="expected at least 2"):
        check_batch(model.eval(), 1)
    check_batch(model, 2)
    assert not model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    x = torch.randn(1, model.num_frames, 17, 2)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        model.train()(x)  # so that the check is right


class Wrong(FrameLifter):
    """Answers with something else than poses."""

    def __init__(self, skeleton: Any = "h36m17", answer: Literal["five", "pair"] = "five") -> None:
        super().__init__(skeleton)
        self.linear = nn.Linear(2, 5)
        self.answer = answer

    def lift_frame(self, x: torch.Tensor) -> Any:
        return self.linear(x) if self.answer == "five" else (x, x)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            "five",
            r"Wrong gives shape \(2, 17, 5\) for keypoints of shape \(2, 17, 2\); expected \(2, 17, 3\), the",
        ),
        ("pair", r"Wrong gives a tuple for keypoints of shape"),
    ],
)
def test_what_answers_with_no_poses_is_not_trained(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, message: str
) -> None:
    monkeypatch.setattr(registry, "_MODELS", copy.copy(registry._MODELS))
    register_model("wrong")(Wrong)
    config = TrainConfig(str(tmp_path / "out")).replace(dataset="mocap", device="cpu", progress=False, **files)
    with pytest.raises(SkelgraphError, match=message):
        train(config.replace(model="wrong", options={"answer": answer}))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["sem_gcn", "graph_mlp", "hgn"])
def test_one_window_is_enough_for_what_normalises_over_joints(name: str) -> None:
    model = create_model(name, hidden_channels=8)
    check_batch(model, 1)
    model.training_loss(torch.randn(1, 17, 2), torch.randn(1, 17, 3), torch.nn.functional.mse_loss).backward()


def test_single_windows_train(files: dict[str, str], tmp_path: Path) -> None:
    options = {"hidden_channels": 4, "num_blocks": 1}
    data: dict[str, Any] = {"dataset": "mocap", **files}
    config = TrainConfig(str(tmp_path / "out")).replace(
        options=options, batch_size=1, max_epochs=1, downsample=40, progress=False, **data
    )
    assert train(config)["mpjpe_mm"] > 0


def test_a_checkpoint_of_another_kind_of_network_is_not_evaluated(run: Any, tmp_path: Path) -> None:
    saved = torch.load(run.last, weights_only=True)
    saved["skelgraph"]["options"]["out_channels"] = 2
    for name in ("model.head.weight", "model.head.bias"):
        saved["state_dict"][name] = saved["state_dict"][name][..., :2]
    torch.save(saved, tmp_path / "flat.ckpt")
    with pytest.raises(SkelgraphError, match="out_channels of the model is 2; expected 3"):
        evaluate(tmp_path / "flat.ckpt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def nested(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as a file holds them, in their groups."""
    values = TrainConfig("x").to_dict()
    groups = {member.name: group for group, member in TrainConfig.declared()}
    for name, value in settings.items():
        (values[groups[name]] if name in groups else values)[name] = value
    return values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flip": "False"}, "flip is 'False'; expected true or false"),
        ({"progress": 1}, "progress is 1; expected true or false"),
        ({"seed": 2**32}, "seed is 4294967296; expected an integer from 0 to 4294967295"),
        ({"downsample": 10**23}, "downsample is 10000.*; expected an integer from 1 to 1000000 or none"),
        ({"test_downsample": 0}, "test-downsample is 0"),
        ({"weight_decay": float("nan")}, "weight-decay is nan; expected a number of at least 0"),
        ({"clip_grad": float("inf")}, "clip-grad is inf"),
        ({"lr": "1e-3"}, "lr is '1e-3'; expected a number above 0"),
        ({"schedule": "one_cycle"}, r"schedule is 'one_cycle'; expected .*did you mean 'onecycle'\?"),
        ({"keypoints": "cpm"}, "keypoints is 'cpm'; expected 'gt', .*did you mean 'cpn'"),
        ({"train_subjects": "S1"}, "train-subjects is 'S1'; expected a sequence of values, each a text or none"),
        ({"options": [1]}, "options is .*; expected the values of options by their names"),
        ({"options": {1: 2}}, "options is .*; expected the values of options by their names"),
        ({"out": 3}, "out is 3; expected a text"),
        ({"devices": True}, "devices is True; expected an integer"),
    ],
    ids=str,
)
def test_settings_are_checked(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SkelgraphError, match=message):
        TrainConfig("x").replace(**changes)
    with pytest.raises(SkelgraphError, match=message):
        TrainConfig.from_dict(nested(changes))


def test_silly_settings() -> None:
    for name in TrainConfig("x").settings():
        for value in SILLY:
            try:
                TrainConfig("x").replace(**{name: value})
            except SkelgraphError as error:
                message = str(error)
                assert len(message) < 400, message
    checked = {name for group in TrainConfig.groups().values() for name in option_types(group)}
    unchecked = {member.name for _, member in TrainConfig.declared()} - checked
    assert unchecked == {"options", "data_options", "extra_options", "skeleton"}, "these have a check of their own"


def test_forms_that_mean_the_same() -> None:
    config = TrainConfig(Path("a") / "b").replace(lr=1, seed=np.int64(3), test_subjects=["S1"])  # type: ignore[arg-type]
    found = (config.out, config.optimizer.lr, config.training.seed, config.data.test_subjects)
    assert found == (str(Path("a") / "b"), 1.0, 3, ("S1",))
    assert type(config.training.seed) is int


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "the settings are None"),
        ([1], "the settings are"),
        ({}, "out among them"),
        ({"out": "x", "learning_rate": 1}, "unknown setting 'learning_rate'"),
        ({"out": "x", 3: 1}, "unknown setting 3"),
        ({"out": "x", "training": {"seed": "a"}}, "seed is 'a'"),
        ({"out": "x", "network": {"options": 3}}, "options is 3"),
        ({"out": "x", "training": {"sed": 1}}, "unknown setting of training: 'sed'; did you mean seed"),
        ({"out": "x", "training": 3}, "training is 3; expected its settings by their names"),
        ({"out": "x", "seed": 1}, "the setting seed belongs into the group 'training'"),
    ],
    ids=str,
)
def test_a_checkpoint_with_damaged_settings(run: Any, tmp_path: Path, config: Any, message: str) -> None:
    saved = torch.load(run.last, weights_only=True)
    saved["skelgraph"]["config"] = config
    torch.save(saved, tmp_path / "damaged.ckpt")
    with pytest.raises(CheckpointError, match=f"damaged.ckpt holds no configuration of this version: .*{message}"):
        evaluate(tmp_path / "damaged.ckpt", tmp_path / "out")
