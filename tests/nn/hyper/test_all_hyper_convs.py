"""What every hyperedge layer must do, whatever its equation."""

from __future__ import annotations

import copy
import doctest
import functools
import importlib
import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch

from skelgraph import nn as sgnn
from skelgraph.nn.hyper import dynamic
from skelgraph.topology import JointHypergraph, Skeleton, to_pyg

J, M = 7, 9
LISTS = [[0, 1, 2], [2, 3], [4], [0, 5, 1, 3], [1, 2], [1, 2], [3, 4, 5], [0, 4], [5, 2]]
TOPOLOGY = JointHypergraph.from_lists(
    J,
    LISTS,
    hyperedge_weight=torch.linspace(0.5, 2.5, M, dtype=torch.float64),
    groups={"first": range(4), "second": range(4, M)},
)
"""More hyperedges than joints, two of them equal, one of a single joint; joint 6 is in none."""
FOREST = Skeleton([-1, 0, 1, 0, 3, 3, -1], name="forest7")


class Case(NamedTuple):
    """A layer as ``make(in_channels, out_channels, topology, dense=..., bias=...)`` and what goes with the joints."""

    make: Callable[..., Any]
    topology: Any = TOPOLOGY
    extra: int = 0
    call_time: bool = True


def hyper(cls: Callable[..., Any], extra: int = 0, **options: Any) -> Case:
    return Case(functools.partial(cls, **options), extra=extra)


def without_sparse_path(cls, **options):
    return lambda c_in, c_out, topology, bias=True, dense=None: cls(c_in, c_out, topology, bias=bias, **options)


CASES = {
    "HyperedgeConv": hyper(sgnn.HyperedgeConv),
    "HyperedgeConv[sym]": hyper(sgnn.HyperedgeConv, norm="sym"),
    "HyperedgeConv[degree]": hyper(sgnn.HyperedgeConv, weight_mode="degree"),
    "HyperedgeConv[groups]": hyper(sgnn.HyperedgeConv, group_weights=True),
    "HyperedgeConv[sum, max]": hyper(sgnn.HyperedgeConv, v2e="sum", e2v="max"),
    "HyperedgeConv[max, softmax]": hyper(sgnn.HyperedgeConv, v2e="max", e2v="softmax"),
    "HyperedgeConv[softmax, sum]": hyper(sgnn.HyperedgeConv, v2e="softmax", e2v="sum"),
    "HyperedgeAttentionConv": hyper(sgnn.HyperedgeAttentionConv, heads=2),
    "HyperedgeAttentionConv[edge]": hyper(sgnn.HyperedgeAttentionConv, heads=4, mode="edge"),
    "HyperedgeAttentionConv[pyg]": hyper(sgnn.HyperedgeAttentionConv, heads=2, norm="pyg", concat=False),
    "HyperedgeAttentionConv[own]": hyper(sgnn.HyperedgeAttentionConv, extra=3, hyperedge_channels=3),
    "UniConv[gcn]": hyper(sgnn.UniConv, kind="gcn"),
    "UniConv[sage]": hyper(sgnn.UniConv, kind="sage"),
    "UniConv[gin]": hyper(sgnn.UniConv, kind="gin", train_eps=True, eps=0.1),
    "UniConv[gat]": hyper(sgnn.UniConv, kind="gat", heads=2),
    "UniConv[gat, hyperedge]": hyper(sgnn.UniConv, kind="gat", heads=2, score="hyperedge"),
    "UniConv[gcn, sum, softmax]": hyper(sgnn.UniConv, v2e="sum", e2v="softmax"),
    "UniConv[sage, max, mean]": hyper(sgnn.UniConv, kind="sage", v2e="max", e2v="mean"),
    "HNHNConv": hyper(sgnn.HNHNConv),
    "HNHNConv[exponents]": hyper(sgnn.HNHNConv, alpha=0.7, beta=-0.4, hidden_channels=5),
    "AllSetConv": hyper(sgnn.AllSetConv, heads=2),
    "AllSetConv[hyperedges]": hyper(sgnn.AllSetConv, extra=6, hidden_channels=6, heads=2),
    "AllSetConv[deepsets]": hyper(sgnn.AllSetConv, kind="deepsets"),
    "AllSetConv[released]": hyper(sgnn.AllSetConv, heads=2, variant="released", num_layers=2),
    "AllSetConv[deepsets, released]": hyper(
        sgnn.AllSetConv, kind="deepsets", variant="released", v2e="mean", e2v="mean", num_layers=3
    ),
    "LearnedOperatorConv": Case(without_sparse_path(sgnn.LearnedOperatorConv), call_time=False),
    "LearnedOperatorConv[groups]": Case(
        without_sparse_path(sgnn.LearnedOperatorConv, groups=("second", "first")), call_time=False
    ),
    "EdgeVertexConv": Case(
        functools.partial(sgnn.EdgeVertexConv, bone_channels=3), topology=FOREST, extra=3, call_time=False
    ),
    "EdgeVertexConv[bounded]": Case(
        functools.partial(sgnn.EdgeVertexConv, bone_channels=3, bounded=True), topology=FOREST, extra=3, call_time=False
    ),
    "EdgeVertexConv[directed]": Case(
        functools.partial(sgnn.EdgeVertexConv, bone_channels=3, kind="directed"), FOREST, 3, call_time=False
    ),
}
BY_JOINT = {"operator": (1, 2)}
"""The axes of parameters that run over the joints."""


