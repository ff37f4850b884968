"""Left stays left in keypoints that some other program found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skelgraph.datasets import Detections
from skelgraph.detection.sides import Sides
from skelgraph.errors import SkelgraphError
from skelgraph.lifting.tracking import track
from skelgraph.options import NotNegative, checked
from skelgraph.topology import Skeleton


@checked
def keep_sides(detections: Detections, *, min_confidence: NotNegative = 0.0) -> Detections:
    """Put joints back that a detector exchanged with those of the other side, from one frame to the next.

    Pair by pair, with the confidences, by :class:`~skelgraph.detection.sides.Sides`: what most frames say is right. The
    detector ``blazepose`` does it itself.

    Args:
        detections: People, who are followed by :func:`~skelgraph.lifting.track` if ``persons`` does not say who is who.
        min_confidence: Joints of this confidence or less are not seen, and are left as they are.

    Returns:
        The same people, told apart.

    Raises:
        SkelgraphError: If the layout does not say what is left and right.

    Example:
        >>> from skelgraph.datasets import four_views
        >>> from skelgraph.lifting import keep_sides
        >>> seen = four_views()["cam01"].detections
        >>> (keep_sides(seen).keypoints == seen.keypoints).all()  # nothing is exchanged there
        np.True_
    """
    kept = KeptSides(detections.skeleton, min_confidence)
    seen = track(detections) if detections.persons is None else detections
    assert seen.persons is not None
    keypoints = seen.keypoints.copy()
    for row in np.argsort(seen.frames, kind="stable"):
        keypoints[row] = kept(int(seen.persons[row]), keypoints[row], int(seen.frames[row]))
    return replace(seen, keypoints=keypoints)


class KeptSides:
    """The sides of people who are told apart, frame by frame; no later frame is needed.

    Args:
        skeleton: The joints.
        min_confidence: Joints of this confidence or less are not seen.

    Raises:
        SkelgraphError: If the layout does not say what is left and right.
    """

    def __init__(self, skeleton: Skeleton, min_confidence: float) -> None:
        if not skeleton.symmetry_known:
            raise SkelgraphError(
                f"{skeleton!r} does not say what is left and right; expected symmetric_pairs, such as 'names'"
            )
        self._skeleton, self._min_confidence = skeleton, min_confidence
        self._people: dict[int, tuple[Sides, int]] = {}  # and the frame in which they were seen last

    def __call__(self, person: int, joints: np.ndarray, frame: int) -> np.ndarray:
        """The joints of somebody in a frame, with the sides that they had.

        Args:
            person: Who it is.
            joints: x, y and the confidence.
            frame: Number of the frame, above that of the frame before.

        Shapes:
            ``joints``: ``(J, 3)``; out the same.
        """
        sides, before = self._people.get(person) or (Sides(self._skeleton), -1)
        self._people[person] = sides, frame
        hidden = np.where(joints[:, 2:] > self._min_confidence, joints, np.nan)
        kept = sides.kept(hidden, frame - before)
        return np.where(np.isfinite(kept), kept, joints)

    def forget_before(self, frame: int) -> None:
        """Forget those who were seen last before this frame."""
        self._people = {person: (sides, last) for person, (sides, last) in self._people.items() if last >= frame}


def exchanges(detections: Detections, kept: Detections) -> dict[int, list[int]]:
    """In which frames more than half of the joints of each person that are seen with their counterparts were put back:
    one pair alone may have crossed.

    Args:
        detections: What was seen, with ``persons``.
        kept: What :func:`keep_sides` made of it.
    """
    assert detections.persons is not None
    mirror = np.array(detections.skeleton.mirror_index)
    is_seen = detections.keypoints[..., 2] > 0
    paired = is_seen & is_seen[:, mirror] & (mirror != np.arange(len(mirror)))
    rows = (detections.keypoints != kept.keypoints).any(2).sum(1) > paired.sum(1) / 2
    frames = zip(detections.persons[rows].tolist(), detections.frames[rows].tolist(), strict=True)
    found: dict[int, list[int]] = {}
    for person, frame in sorted(frames):
        found.setdefault(person, []).append(frame)
    return found
