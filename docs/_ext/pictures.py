"""The pictures of docs/concepts.md, drawn by the library: `python docs/_ext/pictures.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from skelgraph import as_skeleton
from skelgraph.datasets import load_dataset
from skelgraph.files import write_file
from skelgraph.geometry import mirror
from skelgraph.topology import JointHypergraph, MultiScaleGraph
from skelgraph.viz.drawing import CENTRE, draw_skeleton, rest_positions, to_plot_axes
from skelgraph.viz.figures import png

IMAGES = Path(__file__).parents[1] / "images"


def skeletons() -> Figure:
    """Three layouts with the names of their joints."""
    figure, axes = plt.subplots(1, 3, figsize=(16, 5), width_ratios=(1, 1, 2), layout="constrained")
    for ax, name in zip(axes, ("h36m17", "coco17", "hand21"), strict=True):
        as_skeleton(name).plot(ax=ax)
    return figure


def hops() -> Figure:
    """How far every joint is from one of them, and the masks of one, two and three bones."""
    body = as_skeleton("h36m17")
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.6), layout="constrained")
    points, joint = rest_positions(body), body.index("left_elbow")
    draw_skeleton(body, points, axes[0], colors=CENTRE, linewidth=1.5)
    distance = body.hop_distance()[joint].numpy()
    axes[0].scatter(*points.T, c=distance, cmap="viridis_r", s=60, zorder=3)
    for place, far in zip(points, distance, strict=True):
        axes[0].annotate(str(int(far)), place, xytext=(5, 4), textcoords="offset points", fontsize=8)
    axes[0].set_title("bones to the left elbow", fontsize=9)
    axes[0].set_aspect("equal", adjustable="datalim")
    axes[0].set_axis_off()
    for ax, k in zip(axes[1:], (1, 2, 3), strict=True):
        ax.imshow(body.hop_mask(k).numpy(), cmap="Blues", vmin=0, vmax=1)
        ax.set_title(f"hop_mask({k})", fontsize=9)
        ax.set_xticks([])
        ax.set_yticks([])
    return figure


def hyperedges() -> Figure:
    """Some groups of hyperedges over the body."""
    hypergraph = JointHypergraph.from_skeleton("h36m17", groups=("parts", "sym", "contralateral", "sides"))
    return hypergraph.plot()[0].figure


def coarsening() -> Figure:
    """A body, coarsened twice: joints of one colour are one node of the next level."""
    body = as_skeleton("h36m17")
    levels = MultiScaleGraph.coarsen(body, 2, rule="corrected")
    figure, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
    points, colors = rest_positions(body), plt.get_cmap("tab20").colors  # type: ignore[attr-defined]
    for level, ax in enumerate(axes):
        edges, groups = levels.graphs[level].edge_index.numpy(), None
        for start, end in edges.T:
            ax.plot(*points[[start, end]].T, color=CENTRE, linewidth=1.2, zorder=1)
        if level < levels.num_levels - 1:
            groups = levels.parents[level].numpy()
        shown = [colors[group % 20] for group in groups] if groups is not None else "black"
        ax.scatter(*points.T, c=shown, s=70, zorder=2)
        ax.set_title(f"level {level}: {levels.sizes[level]} nodes", fontsize=9)
        ax.set_aspect("equal", adjustable="datalim")
        ax.set_axis_off()
        if groups is not None:
            points = np.stack([points[groups == group].mean(0) for group in range(groups.max() + 1)])
    return figure


def flip() -> Figure:
    """A pose and its mirror image: x negated, left and right swapped."""
    data = load_dataset("synthetic", "test", skeleton="h36m17")
    pose = data.poses_3d[140]
    figure, axes = plt.subplots(1, 3, figsize=(10, 4), layout="constrained")
    views = (
        ("a pose", pose),
        ("x negated alone: left is right", pose * pose.new_tensor([-1, 1, 1])),
        ("mirror(): x negated, sides swapped", mirror(pose, data.skeleton.mirror_index)),
    )
    for ax, (title, points) in zip(axes, views, strict=True):
        flat = points[:, :2].numpy() * [1, -1]
        draw_skeleton(data.skeleton, flat, ax, linewidth=3)
        ax.set_title(title, fontsize=9)
        ax.set_aspect("equal", adjustable="datalim")
        ax.set_axis_off()
    return figure


def axes_of_camera_and_world() -> Figure:
    """Which way axes point: camera (x right, y down, z forward) and world (z up)."""
    data = load_dataset("synthetic", "test", skeleton="h36m17")
    positions = (data.poses_3d[140] + data.poses_3d.new_tensor([0.3, 0.4, 3.0])).numpy()  # in front of the camera
    points = to_plot_axes(positions)
    figure = plt.figure(figsize=(7, 5), layout="constrained")
    ax = figure.add_subplot(projection="3d")
    draw_skeleton(data.skeleton, positions, ax, linewidth=2)
    arrows = {"x right": (1, 0, 0), "z forward": (0, 1, 0), "y down": (0, 0, -1)}
    for (name, way), color in zip(arrows.items(), ("tab:red", "tab:blue", "tab:green"), strict=True):
        ax.quiver(0, 0, 0, *way, color=color, linewidth=2)
        ax.text(*(1.15 * np.array(way)), name, color=color, fontsize=9)
    ax.text(0, 0, 0.15, "camera", fontsize=9)
    low = points.min(0)
    ax.quiver(*(low - [0.6, 0, 0]), 0, 0, 1, color="black", linewidth=2)
    ax.text(low[0] - 0.6, low[1], low[2] + 1.1, "world z up", fontsize=9)
    ax.set_aspect("equal")
    ax.set(xlabel="", ylabel="", zlabel="")
    ax.tick_params(labelsize=6)
    ax.view_init(elev=15, azim=-50)
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "skeletons": skeletons,
    "hops": hops,
    "hyperedges": hyperedges,
    "coarsening": coarsening,
    "flip": flip,
    "axes": axes_of_camera_and_world,
}


def main() -> None:
    """Draw all of them."""
    mpl.use("agg")
    for name, draw in PICTURES.items():
        figure = draw()
        write_file(IMAGES / f"concept_{name}.png", png(figure, dpi=80))
        plt.close(figure)


if __name__ == "__main__":
    main()
