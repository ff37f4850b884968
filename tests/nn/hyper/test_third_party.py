"""Where PyG and DHG surprise, and what our layers do instead.

Each test shows first that the surprise is still there: if one of them fails in its first half, it was mended upstream.
"""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import torch
from torch_geometric.data.hypergraph_data import HyperGraphData
from torch_geometric.nn import HypergraphConv

from skelgraph.errors import TopologyError
from skelgraph.nn import HyperedgeAttentionConv, HyperedgeConv, UniConv, knn_hyperedges
from skelgraph.topology import JointHypergraph, to_dhg, to_pyg

PARTS = JointHypergraph.from_skeleton("h36m17", "parts")


@pytest.fixture(name="dhg")
def _dhg(require):
    return require("dhg")


def eye(conv):
    torch.nn.init.eye_(conv.lin.weight)
    return conv


def test_import_does_not_load_heavy_packages():
    """``import dhg`` loads pyplot, scikit-learn and optuna and creates a folder in the home directory."""
    code = "import sys, skelgraph, skelgraph.nn; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["dhg", "matplotlib", "sklearn", "optuna"]
    result = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_leading_dimensions(dhg):
    """PyG raises on a batch, DHG takes one hypergraph at a time."""
    x = torch.randn(4, 17, 8)
    with pytest.raises((ValueError, RuntimeError)):
        HypergraphConv(8, 8)(x, PARTS.hyperedge_index, num_edges=5)
    with pytest.raises(RuntimeError):
        dhg.nn.HGNNPConv(8, 8)(x, to_dhg(PARTS))
    assert HyperedgeConv(8, 8, PARTS)(x).shape == (4, 17, 8)


def test_double_precision(dhg):
    """DHG has single precision only."""
    with pytest.raises(RuntimeError):
        dhg.nn.HGNNPConv(8, 8).double()(torch.randn(17, 8, dtype=torch.float64), to_dhg(PARTS))
    assert HyperedgeConv(8, 8, PARTS).double()(torch.randn(17, 8, dtype=torch.float64)).dtype == torch.float64


def test_weights_do_what_the_formula_says():
    """In PyG they change the degree only."""
    weight = torch.tensor([1.0, 3.0, 0.5, 2.0, 0.2])
    theirs, ours = HypergraphConv(4, 4, bias=False), HyperedgeConv(4, 4, PARTS, bias=None)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(17, 4)
    H = PARTS.incidence
    formula = torch.diag(1 / (H @ weight)) @ H @ torch.diag(weight / H.sum(0)) @ H.t() @ ours.lin(x)
    assert (theirs(x, PARTS.hyperedge_index, weight, num_edges=5) - formula).abs().max() > 0.05
    torch.testing.assert_close(ours(x, hyperedge_weight=weight), formula)
    constant = eye(HyperedgeConv(4, 4, PARTS, bias=None))
    torch.testing.assert_close(constant(torch.ones(17, 4), hyperedge_weight=weight), torch.ones(17, 4))


def test_new_weights_enter_the_degree(dhg):
    """DHG's ``v2v`` with weights of the call divides by the degrees of the weights of the construction."""
    weight = torch.tensor([1.0, 3.0, 0.5, 2.0, 0.2])
    theirs = to_dhg(PARTS).v2v(torch.ones(17, 4), aggr="mean", e_weight=weight)
    assert (theirs - 1).abs().max() > 0.1, "a weighted mean of ones is not one"
    ours = eye(HyperedgeConv(4, 4, PARTS, bias=None))(torch.ones(17, 4), hyperedge_weight=weight)
    torch.testing.assert_close(ours, torch.ones(17, 4))


def test_weights_of_incidences_are_divided_by_their_sum(dhg):
    """DHG's mean with explicit weights multiplies with the sum instead."""
    soft = PARTS.incidence * torch.rand(17, 5).add(0.5)
    by_hyperedge = soft[PARTS.hyperedge_index[0], PARTS.hyperedge_index[1]]
    theirs = to_dhg(PARTS).v2e(torch.ones(17, 4), aggr="mean", v2e_weight=by_hyperedge)
    assert (theirs - 1).abs().max() > 0.5
    conv = eye(HyperedgeConv(4, 4, bias=None))
    out, hyperedges = conv(torch.ones(17, 4), soft, return_hyperedges=True)
    torch.testing.assert_close(hyperedges, torch.ones(5, 4))
    torch.testing.assert_close(out, torch.ones(17, 4))


