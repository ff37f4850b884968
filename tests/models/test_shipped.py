"""The weights that come with the package: their table, every way to name them, and what must not be taken for them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from skelgraph import CheckpointError, Lifter, SkelgraphError, create_model, load_model
from skelgraph.__main__ import main
from skelgraph.datasets import four_views, write_keypoints
from skelgraph.files import read_json
from skelgraph.lifting import LiftSettings, lift_file
from skelgraph.models import load_network, shipped, shipped_weights
from skelgraph.models.pretrained import save_weights
from skelgraph.training import NetworkConfig, TrainConfig
from skelgraph.training.evaluated import evaluated
from skelgraph.training.warm_start import warm_start

OPEN = shipped_weights()["open"]


def weights_of(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().reshape(-1) for parameter in model.parameters()])


@pytest.fixture(scope="module", name="network")
def _network() -> Any:
    return load_network(OPEN.path)


@pytest.mark.parametrize("name", shipped_weights())
def test_the_table_says_what_the_files_hold(name: str) -> None:
    about = shipped_weights()[name]
    network = load_network(name)
    assert (about.model, about.skeleton, about.frames) == (
        network.registered_name,
        network.skeleton.name,
        network.num_frames,
    )
    assert network.input_form == "rays"
    assert about.path.stat().st_size <= (4_000_000 if about.frames == 1 else 12_000_000)
    assert about.command.startswith("skelgraph ")
    assert "/" not in about.command, "no path of the machine that trained it"
    assert len(about.commit) == 40


def test_every_file_of_the_folder_is_in_the_table() -> None:
    files = {path.name for path in shipped.FOLDER.iterdir()} - {shipped.TABLE.name}
    assert files == {about.file for about in shipped_weights().values()}


def test_every_way_to_ask_for_them(network: Any) -> None:
    models = [
        Lifter().prediction.network,
        Lifter("open", model=OPEN.model, skeleton="h36m16").prediction.network,
        load_model("open"),
        load_network("open"),
        create_model(OPEN.model, pretrained="open"),
        create_model(OPEN.model, "h36m16", input_form="rays", pretrained="open", **network.config["options"]),
    ]
    for model in models:
        assert not model.training
        assert model.config == network.config
        torch.testing.assert_close(weights_of(model), weights_of(network), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (
            {"name": "sem_gcn"},
            rf"is a {OPEN.model}, expected a 'sem_gcn'; there are open: {OPEN.model}, {OPEN.skeleton}",
        ),
        ({"name": "semgcn"}, "unknown model 'semgcn'"),
        ({"pretrained": "opn"}, "unknown weights that come with skelgraph: 'opn'; did you mean open"),
        ({"pretrained": str(OPEN.path)}, "unknown weights that come with skelgraph"),
        ({"pretrained": ["open"]}, "unknown weights that come with skelgraph"),
        ({"skeleton": "h36m17"}, "'open' knows its network: skeleton is 'h36m16'"),
        ({"input_form": "screen"}, "'open' knows its network: input_form is 'rays'"),
        ({"in_channels": 2}, "'open' knows its network: in_channels is 3"),
        ({"out_channels": 2}, "'open' knows its network: out_channels is 3"),  # which the file leaves at its default
        ({"hiden_channels": 3}, "did you mean"),
    ],
)
def test_another_network_than_was_asked_for(asked: dict[str, Any], expected: str) -> None:
    with pytest.raises(SkelgraphError, match=expected):
        create_model(**{"name": OPEN.model, "pretrained": "open"} | asked)


def test_without_weights_the_defaults_are_as_they_were() -> None:
    model = create_model("sem_gcn", hidden_channels=8)
    assert model.training
    assert (model.skeleton.name, model.input_form) == ("h36m17", "screen")
    with pytest.raises(SkelgraphError, match="input_form is ''"):
        create_model("sem_gcn", input_form="")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_path_of_that_name_is_never_taken_silently(
    kind: str, network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = create_model("sem_gcn", "h36m16", hidden_channels=8)
    if kind == "file":
        save_weights(own, "open")
    else:
        own.save_pretrained("open")
    for load in (load_model, load_network, Lifter):
        with pytest.raises(CheckpointError, match=r"both the name of weights .* expected \./open for the path, or /"):
            load("open")
    for path in ("./open", Path("open"), str(tmp_path / "open")):
        assert load_network(path).registered_name == "sem_gcn"
    for model in (Lifter().prediction.network, load_network(OPEN.path), create_model(OPEN.model, pretrained="open")):
        assert model.config == network.config, "which are named without a path"


def test_damage_that_the_format_does_not_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bit of one weight."""
    shutil.copytree(shipped.FOLDER, tmp_path / "weights")
    path = tmp_path / "weights" / OPEN.file
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "weights")
    load_network(path)
    for load in (Lifter, lambda: load_network("open"), lambda: create_model(OPEN.model, pretrained="open")):
        with pytest.raises(CheckpointError, match=rf"{OPEN.file} is damaged, or another file than skelgraph came with"):
            load()
    path.unlink()
    with pytest.raises(CheckpointError, match=r"safetensors: there is no such file"):
        Lifter()


