"""Attention weights of a call, one per incidence and head, the same on both paths."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.nn import AllSetConv, HNHNConv, HyperedgeAttentionConv, HyperedgeConv, Memberships, UniConv
from skelgraph.topology import JointHypergraph, to_pyg

LISTS = [[3, 0, 2], [0, 1], [4, 1, 2], [3], [2, 0]]
HYPERGRAPH = JointHypergraph.from_lists(6, LISTS, hyperedge_weight=torch.linspace(0.5, 2, 5, dtype=torch.float64))
INDEX = HYPERGRAPH.hyperedge_index
LAYERS = {
    "node": (lambda *a, **o: HyperedgeAttentionConv(4, 6, *a, heads=2, **o), [1]),
    "edge": (lambda *a, **o: HyperedgeAttentionConv(4, 6, *a, heads=2, mode="edge", **o), [0]),
    "pyg": (lambda *a, **o: HyperedgeAttentionConv(4, 6, *a, heads=2, norm="pyg", **o), [1]),
    "gat": (lambda *a, **o: UniConv(4, 6, *a, kind="gat", heads=2, **o), [0]),
    "released": (lambda *a, **o: UniConv(4, 6, *a, kind="gat", heads=2, score="hyperedge", **o), [0]),
    "allset": (lambda *a, **o: AllSetConv(4, 6, *a, heads=2, **o), [1, 0]),
}
"""A layer, and over what its weights sum to one: the nodes of a hyperedge (1) or the hyperedges of a node (0)."""


def summed(alpha, index, row, size):
    return torch.zeros(*alpha.shape[:-2], size, 2, dtype=alpha.dtype).index_add(-2, index[row], alpha)


@pytest.mark.parametrize("name", list(LAYERS))
def test_weights_sum_to_one_and_agree(name):
    make, over = LAYERS[name]
    torch.manual_seed(0)
    loose = make().double()
    x = torch.randn(3, 6, 4, dtype=torch.float64)
    order = torch.randperm(INDEX.size(1))
    found = []
    for dense in (True, False):
        bound, free = make(HYPERGRAPH, dense=dense).double(), make(dense=dense).double()
        for conv in (bound, free):
            conv.load_state_dict(loose.state_dict())
        out, y, (index, alpha) = bound(x, return_hyperedges=True, return_attention_weights=True)
        plain, (_, again) = bound(x, return_attention_weights=True)
        assert torch.equal(out, bound(x))
        assert torch.equal(plain, out)
        assert torch.equal(again, alpha)
        assert y.shape[:2] == (3, 5)
        assert torch.equal(index, INDEX)
        found.append(alpha)

        _, (given, mixed) = free(
            x, INDEX[:, order], hyperedge_weight=HYPERGRAPH.hyperedge_weight, return_attention_weights=True
        )
        assert torch.equal(given, INDEX[:, order]), "in the order of the call"
        torch.testing.assert_close(mixed, alpha[..., order, :])

        flat, (union, rows) = bound(x.flatten(0, 1), return_attention_weights=True)
        torch.testing.assert_close(flat, out.flatten(0, 1))
        assert torch.equal(union, to_pyg(HYPERGRAPH, 3).edge_index)
        torch.testing.assert_close(rows, alpha.flatten(-3 if name == "allset" else 0, -2))
    torch.testing.assert_close(*found, atol=1e-12, rtol=0)
    directions = found[0] if name == "allset" else found[0][None]
    for alpha, row in zip(directions, over, strict=True):
        size = (6, 5)[row]
        full = summed(alpha.expand(3, -1, -1), INDEX, row, size)
        torch.testing.assert_close(
            full, torch.ones(3, size, 2, dtype=torch.float64) * (torch.arange(size) != 5)[:, None]
        )


def test_they_are_what_the_layer_computes_with():
    conv = HyperedgeAttentionConv(4, 6, HYPERGRAPH, heads=2, bias=False).double()
    x = torch.randn(6, 4, dtype=torch.float64)
    _, y, (index, alpha) = conv(x, return_hyperedges=True, return_attention_weights=True)
    h = conv.lin(x).view(6, 2, 3)
    expected = torch.zeros(5, 2, 3, dtype=torch.float64).index_add(0, index[1], alpha[..., None] * h[index[0]])
    torch.testing.assert_close(y, expected.flatten(1))


def test_equal_incidences_share_their_weight():
    index = torch.tensor([[0, 0, 1], [0, 0, 0]])
    results = []
    for dense in (True, False):
        torch.manual_seed(0)
        conv = HyperedgeAttentionConv(2, 2, dense=dense)
        torch.manual_seed(1)
        _, (given, alpha) = conv(torch.randn(2, 2), index, return_attention_weights=True)
        assert torch.equal(given, index)
        assert alpha.sum().item() == pytest.approx(1)
        assert alpha[0] == alpha[1]
        results.append(alpha)
    torch.testing.assert_close(*results)


def test_weights_of_matrices():
    conv = UniConv(4, 4, kind="gat").double()
    x = torch.randn(3, 6, 4, dtype=torch.float64)
    _, (index, alpha) = conv(x, HYPERGRAPH.incidence.double(), return_attention_weights=True)
    assert torch.equal(index, INDEX)
    _, (_, expected) = conv(x, INDEX, return_attention_weights=True)
    torch.testing.assert_close(alpha, expected)
    soft = torch.rand(3, 6, 5, dtype=torch.float64)
    _, (index, alpha) = conv(x, Memberships(soft), return_attention_weights=True)
    assert index.shape == (2, 30)
    assert alpha.shape == (3, 30, 1)
    sums = torch.zeros(3, 6, 1, dtype=torch.float64).index_add(1, index[0], alpha)
    torch.testing.assert_close(sums, torch.ones_like(sums))


@pytest.mark.parametrize("conv", [UniConv(4, 4, HYPERGRAPH), AllSetConv(4, 4, HYPERGRAPH, kind="deepsets")], ids=repr)
def test_layers_without_attention_say_so(conv):
    with pytest.raises(SkelgraphError, match="has no attention weights to return"):
        conv(torch.randn(6, 4), return_attention_weights=True)


@pytest.mark.parametrize("conv", [HyperedgeConv(4, 4, HYPERGRAPH), HNHNConv(4, 4, HYPERGRAPH)], ids=repr)
def test_layers_that_never_attend_have_no_such_argument(conv):
    with pytest.raises(TypeError, match="return_attention_weights"):
        conv(torch.randn(6, 4), return_attention_weights=True)
