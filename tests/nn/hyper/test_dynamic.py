"""Memberships that depend on the features."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.nn import (
    AssignedHyperedges,
    HyperedgeConv,
    KNNHyperedges,
    SemiDynamicHyperedges,
    TopKAttentionHyperedges,
    knn_hyperedges,
)
from skelgraph.topology import JointHypergraph


def test_nearest_joints_match_the_reference(reference):
    k = int(reference["knn.k"])
    incidence = knn_hyperedges(reference["in.x"], k)
    members = torch.stack([column.nonzero().flatten() for column in incidence.t()])
    assert torch.equal(members, reference["knn.members"])
    assert len({tuple(row) for row in members.tolist()}) == int(reference["knn.num_unique"])
    assert incidence.shape == (17, 17), "identical hyperedges are kept"


def test_ties_go_to_the_lower_id_and_every_joint_is_in_its_own():
    x = torch.zeros(6, 2)
    x[5] = 1
    incidence = knn_hyperedges(x, 2)
    members = [column.nonzero().flatten().tolist() for column in incidence.t()]
    assert members == [[0, 1], [0, 1], [0, 2], [0, 3], [0, 4], [0, 5]]
    grid = torch.tensor([[-1.0], [0.0], [1.0]]).repeat(20, 1)  # the fast form of the distance would break these ties
    for r, column in enumerate(knn_hyperedges(grid, 20).t()):
        assert column.nonzero().flatten().tolist() == list(range(r % 3, 60, 3))


def test_soft_memberships_and_their_gradients():
    x = torch.randn(3, 6, 2, dtype=torch.float64, requires_grad=True)
    soft, hard = knn_hyperedges(x, 3, soft=True), knn_hyperedges(x, 3)
    torch.testing.assert_close(soft.sum(dim=-2), torch.ones(3, 6, dtype=torch.float64))
    assert torch.equal(soft > 0, hard > 0)
    distance = torch.cdist(x, x)
    expected = distance.neg().masked_fill(hard.mT == 0, -torch.inf).softmax(dim=-1).mT
    torch.testing.assert_close(soft, expected)
    assert not hard.requires_grad
    assert torch.autograd.gradcheck(lambda x: knn_hyperedges(x, 3, soft=True), (x,))
    collapsed = torch.zeros(6, 2, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(knn_hyperedges(collapsed, 3, soft=True).square().sum(), collapsed)
    assert gradient.isfinite().all()


def test_soft_assignment_matches_the_reference(reference, assert_reference):
    builder = AssignedHyperedges(8, 5, temperature=float(reference["ref.softassign.tau"])).double()
    builder.load_state_dict({"lin.weight": reference["ref.softassign.W_A"].t()})
    conv = HyperedgeConv(8, 12, bias=None).double()
    conv.load_state_dict({"lin.weight": reference["ref.censnet.W_v"].t()})
    hyperedges = builder(reference["in.x"])
    assert_reference(hyperedges.incidence, "ref.softassign.incidence")
    x, y = conv(reference["in.x"], hyperedges, return_hyperedges=True)
    assert_reference(x, "ref.softassign.out")
    assert_reference(y, "ref.softassign.y")


def test_straight_through_is_one_hot_with_soft_gradients():
    hard, soft = AssignedHyperedges(4, 3, straight_through=True), AssignedHyperedges(4, 3)
    soft.load_state_dict(hard.state_dict())
    x = torch.randn(2, 7, 4)
    incidence = hard(x).incidence
    assert incidence.unique().tolist() == [0, 1]
    assert torch.equal(incidence.sum(dim=-1), torch.ones(2, 7))
    assert torch.equal(incidence.argmax(dim=-1), soft(x).incidence.argmax(dim=-1))
    weight = torch.randn(2, 7, 3)
    gradients = [torch.autograd.grad((b(x).incidence * weight).sum(), b.lin.weight)[0] for b in (hard, soft)]
    torch.testing.assert_close(*gradients)
    assert HyperedgeConv(4, 5)(x, hard(x)).isfinite().all(), "hyperedges may be empty"


def test_semi_dynamic_puts_both_side_by_side():
    static = JointHypergraph.from_lists(5, [[0, 1], [2, 3, 4]], hyperedge_weight=[2.0, 3.0])
    builder = SemiDynamicHyperedges(static, KNNHyperedges(2))
    x = torch.randn(3, 5, 4)
    incidence, weight = builder(x)
    torch.testing.assert_close(incidence[..., :2], static.incidence.expand(3, -1, -1))
    torch.testing.assert_close(incidence[..., 2:], knn_hyperedges(x, 2))
    assert weight.tolist() == [2, 3, 1, 1, 1, 1, 1]
    with torch.no_grad():
        builder.scale.fill_(-1.0)
    factor = torch.nn.functional.softplus(builder.scale)
    torch.testing.assert_close(builder(x).incidence[..., 2:], factor * knn_hyperedges(x, 2))
    HyperedgeConv(4, 3)(x, builder(x)).square().sum().backward()
    assert builder.scale.grad != 0
    weighted = SemiDynamicHyperedges(static, TopKAttentionHyperedges(4, 2))(x)
    assert weighted.hyperedge_weight.shape == (3, 7)
    assert torch.equal(weighted.hyperedge_weight[:, :2], torch.tensor([[2.0, 3.0]]).expand(3, -1))


def test_top_k_attention_by_the_formula():
    builder = TopKAttentionHyperedges(4, k=3, projection_channels=2).double()
    x = torch.randn(2, 6, 4, dtype=torch.float64)
    incidence, weight = builder(x)
    torch.testing.assert_close(incidence, knn_hyperedges(builder.projection(x), 3, soft=True))
    for b in range(2):
        for r in range(6):
            mean = sum(incidence[b, i, r] * x[b, i] for i in range(6))
            expected = builder.out(builder.hidden(mean).relu()).tanh()
            torch.testing.assert_close(weight[b, r], expected.squeeze())


def test_negative_weights_are_normalised_by_magnitudes():
    """X' = (P (w * Y)) / (P |w|), by loops."""
    P = torch.rand(5, 3, dtype=torch.float64)
    P[4] = 0
    w = torch.tensor([0.5, -0.8, 0.3], dtype=torch.float64)
    x = torch.randn(5, 2, dtype=torch.float64)
    conv = HyperedgeConv(2, 2, bias=None).double()
    torch.nn.init.eye_(conv.lin.weight)
    y = P.t() @ x / P.sum(dim=0)[:, None]
    expected = P @ (w[:, None] * y) / (P @ w.abs()).masked_fill(P.sum(dim=1) == 0, 1)[:, None]
    torch.testing.assert_close(conv(x, P, hyperedge_weight=w), expected)
    assert torch.equal(conv(x, P, hyperedge_weight=w)[4], torch.zeros(2, dtype=torch.float64))


