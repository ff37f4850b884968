"""Masks of PyG's explainers reach the incidences that they are meant for, on every path."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.explain.algorithm.utils import clear_masks, set_masks

from skelgraph.errors import SkelgraphError
from skelgraph.nn import (
    AllSetConv,
    EdgeVertexConv,
    HNHNConv,
    HyperedgeAttentionConv,
    HyperedgeConv,
    Memberships,
    UniConv,
)
from skelgraph.topology import JointHypergraph, to_pyg

LISTS = [[0, 2, 3], [0, 1], [4, 1, 2], [3], [2, 0]]
HYPERGRAPH = JointHypergraph.from_lists(6, LISTS, hyperedge_weight=torch.linspace(0.5, 2, 5, dtype=torch.float64))
INDEX = HYPERGRAPH.hyperedge_index


@pytest.mark.parametrize("dense", [None, True, False])
def test_the_second_stage_reads_the_mask_in_the_same_order(dense):
    """Joint 2 leaves hyperedge 0: (1 / 2 + (1 + 10) / 2) / 2 = 3 for joint 0."""
    hypergraph = JointHypergraph.from_lists(3, [[0, 2], [0, 1]])
    conv = HyperedgeConv(1, 1, hypergraph, dense=dense, bias=None)
    torch.nn.init.ones_(conv.lin.weight)
    x = torch.tensor([[1.0], [10.0], [100.0]])
    set_masks(conv, torch.tensor([1.0, 0.0, 1.0, 1.0]), hypergraph.hyperedge_index, apply_sigmoid=False)
    assert conv(x).flatten().tolist() == [3, 5.5, 0]
    assert conv(x, hypergraph).flatten().tolist() == [3, 5.5, 0]
    assert conv(x, return_hyperedges=True)[1].flatten().tolist() == [0.5, 5.5]
    clear_masks(conv)
    assert conv(x).flatten().tolist() == [28, 5.5, 50.5]


def masked(mask):
    """The incidence matrix and the same with the numbers of the mask in place of its ones."""
    matrix = torch.zeros(6, 5, dtype=torch.float64)
    matrix[INDEX[0], INDEX[1]] = mask
    return HYPERGRAPH.incidence.double(), matrix


def by_hand(name, conv, x, mask):
    """The equation of each layer, with the mask as a factor of what is sent along incidences, both ways; what divides
    and what attends is not masked."""
    H, S = masked(mask)
    w = HYPERGRAPH.hyperedge_weight
    d, size = (H @ w).clamp(min=1e-9), H.sum(dim=0)
    if name == "HyperedgeConv":
        return ((S * w / size) @ S.t() @ conv.lin(x)) / d[:, None] + conv.bias
    if name == "UniConv[gcn]":
        mean_degree = H.t() @ (H @ w) / size
        y = w[:, None] * (S.t() @ conv.lin(x)) / size[:, None]
        return (S @ (y * mean_degree[:, None] ** -0.5)) * d[:, None] ** -0.5
    if name == "UniConv[sage]":
        t = conv.lin(x)
        return t + S @ (w[:, None] * (S.t() @ t) / size[:, None])
    if name == "HNHNConv":
        degree = torch.where(H @ w == 0, 0, d**conv.beta)
        y = (w[:, None] * (S.t() @ (degree[:, None] * conv.lin1(x))) / (H.t() @ degree)[:, None]).relu()
        share = (w * size**conv.alpha) @ H.t()
        return (S @ (size[:, None] ** conv.alpha * conv.lin2(y))) / share.clamp(min=1e-9)[:, None]
    if name == "AllSetConv[deepsets]":
        there, back = conv.to_hyperedges, conv.to_nodes
        return back.outer(S @ back.inner(there.outer(S.t() @ there.inner(x))))
    h = conv.lin(x)
    mean = S.t() @ h / size[:, None]
    node, hyperedge = conv.att.flatten().chunk(2)
    score = torch.nn.functional.leaky_relu((h @ node)[:, None] + (mean @ hyperedge)[None], 0.2)
    alpha = score.masked_fill(H == 0, -torch.inf).softmax(dim=0)
    return (S * w) @ ((alpha * S).t() @ h) / d[:, None] + conv.bias


LAYERS = {
    "HyperedgeConv": lambda *a, **o: HyperedgeConv(4, 3, *a, **o),
    "UniConv[gcn]": lambda *a, **o: UniConv(4, 3, *a, **o),
    "UniConv[sage]": lambda *a, **o: UniConv(4, 3, *a, kind="sage", **o),
    "HNHNConv": lambda *a, **o: HNHNConv(4, 3, *a, alpha=0.5, beta=-0.3, **o),
    "AllSetConv[deepsets]": lambda *a, **o: AllSetConv(4, 3, *a, kind="deepsets", **o),
    "HyperedgeAttentionConv": lambda *a, **o: HyperedgeAttentionConv(4, 3, *a, **o),
}


@pytest.mark.parametrize("name", list(LAYERS))
def test_every_path_gives_the_equation_with_the_mask(name):
    make = LAYERS[name]
    torch.manual_seed(0)
    loose = make().double()
    for parameter in loose.parameters():
        torch.nn.init.normal_(parameter)
    x, mask = torch.randn(2, 6, 4, dtype=torch.float64), torch.rand(INDEX.size(1), dtype=torch.float64)
    mask[2] = 0
    expected = torch.stack([by_hand(name, loose, sample, mask) for sample in x])
    weight = HYPERGRAPH.hyperedge_weight
    for dense in (True, False):
        bound = make(HYPERGRAPH, dense=dense).double()
        bound.load_state_dict(loose.state_dict())
        before = bound(x)
        set_masks(bound, mask, INDEX, apply_sigmoid=False)
        torch.testing.assert_close(bound(x), expected)
        torch.testing.assert_close(bound(x.flatten(0, 1)), expected.flatten(0, 1))
        set_masks(bound, mask.logit(), INDEX, apply_sigmoid=True)
        torch.testing.assert_close(bound(x), expected)
        clear_masks(bound)
        assert torch.equal(bound(x), before), "nothing of the explainer stays behind"

        free = make(dense=dense).double()
        free.load_state_dict(loose.state_dict())
        order = torch.randperm(INDEX.size(1))
        set_masks(free, mask[order], INDEX[:, order], apply_sigmoid=False)
        torch.testing.assert_close(
            free(x, INDEX[:, order], hyperedge_weight=weight), expected, msg="the order of the call"
        )
        set_masks(free, mask, INDEX, apply_sigmoid=False)
        torch.testing.assert_close(free(x, HYPERGRAPH), expected)
        data = to_pyg(HYPERGRAPH)
        torch.testing.assert_close(free(x[0], data), expected[0])


@pytest.mark.parametrize("dense", [None, False])
@pytest.mark.parametrize("name", list(LAYERS))
def test_an_explainer_finds_what_a_bound_layer_reads(name, dense):
    """The output of joint 5, which is in no hyperedge, depends on no incidence; that of joint 4 on hyperedge 2."""

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = LAYERS[name](HYPERGRAPH, dense=dense).float()
            for parameter in self.parameters():
                torch.nn.init.uniform_(parameter, 0.1, 1)  # no ReLU stops a gradient

        def forward(self, x, edge_index):
            return self.conv(x)

    torch.manual_seed(0)
    explainer = Explainer(
        Model(),
        GNNExplainer(epochs=3),
        explanation_type="model",
        edge_mask_type="object",
        model_config={"mode": "regression", "task_level": "node", "return_type": "raw"},
    )
    explanation = explainer(torch.rand(6, 4), INDEX, index=4)
    found = set(INDEX[1, explanation.edge_mask > 0].tolist())
    assert 2 in found
    assert 3 not in found, "a hyperedge of joint 3 alone says nothing to joint 4"


def test_masks_that_fit_nothing_are_named():
    conv = HyperedgeConv(4, 3, HYPERGRAPH)
    x = torch.randn(6, 4)
    set_masks(conv, torch.ones(4), INDEX)
    with pytest.raises(SkelgraphError, match=r"mask of the explainer is \(4,\); expected one number for each of 11"):
        conv(x)
    with pytest.raises(SkelgraphError, match="a matrix of memberships has no order of them"):
        conv(x, Memberships(torch.rand(6, 3)))
    bones = EdgeVertexConv(4, 4, "h36m17", kind="difference")
    set_masks(bones, torch.ones(32), INDEX)
    with pytest.raises(SkelgraphError, match="no messages that a mask per incidence could act on"):
        bones(torch.randn(17, 4), torch.randn(16, 4))
