"""The joint hypergraph."""

from __future__ import annotations

import copy
import doctest
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import skelgraph.topology.hypergraph
from skelgraph.errors import SkelgraphError, TopologyError
from skelgraph.nn import HyperedgeConv
from skelgraph.topology import (
    JointHypergraph,
    Skeleton,
    as_hypergraph,
    as_skeleton,
    bone_incidence,
    from_pyg,
    to_pyg,
)

LISTS = [[2, 0], [1], [3, 1, 2], [0, 2]]
CHAIN = Skeleton([-1, 0, 1, 2])


def test_default_groups_are_the_published_ones(golden):
    reference = golden("hypergraph")
    hypergraph = JointHypergraph.from_skeleton("h36m17")
    assert [list(members) for members in hypergraph.hyperedges] == reference.meta["hyperedges"]
    assert {name: list(ids) for name, ids in hypergraph.groups.items()} == reference.meta["groups"]
    assert torch.equal(hypergraph.hyperedge_index, reference["graph.hyperedge_index"])
    assert torch.equal(hypergraph.incidence.double(), reference["graph.incidence"])
    assert hypergraph.node_degree.tolist() == [2, 5, 4, 4, 5, 4, 4, 2, 2, 2, 2, 5, 4, 4, 5, 4, 4]


def test_matrices_about_bones(golden):
    reference = golden("hypergraph")
    hypergraph = JointHypergraph.from_skeleton("h36m17")
    assert hypergraph.skeleton.edges == tuple(map(tuple, reference["skeleton.bones"].tolist()))
    assert torch.equal(hypergraph.bone_incidence().double(), reference["skeleton.B1"])
    assert torch.equal(bone_incidence("h36m17"), hypergraph.bone_incidence())
    assert torch.equal(hypergraph.bones_in_hyperedges().double(), reference["skeleton.S"])
    assert torch.equal(hypergraph.hop_distance(), reference["skeleton.hop"])
    assert torch.equal(hypergraph.hyperedge_hops(), reference["ref.relattn.dist"])
    assert hypergraph.bones_in_hyperedges().sum() == 39


def test_hops_to_bones_and_hyperedges_by_loops():
    forest = Skeleton([-1, 0, 1, -1, 3])
    hypergraph = JointHypergraph.from_lists(5, [[0, 1], [2, 4], [3]], skeleton=forest)
    hop = forest.hop_distance()

    def nearest(joint, members):
        ways = [int(hop[joint, member]) for member in members if hop[joint, member] >= 0]
        return min(ways, default=-1)

    assert hypergraph.bone_hops().tolist() == [[nearest(i, bone) for bone in forest.edges] for i in range(5)]
    assert hypergraph.hyperedge_hops().tolist() == [
        [nearest(i, members) for members in hypergraph.hyperedges] for i in range(5)
    ]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sets(st.integers(0, 6), min_size=1), max_size=8))
def test_round_trips(lists):
    hypergraph = JointHypergraph.from_lists(7, lists)
    assert hypergraph.hyperedges == tuple(tuple(sorted(members)) for members in lists)
    assert hypergraph.hyperedge_degree.tolist() == [len(members) for members in lists]
    shuffled = hypergraph.hyperedge_index[:, torch.randperm(hypergraph.hyperedge_index.size(1))]
    assert JointHypergraph(shuffled, 7, len(lists)) == hypergraph
    assert JointHypergraph.from_incidence(hypergraph.incidence) == hypergraph
    assert from_pyg(hypergraph.hyperedge_index, 7) == hypergraph
    assert from_pyg(to_pyg(hypergraph)) == hypergraph


def test_index_is_grouped_and_equal_hyperedges_are_kept():
    hypergraph = JointHypergraph.from_lists(4, LISTS)
    assert hypergraph.hyperedge_index.tolist() == [[0, 2, 1, 1, 2, 3, 0, 2], [0, 0, 1, 2, 2, 2, 3, 3]]
    assert hypergraph.hyperedges[0] == hypergraph.hyperedges[3]


def test_bones_and_hops_as_hyperedges():
    layout = as_skeleton("h36m17")
    assert JointHypergraph.from_bones(layout).hyperedges == tuple(tuple(sorted(bone)) for bone in layout.edges)
    near = JointHypergraph.from_khop("h36m17", 2)
    assert near.num_hyperedges == 17
    assert torch.equal(near.incidence > 0, layout.hop_mask(2, "within"))
    lonely = Skeleton([-1])
    assert JointHypergraph.from_bones(lonely).num_hyperedges == 0
    assert JointHypergraph.from_khop(lonely, 1).hyperedges == ((0,),)


def test_groups_by_name_in_the_order_asked_for():
    hypergraph = JointHypergraph.from_skeleton("coco17", ("sym", "whole"))
    assert list(hypergraph.groups) == ["sym", "whole"]
    assert hypergraph.groups["whole"] == (8,)
    assert hypergraph.group_index.tolist() == [0] * 8 + [1]
    assert list(JointHypergraph.from_skeleton("coco17", "sym").groups) == ["sym"]


