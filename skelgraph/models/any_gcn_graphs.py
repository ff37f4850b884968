"""The skeleton graphs of the Any-GCN study: bones, more edges between them, and the weight of a joint on itself."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from skelgraph.errors import TopologyError
from skelgraph.fixed import on_cpu
from skelgraph.options import checked
from skelgraph.topology import Skeleton, SkeletonLike, as_skeleton

# The released presets are lists of joint numbers of ``h36m16`` that follow no common rule (the double chain takes most
# joints two bones apart, not all), so they stand here as data: joint names of that layout, ``*`` for both sides.
_MORE_EDGES = {
    "default": "",
    "double_chain": """
        hip-*_knee hip-thorax spine-*_hip spine-head *_hip-*_foot thorax-*_elbow *_shoulder-*_wrist
        left_shoulder-right_shoulder
    """,
    "terminal_cycle": "*_hip-*_foot *_shoulder-*_wrist",
    "centralized": "spine-*_hip spine-*_shoulder",
}
GraphPreset = Literal["default", "double_chain", "terminal_cycle", "centralized", "paired"]
GRAPHS: tuple[GraphPreset, ...] = get_args(GraphPreset)
EdgeWeighting = Literal["default", "self_weakening", "self_reinforcement"]
EDGE_WEIGHTINGS: dict[EdgeWeighting, tuple[int, int]] = {
    "default": (1, 1),
    "self_weakening": (2, 1),
    "self_reinforcement": (1, 2),
}
"""Weights of an edge and of a self loop, before the rows are normalised."""


@on_cpu
@checked
def any_gcn_adjacency(
    skeleton: SkeletonLike,
    graph: GraphPreset = "default",
    edge_weighting: EdgeWeighting = "default",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Adjacency of a preset of the `Any-GCN code <https://github.com/tamasino52/Any-GCN>`_: a weighted mean over a
    joint and its neighbours.

    Args:
        skeleton: Skeleton or layout name. All but ``"default"`` and ``"paired"`` need the joint names of ``h36m16``.
        graph: Edges beside the bones: ``"default"`` (none), ``"double_chain"`` (joints two bones apart),
            ``"terminal_cycle"`` (the ends of each limb), ``"centralized"`` (limbs to the spine) or ``"paired"`` (left
            and right).
        edge_weighting: ``"default"``, ``"self_weakening"`` (edges count twice) or ``"self_reinforcement"`` (self loops
            do).
        dtype: Floating-point type of the matrix.

    Returns:
        ``(J, J)``, rows sum to 1.

    Raises:
        SkelgraphError: If a name is unknown, or the skeleton lacks a joint or the pairs of the preset.

    Example:
        >>> any_gcn_adjacency("h36m16", "paired")[1, 4] > 0  # right and left hip
        tensor(True)
    """
    layout = as_skeleton(skeleton)
    if graph == "paired" and not layout.symmetric_pairs:
        raise TopologyError(f"graph 'paired' joins left and right, and {layout!r} has no symmetric pairs")
    adjacency = layout.adjacency(dtype=dtype)
    for i, j in layout.symmetric_pairs if graph == "paired" else _named_edges(layout, _MORE_EDGES[graph]):
        adjacency[i, j] = adjacency[j, i] = 1
    edge, loop = EDGE_WEIGHTINGS[edge_weighting]
    adjacency = edge * adjacency + loop * torch.eye(layout.num_joints, dtype=dtype)
    return adjacency / adjacency.sum(dim=1, keepdim=True)


def _named_edges(skeleton: Skeleton, text: str) -> list[tuple[int, int]]:
    edges = []
    for edge in text.split():
        for named in {edge.replace("*", side) for side in ("left", "right")}:
            first, second = named.split("-")
            edges.append((skeleton.index(first), skeleton.index(second)))
    return edges
