"""The joint-angle curves of one performance, and the smooth curves that they are composed of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import TypeAlias

import torch
from torch import Tensor

from skelgraph.datasets.synthetic.kinematics import INDEX, JOINTS

Curve: TypeAlias = Tensor | float


class Motion:
    """The curves of one clip while it is composed.

    Args:
        frames: Number of frames.
        frame_rate: Frames per second.
        random: Source of the random numbers of the style.

    Attributes:
        time: Seconds, ``(T,)``.
        angles: Joint angles in degrees, ``(T, R, 3)``.
        turn_rate: Turning to the left in radians per second, ``(T,)``.
        clearance: Height of the lowest point above the floor in metres, ``(T,)``.
        spot: Middle of the motion on the floor, metres.
        speed: Forward speed off the ground in metres per second.
        momentum: Share of ``speed`` in the velocity on the ground; the standing foot determines the rest.
        heading: Where the motion faces in the first frame, radians from x to the left.
        level_feet: How far the ankles are bent so that the soles are level, 0 to 1; further angles are added to that.
    """

    def __init__(self, frames: int, frame_rate: float, random: Random) -> None:
        self.time = torch.arange(frames, dtype=torch.float64) / frame_rate
        self.seconds = frames / frame_rate
        self.angles = torch.zeros(frames, len(JOINTS), 3, dtype=torch.float64)
        self.turn_rate = torch.zeros(frames, dtype=torch.float64)
        self.clearance = torch.zeros(frames, dtype=torch.float64)
        self.heading = 0.0
        self.spot = (0.0, 0.0)
        self.speed = 0.0
        self.momentum = 0.0
        self.level_feet = 1.0
        self.random = random

    def uniform(self, low: float, high: float) -> float:
        """Return a random number between two limits."""
        return low + (high - low) * self.random.random()

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return self.random.random() < probability

    def bend(self, joint: str, flexion: Curve = 0.0, abduction: Curve = 0.0, rotation: Curve = 0.0) -> None:
        """Add angles in degrees to a joint; a limb joint without ``left_`` or ``right_`` means both sides."""
        names = [joint] if joint in INDEX else [f"left_{joint}", f"right_{joint}"]
        for name in names:
            for axis, curve in enumerate((flexion, abduction, rotation)):
                self.angles[:, INDEX[name], axis] += curve

    def lean(self, forward: Curve) -> None:
        """Bend the trunk forward as a whole while the legs stay as they are."""
        self.bend("pelvis", flexion=0.45 * forward)
        self.bend("hip", flexion=0.45 * forward)
        self.bend("lumbar", flexion=0.3 * forward)
        self.bend("thoracic", flexion=0.25 * forward)

    def look(self, left: Curve) -> None:
        """Turn the trunk and the head to the left without moving the feet."""
        self.bend("lumbar", rotation=0.2 * left)
        self.bend("thoracic", rotation=0.4 * left)
        self.bend("neck", rotation=0.4 * left)

    def crouch(self, thigh: Curve, knee: Curve) -> None:
        """Bend both legs: the thighs by ``thigh`` from the vertical, the knees by ``knee``."""
        self.bend("hip", flexion=thigh)
        self.bend("knee", flexion=knee)

    def flatten_feet(self) -> None:
        """Turn the ankles so that the soles become level."""
        pelvis = self.angles[:, INDEX["pelvis"]]
        for side, sign in (("left", 1), ("right", -1)):
            hip, knee = self.angles[:, INDEX[f"{side}_hip"]], self.angles[:, INDEX[f"{side}_knee"]]
            self.bend(
                f"{side}_ankle",
                flexion=self.level_feet * (pelvis[:, 0] - hip[:, 0] + knee[:, 0]),
                abduction=self.level_feet * (sign * pelvis[:, 1] - hip[:, 1]),
            )

    def sway(self, size: float, slowest: float = 0.15, fastest: float = 0.9) -> Tensor:
        """Return smooth noise of about ``size``, band-limited between two frequencies in Hz, ``(T,)``."""
        total = torch.zeros_like(self.time)
        for _ in range(3):
            cycles, phase = self.uniform(slowest, fastest) * self.time, self.uniform(0, 1)
            total += self.uniform(0.3, 1) * size / 1.7 * torch.sin(2 * math.pi * (cycles + phase))
        return total

    def keyframes(self, keys: Sequence[tuple[float, float]]) -> Tensor:
        """Return a curve through ``(second, value)`` keys in time order, at rest at each of them, ``(T,)``."""
        return self.poses([(second, (value,)) for second, value in keys])[0]

    def poses(self, keys: Sequence[tuple[float, Sequence[float]]]) -> Sequence[Tensor]:
        """Return one curve ``(T,)`` for each value of the keys ``(second, values)``, with minimal jerk between them."""
        keys = [*keys, (keys[-1][0] + 1, keys[-1][1])]
        seconds = torch.tensor([key[0] for key in keys], dtype=torch.float64)
        values = torch.tensor([list(key[1]) for key in keys], dtype=torch.float64)
        after = torch.searchsorted(seconds, self.time).clamp(1, len(keys) - 1)
        s = ((self.time - seconds[after - 1]) / (seconds[after] - seconds[after - 1])).clamp(0, 1)[:, None]
        blend = s**3 * (10 - 15 * s + 6 * s**2)
        return (values[after - 1] + (values[after] - values[after - 1]) * blend).unbind(-1)

    def pulses(self, rise: float, hold: float, fall: float, rest: float, strength: float = 0.25) -> Tensor:
        """Return a curve that goes from 0 to about 1 and back, over and over, ``(T,)``.

        The four durations in seconds vary from pulse to pulse, and so do the heights, within ``[1 - strength, 1]``.
        """
        second = -self.uniform(0, rise + hold + fall + rest)
        keys = [(second, 0.0)]
        while second < self.seconds:
            tempo, height = self.uniform(0.85, 1.15), 1 - self.uniform(0, strength)
            for duration, value in ((rest, 0.0), (rise, height), (hold, height), (fall, 0.0)):
                second += tempo * max(duration, 0.02)
                keys.append((second, value))
        return self.keyframes(keys)
