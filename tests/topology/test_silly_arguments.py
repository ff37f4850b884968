"""Topologies, data sets and metrics from arguments that are none: an error of the library, which names the argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from skelgraph import metrics, topology
from skelgraph.datasets import PoseDataset, PoseWindows, SyntheticMocap, WindowLoader
from skelgraph.errors import SkelgraphError
from skelgraph.models import create_model, optimize
from skelgraph.topology import Graph, JointHypergraph, MultiScaleGraph, Skeleton, as_skeleton, from_pyg, to_pyg

INDEX = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
INCIDENCES = torch.tensor([[0, 1, 2], [0, 0, 1]])
CHAIN = Skeleton([-1, 0, 1])
HUGE = 10**23


def windows(**options: Any) -> PoseWindows:
    return SyntheticMocap(seconds=0.1, subjects=["S1"], actions=["Walking"]).windows(**options)


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = {
    "edges of text": (Graph, (3, "edges"), {}, "edge_index"),
    "edges of fractions": (Graph, (3, INDEX.double()), {}, "edge_index"),
    "edges of truth": (Graph, (3, INDEX.bool()), {}, "edge_index"),
    "sparse edges": (Graph, (3, INDEX.to_sparse()), {}, "edge_index"),
    "nodes of text": (Graph, ("3", INDEX), {}, "num_nodes"),
    "nodes without end": (Graph, (10**30, INDEX), {}, "num_nodes"),
    "weights of text": (Graph, (3, INDEX, ["a"] * 4), {}, "edge_weight"),
    "complex weights": (Graph, (3, INDEX, torch.ones(4).cfloat()), {}, "edge_weight"),
    "a list as name": (Graph, (3, INDEX), {"name": [[]]}, "name"),
    "matrix of text": (Graph.from_adjacency, ("x",), {}, "adjacency"),
    "normalisation of an array": (Graph(3, INDEX).adjacency, (np.zeros(2),), {}, "normalization"),
    "normalisation of a skeleton": (CHAIN.adjacency, (np.zeros(2),), {}, "normalization"),
    "loops of an array": (CHAIN.adjacency, (), {"self_loops": np.zeros(2)}, "self_loops"),
    "walks for ever": (Graph(3, INDEX).hop_edges, (10**9, "walk"), {}, "k is"),
    "walks of joints for ever": (CHAIN.hop_mask, (10**9, "walk"), {}, "k is"),
    "way to count": (CHAIN.hop_mask, (1, ["exact"]), {}, "mode"),
    "joints of nothing": (CHAIN.subset, (None,), {}, "joints"),
    "features of a list": (CHAIN.to_data, ([1, 2, 3],), {}, "x is"),
    "joints without end": (Skeleton.from_edges, ([[0, 1]],), {"num_joints": 2**32}, "num_joints"),
    "an id without end": (Skeleton.from_edges, ([[0, HUGE]],), {}, "number of joints"),
    "joints of text": (Skeleton.from_edges, ([[0, 1]],), {"num_joints": "x"}, "num_joints"),
    "pattern": (topology.list_skeletons, (3,), {}, "pattern"),
    "a part of a joint": (topology.part_skeleton, (CHAIN, [0, 1, 2]), {}, "parts"),
    "a joint in no part": (topology.part_skeleton, (CHAIN, [[0], [1]]), {}, "each of 3 joints"),
    "a joint in two parts": (topology.part_skeleton, (CHAIN, [[0, 1], [1, 2]]), {}, "each of 3 joints"),
    "rings": (topology.tube_faces, ("h36m17", "4"), {}, "rings"),
    "rings without end": (topology.tube_faces, ("h36m17", 10**9), {}, "rings"),
    "faces of text": (topology.mesh_graph, (["a"],), {}, "faces"),
    "vertices of a list": (topology.mesh_graph, (torch.tensor([[0, 1, 2]]), [3]), {}, "num_vertices"),
    "matching of a skeleton": (topology.heavy_edge_matching, (CHAIN,), {}, "graph"),
    "degrees of text": (topology.heavy_edge_matching, (Graph(3, INDEX),), {"degree": "x"}, "degree"),
    "order with a node twice": (
        topology.heavy_edge_matching,
        (Graph(3, INDEX),),
        {"order": torch.tensor([0, 1, 1])},
        "every node once",
    ),
    "parents of a number": (MultiScaleGraph, (CHAIN, 3), {}, "parents"),
    "parents of text": (MultiScaleGraph, (CHAIN, ["abc"]), {}, r"parents\[0\]"),
    "levels of text": (MultiScaleGraph.coarsen, (CHAIN, "2"), {}, "num_levels"),
    "levels without end": (MultiScaleGraph.coarsen, (CHAIN, 10**9), {}, "num_levels"),
    "a level of an array": (MultiScaleGraph.coarsen(CHAIN, 1).pool, (torch.zeros(3, 1), np.zeros(2)), {}, "level"),
    "pooled lists": (MultiScaleGraph.coarsen(CHAIN, 1).pool, ([1, 2, 3],), {}, "x is"),
    "hyperedges of numbers": (JointHypergraph.from_lists, (3, [1, 2]), {}, "hyperedges"),
    "members of text": (JointHypergraph.from_lists, (3, ["ab"]), {}, "hyperedges"),
    "members without end": (JointHypergraph.from_lists, (3, [[HUGE]]), {}, "hyperedges"),
    "joints of a hypergraph": (JointHypergraph.from_lists, (HUGE, [[0]]), {}, "num_nodes"),
    "incidence of text": (JointHypergraph.from_incidence, ("x",), {}, "incidence"),
    "weight of text": (
        JointHypergraph.from_incidence,
        (torch.ones(3, 1),),
        {"hyperedge_weight": "x"},
        "hyperedge_weight",
    ),
    "groups of a number": (JointHypergraph, (INCIDENCES, 3, 2), {"groups": 3}, "groups"),
    "groups of texts": (JointHypergraph, (INCIDENCES, 3, 2), {"groups": {"a": ["0"]}}, "groups"),
    "sparse incidences": (JointHypergraph, (INCIDENCES.to_sparse(), 3, 2), {}, "hyperedge_index"),
    "groups of a skeleton": (JointHypergraph.from_skeleton, ("h36m17", 3), {}, "groups"),
    "data of a number": (from_pyg, (3,), {}, "data"),
    "count of NaN": (from_pyg, (INCIDENCES, 3, torch.tensor(float("nan"))), {}, "count"),
    "way to merge": (JointHypergraph(INCIDENCES, 3, 2).coalesce, ("a" * 10**5,), {}, "op is"),
    "copies of text": (to_pyg, (JointHypergraph(INCIDENCES, 3, 2), "x"), {}, "batch_size"),
    "features of a hypergraph": (to_pyg, (JointHypergraph(INCIDENCES, 3, 2), None, [1]), {}, "x is"),
    "frames of text": (windows, (), {"frames": "x"}, "frames"),
    "stride without end": (windows, (), {"stride": HUGE}, "stride"),
    "batch size of text": (WindowLoader, (windows(), "x"), {}, "batch_size"),
    "windows of a list": (WindowLoader, ([1, 2], 4), {}, "windows"),
    "clips of a number": (PoseDataset, (3,), {"frame_rate": 50.0}, "clips"),
    "clips of numbers": (PoseDataset, ([3],), {"frame_rate": 50.0}, "clip is 3"),
    "no frame rate": (PoseDataset, ([],), {"frame_rate": 0.0}, "frame_rate"),
    "seconds of a tensor": (SyntheticMocap, (), {"seconds": torch.ones(2)}, "seconds"),
    "joints of a metric": (metrics.MPJPE, ("17",), {}, "num_joints"),
    "joints of a metric without end": (metrics.MPJPE, (2**32,), {}, "num_joints"),
    "actions of a metric": (metrics.PMPJPE, (17, np.zeros(2)), {}, "actions"),
    "threshold": (metrics.PCK, (17,), {"threshold_mm": "x"}, "threshold_mm"),
    "thresholds": (metrics.AUC, (17,), {"thresholds_mm": 3.0}, "thresholds_mm"),
    "thresholds without end": (metrics.AUC, (17,), {"thresholds_mm": range(10**30)}, "thresholds_mm"),
    "a skeleton to optimise": (optimize, (as_skeleton("h36m17"),), {}, "model"),
    "half to compile": (optimize, (create_model("sem_gcn", hidden_channels=8),), {"compile": 0.5}, "compile"),
}
"""The function, its arguments, and what the message names."""


@pytest.mark.parametrize("case", list(CASES))
def test_silly_arguments_are_named(case: str) -> None:
    function, arguments, options, words = CASES[case]
    if function is PoseDataset:
        options = {"skeleton": "h36m17", "name": "x", "split": "train"} | options
    with pytest.raises(SkelgraphError, match=words) as error:
        function(*arguments, **options)
    assert len(str(error.value)) < 500


def test_lists_and_arrays_are_as_good_as_tensors() -> None:
    graphs = [Graph(3, edges) for edges in (INDEX, INDEX.tolist(), INDEX.numpy(), INDEX.int())]
    assert all(torch.equal(graph.edge_index, graphs[0].edge_index) for graph in graphs)
    matrix = graphs[0].adjacency()
    for same in (matrix, matrix.to_sparse(), matrix.numpy(), matrix.tolist()):
        assert torch.equal(Graph.from_adjacency(same).edge_index, graphs[0].edge_index)
    incidence = JointHypergraph(INCIDENCES, 3, 2).incidence
    for same in (incidence, incidence.to_sparse(), incidence.bool().numpy(), incidence.int().tolist()):
        assert torch.equal(JointHypergraph.from_incidence(same).hyperedge_index, INCIDENCES)


def test_thresholds_may_be_a_range() -> None:
    assert metrics.AUC(17, thresholds_mm=range(0, 151, 5)).thresholds_mm == tuple(range(0, 151, 5))