@pytest.fixture(params=list(CASES), name="case")
def _case(request):
    return CASES[request.param]


@pytest.fixture(params=[name for name, case in CASES.items() if case.call_time], name="any_time")
def _any_time(request):
    """A layer that takes a hypergraph at every call."""
    return CASES[request.param]


@pytest.fixture(params=[n for n, c in CASES.items() if c.call_time and "[groups]" not in n], name="free")
def _free(request):
    """A layer that needs no hypergraph of its own."""
    return CASES[request.param]


def inputs(case, *lead, dtype=torch.float32, channels=4, seed=0):
    """Joints ``(*lead, J, C)`` and, where the layer takes them, hyperedges or bones."""
    torch.manual_seed(seed)
    x = torch.randn(*lead, J, channels, dtype=dtype)
    if not case.extra:
        return (x,)
    rows = M if case.topology is TOPOLOGY else len(FOREST.edges)
    return x, torch.randn(*lead, rows, case.extra, dtype=dtype)


def run(case, conv, x, *extra, **options):
    """All outputs as a tuple."""
    if case.topology is FOREST:
        return conv(x, *extra)
    result = conv(x, **options, **({"hyperedge_attr": extra[0]} if extra else {}))
    return result if isinstance(result, tuple) else (result,)


def randomised(conv, seed=0):
    """The layer with random parameters, so that nothing hides behind an initialisation of ones and zeros."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.5)
    return conv


def assert_same(actual, expected, **tolerance):
    for a, b in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, b, **tolerance)


def test_leading_dimensions_and_loop_over_samples(case):
    conv = randomised(case.make(4, 8, case.topology).double())
    batch = inputs(case, 2, 3, dtype=torch.float64)
    results = run(case, conv, *batch)
    assert results[0].shape == (2, 3, J, 8)
    for i in range(2):
        for j in range(3):
            assert_same([r[i, j] for r in results], run(case, conv, *(value[i, j] for value in batch)))
    assert_same([r[0] for r in results], run(case, conv, *(value[0] for value in batch)))


def test_flattened_batch_equals_batch(case):
    conv = randomised(case.make(4, 8, case.topology).double())
    batch = inputs(case, 3, dtype=torch.float64)
    flat = run(case, conv, *(value.flatten(0, 1) for value in batch))
    assert_same(flat, [r.flatten(0, 1) for r in run(case, conv, *batch)])


def test_empty_batch(case):
    for dense in (True, False):
        conv = case.make(4, 8, case.topology, dense=dense).eval()
        assert run(case, conv, *inputs(case, 0))[0].shape == (0, J, 8)


def test_dense_equals_sparse_with_gradients(case):
    pair = [randomised(case.make(4, 8, case.topology, dense=dense).double()) for dense in (True, False)]
    results = []
    for conv in pair:
        values = tuple(value.requires_grad_() for value in inputs(case, 3, dtype=torch.float64))
        outputs = run(case, conv, *values)
        loss = sum(output.square().sum() for output in outputs)
        results.append((*outputs, *torch.autograd.grad(loss, [*values, *conv.parameters()], allow_unused=True)))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)


def test_hyperedge_features_agree(any_time):
    case = any_time
    pair = [randomised(case.make(4, 8, TOPOLOGY, dense=dense).double()) for dense in (True, False)]
    values = inputs(case, 3, dtype=torch.float64)
    (x, y), sparse = (run(case, conv, *values, return_hyperedges=True) for conv in pair)
    assert_same((x, y), sparse, atol=1e-10, rtol=1e-10)
    assert y.shape[:-1] == (3, M)
    assert_same(run(case, pair[0], *values), (x,))
    flat = run(case, pair[0], *(value.flatten(0, 1) for value in values), return_hyperedges=True)
    assert_same(flat, (x.flatten(0, 1), y.flatten(0, 1)))


@pytest.mark.parametrize("dense", [True, False])
def test_gradcheck_with_an_isolated_joint(case, dense):
    conv = randomised(case.make(2, 4, case.topology, dense=dense).double())
    values = tuple(value.requires_grad_() for value in inputs(case, 2, dtype=torch.float64, channels=2))
    parameters = dict(conv.named_parameters())

    def function(*tensors):
        state = dict(zip(parameters, tensors[len(values) :], strict=True))
        keywords = {"hyperedge_attr": tensors[1]} if len(values) > 1 and case.topology is TOPOLOGY else {}
        arguments = tensors[: 1 if keywords else len(values)]
        return torch.func.functional_call(conv, state, arguments, keywords)

    assert torch.autograd.gradcheck(function, (*values, *parameters.values()), fast_mode=True)


def test_gradcheck_with_an_empty_hyperedge(free):
    case = free
    index = torch.cat([TOPOLOGY.hyperedge_index, torch.tensor([[3], [M + 1]])], dim=1)  # hyperedge M has no members
    conv = randomised(case.make(2, 4).double())
    x, *extra = inputs(case, 2, dtype=torch.float64, channels=2)
    extra = [torch.cat([value, value[..., :2, :]], dim=-2) for value in extra]
    weight = torch.linspace(0.5, 2, M + 2, dtype=torch.float64).requires_grad_()

    def function(x, weight):
        return run(case, conv, x, *extra, hypergraph=index, hyperedge_weight=weight, return_hyperedges=True)

    assert torch.autograd.gradcheck(function, (x.requires_grad_(), weight), fast_mode=True)


def second_derivatives(case, dense):
    """Of the loss, of its input gradient squared, by input and parameters."""
    conv = randomised(case.make(3, 4, case.topology, dense=dense).double())
    values = tuple(value.requires_grad_() for value in inputs(case, 2, dtype=torch.float64, channels=3))
    loss = sum(output.pow(3).sum() for output in run(case, conv, *values))
    (first,) = torch.autograd.grad(loss, values[:1], create_graph=True)
    return [first, *torch.autograd.grad(first.square().sum(), [*values, *conv.parameters()], allow_unused=True)]


def test_second_derivatives_are_equal_on_both_paths(case):
    for a, b in zip(second_derivatives(case, True), second_derivatives(case, False), strict=True):
        zero = torch.zeros((), dtype=torch.float64)
        a, b = (zero if value is None else value for value in (a, b))
        torch.testing.assert_close(*torch.broadcast_tensors(a, b), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("dense", [True, False])
def test_gradgradcheck(any_time, dense):
    case = any_time
    conv = randomised(case.make(2, 4, TOPOLOGY, dense=dense).double())
    values = tuple(value.requires_grad_() for value in inputs(case, dtype=torch.float64, channels=2))
    assert torch.autograd.gradgradcheck(lambda *v: run(case, conv, *v)[0], values, fast_mode=True)


def test_functional_transforms_are_equal_on_both_paths(any_time):
    """Per-sample gradients, Jacobians both ways and batched backward passes of layers on their own hypergraph."""
    case = any_time
    results = []
    for dense in (True, False):
        conv = randomised(case.make(3, 4, TOPOLOGY, dense=dense).double())
        x, *extra = inputs(case, 2, dtype=torch.float64, channels=3)
        keywords = {"hyperedge_attr": extra[0][0]} if extra else {}
        parameters = {name: value.detach() for name, value in conv.named_parameters()}

        def loss(parameters, x, conv=conv, keywords=keywords):
            return torch.func.functional_call(conv, parameters, (x,), keywords).square().sum()

        per_sample = torch.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, x)
        alone = torch.func.grad(loss)(parameters, x[1])
        assert_same([value[1] for value in per_sample.values()], alone.values())

        def one(x, conv=conv, keywords=keywords):
            return conv(x, **keywords)

        jacobians = [transform(one)(x[0]) for transform in (torch.func.jacrev, torch.func.jacfwd)]
        jacobians.append(torch.autograd.functional.jacobian(one, x[0], vectorize=True))
        assert_same(jacobians[1:], [jacobians[0]] * 2, atol=1e-10, rtol=1e-10)
        results.append([*per_sample.values(), jacobians[0], torch.vmap(one)(x)])
    assert_same(*results, atol=1e-10, rtol=1e-10)


def test_open_input_channels_are_read_off_the_first_call(free):
    case = free
    if case.make.keywords.get("variant") == "released" and case.make.keywords.get("kind") == "deepsets":
        pytest.skip("normalises its input")
    values = inputs(case, 3)
    for hypergraph in (TOPOLOGY, None):
        options = {} if hypergraph is not None else {"hypergraph": TOPOLOGY}
        torch.manual_seed(0)
        conv = case.make(-1, 8, hypergraph)
        other = copy.deepcopy(conv)
        result = run(case, conv, *values, **options)
        fixed = case.make(4, 8, hypergraph)
        fixed.load_state_dict(conv.state_dict())
        assert conv.in_channels == 4
        assert all((p != 0).any() for name, p in conv.named_parameters() if "bias" not in name), "initialised"
        assert_same(run(case, fixed, *values, **options), result, atol=0, rtol=0)
        other.load_state_dict(fixed.state_dict())
        assert_same(run(case, other, *values, **options), result, atol=0, rtol=0)
        with pytest.raises(ValueError, match=r"needs input of shape \(\.\.\., 7, 4\)"):
            run(case, conv, torch.randn(3, J, 5), *values[1:], **options)


def test_hypergraphs_at_call_time(free, require):
    """The same numbers from the layer's own hypergraph, one handed to the call, PyG's index and DHG's object."""
    case = free
    dhg = require("dhg")
    bound = randomised(case.make(4, 8, TOPOLOGY).double())
    loose = case.make(4, 8).double()
    loose.load_state_dict(bound.state_dict())
    values = inputs(case, 3, dtype=torch.float64)
    expected = run(case, bound, *values)
    weight = TOPOLOGY.hyperedge_weight
    assert_same(run(case, loose, *values, hypergraph=TOPOLOGY), expected)
    assert_same(run(case, loose, *values, hypergraph=TOPOLOGY.hyperedge_index, hyperedge_weight=weight), expected)
    assert_same(run(case, loose, *values, hypergraph=TOPOLOGY.incidence.double(), hyperedge_weight=weight), expected)
    assert_same(run(case, bound, *values, hyperedge_weight=weight), expected)

    union = to_pyg(TOPOLOGY, 3)
    flat = run(case, loose, *(value.flatten(0, 1) for value in values), hypergraph=union.edge_index,
               hyperedge_weight=union.hyperedge_weight)  # fmt: skip
    assert_same(flat, [r.flatten(0, 1) for r in expected])

    if not case.extra:
        apart = [members for m, members in enumerate(LISTS) if m != 5]  # DHG merges equal hyperedges
        ours = JointHypergraph.from_lists(J, apart, hyperedge_weight=torch.linspace(0.5, 2, M - 1))
        theirs = dhg.Hypergraph(J, [list(members) for members in apart], e_weight=ours.hyperedge_weight.tolist())
        assert_same(run(case, loose, *values, hypergraph=theirs), run(case, loose, *values, hypergraph=ours))