def test_bias_comes_last(dhg):
    """DHG adds it before the first stage: an isolated joint has none."""
    lists = [[0, 1]]
    theirs = dhg.nn.HGNNPConv(2, 2, is_last=True)
    torch.nn.init.ones_(theirs.theta.bias)
    assert torch.equal(theirs(torch.zeros(3, 2), dhg.Hypergraph(3, [[0, 1]]))[2], torch.zeros(2))
    ours = HyperedgeConv(2, 2, JointHypergraph.from_lists(3, lists))
    torch.nn.init.ones_(ours.bias)
    assert torch.equal(ours(torch.zeros(3, 2)), torch.ones(3, 2))


def test_equal_hyperedges_stay_apart(dhg):
    """DHG merges them and averages their weights, so that ids shift."""
    lists, weights = [[0, 1], [1, 0], [1, 2]], [1.0, 3.0, 1.0]
    assert dhg.Hypergraph(3, [list(members) for members in lists], e_weight=weights).num_e == 2
    topology = JointHypergraph.from_lists(3, lists, hyperedge_weight=weights)
    assert topology.num_hyperedges == 3
    x = torch.tensor([[1.0], [3.0], [5.0]])
    out = eye(HyperedgeConv(1, 1, topology, bias=None))(x)
    assert out[1].item() == pytest.approx((1 * 2 + 3 * 2 + 1 * 4) / 5)
    with pytest.raises(TopologyError, match="hyperedges 0 and 1"):
        to_dhg(topology)


def test_a_joint_is_in_a_hyperedge_once(dhg):
    """DHG counts it twice."""
    assert dhg.Hypergraph(2, [[0, 0, 1]]).H.to_dense()[0, 0] == 2
    with pytest.raises(TopologyError, match="hyperedge 0 holds joint 0"):
        JointHypergraph.from_lists(2, [[0, 0, 1]])


def test_copies_keep_all_weights(dhg):
    """DHG's ``clone`` and ``state_dict`` lose those of the vertices."""
    theirs = dhg.Hypergraph(2, [[0, 1]], e_weight=[3.0], v_weight=[2.0, 5.0])
    assert theirs.clone().v_weight == [1.0, 1.0]
    ours = JointHypergraph.from_lists(2, [[0, 1]], hyperedge_weight=[3.0])
    assert copy.deepcopy(ours).hyperedge_weight.tolist() == [3.0]


def test_moves_with_the_model(dhg):
    """A ``dhg.Hypergraph`` in a module stays where it is."""
    theirs = torch.nn.Linear(1, 1)
    theirs.hypergraph = dhg.Hypergraph(2, [[0, 1]])
    assert theirs.to("meta").hypergraph.device.type == "cpu"
    ours = HyperedgeConv(2, 2, JointHypergraph.from_lists(2, [[0, 1]])).to("meta")
    assert ours.hyperedge_index.device.type == ours.default_hyperedge_weight.device.type == "meta"


@pytest.mark.parametrize("dense", [True, False])
def test_no_hyperedges_at_all(dhg, dense):
    """DHG raises somewhere inside."""
    with pytest.raises((RuntimeError, ValueError, IndexError)):
        dhg.nn.HGNNPConv(2, 2)(torch.randn(3, 2), dhg.Hypergraph(3))
    ours = HyperedgeConv(2, 2, JointHypergraph.from_lists(3, []), dense=dense)
    torch.testing.assert_close(ours(torch.randn(4, 3, 2)), ours.bias.expand(4, 3, 2))


def test_compiles_in_one_graph(dhg):
    """DHG's sparse tensors do not."""
    theirs, topology = dhg.nn.HGNNPConv(4, 4).eval(), to_dhg(PARTS)
    with pytest.raises(Exception):  # noqa: B017 - whichever error torch has for it
        torch.compile(theirs, fullgraph=True, backend="aot_eager")(torch.randn(17, 4), topology)
    torch._dynamo.reset()
    for dense in (True, False):
        ours = HyperedgeConv(4, 4, PARTS, dense=dense)
        x = torch.randn(2, 17, 4)
        torch.testing.assert_close(torch.compile(ours, fullgraph=True, backend="aot_eager")(x), ours(x))
    torch._dynamo.reset()


def test_bias_has_the_width_of_the_output():
    """PyG makes it ``heads`` times as wide even without attention, and the sum fails."""
    with pytest.raises(RuntimeError):
        HypergraphConv(4, 4, heads=3)(torch.randn(17, 4), PARTS.hyperedge_index)
    assert HyperedgeConv(4, 4, PARTS).bias.shape == (4,)
    assert HyperedgeAttentionConv(4, 12, PARTS, heads=3, concat=False)(torch.randn(17, 4)).shape == (17, 12)


