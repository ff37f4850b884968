"""Hyperedge attention against PyG and its equations."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.nn import HypergraphConv

from skelgraph.errors import SkelgraphError
from skelgraph.nn import HyperedgeAttentionConv
from skelgraph.topology import JointHypergraph


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("mode", ["node", "edge"])
@pytest.mark.parametrize("heads", ["concat", "mean"])
def test_matches_pyg_and_the_formula(reference, assert_reference, topologies, dense, mode, heads):
    name = f"pyg.att_{mode}_{heads}"
    state = {key: reference[f"{name}.{key}"] for key in ("lin.weight", "att", "bias")}
    x, y = reference["in.x"], reference["in.hyperedge_attr"]

    def build(**options):
        conv = HyperedgeAttentionConv(
            8, len(state["bias"]), topologies["out_weighted"], 3, mode=mode, concat=heads == "concat", dense=dense,
            **options,
        ).double()  # fmt: skip
        conv.load_state_dict(state)
        return conv

    assert_reference(build(norm="pyg")(x, hyperedge_attr=y), f"{name}.out")
    if heads == "concat":
        assert_reference(build()(x, hyperedge_attr=y), f"ref.att_{mode}.out")


def test_state_dict_of_pyg_loads(topologies):
    theirs = HypergraphConv(8, 4, use_attention=True, heads=3, attention_mode="edge")
    ours = HyperedgeAttentionConv(8, 12, topologies["out"], heads=3, mode="edge", norm="pyg")
    ours.load_state_dict(theirs.state_dict())
    x, y = torch.randn(17, 8), torch.randn(15, 8)
    expected = theirs(x, topologies["out"].hyperedge_index, hyperedge_attr=y, num_edges=15)
    torch.testing.assert_close(ours(x, hyperedge_attr=y), expected)
    theirs.load_state_dict(ours.state_dict())


@pytest.mark.parametrize("mode", ["node", "edge"])
def test_by_loops_with_own_width_of_hyperedges(mode):
    weight = torch.tensor([0.5, 2.0, 1.5], dtype=torch.float64)
    topology = JointHypergraph.from_lists(5, [[0, 1, 2], [1, 3], [2]], hyperedge_weight=weight)
    conv = HyperedgeAttentionConv(4, 3, topology, mode=mode, hyperedge_channels=2, bias=False).double()
    x, y = torch.randn(5, 4, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
    h, g = x @ conv.lin.weight.t(), y @ conv.lin_hyperedge.weight.t()

    def score(i, m):
        return torch.nn.functional.leaky_relu(conv.att.flatten() @ torch.cat([h[i], g[m]]), 0.2)

    out, gathered = torch.zeros(5, 3, dtype=torch.float64), []
    for m, members in enumerate(topology.hyperedges):
        share = torch.stack([score(i, m) for i in members]).softmax(dim=0)
        mean = h[list(members)].mean(dim=0)
        gathered.append(share @ h[list(members)] if mode == "node" else mean)
    for i in range(5):
        mine = [m for m, members in enumerate(topology.hyperedges) if i in members]
        if not mine:
            continue
        if mode == "node":
            share = weight[mine] / weight[mine].sum()
        else:
            share = (torch.stack([score(i, m) for m in mine]) + weight[mine].log()).softmax(dim=0)
        out[i] = sum(a * gathered[m] for a, m in zip(share, mine, strict=True))
    torch.testing.assert_close(conv(x, hyperedge_attr=y), out)


@pytest.mark.parametrize("mode", ["node", "edge"])
def test_constants_stay_constants(topologies, mode):
    conv = HyperedgeAttentionConv(3, 3, topologies["out_weighted"], mode=mode, bias=False).double()
    torch.nn.init.eye_(conv.lin.weight)
    x = torch.ones(2, 17, 3, dtype=torch.float64)
    torch.testing.assert_close(conv(x, hyperedge_attr=torch.randn(2, 15, 3, dtype=torch.float64)), x)


@pytest.mark.parametrize("share", [True, False])
def test_missing_hyperedge_features_are_means_of_the_joints(share):
    conv = HyperedgeAttentionConv(4, 6, "h36m17", heads=2, share=share)
    x = torch.randn(2, 17, 4)
    incidence = conv.hypergraph.incidence
    mean = incidence.t() @ x / incidence.sum(dim=0)[:, None]
    torch.testing.assert_close(conv(x), conv(x, hyperedge_attr=mean))
    count = sum(p.numel() for p in conv.parameters())
    assert count == (1 if share else 2) * 6 * 4 + 2 * 6 + 6


def test_weights_of_either_sign_keep_the_magnitude(topologies):
    """Negative weights turn the sign of what a hyperedge brings, as in the row-normalised convolution."""
    conv = HyperedgeAttentionConv(3, 3, topologies["out"], mode="edge", bias=False).double()
    x = torch.randn(2, 17, 3, dtype=torch.float64)
    weight = torch.full((15,), -0.5, dtype=torch.float64)
    torch.testing.assert_close(conv(x, hyperedge_weight=weight), -conv(x))
    assert conv(x, hyperedge_weight=torch.zeros(15, dtype=torch.float64)).isfinite().all()


def test_dropout_acts_in_training_only():
    conv = HyperedgeAttentionConv(4, 4, "h36m17", dropout=0.5)
    x = torch.randn(2, 17, 4)
    assert not torch.equal(conv(x), conv(x))
    conv.eval()
    assert torch.equal(conv(x), conv(x))


def test_errors():
    with pytest.raises(SkelgraphError, match="heads is 3; expected a divisor of the width 4"):
        HyperedgeAttentionConv(4, 4, "h36m17", heads=3)
    with pytest.raises(SkelgraphError, match="share is True; expected hyperedge_channels of 4"):
        HyperedgeAttentionConv(4, 4, "h36m17", hyperedge_channels=3, share=True)
    with pytest.raises(SkelgraphError, match="mode is 'both'"):
        HyperedgeAttentionConv(4, 4, "h36m17", mode="both")
    conv = HyperedgeAttentionConv(4, 4, "h36m17", hyperedge_channels=3)
    with pytest.raises(ValueError, match="needs hyperedge_attr with 3 channels"):
        conv(torch.randn(17, 4))
    with pytest.raises(ValueError, match="with 3 channels, got"):
        conv(torch.randn(2, 17, 4), hyperedge_attr=torch.randn(2, 15, 4))
