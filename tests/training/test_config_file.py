"""Settings in a file: what a run wrote, or what somebody typed."""

from __future__ import annotations

import copy
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_mocap import Run

from skelgraph.__main__ import main
from skelgraph.datasets import load_dataset, read_motion_file
from skelgraph.errors import SkelgraphError
from skelgraph.topology import Skeleton, as_skeleton
from skelgraph.training import NetworkConfig, TrainConfig, read_config

PAGE = Path(__file__).parents[2] / "docs" / "training.md"
ARM = """HIERARCHY
ROOT Shoulder {
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
  JOINT Hand {
    OFFSET 0.3 0 0
    CHANNELS 3 Zrotation Yrotation Xrotation
    End Site {
      OFFSET 0.1 0 0
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.04
0 1 0 0 0 0 0 0 0
0 1 0 20 0 0 10 0 0
0 1 0 40 0 0 20 0 0
"""
YAML = """
# how it is done
network: {model: rs_net, options: {hidden_channels: 16}}
data:
  train_subjects: [S1, S5]
  test_downsample: 5
optimizer:
  lr: 1e-3
  schedule: cosine
training:
  flip: false
"""


def test_the_page_lists_every_setting_in_its_group() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+)", PAGE.read_text("utf-8"), re.MULTILINE)
    listed = {group: re.findall(r"`(\w+)`", names) for group, names in rows}
    groups: dict[str, list[str]] = {}
    for group, member in TrainConfig.declared():
        groups.setdefault(group, []).append(member.name)
    assert {group: listed.get(group) for group in groups} == groups


def test_a_setting_in_the_place_of_its_group_says_where_it_belongs() -> None:
    with pytest.raises(TypeError, match=r"network=NetworkConfig\(model=.*TrainConfig\(...\)\.replace\(model="):
        TrainConfig("runs/z", model="sem_gcn")
    with pytest.raises(TypeError, match="unexpected keyword argument 'modle'"):
        TrainConfig("runs/z", modle="sem_gcn")
    config = TrainConfig("runs/z", network=NetworkConfig("rs_net"))
    assert copy.deepcopy(config) == pickle.loads(pickle.dumps(config)) == config


