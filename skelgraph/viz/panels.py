"""Panels of a moving picture, drawn with Pillow: a picture of the input, or a scene seen from a side."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from skelgraph.text import plain
from skelgraph.viz.drawing import Body, joint_colors

SMOOTH = 2
"""Panels are drawn so much larger and reduced, which makes their lines smooth."""
TITLE = 26
"""Height of the title of a panel in pixels."""
INK, GRID, PAPER = "#333333", "#DDDDDD", "#FFFFFF"


@dataclass(frozen=True)
class Camera:
    """A direction to look from, without perspective.

    Args:
        name: Title of what is seen.
        azimuth: Where the viewer stands around the z axis, degrees from x to y, as in matplotlib.
        elevation: How high, degrees above the horizon.
    """

    name: str
    azimuth: float
    elevation: float = 15.0

    def project(self, points: np.ndarray) -> np.ndarray:
        """The picture of points: right, up, and how near they are.

        Shapes:
            ``points``: ``(..., 3)``, z up; returns ``(..., 3)``.
        """
        azimuth, elevation = np.deg2rad([self.azimuth, self.elevation])
        sine, cosine = np.sin(azimuth), np.cos(azimuth)
        right = (-sine, cosine, 0.0)
        up = (-np.sin(elevation) * cosine, -np.sin(elevation) * sine, np.cos(elevation))
        near = (np.cos(elevation) * cosine, np.cos(elevation) * sine, np.sin(elevation))
        picture: np.ndarray = points @ np.array([right, up, near]).T
        return picture


class Panel:
    """A square or picture with a title, onto which bones are drawn frame by frame.

    Args:
        title: Its title.
        size: Width and height without the title, pixels.
        low: The point at the left lower corner, in the unit of what is drawn; y goes up.
        high: That at the right upper corner.
        lines: Lines behind everything, such as a floor: two points each.

    Shapes:
        ``low``, ``high``: ``(2,)``; ``lines``: ``(N, 2, 2)``.
    """

    def __init__(
        self,
        title: str,
        size: tuple[int, int],
        low: np.ndarray,
        high: np.ndarray,
        lines: Sequence[np.ndarray] = (),
    ) -> None:
        self.size = (size[0], size[1] + TITLE)
        self._low, self._scale = low, SMOOTH * np.array(size) / (high - low)
        self._bottom = SMOOTH * self.size[1]
        self._paper = Image.new("RGB", (SMOOTH * self.size[0], SMOOTH * self.size[1]), PAPER)
        pencil = ImageDraw.Draw(self._paper)
        for line in lines:
            pencil.line(self._pixels(line), fill=GRID, width=SMOOTH)
        pencil.text((self._paper.width / 2, SMOOTH * TITLE / 2), plain(title, 60), INK, font(13 * SMOOTH), anchor="mm")

    def begin(self, picture: np.ndarray | None = None) -> Image.Image:
        """A new frame, over a picture of the panel's proportions ``(H, W, 3)``, uint8."""
        frame = self._paper.copy()
        if picture is not None:
            width, height = SMOOTH * self.size[0], SMOOTH * (self.size[1] - TITLE)
            shrunk = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
            frame.paste(shrunk, (0, SMOOTH * TITLE))
        return frame

    def draw(
        self,
        frame: Image.Image,
        points: np.ndarray,
        skeleton: Body,
        colors: str | Sequence[str] | None = None,
        width: float = 3.0,
    ) -> None:
        """Draw a pose; bones with a NaN are left out, the nearest ones come last.

        Args:
            frame: What it is drawn on.
            points: Right, up and, if there is a third number, how near.
            skeleton: Its bones.
            colors: One colour for everything, or those of left, right and centre.
            width: Width of the bones, pixels.

        Shapes:
            ``points``: ``(J, 2)`` or ``(J, 3)``.
        """
        color_of = joint_colors(skeleton, colors)
        known = np.isfinite(points).all(-1)
        bones = [bone for bone in bones_of(skeleton) if known[list(bone)].all()]
        if points.shape[-1] == 3:
            bones.sort(key=lambda bone: points[list(bone), 2].sum())
        pencil, radius = ImageDraw.Draw(frame), SMOOTH * width / 2
        for parent, child in bones:
            ends = self._pixels(points[[parent, child], :2])
            pencil.line(ends, fill=color_of[child], width=round(2 * radius))
            for x, y in ends:
                pencil.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color_of[child])

    def _pixels(self, points: np.ndarray) -> list[tuple[float, float]]:
        # what lies far outside is cut off, for Pillow takes no huge numbers
        x, y = np.clip((points - self._low) * self._scale, -1e4, 1e5).T
        return [(float(a), float(self._bottom - b)) for a, b in zip(x, y, strict=True)]


@functools.lru_cache(maxsize=256)
def _bones(edges: tuple[tuple[int, int], ...], roots: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    lonely = set(roots) - {parent for parent, _ in edges}
    return (*edges, *((joint, joint) for joint in sorted(lonely)))


def bones_of(skeleton: Body) -> tuple[tuple[int, int], ...]:
    """The bones; a joint without any is one of no length."""
    return _bones(tuple(skeleton.edges), tuple(skeleton.roots))


@functools.lru_cache(maxsize=16)
def font(size: int) -> Any:
    """The font that Pillow brings along."""
    return ImageFont.load_default(size)


def joined(panels: Iterable[Image.Image], heading: str = "", legend: Sequence[tuple[str, str]] = ()) -> np.ndarray:
    """Panels side by side below a heading and above a legend, reduced to their real size.

    Args:
        panels: The panels of one frame, as :meth:`Panel.begin` makes them.
        heading: A line above them.
        legend: Names and their colours.

    Returns:
        ``(H, W, 3)``, uint8.
    """
    parts = [*panels]
    above, below = (SMOOTH * TITLE * bool(text) for text in (heading, legend))
    size = sum(part.width for part in parts), above + max(part.height for part in parts) + below
    whole = Image.new("RGB", size, PAPER)
    left = 0
    for part in parts:
        whole.paste(part, (left, above))
        left += part.width
    pencil = ImageDraw.Draw(whole)
    if heading:
        pencil.text((size[0] / 2, above / 2), heading, INK, font(15 * SMOOTH), anchor="mm")
    if legend:
        _draw_legend(pencil, legend, size)
    return np.asarray(whole.reduce(SMOOTH))


def _draw_legend(pencil: ImageDraw.ImageDraw, legend: Sequence[tuple[str, str]], size: tuple[int, int]) -> None:
    letters, dash, gap = font(11 * SMOOTH), 20 * SMOOTH, 6 * SMOOTH
    widths = [dash + gap + pencil.textlength(name, letters) + 3 * gap for name, _ in legend]
    left, middle = (size[0] - sum(widths)) / 2, size[1] - SMOOTH * TITLE / 2
    for (name, color), width in zip(legend, widths, strict=True):
        pencil.line((left, middle, left + dash, middle), fill=color, width=4 * SMOOTH)
        pencil.text((left + dash + gap, middle), name, INK, letters, anchor="lm")
        left += width
