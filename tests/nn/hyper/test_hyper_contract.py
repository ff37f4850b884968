"""Every layer on a hypergraph keeps the public contract of layers."""

from __future__ import annotations

import functools
import inspect

import pytest
import torch

from skelgraph import nn as sgnn
from skelgraph.testing import LAYER_CLAUSES, check_layer
from skelgraph.topology import JointHypergraph, Skeleton

LISTS = [[0, 1, 2], [2, 3], [4], [0, 5, 1, 3], [1, 2], [1, 2], [3, 4, 5], [0, 4], [5, 2]]
TOPOLOGY = JointHypergraph.from_lists(
    7, LISTS, hyperedge_weight=torch.linspace(0.5, 2.5, 9).tolist(), groups={"first": range(4), "second": range(4, 9)}
)
"""More hyperedges than joints, two of them equal, one of a single joint; joint 6 is in none."""
FOREST = Skeleton([-1, 0, 1, 0, 3, 3, -1], name="forest7")


def gcnii(channels, _, hypergraph):
    return sgnn.UniGCNIIConv(channels, hypergraph)


LAYERS = {
    "AllSetConv": (functools.partial(sgnn.AllSetConv, heads=2), TOPOLOGY, {}),
    "EdgeVertexConv": (
        functools.partial(sgnn.EdgeVertexConv, bone_channels=3), FOREST, {"inputs": {"bone_attr": ("bones", 3)}}
    ),
    "HNHNConv": (sgnn.HNHNConv, TOPOLOGY, {}),
    "HyperedgeAttentionConv": (functools.partial(sgnn.HyperedgeAttentionConv, heads=2), TOPOLOGY, {}),
    "HyperedgeAttentionConv[hyperedge_attr]": (
        functools.partial(sgnn.HyperedgeAttentionConv, hyperedge_channels=3),
        TOPOLOGY,
        {"inputs": {"hyperedge_attr": ("hyperedges", 3)}},
    ),
    "HyperedgeConv": (sgnn.HyperedgeConv, TOPOLOGY, {}),
    "LearnedOperatorConv": (
        functools.partial(sgnn.LearnedOperatorConv, groups=("second", "first")), TOPOLOGY, {}
    ),
    "UniConv": (sgnn.UniConv, TOPOLOGY, {}),
    "UniGCNIIConv": (gcnii, TOPOLOGY, {"channels": (4, 4)}),
}  # fmt: skip


@pytest.mark.parametrize("clause", LAYER_CLAUSES)
@pytest.mark.parametrize("name", LAYERS)
def test_contract_of_layers(name, clause):
    make, topology, options = LAYERS[name]
    torch.manual_seed(0)
    check_layer(make, topology, clauses=[clause], **options)


def test_every_layer_is_in_the_table():
    layers = {name: getattr(sgnn.hyper, name) for name in sgnn.hyper.__all__}
    layers = {name for name, cls in layers.items() if inspect.isclass(cls) and issubclass(cls, sgnn.HyperConv)}
    missing = ", ".join(sorted(layers - {"HyperConv"} - set(LAYERS)))
    assert not missing, f"enter {missing} of skelgraph.nn.hyper.__all__ in LAYERS of this file, so that they are tested"
