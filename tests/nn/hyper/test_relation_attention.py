"""Attention from joints to tokens with a bias per distance."""

from __future__ import annotations

import copy

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.nn import RelationAttention

DISTANCE = torch.tensor([[0, 1, 2, 0], [1, 0, 1, 3], [2, 1, 1, 1]])  # nothing is incident to the last joint


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def layer(mask="soft", **options):
    attention = RelationAttention(6, 8, DISTANCE, heads=2, token_channels=5, mask=mask, **options).double()
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter)
    return attention


@pytest.mark.parametrize("mask", ["soft", "hard"])
def test_golden(golden, mask):
    reference = golden("hypergraph")
    distance = reference["ref.relattn.dist"]
    attention = RelationAttention(8, 12, distance, heads=3, mask=mask, bias=False).double()
    weight = {name: reference[f"ref.relattn.W_{name}"].T for name in "QKVO"}
    attention.load_state_dict(
        {
            "query.weight": weight["Q"],
            "key_value.weight": torch.cat((weight["K"], weight["V"])),
            "out.weight": weight["O"],
            "table": reference["ref.relattn.bias_table"],
        }
    )
    y = attention(reference["in.x"], reference["in.hyperedge_attr"])
    torch.testing.assert_close(y, reference[f"ref.relattn.out_{mask}"], atol=1e-9, rtol=0)
    batched = attention(reference["in.x"].expand(2, 3, -1, -1), reference["in.hyperedge_attr"].expand(2, 3, -1, -1))
    torch.testing.assert_close(batched[1, 2], y)


@pytest.mark.parametrize("num_extra", [0, 2])
@pytest.mark.parametrize("mask", ["soft", "hard", "none"])
def test_equation(mask, num_extra):
    attention = layer(mask)
    x, z = torch.randn(3, 6).double(), torch.randn(4 + num_extra, 5).double()
    q = attention.query(x)
    k, v = attention.key_value(z).chunk(2, dim=-1)
    expected = torch.zeros(3, 8).double()
    for r in range(2):
        head = slice(4 * r, 4 * r + 4)
        for i in range(3):
            total, mean = 0.0, torch.zeros(4).double()
            for t in range(4 + num_extra):
                bias = 0.0
                if t < 4:
                    if mask == "hard" and DISTANCE[i, t] > 0:
                        continue
                    bias = 0.0 if mask == "none" else attention.table[r, DISTANCE[i, t]]
                weight = torch.exp(q[i, head] @ k[t, head] / 2 + bias)
                total, mean = total + weight, mean + weight * v[t, head]
            expected[i, head] = mean / total if total else mean
    y = attention(x, z[:4], z[4:] if num_extra else None)
    torch.testing.assert_close(y, attention.out(expected))


def test_hard_mask_isolates_and_an_uncovered_joint_outputs_the_bias():
    attention = layer("hard")
    x, z = torch.randn(3, 6).double(), torch.randn(4, 5).double()
    y = attention(x, z)
    for t in range(4):
        changed = z.clone()
        changed[t] += 10
        same = (attention(x, changed) == y).all(dim=-1)
        assert same.tolist() == (DISTANCE[:, t] > 0).tolist()
    assert torch.equal(y[2], attention.out.bias)
    leaf = z.requires_grad_()
    attention(x, leaf).square().sum().backward()
    assert leaf.grad.isfinite().all()


def test_table_starts_local_in_early_heads():
    table = RelationAttention(4, 6, DISTANCE, heads=3).table
    assert table.tolist() == [[0, -1, -2, -3], [0, -0.5, -1, -1.5], [0, -0.25, -0.5, -0.75]]


def test_no_way_is_a_distance_of_its_own():
    islands = torch.tensor([[0, 1, -1], [-1, -1, 0]])
    attention = RelationAttention(4, 4, islands)
    assert attention.table.shape == (1, 3)
    assert attention.relation_bias()[0].tolist() == [[0, -1, -2], [-2, -2, 0]]
    hard = RelationAttention(4, 4, torch.tensor([[-1, -1]]), mask="hard")
    torch.testing.assert_close(hard(torch.randn(1, 4), torch.randn(2, 4))[0], hard.out.bias)


def test_no_tokens_at_all():
    attention = RelationAttention(4, 4, torch.zeros(3, 0, dtype=torch.long))
    y = attention(torch.randn(2, 3, 4), torch.randn(2, 0, 4))
    torch.testing.assert_close(y, attention.out.bias.expand(2, 3, 4))


@pytest.mark.parametrize("mask", ["soft", "hard", "none"])
def test_gradients(mask):
    attention = layer(mask)
    inputs = (torch.randn(2, 3, 6), torch.randn(2, 4, 5), torch.randn(2, 1, 5))
    inputs = tuple(value.double().requires_grad_() for value in inputs)
    assert torch.autograd.gradcheck(attention, inputs)
    assert torch.autograd.gradcheck(lambda x, z: attention(x, z), inputs[:2])


def test_flattened_as_in_a_pyg_batch():
    attention = layer()
    x, z, extra = torch.randn(7, 3, 6).double(), torch.randn(7, 4, 5).double(), torch.randn(7, 2, 5).double()
    expected = attention(x, z, extra).flatten(0, 1)
    torch.testing.assert_close(attention(x.flatten(0, 1), z.flatten(0, 1), extra.flatten(0, 1)), expected)


def test_dropout_acts_in_training_only():
    attention = layer(dropout=0.5)
    x, z = torch.randn(3, 6).double(), torch.randn(4, 5).double()
    assert not torch.equal(attention(x, z), attention(x, z))
    attention.eval()
    assert torch.equal(attention(x, z), attention(x, z))


@pytest.mark.parametrize("mask", ["soft", "hard", "none"])
def test_runs_anywhere(mask):
    attention = layer(mask).float()
    x, z = torch.randn(2, 3, 6), torch.randn(2, 4, 5)
    y = attention(x, z)
    double = copy.deepcopy(attention).double()(x.double(), z.double())
    torch.testing.assert_close(y.double(), double, atol=1e-5, rtol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(attention(x, z).double(), double, atol=0.1 * double.abs().max().item(), rtol=0.1)
    torch.testing.assert_close(torch.compile(attention, fullgraph=True, backend="aot_eager")(x, z), y)
    torch._dynamo.reset()
    assert attention(x[:0], z[:0]).shape == (0, 3, 8)
    attention.to("meta")
    assert attention(x.to("meta"), z.to("meta")).shape == (2, 3, 8)


def test_state_is_parameters_only():
    assert list(layer().state_dict()) == [
        "table",
        *(f"{name}.{kind}" for name in ("query", "key_value", "out") for kind in ("weight", "bias")),
    ]
    assert sum(p.numel() for p in RelationAttention(12, 12, DISTANCE, heads=3).parameters()) == 4 * (144 + 12) + 3 * 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 3}, "heads is 3; expected a divisor of the width 8"),
        ({"mask": "medium"}, "mask is 'medium'; expected 'soft', 'hard' or 'none'"),
        ({"distance": torch.zeros(3)}, "expected an integer matrix"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(SkelgraphError, match=message):
        RelationAttention(**({"in_channels": 6, "out_channels": 8, "distance": DISTANCE} | options))


@pytest.mark.parametrize(("joints", "tokens"), [((3, 5), (4, 5)), ((2, 3, 6), (2, 3, 5)), ((4, 6), (4, 5))])
def test_wrong_shapes_are_named(joints, tokens):
    with pytest.raises(ValueError, match=r"needs (joints|tokens) of shape"):
        layer()(torch.randn(*joints).double(), torch.randn(*tokens).double())
