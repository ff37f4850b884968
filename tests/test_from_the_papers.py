"""docs/from_the_papers.md: every published command line has its equal there, and every line runs, in reduced form, on
files in the published layouts: few frames, tiny widths, one epoch."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
import tiny_hgn
import torch
from official_hgn import official_hgn
from page_files import beginning
from PIL import Image
from published_files import hard_poses, hgn, human36m, mpi_inf_3dhp
from reduced_commands import reduced

from skelgraph.__main__ import main
from skelgraph.datasets import read_motion_file
from skelgraph.topology import MultiScaleGraph

mpl.use("agg")
pytestmark = pytest.mark.usefixtures("quick_reports")

PAGE = Path(__file__).parents[1] / "docs" / "from_the_papers.md"
ROW = re.compile(r"^\| (\d+) \| (.*) \| (.*) \|$", re.MULTILINE)
ROWS = {int(number): (theirs, ours) for number, theirs, ours in ROW.findall(PAGE.read_text())}
PICTURE = 11
"""That which draws a chosen clip."""
DEMOS = (6, 7)
"""Those that lift a video."""
LINES = {number: shlex.split(ours.strip("`")) for number, (_, ours) in ROWS.items()}
WEIGHTS = {
    "checkpoint/hoif_net/ckpt_best.pth.tar": ("hoif_net_model_17", {"epoch": 3, "lr": 1e-3, "step": 9, "error": 50.0}),
    "checkpoint/HR-Net/model_rsnet_2_eva_post_4704.pth": ("rs_net_model", None),
    "checkpoint/HR-Net/model_post_refine_2_eva_post_4704.pth": ("rs_net_post_refine", None),
    "checkpoint/GT/model_rsnet_5_eva_xyz_3728.pth": ("rs_net_model", None),
    "checkpoint/mlp_graph/model_mlp_graph_36_eva_post_4414.pth": ("mlp_graph_pad13", None),
    "checkpoint/mlp_graph/model_post_refine_36_eva_post_4414.pth": ("mlp_graph_refine", None),
    "checkpoint/mlp_graph/model_mlp_graph_6_eva_xyz_3634.pth": ("mlp_graph_pad0", None),
}
"""Weight files of the authors and the weights of their code that are put in, with what stands around them."""


DATA = {
    2: "mpi_inf_3dhp (graphmlp)",
    28: "mpi_inf_3dhp (poseaug)",
    12: "human36m_hgn",
    13: "human36m_hgn",
    29: "human36m_hard",
}
"""What is tested on, if not Human3.6M."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, golden: Callable[[str], Any]) -> Path:
    """The files that the lines speak of."""
    folder = tmp_path_factory.mktemp("papers")
    for write in (human36m, mpi_inf_3dhp, hgn, hard_poses):
        write(folder / "dataset")
    for path, (name, around) in WEIGHTS.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        weights = golden(name).state_dict()
        torch.save(weights if around is None else {**around, "state_dict": weights}, folder / path)
    (folder / "checkpoint" / "HGN").mkdir()
    body = MultiScaleGraph.from_mesh(torch.as_tensor(tiny_hgn.FACES))
    torch.save(official_hgn(golden, body, (5, 4)), folder / "checkpoint" / "HGN" / "final.pth.tar")
    return folder


def run(number: int, folder: Path) -> dict[str, Any]:
    """Run a line, the one before that trains its weights first; what it has measured."""
    line = LINES[number]
    out = folder / line[line.index("--out") + 1]
    result = out / ("lift.json" if number in DEMOS else "metrics.json")
    if not result.exists():
        for other, command in LINES.items():
            trained = f"{command[command.index('--out') + 1]}/checkpoints/best.ckpt"
            if other != number and trained in line:
                run(other, folder)
        assert main(reduced(line[1:])) == 0
    return json.loads(result.read_text())


def test_every_published_line_is_on_the_page() -> None:
    assert list(ROWS) == list(range(1, 30))
    assert {line[0] for line in LINES.values()} == {"skelgraph"}
    assert {line[1] for line in LINES.values()} == {"train", "evaluate", "lift", "visualize"}


def test_what_the_lines_ask_for(shared_dir: Callable[[str], Path]) -> None:
    """The published lines are those of the list, as far as it writes them out."""
    listed = (shared_dir("published_commands.md")).read_text()
    for number in (1, 4, 5, 8, 9, 12, 14, 15, 16, 18, 20, 21, 22, 24, 28, 29):
        words = set(ROWS[number][0].strip("`").split()) - {"main.py", "main_graph.py"}
        assert words <= set(re.sub("[`:;]|,(?= )", " ", listed).split()), number


@pytest.mark.parametrize("number", DEMOS)
def test_demo(
    number: int,
    folder: Path,
    blazepose_files: Path,
    clip_videos: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the beginning of a real video, with the real detector."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SKELGRAPH_CACHE", str(blazepose_files.parents[1]))
    beginning(clip_videos["cam02"], Path("sample_video.mp4"))
    record = run(number, folder)
    assert record["num_frames"] == 6
    assert [one["file"] for one in record["people"]] == ["person0"]
    out = folder / LINES[number][LINES[number].index("--out") + 1]
    assert all((out / name).stat().st_size > 1000 for name in record["files"])
    assert len(read_motion_file(out / "person0.npz").positions) == 6


def test_picture(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The 9 frames of the walk of S11, in pairs."""
    monkeypatch.chdir(folder)
    assert main(reduced(LINES[PICTURE][1:])) == 0
    with Image.open("output.gif") as clip:
        assert clip.n_frames == 4
        assert clip.size[0] in (899, 900)
        assert clip.info["duration"] == 40


@pytest.mark.parametrize("number", [number for number in LINES if number not in (*DEMOS, PICTURE)])
def test_line(number: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    metrics = run(number, folder)
    theirs, line = ROWS[number][0], LINES[number]
    out = folder / line[line.index("--out") + 1]
    assert 0 < metrics["mpjpe_mm"] < 10_000
    assert metrics["dataset"]["name"] == DATA.get(number, "human36m")
    refines = number in {3, 5, 14, 16, 17, 20, 22, 23, 26, 27}
    assert ("refined_true_depth" in metrics["rows"]) == refines
    if refines:
        assert metrics["rows"]["refined_true_depth"]["mpjpe_mm"] != metrics["rows"]["network"]["mpjpe_mm"]
    if "-k" in theirs.split() or "--keypoints" in theirs:
        wanted = re.search(r"(?:-k|--keypoints) (\w+?)(?:_ft_h36m_dbb)?[` ]", theirs + " ")
        config = json.loads((out / "config.json").read_text())["config"]
        assert wanted is not None
        assert config["data"]["keypoints"] == wanted[1]
    if number == 13:
        assert len(list(out.glob("meshes/*.obj"))) >= 10
    if number == 29:
        assert metrics["dataset"]["frames"] == 25
