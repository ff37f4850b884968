"""Graph layers on the edges alone: the results of the matrices, without the matrices."""

from __future__ import annotations

import copy
import functools

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch_geometric.data import Batch, Data
from torch_geometric.utils import add_self_loops, grid

from skelgraph import nn as sgnn
from skelgraph.errors import SkelgraphError, TopologyError
from skelgraph.topology import Graph, Skeleton

SPARSE = {
    "SemGraphConv": sgnn.SemGraphConv,
    "SemCHGraphConv": sgnn.SemCHGraphConv,
    **{
        f"HighOrderGraphConv[{hops}, {reduce}]": functools.partial(sgnn.HighOrderGraphConv, hops=hops, reduce=reduce)
        for hops in ("walk", "exact", "within")
        for reduce in ("cat", "sum")
    },
    "ImplicitFairingConv": sgnn.ImplicitFairingConv,
    "ChebyshevGraphConv": functools.partial(sgnn.ChebyshevGraphConv, hops=3),
    "ChebyshevGraphConv[unnormalised]": functools.partial(sgnn.ChebyshevGraphConv, normalize=False),
    **{
        f"WeightSharingConv[{s}]": functools.partial(sgnn.WeightSharingConv, sharing=s)
        for s in ("vanilla", "dc_vanilla", "preagg", "dc_preagg", "postagg", "dc_postagg", "convst")
    },
}
DENSE = {
    "ModulatedGraphConv": sgnn.ModulatedGraphConv,
    "RegularSplittingConv": sgnn.RegularSplittingConv,
    "WeightedJacobiConv": sgnn.WeightedJacobiConv,
    "ConditionalGraphConv": sgnn.ConditionalGraphConv,
    "WeightSharingConv[experts]": functools.partial(sgnn.WeightSharingConv, num_experts=2),
    "WeightSharingConv[nosharing]": functools.partial(sgnn.WeightSharingConv, sharing="nosharing"),
}


def mesh(height, width, weighted=False):
    """A grid with diagonals and self loops."""
    edge_index, _ = grid(height, width)
    weight = torch.rand(edge_index.size(1), generator=torch.Generator().manual_seed(0)) + 0.1 if weighted else None
    return Graph(height * width, edge_index, weight, name=f"grid {height} x {width}")


GRAPHS = {"skeleton": Skeleton([-1, 0, 1, 0, 3, 0, 5], name="hand7"), "weighted mesh": mesh(4, 5, weighted=True)}


@pytest.fixture(name="double")
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("graph", GRAPHS.values(), ids=list(GRAPHS))
@pytest.mark.parametrize("name", SPARSE)
def test_agrees_with_the_dense_path(name, graph):
    torch.manual_seed(0)
    dense, sparse = (SPARSE[name](3, 8, graph, dense=choice) for choice in (True, False))
    for parameter in dense.parameters():
        torch.nn.init.normal_(parameter)
    sparse.load_state_dict(dense.state_dict())
    x0 = torch.randn(2, 3, graph.num_joints, 3)
    inputs = (x0, x0.roll(1, 0)) if name == "ImplicitFairingConv" else (x0,)
    results = []
    for conv in (dense, sparse, copy.deepcopy(sparse)):
        leaves = [value.clone().requires_grad_() for value in inputs]
        y = conv(*leaves)
        y.sin().sum().backward()
        results.append([y, *(leaf.grad for leaf in leaves), *(parameter.grad for parameter in conv.parameters())])
    torch.testing.assert_close(results[1], results[0], atol=1e-10, rtol=0)
    torch.testing.assert_close(results[2], results[1])
    torch.testing.assert_close(sparse(x0[0].flatten(0, 1)), dense(x0[0]).flatten(0, 1), atol=1e-10, rtol=0)
    torch.testing.assert_close(sparse(x0), dense(x0), atol=1e-10, rtol=0)


@pytest.mark.parametrize("name", SPARSE)
def test_autocast_and_reset(name):
    conv = SPARSE[name](3, 8, GRAPHS["skeleton"], dense=False)
    x = torch.randn(2, 7, 3)
    expected = conv(x)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(conv(x).float(), expected, atol=0.1, rtol=0.1)
    before = conv.weight.clone()
    conv.reset_parameters()
    assert not torch.equal(before, conv.weight)
    assert set(conv.state_dict()) == {key for key, _ in conv.named_parameters()}


