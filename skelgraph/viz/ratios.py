"""How many times one thing is better than another, at a glance: bars from 1 to the left and to the right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from skelgraph.errors import SkelgraphError
from skelgraph.text import plain
from skelgraph.viz.drawing import CENTRE
from skelgraph.viz.figures import P1, P2

COLORS = (P1, P2, "#009E73", "#CC79A7", "#56B4E9")
"""Of the palette of Okabe and Ito."""
Panel = Mapping[str, Mapping[str, float]]


def ratio_bars(panels: Mapping[str, Panel], label: str = "times faster", marked: str | None = None) -> Figure:
    """Draw ratios as bars on a logarithmic axis, grouped by rows, a panel beside the other.

    Args:
        panels: Titles to rows to sides to ratios, above 0; a row need not have every side, nor a panel every row.
        label: What a ratio above 1 means, for the axis.
        marked: A side that is no contestant but a bound, drawn as a line across the bars of its row.

    Raises:
        SkelgraphError: If there is nothing to draw, or a ratio is not above 0.
    """
    rows = list(dict.fromkeys(row for panel in panels.values() for row in panel))
    sides = list(dict.fromkeys(side for panel in panels.values() for row in panel.values() for side in row))
    ratios = [ratio for panel in panels.values() for row in panel.values() for ratio in row.values()]
    if not ratios or not all(0 < ratio < np.inf for ratio in ratios):
        wrong = [ratio for ratio in ratios if not 0 < ratio < np.inf]
        raise SkelgraphError(f"ratios are {wrong}; expected finite ones above 0, at least one")
    bars = [side for side in sides if side != marked]
    height = 0.8 / max(1, len(bars))
    figure = Figure(
        figsize=(2.2 + 3.1 * len(panels), 1.5 + (0.12 + 0.13 * len(bars)) * len(rows)), layout="constrained"
    )
    places = {row: place for place, row in enumerate(rows)}
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, (title, panel) in zip(axes, panels.items(), strict=True):
        for number, side in enumerate(bars):
            drawn = {places[row] + (number + 0.5) * height - 0.4: of[side] for row, of in panel.items() if side in of}
            values = np.array(list(drawn.values()))
            if drawn:  # the legend takes its colour from the bars
                color = COLORS[number % len(COLORS)]
                ax.barh(list(drawn), values - 1, height, left=1, color=color, label=plain(side, 30))
        if marked is not None:
            bound = {places[row]: of[marked] for row, of in panel.items() if marked in of}
            place = np.array(list(bound))
            ax.vlines(list(bound.values()), place - 0.45, place + 0.45, color="black", label=plain(marked, 30))
        ax.axvline(1, color=CENTRE, linewidth=1)
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(base=2, numticks=12))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_yticks(range(len(rows)), [plain(row, 48) for row in rows], parse_math=False)
        ax.set_title(plain(title, 60), fontsize=11, parse_math=False)
        ax.set_xlabel(label, parse_math=False)
        ax.grid(axis="x", alpha=0.3)
        ax.set_axisbelow(True)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.tick_params(axis="y", length=0)
    figure.axes[0].set_ylim(len(rows) - 0.5, -0.5)
    if len(sides) > 1:
        handles: dict[str, Any] = {}
        for ax in axes:
            for handle, name in zip(*ax.get_legend_handles_labels(), strict=True):
                handles.setdefault(name, handle)
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=len(sides), frameon=False)
    return figure
