"""The two-stage hyperedge convolution against PyG, DHG and its equations."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.nn import HypergraphConv

from skelgraph.errors import SkelgraphError, TopologyError
from skelgraph.nn import HyperedgeConv, hyperedge_operator
from skelgraph.nn.hyper.messages import IncidenceMessages
from skelgraph.ops import DenseIncidence, SparseIncidence
from skelgraph.topology import HYPEREDGE_GROUPS, JointHypergraph, Skeleton

DENSE = pytest.mark.parametrize("dense", [True, False])


def build(topology, state, **options):
    conv = HyperedgeConv(8, 12, topology, **options).double()
    conv.load_state_dict(state)
    return conv


@pytest.fixture(name="pyg_state")
def _pyg_state(reference):
    return {"lin.weight": reference["pyg.conv.lin.weight"], "bias": reference["pyg.conv.bias"]}


@pytest.fixture(name="dhg_state")
def _dhg_state(reference):
    return lambda name: {
        "lin.weight": reference[f"dhg.{name}.theta.weight"],
        "bias": reference[f"dhg.{name}.theta.bias"],
    }


@DENSE
def test_matches_pyg(reference, assert_reference, topologies, pyg_state, dense):
    x = reference["in.x"]
    conv = build(topologies["out"], pyg_state, dense=dense)
    assert_reference(conv(x), "pyg.conv.out")
    assert_reference(conv(x, return_hyperedges=True)[0], "pyg.conv.out")
    assert_reference(conv(reference["in.x_batch"]), "pyg.conv.out_batch")
    assert_reference(conv(reference["in.x_batch"].flatten(0, 1)).unflatten(0, (4, 17)), "pyg.conv.out_batch")
    weighted = build(topologies["out_weighted"], pyg_state, dense=dense)
    assert_reference(weighted(x), "ref.conv.out_weighted_full")
    assert_reference(weighted(x, return_hyperedges=True)[0], "ref.conv.out_weighted_full")


@DENSE
def test_matches_pyg_with_weights_and_gradients(reference, assert_reference, topologies, pyg_state, dense):
    x = reference["in.x"].requires_grad_()
    weight = reference["graph.hyperedge_weight"].requires_grad_()
    conv = build(topologies["out"], pyg_state, weight_mode="degree", dense=dense)
    y = conv(x, hyperedge_weight=weight)
    assert_reference(y, "pyg.conv.out_weighted")
    y.square().sum().backward()
    assert_reference(x.grad, "pyg.conv.grad.x")
    assert_reference(weight.grad, "pyg.conv.grad.hyperedge_weight")
    assert_reference(conv.lin.weight.grad, "pyg.conv.grad.lin.weight")
    assert_reference(conv.bias.grad, "pyg.conv.grad.bias")
    bound = build(topologies["out_weighted"], pyg_state, weight_mode="degree", dense=dense)
    assert_reference(bound(x), "pyg.conv.out_weighted")


@DENSE
def test_isolated_joints_and_empty_hyperedges(reference, assert_reference, pyg_state, dense):
    index = reference["edgecase.hyperedge_index"]
    conv = build(None, pyg_state, dense=dense)
    y, hyperedges = conv(reference["edgecase.x"], index, return_hyperedges=True)
    assert_reference(y, "edgecase.out")
    assert torch.equal(hyperedges[1], torch.zeros(12, dtype=torch.float64))
    torch.testing.assert_close(y[[3, 5]], conv.bias.expand(2, -1))
    more = conv(reference["edgecase.x"], index, num_edges=9, return_hyperedges=True)[1]
    assert more.shape == (9, 12), "the last hyperedges are empty"


@DENSE
@pytest.mark.parametrize(("name", "norm"), [("HGNNConv", "sym"), ("HGNNPConv", "row")])
@pytest.mark.parametrize("out", ["out", "out_weighted"])
def test_matches_dhg(reference, assert_reference, topologies, dhg_state, dense, name, norm, out):
    conv = build(topologies[out], dhg_state(name), norm=norm, bias="pre", dense=dense)
    assert_reference(conv(reference["in.x"]), f"dhg.{name}.{out}")
    assert_reference(conv(reference["in.x"], return_hyperedges=True)[0], f"dhg.{name}.{out}")


def test_matches_dhg_with_activation(reference, assert_reference, topologies, dhg_state):
    conv = build(topologies["out"], dhg_state("HGNNPConv_relu"), bias="pre")
    assert_reference(conv(reference["in.x"]).relu(), "dhg.HGNNPConv_relu.out")


def test_degrees_and_operator_of_dhg(assert_reference, topologies):
    topology = topologies["out_weighted"]
    assert_reference(topology.node_degree, "dhg.D_v")
    assert_reference(topology.hyperedge_degree, "dhg.D_e")
    assert_reference(hyperedge_operator(topology, "sym"), "dhg.L_HGNN")


@DENSE
def test_message_passing_of_dhg(reference, assert_reference, topologies, dense):
    topology = topologies["out"]
    index = topology.hyperedge_index
    incidence = (
        DenseIncidence(topology.incidence.double())
        if dense
        else SparseIncidence(index, 17, 15, IncidenceMessages().send)
    )
    for reduce in ("mean", "sum"):
        assert_reference(incidence.to_hyperedges(reference["in.x"], reduce=reduce), f"dhg.v2e_{reduce}")
        assert_reference(incidence.to_nodes(reference["in.y"], reduce=reduce), f"dhg.e2v_{reduce}")
    by_joint = index[:, index[0].argsort(stable=True)]  # the order of DHG's scores
    matrix = torch.zeros(17, 15, dtype=torch.float64)
    matrix[by_joint[0], by_joint[1]] = reference["in.e2v_score"]
    score = matrix.unsqueeze(0) if dense else matrix[index[0], index[1]].unsqueeze(-1)
    alpha = incidence.softmax(score, over="hyperedges")
    assert_reference(incidence.to_nodes(reference["in.y"], alpha), "dhg.e2v_softmax")


def test_state_dict_of_pyg_loads_and_the_other_way_round(topologies):
    x = torch.randn(17, 8)
    index = topologies["out"].hyperedge_index
    theirs, ours = HypergraphConv(8, 12), HyperedgeConv(8, 12, topologies["out"])
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(x), theirs(x, index, num_edges=15))
    torch.nn.init.normal_(ours.lin.weight)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x, index, num_edges=15))


@pytest.mark.parametrize("norm", ["row", "sym"])
@pytest.mark.parametrize("weight_mode", ["full", "degree"])
@pytest.mark.parametrize("bias", ["post", "pre", None])
@pytest.mark.parametrize(("c_in", "c_out"), [(3, 5), (5, 3)])
def test_one_matrix_equals_two_stages_and_the_formula(norm, weight_mode, bias, c_in, c_out):
    topology = JointHypergraph.from_lists(
        5, [[0, 1, 2], [2, 3], [0, 3], [1]], hyperedge_weight=torch.tensor([0.3, 1.7, 2.0, 0.9], dtype=torch.float64)
    )
    conv = HyperedgeConv(c_in, c_out, topology, norm=norm, weight_mode=weight_mode, bias=bias).double()
    if bias:
        torch.nn.init.normal_(conv.bias)
    x = torch.randn(2, 5, c_in, dtype=torch.float64)
    assert conv.has_operator
    torch.testing.assert_close(conv(x), conv(x, return_hyperedges=True)[0], atol=1e-12, rtol=0)

    H, w = topology.incidence.double(), topology.hyperedge_weight
    W = torch.diag(w)
    d_e = torch.diag(1 / H.sum(dim=0))
    d_v = (H @ w).masked_fill(H.sum(dim=1) == 0, torch.inf)
    inner = H @ (W if weight_mode == "full" else torch.eye(4, dtype=torch.float64)) @ d_e @ H.t()
    root = torch.diag(d_v**-0.5)
    operator = root @ inner @ root if norm == "sym" else torch.diag(1 / d_v) @ inner
    h = x @ conv.lin.weight.t()
    expected = {
        "post": lambda: operator @ h + conv.bias,
        "pre": lambda: operator @ (h + conv.bias),
        None: lambda: operator @ h,
    }
    torch.testing.assert_close(conv(x), expected[bias]())


@DENSE
def test_row_norm_keeps_constants_on_covered_joints(topologies, dense):
    conv = HyperedgeConv(3, 3, topologies["out_weighted"], bias=None, dense=dense).double()
    torch.nn.init.eye_(conv.lin.weight)
    x = torch.ones(2, 17, 3, dtype=torch.float64)
    torch.testing.assert_close(conv(x), x)
    y = conv(torch.ones(4, 3, dtype=torch.float64), torch.tensor([[0, 1], [0, 0]]))
    assert torch.equal(y[2:], torch.zeros(2, 3, dtype=torch.float64)), "not covered"


def test_symmetric_operator_has_its_spectrum_in_the_unit_interval(topologies):
    for topology in topologies.values():
        operator = hyperedge_operator(topology, "sym")
        torch.testing.assert_close(operator, operator.t())
        spectrum = torch.linalg.eigvalsh(operator)
        assert spectrum.min() > -1e-12
        assert spectrum.max() < 1 + 1e-12


@pytest.mark.parametrize("norm", ["row", "sym"])
def test_every_joint_its_own_hyperedge_is_a_linear_layer(norm):
    topology = JointHypergraph.from_lists(6, [[joint] for joint in range(6)])
    conv = HyperedgeConv(3, 4, topology, norm=norm)
    x = torch.randn(2, 6, 3)
    torch.testing.assert_close(conv(x), torch.nn.functional.linear(x, conv.lin.weight, conv.bias))


@pytest.mark.parametrize("norm", ["row", "sym"])
def test_one_hyperedge_of_all_joints_makes_rows_equal(norm):
    conv = HyperedgeConv(3, 4, JointHypergraph.from_skeleton("h36m17", "whole"), norm=norm)
    y = conv(torch.randn(2, 17, 3))
    torch.testing.assert_close(y, y[:, :1].expand_as(y))


def test_learned_group_weights(topologies):
    topology = JointHypergraph.from_skeleton("h36m17", hyperedge_weight=torch.linspace(0.5, 2, 15, dtype=torch.float64))
    conv = HyperedgeConv(3, 4, topology, group_weights=True).double()
    plain = HyperedgeConv(3, 4, topology).double()
    assert sum(p.numel() for p in conv.parameters()) == sum(p.numel() for p in plain.parameters()) + 4
    plain.load_state_dict({k: v for k, v in conv.state_dict().items() if k != "group_logits"})
    x = torch.randn(2, 17, 3, dtype=torch.float64)
    torch.testing.assert_close(conv(x), plain(x), msg="equal weights change nothing")
    with torch.no_grad():
        conv.group_logits.copy_(torch.tensor([0.0, 1.0, -2.0, 3.0]))
    factor = conv.group_logits.sigmoid()[topology.group_index]
    torch.testing.assert_close(conv.hyperedge_weight, topology.hyperedge_weight * factor)
    torch.testing.assert_close(conv(x), plain(x, hyperedge_weight=topology.hyperedge_weight * factor))
    conv(x).square().sum().backward()
    assert (conv.group_logits.grad != 0).all()


def test_digits_of_float64_weights_survive_a_model_in_float32():
    """The fixed matrix is held in float32 and made exact again by ``double()``."""
    weight = torch.tensor([0.1, 0.7], dtype=torch.float64)
    topology = JointHypergraph.from_lists(3, [[0, 1, 2], [1, 2]], hyperedge_weight=weight)
    conv = HyperedgeConv(2, 2, topology)
    assert conv.operator.dtype == torch.float32
    conv = conv.double()
    torch.testing.assert_close(conv.exact("operator"), hyperedge_operator(topology), atol=1e-14, rtol=0)


def test_operator_is_not_used_where_two_stages_are_cheaper():
    topology = JointHypergraph.from_lists(40, [[0, 1], list(range(40))])
    assert topology.num_nodes * topology.num_hyperedges < 4096
    conv = HyperedgeConv(2, 3, topology)
    assert not conv.has_operator
    assert conv(torch.randn(2, 40, 2)).shape == (2, 40, 3)


class Child(HyperedgeConv):
    pass


def test_explainers_of_pyg_reach_the_incidences():
    from torch_geometric.explain import Explainer, GNNExplainer

    torch.manual_seed(0)
    index = torch.tensor([[0, 1, 2, 2, 3, 4], [0, 0, 0, 1, 1, 1]])
    HyperedgeConv(3, 2)  # an instance of the parent class must not stand in the way
    conv = Child(3, 2)
    explainer = Explainer(
        conv,
        GNNExplainer(epochs=5),
        explanation_type="model",
        node_mask_type="attributes",
        edge_mask_type="object",
        model_config={"mode": "regression", "task_level": "node", "return_type": "raw"},
    )
    x = torch.randn(5, 3)
    before = conv(x, index)
    explanation = explainer(x, index)
    assert explanation.edge_mask.shape == (6,)
    assert (explanation.edge_mask > 0).any()
    torch.testing.assert_close(conv(x, index), before, msg="nothing of the explainer stays behind")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("channels", [(2, 3), (3, 2)])
@pytest.mark.parametrize("options", [{}, {"dense": False}, {"bias": "pre"}, {"group_weights": True}])
def test_what_is_hung_on_the_map_acts(channels, options):
    """Hooks, wrappers as of LoRA and dynamic quantisation, on every path."""
    conv = HyperedgeConv(*channels, "h36m17", **options)
    x, seen = torch.randn(2, 17, channels[0]), []
    handle = conv.lin.register_forward_hook(lambda module, inputs, output: seen.append(output))
    before = conv(x)
    handle.remove()
    assert len(seen) == 1

    class Adapter(torch.nn.Module):
        def __init__(self, base):
            super().__init__()
            self.base, self.extra = base, torch.nn.Linear(*channels, bias=False)

        def forward(self, x):
            return self.base(x) + self.extra(x)

    plain = conv.lin
    conv.lin = Adapter(plain)
    merged = HyperedgeConv(*channels, "h36m17", **options)
    merged.load_state_dict({k.replace("base.", ""): v for k, v in conv.state_dict().items() if "extra" not in k})
    with torch.no_grad():
        merged.lin.weight += conv.lin.extra.weight
    torch.testing.assert_close(conv(x), merged(x))
    conv.lin = plain
    quantised = pytest.importorskip("torch.ao.quantization").quantize_dynamic(
        conv, {torch.nn.Linear}, dtype=torch.qint8
    )
    torch.testing.assert_close(quantised(x), before, atol=0.1, rtol=0.1)


@DENSE
def test_the_hypergraph_of_a_layer_is_as_it_was_when_the_layer_was_built(dense):
    """A change of the tensors that it gave out counts nowhere, not in one kind of call only; that of a call counts."""
    hypergraph = JointHypergraph.from_skeleton("h36m17")
    conv = HyperedgeConv(3, 2, hypergraph, dense=dense)
    x = torch.randn(2, 17, 3)
    before = conv(x)
    conv.hypergraph.hyperedge_weight[0] = 50
    hypergraph.hyperedge_weight[1] = 50
    torch.testing.assert_close(conv(x), before, atol=0, rtol=0)
    torch.testing.assert_close(conv(x, return_hyperedges=True)[0], before)
    assert torch.equal(conv.hyperedge_weight, torch.ones(15))
    weight = torch.ones(15)
    weight[1] = 50
    other = JointHypergraph.from_skeleton("h36m17", hyperedge_weight=weight)
    assert not torch.allclose(conv(x, other), before, atol=0.01)
    torch.testing.assert_close(conv(x, other), conv(x, hyperedge_weight=weight))


@DENSE
def test_maximum_over_no_hyperedges_is_the_bias(dense):
    conv = HyperedgeConv(2, 3, JointHypergraph.from_lists(4, []), v2e="max", e2v="max", dense=dense)
    torch.nn.init.normal_(conv.bias)
    x = torch.randn(2, 4, 2, requires_grad=True)
    torch.testing.assert_close(conv(x), conv.bias.expand(2, 4, 3))
    conv(x).sum().backward()
    assert torch.equal(x.grad, torch.zeros_like(x))
    loose = HyperedgeConv(2, 3, v2e="max", e2v="max", dense=dense)
    index = torch.zeros(2, 0, dtype=torch.int64)
    assert torch.equal(loose(x, index, num_edges=0), torch.zeros(2, 4, 3))
    assert torch.equal(loose(x, torch.zeros(4, 0)), torch.zeros(2, 4, 3))


def test_a_skeleton_without_parts_or_symmetry_says_what_to_do():
    hand = Skeleton([-1, 0, 1, 2, 0, 4, 5], name="hand")
    with pytest.raises(
        TopologyError, match=r"no body parts; hand JointHypergraph.from_skeleton\(skeleton, groups="
    ) as e:
        HyperedgeConv(8, 16, hand)
    named = [name for name in HYPEREDGE_GROUPS if f"{name!r}" in str(e.value).partition("groups=...")[2]]
    assert named == ["chains2", "chains3", "extremities", "whole"]
    conv = HyperedgeConv(8, 16, JointHypergraph.from_skeleton(hand, named))
    assert conv(torch.randn(2, 7, 8)).shape == (2, 7, 16)


def test_hooks_of_pyg_reach_the_messages():
    conv = HyperedgeConv(3, 2, "h36m17", dense=False)
    x = torch.randn(2, 17, 3)
    calls = []
    handle = conv.register_propagate_forward_hook(lambda module, inputs, output: calls.append(output.shape))
    conv(x)
    handle.remove()
    conv(x)
    assert calls == [(2, 15, 2), (2, 17, 2)]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"norm": "column"}, "norm is 'column'; expected 'row' or 'sym'"),
        ({"weight_mode": "none"}, "weight_mode is 'none'"),
        ({"v2e": "min"}, "v2e is 'min'"),
        ({"bias": "inside"}, "bias is 'inside'"),
        ({"norm": "sym", "v2e": "sum"}, "expected 'mean' for both"),
        ({"hypergraph": None, "group_weights": True}, "expected a hypergraph with groups"),
    ],
)
def test_errors_name_the_option(options, fault):
    with pytest.raises(SkelgraphError, match=fault):
        HyperedgeConv(**({"in_channels": 2, "out_channels": 3, "hypergraph": "h36m17"} | options))


def test_group_weights_belong_to_the_own_hypergraph(topologies):
    conv = HyperedgeConv(2, 3, "h36m17", group_weights=True)
    with pytest.raises(ValueError, match="weights for the groups of its own hypergraph"):
        conv(torch.randn(17, 2), JointHypergraph.from_bones("h36m17"))
    with pytest.raises(ValueError, match="has no hypergraph"):
        _ = HyperedgeConv(2, 3).hyperedge_weight