def test_attention_says_what_it_needs():
    """PyG has a bare assertion for missing features of hyperedges, and they must be as wide as those of the joints."""
    x = torch.randn(17, 4)
    theirs = HypergraphConv(4, 4, use_attention=True)
    with pytest.raises(AssertionError) as error:
        theirs(x, PARTS.hyperedge_index)
    assert not str(error.value)
    with pytest.raises(RuntimeError):
        theirs(x, PARTS.hyperedge_index, hyperedge_attr=torch.randn(5, 3))
    assert HyperedgeAttentionConv(4, 4, PARTS)(x).shape == (17, 4), "means of the joints by default"
    own = HyperedgeAttentionConv(4, 4, PARTS, hyperedge_channels=3)
    assert own(x, hyperedge_attr=torch.randn(5, 3)).shape == (17, 4)
    with pytest.raises(ValueError, match="needs hyperedge_attr with 3 channels"):
        own(x)


@pytest.mark.parametrize("mode", ["node", "edge"])
def test_attention_does_not_shrink_with_the_hyperedge(mode):
    """PyG divides by the size what its softmax has averaged already: 1/81 for nine joints."""
    theirs = HypergraphConv(1, 1, use_attention=True, attention_mode=mode, bias=False)
    torch.nn.init.ones_(theirs.lin.weight)
    torch.nn.init.zeros_(theirs.att)
    x, y = torch.ones(17, 1), torch.ones(5, 1)
    shrunk = theirs(x, PARTS.hyperedge_index, hyperedge_attr=y, num_edges=5).squeeze()
    if mode == "node":
        assert shrunk[0].item() == pytest.approx(1 / 81)
        assert shrunk[16].item() == pytest.approx(1 / 9)
    else:
        assert (shrunk < 0.9).any()
    ours = HyperedgeAttentionConv(1, 1, PARTS, mode=mode, bias=False)
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(x, hyperedge_attr=y), x)


def test_negative_scores_count(dhg):
    """DHG clamps the scores of its UniGAT to [0.001, 5]: all negative ones are the same."""
    topology = JointHypergraph.from_lists(3, [[0, 1], [0, 2]])

    def weights(clamp):
        conv = UniConv(1, 1, topology, kind="gat", bias=False, clamp=clamp)
        for parameter, value in ((conv.lin.weight, 1.0), (conv.att_hyperedge, 1.0), (conv.att_node, 0.0)):
            torch.nn.init.constant_(parameter, value)
        y = torch.tensor([[-1.0], [-30.0]])
        incidence, _ = conv.incidence_of(torch.zeros(3, 1))
        return conv.attention(torch.zeros(3, 1), y, incidence)[0, 0]

    torch.testing.assert_close(weights((0.001, 5.0)), torch.tensor([0.5, 0.5]))
    assert weights(None)[0] > 0.99


def test_as_many_nearest_neighbour_hyperedges_as_joints(dhg, reference):
    """DHG's builder merges equal ones."""
    x = reference["in.x"].float()
    assert dhg.Hypergraph.from_feature_kNN(x, 4).num_e == int(reference["knn.num_unique"]) < 17
    assert knn_hyperedges(x, 4).shape == (17, 17)


def test_number_of_hyperedges_is_an_integer_at_once():
    """PyG's is a tensor, from a Python loop over all incidences."""
    theirs = HyperGraphData(edge_index=PARTS.hyperedge_index, num_nodes=17)
    assert isinstance(theirs.num_edges, torch.Tensor)
    assert isinstance(to_pyg(PARTS).num_edges, int)
    assert to_pyg(PARTS, 3).num_edges == 15


def test_more_hyperedges_than_joints_and_empty_ones_at_the_end():
    """The default of PyG's ``num_edges`` forgets hyperedges that are empty at the end, which weights count."""
    index = torch.tensor([[0, 1, 1, 2, 0], [0, 0, 1, 1, 2]])
    weight = torch.ones(6)
    out, y = HyperedgeConv(2, 3)(torch.randn(3, 2), index, hyperedge_weight=weight, return_hyperedges=True)
    assert out.shape == (3, 3)
    assert y.shape == (6, 3)
    assert torch.equal(y[3:], torch.zeros(3, 3))
