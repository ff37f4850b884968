"""Semantic graph convolutions against the authors' code."""

from __future__ import annotations

import pytest
import torch

from skelgraph.nn import ChebyshevGraphConv, SemCHGraphConv, SemGraphConv
from skelgraph.topology import Graph, Skeleton


@pytest.mark.parametrize(
    ("file", "cls"),
    [
        ("sem_gcn_conv", SemGraphConv),
        ("sem_gcn_ch_conv", SemCHGraphConv),
        ("any_gcn_conv_sem", SemGraphConv),
        ("any_gcn_conv_sem_ch", SemCHGraphConv),
    ],
)
def test_matches_official_code(file, cls, golden, assert_official):
    reference = golden(file)
    conv = cls(reference["sd/W"].size(1), reference["sd/W"].size(2), "h36m16")
    assert_official(reference, conv, lambda sd: {"weight": sd["W"], "attention.logits": sd["e"], "bias": sd["bias"]})


@pytest.mark.parametrize("dense", [True, False])
def test_matches_official_code_on_a_mesh_with_nodes_without_edges(golden, dense):
    reference = golden("hgn_semgconv")
    conv = SemGraphConv(16, 21, Graph.from_adjacency(reference["in/adj"]), dense=dense).double()
    official, x = reference.state_dict(), reference["in/x"].requires_grad_()
    conv.load_state_dict({"weight": official["W"], "attention.logits": official["e"], "bias": official["bias"]})
    y = conv(x)
    (y * reference["in/g"]).sum().backward()
    reference.assert_close(y, "out/y")
    reference.assert_close(x.grad, "grad/x")
    if not dense:
        return
    adjacency = conv.attention().sum(dim=0)  # self and neighbours
    for node in reference.meta["fake_nodes"]:
        torch.testing.assert_close(adjacency[node], torch.full_like(adjacency[node], 1 / 48), msg="uniform")
    for node in reference.meta["no_self_loop"]:
        assert adjacency[node, node] == 0


@pytest.mark.parametrize("cls", [SemGraphConv, SemCHGraphConv, ChebyshevGraphConv])
def test_binds_to_a_graph_as_to_a_skeleton(cls):
    matrix = torch.tensor([[1.0, 1, 0], [1, 1, 1], [0, 1, 1]])
    graph, x = Graph.from_adjacency(matrix, name="path"), torch.randn(2, 3, 4)
    conv, same = cls(4, 5, graph), cls(4, 5, Skeleton([-1, 0, 1]))
    same.load_state_dict(conv.state_dict())
    torch.testing.assert_close(conv(x), same(x))
    torch.testing.assert_close(conv(x.flatten(0, 1)), conv(x).flatten(0, 1))
    assert "4, 5, path" in repr(conv)
    with pytest.raises(ValueError, match=r"needs input of shape \(\.\.\., 3, 4\)"):
        conv(torch.randn(2, 4, 4))


@pytest.mark.parametrize("cls", [SemGraphConv, SemCHGraphConv])
def test_initialisation_is_as_published(cls):
    conv = cls(64, 128, "h36m16")
    bound = 1.414 * (6 / (128 * (64 + 2))) ** 0.5
    assert 0.95 * bound < conv.weight.abs().max() <= bound
    assert (conv.attention.logits == 1).all()
    bias_bound = (64 if cls is SemCHGraphConv else 128) ** -0.5
    assert 0.8 * bias_bound < conv.bias.abs().max() <= bias_bound


def test_number_of_edges_on_16_joints():
    assert SemGraphConv(2, 3, "h36m16").attention.logits.shape == (1, 46)
    assert SemCHGraphConv(2, 3, "h36m16").attention.logits.shape == (3, 46)


def test_edges_can_be_given():
    adjacency = torch.eye(16)
    adjacency[0, 5] = 0.3
    assert SemGraphConv(2, 3, "h36m16", adjacency=adjacency).attention.logits.shape == (1, 17)