def test_dynamic_hyperedges(free):
    """Every layer takes what the builders make, and equal memberships for all samples are the fixed ones."""
    case = free
    if case.extra:
        pytest.skip("needs features of the hyperedges")
    conv = randomised(case.make(4, 8).double())
    (x,) = inputs(case, 3, dtype=torch.float64)
    for builder in (
        sgnn.KNNHyperedges(3, soft=True),
        sgnn.AssignedHyperedges(4, 5),
        sgnn.TopKAttentionHyperedges(4, 3),
        sgnn.SemiDynamicHyperedges(TOPOLOGY, sgnn.TopKAttentionHyperedges(4, 3)),
    ):
        builder = builder.double()
        values = x.clone().requires_grad_()
        result = conv(values, builder(values))
        assert result.shape == (3, J, 8)
        (gradient,) = torch.autograd.grad(result.square().sum(), values)
        assert gradient.isfinite().all()
        single = builder(x[1])
        torch.testing.assert_close(conv(x[1], single), result[1].detach())
    same = TOPOLOGY.incidence.double().expand(3, -1, -1)
    torch.testing.assert_close(conv(x, same), conv(x, TOPOLOGY.incidence.double()))


def test_float64_float32_and_bf16_agree(case):
    for dense in (True, False):
        conv = randomised(case.make(4, 8, case.topology, dense=dense).double())
        values = inputs(case, 3, dtype=torch.float64)
        expected = run(case, conv, *values)
        single = copy.deepcopy(conv).float()
        floats = tuple(value.float() for value in values)
        assert_same([r.double() for r in run(case, single, *floats)], expected, atol=1e-4, rtol=1e-4)
        with torch.autocast("cpu", torch.bfloat16):
            low = run(case, single, *floats)
        assert_same([r.double() for r in low], expected, atol=0.35, rtol=0.1)
        halves = copy.deepcopy(conv).bfloat16()
        low = run(case, halves, *(value.bfloat16() for value in values))
        assert all(r.dtype == torch.bfloat16 for r in low)
        assert_same([r.double() for r in low], expected, atol=0.35, rtol=0.1)