class NoSquare(TorchDispatchMode):
    """Fails as soon as any dense tensor has ``limit`` entries."""

    def __init__(self, limit):
        super().__init__()
        self.limit = limit
        self.largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in tree_iter(result):
            if isinstance(value, torch.Tensor) and value.layout == torch.strided:
                self.largest = max(self.largest, value.numel())
                assert value.numel() < self.limit, f"{function} made {tuple(value.shape)}"
        return result


@pytest.mark.parametrize("name", SPARSE)
def test_no_square_matrix_on_a_large_mesh(name):
    graph = mesh(100, 200)
    with NoSquare(graph.num_nodes**2 // 50) as mode:
        conv = SPARSE[name](4, 8, graph)
        x = torch.randn(graph.num_nodes, 4, requires_grad=True)
        y = conv(x)
        y.sum().backward()
    assert not conv.dense
    assert mode.largest >= graph.num_nodes * 4
    assert x.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in conv.parameters())


@pytest.mark.parametrize("name", DENSE)
def test_layers_of_matrices_refuse_large_graphs(name):
    with pytest.raises(TopologyError, match=r"needs \d+ dense matrices of 20000 x 20000"):
        DENSE[name](4, 8, mesh(100, 200))
    with pytest.raises(SkelgraphError, match="no form on edges"):
        sgnn.WeightSharingConv(4, 8, "h36m17", num_experts=2, dense=False)


def test_chosen_by_size():
    assert sgnn.SemGraphConv(2, 4, mesh(15, 15)).dense
    assert not sgnn.SemGraphConv(2, 4, mesh(20, 20)).dense
    assert sgnn.SemGraphConv(2, 4, mesh(20, 20), dense=True).dense


def test_a_node_without_edges_is_refused():
    with pytest.raises(TopologyError, match="node 1 of a sparse graph receives nothing"):
        sgnn.SemGraphConv(2, 4, Graph(2, torch.tensor([[0, 1], [0, 0]])), dense=False)


def test_adjacency_as_a_sparse_matrix():
    graph = mesh(4, 5, weighted=True)
    expected = sgnn.WeightSharingConv(2, 4, graph, sharing="vanilla")
    x = torch.randn(3, 20, 2)
    for dense in (True, False):
        conv = sgnn.WeightSharingConv(
            2, 4, graph, sharing="vanilla", adjacency=graph.sparse_adjacency("row"), dense=dense
        )
        conv.load_state_dict(expected.state_dict())
        torch.testing.assert_close(conv(x), expected(x))


@pytest.mark.parametrize("sharing", ["vanilla", "dc_vanilla", "convst"])
def test_a_batch_of_different_graphs(sharing):
    """Every graph of the batch gets what a layer bound to it gives."""
    graphs = [mesh(2, 3, weighted=True), mesh(3, 3, weighted=True), mesh(1, 2, weighted=True)]
    features = [torch.randn(graph.num_nodes, 2) for graph in graphs]
    data = [
        Data(x=x, edge_index=graph.edge_index, edge_attr=graph.edge_weight.float())
        for x, graph in zip(features, graphs, strict=True)
    ]
    batch = Batch.from_data_list(data)
    conv = sgnn.WeightSharingConv(2, 4, "h36m17", sharing=sharing)
    together = conv(batch.x, batch.edge_index, batch.edge_attr)
    for x, graph, y in zip(features, graphs, together.split([len(x) for x in features]), strict=True):
        bound = sgnn.WeightSharingConv(2, 4, graph, sharing=sharing)
        bound.load_state_dict(conv.state_dict())
        torch.testing.assert_close(y, bound(x))


def test_edges_of_a_call_on_the_own_skeleton():
    conv = sgnn.WeightSharingConv(2, 4, "h36m17", sharing="dc_vanilla")
    x = torch.randn(3, 17, 2)
    edge_index, _ = add_self_loops(conv.skeleton.edge_index, num_nodes=17)
    torch.testing.assert_close(conv(x, edge_index), conv(x))
    with pytest.raises(ValueError, match="belong to its own graph"):
        sgnn.WeightSharingConv(2, 4, "h36m17", sharing="preagg")(x, edge_index)
    with pytest.raises(ValueError, match=r"needs input of shape \(\.\.\., N, 2\)"):
        conv(torch.randn(3, 17, 5), edge_index)
