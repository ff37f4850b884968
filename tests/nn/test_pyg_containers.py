"""Layers in PyG's ``Sequential`` and ``to_hetero``: every row of the table in docs/extending.md, for every layer."""

from __future__ import annotations

import copy
import re
import warnings
from pathlib import Path

import pytest
import torch
from test_every_layer import HYPERGRAPH, LAYERS, SHAPES
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch_geometric.nn import SAGEConv, Sequential, to_hetero

from skelgraph import nn as sgnn
from skelgraph.errors import SkelgraphError
from skelgraph.testing.layers import floating
from skelgraph.topology import as_skeleton

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()
SECTION = PAGE[PAGE.index("### In PyG's containers") :].partition("\n## ")[0]
ROWS = re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \|$", SECTION, re.MULTILINE)
TABLE = {
    name: (re.findall(r"`(.*?)`", header), answer.partition(" ")[0].rstrip(",:"))
    for names, header, answer in ROWS
    for name in re.findall(r"`(\w+)`", names)
}
WITHIN = (["left", "right"], [("left", "to", "left"), ("right", "to", "right")])
ACROSS = (WITHIN[0], [*WITHIN[1], ("left", "to", "right"), ("right", "to", "left")])
BODY = as_skeleton("h36m17")


def of_table(answer: str) -> list[str]:
    return [name for name, (_, found) in TABLE.items() if found == answer]


def made(name: str) -> tuple[nn.Module, list[Tensor]]:
    make, inputs = LAYERS[name][0]
    torch.manual_seed(0)
    return make().eval(), [torch.randn(2, *SHAPES[rows]) for rows in inputs]


def same(found: object, expected: object) -> None:
    for one, other in zip(floating(tree_leaves(found)), floating(tree_leaves(expected)), strict=True):
        torch.testing.assert_close(one, other)


def test_every_layer_is_in_the_table():
    assert sorted(TABLE) == sorted(LAYERS)
    assert len(re.findall(r"`(\w+)`", " ".join(names for names, _, _ in ROWS))) == len(LAYERS), "each in one row"
    assert {answer for _, answer in TABLE.values()} == {"yes", "within", "no"}


@pytest.mark.parametrize("name", [name for name, (headers, _) in TABLE.items() if headers])
def test_sequential(name):
    layer, x = made(name)
    header = TABLE[name][0][0]
    assert len(header.partition("->")[0].split(",")) == len(x)
    model = Sequential(header.partition("->")[0], [(layer, header)])
    same(model(*x), layer(*x))


def net(name: str) -> tuple[nn.Module, list[str], list[Tensor]]:
    layer, x = made(name)
    header = TABLE[name][0][0]
    names = [each.strip() for each in header.partition("->")[0].split(",")]
    return Sequential(", ".join(names), [(layer, header)]), names, x


