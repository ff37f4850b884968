"""The layer of HNHN against DHG and its equations."""

from __future__ import annotations

import pytest
import torch

from skelgraph.nn import HNHNConv
from skelgraph.topology import JointHypergraph


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("out", ["out", "out_weighted"])
def test_matches_dhg(reference, assert_reference, topologies, dense, out):
    conv = HNHNConv(8, 12, topologies[out], dense=dense).double()
    names = {"lin1": "theta_v2e", "lin2": "theta_e2v"}
    conv.load_state_dict(
        {f"{o}.{part}": reference[f"dhg.HNHNConv.{t}.{part}"] for o, t in names.items() for part in ("weight", "bias")}
    )
    assert_reference(conv(reference["in.x"]), f"dhg.HNHNConv.{out}")


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.0), (0.5, 0.0), (0.0, -1.0), (1.5, 0.5)])
def test_by_loops_with_exponents(alpha, beta):
    weight = torch.tensor([0.5, 2.0, 1.5], dtype=torch.float64)
    topology = JointHypergraph.from_lists(5, [[0, 1, 2], [1, 3], [2]], hyperedge_weight=weight)
    conv = HNHNConv(4, 6, topology, hidden_channels=3, alpha=alpha, beta=beta).double()
    torch.nn.init.normal_(conv.lin1.bias)
    x = torch.randn(5, 4, dtype=torch.float64)
    t, degree = conv.lin1(x), topology.node_degree
    y = []
    for m, members in enumerate(topology.hyperedges):
        share = degree[list(members)] ** beta
        y.append((weight[m] * (share / share.sum()) @ t[list(members)]).relu())
    y = torch.stack(y)
    expected = torch.zeros(5, 6, dtype=torch.float64)
    for i in range(5):
        mine = [m for m, members in enumerate(topology.hyperedges) if i in members]
        if mine:
            size = torch.tensor([float(len(topology.hyperedges[m])) ** alpha for m in mine], dtype=torch.float64)
            expected[i] = (size / (size * weight[mine]).sum()) @ conv.lin2(y[mine])
    result, hyperedges = conv(x, return_hyperedges=True)
    torch.testing.assert_close(result, expected)
    torch.testing.assert_close(hyperedges, y)


def test_number_of_parameters():
    assert sum(p.numel() for p in HNHNConv(12, 12, "h36m17").parameters()) == 2 * 12 * 12 + 2 * 12
