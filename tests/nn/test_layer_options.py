"""Every option of every layer: what is no value of it is refused by name, what is taken works."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from silly import SILLY
from torch import nn

import skelgraph.nn
from skelgraph.errors import SkelgraphError
from skelgraph.nn import GraphConvBlock, HyperConv, KNNHyperedges, SemGraphConv, SkeletonConv
from skelgraph.nn.hyper.allset_conv import DeepSet, SetTransformer
from skelgraph.options import option_types
from skelgraph.topology import JointHypergraph, Skeleton

EXPORTED = [getattr(skelgraph.nn, name) for name in skelgraph.nn.__all__]
LAYERS = [cls for cls in EXPORTED if inspect.isclass(cls) and issubclass(cls, nn.Module)]
BASES = (SkeletonConv, HyperConv)
LAYERS = [cls for cls in (*LAYERS, SetTransformer, DeepSet) if cls not in BASES]

HAND = Skeleton([-1, 0, 1, 0, 3, 0, 5], symmetric_pairs=[(1, 3), (2, 4)], name="hand7")
HYPERGRAPH = JointHypergraph.from_lists(7, [[0, 1, 2], [0, 3, 4], [5, 6]], skeleton=HAND)
REQUIRED: dict[str, Any] = {
    "in_channels": 4,
    "out_channels": 4,
    "channels": 4,
    "hidden_channels": 6,
    "token_channels": 5,
    "mlp_channels": 6,
    "graph_channels": 6,
    "num_features": 4,
    "num_experts": 2,
    "num_hyperedges": 3,
    "k": 2,
    "over": "nodes",
    "adjacency": torch.eye(7),
    "partition": torch.ones(1, 7, 7),
    "pattern": torch.eye(7),
    "distance": torch.zeros(7, 3, dtype=torch.long),
    "skeleton": HAND,
    "hypergraph": HYPERGRAPH,
}
OWN: dict[str, dict[str, Any]] = {
    "GraphConvBlock": {"conv": SemGraphConv(4, 4, HAND)},
    "ResidualGraphBlock": {"conv": SemGraphConv},
    "SemiDynamicHyperedges": {"builder": KNNHyperedges(2)},
    "NodeEdgeHyperedgeConv": {"heads": 2},
    "HighOrderGraphConv": {"num_hops": 1},
    "ImplicitFairingConv": {"num_hops": 1},
    "RegularSplittingConv": {"num_hops": 1},
}
CASES = [(cls, p.name) for cls in LAYERS for p in inspect.signature(cls).parameters.values()]


def arguments(cls: type[nn.Module]) -> dict[str, Any]:
    parameters = inspect.signature(cls).parameters.values()
    required = {p.name: REQUIRED[p.name] for p in parameters if p.default is p.empty and p.name in REQUIRED}
    if "hypergraph" in inspect.signature(cls).parameters:
        required["hypergraph"] = HYPERGRAPH
    return required | OWN.get(cls.__name__, {})


def run(layer: nn.Module) -> Any:
    """Call a layer on what it says that it takes."""
    name = type(layer).__name__
    channels = getattr(layer, "in_channels", getattr(layer, "channels", 4))
    nodes = getattr(layer, "num_nodes", 7)
    channels = 4 if channels == -1 else channels  # taken from the first input
    x = torch.zeros(2, nodes, channels)
    if name in ("SoftmaxAdjacency", "ModulatedAdjacency"):
        return layer()
    if name == "PostRefine":
        joints = layer.skeleton.num_joints
        return layer(torch.zeros(2, joints, 3), torch.zeros(2, joints, 3))
    if name == "ExpectedError":
        joints = layer.skeleton.num_joints
        return layer(torch.zeros(2, joints, layer.in_channels), torch.zeros(2, joints, 3))
    if name == "TubeSkin":
        return layer(torch.randn(2, layer.skeleton.num_joints, 3))
    if name == "EdgeVertexConv":
        return layer(x, torch.zeros(2, 6, layer.bone_channels))
    if name == "NodeEdgeHyperedgeConv":
        bones = torch.zeros(2, 6, channels) if layer.bone is not None else None
        hyperedges = torch.zeros(2, 3, channels) if layer.hyperedge is not None else None
        return layer(x, bones, hyperedges)
    if name == "RelationAttention":
        return layer(x, torch.zeros(2, 3, layer.token_channels))
    if name == "HyperedgeAttentionConv":
        width = layer.hyperedge_channels or channels
        return layer(x, hyperedge_attr=torch.zeros(2, 3, width))
    if name == "MLPGraphBlock":
        return layer(x, x)
    if name in ("SetTransformer", "DeepSet"):  # inside of a layer, on its incidence
        return None
    return layer(x)


@pytest.mark.parametrize(("cls", "option"), CASES, ids=[f"{cls.__name__} {option}" for cls, option in CASES])
def test_silly_values_are_refused_or_work(cls, option):
    messages = []
    for value in SILLY:
        if option == "hypergraph" and value is None:  # given with every call
            continue
        try:
            run(cls(**(arguments(cls) | {option: value})).eval())
        except SkelgraphError as error:
            messages.append(str(error))
    assert len(messages) > len(SILLY) // 2
    assert all(len(message) < 400 and message.isprintable() for message in messages)


@pytest.mark.parametrize("cls", LAYERS)
def test_layers_work_with_their_defaults(cls):
    run(cls(**arguments(cls)).eval())


def test_the_bases_and_constructions_of_users_are_checked():
    for base in BASES:
        with pytest.raises(SkelgraphError, match=f"{base.__name__}: out_channels is 0"):
            base(4, 0, HAND)

    class Own(SkeletonConv):
        def __init__(self, in_channels: int, out_channels: int, skeleton: Skeleton, gain: float = 1.0) -> None:
            super().__init__(in_channels, out_channels, skeleton)
            self.gain = gain

    with pytest.raises(SkelgraphError, match="Own: gain is 'x'; expected a finite number"):
        Own(4, 4, HAND, gain="x")
    with pytest.raises(SkelgraphError, match="Own: in_channels is 0"):
        Own(0, 4, HAND)
    assert Own(4, 4, skeleton=HAND, gain=2).gain == 2


def test_every_option_but_the_graph_is_checked_by_its_annotation():
    for cls, option in CASES:
        assert option in option_types(cls) or option in ("skeleton", "hypergraph"), (cls, option)


def test_blocks_refuse_what_is_no_layer():
    with pytest.raises(SkelgraphError, match="conv is 3; expected a SkeletonConv or a HyperConv"):
        GraphConvBlock(3)
    with pytest.raises(SkelgraphError, match=r"adjacency is .*; expected a Tensor or none"):
        SemGraphConv(4, 4, HAND, adjacency=[[1.0]])
