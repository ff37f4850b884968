"""Hypergraphs of PyG and DHG, and the way there and back."""

from __future__ import annotations

import doctest
import pickle

import pytest
import torch
from torch_geometric.data.hypergraph_data import HyperGraphData
from torch_geometric.loader import DataLoader

import skelgraph.topology.hypergraph_data
from skelgraph.errors import TopologyError
from skelgraph.topology import JointHypergraph, from_dhg, from_pyg, to_dhg, to_pyg

LISTS = [[2, 0], [1], [3, 1, 2], [0, 2]]


def test_batch_is_a_disjoint_union():
    hypergraph = JointHypergraph.from_lists(4, LISTS, hyperedge_weight=[1.0, 2.0, 3.0, 4.0])
    x = torch.randn(3, 4, 2)
    data = to_pyg(hypergraph, 3, x)
    loaded = next(iter(DataLoader([to_pyg(hypergraph, x=pose) for pose in x], batch_size=3)))
    assert torch.equal(data.edge_index, loaded.edge_index)
    assert torch.equal(data.hyperedge_weight, loaded.hyperedge_weight)
    assert torch.equal(data.x, loaded.x)
    assert torch.equal(data.batch, loaded.batch)
    assert (data.num_nodes, data.num_hyperedges) == (12, 12)
    assert data.validate()
    union = from_pyg(loaded)
    assert union.hyperedges[4:8] == tuple(tuple(j + 4 for j in sorted(members)) for members in LISTS)
    for batch_size, shape in [(0, None), (2, (3, 4, 2)), (None, (3, 4, 2))]:
        with pytest.raises(TopologyError, match=r"batch_size|x has shape"):
            to_pyg(hypergraph, batch_size, None if shape is None else torch.zeros(shape))


def test_number_of_nodes_is_not_guessed():
    """PyG takes the largest id + 1 for the number of nodes when this equals the number of hyperedges, set or not."""
    lists = [[0], [1], [2], [3], [0, 1]]
    hypergraph = JointHypergraph.from_lists(5, lists)
    x = torch.zeros(5, 1)
    theirs = HyperGraphData(x=x, edge_index=hypergraph.hyperedge_index, num_nodes=5)
    assert int(theirs.num_nodes) == 4
    ours = to_pyg(hypergraph, x=x)
    assert isinstance(ours, HyperGraphData)
    assert (ours.num_nodes, ours.num_edges) == (5, 5)
    ours.num_nodes = 6
    assert ours.num_nodes == 6
    assert from_pyg(theirs).num_nodes == 5
    assert from_pyg(to_pyg(hypergraph)).num_nodes == 5
    loaded = next(iter(DataLoader([to_pyg(hypergraph, x=x)] * 2, batch_size=2)))
    assert (loaded.num_nodes, loaded.num_edges) == (10, 10)
    assert torch.equal(loaded.edge_index, to_pyg(hypergraph, 2).edge_index)
    assert from_pyg(pickle.loads(pickle.dumps(loaded))) == from_pyg(loaded)


SUBSETS = [[2, 0, 3], [1, 2], [3], [], [0, 1, 2, 3]]


@pytest.mark.parametrize("subset", SUBSETS)
@pytest.mark.parametrize("mask", [False, True])
def test_subgraph_of_a_data_object(subset, mask):
    """Memberships keep those of their nodes that stay, and go where fewer than two do; as many nodes as hyperedges."""
    hypergraph = JointHypergraph.from_lists(4, LISTS, hyperedge_weight=[0.5, 1.0, 2.0, 3.0])
    data = to_pyg(hypergraph, x=torch.arange(4.0)[:, None])
    data.edge_attr = torch.arange(4) * 10
    order = sorted(subset) if mask else subset
    chosen = torch.tensor([joint in subset for joint in range(4)]) if mask else torch.tensor(subset, dtype=torch.int64)
    part = data.subgraph(chosen)
    kept = {m: [joint for joint in members if joint in subset] for m, members in enumerate(LISTS)}
    kept = {m: members for m, members in kept.items() if len(members) > 1}
    assert part.x.flatten().tolist() == order
    assert (part.num_nodes, part.num_hyperedges, part.num_edges) == (len(subset), len(kept), len(kept))
    assert part.hyperedge_weight.tolist() == hypergraph.hyperedge_weight[list(kept)].tolist()
    assert part.edge_attr.tolist() == [10 * m for m in kept]
    found = [set() for _ in kept]
    for node, hyperedge in part.edge_index.t().tolist():
        found[hyperedge].add(order[node])
    assert found == [set(members) for members in kept.values()]
    assert torch.equal(data.edge_index, hypergraph.hyperedge_index), "the whole stays as it was"
    if kept:
        again = from_pyg(part)
        assert (again.num_nodes, again.num_hyperedges) == (len(subset), len(kept))


