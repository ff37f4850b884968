"""Weights of HGN in the layout of the released code, for the mesh of any body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from skelgraph.topology import MultiScaleGraph


def official_hgn(golden: Callable[[str], Any], graph: MultiScaleGraph, levels: tuple[int, int]) -> dict[str, Any]:
    """A file as the released code saves it, of random numbers.

    Args:
        golden: The fixture, whose file has the names and the shapes for meshes of 48 and 96 nodes.
        graph: The mesh of the body and its coarser levels.
        levels: Those that take the place of 48 and 96 nodes.
    """
    reference = golden("hgn_model")
    padded = {nodes: graph.padded(level) for nodes, level in zip((48, 96), levels, strict=True)}
    sizes = {nodes: level.num_nodes for nodes, level in padded.items()}
    edges = {int((reference[f"in/adj{nodes}"] > 0).sum()): level.edge_index.size(1) for nodes, level in padded.items()}
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, weight in reference.state_dict().items():
        known = edges if name.endswith(".e") else sizes if name.startswith("fc_") else {}
        shape = [known.get(size, size) for size in weight.shape]
        drawn = 0.1 * torch.randn(shape, generator=generator)
        is_scale = name.endswith(("running_var", "bn.weight"))
        state[f"module.{name}"] = weight if weight.dim() == 0 else drawn.abs() + 0.5 if is_scale else drawn
    return {"epoch": 100, "model_state_dict": state, "train_log": [np.float64(0.1)], "test_log": [np.float64(37.3)]}