@pytest.mark.parametrize(
    "builder",
    [
        KNNHyperedges(3, soft=True),
        AssignedHyperedges(4, 5, straight_through=True),
        TopKAttentionHyperedges(4, 3),
        SemiDynamicHyperedges(JointHypergraph.from_lists(7, [[0, 1], [2, 3]]), TopKAttentionHyperedges(4, 3)),
    ],
    ids=lambda builder: type(builder).__name__,
)
def test_builder_and_layer_compile_without_rebuilding(builder):
    conv = HyperedgeConv(4, 5)

    def function(x):
        return conv(x, builder(x))

    x = torch.randn(3, 7, 4)
    torch.testing.assert_close(torch.compile(function, fullgraph=True, backend="aot_eager")(x), function(x))
    torch._dynamo.reset()
    with torch.autocast("cpu", torch.bfloat16):
        assert function(x).isfinite().all()
    state = {name: value.clone() for name, value in builder.state_dict().items()}
    if state:
        builder.reset_parameters()
        assert {name: value.shape for name, value in builder.state_dict().items()} == {
            name: value.shape for name, value in state.items()
        }


def test_errors():
    for k in (0, 8):
        with pytest.raises(SkelgraphError, match=f"k is {k}; expected 1 to 7"):
            knn_hyperedges(torch.randn(7, 2), k)
    with pytest.raises(SkelgraphError, match="temperature is 0"):
        AssignedHyperedges(4, 5, temperature=0)
