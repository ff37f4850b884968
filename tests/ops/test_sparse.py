"""Adjacencies given by their edges against the matrices that they stand for."""

from __future__ import annotations

import pytest
import torch

from skelgraph.ops import EdgePattern, SparseAdjacency, graph_conv

PARTS, RECEIVERS, SENDERS = 4, 5, 6


@pytest.fixture(name="double", autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(name="pattern", params=["sorted", "shuffled", "with equal edges"])
def _pattern(request):
    index = (torch.rand(PARTS, RECEIVERS, SENDERS) < 0.4).nonzero().t()
    if request.param == "shuffled":
        index = index[:, torch.randperm(index.size(1))]
    if request.param == "with equal edges":
        index = torch.cat([index, index[:, ::3]], dim=1)
    return EdgePattern(index, (PARTS, RECEIVERS, SENDERS))


def agree(function, *inputs):
    """``function`` of a sparse adjacency's dense and sparse form gives equal values and equal gradients."""
    inputs = [value.requires_grad_() for value in inputs]
    results = []
    for form in (SparseAdjacency.to_dense, lambda adjacency: adjacency):
        y = function(form, *inputs)
        results.append((y, torch.autograd.grad(y.sin().sum(), inputs)))
    (dense, dense_grads), (sparse, sparse_grads) = results
    torch.testing.assert_close(sparse, dense, atol=1e-10, rtol=0)
    torch.testing.assert_close(sparse_grads, dense_grads, atol=1e-10, rtol=0)


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("order", ["auto", "transform", "aggregate"])
def test_agrees_with_matrices(pattern, order, groups, lead):
    x, weight = torch.randn(*lead, SENDERS, 3), torch.randn(PARTS, 3, 2)
    agree(
        lambda form, x, weight, values: graph_conv(x, weight, form(pattern(values)), groups=groups, order=order),
        x,
        weight,
        torch.randn(pattern.index.size(1)),
    )


@pytest.mark.parametrize(("order", "nodes"), [("transform", SENDERS), ("aggregate", RECEIVERS)])
def test_agrees_with_a_weight_for_every_node(pattern, order, nodes):
    agree(
        lambda form, x, weight, values: graph_conv(x, weight, form(pattern(values)), order=order),
        torch.randn(2, SENDERS, 3),
        torch.randn(PARTS, nodes, 3, 2),
        torch.randn(pattern.index.size(1)),
    )


def test_agrees_with_modulation_and_bias(pattern):
    agree(
        lambda form, x, weight, values, modulation, bias: graph_conv(
            x, weight, form(pattern(values)), modulation=modulation, bias=bias
        ),
        torch.randn(2, SENDERS, 3),
        torch.randn(PARTS, 3, 2),
        torch.randn(pattern.index.size(1)),
        torch.randn(SENDERS, 2),
        torch.randn(RECEIVERS, 2),
    )


def test_agrees_channel_by_channel(pattern):
    assert pattern(torch.randn(2, pattern.index.size(1))).to_dense().shape == (PARTS, 2, RECEIVERS, SENDERS)
    agree(
        lambda form, x, weight, values: graph_conv(x, weight, form(pattern(values)), channelwise=True),
        torch.randn(2, SENDERS, 3),
        torch.randn(PARTS, 3, 2),
        torch.randn(2, pattern.index.size(1)),
    )


@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
@pytest.mark.parametrize("order", ["transform", "aggregate"])
def test_agrees_per_sample(pattern, order, lead, sort):
    def adjacency(values):
        if sort:
            return pattern(values, per_sample=True)
        return SparseAdjacency(pattern.index, values, pattern.size, per_sample=True)

    values = torch.randn(*lead, pattern.index.size(1))
    assert adjacency(values).to_dense().shape == adjacency(values).shape == (*lead, PARTS, RECEIVERS, SENDERS)
    agree(
        lambda form, x, weight, values: graph_conv(x, weight, form(adjacency(values)), groups=2, order=order),
        torch.randn(*lead, SENDERS, 3),
        torch.randn(PARTS, 3, 2),
        values,
    )


def test_unsorted_edges_agree(pattern):
    """Those of a single call, which no one sorted: gather and scatter."""
    agree(
        lambda form, x, weight, values: graph_conv(
            x, weight, form(SparseAdjacency(pattern.index, values, pattern.size))
        ),
        torch.randn(2, SENDERS, 3),
        torch.randn(PARTS, 3, 2),
        torch.randn(pattern.index.size(1)),
    )


def test_gradcheck(pattern):
    x, values = torch.randn(2, SENDERS, 3), torch.randn(pattern.index.size(1))
    weight = torch.randn(PARTS, 3, 2)
    inputs = (x.requires_grad_(), values.requires_grad_())

    def function(x, values):
        return graph_conv(x, weight, pattern(values))

    assert torch.autograd.gradcheck(function, inputs, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(function, inputs, check_fwd_over_rev=True, fast_mode=True)


def test_bfloat16_autocast(pattern):
    x, weight = torch.randn(2, SENDERS, 3), torch.randn(PARTS, 3, 2)
    values = torch.randn(pattern.index.size(1))
    expected = graph_conv(x, weight, pattern(values))
    with torch.autocast("cpu", torch.bfloat16):
        low = graph_conv(x.float(), weight.float(), pattern(values.float()))
    torch.testing.assert_close(low.double(), expected, atol=0.2, rtol=0.1)


@pytest.mark.parametrize("over_partitions", [False, True])
def test_softmax_over_the_edges_of_a_receiver(over_partitions):
    index = torch.tensor([[0, 0, 1, 1, 1], [0, 0, 0, 2, 2], [0, 1, 1, 0, 1]])
    pattern = EdgePattern(index, (2, 3, 2))
    logits = torch.tensor([0.5, -1.0, 3.0, 2.0, 40.0])
    runs = [(0, 3), (3, 5)] if over_partitions else [(0, 2), (2, 3), (3, 5)]
    expected = torch.cat([logits[start:end].softmax(0) for start, end in runs])
    torch.testing.assert_close(pattern.softmax(logits, over_partitions), expected)
    torch.testing.assert_close(pattern.softmax(torch.stack([logits, logits]), over_partitions)[1], expected)


@pytest.mark.parametrize("over_partitions", [False, True])
def test_reverse(over_partitions):
    index = torch.tensor([[0, 1, 1, 0, 0, 1], [0, 1, 2, 1, 2, 2], [1, 2, 1, 0, 2, 2]])
    if over_partitions:  # to each other in different partitions, each edge once over all
        index = index[:, :5].clone()
        index[0, 3] = 1
    pattern = EdgePattern(index, (2, 3, 3))
    assert pattern.reverse(over_partitions).tolist() == [3, 2, 1, 0, 4, 5][: index.size(1)]
    if over_partitions:
        with pytest.raises(ValueError, match="needs the reverse of every edge"):
            pattern.reverse()


def test_reverse_needs_each_edge_once():
    with pytest.raises(ValueError, match="needs the reverse of every edge"):
        EdgePattern(torch.tensor([[0, 1], [2, 2], [2, 2]]), (2, 3, 3)).reverse(over_partitions=True)


def test_edges_in_the_form_of_pyg():
    adjacency = SparseAdjacency.from_edges(torch.tensor([[0, 2], [1, 1]]), torch.tensor([2.0, 3.0]), 3)
    torch.testing.assert_close(adjacency.to_dense(), torch.tensor([[[0.0, 0, 0], [2, 0, 3], [0, 0, 0]]]))


def test_bad_shapes(pattern):
    with pytest.raises(ValueError, match=r"needs an index \(3, E\) and values"):
        pattern(torch.randn(pattern.index.size(1) + 1))
    two = pattern(torch.randn(2, pattern.index.size(1)), per_sample=True)
    with pytest.raises(ValueError, match="adjacency per sample has leading dimensions"):
        graph_conv(torch.randn(3, SENDERS, 3), torch.randn(PARTS, 3, 2), two)
    with pytest.raises(ValueError, match="do not fit"):
        graph_conv(torch.randn(SENDERS + 1, 3), torch.randn(PARTS, 3, 2), pattern(torch.randn(pattern.index.size(1))))
