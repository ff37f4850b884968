"""The figures show the numbers that they are given."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image

from skelgraph.topology import Skeleton, as_skeleton
from skelgraph.viz.drawing import CENTRE, LEFT, RIGHT
from skelgraph.viz.figures import action_errors, expected_errors, joint_errors, learning_curve, png

HISTORY = [{"epoch": i + 1, "train_loss": 0.1 / (i + 1), "val_mpjpe_mm": 50.0 + (i - 3) ** 2} for i in range(6)]


def axes_of(figure: Figure) -> list[Any]:
    """The axes, of a type that lets tests look inside."""
    return list(figure.axes)


def test_learning_curve() -> None:
    left, right = axes_of(learning_curve(HISTORY, "loss (m²)"))
    assert list(left.lines[0].get_ydata()) == [row["train_loss"] for row in HISTORY]
    assert list(right.lines[0].get_xydata()[3]) == [4, 50.0]
    assert left.get_yscale() == "log"
    assert right.get_title() == "Validation: best 50.0 mm in epoch 4"
    assert axes_of(learning_curve(HISTORY, judged="test"))[1].get_title() == "Test: best 50.0 mm in epoch 4"
    assert (left.get_ylabel(), right.get_ylabel()) == ("training loss (m²)", "MPJPE (mm), mean over actions")


def test_learning_curve_of_one_epoch() -> None:
    assert png(learning_curve(HISTORY[:1]))


@pytest.mark.parametrize("layout", ["h36m17", "h36m16", "coco17", "smpl24"])
def test_joint_errors(layout: str) -> None:
    body = as_skeleton(layout)
    errors = {name: 10.0 + i for i, name in enumerate(body.joint_names)}
    drawn, bars, scale = axes_of(joint_errors(errors, layout))
    assert [bar.get_width() for bar in bars.patches] == list(errors.values())
    discs: Any
    (discs,) = (c for c in drawn.collections if isinstance(c, PathCollection))
    assert list(discs.get_array()) == list(errors.values())
    assert scale.get_ylabel() == "MPJPE (mm)"
    colors = [bar.get_facecolor() for bar in bars.patches]
    sides = {LEFT: body.left, RIGHT: body.right}
    for joint, color in enumerate(colors):
        side = next((side for side, joints in sides.items() if joint in joints), CENTRE)
        assert color == to_rgba(side)


def test_joint_errors_of_any_tree() -> None:
    tree = Skeleton([-1, 0, 0, 1, 3])
    assert png(joint_errors(dict.fromkeys(tree.joint_names, 1.0), tree))


def test_a_curve_of_numbers_below_zero() -> None:
    left, _ = axes_of(learning_curve([{**row, "train_loss": -row["train_loss"]} for row in HISTORY]))
    assert left.get_yscale() == "linear"


def test_expected_errors() -> None:
    groups = [{"expected_mm": 10.0, "error_mm": 12.0}, {"expected_mm": 40.0, "error_mm": 90.0}]
    (ax,) = axes_of(expected_errors(groups))
    diagonal, curve = ax.lines
    assert curve.get_xydata().tolist() == [[10.0, 12.0], [40.0, 90.0]]
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata())
    assert ax.get_xlim() == ax.get_ylim()
    assert ax.get_xlim()[1] > 90


def test_action_errors_are_sorted() -> None:
    rows = {"run": {"mpjpe_mm": 60.0, "p_mpjpe_mm": 40.0}, "walk": {"mpjpe_mm": 30.0, "p_mpjpe_mm": 25.0}}
    figure = action_errors(rows)
    (ax,) = axes_of(figure)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["walk", "run"]
    assert [bar.get_width() for bar in ax.patches] == [30.0, 60.0, 25.0, 40.0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "MPJPE, mean 45.0 mm", "P-MPJPE (aligned), mean 32.5 mm",
    ]  # fmt: skip


@pytest.mark.parametrize("num_actions", [1, 15])
def test_nothing_is_cut_off(num_actions: int) -> None:
    """The border of the picture stays white, however long the names."""
    rows = {f"an action with a long name {i}": {"mpjpe_mm": 100.0 + i, "p_mpjpe_mm": 70.0} for i in range(num_actions)}
    errors = dict.fromkeys(as_skeleton("h36m17").joint_names, 123.4)
    for figure in (action_errors(rows), joint_errors(errors, "h36m17"), learning_curve(HISTORY)):
        image = np.asarray(Image.open(io.BytesIO(png(figure))).convert("L"))
        border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert border.min() == 255


def test_import_of_the_library_is_light() -> None:
    code = (
        "import sys, skelgraph, skelgraph.topology, skelgraph.models, skelgraph.datasets\n"
        "print(sorted({'lightning', 'matplotlib', 'tyro', 'rich', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
