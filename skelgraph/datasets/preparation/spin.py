"""The test set of MPI-INF-3DHP in ``mpi_inf_3dhp_valid.npz`` of `SPIN <https://github.com/nkolot/SPIN>`_."""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike

import numpy as np

from skelgraph.errors import DataError
from skelgraph.files import read_npz
from skelgraph.text import plain, shown

SLOTS = (18, 12, 8, 7, 6, 9, 10, 11, 2, 1, 0, 3, 4, 5, 14, 16, 17)
"""Which of SPIN's 24 joints is which of the 17 of the test annotations."""

_SEQUENCE = re.compile(r"(?:.*/)?(TS[1-6])/.*")


def read_spin(path: str | PathLike[str], sequences: Sequence[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read the frames of some sequences.

    Args:
        path: The file: ``imgname``, ``part`` (N, 24, 3) pixels and whether there is such a joint, ``S`` (N, 24, 4)
            root-relative metres and likewise.
        sequences: ``"TS1"`` and so on.

    Returns:
        Of each sequence the keypoints, pixels ``(n, 17, 2)``, and the poses, root-relative metres ``(n, 17, 3)``.

    Raises:
        DataError: The file cannot be read, its arrays are others, a frame is of another sequence or lacks a joint, or
            there is no frame of a sequence.
    """
    label = plain(str(path), 1000)
    found = read_npz(path, ["imgname", "part", "S"], ())
    names, part, body = (np.asarray(found[name]) for name in ("imgname", "part", "S"))
    if names.ndim != 1 or part.shape != (len(names), 24, 3) or body.shape != (len(names), 24, 4):
        raise DataError(
            f"{label}: found imgname {shown(names)}, part {shown(part)} and S {shown(body)}, expected the names of N "
            "images, (N, 24, 3) and (N, 24, 4)."
        )
    if part.dtype.kind not in "iuf" or body.dtype.kind not in "iuf":
        raise DataError(f"{label}: part and S are no numbers.")
    part, body = part[:, SLOTS].astype(np.float64), body[:, SLOTS].astype(np.float64)
    whole = (part[..., 2] == 1).all() and (body[..., 3] == 1).all()
    if not whole or not np.isfinite(part).all() or not np.isfinite(body).all():
        raise DataError(f"{label}: a frame lacks one of the 17 joints; expected SPIN's mpi_inf_3dhp_valid.npz.")
    matches = [_SEQUENCE.fullmatch(str(name)) for name in names.tolist()]
    of_frame = np.array([match[1] if match else "" for match in matches])
    result = {}
    for sequence in sequences:
        rows = of_frame == sequence
        if not rows.any():
            raise DataError(f"{label}: has no frame of {sequence}; images are called {shown(names[:3].tolist(), 200)}.")
        result[sequence] = part[rows, :, :2], body[rows, :, :3]
    return result
