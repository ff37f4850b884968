"""An animation of the predicted over the true poses, beside the 2D input."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from skelgraph.text import plain
from skelgraph.topology import SkeletonLike, as_skeleton
from skelgraph.viz.drawing import CENTRE, LEFT, RIGHT, draw_skeleton

TRUTH = "#C0C0C0"
ELEVATION = np.deg2rad(10)


def animate_poses(
    keypoints_2d: Any,
    prediction: Any,
    target: Any,
    skeleton: SkeletonLike,
    *,
    frames_per_second: float = 25.0,
    title: str = "",
) -> bytes:
    """Draw a clip as a GIF: the 2D input, then the prediction (coloured) over the true pose (grey) from two sides.

    The projections are made here rather than by a 3D axis of matplotlib, which is ten times slower.

    Args:
        keypoints_2d: Screen-normalised keypoints, ``(T, J, 2)``; NaN: not drawn.
        prediction: Predicted poses, ``(T, J, 3)``, metres, camera axes, root-relative.
        target: True poses, ``(T, J, 3)``; NaN: neither drawn nor counted.
        skeleton: The skeleton.
        frames_per_second: Speed of the animation.
        title: Line above the animation; the error of each frame is added to it.

    Returns:
        The bytes of the GIF.
    """
    skeleton = as_skeleton(skeleton)
    screen, predicted, true = (np.asarray(array, dtype=float) for array in (keypoints_2d, prediction, target))
    errors = 1000 * _known_mean(np.linalg.norm(predicted - true, axis=-1))
    # Follow the person, as the root-relative poses do; y goes down on the screen.
    screen = (screen - screen[:, skeleton.root, None]) * (1, -1)
    # The root stays in the middle of a root-relative pose: stand the true pose on the floor instead.
    floor = np.fmax.reduce(true[..., 1], axis=-1)[:, None, None] * (0, 1, 0)
    predicted, true = predicted - floor, true - floor

    figure = Figure(figsize=(9.6, 4.2), dpi=90)
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3)
    figure.subplots_adjust(0.01, 0.09, 0.99, 0.84, wspace=0.03)
    _draw_legend(figure)
    heading = figure.text(0.5, 0.94, "", ha="center", fontsize=12, parse_math=False)
    _set_limits(axes[0], "2D input", screen)
    azimuths, names = (0.0, np.pi / 2), ("3D, seen from the camera", "3D, seen from the side")
    both = np.concatenate([predicted, true])
    views = np.stack([_project(both, azimuth) for azimuth in azimuths])
    for ax, azimuth, name in zip(axes[1:], azimuths, names, strict=True):
        _set_limits(ax, name, views)
        _draw_floor(ax, azimuth)

    images = []
    for frame, error in enumerate(errors):
        drawn = [draw_skeleton(skeleton, screen[frame], axes[0], linewidth=2.5)]
        for ax, view in zip(axes[1:], views, strict=True):
            drawn.append(draw_skeleton(skeleton, view[len(errors) + frame], ax, colors=TRUTH, linewidth=5))
            drawn.append(draw_skeleton(skeleton, view[frame], ax, linewidth=2.5))
        heading.set_text(f"{plain(title, 100)}   error {error:3.0f} mm".strip())
        canvas.draw()
        for lines in drawn:
            lines.remove()
        images.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    return _encode_gif(images, frames_per_second)


def _known_mean(errors: np.ndarray) -> np.ndarray:
    """The mean over the last axis without the NaN; NaN if there is nothing else."""
    known = ~np.isnan(errors)
    return np.where(known.any(-1), np.where(known, errors, 0).sum(-1) / known.sum(-1).clip(1), np.nan)


def _project(points: np.ndarray, azimuth: float) -> np.ndarray:
    """Project camera axes ``(..., 3)`` to a picture ``(..., 2)`` with y up, slightly from above."""
    x, y, z = np.moveaxis(points, -1, 0)
    depth = z * np.cos(azimuth) - x * np.sin(azimuth)
    return np.stack(
        [x * np.cos(azimuth) + z * np.sin(azimuth), depth * np.sin(ELEVATION) - y * np.cos(ELEVATION)], axis=-1
    )


def _set_limits(ax: Axes, name: str, points: np.ndarray) -> None:
    """Give a panel equal scales, and limits that contain every point of the clip."""
    low, high = np.fmin.reduce(points.reshape(-1, 2)), np.fmax.reduce(points.reshape(-1, 2))
    # The panel is about as wide as high.
    centre, radius = (low + high) / 2, 0.54 * max(*(high - low), 1e-3)
    ax.set_title(name, fontsize=10)
    ax.set(xlim=(centre[0] - radius, centre[0] + radius), ylim=(centre[1] - radius, centre[1] + radius))
    ax.set(xticks=[], yticks=[], aspect="equal")
    for spine in ax.spines.values():
        spine.set_color("#CCCCCC")


def _draw_floor(ax: Axes, azimuth: float, radius: float = 1.0, step: float = 0.25) -> None:
    """A grid of squares of 0.25 m under the feet."""
    ticks = np.arange(-radius, radius + step / 2, step)
    ends = np.array([-radius, radius])
    lines_of_x = [np.stack([np.full(2, tick), np.zeros(2), ends], -1) for tick in ticks]
    lines_of_z = [np.stack([ends, np.zeros(2), np.full(2, tick)], -1) for tick in ticks]
    lines = [_project(line, azimuth) for line in lines_of_x + lines_of_z]
    ax.add_collection(LineCollection(lines, colors="#E3E3E3", linewidths=0.8, zorder=0))


def _draw_legend(figure: Figure) -> None:
    entries = {"truth": (TRUTH, 5), "prediction: left": (LEFT, 2.5), "right": (RIGHT, 2.5), "centre": (CENTRE, 2.5)}
    handles = [Line2D([], [], color=color, linewidth=width, label=name) for name, (color, width) in entries.items()]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False, fontsize=9)


def _encode_gif(images: list[Image.Image], frames_per_second: float) -> bytes:
    # One palette for all frames, taken from the first: the colours stay the same, and the file is small.
    palette = images[0].quantize(128, Image.Quantize.MAXCOVERAGE)
    frames = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    buffer = io.BytesIO()
    # A GIF counts in hundredths of a second, up to 16 bits of them.
    duration = min(max(20, 10 * round(100 / frames_per_second)), 10 * (2**16 - 1))
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=duration, loop=0, optimize=False)
    return buffer.getvalue()
