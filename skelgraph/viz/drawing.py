"""Drawing of skeletons and poses with matplotlib: the left side blue, the right side orange, the centre grey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from skelgraph.errors import TopologyError
from skelgraph.text import plain, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection

# Of the palette of Okabe and Ito, told apart with every kind of colour vision: https://jfly.uni-koeln.de/color/
LEFT = "#0072B2"
RIGHT = "#D55E00"
CENTRE = "#7F7F7F"


class Body(Protocol):
    """What of a skeleton is drawn; :class:`~skelgraph.topology.Skeleton` has it."""

    @property
    def name(self) -> str | None: ...  # noqa: D102
    @property
    def joint_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def parents(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def symmetric_pairs(self) -> tuple[tuple[int, int], ...]: ...  # noqa: D102
    @property
    def num_joints(self) -> int: ...  # noqa: D102
    @property
    def roots(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def edges(self) -> tuple[tuple[int, int], ...]: ...  # noqa: D102


def joint_colors(skeleton: Body, colors: str | Sequence[str] | None = None) -> list[str]:
    """Return the colour of each joint; the bone that leads to a joint has the same.

    Args:
        skeleton: The skeleton.
        colors: One colour for everything or the three colours of left, right and centre.

    Raises:
        TopologyError: If ``colors`` is neither one nor three colours.
    """
    if isinstance(colors, str):
        return [colors] * skeleton.num_joints
    sides = tuple(colors) if colors is not None else (LEFT, RIGHT, CENTRE)
    if len(sides) != 3:
        raise TopologyError(f"colors is {shown(colors)}; expected one colour or three: left, right, centre")
    result = [sides[2]] * skeleton.num_joints
    for left, right in skeleton.symmetric_pairs:
        result[left], result[right] = sides[:2]
    return result


def draw_skeleton(
    skeleton: Body,
    positions: Any,
    ax: Any,
    *,
    colors: str | Sequence[str] | None = None,
    linewidth: float = 2.5,
    alpha: float = 1.0,
    label: str | None = None,
) -> LineCollection:
    """Draw one pose as coloured bones on a 2D or 3D axis.

    On a 2D axis ``x`` and ``y`` are drawn as they are: for image coordinates call ``ax.invert_yaxis()``. On a 3D axis
    positions are in camera axes (x right, y down, z forward) and are drawn at ``(x, z, -y)``, which puts the person
    upright; the default view of matplotlib then looks from the side of the camera.

    Args:
        skeleton: The skeleton of the pose.
        positions: Joint positions, array or tensor; bones with a NaN are left out.
        ax: A matplotlib axis.
        colors: One colour for everything or the three colours of left, right and centre.
        linewidth: Width of the bones in points.
        alpha: Opacity from 0 to 1.
        label: Entry in the legend of the axis.

    Shapes:
        ``positions``: ``(J, 2)`` on a 2D axis, ``(J, 3)`` on a 3D axis.

    Returns:
        The line collection that was added to the axis.

    Raises:
        TopologyError: If the positions do not fit the skeleton or the axis.
    """
    from matplotlib import collections
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    is_3d = ax.name == "3d"
    points = _checked_positions(skeleton, positions, 3 if is_3d else 2)
    if is_3d:
        points = to_plot_axes(points)
    # A joint without bones is a line of no length, which the round ends make a dot.
    lonely = set(skeleton.roots) - {parent for parent, _ in skeleton.edges}
    bones = [*skeleton.edges, *((joint, joint) for joint in sorted(lonely))]
    color_of = joint_colors(skeleton, colors)
    lines = (Line3DCollection if is_3d else collections.LineCollection)(
        [points[list(bone)] for bone in bones],
        colors=[color_of[child] for _, child in bones],
        linewidths=linewidth,
        alpha=alpha,
        label=label,
        capstyle="round",
    )
    if is_3d:
        # matplotlib before 3.10 does not look at a collection for the limits of a 3D axis.
        had_data = ax.has_data()
        ax.add_collection3d(lines)
        ax.auto_scale_xyz(*points[np.isfinite(points).all(axis=1)].T, had_data=had_data)
    else:
        ax.add_collection(lines)
        ax.autoscale_view()
    return lines


def to_plot_axes(positions: np.ndarray) -> np.ndarray:
    """Map camera axes (x right, y down, z forward) to plot axes with z up: ``(x, z, -y)``.

    Shapes:
        ``(..., 3)``.
    """
    return np.stack([positions[..., 0], positions[..., 2], -positions[..., 1]], axis=-1)


def plot_topology(skeleton: Body, positions: Any = None, ax: Any = None) -> Axes:
    """Draw the bones and the labelled joints of a skeleton; see :meth:`Skeleton.plot`."""
    if ax is None:
        from matplotlib import pyplot as plt

        _, ax = plt.subplots(figsize=(8, 8), layout="constrained")
    points = rest_positions(skeleton) if positions is None else _checked_positions(skeleton, positions, 2)
    draw_skeleton(skeleton, points, ax, linewidth=2)
    ax.scatter(points[:, 0], points[:, 1], c=joint_colors(skeleton), s=40, zorder=3, edgecolors="white")
    label_joints(ax, skeleton.joint_names, points)
    ax.set_title(f"{plain(skeleton.name or 'skeleton')}: {skeleton.num_joints} joints", parse_math=False)
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(x=0.3, y=0.05)
    ax.set_axis_off()
    return ax


def label_joints(ax: Any, names: Sequence[str], points: np.ndarray) -> None:
    """Write number and name of each joint beside its place ``(J, 2)`` on a 2D axis."""
    middle = points[:, 0].mean()
    for joint, (name, (x, y)) in enumerate(zip(names, points, strict=True)):
        side = np.sign(np.round(x - middle, 9))  # names stand outside the figure, those of the middle right above it
        ax.annotate(
            f"{joint} {plain(name, 40)}".strip(),
            (x, y),
            xytext=(-6, 0) if side < 0 else (6, 0) if side > 0 else (5, 2),
            textcoords="offset points",
            ha="right" if side < 0 else "left",
            va="center" if side else "bottom",
            fontsize=7,
            parse_math=False,
        )


def rest_positions(skeleton: Body) -> np.ndarray:
    """Return where the joints are drawn by default: a standing figure that looks at us, else the tree.

    Shapes:
        ``(J, 2)``, ``y`` up.
    """
    figure = standing_figure(skeleton)
    return _tree_positions(skeleton) if figure is None else figure


def standing_figure(skeleton: Body) -> np.ndarray | None:
    """Return where the joints of a standing figure that looks at us are, its left side on our right; ``None`` unless
    every joint has a usual name, as in the named layouts of bodies.

    Shapes:
        ``(J, 2)``, ``y`` up.
    """
    points = []
    for name in skeleton.joint_names:
        side, _, landmark = name.partition("_")
        if side in ("left", "right") and landmark in _SIDE:
            x, y = _SIDE[landmark]
            points.append((x if side == "left" else -x, y))
        elif name in _CENTRE:
            points.append((0.0, _CENTRE[name]))
        else:
            return None
    return np.array(points)


def _tree_positions(skeleton: Body) -> np.ndarray:
    """Place roots on top, every generation one step lower, leaves side by side and parents above their children."""
    children: dict[int, list[int]] = {joint: [] for joint in range(-1, skeleton.num_joints)}
    for joint, parent in enumerate(skeleton.parents):
        children[parent].append(joint)
    points = np.zeros((skeleton.num_joints, 2))
    num_leaves = 0

    stack = [(root, 0, False) for root in reversed(skeleton.roots)]
    while stack:
        joint, depth, children_placed = stack.pop()
        if children_placed:
            points[joint] = points[children[joint], 0].mean(), -depth
        elif children[joint]:
            stack.append((joint, depth, True))
            stack.extend((child, depth + 1, False) for child in reversed(children[joint]))
        else:
            points[joint] = num_leaves, -depth
            num_leaves += 1
    return points


def _checked_positions(skeleton: Body, positions: Any, dimensions: int) -> np.ndarray:
    if hasattr(positions, "detach"):  # a tensor, perhaps on a GPU or with a gradient
        positions = positions.detach().cpu()
    points = np.asarray(positions, dtype=float)
    if points.shape != (skeleton.num_joints, dimensions):
        raise TopologyError(
            f"positions has shape {points.shape}; expected {(skeleton.num_joints, dimensions)} "
            f"for {skeleton!r} on a {dimensions}D axis"
        )
    return points


# A standing figure about 1.8 m tall, drawn for legible labels rather than true proportions (the face is large, the arms
# are held away from the body): how high the joints in the middle are, ...
# fmt: off
_CENTRE = {
    "hip": 0.95, "hips": 0.95, "mid_hip": 0.95, "pelvis": 0.95,
    "spine_base": 1.01, "lower_back": 1.03, "spine": 1.1, "spine1": 1.17, "spine_mid": 1.2, "spine2": 1.25,
    "spine3": 1.33, "spine4": 1.41, "thorax": 1.42, "spine_shoulder": 1.42, "neck": 1.49, "upper_neck": 1.57,
    "neck1": 1.57, "neck_nose": 1.57, "nose": 1.63, "head": 1.78, "head_top": 1.9,
}
# ... and where the left ones are.
_SIDE = {
    "mouth": (0.06, 1.57), "eye_inner": (0.05, 1.79), "eye": (0.11, 1.745), "eye_outer": (0.17, 1.7),
    "ear": (0.24, 1.65), "clavicle": (0.1, 1.47), "collar": (0.1, 1.47), "shoulder": (0.22, 1.41),
    "arm": (0.29, 1.34), "elbow": (0.4, 1.17), "fore_arm": (0.4, 1.17), "wrist": (0.54, 0.93), "hand": (0.58, 0.87),
    "finger_base": (0.62, 0.81), "hand_index1": (0.65, 0.75), "hand_tip": (0.62, 0.79), "pinky": (0.67, 0.84),
    "index": (0.62, 0.78), "thumb": (0.52, 0.71), "thumb_tip": (0.5, 0.65),
    "hip_joint": (0.06, 0.92), "hip": (0.12, 0.89), "up_leg": (0.12, 0.86), "knee": (0.15, 0.5), "leg": (0.15, 0.5),
    "ankle": (0.17, 0.12), "foot": (0.18, 0.07), "heel": (0.14, 0.05), "toe": (0.24, 0.0), "toe_base": (0.24, 0.0),
    "toe_tip": (0.3, -0.04), "big_toe": (0.19, -0.05), "foot_index": (0.22, -0.04), "small_toe": (0.27, 0.0),
}
# fmt: on
