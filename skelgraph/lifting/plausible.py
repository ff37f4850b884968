"""Whether what is said of people and of the camera can be: metres, pixels, the size of the picture, where down is.

What cannot be is an error, which names the unit that it may have been meant in. ``unchecked`` turns it off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from skelgraph.errors import SkelgraphError

if TYPE_CHECKING:
    from skelgraph.datasets import Detections
    from skelgraph.lifting.lifted import Lifted

POSSIBLE_HEIGHT = (0.3, 3.0)
"""How tall people are, metres."""
POSSIBLE_VIEW = (3.0, 150.0)
"""Field of view over the longer side of a picture, degrees: from a long telephoto lens to the widest angle."""
LEAST_OUTSIDE, FEW_OUTSIDE, MANY_OUTSIDE = 0.01, 0.1, 0.5
"""Share of the keypoints, by their confidence, outside of the picture. More than the second is odd, than the third is
impossible; where a picture of exchanged sides holds them, more than the first and than the second."""
UPSIDE_DOWN, LYING = 120.0, 60.0
"""Median angle between the body and up, degrees, from which on people stand on their heads, and lie."""
MOST_OF_A_VIDEO = 0.9
"""Share of the frames that a video counts which are there, at least: where it is trimmed, some are not shown."""
MANY_UNEVEN = 0.05
"""Share of the frames of a video that may be as far from the one before as its frame rate does not say."""

_UNEVEN, _TIME_UNIT = 0.25, 0.001  # of the time between two frames; seconds, to which some formats round
_OTHER_UNITS = {"cm": 100, "mm": 1000, "feet": 3.281, "inches": 39.37}
_OFF = "If it is right, --unchecked (unchecked=True) turns this check off."
_TOP = ("head_top", "head", "upper neck", "neck")
_BOTTOM = ("*_ankle", "*_knee", "*_hip", "pelvis")


def check_height(name: str, metres: float) -> None:
    """Raise an error if nobody is so tall.

    Args:
        name: The argument that says it.
        metres: What it says.

    Raises:
        SkelgraphError: The message names the units that it fits.
    """
    low, high = POSSIBLE_HEIGHT
    if low <= metres <= high:
        return
    fits = [f"{metres:g} {unit} are {metres / n:.3g}" for unit, n in _OTHER_UNITS.items() if low <= metres / n <= high]
    hint = f" ({', '.join(fits)})" if fits else ""
    raise SkelgraphError(f"{name} is {metres:g}; expected metres, from {low:g} to {high:g}{hint}. {_OFF}")


def check_focal(focal: Sequence[float], image_size: tuple[int, int]) -> None:
    """Raise an error if no camera has such a focal length.

    Args:
        focal: fx and fy in pixels.
        image_size: Width and height in pixels.

    Raises:
        SkelgraphError: The message says the field of view, and which focal lengths are possible.
    """
    low, high = POSSIBLE_VIEW
    half = max(image_size) / 2
    for pixels in focal:
        view = 2 * math.degrees(math.atan(half / pixels))
        if not low <= view <= high:
            least, most = (half / math.tan(math.radians(angle) / 2) for angle in (high, low))
            meant = "millimetres" if view > high else "those of another picture, or parts of pixels"
            raise SkelgraphError(
                f"focal is {pixels:g} pixels, which is a field of view of {view:.3g} degrees in a picture of "
                f"{image_size[0]} x {image_size[1]}; expected {least:.0f} to {most:.0f} pixels ({high:g} to {low:g} "
                f"degrees): are these {meant}? {_OFF}"
            )


def check_picture(seen: Detections) -> str | None:
    """Ask whether the picture whose size a caller says is the one that the keypoints are of.

    Args:
        seen: The keypoints, and the size.

    Returns:
        What is odd; ``None`` if nothing is.

    Raises:
        SkelgraphError: If most of them lie outside, or those that do are inside a picture of exchanged sides.
    """
    assert seen.image_size is not None
    width, height = seen.image_size
    share = _share_outside(seen, width, height)
    is_turned = _share_outside(seen, height, width) < share / 10
    usual, possible = (LEAST_OUTSIDE, FEW_OUTSIDE) if is_turned else (FEW_OUTSIDE, MANY_OUTSIDE)
    if share <= usual:
        return None
    expected = f"one of {height} x {width} holds them" if is_turned else "expected that which they are of"
    where = f"outside of a picture of {width} x {height} pixels (image_size, --image-size)"
    found = f"{share:.0%} of the keypoints lie {where}; {expected}"
    if share > possible:
        raise SkelgraphError(f"{found}. {_OFF}")
    return found


def _share_outside(seen: Detections, width: int, height: int) -> float:
    places, weights = seen.keypoints[..., :2], seen.keypoints[..., 2]
    outside = ((places < 0) | (places > [width, height])).any(-1)
    return float((outside * weights).sum() / weights.sum()) if weights.any() else 0.0


def check_length(counted: int | None, found: int) -> str | None:
    """Ask whether a video has as many frames as it counts.

    Args:
        counted: How many it counts; ``None`` if it does not.
        found: How many there are.

    Returns:
        What is odd; ``None`` if nothing is.
    """
    if counted is None or found >= MOST_OF_A_VIDEO * counted:
        return None
    return (
        f"the video says that it has {counted} frames, and has {found}: it was cut off, as by a broken copy, or "
        "trimmed without being written anew"
    )


def check_times(times: np.ndarray | None, frame_rate: float | None) -> str | None:
    """Ask whether the frames of a video are as far apart as its frame rate says.

    Args:
        times: When each frame is shown, seconds; ``None`` if nobody knows.
        frame_rate: Frames per second, as which they count.

    Returns:
        What is odd; ``None`` if nothing is.

    Shapes:
        ``times``: ``(T,)``.
    """
    if times is None or frame_rate is None or len(times) < 2:
        return None
    steps = np.diff(times)
    off = np.abs(steps - 1 / frame_rate) > _UNEVEN / frame_rate + _TIME_UNIT
    if off.mean() <= MANY_UNEVEN:
        return None
    found = " to ".join(dict.fromkeys(f"{1000 * step:.3g}" for step in (steps[off].min(), steps[off].max())))
    return (
        f"the frames of the video are not as far apart as its frame rate says: they count as {frame_rate:.4g} a "
        f"second, {1000 / frame_rate:.3g} ms apart, and {off.mean():.0%} of them are {found} ms apart; speeds and "
        "times are wrong by as much, unless frames are made even beforehand (ffmpeg -i walk.mp4 -r 30 even.mp4)"
    )


def check_gravity(lifted: Lifted, gravity: Sequence[float], source: str) -> str | None:
    """Ask whether people stand where gravity says that down is.

    Args:
        lifted: The people.
        gravity: Its direction in camera axes.
        source: Who says so.

    Returns:
        What is odd; ``None`` if nothing is, or the skeleton has no head or legs.
    """
    angle = angle_from_up(lifted, gravity)
    if angle is None or angle < LYING:
        return None
    what = "people stand on their heads" if angle >= UPSIDE_DOWN else "people lie"
    direction = ",".join(f"{number:.3g}" for number in gravity)
    return (
        f"with gravity {direction} ({source}) {what}: the body is {angle:.0f} degrees from up (median); gravity "
        "(--gravity) is the direction down in camera axes, x right, y down, z forward: 0,1,0 of a level camera"
    )


def angle_from_up(lifted: Lifted, gravity: Sequence[float]) -> float | None:
    """The median angle between the way from the feet to the head and up, degrees; ``None`` if there are none.

    Args:
        lifted: The people.
        gravity: The direction of gravity in camera axes.
    """
    from skelgraph.lifting.lifted import camera_to_upright
    from skelgraph.topology.matching import joint_meanings

    words = joint_meanings(lifted.skeleton)
    top = next((words.index(word) for word in _TOP if word in words), None)
    both = ([word.replace("*", side) for side in ("left", "right")] for word in _BOTTOM)
    feet = next(([words.index(word) for word in pair] for pair in both if set(pair) <= set(words)), None)
    if top is None or feet is None or not lifted.people:
        return None
    body = np.concatenate([one.poses[:, top] - one.poses[:, feet].mean(1) for one in lifted.people])
    up = camera_to_upright(gravity)[2]
    lengths = np.linalg.norm(body, axis=-1)
    cosines = (body @ up)[lengths > 0] / lengths[lengths > 0]
    return float(np.degrees(np.arccos(np.clip(np.median(cosines), -1, 1)))) if len(cosines) else None