@pytest.mark.parametrize("dense", [True, False])
def test_fullgraph_compiles(case, dense):
    conv = randomised(case.make(4, 8, case.topology, dense=dense))
    values = inputs(case, 3)
    compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")
    keywords = {"hyperedge_attr": values[1]} if case.extra and case.topology is TOPOLOGY else {}
    result = compiled(*values[: 1 if keywords else None], **keywords)
    assert_same(result if isinstance(result, tuple) else (result,), run(case, conv, *values), atol=1e-5, rtol=1e-5)
    torch._dynamo.reset()


def test_exports_with_a_dynamic_batch(case):
    if case.extra:
        pytest.skip("several inputs")
    conv = case.make(4, 8, case.topology)
    (x,) = inputs(case, 3)
    exported = torch.export.export(conv, (x,), dynamic_shapes={"x": {0: torch.export.Dim.DYNAMIC}})
    torch.testing.assert_close(exported.module()(torch.cat([x, x])), conv(torch.cat([x, x])))


def test_index_at_call_time_compiles(free):
    case = free
    conv = randomised(case.make(4, 8))
    values = inputs(case, 3)
    options = {"hypergraph": TOPOLOGY.hyperedge_index, "num_edges": M} | (
        {"hyperedge_attr": values[1]} if case.extra else {}
    )
    compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(values[0], **options), conv(values[0], **options))
    torch._dynamo.reset()


