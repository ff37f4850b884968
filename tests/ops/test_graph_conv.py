"""``ops.graph_conv`` against its equation written out in loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from skelgraph.ops import empty_weight, graph_conv


def by_loops(
    x: Tensor,
    weight: Tensor,
    adjacency: Tensor,
    *,
    modulation: Tensor | None = None,
    bias: Tensor | None = None,
    groups: int = 1,
    order: str = "auto",
    channelwise: bool = False,
) -> Tensor:
    """Y_g = sum over k in g of A_k (M_k * (X W_k)) + b, entry by entry, for x (B, J, C)."""
    num_parts, c_out = weight.size(0), weight.size(-1)
    poses, senders, _ = x.shape
    receivers = adjacency.size(-2)
    per_group = num_parts // groups
    y = x.new_zeros(poses, receivers, groups * c_out)
    for b in range(poses):
        for k in range(num_parts):
            for i in range(receivers):
                for j in range(senders):
                    w = weight[k] if weight.dim() == 3 else weight[k, i if order == "aggregate" else j]
                    message = x[b, j] @ w
                    if modulation is not None:
                        message = message * (modulation[j] if modulation.dim() == 2 else modulation[k, j])
                    a = adjacency if adjacency.dim() == 3 or channelwise else adjacency[b]
                    a = a[k, :, i, j] if channelwise else a[k, i, j]
                    start = (k // per_group) * c_out
                    y[b, i, start : start + c_out] += a * message
    return y if bias is None else y + bias


@settings(max_examples=40, deadline=None)
@given(
    poses=st.integers(1, 3),
    senders=st.integers(1, 4),
    receivers=st.integers(1, 4),
    groups=st.integers(1, 3),
    per_group=st.integers(1, 3),
    c_in=st.integers(1, 4),
    c_out=st.integers(1, 4),
    form=st.sampled_from(["shared", "per_sample", "channelwise"]),
    weights=st.sampled_from(["shared", "sender", "receiver"]),
    modulation=st.sampled_from([None, "one", "each"]),
    seed=st.integers(0, 1000),
)
def test_equals_equation(poses, senders, receivers, groups, per_group, c_in, c_out, form, weights, modulation, seed):
    order = {"shared": "auto", "sender": "transform", "receiver": "aggregate"}[weights]
    if form == "channelwise":
        groups = 1
    if weights == "receiver" and (form == "channelwise" or modulation):
        return
    g = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    k = groups * per_group
    nodes = {"shared": [], "sender": [senders], "receiver": [receivers]}[weights]
    lead = {"shared": [k], "per_sample": [poses, k], "channelwise": [k, c_out]}[form]
    arguments = {
        "modulation": {None: None, "one": random(senders, c_out), "each": random(k, senders, c_out)}[modulation],
        "bias": random(groups * c_out),
        "groups": groups,
        "order": order,
        "channelwise": form == "channelwise",
    }
    tensors = random(poses, senders, c_in), random(k, *nodes, c_in, c_out), random(*lead, receivers, senders)
    torch.testing.assert_close(graph_conv(*tensors, **arguments), by_loops(*tensors, **arguments))


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("order", ["transform", "aggregate"])
def test_orders_agree_in_values_and_gradients(order, groups):
    torch.manual_seed(0)
    x = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, 7, dtype=torch.float64, requires_grad=True)
    adjacency = torch.rand(4, 5, 5, dtype=torch.float64, requires_grad=True)

    def gradients(which):
        y = graph_conv(x, weight, adjacency, groups=groups, order=which)
        return y, *torch.autograd.grad(y.square().sum(), (x, weight, adjacency))

    for actual, expected in zip(gradients(order), gradients("auto"), strict=True):
        torch.testing.assert_close(actual, expected)


def test_gradcheck():
    torch.manual_seed(0)
    x = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, 2, dtype=torch.float64, requires_grad=True)
    adjacency = torch.rand(4, 4, 4, dtype=torch.float64, requires_grad=True)
    modulation = torch.randn(4, 4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *t: graph_conv(t[0], t[1], t[2], modulation=t[3], groups=2), (x, weight, adjacency, modulation)
    )


@pytest.mark.parametrize("lead", [(), (1,), (2, 3)])
def test_leading_dimensions(lead):
    x, weight, adjacency = torch.randn(*lead, 5, 3), torch.randn(2, 3, 4), torch.rand(2, 5, 5)
    assert graph_conv(x, weight, adjacency).shape == (*lead, 5, 4)
    single = graph_conv(x.reshape(-1, 5, 3)[0], weight, adjacency)
    torch.testing.assert_close(graph_conv(x, weight, adjacency).reshape(-1, 5, 4)[0], single)
    per_sample = graph_conv(x, weight, adjacency.expand(*lead, 2, 5, 5))
    torch.testing.assert_close(per_sample, graph_conv(x, weight, adjacency))


def test_empty_batch():
    assert graph_conv(torch.randn(0, 5, 3), torch.randn(2, 3, 4), torch.rand(2, 5, 5)).shape == (0, 5, 4)


def test_fullgraph_compiles():
    x, weight, adjacency = torch.randn(3, 5, 3), torch.randn(2, 3, 4), torch.rand(2, 5, 5)
    compiled = torch.compile(graph_conv, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, weight, adjacency), graph_conv(x, weight, adjacency))


@pytest.mark.parametrize(
    ("shapes", "options", "fault"),
    [
        (((2, 5, 3), (2, 4, 4), (2, 5, 5)), {}, "do not fit"),
        (((2, 5, 3), (3, 3, 4), (2, 5, 5)), {}, "do not fit"),
        (((2, 5, 3), (2, 3, 4), (2, 6, 6)), {}, "do not fit"),
        (((2, 5, 3), (3, 4), (2, 5, 5)), {}, "graph_conv needs"),
        (((2, 5, 3), (2, 4, 3, 4), (2, 5, 5)), {}, "matrices per partition"),
        (((2, 5, 3), (2, 3, 4), (3, 2, 5, 5)), {}, "leading dimensions"),
        (((2, 5, 3), (2, 3, 4), (2, 3, 5, 5)), {"channelwise": True}, "C_out = 4"),
        (((2, 5, 3), (3, 3, 4), (3, 5, 5)), {"groups": 2}, "groups must divide"),
        (((2, 5, 3), (2, 3, 4), (2, 4, 5, 5)), {"groups": 2, "channelwise": True}, "concatenated only"),
        (((2, 5, 3), (2, 3, 4), (2, 5, 5)), {"order": "aggregate", "modulation": torch.ones(5, 4)}, "modulation"),
        (((2, 5, 3), (2, 3, 4), (2, 5, 5)), {"order": "backwards"}, "order must be"),
    ],
)
def test_errors_name_the_fault(shapes, options, fault):
    x, weight, adjacency = (torch.randn(*shape) for shape in shapes)
    with pytest.raises(ValueError, match=fault):
        graph_conv(x, weight, adjacency, **options)


def test_empty_weight_lies_as_it_is_read():
    weight = empty_weight(2, 3, 4)
    assert weight.shape == (2, 3, 4)
    assert weight.movedim(0, -2).flatten(-2).data_ptr() == weight.data_ptr(), "no copy"
