"""The meshes that a network predicts for frames of a test set, as files."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from skelgraph.datasets import PoseDataset
from skelgraph.errors import SkelgraphError
from skelgraph.models import PoseLifter
from skelgraph.training.config import TrainConfig
from skelgraph.viz.obj import write_obj


def check_mesh(config: TrainConfig, model: PoseLifter) -> None:
    """Check that there are meshes to be saved, if they are asked for.

    Raises:
        SkelgraphError: If the network predicts no mesh, or its triangles are not known.
    """
    if config.evaluation.save_obj is not None and model.mesh_faces is None:
        raise SkelgraphError(
            f"save-obj is {config.evaluation.save_obj}, but {type(model).__name__} has no mesh with triangles: "
            "expected a network that predicts one (hgn, made with a graph)"
        )


@torch.no_grad()
def write_meshes(folder: Path, model: PoseLifter, test_set: PoseDataset, count: int) -> None:
    """Write the predicted meshes of frames that are spread evenly over a test set, in camera axes, metres and relative
    to the root joint: ``000120_S9_Walking_1_cam0.obj`` is row 120 of the data set.

    Args:
        folder: Where the files are written.
        model: A network with ``mesh`` and ``mesh_faces``.
        test_set: The frames.
        count: How many of them.
    """
    faces = model.mesh_faces
    assert faces is not None  # check_mesh
    model.eval()
    windows = test_set.windows(model.num_frames)
    rows = torch.linspace(0, len(windows) - 1, min(count, len(windows)), dtype=torch.float64).round().long()
    device = next(model.parameters()).device
    for row in rows.tolist():
        batch = windows[row]
        frame = int(batch.frame)
        clip = test_set.clips[int(test_set.clip_id[frame])]
        label = re.sub(r"[^A-Za-z0-9-]+", "_", f"{clip.subject}_{clip.action}_{clip.camera}")[:100]
        given = batch.in_form(model.input_form)
        vertices = given.to_camera(model.mesh(given.network_input(model.in_channels).to(device)).float().cpu())[0]
        write_obj(folder / f"{frame:06d}_{label}.obj", vertices, faces)
