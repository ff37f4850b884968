"""Left stays left: the sides of a person who is followed over the frames of a video."""

from __future__ import annotations

import numpy as np

from skelgraph.topology import Skeleton

_FASTER = 3.0  # times as fast as before is still a movement, more is a jump
_STILL = 0.005  # of the size of the person: who moves less stands still
_NEWEST = 0.3  # weight of the newest frame in the mean speed
_MOST = 60  # frames that are remembered: a second or two


class Sides:
    """Tells where a detector exchanges left and right from one frame to the next.

    The two joints of a pair either moved as they could have at the speed that they have, or they could have done so
    once they are exchanged: then the detector has changed its mind, and either was wrong before or is now. The majority
    of the frames decides, pair by pair: of at most 60, since both ways last were possible, as where legs cross. After a
    jump that is neither, the next frames are compared with the one before it.

    Args:
        skeleton: The joints.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._mirror = np.array(skeleton.mirror_index)
        self.forget()

    def forget(self) -> None:
        """Begin with another person."""
        count = len(self._mirror)
        # of each joint, but for the first the same for both of a pair
        self._before = np.zeros((count, 2))
        self._speed = np.full(count, np.inf)  # pixels per frame, both joints together
        self._age = np.ones(count)  # frames since the one before the jump
        self._majority = np.zeros(count)  # frames for the sides as they are, less those against

    def kept(self, joints: np.ndarray, frames: int = 1) -> np.ndarray:
        """Give the joints of the next frame the sides that they had.

        Args:
            joints: x and y, NaN where they are not known, and anything else that belongs to the joint. A pair of which
                either is not known is left as it is.
            frames: Frames since the one before: more than 1 where the person was not seen in between.

        Shapes:
            ``joints``: ``(J, 2 or more)``; out the same.
        """
        twins = joints[self._mirror]
        as_given, exchanged = self._moved(joints), self._moved(twins)
        known = np.isfinite(as_given)  # as those exchanged are: it takes both of a pair
        if not known.any():
            self._age += frames
            return joints
        self._age += frames - 1
        still = _STILL * float(np.ptp(joints[known, :2], axis=0).max())
        possible = _FASTER * self._age * np.maximum(self._speed, still)
        agree, differ = as_given <= possible, exchanged <= possible
        votes = known * np.where(agree, 1, -1)
        self._majority = np.where(agree & differ, 0, np.minimum(self._majority + votes, _MOST))
        lost = self._majority < 0  # those who are against are more by now: the sides are as they are given
        exchange = (exchanged < as_given) & ~(agree & differ) & ~lost
        jump = ~(agree | differ | lost)
        kept = np.where(exchange[:, None], twins, joints)
        moved = np.where(exchange, exchanged, as_given) / self._age
        speed = np.where(np.isinf(self._speed), moved, _NEWEST * moved + (1 - _NEWEST) * self._speed)
        self._before = np.where(jump[:, None], self._before, kept[:, :2])
        self._speed = np.where(jump | lost, self._speed, speed)
        self._age = np.where(jump, self._age + 1, 1)
        self._majority = np.maximum(self._majority, 0)
        return kept

    def _moved(self, joints: np.ndarray) -> np.ndarray:
        """How far each joint and its twin are from where they were, together."""
        distance = np.linalg.norm(joints[:, :2] - self._before, axis=-1)
        return distance + distance[self._mirror]
