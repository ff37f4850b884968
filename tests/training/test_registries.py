"""A schedule, a loss, a data set is one entry in a table, from which checker, resuming and command line have it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_mocap import Run
from torch.optim.lr_scheduler import LambdaLR, StepLR

from skelgraph.__main__ import main
from skelgraph.datasets import DATASETS, MocapNPZ, load_dataset, register_dataset
from skelgraph.errors import CheckpointError, DataError, SkelgraphError
from skelgraph.models import load_model
from skelgraph.models.registry import _MODELS
from skelgraph.models.saved import naming_imports
from skelgraph.nn import of_visible
from skelgraph.options import Count
from skelgraph.training import (
    LOSSES,
    SCHEDULES,
    TrainConfig,
    load_checkpoint,
    register_loss,
    register_schedule,
    train,
)
from skelgraph.training.folder import claimed
from skelgraph.training.resume import may_change

TABLES: tuple[dict[str, Any], ...] = (DATASETS, LOSSES, SCHEDULES, _MODELS)


@pytest.fixture(autouse=True)
def own_entries_go() -> Iterator[None]:
    before = [dict(table) for table in TABLES]
    yield
    for table, entries in zip(TABLES, before, strict=True):
        table.clear()
        table.update(entries)


def rows(out: Path) -> list[dict[str, float]]:
    return load_checkpoint(out / "checkpoints" / "last.ckpt")["callbacks"]["History"]["rows"]


# --- schedules


def test_cosine_falls_to_nothing_over_the_run() -> None:
    info = SCHEDULES["cosine"]
    assert (info.interval, info.spans_run) == ("step", True)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = info.make(optimizer, total_steps=10, epochs=2, lr_decay=0.5)
    rates = []
    for _ in range(11):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    expected = 0.15 * (1 + torch.cos(torch.pi * torch.arange(11) / 10))
    torch.testing.assert_close(torch.tensor(rates), expected)


def test_a_resumed_cosine_has_the_same_length_and_an_exponential_any(run: Run, tmp_path: Path) -> None:
    for name in ("cosine", "exponential"):
        config = run.config.replace(out=str(tmp_path / name), schedule=name, max_epochs=1)
        train(config)
        if name == "cosine":
            assert "max_epochs" not in may_change(name)
            with pytest.raises(CheckpointError, match="max_epochs was 1, now 2"):
                train(config.replace(max_epochs=2), resume=True)
            assert len(rows(tmp_path / name)) == 1
        else:
            assert train(config.replace(max_epochs=2), resume=True)["epochs"] == 2


def test_a_stopped_cosine_ends_as_an_undisturbed_one(run: Run, tmp_path: Path, monkeypatch: Any) -> None:
    from skelgraph.training import LiftingModule

    config = run.config.replace(out=str(tmp_path / "whole"), schedule="cosine", max_epochs=3)
    whole = train(config)
    start = LiftingModule.on_train_epoch_start

    def stop(self: LiftingModule) -> None:
        if self.current_epoch == 2:
            raise RuntimeError
        start(self)

    monkeypatch.setattr(LiftingModule, "on_train_epoch_start", stop)
    with pytest.raises(RuntimeError):
        train(config.replace(out=str(tmp_path / "stopped")))
    monkeypatch.undo()
    assert train(config.replace(out=str(tmp_path / "stopped")), resume=True)["mpjpe_mm"] == whole["mpjpe_mm"]
    rates = [row["lr"] for row in rows(tmp_path / "stopped")]
    assert rates == sorted(rates, reverse=True)


def test_an_own_schedule_is_resumed_by_what_it_asks_for(run: Run, tmp_path: Path) -> None:
    @register_schedule("stairs", interval="epoch", help="down by lr-decay every second epoch")
    def stairs(optimizer: Any, *, lr_decay: float) -> StepLR:
        return StepLR(optimizer, 2, lr_decay)

    @register_schedule("ramp", interval="epoch", help="down to nothing over the run, in equal steps")
    def ramp(optimizer: Any, *, total: int) -> LambdaLR:
        return LambdaLR(optimizer, lambda epoch: 1 - epoch / total)

    assert (may_change("stairs") - may_change("ramp"), may_change("ramp") - may_change("stairs")) == (
        {"max_epochs"},
        set(),
    )
    config = run.config.replace(max_epochs=3, lr=0.004, lr_decay=0.5)
    train(config.replace(out=str(tmp_path / "stairs"), schedule="stairs"))
    assert [row["lr"] for row in rows(tmp_path / "stairs")] == [0.004, 0.004, 0.002]
    config = config.replace(out=str(tmp_path / "ramp"), schedule="ramp")
    train(config)
    assert [row["lr"] for row in rows(tmp_path / "ramp")] == pytest.approx([0.004, 0.004 * 2 / 3, 0.004 / 3])
    with pytest.raises(CheckpointError, match="max_epochs was 3, now 4"):
        train(config.replace(max_epochs=4), resume=True)


# --- losses


def test_an_own_loss(run: Run, tmp_path: Path) -> None:
    @register_loss("huber", unit="m", help="Huber's loss")
    @of_visible
    def huber(pred: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.huber_loss(pred, target)

    metrics = train(run.config.replace(out=str(tmp_path / "out"), loss="huber", max_epochs=1))
    assert metrics["epochs"] == 1
    record = json.loads((tmp_path / "out" / "config.json").read_text())
    assert record["config"]["training"]["loss"] == "huber"
    with pytest.raises(SkelgraphError, match=r"loss is 'hubre'; expected .*did you mean 'huber'"):
        TrainConfig("x").replace(loss="hubre")


# --- data sets


def test_an_own_dataset(run: Run, files: dict[str, str], tmp_path: Path) -> None:
    asked = []

    @register_dataset("mine", help="the tiny files, of which the positions are named")
    def mine(data_3d: str, **options: Any) -> MocapNPZ:
        asked.append(options)
        return MocapNPZ(data_3d, files["data_2d"], files["cameras"], **options)

    assert (DATASETS["mine"].takes, DATASETS["mine"].needs) == (("data_3d",), ("data_3d",))
    config = run.config.replace(out=str(tmp_path / "out"), dataset="mine", data_2d=None, cameras=None, max_epochs=1)
    assert train(config)["mpjpe_mm"] == train(run.config.replace(out=str(tmp_path / "mocap"), max_epochs=1))["mpjpe_mm"]
    expected = {"split": "train", "skeleton": "h36m17", "subjects": None, "unchecked": False}
    assert asked[0] == expected
    load_dataset("mine", "test", data_3d=files["data_3d"], downsample=3)
    assert asked[-1] == {**expected, "split": "test", "downsample": 3}
    with pytest.raises(DataError, match="'mine' has no use for: cameras"):
        load_dataset("mine", "test", data_3d="x", cameras="y")
    with pytest.raises(DataError, match="'mine' needs data_3d"):
        load_dataset("mine", "test")
    with pytest.raises(SkelgraphError, match="unknown dataset 'mien'; did you mean mine"):
        load_dataset("mien", "test")


def test_an_own_dataset_has_options_of_its_own(run: Run, files: dict[str, str], tmp_path: Path) -> None:
    asked = []

    @register_dataset("hands", help="the tiny files, with options that no other data set has")
    def hands(fingers: Count, rings: bool = False, keypoints: str = "gt", **options: Any) -> MocapNPZ:
        asked.append(
            (fingers, rings, keypoints, {key: options[key] for key in ("actions", "subset") if key in options})
        )
        return MocapNPZ(files["data_3d"], files["data_2d"], files["cameras"], **options)

    info = DATASETS["hands"]
    assert (info.takes, info.needs) == (("fingers", "rings", "keypoints"), ("fingers",))
    load_dataset("hands", "test", fingers=3, keypoints=None, actions=["walk"], subset=0.5)
    assert asked[-1] == (3, False, "gt", {"actions": ["walk"], "subset": 0.5})
    with pytest.raises(SkelgraphError, match="dataset hands: fingers is 'three'; expected an integer from 1 to 100"):
        load_dataset("hands", "test", fingers="three")
    with pytest.raises(DataError, match="'hands' needs fingers"):
        load_dataset("hands", "test")
    with pytest.raises(DataError, match="'hands' has no use for: toes"):
        load_dataset("hands", "test", fingers=3, toes=1)

    config = TrainConfig(str(tmp_path / "out")).replace(dataset="hands", data_options={"fingers": 4})
    config = config.replace(**{name: getattr(run.config.training, name) for name in ("batch_size", "seed")})
    config = config.replace(options=dict(run.config.network.options), device="cpu", progress=False, max_epochs=1)
    train(config)
    assert {row[0] for row in asked[1:]} == {4}
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(SkelgraphError, match="data_options holds 'keypoints', which is a setting"):
        config.replace(data_options={"keypoints": "cpn"})
    with pytest.raises(SkelgraphError, match="data_options is 3; expected the values of options by their names"):
        config.replace(data_options=3)


def test_a_dataset_without_filters_refuses_them() -> None:
    @register_dataset("fixed", help="made of a list")
    def fixed(*, split: str, skeleton: Any, subjects: Any, unchecked: bool, downsample: int = 1) -> None:
        """Takes no other keyword."""

    assert DATASETS["fixed"].filters == ("downsample",)
    load_dataset("fixed", "test", downsample=2)
    with pytest.raises(DataError, match="'fixed' has no use for: actions, subset"):
        load_dataset("fixed", "test", actions=["walk"], subset=0.5, downsample=2)


def test_every_source_is_taken_by_some_dataset() -> None:
    """A setting whose name no data set has as a parameter would be refused of all."""
    sources = {member.name for _, member in TrainConfig.declared() if member.metadata["source"]}
    assert sources <= {option for info in DATASETS.values() for option in info.takes}


# --- all of them


def test_a_name_is_taken_once() -> None:
    with pytest.raises(SkelgraphError, match="schedule 'cosine' is registered already, by _cosine"):
        register_schedule("cosine", interval="step", help="x")(lambda optimizer: optimizer)
    with pytest.raises(SkelgraphError, match="loss 'mse' is registered already, by _mse"):
        register_loss("mse", unit="m", help="x")(lambda pred, target, visible=None: pred)
    with pytest.raises(SkelgraphError, match="dataset 'mocap' is registered already, by _mocap"):
        register_dataset("mocap", help="x")(lambda **options: None)


def test_what_an_entry_cannot_be() -> None:
    with pytest.raises(SkelgraphError, match="schedule 'x': interval is 'batch'; expected 'step' or 'epoch'"):
        register_schedule("x", interval="batch", help="x")(lambda optimizer: optimizer)  # type: ignore[arg-type]
    with pytest.raises(SkelgraphError, match="its function takes total_steps; expected optimizer, total, lr_decay"):
        register_schedule("x", interval="step", help="x")(lambda optimizer, total_steps: optimizer)
    with pytest.raises(SkelgraphError, match="loss 'x' does not take visible="):
        register_loss("x", unit="m", help="x")(torch.nn.functional.mse_loss)
    assert all("x" not in table for table in TABLES)


OWN = """
import torch
from torch.optim.lr_scheduler import StepLR
from skelgraph.datasets import SyntheticMocap, register_dataset
from skelgraph.models import FrameLifter, register_model
from skelgraph.nn import of_visible
from skelgraph.training import register_loss, register_schedule

