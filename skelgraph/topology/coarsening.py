"""Coarsening by heavy-edge matching: nodes are merged in pairs along the edges of the largest weight."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from skelgraph.errors import TopologyError
from skelgraph.fixed import on_cpu
from skelgraph.options import Int64, check_option
from skelgraph.text import shown
from skelgraph.topology.arrays import to_ids
from skelgraph.topology.graph import Graph

MatchingRule = Literal["released", "corrected"]


@on_cpu
def mesh_graph(faces: Tensor, num_vertices: int | None = None, name: str | None = None) -> Graph:
    """Return the graph of a triangle mesh.

    Every edge of a closed surface has weight 1. Where more than two triangles share an edge its weight is what the
    `Pose2Mesh code <https://github.com/hongsukchoi/Pose2Mesh_RELEASE>`_ makes of it: the triangles that run along it in
    the same direction, less one.

    Args:
        faces: Vertex ids of every triangle, ``(F, 3)``.
        num_vertices: Number of vertices; by default one more than the largest id.
        name: A name for the graph.

    Raises:
        TopologyError: If the faces are no triangles or an id is out of range.
    """
    faces = to_ids("faces", faces)
    if faces.dim() != 2 or faces.size(1) != 3:
        raise TopologyError(f"faces has shape {tuple(faces.shape)} of {faces.dtype}; expected integers (F, 3)")
    faces = faces.long()
    if num_vertices is None:
        num_vertices = int(faces.max()) + 1 if faces.numel() else 0
    num_vertices = check_option("num_vertices", num_vertices, Int64)
    sides = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [0, 2]]]).t()
    directed = Graph(num_vertices, sides)
    count = directed.edge_weight - (directed.edge_weight > 1).double()
    sender, receiver = torch.cat([directed.edge_index, directed.edge_index.flip(0)], dim=1)
    # both directions get the larger count
    keys, place = torch.unique(receiver * num_vertices + sender, return_inverse=True)
    weight = torch.zeros(len(keys), dtype=count.dtype).scatter_reduce(0, place, count.repeat(2), "amax")
    return Graph(num_vertices, torch.stack([keys % num_vertices, keys // num_vertices]), weight, name)


@on_cpu
def heavy_edge_matching(
    graph: Graph, rule: MatchingRule = "released", degree: Tensor | None = None, order: Tensor | None = None
) -> Tensor:
    r"""Group the nodes of a graph in pairs, as for `"Convolutional Neural Networks on Graphs with Fast Localized
    Spectral Filtering" <https://arxiv.org/abs/1606.09375>`_ (after Graclus).

    A node :math:`t` that is still free takes the first free neighbour :math:`j` with the largest

    .. math:: (2 w_{tj} + w_t + w_j) / (d_t + d_j + 10^{-9})

    with the weights :math:`w_t = w_{tt}` of self loops and the degrees :math:`d`. It is a group of its own if none is
    free.

    Args:
        graph: A graph whose every edge has its reverse.
        rule: ``"corrected"`` for this formula; ``"released"`` for what the released code computes, which takes the
            first entry of its row for :math:`w_t`, looks for neighbours of node 0 one entry too far (in the row of
            node 1), and for those of the last node one entry too short.
        degree: Degrees :math:`d`; by default the sums of the columns, self loops included.
        order: In which order the nodes choose; by default by increasing sum of their column, equal ones by their id.

    Returns:
        The group of every node, ``(N)``; groups are numbered in the order of choice.

    Raises:
        TopologyError: If the rule is unknown, or a node has no edge (``"released"`` only).
    """
    if not isinstance(graph, Graph):
        raise TopologyError(f"graph is {shown(graph)}; expected a Graph")
    if not isinstance(rule, str) or rule not in ("released", "corrected"):
        raise TopologyError(f"rule is {shown(rule)}; expected 'released' or 'corrected'")
    for name, given in (("degree", degree), ("order", order)):
        if given is not None and (not isinstance(given, Tensor) or given.shape != (graph.num_nodes,)):
            raise TopologyError(f"{name} is {shown(given)}; expected a tensor ({graph.num_nodes},)")
    if order is not None and not torch.equal(order.sort().values, torch.arange(graph.num_nodes)):
        raise TopologyError(f"order is {shown(order)}; expected every node once")
    num_nodes = graph.num_nodes
    sender, receiver = graph.edge_index
    total = torch.zeros(num_nodes, dtype=torch.float64).index_add(0, sender, graph.edge_weight)
    length = torch.bincount(receiver, minlength=num_nodes)
    start = (length.cumsum(0) - length).tolist()
    stop = length.cumsum(0).tolist()
    neighbours, weights = sender.tolist(), graph.edge_weight.tolist()
    if rule == "released":
        if num_nodes and not length.all():
            raise TopologyError(
                f"node {int((length == 0).nonzero()[0])} has no edge, which the released rule cannot read; "
                "expected rule='corrected' for such a graph"
            )
        own = [weights[first] for first in start]
        if num_nodes > 1:
            stop[0] += 1
            stop[-1] -= 1
    else:
        loops = sender == receiver
        own = torch.zeros(num_nodes, dtype=torch.float64).index_add(0, sender[loops], graph.edge_weight[loops]).tolist()
    d = (total if degree is None else degree).tolist()
    visit = torch.argsort(total, stable=True) if order is None else order

    group = [-1] * num_nodes
    num_groups = 0
    for t in visit.tolist():
        if group[t] >= 0:
            continue
        group[t] = num_groups
        best, best_score = -1, 0.0
        for entry in range(start[t], stop[t]):
            j = neighbours[entry]
            if group[j] < 0:
                score = (2 * weights[entry] + own[t] + own[j]) / (d[t] + d[j] + 1e-9)
                if score > best_score:
                    best, best_score = j, score
        if best >= 0:
            group[best] = num_groups
        num_groups += 1
    return torch.tensor(group, dtype=torch.int64)