def test_a_table_that_is_none(tmp_path: Path) -> None:
    table = tmp_path / "weights.json"
    for text, expected in (("[]", "expected names with"), ('{"open": {"file": "x"}}', "expected names with")):
        table.write_text(text)
        with pytest.raises(SkelgraphError, match=expected):
            shipped.read_shipped(table)


def test_lifting_without_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_keypoints(tmp_path / "walk.npz", four_views()["cam02"].detections)
    files = ["--input", str(tmp_path / "walk.npz"), "--out", str(tmp_path / "out")]
    assert main(["lift", *files, "--format", "json"]) == 0
    told = capsys.readouterr().out
    assert f"weights: open, which come with skelgraph: {OPEN.model} of 1 frame, {OPEN.skeleton}" in told
    assert read_json(tmp_path / "out" / "lift.json", SkelgraphError)["weights"] == OPEN.sha256
    named = lift_file(tmp_path / "walk.npz", tmp_path / "named", LiftSettings.of("open", format=("json",)))
    assert named["weights"] == OPEN.sha256
    files_of = [(tmp_path / folder / "person0.json").read_bytes() for folder in ("out", "named")]
    assert files_of[0] == files_of[1]
    create_model("sem_gcn", hidden_channels=8).save_pretrained(tmp_path / "own")
    assert main(["lift", *files, "--weights", str(tmp_path / "own"), "--format", "json", "--overwrite"]) == 0
    assert "weights:" not in capsys.readouterr().out


def test_commands_take_their_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--dataset", "synthetic", "--test-subjects", "S9"]
    assert main(["visualize", "--weights", "open", *data, "--limit", "2", "--out", str(tmp_path / "a.gif")]) == 0
    assert "a.gif: 2 frames" in capsys.readouterr().out
    assert main(["export", "--weights", "opne", "--out", str(tmp_path / "a.onnx")]) == 2
    assert "opne: there is no such file" in capsys.readouterr().err


def test_training_starts_from_them(network: Any) -> None:
    model = create_model(OPEN.model, "h36m16", input_form="rays", **network.config["options"])
    about = NetworkConfig(OPEN.model, network.config["options"], input_form="rays", init_from="open")
    warm_start(TrainConfig("", about), model, None)
    torch.testing.assert_close(weights_of(model), weights_of(network), rtol=0, atol=0)


def test_the_judgement_of_their_name(tmp_path: Path) -> None:
    judged = evaluated("open", tmp_path, None, None, {}, {"dataset": "synthetic"})
    assert (judged.config.network.model, judged.config.network.input_form) == (OPEN.model, "rays")
    assert judged.model.skeleton == judged.config.data.skeleton
