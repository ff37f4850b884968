"""Graph layers on the edges alone: the results of the matrices, without the matrices."""

from __future__ import annotations

import copy
import functools

import pytest
import torch
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, stack_module_state, vmap
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch_geometric.data import Batch, Data
from torch_geometric.utils import add_self_loops, grid

from skelgraph import nn as sgnn
from skelgraph.nn.conv import skeleton_conv
from skelgraph.topology import Graph, Skeleton

CALLED = ("vanilla", "dc_vanilla", "convst")
"""Kinds of sharing whose weights belong to no joint."""
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
        for s in (*CALLED, "preagg", "dc_preagg", "postagg", "dc_postagg", "nosharing")
    },
    "ModulatedGraphConv": sgnn.ModulatedGraphConv,
    "ModulatedGraphConv[not symmetric]": functools.partial(sgnn.ModulatedGraphConv, symmetric=False),
    "RegularSplittingConv": sgnn.RegularSplittingConv,
    "RegularSplittingConv[sum]": functools.partial(sgnn.RegularSplittingConv, num_hops=2, reduce="sum"),
    "WeightedJacobiConv": sgnn.WeightedJacobiConv,
    "WeightedJacobiConv[neighbours]": functools.partial(sgnn.WeightedJacobiConv, neighbours=True),
    **{
        f"ConditionalGraphConv[{mode}, {symmetric}]": functools.partial(
            sgnn.ConditionalGraphConv, num_experts=2, expert_mode=mode, symmetric=symmetric
        )
        for mode in ("add", "mul", "no_skeleton")
        for symmetric in (True, False)
    },
    **{
        f"WeightSharingConv[{s}, experts]": functools.partial(
            sgnn.WeightSharingConv, sharing=s, num_experts=2, routing_dropout=0.0
        )
        for s in ("vanilla", "dc_preagg", "postagg", "convst", "nosharing")
    },
}
INITIAL = ("ImplicitFairingConv", "RegularSplittingConv", "WeightedJacobiConv")
"""Layers that take initial features too."""


LEARNED = ("Modulated", "RegularSplitting", "WeightedJacobi", "Conditional")
"""Layers that learn a number for every pair of joints or for every edge."""


def on_edges(name):
    """What a layer needs to be told to learn on the edges."""
    learned = name.startswith(LEARNED) or "experts" in name or "nosharing" in name
    return {"learn_on": "edges"} if learned else {}


def mesh(height, width, weighted=False):
    """A grid with diagonals and self loops."""
    edge_index, _ = grid(height, width)
    weight = torch.rand(edge_index.size(1), generator=torch.Generator().manual_seed(0)) + 0.1 if weighted else None
    return Graph(height * width, edge_index, weight, name=f"grid {height} x {width}")


GRAPHS = {
    "skeleton": Skeleton([-1, 0, 1, 0, 3, 0, 5], name="hand7"),
    "weighted mesh": mesh(4, 5, weighted=True),
    "directed, without self loops": Graph(4, torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 0, 2]]), torch.arange(1, 6)),
}


