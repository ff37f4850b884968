"""The skeleton graphs of the Any-GCN study."""

from __future__ import annotations

import doctest

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.models import any_gcn_graphs
from skelgraph.models.any_gcn_graphs import EDGE_WEIGHTINGS, GRAPHS, any_gcn_adjacency
from skelgraph.topology import as_skeleton


@pytest.mark.parametrize("edge_weighting", EDGE_WEIGHTINGS)
@pytest.mark.parametrize("graph", GRAPHS)
def test_matches_official_code(graph, edge_weighting, golden):
    golden("any_gcn_adjacency").assert_close(
        any_gcn_adjacency("h36m16", graph, edge_weighting), f"out/{graph}/{edge_weighting}"
    )


def test_default_is_the_mean_over_bones_and_self():
    assert torch.equal(any_gcn_adjacency("coco17"), as_skeleton("coco17").adjacency("row", self_loops=True))


@pytest.mark.parametrize("graph", GRAPHS)
def test_presets_follow_joint_names(graph):
    assert torch.equal(any_gcn_adjacency("h36m17", graph) > 0, (any_gcn_adjacency("h36m17", graph) > 0).T)
    if graph not in ("default", "paired"):
        with pytest.raises(SkelgraphError, match="unknown joint of"):
            any_gcn_adjacency("coco17", graph)


def test_unknown_names_are_listed():
    with pytest.raises(SkelgraphError, match="paired"):
        any_gcn_adjacency("h36m16", "pairs")
    with pytest.raises(SkelgraphError, match="self_weakening"):
        any_gcn_adjacency("h36m16", edge_weighting="weakening")


def test_docstring_example():
    result = doctest.testmod(any_gcn_graphs)
    assert result.attempted
    assert not result.failed
