"""The two-stage core, dense and sparse, against its equations written out in loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from skelgraph.nn.hyper.messages import IncidenceMessages
from skelgraph.ops import DenseIncidence, SparseIncidence, incidence_pattern
from skelgraph.ops.products import inverse, inverse_sqrt

MESSAGES = IncidenceMessages()


def by_loops(matrix: Tensor, x: Tensor, reduce: str) -> Tensor:
    """Reduce ``x (S, C)`` over the members of every row of ``matrix (R, S)``, entry by entry."""
    y = x.new_zeros(matrix.size(0), x.size(1))
    for r in range(matrix.size(0)):
        members = matrix[r].nonzero().flatten().tolist()
        for c in range(x.size(1)):
            values = [float(x[s, c]) for s in members]
            shares = [float(matrix[r, s]) for s in members]
            if reduce == "softmax" and members:
                shares = [share * float(torch.tensor(v).exp()) for share, v in zip(shares, values, strict=True)]
            if reduce == "max":
                y[r, c] = max(values, default=0)
                continue
            total = sum(share * value for share, value in zip(shares, values, strict=True))
            y[r, c] = total / (sum(shares) if reduce != "sum" and members else 1)
    return y


def both(matrix: Tensor, rows: bool):
    index = matrix.nonzero().t().contiguous()
    compressed = incidence_pattern(index, *matrix.shape) if rows else None
    return DenseIncidence(matrix), SparseIncidence(index, *matrix.shape, MESSAGES.send, compressed)


def random_matrix(nodes: int, hyperedges: int, seed: int) -> Tensor:
    """A third of the entries are ones; the last node and the first hyperedge have none."""
    generator = torch.Generator().manual_seed(seed)
    matrix = (torch.rand(nodes, hyperedges, generator=generator) < 0.35).double()
    matrix[-1] = 0
    matrix[:, 0] = 0
    return matrix


@settings(max_examples=40, deadline=None)
@given(
    nodes=st.integers(1, 6),
    hyperedges=st.integers(1, 7),
    lead=st.sampled_from([(), (3,), (2, 2)]),
    reduce=st.sampled_from(["sum", "mean", "max", "softmax"]),
    rows=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_both_stages_equal_the_equations(nodes, hyperedges, lead, reduce, rows, seed):
    matrix = random_matrix(nodes, hyperedges, seed)
    torch.manual_seed(seed)
    x = torch.randn(*lead, nodes, 3, dtype=torch.float64)
    y = torch.randn(*lead, hyperedges, 3, dtype=torch.float64)
    for incidence in both(matrix, rows):
        there, back = incidence.to_hyperedges(x, reduce=reduce), incidence.to_nodes(y, reduce=reduce)
        assert there.shape == (*lead, hyperedges, 3)
        for ours, sample in zip(there.view(-1, hyperedges, 3), x.view(-1, nodes, 3), strict=True):
            torch.testing.assert_close(ours, by_loops(matrix.t(), sample, reduce))
        for ours, sample in zip(back.view(-1, nodes, 3), y.view(-1, hyperedges, 3), strict=True):
            torch.testing.assert_close(ours, by_loops(matrix, sample, reduce))


@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "softmax"])
@pytest.mark.parametrize("stage", ["to_hyperedges", "to_nodes"])
@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("lead", [(), (2, 3)])
def test_dense_equals_sparse_with_gradients(reduce, stage, rows, lead):
    matrix = random_matrix(9, 8, 0)
    size = 9 if stage == "to_hyperedges" else 8
    torch.manual_seed(0)
    x = torch.randn(*lead, size, 4, dtype=torch.float64, requires_grad=True)
    results = [getattr(incidence, stage)(x, reduce=reduce) for incidence in both(matrix, rows)]
    torch.testing.assert_close(*results, atol=1e-10, rtol=0)
    weight = torch.randn_like(results[0])
    gradients = [torch.autograd.grad(result, x, weight)[0] for result in results]
    torch.testing.assert_close(*gradients, atol=1e-10, rtol=0)


@pytest.mark.parametrize("over", ["nodes", "hyperedges"])
@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("lead", [(), (3,)])
def test_attention_dense_equals_sparse_with_gradients(over, reduce, lead):
    matrix = random_matrix(9, 8, 1)
    torch.manual_seed(0)
    node = torch.randn(*lead, 9, 2, dtype=torch.float64, requires_grad=True)
    hyperedge = torch.randn(*lead, 8, 2, dtype=torch.float64, requires_grad=True)
    x = torch.randn(*lead, 9, 6, dtype=torch.float64, requires_grad=True)
    results = []
    for incidence in both(matrix, False):
        alpha = incidence.softmax(incidence.score(node, hyperedge), over)
        y = incidence.to_hyperedges(x, alpha, reduce=reduce)
        results.append((y, incidence.to_nodes(y, alpha)))
    for dense, sparse in zip(*results, strict=True):
        torch.testing.assert_close(dense, sparse, atol=1e-10, rtol=0)
    gradients = [torch.autograd.grad(pair[1].square().sum(), (node, hyperedge, x)) for pair in results]
    for dense, sparse in zip(*gradients, strict=True):
        torch.testing.assert_close(dense, sparse, atol=1e-10, rtol=0)


@pytest.mark.parametrize("over", ["nodes", "hyperedges"])
def test_coefficients_sum_to_one_or_nothing(over):
    matrix = random_matrix(9, 8, 2)
    score = torch.randn(1, 9, 8, dtype=torch.float64) * 1e3
    alpha = DenseIncidence(matrix).softmax(score, over)[0]
    dim = 0 if over == "nodes" else 1
    torch.testing.assert_close(alpha.sum(dim=dim), matrix.any(dim=dim).double())
    assert (alpha[matrix == 0] == 0).all()


def test_soft_memberships_weigh_the_softmax():
    matrix = torch.tensor([[0.5], [0.25], [0.0]], dtype=torch.float64)
    score = torch.tensor([[[0.3], [1.2], [50.0]]], dtype=torch.float64)
    expected = matrix * score[0].exp()
    expected = expected / expected.sum()
    torch.testing.assert_close(DenseIncidence(matrix).softmax(score, "nodes")[0], expected)


def test_degrees():
    matrix = random_matrix(9, 8, 3)
    weight = torch.randn(2, 8, dtype=torch.float64)
    for incidence in both(matrix, False):
        torch.testing.assert_close(incidence.node_degree(weight[0]), matrix @ weight[0].abs())
        torch.testing.assert_close(incidence.node_degree(weight), weight.abs() @ matrix.t())
        torch.testing.assert_close(incidence.hyperedge_degree().double(), matrix.sum(dim=0))


def test_one_matrix_per_sample():
    matrices = torch.rand(3, 5, 4, dtype=torch.float64)
    x = torch.randn(3, 5, 2, dtype=torch.float64)
    batched = DenseIncidence(matrices)
    for reduce in ("sum", "mean", "max", "softmax"):
        y = batched.to_hyperedges(x, reduce=reduce)
        for b in range(3):
            torch.testing.assert_close(y[b], DenseIncidence(matrices[b]).to_hyperedges(x[b], reduce=reduce))


@pytest.mark.parametrize("rows", [False, True])
def test_gradcheck_of_the_sparse_path(rows):
    _, sparse = both(random_matrix(5, 4, 4), rows)
    x = torch.randn(2, 5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: sparse.to_nodes(sparse.to_hyperedges(x)), (x,))
    assert torch.autograd.gradgradcheck(lambda x: sparse.to_nodes(sparse.to_hyperedges(x).square()), (x,))


def test_no_incidences_and_empty_batches():
    index = torch.zeros(2, 0, dtype=torch.int64)
    x = torch.randn(2, 4, 3)
    for incidence in (
        DenseIncidence(torch.zeros(4, 0)),
        SparseIncidence(index, 4, 0, MESSAGES.send),
        SparseIncidence(index, 4, 0, MESSAGES.send, incidence_pattern(index, 4, 0)),
    ):
        y = incidence.to_hyperedges(x, reduce="mean")
        assert y.shape == (2, 0, 3)
        assert torch.equal(incidence.to_nodes(y), torch.zeros(2, 4, 3))
    for incidence in both(random_matrix(4, 3, 0).float(), True):
        assert incidence.to_hyperedges(x[:0]).shape == (0, 3, 3)


def test_inverse_of_zero_is_zero_with_a_gradient_of_zero():
    for function, power in ((inverse, -1), (inverse_sqrt, -0.5)):
        degree = torch.tensor([0.0, 4.0], requires_grad=True)
        result = function(degree)
        assert result.tolist() == [0, 4.0**power]
        (gradient,) = torch.autograd.grad(result.sum(), degree)
        assert gradient.tolist() == [0, power * 4.0 ** (power - 1)]


@pytest.mark.parametrize("rows", [False, True])
def test_fullgraph_compiles(rows):
    _, sparse = both(random_matrix(6, 5, 0).float(), rows)
    x = torch.randn(2, 6, 2)

    def function(x):
        return sparse.to_nodes(sparse.to_hyperedges(x, reduce="mean"))

    torch.testing.assert_close(torch.compile(function, fullgraph=True, backend="aot_eager")(x), function(x))


def test_degrees_are_exact_in_half_precision():
    """A sum of 300 ones is no bfloat16."""
    matrix = torch.zeros(301, 1, dtype=torch.bfloat16)
    matrix[:-1] = 1
    for incidence in both(matrix, False):
        assert incidence.hyperedge_degree().item() == 300
        mean = incidence.to_hyperedges(torch.full((301, 1), 2.0, dtype=torch.bfloat16), reduce="mean")
        assert mean.dtype == torch.bfloat16
        assert mean.item() == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize("dense", [True, False])
def test_unknown_reductions_are_named(dense):
    incidence = both(random_matrix(4, 3, 0), False)[not dense]
    x = torch.randn(4, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match="reduce is 'min'; expected one of 'sum', 'mean', 'max', 'softmax'"):
        incidence.to_hyperedges(x, reduce="min")
    alpha = incidence.softmax(incidence.score(x, torch.zeros(3, 2, dtype=torch.float64)), "nodes")
    with pytest.raises(ValueError, match="reduce is 'max'; expected one of 'sum', 'mean'"):
        incidence.to_hyperedges(x, alpha, reduce="max")
