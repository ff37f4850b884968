"""`skelgraph recipes`, `train --recipe` and `reproduce`: what they print, write and refuse."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import matplotlib as mpl
import published_files
import pytest

from skelgraph.__main__ import main
from skelgraph.recipes import list_recipes, read_recipe

mpl.use("agg")
pytestmark = pytest.mark.usefixtures("quick_reports")

SMALL = "--option hidden_channels=4 --option num_blocks=1 --max-epochs 1 --device cpu --no-progress"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    published_files.human36m(folder)
    return folder


def run(command: str) -> int:
    return main(shlex.split(command))


def words(printed: str) -> str:
    return " ".join(printed.split())


def test_the_list(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert run("recipes") == 0
    printed = capsys.readouterr().out
    rows = {line.split("│")[1].strip(): line for line in printed.splitlines() if line.startswith("│")}
    assert sorted(rows) == list_recipes()
    for name, row in rows.items():
        recipe = read_recipe(name)
        cells = [cell.strip() for cell in row.split("│")[1:-1]]
        assert cells[:3] == [name, recipe.config.data.keypoints, str(recipe.published.frames)]
        assert cells[4] == ("yes" if recipe.published.exact else "no")
    assert "47.00 / 38.60" in rows["rs_net_h36m_hr_refine"]
    assert "44.14 / -" in rows["mlp_graph_h36m_hr_f243_refine"]
    assert "85.6 / 53.2" in rows["rs_net_3dhp_gt"]


@pytest.mark.parametrize("name", list_recipes())
def test_one_recipe(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    recipe = read_recipe(name)
    assert run(f"recipes {name}") == 0
    printed = words(capsys.readouterr().out)
    for part in (recipe.about, recipe.published.source, recipe.published.paper, *recipe.published.reasons):
        assert words(part) in printed
    for stage in recipe.stages:
        assert f" {stage.training.loss} " in printed
    assert ("All settings are as published." in printed) == recipe.published.exact


def test_training_by_a_recipe(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    data = f"--data-3d {files / 'data_3d_h36m.npz'}"
    assert run(f"train --recipe any_gcn_dc_preagg_h36m_cpn {data} {SMALL} --lr 0.002 --out {out}") == 0
    printed = words(capsys.readouterr().out)
    assert "Not exactly as published: not published: training of the paper" in printed
    assert "That the number belongs to these settings is not certain." in printed
    assert "Changed: lr is 0.002, not 0.001." in printed
    config = json.loads((out / "config.json").read_text())["config"]
    recipe = read_recipe("any_gcn_dc_preagg_h36m_cpn").config
    assert config["network"]["options"] == {**recipe.network.options, "hidden_channels": 4, "num_blocks": 1}
    assert config["optimizer"] == {**recipe.to_dict()["optimizer"], "lr": 0.002}
    assert config["training"] == {**recipe.to_dict()["training"], "max_epochs": 1}
    assert run(f"train --resume --out {out} --no-progress") == 0


def test_two_stages_by_hand(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = f"train --recipe modulated_gcn_h36m_cpn_refine --data-3d {files / 'data_3d_h36m.npz'} {SMALL}"
    assert run(f"{command} --out {tmp_path / 'first'}") == 0
    assert "This is the first of two stages" in words(capsys.readouterr().out)
    best = tmp_path / "first" / "checkpoints" / "best.ckpt"
    assert run(f"{command} --refine-channels 8 --init-from {best} --out {tmp_path / 'second'}") == 0
    assert "first of two stages" not in words(capsys.readouterr().out)
    first, second = (json.loads((tmp_path / out / "metrics.json").read_text()) for out in ("first", "second"))
    assert "refined_true_depth" not in first["rows"]
    assert "refined_true_depth" in second["rows"]


def test_reproducing(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    command = f"reproduce sem_gcn_h36m_gt --data-root {files} {SMALL} --out {out}"
    assert run(command) == 0
    printed = words(capsys.readouterr().out)
    result = json.loads((out / "reproduction.json").read_text())
    ours = result["ours"]["mpjpe_mm"]
    assert f"MPJPE (mm) │ 42.14 │ {ours:.2f} │ {ours - 42.14:+.2f}" in printed
    assert "With other settings than the recipe: options, max_epochs." in printed
    assert "All settings are as published." not in printed
    assert "Changed: max_epochs is 1, not" in printed
    assert run(command) == 0  # nothing is left to do
    assert words(capsys.readouterr().out).endswith(printed[-200:])

    sparse = "--dataset synthetic --downsample 200 --test-downsample 200"
    assert run(f"reproduce sem_gcn_h36m_gt {sparse} {SMALL} --out {tmp_path / 'open'}") == 0
    printed = words(capsys.readouterr().out)
    assert "On other data: not comparable to the published number." in printed
    result = json.loads((tmp_path / "open" / "reproduction.json").read_text())
    assert f"│ 42.14 │ {result['ours']['mpjpe_mm']:.2f} │ │" in printed


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("train --recipe rs_net_gt", "unknown recipe 'rs_net_gt'; did you mean rs_net_h36m_gt"),
        ("train --recipe rs_net_h36m_gt --config x.yaml", "--config and --recipe both are settings to start from"),
        ("train --recipe rs_net_h36m_gt --resume --out x", "leave out --config and --recipe"),
        ("train --recipe rs_net_h36m_gt", "needs --data-3d"),
        ("recipes rs_net", "unknown recipe 'rs_net'"),
        ("reproduce rs_net_h36m_gt", "name their folder (data-root)"),
        ("reproduce rs_net_h36m_gt --data-root /nowhere", "/nowhere has no data_3d_h36m.npz"),
        ("reproduce", "NAME"),
        ("reproduce rs_net_h36m_gt --init-from x", "init-from"),
    ],
)
def test_refusals(command: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command) == 2
    printed = capsys.readouterr()
    assert message in words(printed.err)
