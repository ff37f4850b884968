"""Turned squares of a picture: what a network looks at, and where in the picture its answers are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn.functional import grid_sample


@dataclass(frozen=True)
class Square:
    """A square of a picture, which may be turned and reach beyond the picture.

    Positions in the picture are in pixels from its left top corner, so that the centre of the first pixel is at
    (0.5, 0.5). Those in the square go from 0 to 1; as MediaPipe has it, which the networks were trained with, 0 is the
    centre of its first pixel, and 1 that of the one behind its last.

    Args:
        centre: x and y of its centre in pixels.
        size: Length of a side in pixels.
        angle: How far it is turned, in radians, with the clock as seen in the picture.
    """

    centre: tuple[float, float]
    size: float
    angle: float = 0.0

    @classmethod
    def letterbox(cls, width: int, height: int) -> Square:
        """The smallest one with the whole picture in its middle."""
        return cls((width / 2, height / 2), max(width, height))

    @classmethod
    def around(cls, centre: np.ndarray, top: np.ndarray, scale: float) -> Square | None:
        """The one whose side is ``scale`` times the diameter of a circle and whose upper side lies towards ``top``.

        Args:
            centre: Centre of the circle in pixels.
            top: A point on it.
            scale: Side by diameter.

        Shapes:
            ``centre`` and ``top``: ``(2,)``.

        Returns:
            The square; ``None`` if the points are no numbers or the same.
        """
        x, y = (float(number) for number in top - centre)
        size = 2 * scale * math.hypot(x, y)
        if not (math.isfinite(size) and size > 0 and np.isfinite(centre).all()):
            return None
        return cls((float(centre[0]), float(centre[1])), size, math.atan2(x, -y))

    def in_picture(self, points: np.ndarray) -> np.ndarray:
        """Where points of the square are in the picture.

        Shapes:
            ``points``: ``(..., 2)``, 0 to 1; out the same, pixels.
        """
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        turn = np.array([[cosine, sine], [-sine, cosine]])  # of row vectors
        return np.asarray(self.centre) + self.size * ((points - 0.5) @ turn)

    def sample(self, frame: np.ndarray, pixels: int, outside: Literal["zeros", "border"]) -> np.ndarray | None:
        """What is in the square, by bilinear interpolation.

        Args:
            frame: The picture.
            pixels: Length of a side of the result.
            outside: What is seen beyond the picture: black, or the nearest pixel of its border.

        Shapes:
            ``frame``: ``(H, W, 3)``, uint8; out ``(1, pixels, pixels, 3)``, float32, 0 to 255.

        Returns:
            The square; ``None`` if it lies beside the picture.
        """
        height, width = frame.shape[:2]
        steps = np.arange(pixels) / pixels
        places = self.in_picture(np.stack(np.meshgrid(steps, steps), axis=-1))
        lowest, highest = places.min(axis=(0, 1)), places.max(axis=(0, 1))
        left, top = (max(0, int(number) - 1) for number in lowest)
        right, bottom = (min(most, int(number) + 2) for number, most in zip(highest, (width, height), strict=True))
        if left >= right or top >= bottom:
            return None
        # only the part that is needed is converted, which takes longer than the rest
        part = torch.from_numpy(frame[top:bottom, left:right]).permute(2, 0, 1)[None].float()
        grid = (places - (left, top)) * 2 / (right - left, bottom - top) - 1
        seen = grid_sample(part, torch.from_numpy(grid)[None].float(), padding_mode=outside, align_corners=False)
        return np.ascontiguousarray(seen.permute(0, 2, 3, 1).numpy())
