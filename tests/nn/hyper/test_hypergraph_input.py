"""What a call takes for a hypergraph: one meaning for every argument, told by shape and range or by the caller."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.data.hypergraph_data import HyperGraphData
from torch_geometric.loader import DataLoader
from torch_geometric.nn import HypergraphConv

from skelgraph.errors import SkelgraphError
from skelgraph.nn import HyperedgeAttentionConv, HyperedgeConv, Memberships, UniConv
from skelgraph.nn.hyper.hypergraph_input import read_hypergraph
from skelgraph.topology import JointHypergraph, from_pyg, to_pyg

DENSE = pytest.mark.parametrize("dense", [None, True, False])
H = [[1, 0], [1, 0], [0, 1]]
X = torch.tensor([[1.0], [3.0], [10.0]])
TYPES = [torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64]


def plain(dense=None, **options):
    """A mean of means: weight 1, no bias."""
    conv = HyperedgeConv(1, 1, bias=None, dense=dense, **options)
    torch.nn.init.ones_(conv.lin.weight)
    return conv


@DENSE
@pytest.mark.parametrize("dtype", TYPES)
def test_a_matrix_of_zeros_and_ones_is_a_matrix_whatever_its_type(dense, dtype):
    matrix = torch.tensor(H, dtype=dtype)
    assert plain(dense)(X, matrix).flatten().tolist() == [2, 2, 10]
    batch = plain(dense)(torch.stack([X, 2 * X]), matrix)
    assert batch.flatten().tolist() == [2, 2, 10, 4, 4, 20]
    flat = plain(dense)(torch.cat([X, 2 * X]), matrix)
    assert flat.flatten().tolist() == [2, 2, 10, 4, 4, 20]
    per_sample = plain(dense)(torch.stack([X, X]), torch.stack([matrix, matrix.flip(0)]))
    assert per_sample.flatten().tolist() == [2, 2, 10, 1, 6.5, 6.5]


@DENSE
@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc])
def test_a_sparse_matrix_lists_incidences(dense, layout):
    for dtype in (torch.float32, torch.int64):
        matrix = torch.tensor(H, dtype=dtype).to_sparse(layout=layout)
        assert plain(dense)(X, matrix).flatten().tolist() == [2, 2, 10]
        assert plain(dense)(torch.cat([X, 2 * X]), matrix).flatten().tolist() == [2, 2, 10, 4, 4, 20]
    assert plain(dense)(X, Memberships(matrix)).flatten().tolist() == [2, 2, 10]
    soft = (0.5 * torch.tensor(H)).to_sparse(layout=layout)
    with pytest.raises(SkelgraphError, match="entries other than 1"):
        plain(dense)(X, soft)
    assert plain(dense)(X, Memberships(soft)).flatten().tolist() == [2, 2, 10]


@DENSE
def test_equal_incidences_count_as_many_as_in_pyg(dense):
    x, index = torch.tensor([[1.0], [4.0]]), torch.tensor([[0, 0, 1], [0, 0, 0]])
    for given in ({}, {"num_edges": 1}, {"num_edges": torch.tensor([1])}):
        assert plain(dense)(x, index, **given).flatten().tolist() == [2, 2]
    doubled = torch.sparse_coo_tensor(index, torch.ones(3), (2, 1))  # not coalesced
    assert plain(dense)(x, doubled).flatten().tolist() == [2, 2]

    torch.manual_seed(0)
    index = torch.tensor([[4, 0, 0, 1, 2, 2, 2, 3], [1, 0, 0, 0, 1, 2, 2, 2]])
    theirs, ours = HypergraphConv(3, 2), HyperedgeConv(3, 2, dense=dense)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(5, 3)
    torch.testing.assert_close(ours(x, index), theirs(x, index))


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: HyperedgeConv(3, 4, v2e="softmax", e2v="max", **o),
        lambda **o: HyperedgeAttentionConv(3, 4, heads=2, **o),
        lambda **o: HyperedgeAttentionConv(3, 4, heads=2, norm="pyg", mode="edge", **o),
        lambda **o: UniConv(3, 4, **o),
    ],
)
def test_equal_incidences_are_the_same_on_both_paths(make):
    index = torch.tensor([[0, 0, 1, 2, 2, 2, 4], [0, 0, 0, 1, 1, 2, 1]])
    torch.manual_seed(0)
    dense = make(dense=True).double()
    sparse = make(dense=False).double()
    sparse.load_state_dict(dense.state_dict())
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    torch.testing.assert_close(dense(x, index), sparse(x, index), atol=1e-12, rtol=0)


@DENSE
@pytest.mark.parametrize(
    ("index", "count", "found"),
    [
        ([[0, -1], [0, 0]], None, r"hyperedge_index\[:, 1\] is \[-1, 0\]; expected a node from 0 to 2"),
        ([[0, 1], [0, -1]], None, r"is \[1, -1\]"),
        ([[3, 1], [0, 0]], None, r"hyperedge_index\[:, 0\] is \[3, 0\]"),
        ([[0, 1], [0, 2]], 2, r"is \[1, 2\]; .* a hyperedge from 0 to 1"),
    ],
)
def test_ids_out_of_range_are_named(dense, index, count, found):
    with pytest.raises(SkelgraphError, match=found):
        plain(dense)(X, torch.tensor(index), num_edges=count)
    with pytest.raises(SkelgraphError, match=found):
        plain(dense)(X.expand(4, 3, 1), torch.tensor(index), num_edges=count)


@DENSE
def test_two_rows_of_integers_on_two_nodes_need_the_word_of_the_caller(dense):
    x, both = torch.tensor([[1.0], [3.0]]), torch.tensor([[1, 1], [0, 1]])
    with pytest.raises(SkelgraphError, match=r"may be .*Memberships\(incidence\) for a matrix, or num_edges"):
        plain(dense)(x, both)
    with pytest.raises(SkelgraphError, match="may be an incidence matrix"):
        plain(dense)(torch.cat([x, x]), both)  # two poses of two joints, or four nodes
    assert plain(dense)(x, Memberships(both)).flatten().tolist() == [1.5, 2]
    # hyperedge 0 and 1 both hold joint 1
    assert plain(dense)(x, both, num_edges=2).flatten().tolist() == [0, 3]
    for dtype in (torch.bool, torch.float32):  # no index has such a type
        assert plain(dense)(x, both.to(dtype)).flatten().tolist() == [1.5, 2]
    # an id that is no entry of a matrix, a matrix with a hyperedge of nobody, weights for another number
    assert plain(dense)(x, torch.tensor([[0, 1], [2, 2]])).flatten().tolist() == [2, 2]
    assert plain(dense)(x, torch.tensor([[0, 1], [0, 0]])).flatten().tolist() == [2, 2]
    assert plain(dense)(x, torch.tensor([[1, 0, 1], [0, 1, 1]]), hyperedge_weight=torch.ones(2)).flatten().tolist() == [
        2,
        2.5,
    ]


def test_where_values_cannot_be_read_shape_and_word_decide():
    meta, index = plain().to("meta"), torch.tensor([[0, 1, 1], [0, 0, 1]])
    assert meta(torch.empty(3, 1, device="meta"), index.to("meta"), num_edges=2).shape == (3, 1)
    assert meta(torch.empty(3, 1, device="meta"), torch.tensor(H).to("meta")).shape == (3, 1)
    with pytest.raises(SkelgraphError, match="integers that cannot be read here"):
        meta(torch.empty(2, 1, device="meta"), index.to("meta"))
    conv = plain()
    compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(X, torch.tensor(H)), conv(X, torch.tensor(H)))
    torch.testing.assert_close(compiled(X[:2], index, num_edges=2), conv(X[:2], index, num_edges=2))
    torch._dynamo.reset()


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        (torch.tensor([[0, 0], [1, 0], [2, 1]]), "entries that are neither 0 nor 1"),  # an index the wrong way round
        (torch.tensor([0, 1]), r"Tensor \(2,\)"),
        (torch.zeros(2, 3, 2).to_sparse(), "of layout torch.sparse_coo"),
        ([[0, 1], [0, 0]], "of type list"),
        (HyperGraphData(x=X), "hyperedge_index is None"),
    ],
)
def test_what_is_no_hypergraph_is_named(wrong, found):
    with pytest.raises(SkelgraphError, match=found):
        plain()(X, wrong)


def hypergraphs():
    yield JointHypergraph.from_lists(3, [[0, 1, 2], [1, 2], [0]], hyperedge_weight=torch.tensor([0.5, 2.0, 1.5]))
    yield JointHypergraph.from_lists(5, [[0, 1], [2, 3, 4]], hyperedge_weight=torch.tensor([1.5, 0.3]))
    yield JointHypergraph.from_lists(2, [[1]])


@DENSE
@pytest.mark.parametrize("ours", [True, False])
def test_data_objects_of_pyg_and_their_batches(dense, ours):
    """Weights come with the data; the numbers of nodes and hyperedges are what they are, equal or not."""
    torch.manual_seed(0)
    conv = HyperedgeConv(2, 3, dense=dense)
    torch.nn.init.normal_(conv.bias)
    parts, expected, data = list(hypergraphs()), [], []
    for part in parts:
        x = torch.randn(part.num_nodes, 2)
        expected.append(conv(x, part))
        one = to_pyg(part, x=x)
        if not ours:
            one = HyperGraphData(x=x, edge_index=one.edge_index, hyperedge_weight=one.hyperedge_weight)
        data.append(one)
        torch.testing.assert_close(conv(one.x, one), expected[-1])
        torch.testing.assert_close(conv(one.x.expand(4, -1, -1), one), expected[-1].expand(4, -1, -1))
    if ours:
        batch = next(iter(DataLoader(data, batch_size=3)))
        torch.testing.assert_close(conv(batch.x, batch), torch.cat(expected))
        result = conv(batch.x, batch.edge_index, batch.hyperedge_weight, num_edges=batch.num_hyperedges)
        torch.testing.assert_close(result, torch.cat(expected))
        loose = from_pyg(batch)
        assert (loose.num_nodes, loose.num_hyperedges) == (10, 6)
    else:  # PyG numbers the nodes of the first wrongly, as it has three hyperedges too
        batch = Batch.from_data_list(data[1:])
        torch.testing.assert_close(conv(batch.x, batch), torch.cat(expected[1:]))
    other = torch.rand(3) + 0.1
    torch.testing.assert_close(
        conv(data[0].x, data[0], hyperedge_weight=other), conv(data[0].x, parts[0], hyperedge_weight=other)
    )


def test_data_of_other_nodes_are_refused():
    data = to_pyg(next(hypergraphs()))
    with pytest.raises(SkelgraphError, match=r"needs input of shape \(\.\.\., 3, 1\)"):
        plain()(torch.zeros(4, 1), data)
    flat = plain()(torch.cat([X, X]), data)  # two poses of these nodes
    torch.testing.assert_close(flat, plain()(X, data).repeat(2, 1))


def test_an_id_far_beyond_all_others_is_refused() -> None:
    index = torch.tensor([[0, 1, 2], [0, 0, 10**9]])
    with pytest.raises(SkelgraphError, match=r"holds hyperedge 1000000000, but only 3 incidences; give num_edges"):
        read_hypergraph(index, torch.randn(3, 4))
    assert read_hypergraph(index, torch.randn(3, 4), num_edges=10**9 + 1).num_hyperedges == 10**9 + 1