def test_state_dict_round_trip_and_deepcopy(case):
    conv, other = case.make(4, 8, case.topology), case.make(4, 8, case.topology)
    values = inputs(case, 3)
    other.load_state_dict(conv.state_dict())
    for twin in (other, copy.deepcopy(conv)):
        assert_same(run(case, twin, *values), run(case, conv, *values), atol=0, rtol=0)
    assert set(conv.state_dict()) == {name for name, _ in conv.named_parameters()}, (
        "fixed tensors stay out of checkpoints"
    )


def test_reset_parameters_reinitialises(case):
    conv = randomised(case.make(4, 8, case.topology))
    before = {k: v.clone() for k, v in conv.state_dict().items()}
    torch.manual_seed(3)
    conv.reset_parameters()
    after = conv.state_dict()
    torch.manual_seed(3)
    fresh = case.make(4, 8, case.topology).state_dict()
    assert all(not torch.equal(before[k], after[k]) for k in before)
    assert all(math.isclose(fresh[k].std().nan_to_num(), after[k].std().nan_to_num(), rel_tol=0.6) for k in after)


@pytest.mark.parametrize("dense", [True, False])
def test_moves_to_another_device(case, dense):
    conv = case.make(4, 8, case.topology, dense=dense).to("meta")
    assert all(t.device.type == "meta" for t in [*conv.parameters(), *conv.buffers()])
    results = run(case, conv, *(value.to("meta") for value in inputs(case, 3)))
    assert results[0].shape == (3, J, 8)
    assert results[0].device.type == "meta"
    assert TOPOLOGY.hyperedge_weight.device.type == "cpu", "the hypergraph of the caller stays where it is"


