"""The UniGNN family against DHG and its equations."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.nn import UniConv
from skelgraph.topology import JointHypergraph

KINDS = [
    ("UniGCNConv", {"kind": "gcn"}),
    ("UniSAGEConv", {"kind": "sage"}),
    ("UniGINConv", {"kind": "gin", "eps": 0.25}),
    ("UniGATConv", {"kind": "gat", "clamp": (0.001, 5.0)}),
]


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize(("name", "options"), KINDS)
@pytest.mark.parametrize("out", ["out", "out_weighted"])
def test_matches_dhg(reference, assert_reference, topologies, dense, name, options, out):
    conv = UniConv(8, 12, topologies[out], dense=dense, **options).double()
    state = {"lin.weight": f"{name}.theta.weight", "lin.bias": f"{name}.theta.bias"}
    if name == "UniGATConv":
        state |= {"att_hyperedge": f"{name}.atten_e.weight", "att_node": f"{name}.atten_dst.weight"}
    conv.load_state_dict({ours: reference[f"dhg.{theirs}"] for ours, theirs in state.items()})
    assert_reference(conv(reference["in.x"]), f"dhg.{name}.{out}")


@pytest.mark.parametrize("kind", ["gcn", "sage", "gin", "gat"])
def test_by_loops(kind):
    weight = torch.tensor([0.5, 2.0, 1.5], dtype=torch.float64)
    topology = JointHypergraph.from_lists(5, [[0, 1, 2], [1, 3], [2]], weight=weight)
    conv = UniConv(4, 6, topology, kind=kind, eps=0.1, heads=2).double()
    torch.nn.init.normal_(conv.lin.bias)
    x = torch.randn(5, 4, dtype=torch.float64)
    t = conv.lin(x)
    y = [weight[m] * t[list(members)].mean(dim=0) for m, members in enumerate(topology.hyperedges)]
    degree = topology.node_degree
    expected = torch.zeros(5, 6, dtype=torch.float64)
    for i in range(5):
        mine = [m for m, members in enumerate(topology.hyperedges) if i in members]
        if kind == "gcn":
            for m in mine:
                mean_degree = degree[list(topology.hyperedges[m])].mean()
                expected[i] += (degree[i] * mean_degree) ** -0.5 * y[m]
        elif kind == "gat" and mine:
            for head in range(2):
                part = slice(3 * head, 3 * head + 3)
                score = torch.stack([conv.att_hyperedge[head] @ y[m][part] for m in mine])
                score = score + conv.att_node[head] @ t[i, part]
                share = torch.nn.functional.leaky_relu(score, 0.2).softmax(dim=0)
                expected[i, part] = sum(a * y[m][part] for a, m in zip(share, mine, strict=True))
        elif kind != "gat":
            own = t[i] * (1.1 if kind == "gin" else 1)
            expected[i] = own + sum((y[m] for m in mine), torch.zeros(6, dtype=torch.float64))
    result, hyperedges = conv(x, return_hyperedges=True)
    torch.testing.assert_close(result, expected)
    torch.testing.assert_close(hyperedges, torch.stack(y))


def test_number_of_parameters():
    def count(**options):
        return sum(p.numel() for p in UniConv(12, 12, "h36m17", **options).parameters())

    base = 12 * 12 + 12
    assert count() == count(kind="sage") == count(kind="gin") == base
    assert count(kind="gin", train_eps=True) == base + 1
    assert count(kind="gat", heads=3) == base + 2 * 12


def test_errors():
    with pytest.raises(SkelgraphError, match="kind is 'mlp'"):
        UniConv(4, 4, "h36m17", kind="mlp")
    with pytest.raises(SkelgraphError, match="heads is 3"):
        UniConv(4, 4, "h36m17", kind="gat", heads=3)
