"""What layers keep of their hypergraph gives what they compute when a call hands the same weights over."""

from __future__ import annotations

import pytest
import torch

from skelgraph.nn import AllSetConv, HNHNConv, HyperedgeAttentionConv, HyperedgeConv, UniConv, UniGCNIIConv
from skelgraph.nn.hyper.messages import IncidenceMessages
from skelgraph.ops import SparseIncidence, incidence_pattern
from skelgraph.topology import JointHypergraph

WEIGHT = [0.3, 2.0, 1.0, 0.7, 1.6]
HYPERGRAPH = JointHypergraph.from_lists(7, [[0, 1, 2], [2, 3], [4], [0, 5, 1, 3], [1, 2]], hyperedge_weight=WEIGHT)
"""Node 6 is in no hyperedge."""
LAYERS = {
    "mean": lambda **options: HyperedgeConv(4, 6, HYPERGRAPH, **options),
    "symmetric": lambda **options: HyperedgeConv(6, 4, HYPERGRAPH, norm="sym", bias="pre", **options),
    "degree": lambda **options: HyperedgeConv(4, 4, HYPERGRAPH, weight_mode="degree", v2e="sum", **options),
    "sums": lambda **options: HyperedgeConv(4, 6, HYPERGRAPH, v2e="sum", e2v="sum", **options),
    "max": lambda **options: HyperedgeConv(4, 6, HYPERGRAPH, v2e="max", **options),
    "hnhn": lambda **options: HNHNConv(4, 6, HYPERGRAPH, alpha=-1.5, beta=0.5, **options),
    "gcn": lambda **options: UniConv(4, 6, HYPERGRAPH, e2v="mean", **options),
    "sage": lambda **options: UniConv(4, 6, HYPERGRAPH, kind="sage", v2e="sum", **options),
    "gin": lambda **options: UniConv(4, 6, HYPERGRAPH, kind="gin", eps=0.3, **options),
    "learned gin": lambda **options: UniConv(4, 6, HYPERGRAPH, kind="gin", eps=0.3, train_eps=True, **options),
    "gat": lambda **options: UniConv(4, 6, HYPERGRAPH, kind="gat", heads=2, **options),
    "gcnii": lambda **options: UniGCNIIConv(4, HYPERGRAPH, **options),
    "nodes": lambda **options: HyperedgeAttentionConv(4, 6, HYPERGRAPH, heads=2, **options),
    "edges": lambda **options: HyperedgeAttentionConv(4, 6, HYPERGRAPH, heads=2, mode="edge", **options),
    "pyg": lambda **options: HyperedgeAttentionConv(4, 6, HYPERGRAPH, heads=2, norm="pyg", **options),
    "allset": lambda **options: AllSetConv(4, 6, HYPERGRAPH, heads=3, variant="released", **options),
}


def result(conv, x, *arguments):
    """Output and gradients of the input and of all parameters."""
    x = x.clone().requires_grad_()
    y = conv(x, *arguments)
    leaves = [x, *conv.parameters()]
    return [y, *torch.autograd.grad((y * torch.arange(y.numel()).view_as(y).cos()).sum(), leaves)]


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("lead", [(1,), (3,), (2, 2)], ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_buffers_give_what_a_call_computes(name, lead, dense):
    torch.manual_seed(0)
    conv = LAYERS[name](dense=dense).double()  # with all digits, though it was built in float32
    x = torch.randn(*lead, 7, conv.in_channels, dtype=torch.float64)
    torch.testing.assert_close(result(conv, x), result(conv, x, None, HYPERGRAPH.hyperedge_weight.double()))


@pytest.mark.parametrize("name", LAYERS)
def test_matrices_and_messages_agree_and_one_flat_pose_is_a_pose(name):
    torch.manual_seed(0)
    conv = LAYERS[name](dense=True).double()
    lists = LAYERS[name](dense=False).double()
    lists.load_state_dict(conv.state_dict())
    x = torch.randn(1, 7, conv.in_channels, dtype=torch.float64)
    torch.testing.assert_close(result(conv, x), result(lists, x))
    torch.testing.assert_close(conv(x[0]), conv(x)[0])


@pytest.mark.parametrize("lead", [(), (3,)], ids=str)
@pytest.mark.parametrize("over", ["nodes", "hyperedges"])
@pytest.mark.parametrize("order", ["hyperedge", "node"])
def test_softmax_and_sums_along_compressed_rows(order, over, lead):
    torch.manual_seed(0)
    index = HYPERGRAPH.hyperedge_index
    index = index if order == "hyperedge" else index[:, index[0].argsort(stable=True)]
    send = IncidenceMessages().send
    fast = SparseIncidence(index, 7, 5, send, incidence_pattern(index, 7, 5))
    plain = SparseIncidence(index, 7, 5, send)
    node = torch.randn(*lead, 7, 2, dtype=torch.float64)
    hyperedge = torch.randn(*lead, 5, 2, dtype=torch.float64)
    node[..., 0, :] -= 2000  # far below the others
    hyperedge[..., 1, :] -= 2000  # with all its members
    x = torch.randn(*lead, 7 if over == "nodes" else 5, 6, dtype=torch.float64)
    leaves = [value.requires_grad_() for value in (node, hyperedge, x)]

    def attend(incidence):
        alpha = incidence.softmax(incidence.score(node, hyperedge), over)
        y = (incidence.to_hyperedges if over == "nodes" else incidence.to_nodes)(x, alpha)
        first = torch.autograd.grad(y.square().sum(), leaves, create_graph=True)
        return [alpha, y, *first, *torch.autograd.grad(sum(g.square().sum() for g in first), leaves)]

    torch.testing.assert_close(attend(fast), attend(plain))
    alpha = fast.softmax(fast.score(node, hyperedge), over).view(-1, index.size(1), 2)[-1]
    sets = index[1 if over == "nodes" else 0]
    torch.testing.assert_close(
        alpha.new_zeros(7, 2).index_add(0, sets, alpha), alpha.new_zeros(7, 2).index_fill(0, sets, 1)
    )


def test_a_learned_weight_of_groups_is_no_buffer():
    conv = HyperedgeConv(4, 4, "h36m17", group_weights=True)
    x = torch.randn(1, 17, 4)
    before = conv(x)
    with torch.no_grad():
        conv.group_logits += torch.arange(len(conv.group_logits))
    assert not torch.allclose(before, conv(x))
    assert not conv.has_operator


def test_the_seed_times_the_map_of_the_keys_is_what_the_keys_give():
    torch.manual_seed(0)
    conv = LAYERS["allset"]().double()
    torch.nn.init.normal_(conv.to_hyperedges.key.bias)
    x = torch.randn(3, 7, 4, dtype=torch.float64)
    expected = result(conv, x)
    for part in (conv.to_hyperedges, conv.to_nodes):
        part.key.register_forward_hook(lambda module, inputs, output: output.clone())  # has the keys computed
    torch.testing.assert_close(result(conv, x), expected)
    conv.to_hyperedges.key.register_forward_hook(lambda module, inputs, output: 2 * output)
    assert not torch.allclose(conv(x), expected[0])
