"""What layers say of input that is none."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from skelgraph import nn as sgnn
from skelgraph.errors import SkelgraphError
from skelgraph.models import create_model
from skelgraph.nn.features import check_features

J = 17
HYPERGRAPH = sgnn.HyperedgeConv(4, 8, "h36m17").hypergraph
LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "SemGraphConv": (sgnn.SemGraphConv(4, 8, "h36m17"), (4,)),
    "HyperedgeConv": (sgnn.HyperedgeConv(4, 8, "h36m17"), (4,)),
    "LearnedOperatorConv": (sgnn.LearnedOperatorConv(4, 8, "h36m17"), (4,)),
    "ConditionalAdjacency": (sgnn.ConditionalAdjacency(4, torch.eye(J), torch.ones(1, J, J), 2), (4,)),
    "JointBatchNorm": (sgnn.JointBatchNorm(4), (4,)),
    "FeedForward": (sgnn.FeedForward(4, 8), (4,)),
    "GraphMLPBlock": (sgnn.GraphMLPBlock(4, "h36m17", 8, 8), (4,)),
    "MLPGraphBlock": (sgnn.MLPGraphBlock(4, "h36m17", 8), (4, 4)),
    "EmbeddedGaussianNonLocal": (sgnn.EmbeddedGaussianNonLocal(4), (4,)),
    "GroupedNonLocal": (sgnn.GroupedNonLocal(4, "h36m17"), (4,)),
    "AssignedHyperedges": (sgnn.AssignedHyperedges(4, 3), (4,)),
    "TopKAttentionHyperedges": (sgnn.TopKAttentionHyperedges(4, 3), (4,)),
    "RelationAttention": (sgnn.RelationAttention(4, 8, torch.zeros(J, J, dtype=torch.long)), (4, 4)),
    "PostRefine": (sgnn.PostRefine("h36m17", 8), (3, 3)),
    "TubeSkin": (sgnn.TubeSkin("h36m17"), (3,)),
}
"""A layer and the channels of its inputs."""
ANY_JOINTS = {"ConditionalAdjacency", "JointBatchNorm", "FeedForward", "EmbeddedGaussianNonLocal"}
ANY_JOINTS |= {"AssignedHyperedges", "TopKAttentionHyperedges"}


@pytest.mark.parametrize("name", list(LAYERS))
def test_other_input_is_refused(name: str) -> None:
    layer, channels = LAYERS[name]
    good = [torch.randn(2, J, c) for c in channels]
    layer(*good)
    layer(*(x[:0] for x in good))
    for i, x in enumerate(good):
        bad: list[Any] = [x.numpy(), x.tolist(), x[..., :-1], torch.cat([x, x], -1), x[0, 0], x.sum()]
        if name not in ANY_JOINTS:
            bad += [x[:, :-1], x[:, :0]]
        for value in bad:
            with pytest.raises(SkelgraphError, match=name):
                layer(*good[:i], value, *good[i + 1 :])


@pytest.mark.parametrize("layer", [sgnn.Dropout(), sgnn.DropPath(0.5), sgnn.KNNHyperedges(3)], ids=repr)
def test_layers_of_any_width(layer: Any) -> None:
    for value in ([[1.0]], None, torch.randn(3).numpy()):
        with pytest.raises(SkelgraphError, match=r"needs? .*got"):
            layer(value)


def test_models_need_tensors() -> None:
    model = create_model("sem_gcn", hidden_channels=8, num_blocks=1)
    with pytest.raises(SkelgraphError, match=r"SemGCN needs a tensor, got .* as keypoints"):
        model([[0.0, 0.0]] * J)


@pytest.mark.parametrize("hyper", ["hyperedge_weight", "hyperedge_attr"])
def test_weights_and_hyperedges_need_tensors(hyper: str) -> None:
    layer = sgnn.AllSetConv(4, 8, HYPERGRAPH)
    with pytest.raises(SkelgraphError, match=f"as {hyper}"):
        layer(torch.randn(J, 4), **{hyper: [1.0]})


@pytest.mark.parametrize(
    ("edge_index", "edge_weight", "words"),
    [
        (torch.tensor([[0, 17], [1, 0]]), None, "node 17; expected nodes from 0 to 16"),
        (torch.tensor([[0, 1], [-1, 0]]), None, "node -1"),
        (torch.zeros(3, 2, dtype=torch.long), None, "expected integers"),
        (torch.zeros(2, 2), None, "expected integers"),
        (torch.zeros(2, 2, dtype=torch.bool), None, "expected integers"),
        ([[0, 1], [1, 0]], None, "expected integers"),
        (torch.zeros(2, 2, dtype=torch.long), torch.ones(3), "edge_weight"),
        (torch.zeros(2, 2, dtype=torch.long), torch.ones(2, 1), "edge_weight"),
        (torch.zeros(2, 2, dtype=torch.long), [1.0, 1.0], "edge_weight"),
    ],
)
def test_edges_of_a_call(edge_index: Any, edge_weight: Any, words: str) -> None:
    for layer in (sgnn.ChebyshevGraphConv(4, 8, "h36m17"), sgnn.WeightSharingConv(4, 8, "h36m17", sharing="vanilla")):
        layer(torch.randn(2, J, 4), torch.tensor([[0, 16], [1, 0]]))
        with pytest.raises(SkelgraphError, match=words):
            layer(torch.randn(2, J, 4), edge_index, edge_weight)


def test_the_check_compiles() -> None:
    def checked(x: torch.Tensor) -> torch.Tensor:
        check_features(torch.nn.Identity(), x, 4, J, flat=True)
        return x + 1

    compiled = torch.compile(checked, fullgraph=True, backend="eager", dynamic=True)
    assert compiled(torch.zeros(2, J, 4)).shape == (2, J, 4)
    assert compiled(torch.zeros(3 * J, 4)).shape == (3 * J, 4)
