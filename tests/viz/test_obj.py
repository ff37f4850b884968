"""Meshes as OBJ files."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.viz.obj import write_obj


def test_lines_of_a_file(tmp_path):
    path = tmp_path / "new" / "mesh.obj"
    write_obj(path, torch.tensor([[0, 0.5, -1], [1e-7, 2, 3], [0.25, 1, 1]]), np.array([[0, 1, 2], [2, 1, 0]]))
    assert path.read_text() == (
        "v 0.000000 0.500000 -1.000000\nv 0.000000 2.000000 3.000000\nv 0.250000 1.000000 1.000000\n"
        "f 1/1 2/2 3/3\nf 3/3 2/2 1/1\n"
    )


@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (np.zeros((4, 2)), np.zeros((1, 3), int), r"vertices has shape \(4, 2\)"),
        (np.full((4, 3), np.nan), np.zeros((1, 3), int), "finite"),
        (np.zeros((4, 3)), np.array([[0, 1, 4]]), "faces holds the ids 0 to 4; expected 0 to 3"),
        (np.zeros((4, 3)), np.zeros((1, 3)), "of float64; expected integers"),
    ],
)
def test_what_is_no_mesh_is_refused_and_the_old_file_stays(vertices, faces, message, tmp_path):
    path = tmp_path / "mesh.obj"
    path.write_text("old")
    with pytest.raises(SkelgraphError, match=message):
        write_obj(path, vertices, faces)
    assert path.read_text() == "old"