def test_without_bias(case):
    conv = case.make(4, 8, case.topology, bias=False)
    biases = {name for name, _ in conv.named_parameters() if "bias" in name}
    assert biases <= {f"{name}.bias" for name, part in conv.named_modules() if isinstance(part, torch.nn.LayerNorm)}


def test_relabelling_joints_relabels_the_output(case):
    """Permuting the joints and, with them, the topology and what belongs to a joint permutes the output."""
    order = torch.tensor([3, 0, 4, 6, 1, 5, 2])  # new joint i is old joint order[i]
    place = {int(old): new for new, old in enumerate(order)}
    bones = slice(None)
    if case.topology is FOREST:
        renamed = Skeleton([place.get(FOREST.parents[int(old)], -1) for old in order])
        bones = [FOREST.edges.index((int(order[p]), int(order[c]))) for p, c in renamed.edges]
    else:
        renamed = JointHypergraph.from_lists(
            J,
            [[place[j] for j in members] for members in LISTS],
            hyperedge_weight=TOPOLOGY.hyperedge_weight,
            groups=TOPOLOGY.groups,
        )
    conv, other = randomised(case.make(4, 8, case.topology).double()), case.make(4, 8, renamed).double()
    state = conv.state_dict()
    for name, axes in BY_JOINT.items():
        for axis in axes if name in state else ():
            state[name] = state[name].index_select(axis, order)
    other.load_state_dict(state)
    x, *extra = inputs(case, 3, dtype=torch.float64)
    first, *rest = run(case, conv, x, *extra)
    moved = run(case, other, x[:, order], *(value[:, bones] for value in extra))
    assert_same(moved, (first[:, order], *(value[:, bones] for value in rest)))


def test_order_of_hyperedges_does_not_matter(any_time):
    case = any_time
    order = torch.tensor([8, 3, 0, 5, 1, 7, 2, 4, 6])
    group = TOPOLOGY.group_index[order]
    renamed = JointHypergraph.from_lists(
        J,
        [LISTS[m] for m in order],
        hyperedge_weight=TOPOLOGY.hyperedge_weight[order],
        groups={name: (group == g).nonzero().flatten().tolist() for g, name in enumerate(TOPOLOGY.groups)},
    )
    conv, other = randomised(case.make(4, 8, TOPOLOGY).double()), case.make(4, 8, renamed).double()
    other.load_state_dict(conv.state_dict())
    x, *extra = inputs(case, 3, dtype=torch.float64)
    a, y = run(case, conv, x, *extra, return_hyperedges=True)
    b, z = run(case, other, x, *(value[:, order] for value in extra), return_hyperedges=True)
    assert_same((b, z), (a, y[:, order]))


