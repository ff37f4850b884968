"""Names from files are text everywhere: on the terminal, in figures, on the page, in JSON, in messages."""

from __future__ import annotations

import io
import json
import re
import shlex
import unicodedata
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_mocap
from matplotlib.figure import Figure
from PIL import Image

from skelgraph.__main__ import main
from skelgraph.topology import JointHypergraph, Skeleton, as_skeleton
from skelgraph.viz.animation import animate_poses
from skelgraph.viz.figures import action_errors, joint_errors, learning_curve, png

NASTY = (
    "[/x]",
    "[link=https://example.org]here[/link]",
    "[bold red]loud",
    r"$\frac$",
    r"$\frac{1}{2}$",
    "$",
    "\x1b[2J\x1b[31mred\x07",
    "two\r\nlines",
    "\u202etfel ot thgir\u2066",
    "half \ud800 character",
    "nul\x00",
    "{{7*7}}{%if%}%s{0}",
    "<script>alert('1')</script><img src=x onerror=alert(2)>",
    "\"quoted'",
    "_hidden",
    "動作",
    "long" * 225_000,
)
BODY = as_skeleton("h36m17")
STRANGE = Skeleton(BODY.parents, NASTY, BODY.symmetric_pairs, name=NASTY[0] + NASTY[3] + NASTY[6])


def one_word(name: str) -> str:
    """The action is what stands before the first space."""
    return name.replace(" ", "\u2007")


def strange_files(folder: Path) -> dict[str, str]:
    positions, keypoints = tiny_mocap.arrays()
    walk, seen = positions["test"]["walk 3"], keypoints["test"]["walk 3"]
    names = [f"{one_word(name)} 1" for name in NASTY]
    positions[NASTY[1]] = {name: walk[i : i + 8] for i, name in enumerate(names)}
    keypoints[NASTY[1]] = {name: [view[i : i + 8] for view in seen] for i, name in enumerate(names)}
    files = tiny_mocap.write(folder, positions, keypoints)
    cameras = json.loads(Path(files["cameras"]).read_text())
    for camera, name in zip(cameras["cameras"], (NASTY[4], NASTY[9] + NASTY[16]), strict=True):
        camera["id"] = name
    Path(files["cameras"]).write_text(json.dumps(cameras))
    (folder / "body.json").write_text(
        json.dumps(
            {
                "parents": list(BODY.parents),
                "joint_names": list(NASTY),
                "symmetric_pairs": [list(pair) for pair in BODY.symmetric_pairs],
                "name": STRANGE.name,
            }
        )
    )
    return files


def check_printable(text: str) -> None:
    assert not {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n"}
    assert max(map(len, text.splitlines())) < 2100


@pytest.mark.parametrize("colors", [False, True])
def test_a_run_on_data_with_nasty_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, colors: bool
) -> None:
    files = strange_files(tmp_path / "data [red]$x$")
    if colors:
        monkeypatch.setenv("FORCE_COLOR", "1")
    out = tmp_path / r"[/run]$\frac$"
    data = [item for key, path in files.items() for item in (f"--{key.replace('_', '-')}", path)]
    options = shlex.split("--option hidden_channels=8 --option num_blocks=1 --max-epochs 1 --device cpu --unchecked")
    options += ["--skeleton", str(Path(files["data_3d"]).with_name("body.json")), "--test-subjects", NASTY[1]]
    code = main(["train", "--dataset", "mocap", *data, *options, "--out", str(out)])
    printed, said = capsys.readouterr()
    assert (code, said) == (0, "")
    check_printable(re.sub(r"\x1b\[[0-9;]*m", "", printed))
    assert "[/x]" in printed
    assert "[bold" in printed
    assert r"\x1b[2J" in printed
    assert "\x1b]8" not in printed  # no link

    metrics = json.loads((out / "metrics.json").read_bytes().decode())  # strictly UTF-8
    assert set(metrics["per_action"]) == {one_word(name).split(" ")[0] for name in NASTY}
    assert list(metrics["per_joint_mm"]) == list(NASTY)
    assert metrics["dataset"]["subjects"] == [NASTY[1]]
    page = (out / "report.html").read_bytes().decode()
    assert page.count("<img src") == page.count("<img") == 4
    check_printable(re.sub(r"base64,[^\"]+", "", page))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "{{7*7}}" in page

    # Another command reads what the first one wrote.
    again = ["evaluate", "--checkpoint", str(out / "checkpoints" / "last.ckpt"), "--out", str(tmp_path / "again")]
    assert main(again) == 0
    assert json.loads((tmp_path / "again" / "metrics.json").read_text())["per_action"] == metrics["per_action"]
    assert main([*again, "--overwrite", "--test-subjects", NASTY[6]]) == 2
    check_printable(re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().err))


def texts(figure: Figure) -> list[Any]:
    """Every text that is drawn, ticks included."""
    from matplotlib.text import Text

    png(figure)
    return [text for text in figure.findobj(Text) if text.get_text()]


FIGURES: dict[str, Callable[[], Any]] = {
    "joints": lambda: joint_errors(dict.fromkeys(NASTY, 10.0), STRANGE),
    "actions": lambda: action_errors({name: {"mpjpe_mm": float(i), "p_mpjpe_mm": 1.0} for i, name in enumerate(NASTY)}),
    "curve": lambda: learning_curve([{"epoch": 1, "train_loss": 1.0, "val_mpjpe_mm": 2.0}], NASTY[3]),
    "skeleton": lambda: STRANGE.plot().figure,
    "hypergraph": lambda: JointHypergraph.from_lists(17, [[0, 1]], groups={NASTY[3] + NASTY[6]: [0]}).plot()[0].figure,
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_draw_names_as_they_are(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Glyph .* missing")
        drawn = texts(FIGURES[name]())
    drawn = [text for text in drawn if "mathdefault" not in text.get_text()]  # numbers on logarithmic axes
    of_strangers = [text for text in drawn if any(part in text.get_text() for part in ("$", "[", "_hidden"))]
    assert of_strangers
    assert not any(text.get_parse_math() for text in of_strangers)
    for text in drawn:
        check_printable(text.get_text())
        assert len(text.get_text()) < 120


@pytest.mark.parametrize("title", NASTY)
def test_the_title_of_an_animation(title: str) -> None:
    poses = np.zeros((1, 17, 3))
    poses[:, 1:, :2] = np.random.default_rng(0).normal(size=(16, 2))
    gif = animate_poses(poses[..., :2], poses, poses, STRANGE, title=title)
    assert Image.open(io.BytesIO(gif)).n_frames == 1


@pytest.mark.parametrize("name", ["[/x]", "\x1b[2J", "\u202etfel\nlines", "half \ud800 character", "long" * 225_000])
@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--model", "{}"],
        ["train", "--dataset", "{}"],
        ["train", "--skeleton", "{}"],
        ["train", "--option", "{}"],
        ["train", "--option", "{}=1"],
        ["train", "--loss", "{}"],
        ["train", "--test-subjects", "{}"],
        ["train", "--lr", "{}"],
        ["train", "--{}"],
        ["{}"],
        ["models", "{}"],
        ["evaluate", "--checkpoint", "{}"],
        ["train", "--resume", "--out", "{}"],
    ],
)
def test_errors_show_names_as_they_are(
    arguments: list[str], name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([argument.replace("{}", name) for argument in arguments]) == 2
    printed, said = capsys.readouterr()
    assert printed == ""
    check_printable(said)
    assert len(said) < 4000
    assert list(tmp_path.iterdir()) == []
