"""Meshes as Wavefront OBJ files."""

from __future__ import annotations

from os import PathLike

import numpy as np
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.files import write_file


def write_obj(path: str | PathLike[str], vertices: Tensor | np.ndarray, faces: Tensor | np.ndarray) -> None:
    """Write a triangle mesh as an OBJ file, all of it or nothing: a line ``v x y z`` for each vertex and ``f a/a b/b
    c/c`` for each triangle, with ids from 1, as `HGN <https://arxiv.org/abs/2111.11927>`_ saves its meshes.

    Args:
        path: The file.
        vertices: Positions ``(V, 3)``, metres.
        faces: Vertex ids of every triangle, from 0, ``(F, 3)``.

    Raises:
        SkelgraphError: If these are no mesh, or the path is no name of a file.
    """
    points, corners = np.asarray(vertices), np.asarray(faces)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise SkelgraphError(f"vertices has shape {points.shape}; expected finite numbers (V, 3)")
    if corners.ndim != 2 or corners.shape[1] != 3 or corners.dtype.kind not in "iu":
        raise SkelgraphError(f"faces has shape {corners.shape} of {corners.dtype}; expected integers (F, 3)")
    if corners.size and not 0 <= corners.min() <= corners.max() < len(points):
        raise SkelgraphError(f"faces holds the ids {corners.min()} to {corners.max()}; expected 0 to {len(points) - 1}")
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in points.tolist()]
    lines += [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in (corners + 1).tolist()]
    write_file(path, ("\n".join(lines) + "\n").encode())
