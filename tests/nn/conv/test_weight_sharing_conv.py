"""The weight-sharing family against the authors' code and its equation."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.nn import WeightSharingConv
from skelgraph.nn.conv.weight_sharing_conv import SHARING

FILES = {
    "vanilla": ("vanilla", {}),
    "dc_vanilla": ("dc_vanilla", {}),
    "pre_agg": ("preagg", {}),
    "dc_pre_agg": ("dc_preagg", {}),
    "dc_post_agg": ("dc_postagg", {}),
    "conv_style": ("convst", {}),
    "no_sharing": ("nosharing", {}),
    "vanilla_experts": ("vanilla", {"num_experts": 4}),
    "dc_vanilla_experts_noskel": ("dc_vanilla", {"num_experts": 4, "expert_mode": "no_skeleton"}),
    "pre_agg_experts": ("preagg", {}),  # the released layer computes its experts and ignores them
    "dc_pre_agg_experts": ("dc_preagg", {"num_experts": 4, "expert_mode": "mul"}),
    "dc_post_agg_experts": ("dc_postagg", {"num_experts": 4}),
    "conv_style_experts": ("convst", {"num_experts": 4}),
    "no_sharing_experts": ("nosharing", {"num_experts": 4, "symmetric": False}),
}


@pytest.mark.parametrize("file", FILES)
def test_matches_official_code(file, golden, assert_official):
    sharing, options = FILES[file]

    def translate(official):
        ours = {"weight": official["W"], "bias": official["bias"]}
        if "num_experts" not in options:
            return ours
        experts = official["experts"].mT if sharing == "nosharing" else official["experts"]
        routing = {f"conditional.routing.{kind}": official[f"_routing_fn.fc.{kind}"] for kind in ("weight", "bias")}
        return ours | routing | {"conditional.experts": experts}

    assert_official(
        golden(f"any_gcn_conv_{file}"), WeightSharingConv(5, 7, "h36m16", sharing=sharing, **options), translate
    )


def weight_of_edge(sharing, weight, i, j):
    """The matrix that carries joint j to joint i."""
    order = 0 if i == j else 1
    return {
        "vanilla": lambda: weight[0],
        "dc_vanilla": lambda: weight[order],
        "preagg": lambda: weight[0, j],
        "dc_preagg": lambda: weight[order, j],
        "postagg": lambda: weight[0, i],
        "dc_postagg": lambda: weight[order, i],
        "convst": lambda: weight[0 if i == j else 1 if j > i else 2],
        "nosharing": lambda: weight[j, i],
    }[sharing]()


@pytest.mark.parametrize("sharing", SHARING)
def test_equals_equation_by_loops(sharing):
    torch.manual_seed(0)
    adjacency = torch.randn(17, 17)
    conv = WeightSharingConv(3, 2, "h36m17", sharing=sharing, adjacency=adjacency).double()
    q = adjacency.double().T if sharing == "nosharing" else adjacency.double()
    x = torch.randn(2, 17, 3, dtype=torch.float64)
    y = conv.bias.expand(2, 17, 2).clone()
    for b in range(2):
        for i in range(17):
            for j in range(17):
                y[b, i] += q[i, j] * (x[b, j] @ weight_of_edge(sharing, conv.weight, i, j))
    torch.testing.assert_close(conv(x), y)


@pytest.mark.parametrize("sharing", ["vanilla", "dc_preagg", "postagg", "nosharing"])
def test_one_constant_expert_is_a_fixed_adjacency(sharing):
    routed = WeightSharingConv(3, 2, "h36m17", sharing=sharing, num_experts=1, expert_mode="no_skeleton").eval()
    with torch.no_grad():
        routed.conditional.routing.weight.zero_()
        routed.conditional.routing.bias.fill_(100)
    expert = (routed.conditional.experts[0] + routed.conditional.experts[0].T).detach() / 2
    fixed = WeightSharingConv(3, 2, "h36m17", sharing=sharing, adjacency=expert)
    fixed.load_state_dict({key: routed.state_dict()[key] for key in ("weight", "bias")})
    x = torch.randn(5, 17, 3)
    torch.testing.assert_close(routed(x), fixed(x))


@pytest.mark.parametrize("sharing", SHARING)
def test_initialisation_is_as_published(sharing):
    torch.manual_seed(0)
    conv = WeightSharingConv(24, 32, "h36m16", sharing=sharing)
    parts, *nodes, _, _ = conv.weight.shape
    fans = 24 * 32 * (nodes[0] + parts) if nodes else 32 * (24 + parts)
    bound = 1.414 * math.sqrt(6 / fans)
    assert 0.95 * bound < conv.weight.abs().max() <= bound
    bias_bound = (24 if nodes else 32) ** -0.5
    assert 0.8 * bias_bound < conv.bias.abs().max() <= bias_bound


@pytest.mark.parametrize("sharing", ["dc_preagg", "dc_postagg", "nosharing"])
def test_weights_per_joint_are_never_copied(sharing, monkeypatch):
    """They are most of the memory traffic of a single pose: the product must read them where they lie."""
    conv = copy.deepcopy(WeightSharingConv(4, 6, "h36m17", sharing=sharing)).double()
    conv.load_state_dict({key: value.contiguous() for key, value in conv.state_dict().items()})
    seen = []
    bmm = torch.bmm
    monkeypatch.setattr(torch, "bmm", lambda a, b: (seen.extend([a, b]), bmm(a, b))[1])
    conv(torch.randn(2, 17, 4, dtype=torch.float64))
    start = conv.weight.untyped_storage().data_ptr()
    assert start in {tensor.untyped_storage().data_ptr() for tensor in seen}


def test_convolution_style_is_towards_and_away_from_the_root_on_bones():
    conv = WeightSharingConv(2, 2, "h36m17", sharing="convst")
    _, from_child, from_parent = conv.adjacency
    parents = conv.skeleton.parents
    assert {(i, j) for i, j in from_child.nonzero().tolist()} == {(p, c) for c, p in enumerate(parents) if p >= 0}
    assert {(i, j) for i, j in from_parent.nonzero().tolist()} == {(c, p) for c, p in enumerate(parents) if p >= 0}


def test_bad_arguments_are_named():
    with pytest.raises(SkelgraphError, match="dc_preagg"):
        WeightSharingConv(2, 2, "h36m17", sharing="dc_pre")
    with pytest.raises(SkelgraphError, match=r"adjacency has shape \(16, 16\)"):
        WeightSharingConv(2, 2, "h36m17", adjacency=torch.eye(16))
    with pytest.raises(SkelgraphError, match="no_skeleton"):
        WeightSharingConv(2, 2, "h36m17", num_experts=2, expert_mode="skeleton")
