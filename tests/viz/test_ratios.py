"""Bars of ratios begin at 1 and end at what they are given."""

from __future__ import annotations

from typing import Any

import pytest

from skelgraph.errors import SkelgraphError
from skelgraph.viz.figures import png
from skelgraph.viz.ratios import ratio_bars

PANELS = {
    "forward": {"a_net": {"eager": 0.5, "compiled": 4.0, "bound": 8.0}, "b_net": {"compiled": 1.0}},
    "training": {"b_net": {"eager": 2.0}, "$c_net$": {"eager": 16.0, "bound": 20.0}},
}


def test_bars_show_the_ratios_of_their_rows() -> None:
    figure = ratio_bars(PANELS, "times better", marked="bound")
    left, right = figure.axes
    drawn: dict[Any, Any] = {}
    for ax in (left, right):
        rows = [label.get_text() for label in left.get_yticklabels()]
        assert rows == ["a_net", "b_net", "$c_net$"]
        for container in ax.containers:
            for bar in container:
                row = rows[round(bar.get_y() + bar.get_height() / 2)]
                assert bar.get_x() == 1
                drawn[ax.get_title(), row, container.get_label()] = bar.get_x() + bar.get_width()
    expected = {
        (title, row, side): ratio
        for title, panel in PANELS.items()
        for row, sides in panel.items()
        for side, ratio in sides.items()
        if side != "bound"
    }
    assert drawn == pytest.approx(expected)
    bounds = [[path.vertices[0] for path in ax.collections[0].get_paths()] for ax in (left, right)]
    assert [[float(x) for x, _ in each] for each in bounds] == [[8.0], [20.0]]
    assert {ax.get_xscale() for ax in (left, right)} == {"log"}
    assert left.get_xlabel() == "times better"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["bound", "eager", "compiled"]
    assert png(figure)


def test_the_legend_has_the_colours_of_the_bars_also_of_a_side_that_is_in_no_first_panel() -> None:
    panels = {"forward": {"a_net": {"eager": 2.0}}, "training": {"a_net": {"eager": 2.0, "bf16": 4.0}}}
    figure = ratio_bars(panels)
    legend = figure.legends[0]
    told = {
        text.get_text(): handle.get_facecolor()
        for text, handle in zip(legend.get_texts(), legend.get_patches(), strict=True)
    }
    assert told == {one.get_label(): one[0].get_facecolor() for one in figure.axes[1].containers}
    assert len(set(told.values())) == 2


@pytest.mark.parametrize("panels", [{}, {"a": {}}, {"a": {"b": {"c": 0.0}}}, {"a": {"b": {"c": float("nan")}}}])
def test_what_is_no_ratio_is_refused(panels: Any) -> None:
    with pytest.raises(SkelgraphError, match=r"ratios are .*expected finite ones above 0"):
        ratio_bars(panels)
