"""Drawing of hypergraphs with matplotlib: every hyperedge a rounded area around its joints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from skelgraph.errors import TopologyError
from skelgraph.text import plain
from skelgraph.viz.drawing import CENTRE, draw_skeleton, label_joints, rest_positions


class Hypergraph(Protocol):
    """What of a hypergraph is drawn; :class:`~skelgraph.topology.JointHypergraph` has it."""

    @property
    def num_nodes(self) -> int: ...  # noqa: D102
    @property
    def num_hyperedges(self) -> int: ...  # noqa: D102
    @property
    def hyperedges(self) -> tuple[tuple[int, ...], ...]: ...  # noqa: D102
    @property
    def groups(self) -> Mapping[str, tuple[int, ...]]: ...  # noqa: D102
    @property
    def skeleton(self) -> Any: ...  # noqa: D102


def plot_hypergraph(hypergraph: Hypergraph, positions: Any = None, ax: Any = None, labels: bool = False) -> Any:
    """Draw the hyperedges of a hypergraph; see :meth:`JointHypergraph.plot`."""
    points = _positions(hypergraph, positions)
    if ax is not None:
        _draw(hypergraph, range(hypergraph.num_hyperedges), points, ax, labels)
        return ax
    from matplotlib import pyplot as plt

    panels = max(len(hypergraph.groups), 1)
    _, grid = plt.subplots(
        1, panels, figsize=(6 * panels, 7) if labels else (4 * panels, 5), layout="constrained", squeeze=False
    )
    axes = list(grid[0])
    for panel, (name, ids) in zip(axes, hypergraph.groups.items(), strict=False):
        _draw(hypergraph, ids, points, panel, labels)
        panel.set_title(f"{plain(name, 40)}: {len(ids)} hyperedge{'' if len(ids) == 1 else 's'}", parse_math=False)
    limits = np.array([(panel.get_xlim(), panel.get_ylim()) for panel in axes])
    low, high = limits[..., 0].min(axis=0), limits[..., 1].max(axis=0)
    for panel in axes:  # the same body at the same place, whatever the areas around it
        panel.set_xlim(low[0], high[0])
        panel.set_ylim(low[1], high[1])
        panel.set_aspect("equal", adjustable="box")
    return axes


def _draw(hypergraph: Hypergraph, ids: Any, points: np.ndarray, ax: Any, labels: bool) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Patch, Polygon

    reach = 0.04 * np.ptp(points, axis=0).max() if len(points) > 1 else 1.0
    hyperedges = hypergraph.hyperedges
    palette: Any = colormaps["tab10"]
    color_of = {m: palette.colors[place % 10] for place, m in enumerate(ids)}
    # larger areas behind smaller ones and a little wider, so that nested hyperedges can be told apart
    for rank, m in enumerate(sorted(ids, key=lambda m: -len(hyperedges[m]))):
        color = color_of[m]
        margin = reach * (1.5 - rank / (2 * len(ids)))
        outline = _rounded_hull(points[list(hyperedges[m])], margin)
        ax.add_patch(Polygon(outline, facecolor=(*color, 0.25), edgecolor=color, linewidth=1.5, gid=f"hyperedge-{m}"))
    if hypergraph.skeleton is not None:
        draw_skeleton(hypergraph.skeleton, points, ax, colors=CENTRE, linewidth=1.5)
    # an area may also cover joints that are in none of the hyperedges: these are small and grey
    member = np.isin(np.arange(len(points)), [joint for m in ids for joint in hyperedges[m]])
    colors = np.where(member, "black", CENTRE).tolist()
    ax.scatter(points[:, 0], points[:, 1], c=colors, s=np.where(member, 26, 9), zorder=3)
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.08)
    if labels:
        ax.margins(x=0.3)
        names = [""] * len(points) if hypergraph.skeleton is None else hypergraph.skeleton.joint_names
        label_joints(ax, names, points)
        areas = [
            (_in_words(hypergraph, m, names), Patch(facecolor=(*color_of[m], 0.25), edgecolor=color_of[m])) for m in ids
        ]
        legend = ax.legend(
            [area for _, area in areas],
            [words for words, _ in areas],
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            fontsize=7,
            frameon=False,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
    ax.autoscale_view()
    ax.set_axis_off()


def _in_words(hypergraph: Hypergraph, m: int, names: Sequence[str]) -> str:
    """A hyperedge by its joints, and by its name where its group has no other."""
    group = next(name for name, ids in hypergraph.groups.items() if m in ids)
    joints = ", ".join(names[joint] or f"{joint}" for joint in hypergraph.hyperedges[m])
    own = f"{group}: " * (len(hypergraph.groups) > 1 and len(hypergraph.groups[group]) == 1)
    return plain(own + joints, 70)


def _positions(hypergraph: Hypergraph, positions: Any) -> np.ndarray:
    if positions is not None:
        if hasattr(positions, "detach"):
            positions = positions.detach().cpu()
        points = np.asarray(positions, dtype=float)
    elif hypergraph.skeleton is not None:
        points = rest_positions(hypergraph.skeleton)
    else:
        angle = 2 * np.pi * np.arange(hypergraph.num_nodes) / max(hypergraph.num_nodes, 1)
        points = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    if points.shape != (hypergraph.num_nodes, 2):
        raise TopologyError(f"positions has shape {points.shape}; expected {(hypergraph.num_nodes, 2)}")
    return points


def _rounded_hull(points: np.ndarray, radius: float) -> np.ndarray:
    """The convex hull of circles around ``points (n, 2)``, by the monotone chain of Andrew."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    rim = sorted(map(tuple, (points[:, None] + circle).reshape(-1, 2)))
    hull: list[tuple[float, float]] = []
    for direction in (rim, rim[::-1]):
        start = len(hull)
        for point in direction:
            while len(hull) - start > 1 and _turn(hull[-2], hull[-1], point) <= 0:
                hull.pop()
            hull.append(point)
        hull.pop()
    return np.array(hull)


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
