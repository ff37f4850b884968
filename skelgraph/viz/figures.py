"""The figures of a report: learning curve, errors per joint and per action, expected errors; each function returns a
new figure.

Names of joints and actions come from files: they are drawn as they are, cut, never as mathematics.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from skelgraph.text import plain
from skelgraph.topology import SkeletonLike, as_skeleton
from skelgraph.viz.drawing import CENTRE, draw_skeleton, joint_colors, rest_positions, standing_figure

P1, P2 = "#0072B2", "#E69F00"
"""Colours of MPJPE and P-MPJPE, of the palette of Okabe and Ito."""


def png(figure: Figure, dpi: int = 130) -> bytes:
    """Render a figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def learning_curve(
    history: Sequence[Mapping[str, float]],
    loss: str = "loss",
    mean_over: str = "actions",
    judged: Literal["test", "validation"] = "validation",
) -> Figure:
    """Draw the training loss, and the error that is judged after every epoch.

    Args:
        history: One row per epoch with ``epoch``, ``train_loss`` and ``val_mpjpe_mm``.
        loss: Name of the loss, with its unit, for the axis.
        mean_over: What the error is the mean over, for the axis.
        judged: On what it is judged.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    errors = [row["val_mpjpe_mm"] for row in history]
    style = {"marker": "o", "markersize": 4} if len(history) <= 30 else {}
    left.plot(epochs, [row["train_loss"] for row in history], color=CENTRE, **style)
    positive = min(row["train_loss"] for row in history) > 0  # a likelihood may be anything
    left.set(yscale="log" if positive else "linear", title="Training")
    left.set_ylabel(f"training {plain(loss)}", parse_math=False)
    right.plot(epochs, errors, color=P1, **style)
    best = int(np.argmin(errors))
    right.plot(epochs[best], errors[best], "o", markersize=10, fillstyle="none", color=P2)
    right.set_ylabel(f"MPJPE (mm), mean over {mean_over}")
    right.set_title(f"{judged.capitalize()}: best {errors[best]:.1f} mm in epoch {epochs[best]:.0f}")
    for ax in (left, right):
        ax.set_xlabel("epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
        _hide_spines(ax)
        ax.grid(which="both", axis="y", alpha=0.3)
    return figure


def joint_errors(per_joint: Mapping[str, float], skeleton: SkeletonLike) -> Figure:
    """Draw the error of each joint: as a disc on a drawn skeleton, and as a bar. Where the skeleton is drawn as a tree,
    the discs have numbers, which stand before the names, too.

    Args:
        per_joint: Joint name to error in mm, in the order of the skeleton.
        skeleton: The skeleton.
    """
    skeleton = as_skeleton(skeleton)
    names, errors = list(per_joint), np.array(list(per_joint.values()))
    figure = Figure(figsize=(9, max(4.6, 0.27 * len(names))), layout="constrained")
    body, bars = figure.subplots(1, 2, width_ratios=(1, 1.25))
    is_figure = standing_figure(skeleton) is not None
    points = rest_positions(skeleton)
    draw_skeleton(skeleton, points, body, linewidth=3, alpha=0.45)
    discs = body.scatter(*points.T, c=errors, s=150, cmap="YlOrRd", vmin=0, edgecolors="black", zorder=3)
    body.set_title("Error on the body (facing us)" if is_figure else "Error on the skeleton")
    if not is_figure:
        names = [f"{joint} {plain(name, 30)}" for joint, name in enumerate(names)]
        for joint, (point, error) in enumerate(zip(points, errors, strict=True)):
            ink = "white" if error > 0.6 * errors.max() else "black"
            body.annotate(f"{joint}", point, ha="center", va="center", fontsize=6.5, color=ink, zorder=4)
    body.set_aspect("equal")
    body.margins(0.12, 0.06)
    body.set_axis_off()
    figure.colorbar(discs, ax=body, label="MPJPE (mm)", shrink=0.8)
    rows = np.arange(len(errors))
    bars.barh(rows, errors, color=joint_colors(skeleton))
    _label_rows(bars, names)
    _label_bars(bars, rows, errors)
    bars.invert_yaxis()
    bars.margins(x=0.1, y=0.02)
    _hide_spines(bars)
    has_sides = bool(skeleton.symmetric_pairs)
    bars.set(xlabel="MPJPE (mm)", title="Left blue, right orange, centre grey" if has_sides else "Error of each joint")
    return figure


def action_errors(per_action: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw the errors of each action as bars, worst at the bottom, with their unweighted mean.

    Args:
        per_action: Action to ``mpjpe_mm`` and ``p_mpjpe_mm``.
    """
    actions = sorted(per_action, key=lambda action: per_action[action]["mpjpe_mm"])
    rows = np.arange(len(actions))
    figure = Figure(figsize=(9, 1.6 + 0.42 * len(actions)), layout="constrained")
    ax = figure.subplots()
    for offset, key, label, color in ((-0.2, "mpjpe_mm", "MPJPE", P1), (0.2, "p_mpjpe_mm", "P-MPJPE (aligned)", P2)):
        errors = np.array([per_action[action][key] for action in actions])
        ax.barh(rows + offset, errors, height=0.38, color=color, label=f"{label}, mean {errors.mean():.1f} mm")
        ax.axvline(errors.mean(), color=color, linestyle="--", linewidth=1, zorder=0)
        _label_bars(ax, rows + offset, errors)
    _label_rows(ax, actions)
    ax.invert_yaxis()
    ax.set(xlabel="error (mm)", title="Error per action")
    ax.margins(x=0.08)
    _hide_spines(ax)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def expected_errors(groups: Sequence[Mapping[str, float]]) -> Figure:
    """Draw true errors over expected ones, for groups of joints that are expected to be wrong alike.

    Args:
        groups: Each with ``expected_mm`` and ``error_mm``, see :func:`~skelgraph.metrics.error_calibration`.
    """
    expected, errors = ([group[name] for group in groups] for name in ("expected_mm", "error_mm"))
    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    ax = figure.subplots()
    most = 1.05 * max(*expected, *errors)
    ax.plot((0, most), (0, most), color=CENTRE, linestyle="--", linewidth=1, label="as expected")
    ax.plot(expected, errors, "o-", color=P1, markersize=5, label=f"{len(groups)} groups of equal size")
    ax.set(xlim=(0, most), ylim=(0, most), aspect="equal", title="Expected and true errors of joints")
    ax.set(xlabel="expected error (mm)", ylabel="true error, root of the mean square (mm)")
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, loc="upper left")
    _hide_spines(ax)
    return figure


def _label_rows(ax: Axes, names: Sequence[str]) -> None:
    """Write the names in front of their bars."""
    ax.set_yticks(range(len(names)), [plain(name, 30) for name in names], parse_math=False)


def _label_bars(ax: Axes, rows: np.ndarray, errors: np.ndarray) -> None:
    """Write each value behind its bar."""
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    for row, error in zip(rows, errors, strict=True):
        ax.annotate(f"{error:.1f}", (error, row), (4, 0), textcoords="offset points", va="center", fontsize=8, bbox=box)


def _hide_spines(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.title.set_fontsize(11)
