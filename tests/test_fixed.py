"""Modules built on ``meta``: what is fixed comes back with the parameters, however these do."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest
import torch
from torch import nn

from skelgraph import nn as sgnn
from skelgraph import topology
from skelgraph.errors import SkelgraphError, TopologyError
from skelgraph.fixed import FixedBuffers
from skelgraph.models import create_model, list_models
from skelgraph.models.any_gcn_graphs import GRAPHS, any_gcn_adjacency
from skelgraph.ops import EdgePattern
from skelgraph.topology import Graph, JointHypergraph, MultiScaleGraph, Skeleton


def on_meta(build):
    with torch.device("meta"):
        return build()


def by_to_empty(module, state):
    module = module.to_empty(device="cpu")
    module.load_state_dict(state)
    return module


def by_assign(module, state):
    module.load_state_dict(state, assign=True)
    return module


def tensors(module):
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


class Ramp(FixedBuffers):
    """A module with a fixed buffer and no parameter."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("ramp", torch.arange(size, device="cpu") / 3, persistent=False)


@pytest.mark.parametrize("name", list_models())
@pytest.mark.parametrize("materialise", [by_to_empty, by_assign])
def test_models_built_on_meta(name, materialise):
    """Also after a copy, and in another precision."""
    torch.manual_seed(0)
    original = create_model(name).eval()
    x = torch.randn(2, 17, 2)
    built = on_meta(lambda: create_model(name)).eval()
    assert all(value.is_meta for value in tensors(built).values())
    copied = copy.deepcopy(built)
    loaded = materialise(built, original.state_dict())
    assert not any(value.is_meta for value in tensors(loaded).values())
    with torch.no_grad():
        assert torch.equal(loaded(x), original(x))
        original = original.double()
        expected = original(x.double())
        assert torch.equal(loaded.double()(x.double()), expected)
        pickled = pickle.loads(pickle.dumps(copied.double()))
        assert torch.equal(materialise(pickled, original.state_dict())(x.double()), expected)


def test_assigned_parameters_set_the_precision():
    conv = on_meta(lambda: sgnn.HyperedgeConv(2, 3, "h36m17"))
    other = sgnn.HyperedgeConv(2, 3, "h36m17").double()
    conv.load_state_dict(other.state_dict(), assign=True)
    x = torch.randn(4, 17, 2, dtype=torch.float64)
    assert torch.equal(conv(x), other(x))


@pytest.mark.parametrize("dense", [True, False])
def test_a_layer_sent_to_meta_comes_back(dense):
    for build in (sgnn.SemGraphConv, sgnn.ChebyshevGraphConv, sgnn.ImplicitFairingConv, sgnn.HyperedgeConv):
        conv = build(2, 8, "h36m17", dense=dense)
        x, state = torch.randn(3, 17, 2), copy.deepcopy(conv.state_dict())
        expected = conv(x)
        conv = by_to_empty(nn.Sequential(conv.to("meta")), {f"0.{key}": value for key, value in state.items()})
        assert torch.equal(conv(x), expected)


def test_emptying_a_module_in_place_leaves_what_is_fixed():
    conv = sgnn.SemGraphConv(2, 8, "h36m17", dense=False)
    expected = {name: buffer.clone() for name, buffer in conv.named_buffers()}
    conv.to_empty(device="cpu")
    assert expected
    assert all(torch.equal(buffer, expected[name]) for name, buffer in conv.named_buffers())


def test_precision_on_meta_is_precision():
    """What bfloat16 has rounded off is gone, on meta as anywhere else."""
    ramp, meta = Ramp(20), on_meta(lambda: Ramp(20))
    meta = meta.bfloat16().to_empty(device="cpu").float()
    assert torch.equal(meta.ramp, ramp.bfloat16().float().ramp)
    assert not torch.equal(meta.ramp, Ramp(20).ramp)


def test_exact_matrices():
    """Rounded to the default precision, exact after ``double()``, and on ``meta`` as well."""

    class Third(FixedBuffers):
        def __init__(self) -> None:
            super().__init__()
            self.register_exact("third", torch.ones(2, dtype=torch.float64, device="cpu") / 3)

    third = torch.ones(2, dtype=torch.float64) / 3
    module, meta = Third(), on_meta(Third)
    assert all(buffer.dtype == torch.float32 for buffer in module.buffers())
    assert torch.equal(module.exact("third"), third.float())
    for exact in (module.double(), meta.double().to_empty(device="cpu")):
        torch.testing.assert_close(exact.exact("third"), third, atol=1e-15, rtol=0)
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(Third().exact("third"), third)
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_part_without_parameters_follows_its_surroundings():
    class Outer(FixedBuffers):
        def __init__(self) -> None:
            super().__init__()
            self.part, self.scale = Ramp(3), nn.Parameter(torch.ones(2))

    outer = on_meta(Outer)
    assert outer.part.ramp.is_meta
    outer.load_state_dict({"scale": torch.ones(2, dtype=torch.float64)}, assign=True)
    assert torch.equal(outer.part.ramp, (torch.arange(3) / 3).double())
    alone = on_meta(lambda: nn.Sequential(Ramp(3)))
    alone.load_state_dict({}, assign=True)
    assert torch.equal(alone[0].ramp, torch.arange(3) / 3)


