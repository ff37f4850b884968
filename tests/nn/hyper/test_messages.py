"""PyG's message passing along incidences."""

from __future__ import annotations

import pytest
import torch

from skelgraph.nn.hyper.messages import IncidenceMessages
from skelgraph.ops import SparseIncidence, incidence_pattern

INDEX = torch.tensor([[0, 3, 1, 3, 4], [1, 1, 2, 2, 2]])
SIZE = (6, 4)
"""The last node is in no hyperedge, the first and the last hyperedge have no nodes."""
PATTERN = incidence_pattern(INDEX, *SIZE)


@pytest.mark.parametrize(("pattern", "step"), [(None, "message"), (PATTERN, "fused")])
def test_sums_by_row_hold_no_messages(pattern, step):
    """The sparse product is PyG's fused step: no message is built, and a hook sees that."""
    messages, seen = IncidenceMessages(), []
    messages.register_message_forward_hook(lambda *_: seen.append("message"))
    messages.register_message_and_aggregate_forward_hook(lambda *_: seen.append("fused"))
    x = torch.randn(2, 6, 3, dtype=torch.float64)
    result = SparseIncidence(INDEX, *SIZE, messages.send, pattern).to_hyperedges(x)
    assert seen == [step]
    expected = torch.zeros(2, 4, 3, dtype=torch.float64).index_add(1, INDEX[1], x[:, INDEX[0]])
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("reduce", ["sum", "mean", "max"])
def test_explained_sums_are_sent_message_by_message(reduce):
    """A mask acts on single messages, also where the pattern of the matrix is at hand."""
    messages, seen = IncidenceMessages(), []
    messages.register_message_forward_hook(lambda *_: seen.append("message"))
    messages.explain, messages._edge_mask, messages._apply_sigmoid = True, torch.tensor([1.0, 0, 2, 1, 0]), False
    x = torch.ones(6, 1)
    result = SparseIncidence(INDEX, *SIZE, messages.send, PATTERN).to_hyperedges(x, reduce=reduce)
    assert seen == ["message"]
    assert result.flatten().tolist() == {"sum": [0, 1, 3, 0], "mean": [0, 0.5, 1, 0], "max": [0, 1, 2, 0]}[reduce]
