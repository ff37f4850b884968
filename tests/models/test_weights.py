"""Weights of any origin, told by their content: networks and refinement heads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.models import (
    PoseLifter,
    create_model,
    load_expected_error,
    load_head,
    load_model,
    load_network,
    load_official,
)
from skelgraph.models.pretrained import load_weights, save_weights
from skelgraph.models.weights import origin_of
from skelgraph.nn import PostRefine


def same(first: nn.Module, second: nn.Module) -> bool:
    states = first.state_dict(), second.state_dict()
    return states[0].keys() == states[1].keys() and all(
        torch.equal(states[0][key], states[1][key]) for key in states[0]
    )


@pytest.fixture
def official(golden: Any, tmp_path: Path) -> Path:
    """Of 16 joints, as the authors' script saves it, under a name that says otherwise."""
    path = tmp_path / "last.ckpt"
    torch.save({"epoch": 6, "state_dict": golden("rs_net_model").state_dict(), "lr": 1e-3}, path)
    return path


@pytest.fixture
def head(golden: Any, tmp_path: Path) -> Path:
    path = tmp_path / "head.safetensors"  # by name one of ours
    torch.save(golden("rs_net_post_refine").state_dict(), path)
    return path


def run_checkpoint(path: Path, head: PostRefine | None = None) -> nn.Module:
    model = create_model("sem_gcn", "h36m16", hidden_channels=8, num_blocks=1).eval()
    config = {
        "network": {"model": "sem_gcn", "options": {"hidden_channels": 8, "num_blocks": 1}},
        "data": {"skeleton": "h36m16"},
    }
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    if head is not None:
        config["refinement"] = {"refine_channels": head.hidden.out_features, "refine_dropout": head.dropout.p}
        state |= {f"refine.{key}": value for key, value in head.state_dict().items()}
    torch.save({"skelgraph": {"config": config}, "state_dict": state}, path)
    return model


def test_the_content_tells_the_origin(official: Path, head: Path, tmp_path: Path) -> None:
    expected = load_official("rs_net", official)
    assert same(load_network(official, "rs_net"), expected)
    assert load_network(official, "rs_net", "h36m16", dropout=0.5).config["options"]["dropout"] == 0.5

    own = tmp_path / "model_rsnet_5_eva_xyz_3728.pth"  # by name one of the authors'
    save_weights(expected, own)
    for name in (None, "rs_net"):
        assert same(load_network(own, name), expected)
    expected.save_pretrained(tmp_path / "folder")
    assert same(load_network(tmp_path / "folder"), expected)

    run = tmp_path / "ckpt.pth.tar"
    trained = run_checkpoint(run)
    assert same(load_network(run, skeleton="h36m16"), trained)
    origins = {official: "official", head: "official", own: "pretrained", tmp_path / "folder": "pretrained", run: "run"}
    assert {path: origin_of(path) for path in origins} == origins


def test_the_folder_of_a_run_is_told_from_one_of_weights(tmp_path: Path) -> None:
    checkpoints = tmp_path / "mine" / "checkpoints"
    checkpoints.mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"mine is the folder of a run, .* its checkpoints: there is none yet"):
        load_model(checkpoints.parent)
    trained = run_checkpoint(checkpoints / "last.ckpt")
    (checkpoints / "best.ckpt").write_bytes((checkpoints / "last.ckpt").read_bytes())
    for load in (load_model, load_network, origin_of):
        with pytest.raises(CheckpointError, match=r"its checkpoints: checkpoints/best\.ckpt, checkpoints/last\.ckpt$"):
            load(checkpoints.parent)
    trained.save_pretrained(checkpoints.parent)
    assert same(load_model(checkpoints.parent), trained), "weights that were put there"


def test_a_folder_without_weights_says_what_is_in_it(official: Path, tmp_path: Path) -> None:
    """In every way of loading; safetensors of other people name the function that takes them."""
    checkpoints, others, foreign = tmp_path / "run" / "checkpoints", tmp_path / "others", tmp_path / "foreign"
    for folder in (checkpoints, others, foreign, tmp_path / "empty"):
        folder.mkdir(parents=True)
    for folder in ("dangling", "folder/model.safetensors"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "dangling" / "model.safetensors").symlink_to(tmp_path / "nothing")
    trained = run_checkpoint(checkpoints / "last.ckpt")
    save_weights(trained, others / "mine.safetensors")
    (others / "notes.txt").touch()
    expected = load_official("rs_net", official)
    save_file(torch.load(official, weights_only=True)["state_dict"], foreign / "model.safetensors")
    wrong = {
        checkpoints: r"checkpoints is a folder without model\.safetensors, .* a file of weights: last\.ckpt$",
        others: r"a file of weights: mine\.safetensors$",
        tmp_path / "empty": "a file of weights: there is none in it$",
        others / ("x" * 5000): r"x…(: cannot be read: File name too long| is no file and neither)",
        tmp_path / "dangling": r"model\.safetensors: there is no such file",
        tmp_path / "folder": r"model\.safetensors(: cannot be read: it is| is) a folder",
        foreign: r"not written by save_pretrained; .* skelgraph\.load_official\(name, safetensors\.torch\.load_file",
    }
    loaders = (load_model, PoseLifter.from_pretrained, load_network, load_expected_error)
    for folder, message in wrong.items():
        for load in (*loaders, lambda path: load_head(path, "h36m16")):
            with pytest.raises(CheckpointError, match=message):
                load(folder)
    assert same(load_official("rs_net", load_file(foreign / "model.safetensors")), expected)


