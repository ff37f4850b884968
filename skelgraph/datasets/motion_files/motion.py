"""What every motion file is read into, and its way into the world: metres, z up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from skelgraph.datasets.units import UNITS, Axis, Unit
from skelgraph.errors import DataError
from skelgraph.text import plain, repr_by_shape, shown
from skelgraph.topology import Skeleton

_WRITTEN = {"meters": "m", "millimeters": "mm", "centimeters": "cm", "in": "inch", "inches": "inch"}
"""Other spellings of units in files."""

_MOST_FRAMES = 2**40
_ROOM = (2**22, 16)  # bytes that the positions may take: a constant, and times the size of the file


@dataclass(frozen=True)
class Motion:
    """The positions of named joints over time, as a file gives them, and what it says of them.

    Args:
        positions: Joint positions, in the unit and the axes of the file; NaN where a joint is not known.
        joint_names: The name of each joint. A prefix up to ``:`` that all of them share is left out.
        frame_rate: Frames per second; ``None`` if the file does not say.
        unit: Metres of its unit of length; ``None`` if the file does not say.
        up: Which of its axes points up; ``None`` if the file does not say.
        parents: Parent of each joint, -1 for a root; ``None`` if the file knows no bones.
        deviations: How far each joint is to be expected from where it is, relative to the root of its person, in the
            unit of the positions; ``None`` if the file does not say.
        first_frame: Which frame of its recording (a video) it begins with, counted from 0, so that its first frame is
            ``first_frame / frame_rate`` seconds after that of the recording; ``None`` if the file does not say.

    Shapes:
        ``positions``: ``(T, J, 3)``, ``deviations``: ``(T, J)``, float64.
    """

    positions: np.ndarray
    joint_names: tuple[str, ...]
    frame_rate: float | None
    unit: float | None = None
    up: Axis | None = None
    parents: tuple[int, ...] | None = None
    deviations: np.ndarray | None = None
    first_frame: int | None = None

    __repr__ = repr_by_shape

    def __post_init__(self) -> None:  # noqa: D105
        prefixes = {name.partition(":")[0] for name in self.joint_names if ":" in name}
        if len(prefixes) == 1 and all(":" in name for name in self.joint_names):
            object.__setattr__(self, "joint_names", tuple(name.partition(":")[2] for name in self.joint_names))

    @property
    def visible(self) -> np.ndarray:
        """Which joints are known, ``(T, J)``."""
        return np.isfinite(self.positions).all(-1)

    def skeleton(
        self, name: str | None = None, symmetric_pairs: Iterable[Sequence[int]] | Literal["names"] | None = None
    ) -> Skeleton:
        """The file's own skeleton: its joints and bones.

        Args:
            name: Name of the skeleton.
            symmetric_pairs: What is left and right, which no file says: see :class:`~skelgraph.topology.Skeleton`.

        Raises:
            DataError: If the file knows no bones.
            TopologyError: If two of its joints have one name, or these are no pairs of it.
        """
        if self.parents is None:
            raise DataError(
                f"these are markers without bones ({', '.join(map(plain, self.joint_names[:20]))}); expected a file "
                "that has a skeleton."
            )
        return Skeleton(self.parents, self.joint_names, symmetric_pairs, name=name)

    def in_world(self, unit: Unit | float | None, up: Axis | None, label: str) -> Motion:
        """The same motion in metres with z up. Where y is up, ``(x, y, z)`` becomes ``(x, -z, y)``.

        Args:
            unit: The unit of length of a file that does not say it: its name, or its metres.
            up: The axis that points up in a file that does not say it.
            label: Name of the file, for messages.

        Raises:
            DataError: If neither the file nor the caller says it, or they say different things.
        """
        metres = UNITS[unit] if isinstance(unit, str) else unit
        if metres is None and self.unit is None:
            raise DataError(
                f"{label}: does not say its unit of length; expected unit (--unit): {', '.join(UNITS)}, or how many "
                "metres it has."
            )
        if None not in (metres, self.unit) and metres != self.unit:
            raise DataError(f"{label}: says that its unit is {self.unit:g} m, but unit is {shown(unit)}.")
        if up is None and self.up is None:
            raise DataError(f"{label}: does not say which axis points up; expected up (--up): y or z.")
        if None not in (up, self.up) and up != self.up:
            raise DataError(f"{label}: says that {self.up} points up, but up is {shown(up)}.")
        scale = self.unit if metres is None else metres
        with np.errstate(over="ignore"):  # what is too large is named when the data set is built
            positions = self.positions * scale
            deviations = None if self.deviations is None else self.deviations * scale
        if (up or self.up) == "y":
            x, y, z = np.moveaxis(positions, -1, 0)
            positions = np.stack([x, -z, y], -1)
        return replace(self, positions=positions, unit=1.0, up="z", deviations=deviations)

    def at_rate(self, frame_rate: float | None, label: str) -> Motion:
        """The same motion at another frame rate, by linear interpolation between the frames: of a multiple of the rate
        frames are just left out. A joint is known where it is in the frames around. Where it begins in its recording is
        the nearest frame of the new rate.

        Args:
            frame_rate: The rate that is wanted, and that of a file that does not say it; ``None``: as it is.
            label: Name of the file, for messages.

        Raises:
            DataError: If neither the file nor the caller says it.
        """
        if self.frame_rate is None and frame_rate is None:
            raise DataError(f"{label}: does not say its frame rate; expected frame_rate, frames per second.")
        if frame_rate is None or self.frame_rate is None or is_same_rate(self.frame_rate, frame_rate):
            return replace(self, frame_rate=frame_rate or self.frame_rate)
        step = self.frame_rate / frame_rate
        if is_same_rate(step, round(step)):  # a frame time of 0.008333 s means 120 frames a second
            step = round(step)
        elif is_same_rate(1 / step, round(1 / step)):
            step = 1 / round(1 / step)
        last = len(self.positions) - 1
        if last / step > _ROOM[1] * (last + 1) + 1000:
            raise DataError(f"{label}: has {self.frame_rate:g} frames a second, too few for frame_rate {frame_rate:g}.")
        time = np.arange(int(last / step + 1e-9) + 1) * step
        before = np.minimum(time.astype(np.int64), last)
        after = np.minimum(before + 1, last)
        weight = (time - before)[:, None, None]
        blended = (1 - weight) * self.positions[before] + weight * self.positions[after]
        positions, deviations = np.where(weight > 0, blended, self.positions[before]), self.deviations
        if deviations is not None:
            deviations = (1 - weight[..., 0]) * deviations[before] + weight[..., 0] * deviations[after]
        first = None if self.first_frame is None else round(self.first_frame / step)
        return replace(self, positions=positions, frame_rate=frame_rate, deviations=deviations, first_frame=first)


def metres_of(unit: str, label: str) -> float:
    """Metres of the unit that a file names.

    Raises:
        DataError: If it is not known.
    """
    name = _WRITTEN.get(unit.lower(), unit.lower())
    if name not in UNITS:
        raise DataError(f"{label}: its unit of length is {shown(unit)}, expected {', '.join([*UNITS, *_WRITTEN])}.")
    return UNITS[name]


def is_same_rate(a: float | None, b: float | None) -> bool:
    """Whether two frame rates are one up to the few digits that files give their frame times with."""
    return a == b if a is None or b is None else abs(a - b) <= 5e-4 * b


def check_first_frame(number: float, label: str) -> int:
    """The number of the frame of a recording that a file begins with.

    Raises:
        DataError: If it is none.
    """
    if not -_MOST_FRAMES <= number <= _MOST_FRAMES or number != int(number):
        raise DataError(f"{label}: first_frame is {shown(number)}, expected the number of a frame.")
    return int(number)


def check_room(frames: int, joints: int, size: int, label: str) -> None:
    """Raise an error if positions take more memory than the size of the file justifies."""
    if 24 * frames * joints > _ROOM[0] + _ROOM[1] * size:
        raise DataError(
            f"{label}: says that {joints} joints move for {frames} frames, too many for a file of {size} bytes."
        )
