"""AllSet against the reference numbers and its equations."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.nn import AllSetConv
from skelgraph.topology import JointHypergraph


@pytest.mark.parametrize("dense", [True, False])
def test_joints_to_hyperedges_match_the_reference(reference, assert_reference, topologies, dense):
    conv = AllSetConv(8, 12, topologies["out"], heads=3, dense=dense).double()
    name = "ref.allset"
    state = {
        "key.weight": reference[f"{name}.W_K"].t(),
        "value.weight": reference[f"{name}.W_V"].t(),
        "seed": reference[f"{name}.seed"],
        "ff.weight": reference[f"{name}.ff.weight"].t(),
        "ff.bias": reference[f"{name}.ff.bias"],
    }
    state |= {f"norm{i}.{part}": reference[f"{name}.ln{i}.{part}"] for i in (0, 1) for part in ("weight", "bias")}
    conv.to_hyperedges.load_state_dict(state)
    assert_reference(conv(reference["in.x"], return_hyperedges=True)[1], f"{name}.out_e")


def test_hyperedges_to_joints_are_the_same_function_of_other_sets():
    """Joints and hyperedges exchange their roles in the transposed hypergraph."""
    topology = JointHypergraph.from_lists(4, [[0, 1, 2], [1, 3], [2]])
    transposed = JointHypergraph.from_incidence(topology.incidence.t())
    conv, other = AllSetConv(5, 5, topology), AllSetConv(5, 5, transposed)
    other.to_hyperedges.load_state_dict(conv.to_nodes.state_dict())
    x = torch.randn(2, 4, 5)
    out, y = conv(x, return_hyperedges=True)
    torch.testing.assert_close(other(y, return_hyperedges=True)[1], out)


@pytest.mark.parametrize("kind", ["transformer", "deepsets"])
def test_by_loops_with_an_existing_state(kind):
    topology = JointHypergraph.from_lists(4, [[0, 1, 2], [1, 3], [2]])
    conv = AllSetConv(5, 6, topology, kind=kind, hidden_channels=4, heads=2).double()
    x, state = torch.randn(4, 5, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)
    part = conv.to_hyperedges
    expected = []
    for m, members in enumerate(topology.hyperedges):
        rows = x[list(members)]
        if kind == "deepsets":
            expected.append(part.outer(part.inner(rows).sum(dim=0) + state[m]))
            continue
        heads = []
        for seed, key, value in zip(part.seed, part.key(rows).split(2, -1), part.value(rows).split(2, -1), strict=True):
            alpha = torch.nn.functional.leaky_relu(key @ seed, 0.2).softmax(dim=0)
            heads.append(alpha @ value + seed)
        z = part.norm0(torch.cat(heads) + state[m])
        expected.append(part.norm1(z + part.ff(z).relu()))
    torch.testing.assert_close(conv(x, hyperedge_attr=state, return_hyperedges=True)[1], torch.stack(expected))


def layer_norm(row, part):
    return (row - row.mean()) / (row.var(correction=0) + 1e-5).sqrt() * part.weight + part.bias


@pytest.mark.parametrize("dense", [True, False])
def test_released_transformer_by_loops(dense):
    """The authors' code: keys and values with a bias, two layers behind the sum, a ReLU between the directions."""
    lists = [[0, 1, 2], [1, 3], [2, 4]]
    topology = JointHypergraph.from_lists(5, lists)
    conv = AllSetConv(
        4, 6, topology, heads=2, hidden_channels=8, variant="released", num_layers=2, dense=dense
    ).double()
    for parameter in conv.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(5, 4, dtype=torch.float64)

    def direction(part, rows):
        width = part.seed.size(1)
        key = rows @ part.key.weight.t() + part.key.bias
        value = rows @ part.value.weight.t() + part.value.bias
        heads = []
        for h in range(2):
            cut = slice(h * width, (h + 1) * width)
            score = [(k @ part.seed[h]).item() for k in key[:, cut]]
            share = torch.tensor([s if s > 0 else 0.2 * s for s in score], dtype=torch.float64).exp()
            heads.append((share / share.sum()) @ value[:, cut] + part.seed[h])
        z = layer_norm(torch.cat(heads), part.norm0)
        first, _, second = part.ff
        inner = (first.weight @ z + first.bias).clamp(min=0)
        return layer_norm(z + (second.weight @ inner + second.bias).clamp(min=0), part.norm1)

    y = torch.stack([direction(conv.to_hyperedges, x[members]) for members in lists])
    sent = y.clamp(min=0)
    expected = [
        direction(conv.to_nodes, sent[[m for m, members in enumerate(lists) if i in members]]) for i in range(5)
    ]
    out, hyperedges = conv(x, return_hyperedges=True)
    torch.testing.assert_close(hyperedges, y)
    torch.testing.assert_close(out, torch.stack(expected))
    paper = AllSetConv(4, 6, topology, heads=2, hidden_channels=8, num_layers=2, dense=dense).double()
    paper.load_state_dict({k: v for k, v in conv.state_dict().items() if k in paper.state_dict()})
    assert (paper(x) - out).abs().max() > 0.1


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_released_deepsets_by_loops(dense, reduce):
    """The authors' script: normalised inputs and hidden layers, a ReLU behind each perceptron; sums or means."""
    lists = [[0, 1, 2], [1, 3], [2, 4]]
    conv = AllSetConv(4, 6, JointHypergraph.from_lists(5, lists), kind="deepsets", variant="released", v2e=reduce,
                      e2v=reduce, dense=dense).double()  # fmt: skip
    for parameter in conv.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(5, 4, dtype=torch.float64)

    def perceptron(part, row):
        norms = [module for module in part.modules() if isinstance(module, torch.nn.LayerNorm)]
        first, second = (module for module in part.modules() if isinstance(module, torch.nn.Linear))
        hidden = layer_norm((first.weight @ layer_norm(row, norms[0]) + first.bias).clamp(min=0), norms[1])
        return (second.weight @ hidden + second.bias).clamp(min=0)

    def direction(part, rows):
        inner = torch.stack([perceptron(part.inner, row) for row in rows])
        return perceptron(part.outer, inner.sum(dim=0) if reduce == "sum" else inner.mean(dim=0))

    y = torch.stack([direction(conv.to_hyperedges, x[members]) for members in lists])
    expected = [direction(conv.to_nodes, y[[m for m, members in enumerate(lists) if i in members]]) for i in range(5)]
    out, hyperedges = conv(x, return_hyperedges=True)
    torch.testing.assert_close(hyperedges, y)
    torch.testing.assert_close(out, torch.stack(expected))


