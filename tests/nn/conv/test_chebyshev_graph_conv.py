"""Chebyshev graph convolution against the authors' code, its equation and PyG."""

from __future__ import annotations

import math

import pytest
import torch
from torch_geometric.nn import ChebConv

from skelgraph.nn import ChebyshevGraphConv
from skelgraph.nn.conv.chebyshev_graph_conv import chebyshev_polynomials
from skelgraph.topology import as_skeleton


@pytest.mark.parametrize(("file", "hops", "normalize"), [("", 2, True), ("_unnormalised", 3, False)])
def test_matches_official_code(file, hops, normalize, golden, assert_official):
    reference = golden(f"any_gcn_conv_chebyshev{file}")
    conv = ChebyshevGraphConv(5, 7, "h36m16", hops=hops, normalize=normalize)
    assert_official(
        reference, conv, lambda official: {"weight": official["weight"].squeeze(1), "bias": official["bias"].flatten()}
    )


@pytest.mark.parametrize("hops", [0, 1, 4])
def test_equals_equation_by_loops(hops):
    torch.manual_seed(0)
    adjacency = torch.rand(17, 17)
    conv = ChebyshevGraphConv(3, 2, "h36m17", hops=hops, adjacency=adjacency, normalize=False).double()
    x = torch.randn(2, 17, 3, dtype=torch.float64)
    laplacian = adjacency.sum(1).diag().double() - adjacency.double()
    y = conv.bias + x @ conv.weight[0]
    before, term = x, laplacian @ x
    for k in range(1, hops + 1):
        y = y + term @ conv.weight[k]
        before, term = term, 2 * laplacian @ term - before
    torch.testing.assert_close(conv(x), y, atol=1e-4, rtol=1e-4)


def test_bones_alone_give_the_polynomials_of_the_literature():
    """PyG scales the spectrum by 2 / lambda_max; with lambda_max = 2 its operator is ours of L - I."""
    graph = as_skeleton("h36m17")
    x = torch.randn(17, 3)
    theirs = ChebConv(3, 2, K=2, normalization="sym")
    conv = ChebyshevGraphConv(3, 2, graph, hops=1, adjacency=graph.adjacency())
    with torch.no_grad():
        shifted = [
            theirs.lins[0].weight.T - theirs.lins[1].weight.T,
            theirs.lins[1].weight.T,
        ]  # T_1(L - I) = T_1(L) - 1
        conv.weight.copy_(torch.stack(shifted))
        conv.bias.copy_(theirs.bias)
    torch.testing.assert_close(conv(x), theirs(x, graph.edge_index))


def test_node_without_edges_stays_finite():
    assert chebyshev_polynomials(torch.zeros(3, 3), 2).isfinite().all()


def test_initialisation_is_as_published():
    torch.manual_seed(0)
    conv = ChebyshevGraphConv(64, 128, "h36m16")
    assert math.isclose(conv.weight.std().item(), math.sqrt(2 / (4 * 64 * 128)), rel_tol=0.03)
    assert (conv.bias == 0).all()


def test_negative_degree_is_refused():
    with pytest.raises(ValueError, match="hops"):
        ChebyshevGraphConv(2, 2, "h36m17", hops=-1)


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize(("normalize", "normalization"), [(True, "sym"), (False, None)])
@pytest.mark.parametrize("lambda_max", [2.0, 3.7])
def test_scaled_laplacian_matches_pyg(dense, normalize, normalization, lambda_max):
    layout = as_skeleton("h36m17")
    adjacency = layout.adjacency()
    given = adjacency if dense else adjacency.to_sparse()
    ours = ChebyshevGraphConv(
        3, 4, layout, hops=3, adjacency=given, normalize=normalize, dense=dense, lambda_max=lambda_max
    ).double()
    theirs = ChebConv(3, 4, K=4, normalization=normalization).double()
    with torch.no_grad():
        for lin, weight in zip(theirs.lins, ours.weight, strict=True):
            lin.weight.copy_(weight.t())
        theirs.bias.copy_(torch.randn(4))
        ours.bias.copy_(theirs.bias)
    x = torch.randn(17, 3, dtype=torch.float64)
    expected = theirs(x, adjacency.nonzero().t(), lambda_max=lambda_max)
    torch.testing.assert_close(ours(x), expected)
    torch.testing.assert_close(ours(x.expand(2, -1, -1)), expected.expand(2, -1, -1))
    if normalize:  # weights of the call are row-normalised: the Laplacian is I - A either way
        index = adjacency.nonzero().t()
        row = adjacency / adjacency.sum(dim=1, keepdim=True)
        again = ChebyshevGraphConv(3, 4, layout, hops=3, adjacency=row, lambda_max=lambda_max).double()
        again.load_state_dict(ours.state_dict())
        torch.testing.assert_close(ours(x, index), again(x))


@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
def test_sparse_adjacency_is_the_dense_one(layout):
    adjacency = as_skeleton("h36m17").adjacency("row", self_loops=True)
    x = torch.randn(2, 17, 3)
    for dense in (True, False):
        conv = ChebyshevGraphConv(3, 4, "h36m17", adjacency=adjacency, dense=dense)
        other = ChebyshevGraphConv(3, 4, "h36m17", adjacency=adjacency.to_sparse(layout=layout), dense=dense)
        other.load_state_dict(conv.state_dict())
        torch.testing.assert_close(other(x), conv(x))