def test_a_head_is_converted_and_loaded(head: Path, tmp_path: Path) -> None:
    expected = load_official("post_refine", head, "h36m16", dropout=0.25)
    save_weights(expected, tmp_path / "converted")
    again = load_head(tmp_path / "converted", "h36m16")
    assert same(again, expected)
    assert same(again, load_head(head, "h36m16"))
    assert (again.dropout.p, again.hidden.out_features, again.training) == (0.25, expected.hidden.out_features, False)
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(tmp_path / "converted", folder / "model.safetensors")
    assert same(load_head(folder, "h36m16"), expected)
    run_checkpoint(tmp_path / "two modules", expected)
    assert same(load_head(tmp_path / "two modules", "h36m16"), expected)


def test_the_real_head_is_converted(shared_dir: Any, tmp_path: Path) -> None:
    real = shared_dir("real") / "ckpt_modulated_gcn_benchmark_post_refine.pth"
    expected = load_official("post_refine", real)
    save_weights(expected, tmp_path / "head")
    again = load_head(tmp_path / "head", "h36m17")
    assert same(again, expected)
    assert sum(p.numel() for p in again.parameters()) == 140_322


def test_what_does_not_fit_is_refused(official: Path, head: Path, tmp_path: Path) -> None:
    own, own_head, run = tmp_path / "own", tmp_path / "own_head", tmp_path / "run"
    save_weights(create_model("sem_gcn", "h36m16", hidden_channels=8), own)
    save_weights(PostRefine("h36m16", hidden_channels=4), own_head)
    run_checkpoint(run)
    cases: list[tuple[Any, type[Exception], str]] = [
        (lambda: load_network(official), SkelgraphError, "does not say what network it holds: expected model, its"),
        (lambda: load_network(official, "sem_gcn"), CheckpointError, "not an official sem_gcn checkpoint"),
        (lambda: load_network(own, "rs_net"), CheckpointError, "holds weights of sem_gcn, expected those of rs_net"),
        (lambda: load_network(run, "rs_net"), CheckpointError, "holds weights of sem_gcn, expected those of rs_net"),
        (lambda: load_network(own, None, "h36m17"), CheckpointError, "'h36m16' of 16 joints, expected 'h36m17' of 17"),
        (lambda: load_network(own, hidden_channels=8), SkelgraphError, "knows the options of its network: leave out"),
        (lambda: load_network(own_head), CheckpointError, "holds a PostRefine, expected a network"),
        (lambda: load_model(own_head), CheckpointError, "holds a PostRefine, expected a network"),
        (lambda: load_head(head, "h36m17"), CheckpointError, "does not fit PostRefine: misshapen tensors"),
        (lambda: load_head(own_head, "h36m17"), CheckpointError, "of 16 joints, expected 'h36m17' of 17"),
        (lambda: load_head(own, "h36m16"), CheckpointError, "holds a SemGCN, expected a refinement head"),
        (lambda: load_head(official, "h36m16"), CheckpointError, "not an official post_refine checkpoint"),
        (lambda: load_head(run, "h36m16"), CheckpointError, "of a run without a refinement head"),
        (lambda: load_head(tmp_path / "none", "h36m16"), CheckpointError, "there is no such file"),
    ]  # fmt: skip
    for call, error, words in cases:
        with pytest.raises(error, match=words):
            call()


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"options": {"width": 3}}, "unusable configuration.*width"),
        ({"options": {"hidden_channels": -1}}, "hidden_channels is -1"),
        ({"options": {"hidden_channels": 5}}, r"hidden.weight: found \(4, 96\), expected \(5, 96\)"),
        ({"name": "pre_refine"}, "unknown model 'pre_refine'"),
        ({"name": ["post_refine"]}, "unusable configuration"),
    ],
)
def test_damaged_head_files(about: dict[str, Any], words: str, tmp_path: Path) -> None:
    import json

    from safetensors.torch import save_file

    config = {"name": "post_refine", "skeleton": "h36m16", "options": {"hidden_channels": 4}} | about
    state = PostRefine("h36m16", hidden_channels=4).state_dict()
    save_file(state, tmp_path / "head", metadata={"skelgraph": json.dumps(config)})
    with pytest.raises(CheckpointError, match=words):
        load_weights(tmp_path / "head")
