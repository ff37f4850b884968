"""The network of a run: options that stand for what is in a file of the data."""

from __future__ import annotations

from typing import Any

import torch

from skelgraph.datasets import read_smpl
from skelgraph.datasets.smpl import find_smpl
from skelgraph.errors import SkelgraphError
from skelgraph.topology import MultiScaleGraph
from skelgraph.training.config import TrainConfig


def network_options(config: TrainConfig) -> dict[str, Any]:
    """The options that the network of a run is made with.

    ``graph`` may be ``"smpl"``: the body of the model files in the setting ``smpl`` and its coarser forms. The
    checkpoints of the run hold the levels that the network computes on, so that they are read without these files.

    Raises:
        SkelgraphError: If there is no such setting, or the file cannot be used.
    """
    options = dict(config.network.options)
    if options.get("graph") == "smpl":
        if config.data.smpl is None:
            raise SkelgraphError("graph is 'smpl', the mesh of the body model; expected smpl, the folder of its file")
        faces = torch.from_numpy(read_smpl(find_smpl(config.data.smpl))["f"])
        options["graph"] = MultiScaleGraph.from_mesh(faces)
    return options