def test_dropout_of_what_hyperedges_send():
    for kind in ("transformer", "deepsets"):
        conv = AllSetConv(4, 4, "h36m17", kind=kind, variant="released", dropout=0.5)
        x = torch.randn(2, 17, 4)
        assert not torch.equal(conv(x), conv(x))
        conv.eval()
        assert torch.equal(conv(x), conv(x))


def test_number_of_parameters():
    conv = AllSetConv(12, 12, "h36m17", heads=3)
    assert sum(p.numel() for p in conv.parameters()) == 2 * (3 * 12**2 + 6 * 12)
    assert AllSetConv(5, 12, "h36m17", hidden_channels=6, heads=3).to_nodes.key.weight.shape == (12, 6)


def test_weights_have_no_place_in_it(topologies):
    conv = AllSetConv(8, 12, topologies["out"])
    weighted = AllSetConv(8, 12, topologies["out_weighted"])
    weighted.load_state_dict(conv.state_dict())
    x = torch.randn(17, 8)
    torch.testing.assert_close(conv(x), weighted(x))


def test_errors():
    with pytest.raises(SkelgraphError, match="heads is 5"):
        AllSetConv(8, 12, "h36m17", heads=5)
    with pytest.raises(SkelgraphError, match="v2e is 'mean' and e2v is 'sum'; expected 'sum' for both"):
        AllSetConv(8, 12, "h36m17", v2e="mean")
    with pytest.raises(SkelgraphError, match="kind is 'sum'"):
        AllSetConv(8, 12, "h36m17", kind="sum")
    with pytest.raises(ValueError, match="needs hyperedge_attr with 12 channels"):
        AllSetConv(8, 12, "h36m17")(torch.randn(17, 8), hyperedge_attr=torch.randn(15, 1))
