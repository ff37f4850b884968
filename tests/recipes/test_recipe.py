"""The recipes: what they say, whether it is all, and whether it agrees with the networks and with what is published."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.files.yaml_text import read_yaml
from skelgraph.models import create_model
from skelgraph.recipes import list_recipes, read_recipe
from skelgraph.recipes import recipe as module
from skelgraph.recipes.recipe import changed, differences
from skelgraph.training import TrainConfig

FOLDER = Path(module.__file__).parent
ALL = [name for name in list_recipes() if name != "open_lifter"]  # which is this library's own
STATED = {
    "network": {"model", "options"},
    "data": {"dataset", "keypoints", "skeleton"},
    "training": {"max_epochs", "batch_size", "loss", "flip", "seed"},
    "optimizer": {"lr", "amsgrad", "schedule", "lr_decay", "weight_decay", "clip_grad"},
    "evaluation": {"flip_test", "root", "select"},
    "refinement": {
        *("refine", "refine_channels", "refine_dropout", "refine_loss", "refine_dropout_at_test", "root_depth"),
    },
}
"""What a recipe says itself, so that another default of the library changes none."""
BY_SCHEDULE = {
    "step_power": {"lr_every"},
    "alternating": {"lr_every", "lr_large_decay"},
    "every": {"lr_every"},
    "multistep": {"lr_milestones"},
    "exponential": set(),
}
STEP_POWER = "lr=lr0*{}^(step/{}), rewritten at step 1 and at every multiple of {}, constant between"
SCHEDULES: dict[str, tuple[Any, ...]] = {
    STEP_POWER.format("0.96", 100000, 100000): ("step_power", 0.96, 100000),
    STEP_POWER.format("0.80", 100000, 100000).replace("0.80", "0.8"): ("step_power", 0.8, 100000),
    STEP_POWER.format("0.96", 25000, 25000): ("step_power", 0.96, 25000),
    "after epoch e: x0.5 if e%3==0 else x0.95": ("alternating", 0.95, 3),
    "after epoch e: x0.5 if e%5==0 else x0.95": ("alternating", 0.95, 5),
    "after epoch e: x0.9 if e%4==0, else unchanged": ("every", 0.9, 4),
    "x0.9 at 20,40,...,140": ("multistep", 0.9, None),
    "x0.95 per epoch; BN momentum 0.1*exp(-(e/E) ln 100)": ("exponential", 0.95, None),
    "x0.98 per epoch": ("exponential", 0.98, None),
}
"""What the table of published results calls a schedule, and what it is here."""
WIDTHS = {
    **dict.fromkeys(("martinez", "sem_gcn", "hgcn", "hoif_net", "hgn", "rs_net", "any_gcn"), ("hidden_channels",)),
    **dict.fromkeys(("modulated_gcn", "video_pose"), ("hidden_channels",)),
    "nehs_net": ("d_model",),
    "mlp_graph": ("hidden_channels", "graph_channels"),
    "graph_mlp": ("hidden_channels", "mlp_channels", "token_channels"),
    "st_gcn_pose": ("hidden_channels", "part_channels"),
}
"""The options that are called width."""
WIDTH_OF = {"64 or 96": "96", "128,128,256; 512": "[128, 128, 256]; 512"}
EXACT = [
    "graph_mlp_h36m_cpn_f1",
    "graph_mlp_h36m_cpn_f243",
    "hgcn_h36m_cpn",
    "hgcn_h36m_gt",
    "martinez_h36m_gt",
    "martinez_h36m_sh",
    "mlp_graph_3dhp_gt_f1",
    "mlp_graph_h36m_gt_f1",
    "mlp_graph_h36m_gt_f243_refine",
    "mlp_graph_h36m_hr_f243_refine",
    "mlp_graph_hard_gt_f1",
    "modulated_gcn_h36m_gt",
    "rs_net_h36m_gt",
    "rs_net_h36m_hr_refine",
    "sem_gcn_h36m_gt",
    "sem_gcn_nl_h36m_gt",
    "sem_gcn_nl_h36m_sh",
    "st_gcn_h36m_cpn_f1_refine",
    "st_gcn_h36m_cpn_f3_refine",
    "st_gcn_h36m_cpn_f5_refine",
    "video_pose_h36m_cpn_f243",
    "video_pose_h36m_detectron_f243",
    "video_pose_h36m_gt_f243",
    "video_pose_h36m_gt_s1_sup",
]


@pytest.fixture(scope="module")
def rows(shared_dir: Callable[[str], Path]) -> dict[str, dict[str, str]]:
    """The table of published results, by name."""
    with shared_dir("recipes.csv").open() as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def test_every_published_result_has_a_recipe(rows: dict[str, dict[str, str]]) -> None:
    assert sorted(rows) == ALL
    assert len(ALL) == 49
    assert len(list_recipes()) == 50
    assert list_recipes("martinez*") == ["martinez_h36m_gt", "martinez_h36m_sh", "martinez_port_gt"]


@pytest.mark.parametrize("name", ALL)
def test_numbers_and_settings_are_those_of_the_table(name: str, rows: dict[str, dict[str, str]]) -> None:
    row, recipe = rows[name], read_recipe(name)
    published, config = recipe.published, recipe.config
    for key in ("p1_mm", "p2_mm", "pck", "auc", "params_m", "infer_s"):
        assert getattr(published, key) == (float(row[key]) if row[key] else None)
    assert (published.system, published.source) == (row["system"], row["source"])
    assert published.certain == (row["certain"] == "yes")
    assert published.certain <= (not published.not_published), "what is certain is published"
    assert (config.network.model, published.frames) == (row["skelgraph_model"], int(row["frames"]))
    assert config.data.keypoints == row["keypoints"].split(" ")[0].strip(",")
    assert config.refinement.refine == (row["refine"] not in ("no", ""))
    if not row["optimizer"]:  # quoted only
        assert published.inexact is not None
        return
    training, optimizer, evaluation = config.training, config.optimizer, config.evaluation
    assert optimizer.amsgrad == ("amsgrad" in row["optimizer"])
    assert (optimizer.schedule, optimizer.lr_decay, optimizer.lr_every) == SCHEDULES[row["schedule"]]
    assert optimizer.clip_grad == (0 if row["clip_grad_norm"] == "none" else float(row["clip_grad_norm"]))
    assert (training.flip, evaluation.flip_test) == (row["train_flip"] == "yes", row["test_flip"] == "yes")
    assert training.batch_size == int(row["batch"])
    if row["epochs"].isdigit():
        assert training.max_epochs == int(row["epochs"])
    if row["seed"].isdigit():
        assert training.seed == int(row["seed"])
    by = {"best": "test", "last": "last"}[row["selection"].split(" ")[0].removesuffix(",")]
    assert evaluation.select == by
    if by == "test" and "batches" not in row["selection"]:
        assert evaluation.select_by == ("frames" if "over frames" in row["selection"].lower() else "actions")
    options = config.network.options
    widths = {name: options[name] for name in WIDTHS[config.network.model]}
    assert list(map(str, widths.values())) == re.split(r"[/;] ?", WIDTH_OF.get(row["width"], row["width"]))
    assert options["dropout"] == float(re.split("[,/]", row["dropout"])[0])
    rates = [stage.optimizer.lr for stage in recipe.stages]
    if recipe.first_stage is None:
        assert rates == [float(row["lr"].split(" ")[0])]
    else:
        assert rates == [5e-3 if "modulated" in name else 1e-3, 1e-5]


def test_losses_as_they_are_written(rows: dict[str, dict[str, str]]) -> None:
    """Of the network in each stage, and of the refined pose."""
    found = {}
    for name, row in rows.items():
        recipe = read_recipe(name)
        losses = [stage.training.loss for stage in recipe.stages]
        refined = [stage.refinement.refine_loss for stage in recipe.stages if stage.refinement.refine]
        frames = {stage.training.loss_frames for stage in recipe.stages}
        found.setdefault(row["loss"], set()).add((*losses, *refined, *frames))
    smooth = "mpjpe + 0.01*symmetry + smoothness"
    signed = "mpjpe + 0.01*symmetry"
    aligned = "mpjpe + 0.5*p_mpjpe"
    mixed, mixed_mpjpe = "0.9*mse + 0.1*l1", "0.99*mpjpe + 0.01*l1"
    text = "0.99*MPJPE + 0.01*mean|d| (centre frame)"
    joint = " + MPJPE(refined) + 0.01*sym(refined, signed)"
    assert found == {
        "": {("mse", "centre"), (mixed, "centre")},
        "MSE": {("mse", "centre"), ("1.06666666667*mse", "centre")},  # 16/15: Martinez' root is not predicted
        "MSE on z-scores": {("1.0625*mse", "centre")},
        "100*MSE_17 + MSE_48 + MSE_96": {("mse", "centre")},  # the network's own, of its meshes
        "0.9*MSE + 0.1*L1": {(mixed, "centre")},
        "0.9*MSE + 0.1*L1" + joint: {(mixed, signed, "centre")},
        text: {(mixed_mpjpe, "centre")},
        text + joint: {(mixed_mpjpe, signed, "centre")},
        "0.99*MPJPE + 0.01*L1": {(mixed_mpjpe, "centre")},
        "0.99*MPJPE + 0.01*L1" + joint: {(mixed_mpjpe, mixed_mpjpe, signed, "centre")},
        "MPJPE (centre frame)": {("mpjpe", "centre"), ("mpjpe", "none", "mpjpe", "centre")},
        "MPJPE (root free)": {("mpjpe", "centre")},
        "MPJPE + 0.5*P-MPJPE (released p_mpjpe cannot carry gradient)": {
            (aligned, "centre"),
            (aligned, "none", aligned, "centre"),
        },
        "stage 1: MPJPE over ALL frames of the window; stage 2: + 0.01*sym + 1*smoothness + MPJPE(refined) + "
        "0.01*sym(refined)": {("mpjpe", smooth, signed, "all"), ("mpjpe", signed, signed, "all")},
    }
    for frames, smoothed in ((1, False), (3, True), (5, True)):  # of one frame nothing is smooth
        assert ("smoothness" in read_recipe(f"st_gcn_h36m_cpn_f{frames}_refine").config.training.loss) == smoothed


def test_roots_and_heads_of_the_families() -> None:
    """The rule for the predicted root, and whether the dropout of the head is on in the test."""
    roots: dict[str, set[str]] = {}
    for name in ALL:
        config = read_recipe(name).config
        roots.setdefault(config.evaluation.root, set()).add(config.network.model)
        if config.refinement.refine:
            is_graph_mlp = config.network.model in ("graph_mlp", "nehs_net")
            assert config.refinement.refine_channels == (1536 if is_graph_mlp else 1024)
            assert config.refinement.refine_dropout_at_test != is_graph_mlp
        assert (config.training.norm_momentum == "decaying") == (config.network.model == "video_pose")
    assert roots["zero"] == {"graph_mlp", "nehs_net", "st_gcn_pose", "martinez"}
    assert roots["keep"] == {"video_pose"}


def test_second_stages_are_the_recipes_of_first_stages() -> None:
    for second, first in {
        "graph_mlp_h36m_cpn_f1_refine": "graph_mlp_h36m_cpn_f1",
        "nehs_net_h36m_cpn_f1_refine": "nehs_net_h36m_cpn_f1",
        "modulated_gcn_h36m_cpn_refine": "modulated_gcn_h36m_cpn",
    }.items():
        stage = read_recipe(second).first_stage
        assert stage is not None
        apart = differences(stage, read_recipe(first).config)
        assert {name for name in apart if not name.startswith("refine")} == set()
        assert not stage.refinement.refine


def test_tests_on_other_data() -> None:
    tests = {name: read_recipe(name).test for name in ALL if read_recipe(name).test}
    assert tests == {
        "graph_mlp_3dhp_f1": {"dataset": "mpi_inf_3dhp", "variant": "graphmlp"},
        "nehs_net_3dhp_gt_f1": {"dataset": "mpi_inf_3dhp", "variant": "graphmlp"},
        "mlp_graph_3dhp_gt_f1": {"dataset": "mpi_inf_3dhp", "variant": "poseaug"},
        "rs_net_3dhp_gt": {"dataset": "mpi_inf_3dhp", "variant": "poseaug"},
        "mlp_graph_hard_gt_f1": {"test_downsample": 5},
    }


def test_which_train_exactly_as_published() -> None:
    assert [name for name in ALL if read_recipe(name).published.exact] == EXACT
    for name in set(ALL) - set(EXACT):
        assert all(read_recipe(name).published.reasons), name


@pytest.mark.parametrize("name", ALL)
def test_it_says_all_that_decides_the_result(name: str) -> None:
    content = read_yaml(FOLDER / f"{name}.yaml", SkelgraphError)
    for group, names in STATED.items():
        if group in content or group != "refinement":
            assert names <= content[group].keys()
    assert BY_SCHEDULE[content["optimizer"]["schedule"]] <= content["optimizer"].keys()
    assert content["evaluation"]["select"] == "last" or "select_by" in content["evaluation"]
    assert read_recipe(name).about.endswith(".")


@pytest.mark.parametrize("name", ALL)
def test_the_network_is_the_published_one(name: str) -> None:
    """At the published widths, which take no memory on the meta device."""
    recipe = read_recipe(name)
    network = recipe.config.network
    options = {
        name: value for name, value in network.options.items() if network.model != "hgn" or name in WIDTHS["hgn"]
    }
    with torch.device("meta"):  # of HGN without the body, which is in files of the user
        model = create_model(network.model, recipe.config.data.skeleton, **options)
    assert model.num_frames == recipe.published.frames
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    if recipe.published.params_m is not None and name != "any_gcn_dc_preagg_h36m_cpn":  # the count of 16 joints
        assert millions == pytest.approx(recipe.published.params_m, abs=0.008)


def test_another_data_set_is_described_anew() -> None:
    sup = read_recipe("video_pose_h36m_gt_s1_sup").config
    assert sup.data.train_subjects == ("S1",)
    ours = changed(sup, {"dataset": "synthetic", "test_subjects": ("S9",)})
    assert (ours.data.train_subjects, ours.data.test_subjects) == (None, ("S9",))
    assert ours.data.subset == sup.data.subset
    assert changed(sup, {"dataset": "human36m"}) == sup
    assert changed(read_recipe("rs_net_h36m_hr_refine").config, {"dataset": "synthetic"}).data.keypoints == "gt"


def test_options_of_the_network_replace_single_ones() -> None:
    config = read_recipe("mlp_graph_h36m_hr_f243_refine").config
    ours = changed(config, {"options": {"hidden_channels": 8}, "max_epochs": 2})
    assert ours.network.options == {**config.network.options, "hidden_channels": 8}
    assert set(differences(config, ours)) == {"options", "max_epochs"}
    assert differences(config, ours)["max_epochs"] == [50, 2]
    assert changed(config, {"model": "sem_gcn", "options": {}}).network.options == {}
    hgn = read_recipe("hgn_h36m_gt").config
    assert changed(hgn, {}).network.options == {**hgn.network.options, "graph": "smpl", "levels": [8, 7]}
    assert not {"graph", "levels"} & changed(hgn, {"dataset": "synthetic"}).network.options.keys()


def test_unknown_names() -> None:
    with pytest.raises(SkelgraphError, match="unknown recipe 'rs_net_h36m'; did you mean rs_net_h36m_gt"):
        read_recipe("rs_net_h36m")
    with pytest.raises(SkelgraphError, match=r"unknown recipe '\.\./\.\./pyproject'"):
        read_recipe("../../pyproject")


def test_a_file_that_is_no_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FOLDER", tmp_path)
    good = (FOLDER / "sem_gcn_h36m_gt.yaml").read_text()
    for bad, words in {
        good.replace("clip_grad: 1", "clip: 1"): "unknown setting of optimizer: 'clip'",
        good.replace("clip_grad: 1", "clip_grad: -1"): "clip-grad is -1",
        good.replace("certain: true", "certain: 1"): "published: certain is 1; expected true or false",
        good.replace("certain: true", "sure: true"): "unknown entry of published: 'sure'",
        good.replace("about:", "title:"): "expected about, published and groups of settings",
        good + "first_stage: {optimizer: {max_epochs: 3}}\n": "max_epochs belongs into the group 'training'",
    }.items():
        (tmp_path / "own.yaml").write_text(bad)
        with pytest.raises(SkelgraphError, match=r"own\.yaml: ") as error:
            read_recipe("own")
        assert words in str(error.value)


def test_listing_needs_no_torch() -> None:
    code = (
        "import sys; from skelgraph.__main__ import main; code = main(['recipes']); "
        "sys.exit(code or 'torch' in sys.modules or 'lightning' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.count("│") >= 6 * 49
    assert "25 train exactly as published" in done.stdout


def test_settings_are_those_of_a_run() -> None:
    for name in ALL:
        config = read_recipe(name).config
        assert TrainConfig.from_dict(config.to_dict()) == config