@register_model("flat")
class Flat(FrameLifter):
    def __init__(self, skeleton="h36m17", slope: float = 0.2):
        super().__init__(skeleton)
        self.slope = slope
        self.head = torch.nn.Linear(2, 3)

    def lift_frame(self, x):
        return torch.nn.functional.leaky_relu(self.head(x), self.slope)

@register_dataset("quick", help="less of the generated motion")
def quick(**options):
    return SyntheticMocap(**{"downsample": 200, "seconds": 1.0} | options)

@register_loss("double", unit="m", help="twice the distance")
@of_visible
def double(pred, target):
    return 2 * (pred - target).norm(dim=-1).mean()

@register_schedule("stairs", interval="epoch", help="down every 20 epochs")
def stairs(optimizer, *, lr_decay):
    return StepLR(optimizer, 20, lr_decay)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a module of the user, from which the command line is called."""
    (tmp_path / "own_entries.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("own_entries", None)


def test_the_command_line_trains_with_entries_of_a_module(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = "--dataset quick --loss double --schedule stairs --max-epochs 1 --device cpu --no-progress --batch-size 4"
    command = ["train", *options.split(), "--option", "hidden_channels=8", "--out", "out"]
    assert main(command) == 2
    assert "dataset is 'quick'; expected 'synthetic', 'human36m', " in capsys.readouterr().err
    assert main([*command, "--import", "own_entries"]) == 0
    config = json.loads((module / "out" / "config.json").read_text())["config"]
    found = (config["data"]["dataset"], config["training"]["loss"], config["optimizer"]["schedule"])
    assert found == ("quick", "double", "stairs")
    again = ["train", "--resume", "--out", "out", "--max-epochs", "2", "--no-progress", "--import", "own_entries"]
    assert main(again) == 0  # the schedule does not depend on the length
    assert len(rows(module / "out")) == 2
    last = ["--checkpoint", "out/checkpoints/last.ckpt", "--out", "test", "--no-progress"]
    assert main(["evaluate", *last, "--import", "own_entries"]) == 0


def forget() -> None:
    """What a new process knows."""
    del sys.modules["own_entries"]
    for table, name in zip(TABLES, ("quick", "double", "stairs", "flat"), strict=True):
        del table[name]


def test_what_was_imported_is_kept_and_named_and_never_imported_by_a_file(
    module: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    options = "--model flat --max-epochs 1 --device cpu --threads 1 --no-progress --batch-size 4"
    data = "--data-option seconds=0.2 --downsample 10 --test-downsample 10"
    command = ["train", *options.split(), *data.split(), "--import", "own_entries"]
    assert main([*command, "--out", "own out"]) == 0
    config = json.loads((module / "own out" / "config.json").read_text())["config"]
    assert config["machine"]["imports"] == ["own_entries"]
    assert TrainConfig("").to_dict()["machine"]["imports"] is None
    last = "own out/checkpoints/last.ckpt"
    saved = load_model(last)
    assert saved.config["options"] == {"slope": 0.2}, "the default, which nobody gave"
    assert saved.config["trained_on"] == "synthetic"

    with pytest.raises(KeyboardInterrupt), claimed(Path("own out"), "train", resume=True, imports=("own_entries",)):
        raise KeyboardInterrupt
    assert caplog.messages[-1].endswith(": skelgraph train --resume --out 'own out' --import own_entries")
    (module / "plain").mkdir()
    (module / "plain" / "config.json").write_text("{}")
    with pytest.raises(KeyboardInterrupt), claimed(Path("plain"), "train", resume=True):
        raise KeyboardInterrupt
    assert caplog.messages[-1].endswith(": skelgraph train --resume --out plain")

    forget()
    capsys.readouterr()
    resume = ["train", "--resume", "--out", "own out", "--max-epochs", "1", "--no-progress"]
    evaluate = ["evaluate", "--weights", last, "--out", "test", "--no-progress"]
    export = ["export", "--weights", last, "--out", "x.pt2", "--format", "torch-export"]
    for again in (resume, evaluate, export, ["pack", "--weights", last, "--out", "packed.safetensors"]):
        assert main(again) == 2
        message = capsys.readouterr().err
        assert "unknown model 'flat'" in message
        assert "was made with --import own_entries" in message
        assert "own_entries" not in sys.modules
    assert main([*resume, "--import", "own_entries"]) == 0
    (module / "own_entries.py").write_text(OWN.replace("slope: float = 0.2", "slope: float = 0.9"))
    forget()
    pack = ["pack", "--weights", last, "--out", "packed.safetensors"]
    assert main([*pack, "--import", "own_entries"]) == 0
    packed = load_model("packed.safetensors")
    assert packed.slope == load_model(last).slope == 0.2
    assert packed.config["trained_on"] == "synthetic"


@pytest.mark.parametrize("imports", ["own_entries", [3], {"a": 1}, None, ["a b\x1b[2J"] * 100])
def test_names_of_imports_in_files_are_text(imports: Any) -> None:
    with pytest.raises(SkelgraphError, match=r"^gone") as caught, naming_imports({"machine": {"imports": imports}}):
        raise SkelgraphError("gone")
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", ["no_such_module_1", "own_entries.no", "", ".x", "a b", "x\x1b[2J"])
def test_a_module_that_is_none(module: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["models", "--import", name]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: --import is ")
    assert "there is no module of this name" in message
    assert "\x1b" not in message
