"""What a call of a layer hands over in place of its graph, and what is said where a layer takes none."""

import pytest
import torch
from torch_geometric.utils import add_self_loops

from skelgraph.errors import SkelgraphError
from skelgraph.nn import ChebyshevGraphConv, HyperedgeConv, SemGraphConv, WeightSharingConv
from skelgraph.topology import JointHypergraph, as_skeleton

HAND = as_skeleton("hand21")


def test_a_bound_layer_says_that_it_takes_no_edges() -> None:
    with pytest.raises(SkelgraphError, match=r"takes no edge_index, got torch.int64 of shape \(2, 40\)"):
        SemGraphConv(2, 4, HAND)(torch.randn(21, 2), HAND.edge_index)
    with pytest.raises(TypeError, match=r"SemGraphConv: got an unexpected keyword argument 'wide'"):
        SemGraphConv(2, 4, HAND, wide=True)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("layer", "options"), [(ChebyshevGraphConv, {}), (WeightSharingConv, {"sharing": "dc_vanilla"})]
)
def test_edges_of_a_call_are_taken_as_they_are(layer: type, options: dict) -> None:
    conv, x = layer(2, 4, HAND, **options), torch.randn(3, 21, 2)
    with_loops, _ = add_self_loops(HAND.edge_index, num_nodes=21)
    torch.testing.assert_close(conv(x, with_loops), conv(x))
    assert not torch.allclose(conv(x, HAND.edge_index), conv(x), atol=1e-2)


def test_an_index_is_of_the_whole_batch_and_a_hypergraph_of_one_pose() -> None:
    hypergraph = JointHypergraph.from_lists(4, [[0, 1, 2], [2, 3]])
    conv, x = HyperedgeConv(2, 3, bias=None), torch.randn(12, 2)
    each = conv(x.view(3, 4, 2), hypergraph).flatten(0, 1)
    torch.testing.assert_close(conv(x, hypergraph), each)
    of_batch = conv(x, hypergraph.hyperedge_index)
    torch.testing.assert_close(of_batch[:4], each[:4])
    assert not of_batch[4:].any()