@pytest.mark.parametrize("name", of_table("yes"))
def test_a_copy_for_each_type_of_nodes(name):
    model, _, x = net(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # PyG warns of parameters that it cannot initialise
        hetero = to_hetero(model, ACROSS)
    inputs = [{"left": each, "right": 2 * each} for each in x]
    found = hetero.eval()(*inputs)
    copies = hetero.module_0
    for kind in WITHIN[0]:
        same(found[kind], copies[kind](*(each[kind] for each in inputs)))
    left, right = copies["left"], copies["right"]
    before = copy.deepcopy(left.state_dict())
    if before:
        left.reset_parameters()
    drawn = [key for key, value in left.state_dict().items() if not torch.equal(value, before[key])]
    assert not any(torch.equal(before[key], right.state_dict()[key]) for key in drawn), "initial weights of its own"


@pytest.mark.parametrize("name", of_table("within"))
def test_a_copy_for_each_type_of_edges(name):
    model, _, x = net(name)
    inputs = [{"left": each, "right": 2 * each} for each in x]
    hetero = to_hetero(model, WITHIN).eval()
    found = hetero(*inputs)
    for kind in WITHIN[0]:
        same(found[kind], hetero.module_0[f"{kind}__to__{kind}"](*(each[kind] for each in inputs)))
    with pytest.raises(SkelgraphError, match="needs a tensor"):
        to_hetero(model, ACROSS)(*inputs)


@pytest.mark.parametrize("name", ["AllSetConv", "HNHNConv", "HyperedgeAttentionConv", "HyperedgeConv", "UniConv"])
def test_a_hypergraph_of_the_call(name):
    torch.manual_seed(0)
    layers = [getattr(sgnn, name)(4, 6).eval(), getattr(sgnn, name)(6, 3).eval()]
    header = "x, edge_index -> x"
    model = Sequential("x, edge_index", [(layers[0], header), nn.ReLU(), (layers[1], header)])
    x, index = torch.randn(17, 4), HYPERGRAPH.hyperedge_index
    torch.testing.assert_close(model(x, index), layers[1](layers[0](x, index).relu(), index))
    hetero = to_hetero(model, WITHIN).eval()
    found = hetero({"left": x, "right": x}, {("left", "to", "left"): index, ("right", "to", "right"): index.flip(1)})
    assert {kind: tuple(y.shape) for kind, y in found.items()} == {"left": (17, 3), "right": (17, 3)}


@pytest.mark.parametrize("make", [sgnn.ChebyshevGraphConv, lambda *a: sgnn.WeightSharingConv(*a, sharing="vanilla")])
def test_a_graph_of_the_call(make):
    """One after another, but not by types: PyG takes only its own message passing for something that joins nodes."""
    layers = [make(4, 6, BODY).eval(), make(6, 3, BODY).eval()]
    header = "x, edge_index -> x"
    model = Sequential("x, edge_index", [(layers[0], header), nn.ReLU(), (layers[1], header)])
    index = torch.cat([BODY.edge_index, BODY.edge_index[:, 5:] + 17], dim=1)
    x = torch.randn(34, 4)
    expected = layers[1](layers[0](x, index).relu(), index)
    torch.testing.assert_close(model(x, index), expected)
    found = to_hetero(model, WITHIN)({"left": x, "right": x}, dict.fromkeys(WITHIN[1], index))
    assert set(found) == set(WITHIN[1]), "answers of edges, as the page says"


def test_builders_hand_on_their_hyperedges():
    layers = [sgnn.KNNHyperedges(3), sgnn.HyperedgeConv(4, 3).eval()]
    model = Sequential("x", [(layers[0], "x -> hyperedges"), (layers[1], "x, hyperedges -> x")])
    x = torch.randn(2, 17, 4)
    torch.testing.assert_close(model(x), layers[1](x, layers[0](x)))


class Own(nn.Module):
    """A module around a hyperedge layer, which PyG does not open."""

    def __init__(self):
        super().__init__()
        self.conv = sgnn.HyperedgeConv(8, 3, HYPERGRAPH)

    def reset_parameters(self):
        self.conv.reset_parameters()

    def forward(self, x):
        return self.conv(x)


def test_layers_of_both_libraries_in_one_model():
    model = Sequential(
        "x, edge_index",
        [
            (sgnn.SemGraphConv(2, 8, BODY), "x -> x"),
            sgnn.JointBatchNorm(8),
            (SAGEConv(8, 8), "x, edge_index -> h"),
            (Own(), "h -> h"),
        ],
    )
    edges = torch.cat([BODY.edge_index, BODY.edge_index + 17], dim=1)
    assert model(torch.randn(34, 2), edges).shape == (34, 3)
    x = {kind: torch.randn(34, 2) for kind in WITHIN[0]}
    found = to_hetero(model, ACROSS)(x, dict.fromkeys(ACROSS[1], edges))
    assert {kind: y.shape for kind, y in found.items()} == {"left": (34, 3), "right": (34, 3)}
