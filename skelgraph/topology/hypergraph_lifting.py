"""Hyperedges out of a graph or out of where its nodes are: near nodes, communities and what curvature leaves together.

:class:`~skelgraph.topology.JointHypergraph` has a constructor for each; here is what they compute.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor

from skelgraph.errors import TopologyError
from skelgraph.fixed import on_cpu
from skelgraph.options import Finite, Int64, Positive, Rate, check_option
from skelgraph.topology.arrays import to_tensor
from skelgraph.topology.graph import Graph, GraphLike, as_graph
from skelgraph.topology.layouts import as_skeleton


def near_in_graph(graph: GraphLike, k: int, directed: bool) -> Tensor:
    """Node and hyperedge of every incidence ``(2, nnz)``: the hyperedge of a node holds the nodes that send to it along
    at most ``k`` edges."""
    directed = check_option("directed", directed, bool)
    if not isinstance(graph, Graph):  # a skeleton, whose bones count both ways
        return as_skeleton(graph).hop_mask(k, "within").nonzero().t()
    if not directed:
        graph = Graph(graph.num_nodes, torch.cat([graph.edge_index, graph.edge_index.flip(0)], dim=1))
    return graph.hop_edges(k, "within")


def near_in_space(x: Any, k: int, among: Tensor | None = None) -> Tensor:
    """Incidence matrix ``(J, J)`` whose column of a node holds the ``k`` nodes nearest to it, itself among them, of
    those that ``among (J, J)`` allows."""
    points = to_tensor("x", x)
    if points.dim() != 2 or points.is_complex() or not points.isfinite().all():
        raise TopologyError(f"x has shape {tuple(points.shape)} of {points.dtype}; expected finite numbers (J, C)")
    if not 1 <= check_option("k", k, Int64) <= len(points):
        raise TopologyError(f"k is {k}; expected 1 to {len(points)}, the number of joints")
    points = points.detach().double()
    distance = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(-1)
    if among is not None:
        distance = distance.masked_fill(~among, torch.inf)
    nearest = distance.sort(dim=1, stable=True).indices[:, :k]  # of nodes equally far those of lower id
    members = torch.zeros_like(distance, dtype=torch.bool).scatter(1, nearest, True)
    return (members if among is None else members & among).t()


def communities(graph: GraphLike, resolution: float, directed: bool) -> list[list[int]]:
    """The communities that networkx finds by merging greedily, by their lowest nodes."""
    import networkx as nx

    resolution, directed = check_option("resolution", resolution, Positive), check_option("directed", directed, bool)
    graph = as_graph(graph)
    edges, weight = _directed_edges(graph) if directed else _undirected_edges(graph)
    network = nx.DiGraph() if directed else nx.Graph()
    network.add_nodes_from(range(graph.num_nodes))
    network.add_weighted_edges_from(zip(*edges.tolist(), weight.tolist(), strict=True))
    return _in_order(nx.community.greedy_modularity_communities(network, weight="weight", resolution=resolution))


@on_cpu
def forman_curvature(graph: GraphLike, node_weight: Any = None) -> tuple[Tensor, Tensor]:
    r"""Return the Forman-Ricci curvature of every edge, of Weber, Saucan and Jost, `"Characterizing complex networks
    with Forman-Ricci curvature and associated geometric flows"
    <https://www.mis.mpg.de/publications/preprint-repository/article/2016/issue-56>`_ (2017).

    .. math:: F(e) = w_i + w_j - \sum_{e_i} w_i \sqrt{\frac{w_e}{w_{e_i}}} - \sum_{e_j} w_j \sqrt{\frac{w_e}{w_{e_j}}}

    for an edge :math:`e` between the nodes :math:`i` and :math:`j`; :math:`e_i` are the other edges at :math:`i`. With
    weights 1 that is 4 less the degrees of both ends: far below zero where an edge joins two hubs.

    Args:
        graph: A skeleton, the name of a layout, or a graph; its edges count as undirected, without self loops.
        node_weight: Weights of the nodes, positive, 1 by default.

    Shapes:
        - ``node_weight`` ``(J,)``
        - returned: the two nodes of every edge ``(2, E)``, the lower one first, and the curvatures ``(E,)``, float64

    Raises:
        TopologyError: If a weight is not positive, or the two directions of an edge have different ones.

    Example:
        >>> forman_curvature(Graph(4, [[0, 1, 1], [1, 2, 3]]))[1].tolist()  # a star: ends of degree 3 and 1
        [0.0, 0.0, 0.0]
    """
    graph = as_graph(graph)
    edges, weight = _undirected_edges(graph)
    nodes = torch.ones(graph.num_nodes) if node_weight is None else to_tensor("node_weight", node_weight)
    if nodes.shape != (graph.num_nodes,) or nodes.is_complex() or not (nodes.isfinite() & (nodes > 0)).all():
        raise TopologyError(
            f"node_weight has shape {tuple(nodes.shape)}; expected a positive number for each of "
            f"{graph.num_nodes} nodes"
        )
    nodes, root = nodes.double(), weight.sqrt()
    at_node = torch.zeros_like(nodes)
    for end in edges:
        at_node.index_add_(0, end, 1 / root)
    return edges, sum((nodes[end] * (2 - root * at_node[end]) for end in edges), torch.zeros_like(weight))


def kept_together(
    graph: GraphLike,
    quantile: float | None,
    threshold: float | None,
    keep: Literal["below", "above"],
    node_weight: Any,
) -> list[list[int]]:
    """The connected components of the edges on one side of a curvature, by their lowest nodes."""
    import networkx as nx

    quantile = check_option("quantile", quantile, Rate | None)
    threshold = check_option("threshold", threshold, Finite | None)
    keep = check_option("keep", keep, Literal["below", "above"])
    if (quantile is None) == (threshold is None):
        raise TopologyError(f"quantile is {quantile} and threshold is {threshold}; expected one of them to be None")
    edges, curvature = forman_curvature(graph, node_weight)
    if quantile is not None:
        threshold = float(curvature.quantile(quantile)) if len(curvature) else 0.0
    kept = curvature <= threshold if keep == "below" else curvature >= threshold
    network = nx.Graph()
    network.add_nodes_from(range(as_graph(graph).num_nodes))
    network.add_edges_from(edges[:, kept].t().tolist())
    return _in_order(nx.connected_components(network))


def _in_order(groups: Iterable[Iterable[int]]) -> list[list[int]]:
    return sorted(sorted(members) for members in groups)


def _directed_edges(graph: Graph) -> tuple[Tensor, Tensor]:
    """Edges that are no self loops and their weights, all positive."""
    edges, weight = graph.edge_index, graph.edge_weight
    if len(weight) and not weight.min() > 0:
        raise TopologyError(f"edge_weight holds {float(weight.min()):g}; expected positive numbers")
    proper = edges[0] != edges[1]
    return edges[:, proper], weight[proper]


def _undirected_edges(graph: Graph) -> tuple[Tensor, Tensor]:
    """Every edge once, whichever way it points, the lower node first, and its weight."""
    edges, weight = _directed_edges(graph)
    low, high = edges.amin(dim=0), edges.amax(dim=0)
    keys, place = torch.unique(low * graph.num_nodes + high, return_inverse=True)
    once = weight.new_empty(len(keys)).scatter(0, place, weight)
    if len(other := (once[place] != weight).nonzero()):
        i, j = int(low[other[0]]), int(high[other[0]])
        raise TopologyError(f"the edges between nodes {i} and {j} have different weights; expected the same both ways")
    return torch.stack([keys // max(graph.num_nodes, 1), keys % max(graph.num_nodes, 1)]), once
