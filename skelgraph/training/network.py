"""The network of a run: options that stand for what is in a file of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from skelgraph.datasets import read_smpl
from skelgraph.datasets.smpl import find_smpl
from skelgraph.errors import SkelgraphError
from skelgraph.topology import MultiScaleGraph


def network_options(options: Mapping[str, Any], smpl: str | None) -> dict[str, Any]:
    """The options that a network is made with.

    ``graph`` may be ``"smpl"``: the body of the model files in the setting ``smpl`` and its coarser forms. The
    checkpoints of a run hold the levels that the network computes on, so that they are read without these files.

    Args:
        options: Options of the network.
        smpl: The setting of this name.

    Raises:
        SkelgraphError: If there is no such setting, or the file cannot be used.
    """
    made = dict(options)
    if made.get("graph") == "smpl":
        if smpl is None:
            raise SkelgraphError("graph is 'smpl', the mesh of the body model; expected smpl, the folder of its file")
        made["graph"] = MultiScaleGraph.from_mesh(torch.from_numpy(read_smpl(find_smpl(smpl))["f"]))
    return made