def test_constructors_see_the_values_of_their_parts():
    class Sum(FixedBuffers):
        def __init__(self) -> None:
            super().__init__()
            self.part = Ramp(4)
            self.register_buffer("total", self.part.ramp.sum(), persistent=False)

    built = on_meta(Sum)
    assert built.total.is_meta
    assert built.to_empty(device="cpu").total == 2


def test_a_fixed_buffer_without_values_is_refused():
    with pytest.raises(SkelgraphError, match="'mask' of Ramp is on meta"):
        Ramp(3).register_buffer("mask", torch.ones(3, device="meta"), persistent=False)
    with pytest.raises(TopologyError, match="on meta"):
        Graph(3, torch.zeros(2, 1, dtype=torch.long, device="meta"))
    with pytest.raises(TopologyError, match="on meta"):
        sgnn.SemGraphConv(2, 3, "h36m17", adjacency=torch.ones(17, 17, device="meta"))


def test_signatures_stay():
    assert list(inspect.signature(sgnn.SemGraphConv).parameters)[:3] == ["in_channels", "out_channels", "skeleton"]
    assert inspect.signature(JointHypergraph.__init__).parameters["num_nodes"].annotation == "int"


def facts():
    """Numbers of every part of the topology."""
    hand = Skeleton([-1, 0, 1, 0, 3, 0, 5], symmetric_pairs=[(1, 3), (2, 4)])
    h36m = topology.as_skeleton("h36m17")
    graph = Graph.from_adjacency(h36m.adjacency("sym", self_loops=True))
    hypergraph = JointHypergraph.from_skeleton("h36m17")
    tube = topology.tube_hierarchy("h36m17")
    yield from (hand.edge_index, h36m.hop_distance(), h36m.to_data(torch.ones(17, 3, device="cpu")).edge_index)
    yield from (h36m.hop_mask(k, mode) for k in (0, 2) for mode in ("exact", "within", "walk"))
    yield from (
        graph.edge_index,
        graph.edge_weight,
        graph.adjacency("row"),
        graph.hop_mask(2),
        graph.binary().edge_weight,
    )
    yield from (hypergraph.hyperedge_index, hypergraph.hyperedge_weight, hypergraph.incidence, hypergraph.group_index)
    yield from (hypergraph.bone_incidence(), hypergraph.bone_hops(), hypergraph.hyperedge_hops())
    yield from (hypergraph.bones_in_hyperedges(), hypergraph.node_degree, hypergraph.coalesce().hyperedge_weight)
    yield from (JointHypergraph.from_khop(hand, 1).incidence, JointHypergraph.from_bones(hand).incidence)
    yield topology.to_pyg(hypergraph, 2).edge_index
    yield from (tube.padded(1).edge_weight, tube.averaging(0, 2), tube.order(1), tube.position(2), tube.children(1))
    yield MultiScaleGraph.from_hetero_data(tube.to_hetero_data()).graphs[-1].edge_weight
    yield MultiScaleGraph.coarsen("h36m17", 2, "corrected").parents[1]
    yield from (any_gcn_adjacency("h36m16", graph) for graph in GRAPHS)
    yield from (sgnn.partitioned_adjacency("h36m17", 3), sgnn.self_and_neighbours(5), sgnn.graph_matrix(graph))
    yield sgnn.hyperedge_operator(hypergraph)
    yield torch.tensor([len(parts) for parts in topology.body_parts(h36m)], device="cpu")


def test_topology_is_computed_on_the_cpu():
    expected = list(facts())
    found = on_meta(lambda: list(facts()))
    assert len(found) == len(expected) > 30
    for value, same in zip(found, expected, strict=True):
        assert torch.equal(value, same)


def test_topology_moves_with_the_layer_that_holds_it():
    pattern = on_meta(lambda: EdgePattern(torch.tensor([[0, 0], [0, 1], [1, 0]], device="cpu"), (1, 2, 2)))
    expected = dict(pattern.named_buffers())
    assert not any(buffer.is_meta for buffer in expected.values())
    edges = on_meta(lambda: sgnn.ModulatedAdjacency(torch.ones(2, device="cpu"), partition=pattern)).edges
    assert all(buffer.is_meta for buffer in edges.buffers())
    edges.to_empty(device="cpu")
    assert all(torch.equal(buffer, expected[name]) for name, buffer in edges.named_buffers())


@pytest.mark.parametrize("dense", [True, False])
def test_layers_move_what_they_keep_of_a_hypergraph(dense):
    hypergraph = on_meta(lambda: JointHypergraph.from_skeleton("h36m17", hyperedge_weight=[0.1 + m for m in range(15)]))
    expected = dict(sgnn.UniConv(2, 3, hypergraph, dense=dense).named_buffers())
    conv = on_meta(lambda: sgnn.UniConv(2, 3, hypergraph, dense=dense))
    assert expected
    assert all(buffer.is_meta for buffer in conv.buffers())
    assert not conv.hypergraph.hyperedge_weight.is_meta, "the hypergraph itself stays where it is"
    conv.to_empty(device="cpu")
    assert all(torch.equal(buffer, expected[name]) for name, buffer in conv.named_buffers())