@pytest.fixture(name="double")
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def places(sparse, key, value):
    """Where a parameter of the dense layer has what the layer on edges holds."""
    if value.shape == sparse.get_parameter(key).shape:
        return ...
    owner = getattr(sparse, "affinity", None) or getattr(sparse, "conditional", None) or sparse
    part, receiver, sender = owner.edges.index
    if key == "weight":
        return sender, receiver
    if key == "conditional.experts":
        return slice(None), receiver, sender
    return (receiver, sender) if value.dim() == 2 else (part // 2, receiver, sender)


def both_forms(name, graph):
    """A layer with random parameters in its dense form and on the edges, and the places of these parameters in it."""
    torch.manual_seed(0)
    dense = SPARSE[name](3, 8, graph, dense=True)
    sparse = SPARSE[name](3, 8, graph, dense=False, **on_edges(name))
    state, at = {}, {}
    for key, parameter in dense.named_parameters():
        at[key] = places(sparse, key, parameter)
        state[key] = torch.randn_like(parameter)[at[key]]
        with torch.no_grad():
            parameter.zero_()[at[key]] = state[key]
    sparse.load_state_dict(state)
    return dense, sparse, at


def with_initial(name, x):
    return (x, x.roll(1, 0)) if name.startswith(INITIAL) else (x,)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("graph", GRAPHS.values(), ids=list(GRAPHS))
@pytest.mark.parametrize("name", SPARSE)
def test_agrees_with_the_dense_path(name, graph):
    dense, sparse, at = both_forms(name, graph)
    x0 = torch.randn(2, 3, graph.num_joints, 3)
    inputs = with_initial(name, x0)
    results = []
    for conv in (dense, sparse, copy.deepcopy(sparse)):
        leaves = [value.clone().requires_grad_() for value in inputs]
        y = conv(*leaves)
        y.sin().sum().backward()
        grads = [value.grad[at[key]] if conv is dense else value.grad for key, value in conv.named_parameters()]
        results.append([y, *(leaf.grad for leaf in leaves), *grads])
    torch.testing.assert_close(results[1], results[0], atol=1e-10, rtol=0)
    torch.testing.assert_close(results[2], results[1])
    torch.testing.assert_close(sparse(x0[0].flatten(0, 1)), dense(x0[0]).flatten(0, 1), atol=1e-10, rtol=0)
    torch.testing.assert_close(sparse(x0), dense(x0), atol=1e-10, rtol=0)


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=list(GRAPHS))
@pytest.mark.parametrize("name", SPARSE)
def test_agrees_after_a_move_to_float64(name, graph):
    """What is fixed has more digits than the float32 that it was built in."""
    dense, sparse, _ = both_forms(name, graph)
    dense, sparse = dense.double(), sparse.double()
    x = with_initial(name, torch.randn(2, graph.num_joints, 3, dtype=torch.float64))
    torch.testing.assert_close(sparse(*x), dense(*x), atol=1e-10, rtol=0)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("learn_on", ["pairs", "edges"])
