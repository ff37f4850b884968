"""Every recipe trains one epoch on small files in the layout of its own data, with all its stages and its test."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import published_files
import pytest
import torch
from published_files import TINY

from skelgraph.errors import SkelgraphError
from skelgraph.recipes import list_recipes, read_recipe, reproduce
from skelgraph.training import load_checkpoint, run

mpl.use("agg")
pytestmark = pytest.mark.usefixtures("quick_reports")


def small(name: str) -> dict[str, Any]:
    """Settings that make a recipe small; what decides how it trains stays."""
    config = read_recipe(name).config
    settings = {"max_epochs": 1, "device": "cpu", "progress": False, "options": TINY[config.network.model]}
    if config.refinement.refine:
        settings["refine_channels"] = 8
    if config.network.model == "hgn":
        settings |= {"train_subjects": ("S1",), "test_subjects": ("S9", "S11")}
    return settings


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of all data sets."""
    folder = tmp_path_factory.mktemp("published")
    published_files.human36m(folder)
    published_files.mpi_inf_3dhp(folder)
    published_files.hgn(folder)
    return folder


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pictures of a report take longer than these trainings; what is measured is written."""
    monkeypatch.setattr(run, "write_report", lambda out, metrics, *_: run.write_json(out / "metrics.json", metrics))


@pytest.mark.parametrize("name", [name for name in list_recipes() if name != "open_lifter"])
def test_one_epoch(name: str, files: Path, tmp_path: Path, require: Callable[[str], Any]) -> None:
    recipe = read_recipe(name)
    if recipe.config.network.model == "hgn":
        require("smplx")
    result = reproduce(name, tmp_path, data_root=files, **small(name))
    assert result == json.loads((tmp_path / "reproduction.json").read_text())
    assert result["published"] == recipe.numbers
    assert result["comparable"]
    assert set(result["changes"]) == small(name).keys() - {"device", "progress"}
    assert (result["exact"], result["reasons"]) == (recipe.published.exact, list(recipe.published.reasons))
    assert all(np.isfinite(number) and number >= 0 for number in result["ours"].values())
    folders = [f"stage-{i}" for i in range(1, len(recipe.stages) + 1)] + ["test"] * bool(recipe.test)
    assert [Path(folder).relative_to(tmp_path).as_posix() for folder in result["runs"]] == folders
    last = json.loads((tmp_path / folders[-1] / "metrics.json").read_text())
    assert last["mpjpe_mm"] == result["ours"]["mpjpe_mm"]
    assert ("refined_true_depth" in last["rows"]) == recipe.config.refinement.refine
    if "dataset" in recipe.test:
        assert last["dataset"]["name"] == f"mpi_inf_3dhp ({recipe.test['variant']})"
        assert last["dataset"]["frames"] == {"graphmlp": 54, "poseaug": 2929}[recipe.test["variant"]]


def test_the_second_stage_starts_from_the_best_weights_of_the_first(files: Path, tmp_path: Path) -> None:
    """Network as it was, head anew, own learning rate."""
    name = "graph_mlp_h36m_cpn_f1_refine"
    reproduce(name, tmp_path, data_root=files, **small(name) | {"max_epochs": 2})
    configs = [json.loads((tmp_path / f"stage-{i}" / "config.json").read_text())["config"] for i in (1, 2)]
    best = tmp_path / "stage-1" / "checkpoints" / "best.ckpt"
    assert [config["network"]["init_from"] for config in configs] == [None, str(best)]
    assert [config["optimizer"]["lr"] for config in configs] == [1e-3, 1e-5]
    assert [config["refinement"]["refine"] for config in configs] == [False, True]
    first, second = (
        load_checkpoint(tmp_path / f"stage-{i}" / "checkpoints" / "best.ckpt")["state_dict"] for i in (1, 2)
    )
    for key, weights in first.items():
        torch.testing.assert_close(second[key], weights, rtol=0, atol=1e-3)  # a few steps of 1e-5
    assert sum(not torch.equal(second[key], weights) for key, weights in first.items()) > 10


def test_it_goes_on_where_it_was_stopped(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "st_gcn_h36m_cpn_f3_refine"
    whole = reproduce(name, tmp_path / "whole", data_root=files, **small(name))

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("skelgraph.training.module.PostRefine.forward", stop)  # in the second stage
        with pytest.raises(KeyboardInterrupt):
            reproduce(name, tmp_path / "stopped", data_root=files, **small(name))
    assert not (tmp_path / "stopped" / "reproduction.json").exists()
    finished = (tmp_path / "stopped" / "stage-1" / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    again = reproduce(name, tmp_path / "stopped", data_root=files, **small(name))
    assert again["ours"] == whole["ours"]
    assert (tmp_path / "stopped" / "stage-1" / "checkpoints" / "last.ckpt").stat().st_mtime_ns == finished
    with pytest.raises(SkelgraphError, match=r"cannot be resumed with other settings: .*seed was 1, now 3"):
        reproduce(name, tmp_path / "stopped", data_root=files, **small(name), seed=3)


def test_missing_files_are_listed_before_anything_is_written(files: Path, tmp_path: Path) -> None:
    empty, out = tmp_path / "empty", tmp_path / "out"
    empty.mkdir()
    with pytest.raises(SkelgraphError, match=r"has no data_3d_h36m\.npz, no data_2d_h36m_hr\.npz; .*data prepare"):
        reproduce("rs_net_h36m_hr_refine", out, data_root=empty)
    with pytest.raises(SkelgraphError, match=r"human36m' is made of data_3d_h36m\.npz, data_2d_h36m_gt\.npz: name"):
        reproduce("rs_net_h36m_gt", out)
    for file in ("data_3d_h36m.npz", "data_2d_h36m_gt.npz"):
        (empty / file).symlink_to(files / file)
    with pytest.raises(SkelgraphError, match=r"has no data_3d_3dhp\.npz, no data_2d_3dhp\.npz; .*mpi_inf_3dhp"):
        reproduce("nehs_net_3dhp_gt_f1", out, data_root=empty)
    with pytest.raises(SkelgraphError, match=re.escape("no test_3dhp.npz or 3DHP_test.npz")):
        reproduce("mlp_graph_3dhp_gt_f1", out, data_root=empty)
    with pytest.raises(SkelgraphError, match=r"has no annotations, no smpl; .*https://smpl\.is\.tue\.mpg\.de"):
        reproduce("hgn_h36m_gt", out, data_root=empty)
    assert not out.exists()


def test_true_keypoints_are_projected_where_there_is_no_file_of_them(files: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "data_3d_h36m.npz").symlink_to(files / "data_3d_h36m.npz")
    name = "sem_gcn_h36m_gt"
    ours = [reproduce(name, tmp_path / root.name, data_root=root, **small(name))["ours"] for root in (files, alone)]
    assert ours[0]["mpjpe_mm"] == pytest.approx(ours[1]["mpjpe_mm"], rel=1e-3)


def test_open_motion_in_the_place_of_licensed_data(tmp_path: Path) -> None:
    """Without any file; nothing that speaks of the files of Human3.6M is left, and the number is not comparable."""
    changes = {"dataset": "synthetic", "data_options": {"seconds": 0.4}, "downsample": 20, "test_downsample": 20}
    result = reproduce("rs_net_3dhp_gt", tmp_path / "rs_net", **small("rs_net_3dhp_gt"), **changes)
    assert not result["comparable"]
    assert result["changes"]["dataset"] == ["human36m", "synthetic"]
    assert [Path(folder).name for folder in result["runs"]] == ["stage-1"]
    options = {"options": {"hidden_channels": 4}}
    body = reproduce("hgn_h36m_gt", tmp_path / "hgn", max_epochs=1, device="cpu", progress=False, **changes, **options)
    assert not body["comparable"]