def test_yaml(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(YAML)
    config = read_config(tmp_path / "mine.yaml")
    expected = TrainConfig("").replace(
        model="rs_net", options={"hidden_channels": 16}, train_subjects=("S1", "S5"), test_downsample=5,
        lr=1e-3, schedule="cosine", flip=False,
    )  # fmt: skip
    assert config == expected
    (tmp_path / "mine.json").write_text(json.dumps(config.to_dict()))
    assert read_config(tmp_path / "mine.json") == config


def test_the_config_of_a_run_makes_the_same_run(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = run.out / "config.json"
    assert read_config(written) == run.config
    assert main(["train", "--config", str(written), "--out", str(tmp_path / "again")]) == 0
    again = json.loads((tmp_path / "again" / "metrics.json").read_text())
    assert {**again, "seconds": 0} == {**json.loads(json.dumps(run.metrics)), "seconds": 0}
    before = json.loads(written.read_text())["config"]
    after = json.loads((tmp_path / "again" / "config.json").read_text())["config"]
    assert after == before | {"out": str(tmp_path / "again")}
    capsys.readouterr()
    assert main(["train", "--config", str(written)]) == 2  # the folder that it names
    assert "holds a run already: resume it (--resume), replace it (--overwrite)" in capsys.readouterr().err


def test_options_override_the_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from skelgraph import training

    (tmp_path / "mine.yaml").write_text(YAML)
    configs: list[TrainConfig] = []

    def instead(config: TrainConfig, **options: Any) -> dict[str, Any]:
        configs.append(config)
        raise SkelgraphError("enough")

    monkeypatch.setattr(training, "train", instead)
    file = ["--config", str(tmp_path / "mine.yaml")]
    assert main(["train", *file, "--lr", "0.5", "--flip", "--test-downsample", "none", "--train-subjects", "A,B"]) == 2
    expected = read_config(tmp_path / "mine.yaml").replace(
        lr=0.5, flip=True, test_downsample=None, train_subjects=("A", "B"), out=configs[0].out
    )
    assert configs == [expected]
    assert configs[0].out.startswith("runs/rs_net-synthetic-")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr: 1", "the setting lr belongs into the group 'optimizer'"),
        ("training: {lr: 1}", "the setting lr belongs into the group 'optimizer', not 'training'"),
        ("optimiser: {lr: 1}", "unknown setting 'optimiser'; did you mean optimizer"),
        ("optimizer: {learning_rate: 1}", "unknown setting of optimizer: 'learning_rate'"),
        ("optimizer: {lr: .nan}", "lr is nan; expected a number above 0"),
        ("optimizer: {lr: fast}", "lr is 'fast'; expected a number above 0"),
        ("training: {flip: 'False'}", "flip is 'False'; expected true or false or none"),
        ("training: {flip: 0}", "flip is 0; expected true or false or none"),
        ("training: {seed: 1.5}", "seed is 1.5"),
        ("training: 3", "training is 3; expected its settings by their names"),
        ("data: {train_subjects: S1}", "train-subjects is 'S1'; expected a sequence"),
        ("data: {dataset: mocop}", "did you mean 'mocap'"),
        ("optimizer: {schedule: kosine}", "did you mean 'cosine'"),
        ("network: {options: [1]}", "options is .1."),
        ("[1, 2]", "the settings are .1, 2."),
        ("", "the settings are None"),
        ("out: 3", "out is 3; expected a text"),
        ("a: &a [1]\nb: *a", "alias"),
    ],
    ids=str,
)
def test_a_message_names_the_file_and_the_setting(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong.yaml").write_text(text)
    with pytest.raises(SkelgraphError, match=rf"wrong\.yaml: .*{message}"):
        read_config(tmp_path / "wrong.yaml")
    assert main(["train", "--config", str(tmp_path / "wrong.yaml"), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_settings_of_a_resumed_run_are_its_own(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--resume", "--out", str(run.out), "--config", "x.yaml"]) == 2
    assert "--resume continues a run with its own settings: leave out --config" in capsys.readouterr().err


def test_a_name_belongs_to_one_group() -> None:
    """The command line and `replace` know settings by their names alone."""
    names = [member.name for _, member in TrainConfig.declared()]
    assert len(set(names)) == len(names)
    assert not {"out", "config", "resume", "overwrite", "import", "option", *TrainConfig.groups()} & set(names)


def test_settings_are_copied() -> None:
    options = {"dropout": 0.1}
    config = TrainConfig("x").replace(options=options)
    options["dropout"] = 0.5
    assert config.network.options == {"dropout": 0.1}
    with pytest.raises(SkelgraphError, match="unknown setting 'learning_rate'"):
        config.replace(learning_rate=1)


def test_settings_are_declared_without_pytorch() -> None:
    code = (
        "import sys, skelgraph, skelgraph.cli, skelgraph.training\n"
        "assert not {'torch', 'lightning', 'torch_geometric'} & set(sys.modules)\n"
        "import skelgraph.datasets\n"
        "for package in (skelgraph, skelgraph.datasets, skelgraph.training):\n"
        "    assert all(getattr(package, name) is not None for name in package.__all__), package\n"
        "    assert not hasattr(package, 'no_such_name')\n"
        "assert skelgraph.models.create_model is skelgraph.create_model\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


def test_a_skeleton_of_a_file_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a file stands for the skeleton, read once: of a JSON file, or the joints of a motion file."""
    monkeypatch.chdir(tmp_path)
    claw = Skeleton([None, "palm", "palm"], ["palm", "thumb", "index"], name="claw")
    Path("claw.json").write_text(json.dumps(claw.to_dict()))
    Path("settings.yaml").write_text("data: {skeleton: claw.json}\n")
    config = read_config("settings.yaml")
    Path("claw.json").unlink()
    assert config.data.skeleton == claw
    assert as_skeleton(config.to_dict()["data"]["skeleton"]) == claw
    with pytest.raises(SkelgraphError, match=r"settings\.yaml: claw\.json: there is no such file"):
        read_config("settings.yaml")
    Path("arm.bvh").write_text(ARM)
    assert TrainConfig("").replace(skeleton="arm.bvh").data.skeleton == read_motion_file("arm.bvh").skeleton("arm")
    data = load_dataset("motion", "train", data_3d="arm.bvh", skeleton="arm.bvh", subjects=["arm"], up="y", unit="m")
    assert data.skeleton.joint_names == ("Shoulder", "Hand", "Hand_end")