def test_large_topology_takes_the_sparse_path(any_time):
    """More hyperedges than joints, 100 000 entries of the incidence: nothing dense is held."""
    case = any_time
    generator = torch.Generator().manual_seed(0)
    lists = [torch.randperm(200, generator=generator)[:3].tolist() for _ in range(500)]
    large = JointHypergraph.from_lists(200, lists, groups={"first": range(100), "second": range(100, 500)})
    conv = randomised(case.make(4, 8, large).double())
    assert not conv.uses_matrix(large)
    assert all(buffer.numel() < 5000 for buffer in conv.buffers())
    dense = case.make(4, 8, large, dense=True).double()
    dense.load_state_dict(conv.state_dict())
    x = torch.randn(2, 200, 4, dtype=torch.float64)
    extra = [torch.randn(2, 500, case.extra, dtype=torch.float64)] if case.extra else []
    assert_same(run(case, conv, x, *extra), run(case, dense, x, *extra), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("num_nodes", [64, 65])
def test_size_changes_neither_parameters_nor_answers(case, num_nodes):
    """At the limit of matrices (4096 entries) and above it: isolated joints, equal hyperedges, more than one group."""
    if case.topology is FOREST:
        topology = Skeleton([joint - 1 for joint in range(num_nodes)] + [-1])  # bones but for the last joint
        num_rows = num_nodes - 1
    else:
        lists = [[m % (num_nodes - 1), (3 * m + 1) % (num_nodes - 1)] if m % 5 else [0, 7, 9] for m in range(64)]
        lists = [sorted(set(members)) for members in lists]
        weight = torch.linspace(0.5, 2.5, 64, dtype=torch.float64)
        groups = {"first": range(30), "second": range(30, 64)}
        topology = JointHypergraph.from_lists(num_nodes, lists, hyperedge_weight=weight, groups=groups)
        num_rows = 64
    convs = [case.make(4, 8, topology, dense=dense).double() for dense in (None, True, False)]
    if isinstance(convs[0], sgnn.HyperConv):
        assert convs[0].uses_matrix(convs[0].hypergraph) == (num_nodes == 64)
    state = randomised(convs[0]).state_dict()
    x = torch.randn(2, convs[0].num_nodes, 4, dtype=torch.float64)
    extra = [torch.randn(2, num_rows, case.extra, dtype=torch.float64)] if case.extra else []
    expected = run(case, convs[0], x, *extra)
    for conv in convs[1:]:
        conv.load_state_dict(state)  # the same names and shapes
        assert_same(run(case, conv, x, *extra), expected, atol=1e-10, rtol=1e-10)


def test_repr_and_bad_input(case):
    conv = case.make(4, 8, case.topology)
    assert f"{type(conv).__name__}(4, 8, 7 nodes" in repr(conv).replace("(\n  ", "(")
    for shape in [(3, 6, 4), (3, 7, 5), (8, 4)]:
        with pytest.raises(ValueError, match=r"needs input of shape \(\.\.\., 7, 4\)"):
            run(case, conv, torch.randn(*shape), *inputs(case, 3)[1:])
    with pytest.raises(ValueError, match="in_channels is 0; expected an integer from 1"):
        case.make(0, 8, case.topology)


def test_bad_calls_are_named(any_time):
    case = any_time
    x, *extra = inputs(case, 3)
    conv = case.make(4, 8, TOPOLOGY)
    for wrong in (torch.ones(4), torch.tensor(3.0)):
        with pytest.raises(ValueError, match="needs one weight for each of 9 hyperedges"):
            run(case, conv, x, *extra, hyperedge_weight=wrong)
    takes_them = "hyperedge_attr" in inspect.signature(type(conv).forward).parameters
    fault = "needs features of 9 hyperedges" if takes_them else "unexpected keyword argument 'hyperedge_attr'"
    with pytest.raises(ValueError if takes_them else TypeError, match=fault):
        conv(x, hyperedge_attr=torch.zeros(3, 4, 4))


def test_calls_without_a_hypergraph_are_named(free):
    case = free
    x, *extra = inputs(case, 3)
    with pytest.raises(ValueError, match="has no hypergraph; hand a JointHypergraph"):
        run(case, case.make(4, 8), x, *extra)
    with pytest.raises(ValueError, match="has a hypergraph of type int"):
        run(case, case.make(4, 8), x, *extra, hypergraph=3)


def test_docstring_examples():
    modules = {importlib.import_module(cls.__module__) for cls in vars(sgnn.hyper).values() if isinstance(cls, type)}
    modules = {module for module in modules if module.__name__.startswith("skelgraph.nn.hyper.")} | {dynamic}
    results = [doctest.testmod(module, extraglobs={"torch": torch}) for module in modules]
    assert sum(r.attempted for r in results) >= 12
    assert not any(r.failed for r in results)


@pytest.mark.parametrize(
    ("conv", "ending"),
    [
        (sgnn.UniConv(4, 8, TOPOLOGY, kind="gat", heads=2), "kind='gat', heads=2)"),
        (sgnn.UniConv(4, 8, TOPOLOGY), "kind='gcn')"),
        (sgnn.AllSetConv(4, 8, TOPOLOGY, heads=2), "kind='transformer', heads=2)"),
    ],
    ids=["gat", "gcn", "transformer"],
)
def test_repr_tells_the_heads_where_there_are_any(conv, ending):
    assert repr(conv).endswith(ending)
