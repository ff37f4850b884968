"""The picture of who sends to whom is that of the layer, and the site has a page for every layer."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import pytest
import torch
from matplotlib import pyplot as plt
from torch import Tensor

import skelgraph.nn
from skelgraph import as_skeleton
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


@pytest.fixture(scope="module")
def reference() -> object:
    folder = str(Path(__file__).parents[2] / "docs" / "_ext")
    sys.path.insert(0, folder)
    try:
        import reference
    finally:
        sys.path.remove(folder)
    return reference


def test_every_layer_has_a_page(reference) -> None:
    exported = {name for name in skelgraph.nn.__all__ if inspect.isclass(getattr(skelgraph.nn, name))}
    exported.add("ConvFactory")
    paged = [name for names in reference.GROUPS.values() for name in names]
    assert len(paged) == len(set(paged))
    assert exported == set(paged) | set(reference.NO_PAGE)


def test_a_page_says_what_the_layer_does(reference) -> None:
    pages = dict(reference.layer_page("SemGraphConv", ["sem_gcn"], ""))
    assert set(pages) == {"layers/SemGraphConv.md", "layers/SemGraphConv.png"}
    text = pages["layers/SemGraphConv.md"]
    assert ".. autoclass:: skelgraph.nn.SemGraphConv" in text
    assert f"{sum(p.numel() for p in SemGraphConv(64, 64, as_skeleton('h36m17')).parameters()):,}" in text
    assert "../models/sem_gcn.md" in text
    assert "SemGraphConv" in reference.layers_of("sem_gcn")
    assert "SemGraphConv" not in reference.layers_of("martinez")
