"""The picture of who sends to whom is that of the layer."""

from __future__ import annotations

import pytest
import torch
from matplotlib import pyplot as plt
from torch import Tensor

from skelgraph.errors import TopologyError
from skelgraph.nn import HighOrderGraphConv, SemGraphConv
from skelgraph.topology import Skeleton
from skelgraph.viz.messages import joint_influence, plot_messages

HAND = Skeleton([-1, 0, 1, 0, 3, 0, 5], name="hand7")


def test_influence_is_there_where_messages_go() -> None:
    torch.manual_seed(0)
    conv = SemGraphConv(3, 5, HAND).train()
    influence = joint_influence(conv, 7, 3)
    assert torch.equal(influence > 0, (HAND.adjacency() + torch.eye(7)) > 0)
    assert influence.max() == 1
    assert conv.training
    assert all(parameter.grad is None for parameter in conv.parameters())
    two = joint_influence(HighOrderGraphConv(3, 6, HAND, num_hops=2), 7, 3)
    assert torch.equal(two > 0, HAND.hop_distance() <= 2)


def test_it_is_directed_and_of_what_really_goes() -> None:
    """A joint that listens to another one is in its row; a weight of zero sends nothing, whatever the graph says."""
    matrix = torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])

    def layer(x: Tensor) -> Tensor:
        return (matrix @ x).relu()

    influence = joint_influence(layer, 3, 4)
    assert torch.equal(influence > 0, matrix > 0)
    assert influence[0, 1] == 1
    assert torch.equal(joint_influence(lambda x: 0 * x, 3, 2), torch.zeros(3, 3))


def test_arrows_are_the_row_of_the_joint() -> None:
    weights = torch.zeros(7, 7)
    weights[2, [2, 1, 6]] = torch.tensor([1.0, 0.5, 0.1])
    weights[1, 2] = 1.0  # of another row
    body, matrix = plot_messages(weights, HAND, 2)
    widths = sorted(arrow.get_linewidth() for arrow in body.patches)
    assert len(widths) == 2
    assert widths[0] < widths[1]
    assert matrix.images[0].get_array().shape == (7, 7)
    plt.close(body.figure)
    for wrong, joint, message in ((torch.zeros(6, 6), 0, "expected \\(7, 7\\)"), (weights, 7, "0 to 6")):
        with pytest.raises(TopologyError, match=message):
            plot_messages(wrong, HAND, joint)