@pytest.mark.parametrize("name", SPARSE)
def test_how_it_computes_changes_nothing(name, learn_on, monkeypatch):
    """``dense=`` and the size of the graph: the same parameters and the same answers, learned on pairs or on edges."""
    learned = {"learn_on": learn_on} if on_edges(name) else {}
    graph, convs = GRAPHS["weighted mesh"], []
    forms = (None, True) if learned.get("learn_on") == "pairs" else (None, True, False)
    for limit in (0, skeleton_conv.DENSE_LIMIT):
        monkeypatch.setattr(skeleton_conv, "DENSE_LIMIT", limit)
        for dense in forms:
            torch.manual_seed(0)
            convs.append(SPARSE[name](3, 8, graph, dense=dense, **learned))
    for parameter in convs[0].parameters():
        torch.nn.init.normal_(parameter)
    x = with_initial(name, torch.randn(2, graph.num_nodes, 3))
    expected = convs[0](*x)
    for conv in convs[1:]:
        conv.load_state_dict(convs[0].state_dict())
        torch.testing.assert_close(conv(*x), expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("name", [name for name in SPARSE if on_edges(name)])
def test_matrices_that_are_learned_are_dense(name):
    with pytest.raises(ValueError, match=r"dense is False and learn_on is 'pairs'; expected learn_on='edges'"):
        SPARSE[name](3, 8, GRAPHS["skeleton"], dense=False)
    with pytest.raises(ValueError, match="learn_on is 'nodes'; expected 'pairs' or 'edges'"):
        SPARSE[name](3, 8, GRAPHS["skeleton"], learn_on="nodes")


@pytest.mark.parametrize("size", [256, 257, 362, 363, 400])
def test_the_size_of_a_graph_chooses_no_other_model(size):
    """Below and above the sizes at which layers change to edge lists."""
    ring = torch.stack([torch.arange(size), torch.arange(1, size + 1) % size])
    graph = Graph(size, torch.cat([ring, ring.flip(0)], dim=1))
    for cls in (sgnn.ModulatedGraphConv, sgnn.WeightedJacobiConv):
        assert cls(4, 4, graph).affinity.offset.shape == (size, size)
        assert cls(4, 4, graph, learn_on="edges").affinity.offset.dim() == 1
    assert sgnn.SemGraphConv(4, 4, graph).attention.logits.shape == (1, 2 * size)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("graph", ["skeleton", "directed, without self loops"])
@pytest.mark.parametrize("name", SPARSE)
def test_second_derivatives_agree(name, graph):
    """Those of the squared input gradient, as a gradient penalty takes them."""
    dense, sparse, at = both_forms(name, GRAPHS[graph])
    x, results = torch.randn(2, GRAPHS[graph].num_joints, 3), []
    for conv in (dense, sparse):
        leaves = [value.clone().requires_grad_() for value in with_initial(name, x)]
        grads = torch.autograd.grad(conv(*leaves).square().sum(), leaves, create_graph=True)
        wanted = {**{str(i): leaf for i, leaf in enumerate(leaves)}, **dict(conv.named_parameters())}
        second = torch.autograd.grad(
            sum(grad.square().sum() for grad in grads), list(wanted.values()), allow_unused=True, materialize_grads=True
        )
        found = dict(zip(wanted, second, strict=True))
        results.append({k: v[at[k]] if conv is dense and k in at else v for k, v in found.items()})
    learned = {"attention.logits", "affinity.offset", "conditional.experts"} & set(at)
    assert all(results[0][key].norm() > 0 for key in learned)
    torch.testing.assert_close(results[1], results[0], atol=1e-8, rtol=1e-10)


def test_second_derivative_by_the_logits():
    """The number of the dense form, which torch computes by itself."""
    norms = []
    for dense in (True, False):
        torch.manual_seed(0)
        conv = sgnn.SemGraphConv(8, 2, "h36m17", dense=dense)
        x = torch.randn(4, 17, 8, requires_grad=True)
        (grad,) = torch.autograd.grad(conv(x).square().sum(), x, create_graph=True)
        norms.append(torch.autograd.grad(grad.square().sum(), conv.attention.logits)[0].norm())
    assert norms[0] > 1
    torch.testing.assert_close(norms[1], norms[0])


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("name", SPARSE)
def test_gradgradcheck(name):
    _, conv, _ = both_forms(name, GRAPHS["directed, without self loops"])
    values = dict(conv.named_parameters())
    inputs = with_initial(name, torch.randn(2, 4, 3))

    def call(*leaves):
        return functional_call(conv, dict(zip(values, leaves[len(inputs) :], strict=True)), leaves[: len(inputs)])

    leaves = [value.detach().requires_grad_() for value in (*inputs, *values.values())]
    assert torch.autograd.gradgradcheck(call, leaves, fast_mode=True)


def backward(conv, x, transform):
    """Input gradients for several gradients of the output at once."""
    leaves = [value.clone().requires_grad_() for value in x]
    y = conv(*leaves)
    outer = torch.randn(3, *y.shape, generator=torch.Generator().manual_seed(0))
    if transform is None:
        return torch.autograd.grad(y, leaves, outer, is_grads_batched=True)
    return transform(lambda grad: torch.autograd.grad(y, leaves, grad))(outer)


TRANSFORMS = {
    "vmap": lambda conv, x, p: vmap(lambda *x: conv(*x))(*x),
    "vmap over channels last": lambda conv, x, p: vmap(conv, in_dims=2, out_dims=1)(*(v.movedim(0, 2) for v in x)),
    "vmap of vmap": lambda conv, x, p: vmap(vmap(conv))(*(v.unsqueeze(1) for v in x)),
    "jacrev": lambda conv, x, p: jacrev(conv)(*x),
    "jacfwd": lambda conv, x, p: jacfwd(conv)(*x),
    "jacrev by parameters": lambda conv, x, p: jacrev(lambda p: functional_call(conv, p, x))(p),
    "jacfwd by parameters": lambda conv, x, p: jacfwd(lambda p: functional_call(conv, p, x))(p),
    "hessian": lambda conv, x, p: hessian(lambda first: conv(first, *x[1:]).sin().sum())(x[0]),
    "gradients per sample": lambda conv, x, p: vmap(
        grad(lambda p, *x: functional_call(conv, p, tuple(v.unsqueeze(0) for v in x)).sin().sum()),
        in_dims=(None, *[0] * len(x)),
    )(p, *x),
    "vmap over a backward pass": lambda conv, x, p: backward(conv, x, vmap),
    "batched gradients": lambda conv, x, p: backward(conv, x, None),
    "ensemble": lambda conv, x, p: vmap(lambda p, b: functional_call(conv, (p, b), x))(
        *stack_module_state([conv, copy.deepcopy(conv)])
    ),
}


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize(
    "name", [name for name in SPARSE if "exact" not in name and "mul" not in name and "convst" not in name]
)
def test_function_transforms_agree(name, transform):
    """``torch.func`` on a bound layer: the edges give what the matrices do."""
    dense, sparse, at = both_forms(name, GRAPHS["directed, without self loops"])
    x = with_initial(name, torch.randn(2, 4, 3))
    found = []
    for conv in (dense, sparse):
        result = TRANSFORMS[transform](conv, x, dict(conv.named_parameters()))
        if isinstance(result, dict) and conv is dense:  # the last axes are those of the parameters
            result = {
                key: value if at[key] is ... else value[(..., *_axes(at[key], dense.get_parameter(key)))]
                for key, value in result.items()
            }
        found.append(result)
    torch.testing.assert_close(found[1], found[0], atol=1e-10, rtol=0)


def _axes(places, parameter):
    """Places in the last axes of a tensor of derivatives, in as many as the parameter has."""
    places = places if isinstance(places, tuple) else (places,)
    return (*places, *[slice(None)] * (parameter.dim() - len(places)))


@pytest.mark.parametrize("name", SPARSE)
def test_autocast_and_reset(name):
    conv = SPARSE[name](3, 8, GRAPHS["skeleton"], dense=False, **on_edges(name))
    x = torch.randn(2, 7, 3)
    expected = conv(x)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(conv(x).float(), expected, atol=0.1, rtol=0.1)
    before = conv.weight.clone()
    conv.reset_parameters()
    assert not torch.equal(before, conv.weight)
    assert set(conv.state_dict()) == {key for key, _ in conv.named_parameters()}


@pytest.mark.parametrize("name", SPARSE)
def test_compiles_as_one_graph(name):
    conv = SPARSE[name](3, 8, GRAPHS["skeleton"], dense=False, **on_edges(name))
    x = torch.randn(2, 7, 3)
    torch.testing.assert_close(torch.compile(conv, fullgraph=True, backend="aot_eager")(x), conv(x))
    torch._dynamo.reset()


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
        conv = SPARSE[name](4, 8, graph, **on_edges(name))
        x = torch.randn(graph.num_nodes, 4, requires_grad=True)
        y = conv(x)
        y.sum().backward()
    assert not conv.dense
    assert mode.largest >= graph.num_nodes * 4
    assert x.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in conv.parameters())


