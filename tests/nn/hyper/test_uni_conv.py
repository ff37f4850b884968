"""The UniGNN family against DHG and its equations."""

from __future__ import annotations

import math

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.nn import UniConv, UniGCNIIConv
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
    topology = JointHypergraph.from_lists(5, [[0, 1, 2], [1, 3], [2]], hyperedge_weight=weight)
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


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("kind", ["gcn", "sage", "gin"])
@pytest.mark.parametrize(("v2e", "e2v"), [("sum", "sum"), ("sum", "mean"), ("max", "max"), ("mean", "mean")])
def test_aggregations_by_loops(dense, kind, v2e, e2v):
    lists = [[0, 1, 2], [1, 3], [2]]
    topology = JointHypergraph.from_lists(5, lists)
    conv = UniConv(4, 6, topology, kind=kind, eps=0.3, v2e=v2e, e2v=e2v, dense=dense).double()
    x = torch.randn(5, 4, dtype=torch.float64)
    t, nothing = conv.lin(x), torch.zeros(6, dtype=torch.float64)
    reduce = {"sum": lambda r: r.sum(0), "mean": lambda r: r.mean(0), "max": lambda r: r.amax(0)}
    y = [reduce[v2e](t[members]) for members in lists]
    degree = [sum(i in members for members in lists) for i in range(5)]
    if kind == "gcn":
        y = [row / (sum(degree[i] for i in m) / len(m)) ** 0.5 for row, m in zip(y, lists, strict=True)]
    for i, result in enumerate(conv(x)):
        mine = [row for row, members in zip(y, lists, strict=True) if i in members]
        gathered = reduce[e2v](torch.stack(mine)) if mine else nothing
        if kind == "gcn":
            expected = gathered / degree[i] ** 0.5 if mine else nothing
        else:
            expected = (1.3 if kind == "gin" else 1) * t[i] + gathered
        torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("dense", [True, False])
def test_released_attention_by_loops(dense):
    """The authors' code: scores of the hyperedge alone, no bias; softmax over the hyperedges of a joint."""
    lists = [[0, 1, 2], [1, 3], [2, 1]]
    conv = UniConv(4, 6, JointHypergraph.from_lists(5, lists), kind="gat", heads=2, score="hyperedge", bias=False,
                   dense=dense).double()  # fmt: skip
    assert {name: tuple(p.shape) for name, p in conv.named_parameters()} == {
        "lin.weight": (6, 4),
        "att_hyperedge": (2, 3),
    }
    x = torch.randn(5, 4, dtype=torch.float64)
    t = (x @ conv.lin.weight.t()).view(5, 2, 3)
    y = torch.stack([t[members].mean(dim=0) for members in lists])
    out, (index, alpha) = conv(x, return_attention_weights=True)
    for i in range(5):
        mine = [m for m, members in enumerate(lists) if i in members]
        for head in range(2):
            score = [(y[m, head] @ conv.att_hyperedge[head]).item() for m in mine]
            share = [math.exp(s if s > 0 else 0.2 * s) for s in score]
            share = [s / sum(share) for s in share]
            expected = sum((s * y[m, head] for s, m in zip(share, mine, strict=True)), torch.zeros(3).double())
            torch.testing.assert_close(out[i].view(2, 3)[head], expected)
            found = alpha[index[0] == i, head]
            torch.testing.assert_close(found, torch.tensor(share, dtype=torch.float64))


@pytest.mark.parametrize("dense", [True, False])
def test_unigcnii_by_loops(dense):
    lists, weight = [[0, 1, 2], [1, 3], [2]], torch.tensor([0.5, 2.0, 1.5], dtype=torch.float64)
    topology = JointHypergraph.from_lists(5, lists, hyperedge_weight=weight)
    conv = UniGCNIIConv(4, topology, alpha=0.2, beta=0.3, dense=dense).double()
    x, x0 = torch.randn(2, 2, 5, 4, dtype=torch.float64)
    degree = [float(sum(w for w, m in zip(weight, lists, strict=True) if i in m)) for i in range(5)]
    out, y = conv(x, x0=x0, return_hyperedges=True)
    for b in range(2):
        means = [w * x[b, m].mean(dim=0) for w, m in zip(weight, lists, strict=True)]
        torch.testing.assert_close(y[b], torch.stack(means))
        for i in range(5):
            smooth = torch.zeros(4, dtype=torch.float64)
            for mean, m in zip(means, lists, strict=True):
                if i in m:
                    smooth += mean / (degree[i] * sum(degree[j] for j in m) / len(m)) ** 0.5
            z = 0.8 * smooth + 0.2 * x0[b, i]
            torch.testing.assert_close(out[b, i], 0.7 * z + 0.3 * conv.lin.weight @ z)
    flat = conv(x.flatten(0, 1), x0=x0.flatten(0, 1))
    torch.testing.assert_close(flat, out.flatten(0, 1))
    torch.testing.assert_close(conv(x), conv(x, x0=x))
    loose = UniGCNIIConv(4, alpha=0.2, beta=0.3, dense=dense).double()
    loose.load_state_dict(conv.state_dict())
    torch.testing.assert_close(loose(x, topology.hyperedge_index, hyperedge_weight=weight, x0=x0), out)
    with pytest.raises(SkelgraphError, match=r"needs x0 of the shape \(2, 5, 4\)"):
        conv(x, x0=x0[0])


@pytest.mark.parametrize("num_nodes", [64, 65])
def test_size_of_unigcnii_changes_neither_parameters_nor_answers(num_nodes):
    """At the limit of matrices (4096 entries) and above it."""
    lists = [[m % 63, (3 * m + 1) % 63] if m % 5 else [0, 7, 9] for m in range(64)]
    topology = JointHypergraph.from_lists(num_nodes, [sorted(set(members)) for members in lists])
    convs = [UniGCNIIConv(4, topology, dense=dense).double() for dense in (None, True, False)]
    assert convs[0].uses_matrix(topology) == (num_nodes == 64)
    x = torch.randn(2, num_nodes, 4, dtype=torch.float64)
    for conv in convs[1:]:
        conv.load_state_dict(convs[0].state_dict())
        torch.testing.assert_close(conv(x), convs[0](x), atol=1e-12, rtol=0)


def test_deep_unigcnii_keeps_to_its_start():
    """With beta falling as the paper has it, 32 layers do not smooth everything away; plain UniGCN does."""
    topology = JointHypergraph.from_skeleton("h36m17")
    torch.manual_seed(0)
    x0 = torch.randn(17, 8)
    deep, plain = x0, x0
    for layer in range(1, 33):
        deep = UniGCNIIConv(8, topology, beta=math.log(0.5 / layer + 1))(deep, x0=x0)
        plain = UniGCNIIConv(8, topology, alpha=0, beta=0)(plain)
    spread = [torch.nn.functional.normalize(h, dim=-1).std(dim=0).mean() for h in (deep, plain)]
    assert spread[0] > 10 * spread[1]


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
    with pytest.raises(SkelgraphError, match="e2v is 'mean'; expected 'sum' with kind='gat'"):
        UniConv(4, 4, "h36m17", kind="gat", e2v="mean")
    with pytest.raises(SkelgraphError, match="heads is 3"):
        UniConv(4, 4, "h36m17", kind="gat", heads=3)