def test_subgraph_agrees_with_pyg():
    hypergraph = JointHypergraph.from_skeleton("h36m17")
    theirs = HyperGraphData(x=torch.randn(17, 2), edge_index=hypergraph.hyperedge_index)
    subset = torch.tensor([0, 3, 4, 7, 8, 11, 12, 16])
    expected, ours = theirs.subgraph(subset), to_pyg(hypergraph, x=theirs.x).subgraph(subset)
    assert torch.equal(ours.x, expected.x)
    assert torch.equal(ours.edge_index, expected.edge_index)
    assert ours.num_hyperedges == int(expected.num_edges)
    assert ours.validate()


def test_subgraph_of_a_batch():
    hypergraph = JointHypergraph.from_lists(4, LISTS)
    batch = next(iter(DataLoader([to_pyg(hypergraph, x=torch.randn(4, 1)) for _ in range(2)], batch_size=2)))
    part = batch.subgraph(torch.tensor([0, 2, 6, 7]))
    assert part.batch.tolist() == [0, 0, 1, 1]
    assert part.edge_index.tolist() == [[0, 1, 0, 1, 2, 3], [0, 0, 1, 1, 2, 2]]
    assert part.num_edges == 3


def test_what_has_a_row_for_every_hyperedge():
    data = to_pyg(JointHypergraph.from_lists(4, LISTS[:3]), x=torch.randn(4, 2))
    data.y = torch.tensor(1.0)
    assert data.is_edge_attr("hyperedge_weight")
    assert not any(data.is_edge_attr(key) for key in ("num_hyperedges", "y", "x", "num_nodes"))


def test_numbers_may_be_those_of_every_graph_of_a_batch():
    parts = [JointHypergraph.from_lists(4, LISTS), JointHypergraph.from_lists(5, [[1, 4]])]
    batch = next(iter(DataLoader([to_pyg(part) for part in parts], batch_size=2)))
    joined = from_pyg(batch)
    assert (joined.num_nodes, joined.num_hyperedges) == (9, 5)
    again = from_pyg(batch.edge_index, batch.num_nodes, batch.num_hyperedges)
    assert again.hyperedges == joined.hyperedges


def test_dhg_round_trip(require):
    require("dhg")
    hypergraph = JointHypergraph.from_skeleton("h36m17", hyperedge_weight=torch.linspace(0.5, 2, 15))
    exported = to_dhg(hypergraph)
    assert exported.group_names == list(hypergraph.groups)
    assert torch.equal(exported.H.to_dense(), hypergraph.incidence)
    torch.testing.assert_close(exported.D_v.to_dense().diagonal(), hypergraph.node_degree)
    back = from_dhg(exported, skeleton="h36m17")
    assert back == hypergraph
    ungrouped = JointHypergraph.from_lists(4, [[0, 1], [2]])
    assert from_dhg(to_dhg(ungrouped)) == ungrouped


def test_dhg_does_not_change_the_lists_of_the_caller(require):
    require("dhg")
    hypergraph = JointHypergraph.from_lists(4, [[2, 0], [1]])
    before = hypergraph.hyperedge_index.clone()
    to_dhg(hypergraph)
    assert torch.equal(hypergraph.hyperedge_index, before)


def test_what_dhg_would_lose_is_an_error(require):
    dhg = require("dhg")
    with pytest.raises(TopologyError, match="hyperedges 0 and 3 of group 'main' are equal"):
        to_dhg(JointHypergraph.from_lists(4, LISTS))
    apart = JointHypergraph.from_lists(4, LISTS, groups={"a": [0, 1, 2], "b": [3]})
    assert from_dhg(to_dhg(apart)) == apart, "DHG merges within a group only"
    with pytest.raises(TopologyError, match="hyperedge 1 would get another id"):
        to_dhg(JointHypergraph.from_lists(4, LISTS, groups={"a": [1, 3], "b": [0, 2]}))
    with pytest.raises(TopologyError, match="no hyperedges"):
        to_dhg(JointHypergraph.from_lists(4, []))
    with pytest.raises(TopologyError, match="'b' is empty"):
        to_dhg(JointHypergraph.from_lists(4, LISTS[:3], groups={"a": [0, 1, 2], "b": []}))
    with pytest.raises(TopologyError, match="vertex weights"):
        from_dhg(dhg.Hypergraph(2, [[0, 1]], v_weight=[1.0, 2.0]))
    with pytest.raises(TopologyError, match="hyperedge 0 holds joint 0; it is there already"):
        from_dhg(dhg.Hypergraph(2, [[0, 0, 1]]))


def test_without_dhg_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dhg", None)
    with pytest.raises(TopologyError, match=r"pip install 'skelgraph\[hypergraph\]'"):
        to_dhg(JointHypergraph.from_lists(2, [[0]]))


def test_docstring_examples():
    result = doctest.testmod(skelgraph.topology.hypergraph_data)
    assert result.attempted
    assert not result.failed
