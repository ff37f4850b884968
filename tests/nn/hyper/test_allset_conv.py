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
    torch.testing.assert_close(conv(x, y=state, return_hyperedges=True)[1], torch.stack(expected))


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
    with pytest.raises(SkelgraphError, match="kind is 'sum'"):
        AllSetConv(8, 12, "h36m17", kind="sum")
    with pytest.raises(ValueError, match="features y of the hyperedges with 12 channels"):
        AllSetConv(8, 12, "h36m17")(torch.randn(17, 8), y=torch.randn(15, 1))