@pytest.mark.parametrize("frames", [1, 3])
def test_frames_of_a_skeleton_agree(frames):
    torch.manual_seed(0)
    dense, sparse = (
        sgnn.PartitionedGraphConv(3, 8, "h36m17", num_frames=frames, dense=choice).double() for choice in (True, False)
    )
    sparse.load_state_dict(dense.state_dict())
    x, results = torch.randn(2, frames * 17, 3, dtype=torch.float64), []
    for conv in (dense, sparse):
        leaf = x.clone().requires_grad_()
        y = conv(leaf)
        y.sin().sum().backward()
        results.append([y, leaf.grad, conv.weight.grad, conv.bias.grad])
    torch.testing.assert_close(results[1], results[0], atol=1e-10, rtol=0)


def test_many_frames_without_a_square_matrix():
    with NoSquare(20_400**2 // 50):
        conv = sgnn.PartitionedGraphConv(4, 8, "h36m17", num_frames=1200)
        conv(torch.randn(20_400, 4)).sum().backward()
    assert not conv.dense
    assert conv.weight.grad.isfinite().all()


def test_chosen_by_size():
    assert sgnn.SemGraphConv(2, 4, mesh(15, 15)).dense
    assert not sgnn.SemGraphConv(2, 4, mesh(20, 20)).dense
    assert sgnn.SemGraphConv(2, 4, mesh(20, 20), dense=True).dense


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("cls", [sgnn.SemGraphConv, sgnn.SemCHGraphConv])
@pytest.mark.parametrize("edges", [[[0, 1, 4, 3], [0, 0, 0, 4]], [[], []]])
@pytest.mark.parametrize("out_channels", [4, 1])
def test_nodes_without_edges_attend_to_all_alike(cls, edges, out_channels):
    """Whatever the size of the graph: on the edges as by matrices."""
    graph = Graph(5, torch.tensor(edges, dtype=torch.long))
    x, results = torch.randn(2, 3, 5, 3, requires_grad=True), []
    for dense in (True, False):
        torch.manual_seed(0)
        conv = cls(3, out_channels, graph, dense=dense)
        torch.nn.init.normal_(conv.attention.logits)
        y = conv(x)
        first = torch.autograd.grad(y.sin().sum(), [x, conv.weight], create_graph=True)
        second = torch.autograd.grad(first[0].square().sum(), [x, conv.weight])
        results.append([y, *first, *second, conv(x.flatten(0, 2).detach())])
    torch.testing.assert_close(results[1], results[0], atol=1e-10, rtol=0)
    assert conv.uniform.appended.numel() == 3 * (5 - len(set(edges[1])))
    own, neighbours = conv.weight
    expected = ((x[..., 1, :] @ own + (x.sum(dim=-2) - x[..., 1, :]) @ neighbours) / 5 + conv.bias).detach()
    torch.testing.assert_close(results[1][0][..., 1, :], expected, atol=1e-10, rtol=0)


def test_a_large_graph_of_single_nodes_has_no_square_matrix():
    graph = Graph(20_000, torch.zeros(2, 1, dtype=torch.long))
    with NoSquare(graph.num_nodes**2 // 50):
        conv = sgnn.SemGraphConv(4, 8, graph)
        conv(torch.randn(graph.num_nodes, 4)).sum().backward()
    assert conv.weight.grad.isfinite().all()


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


@pytest.mark.parametrize("name", [name for name in SPARSE if name.startswith("Chebyshev") or name[18:-1] in CALLED])
def test_a_batch_of_different_graphs(name):
    """Every graph of the batch gets what a layer bound to it gives."""
    graphs = [mesh(2, 3, weighted=True), mesh(3, 3, weighted=True), mesh(1, 2, weighted=True)]
    features = [torch.randn(graph.num_nodes, 2) for graph in graphs]
    data = [
        Data(x=x, edge_index=graph.edge_index, edge_attr=graph.edge_weight.float())
        for x, graph in zip(features, graphs, strict=True)
    ]
    batch = Batch.from_data_list(data)
    conv = SPARSE[name](2, 4, "h36m17")
    together = conv(batch.x, batch.edge_index, batch.edge_attr)
    for x, graph, y in zip(features, graphs, together.split([len(x) for x in features]), strict=True):
        bound = SPARSE[name](2, 4, graph)
        bound.load_state_dict(conv.state_dict())
        torch.testing.assert_close(y, bound(x))


@pytest.mark.parametrize("normalize", [True, False])
def test_nodes_without_edges_in_a_call(normalize):
    conv = sgnn.ChebyshevGraphConv(2, 4, "h36m17", normalize=normalize)
    x, edge_index, edge_weight = torch.randn(4, 2), torch.tensor([[0, 1], [1, 0]]), torch.rand(2, requires_grad=True)
    bound = sgnn.ChebyshevGraphConv(2, 4, Graph(4, edge_index), normalize=normalize)
    bound.load_state_dict(conv.state_dict())
    torch.testing.assert_close(conv(x, edge_index), bound(x))
    torch.testing.assert_close(conv(x, edge_index[:, :0])[:2], conv(x[:2], edge_index[:, :0]))
    conv(x, edge_index, edge_weight).sum().backward()
    assert edge_weight.grad.isfinite().all()


def test_edges_of_a_call_on_the_own_skeleton():
    x = torch.randn(3, 17, 2)
    for conv in (sgnn.WeightSharingConv(2, 4, "h36m17", sharing="dc_vanilla"), sgnn.ChebyshevGraphConv(2, 4, "h36m17")):
        edge_index, _ = add_self_loops(conv.skeleton.edge_index, num_nodes=17)
        torch.testing.assert_close(conv(x, edge_index), conv(x))
        with pytest.raises(ValueError, match=r"needs input of shape \(\.\.\., J, 2\)"):
            conv(torch.randn(3, 17, 5), edge_index)
    with pytest.raises(ValueError, match="belong to its own graph"):
        sgnn.WeightSharingConv(2, 4, "h36m17", sharing="preagg")(x, edge_index)