@pytest.mark.parametrize(("op", "merged"), [("mean", 2.5), ("sum", 5.0), ("max", 4.0)])
def test_coalesce_merges_within_groups(op, merged):
    lists = [[0, 1], [2], [1, 0], [0, 1]]
    groups = {"a": [0, 1, 2], "b": [3]}
    hypergraph = JointHypergraph.from_lists(3, lists, hyperedge_weight=[1.0, 2.0, 4.0, 8.0], groups=groups)
    result = hypergraph.coalesce(op)
    assert result.hyperedges == ((0, 1), (2,), (0, 1))
    assert result.hyperedge_weight.tolist() == [merged, 2.0, 8.0]
    assert result.groups == {"a": (0, 1), "b": (2,)}
    with pytest.raises(TopologyError, match="expected 'mean', 'sum' or 'max'"):
        hypergraph.coalesce("median")


def weighted(**changes):
    weight, groups = torch.tensor([0.1, 1, 2, 3]), {"a": [0, 2], "b": [1, 3]}
    options = {"hyperedges": LISTS, "hyperedge_weight": weight, "groups": groups, "skeleton": CHAIN}
    return JointHypergraph.from_lists(4, **options | changes)


def test_cannot_be_changed():
    hypergraph = weighted()
    for name in ("num_nodes", "hyperedge_index", "hyperedge_weight", "groups", "skeleton", "name"):
        with pytest.raises(AttributeError):
            setattr(hypergraph, name, None)
    with pytest.raises(TypeError):
        hypergraph.groups["c"] = (0,)
    for tensor in (hypergraph.hyperedge_index, hypergraph.hyperedge_weight, hypergraph.incidence):
        tensor.zero_()
    assert hypergraph == weighted(), "every tensor that it gives out is a new one"


def test_given_types_are_kept():
    weight = torch.tensor([0.1, 1, 2, 3], dtype=torch.float64)
    hypergraph = JointHypergraph.from_lists(4, LISTS, hyperedge_weight=weight)
    assert hypergraph.hyperedge_weight.dtype == torch.float64
    assert hypergraph.hyperedge_index.dtype == torch.int64


def test_compares_by_content_and_is_hashable():
    hypergraph = weighted()
    index = hypergraph.hyperedge_index.flip(1)
    again = JointHypergraph(index, 4, 4, hypergraph.hyperedge_weight, {"a": (0, 2), "b": (1, 3)}, CHAIN)
    assert again == hypergraph
    assert hash(again) == hash(hypergraph)
    assert len({again, hypergraph}) == 1
    others = [
        weighted(hyperedges=[[2, 0], [1], [3, 1, 2], [0, 3]]),
        weighted(hyperedge_weight=torch.tensor([0.1, 1, 2, 3.5])),
        weighted(hyperedge_weight=torch.tensor([0.1, 1, 2, 3]).double()),
        weighted(groups={"a": [0, 3], "b": [1, 2]}),
        weighted(groups={"b": [1, 3], "a": [0, 2]}),
        weighted(skeleton=None),
        weighted(skeleton=None, hyperedges=LISTS[:3], hyperedge_weight=None, groups=None),
        4,
    ]
    assert all(other != hypergraph for other in others)


def test_copies_and_pickles():
    for twin in (copy.deepcopy(weighted()), copy.copy(weighted()), pickle.loads(pickle.dumps(weighted()))):
        assert twin == weighted()


def test_models_that_hold_one_move_and_it_stays():
    hypergraph = weighted()
    model = torch.nn.Sequential(HyperedgeConv(2, 3, hypergraph)).double()
    x = torch.randn(2, 4, 2, dtype=torch.float64)
    expected = model(x)
    torch.testing.assert_close(model[0](x, hypergraph), expected)
    twin = copy.deepcopy(model)
    assert twin[0].hypergraph == hypergraph
    assert torch.equal(twin(x), expected)
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), expected)
    assert all(buffer.is_meta for buffer in twin.to("meta").buffers())
    assert hypergraph == weighted()


@pytest.mark.parametrize("dense", [None, True, False])
def test_calls_put_it_on_the_device_of_the_features(dense):
    conv = HyperedgeConv(2, 3, dense=dense).to("meta")
    assert conv(torch.empty(2, 4, 2, device="meta"), weighted()).is_meta
    assert to_pyg(weighted(), 2, torch.empty(2, 4, 1, device="meta")).edge_index.is_meta


