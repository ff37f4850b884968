"""What the base class of the hyperedge layers does about topologies and shapes."""

from __future__ import annotations

import pytest
import torch

from skelgraph.nn import HyperConv, HyperedgeConv, Memberships
from skelgraph.ops import DenseIncidence, SparseIncidence
from skelgraph.topology import JointHypergraph, Skeleton


def test_a_layout_stands_for_its_default_groups():
    x = torch.randn(2, 17, 4)
    named, built = HyperedgeConv(4, 5, "h36m17"), HyperedgeConv(4, 5, JointHypergraph.from_skeleton("h36m17"))
    built.load_state_dict(named.state_dict())
    torch.testing.assert_close(named(x), built(x))


def test_path_is_chosen_by_size_unless_told():
    bones = JointHypergraph.from_bones(Skeleton([joint - 1 for joint in range(65)]))
    assert bones.num_nodes * bones.num_hyperedges > 4096

    def path(topology, dense=None):
        return type(HyperedgeConv(2, 2, topology, dense=dense).incidence_of(torch.zeros(1, 2))[0])

    assert path(bones) is SparseIncidence
    assert path(bones, dense=True) is DenseIncidence
    assert path("h36m17") is DenseIncidence
    assert path("h36m17", dense=False) is SparseIncidence
    smaller = JointHypergraph.from_bones(Skeleton([joint - 1 for joint in range(64)]))
    assert path(smaller) is DenseIncidence


def test_an_index_is_made_dense_on_request():
    index = torch.tensor([[0, 1, 1, 2], [0, 0, 1, 1]])
    sparse, dense = HyperedgeConv(2, 3), HyperedgeConv(2, 3, dense=True)
    dense.load_state_dict(sparse.state_dict())
    x = torch.randn(2, 3, 2)
    assert isinstance(dense.incidence_of(x, index)[0], DenseIncidence)
    torch.testing.assert_close(dense(x, index), sparse(x, index))


def test_index_without_incidences():
    index = torch.zeros(2, 0, dtype=torch.int64)
    conv = HyperedgeConv(2, 3)
    x = torch.randn(4, 2)
    assert torch.equal(conv(x, index), conv.bias.expand(4, 3))
    _, y = conv(x, index, num_edges=2, return_hyperedges=True)
    assert torch.equal(y, torch.zeros(2, 3))


def test_weights_per_sample():
    conv = HyperedgeConv(2, 3, "h36m17").double()
    x, weight = torch.randn(4, 17, 2, dtype=torch.float64), torch.rand(4, 15, dtype=torch.float64)
    for layer in (conv, HyperedgeConv(2, 3, "h36m17", dense=False).double()):
        layer.load_state_dict(conv.state_dict())
        result = layer(x, hyperedge_weight=weight)
        for b in range(4):
            torch.testing.assert_close(result[b], conv(x[b], hyperedge_weight=weight[b]))


def test_weights_of_the_call_replace_those_of_dynamic_hyperedges():
    conv = HyperedgeConv(2, 3)
    x, incidence = torch.randn(5, 2), torch.rand(5, 4)
    own, other = torch.rand(4), torch.rand(4)
    torch.testing.assert_close(conv(x, Memberships(incidence, own)), conv(x, incidence, hyperedge_weight=own))
    torch.testing.assert_close(
        conv(x, Memberships(incidence, own), hyperedge_weight=other), conv(x, incidence, hyperedge_weight=other)
    )


def test_buffers_move_and_the_hypergraph_stays_as_it_is():
    topology = JointHypergraph.from_skeleton("h36m17")
    conv = HyperedgeConv(2, 3, topology).double()
    assert conv.default_hyperedge_weight.dtype == torch.float64
    assert conv.hypergraph is topology
    assert topology.hyperedge_weight.dtype == torch.float32


def test_a_subclass_must_say_what_it_does():
    class Unfinished(HyperConv):
        pass

    layer = Unfinished(2, 3, "h36m17")
    with pytest.raises(TypeError, match="must define two_stages"):
        layer(torch.zeros(17, 2))
    with pytest.raises(TypeError, match="must define reset_parameters"):
        layer.reset_parameters()
    with pytest.raises(ValueError, match="has no hypergraph"):
        _ = Unfinished(2, 3).num_nodes
