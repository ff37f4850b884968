"""TRC in pixels, as Sports2D writes it (``..._px_person00.trc``): one person, y down as in the picture, z 0.

Its head says metres all the same; what tells pixels is that nothing has a depth and that a person is larger than one in
metres could be. Where a joint was not seen there is nothing, or 0. The joints are told by their names (``RBigToe``);
Sports2D leaves the eyes and ears of ``halpe26`` out: these are not known.
https://github.com/davidpagnon/Sports2D
"""

from __future__ import annotations

import numpy as np

from skelgraph.datasets.keypoint_files.detections import Detections
from skelgraph.datasets.keypoint_files.joint_names import joints_by_name
from skelgraph.datasets.keypoint_files.sightings import Said, assembled, from_tracks
from skelgraph.datasets.keypoint_files.source import Asked, Source
from skelgraph.datasets.motion_files import trc
from skelgraph.errors import DataError

_LARGEST_BODY = 10.0  # metres, from one joint to another


def is_trc(source: Source) -> bool:
    """Whether it is a TRC file."""
    return trc.is_trc(source.head)


def read_trc_pixels(source: Source, asked: Asked) -> Detections:
    """Read it.

    Raises:
        DataError: If the file is damaged, or its positions are in space or in metres.
    """
    label, motion = source.label, trc.read_trc(source.path)
    seen = motion.visible & motion.positions[..., :2].any(-1)
    positions = np.where(seen[..., None], motion.positions, np.nan)
    if positions[seen][:, 2].any():
        raise DataError(f"{label}: has positions in space: it is motion (read_motion_file reads it), no keypoints.")
    each = [frame[known, :2] for frame, known in zip(positions, seen, strict=True) if known.any()]
    if each and max(np.ptp(frame, axis=0).max() for frame in each) < _LARGEST_BODY:
        raise DataError(
            f"{label}: the person is never larger than {_LARGEST_BODY:g}: is it in metres? Expected pixels."
        )
    skeleton, places = joints_by_name(motion.joint_names, asked, label, may_lack=True)
    chosen = np.where((places < 0)[:, None], np.nan, positions[:, places, :2])
    said = Said(len(positions), frame_rate=motion.frame_rate)
    return assembled(from_tracks(chosen[None]), skeleton, asked, label, said)