@pytest.mark.parametrize("dense", [None, True, False])
def test_is_an_argument_of_compiled_models(dense):
    conv = HyperedgeConv(2, 3, dense=dense)
    x = torch.randn(2, 4, 2)
    compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")
    for hypergraph in (weighted(), weighted(hyperedges=[[0], [1, 3], [2, 0, 3], [1]])):
        torch.testing.assert_close(compiled(x, hypergraph), conv(x, hypergraph))
    torch._dynamo.reset()


def test_weights_are_copied():
    weight = torch.ones(4, requires_grad=True)
    hypergraph = JointHypergraph.from_lists(4, LISTS, hyperedge_weight=weight)
    assert not hypergraph.hyperedge_weight.requires_grad
    with torch.no_grad():
        weight.zero_()
    assert hypergraph.hyperedge_weight.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("lists", "options", "fault"),
    [
        ([[0], [0, 4]], {}, r"hyperedge 1 holds joint 4; expected joint ids 0 to 3"),
        ([[0], [-1]], {}, r"hyperedge 1 holds joint -1"),
        ([[0], [1, 2, 1]], {}, r"hyperedge 1 holds joint 1; it is there already"),
        ([[0], [], [1]], {}, r"hyperedge 1 is empty"),
        ([[0], [1]], {"hyperedge_weight": [1.0, 0.0]}, r"hyperedge 1 has weight 0\.0; expected a positive number"),
        ([[0], [1]], {"hyperedge_weight": [-1.0, 2.0]}, r"hyperedge 0 has weight -1\.0"),
        ([[0], [1]], {"hyperedge_weight": [1.0, float("nan")]}, r"hyperedge 1 has weight nan"),
        ([[0], [1]], {"hyperedge_weight": [float("inf"), 1.0]}, r"hyperedge 0 has weight inf"),
        (
            [[0], [1]],
            {"hyperedge_weight": [1.0]},
            r"hyperedge_weight has shape \(1,\); expected one for each of 2 hyperedges",
        ),
        ([[0], [1]], {"groups": {"a": [0]}}, r"hyperedge 1 is in no group"),
        ([[0], [1]], {"groups": {"a": [0, 1], "b": [1]}}, r"hyperedge 1 is in 'a' and 'b'"),
        ([[0], [1]], {"groups": {"a": [0, 1, 2]}}, r"groups\['a'\] holds hyperedge 2"),
        ([[0], [1]], {"skeleton": "h36m17"}, r"expected one of 4 joints"),
    ],
)
def test_errors_name_the_hyperedge(lists, options, fault):
    with pytest.raises(TopologyError, match=fault):
        JointHypergraph.from_lists(4, lists, **options)


def test_errors_of_index_and_matrix():
    with pytest.raises(TopologyError, match="hyperedge 2 holds joint 0; expected 0 to 1 hyperedges"):
        JointHypergraph(torch.tensor([[0], [2]]), 1, 2)
    with pytest.raises(TopologyError, match="hyperedge 1 is empty"):
        JointHypergraph(torch.tensor([[0, 1], [0, 2]]), 2, 3)
    with pytest.raises(TopologyError, match=r"expected an int64 tensor \(2, nnz\)"):
        JointHypergraph(torch.zeros(2, 3), 2, 3)
    with pytest.raises(TopologyError, match=r"hyperedge 1: incidence is 2\.0 at node 0"):
        JointHypergraph.from_incidence([[1.0, 2.0]])
    with pytest.raises(TopologyError, match=r"expected \(nodes, hyperedges\)"):
        JointHypergraph.from_incidence([1.0])
    with pytest.raises(TopologyError, match="must not be negative"):
        JointHypergraph(torch.zeros(2, 0, dtype=torch.int64), -1, 0)
    with pytest.raises(TopologyError, match="expected every name once"):
        JointHypergraph.from_skeleton("h36m17", ("sym", "sym"))
    with pytest.raises(SkelgraphError, match="unknown group of hyperedges 'dynamic'"):
        JointHypergraph.from_skeleton("h36m17", ("dynamic",))
    with pytest.raises(TopologyError, match="no skeleton"):
        JointHypergraph.from_lists(2, [[0]]).bone_hops()


def test_a_skeleton_stands_for_its_default_groups():
    hypergraph = JointHypergraph.from_skeleton("h36m17")
    assert as_hypergraph(hypergraph) is hypergraph
    assert as_hypergraph("h36m17") == as_hypergraph(as_skeleton("h36m17")) == hypergraph
    with pytest.raises(SkelgraphError, match=r"expected a JointHypergraph .*from_dhg"):
        as_hypergraph(3)


def test_large_hypergraphs_are_checked_without_loops():
    nodes = torch.arange(200_000) % 50_000
    hypergraph = JointHypergraph(torch.stack([nodes, torch.arange(200_000) // 10]), 50_000, 20_000)
    assert hypergraph.hyperedge_degree.max() == 10


def test_docstring_examples():
    result = doctest.testmod(skelgraph.topology.hypergraph)
    assert result.attempted
    assert not result.failed
