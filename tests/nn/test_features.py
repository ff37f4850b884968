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
HYPEREDGE = sgnn.HyperedgeConv(4, 8, "h36m17")
HYPERGRAPH = HYPEREDGE.hypergraph
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
    "ExpectedError": (sgnn.ExpectedError("h36m17", 4, 8), (4, 3)),
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


BONES, PARTS = J - 1, HYPERGRAPH.num_hyperedges
NODE_EDGE = sgnn.NodeEdgeHyperedgeConv(4, "h36m17", heads=2)
ATTENTION = sgnn.RelationAttention(4, 8, torch.zeros(J, 3, dtype=torch.long))
OTHER_POSES: dict[str, tuple[Any, list[tuple[int, ...]]]] = {
    "RelationAttention: no tokens": (ATTENTION, [(2, J, 4), (0, 3, 4)]),
    "RelationAttention: flat tokens for poses": (ATTENTION, [(2, J, 4), (6, 4)]),
    "RelationAttention: tokens of poses for flat": (ATTENTION, [(2 * J, 4), (2, 3, 4)]),
    "RelationAttention: more flat tokens": (ATTENTION, [(2 * J, 4), (9, 4)]),
    "RelationAttention: extra of other poses": (ATTENTION, [(2, J, 4), (2, 3, 4), (1, 5, 4)]),
    "RelationAttention: flat extra of no pose": (ATTENTION, [(2 * J, 4), (6, 4), (5, 4)]),
    "RelationAttention: extra of an empty batch": (ATTENTION, [(0, 4), (0, 4), (5, 4)]),
    "NodeEdgeHyperedgeConv: bones": (NODE_EDGE, [(2, J, 4), (1, BONES, 4), (2, PARTS, 4)]),
    "NodeEdgeHyperedgeConv: hyperedges": (NODE_EDGE, [(2, J, 4), (2, BONES, 4), (1, 1, 2, PARTS, 4)]),
    "NodeEdgeHyperedgeConv: flat bones": (NODE_EDGE, [(2 * J, 4), (3 * BONES, 4), (2 * PARTS, 4)]),
    "NodeEdgeHyperedgeConv: hyperedges of poses for flat": (NODE_EDGE, [(J, 4), (BONES, 4), (1, PARTS, 4)]),
    "MLPGraphBlock": (sgnn.MLPGraphBlock(4, "h36m17", 8), [(0, J, 4), (2, J, 4)]),
    "EdgeVertexConv": (sgnn.EdgeVertexConv(4, 8, "h36m17"), [(0, J, 4), (2, BONES, 4)]),
    "EdgeVertexConv: flat": (sgnn.EdgeVertexConv(4, 8, "h36m17"), [(2 * J, 4), (3 * BONES, 4)]),
    "EdgeVertexConv: directed": (sgnn.EdgeVertexConv(4, 8, "h36m17", kind="directed"), [(1, J, 4), (2, BONES, 4)]),
}


@pytest.mark.parametrize("name", OTHER_POSES)
def test_features_of_other_poses_are_refused(name: str) -> None:
    layer, shapes = OTHER_POSES[name]
    with pytest.raises(SkelgraphError, match=r"for the poses of its input \("):
        layer(*(torch.randn(shape) for shape in shapes))


@pytest.mark.parametrize("rows", [(2, J, 4), (2 * J, 4)])
@pytest.mark.parametrize(
    "given",
    [
        {"hypergraph": torch.rand(3, J, 5)},
        {"hypergraph": sgnn.Memberships(torch.rand(J, 5), torch.rand(3, 5))},
        {"hyperedge_weight": torch.rand(3, PARTS)},
        {"hyperedge_attr": torch.rand(3, PARTS, 8)},
        {"hyperedge_attr": torch.rand(3 * PARTS, 8)},
    ],
)
def test_hyperedges_of_other_poses_are_refused(rows: tuple[int, ...], given: dict[str, Any]) -> None:
    for layer in (sgnn.AllSetConv(4, 8, "h36m17", heads=2), sgnn.HNHNConv(4, 8, "h36m17"), HYPEREDGE):
        if "hyperedge_attr" in given and not isinstance(layer, sgnn.AllSetConv):
            continue
        with pytest.raises(SkelgraphError, match=r"(for the poses of its input \(|needs features of)"):
            layer(torch.randn(rows), **given)


def test_what_all_poses_share_is_broadcast() -> None:
    x, attr, weight = torch.randn(2, J, 4), torch.randn(PARTS, 8), torch.rand(1, PARTS)
    layer = sgnn.AllSetConv(4, 8, "h36m17")
    assert torch.equal(layer(x, hyperedge_attr=attr), layer(x, hyperedge_attr=attr.expand(2, -1, -1)))
    assert torch.equal(HYPEREDGE(x, hyperedge_weight=weight), HYPEREDGE(x, hyperedge_weight=weight.expand(2, -1)))
    tokens, extra = torch.randn(3, 4), torch.randn(5, 4)
    torch.testing.assert_close(ATTENTION(x, tokens, extra), ATTENTION(x, tokens.expand(2, 3, 4), extra.expand(2, 5, 4)))


def test_an_empty_flat_batch_has_no_tokens() -> None:
    nothing = torch.zeros(0, 4)
    assert ATTENTION(nothing, nothing).shape == ATTENTION(nothing, nothing, nothing).shape == (0, 8)
    assert [rows.shape for rows in NODE_EDGE(nothing, nothing, nothing)] == [(0, 4)] * 3


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.uint8])
def test_integers_are_no_features(dtype: torch.dtype) -> None:
    with pytest.raises(SkelgraphError, match=f"joints in floating point, got {dtype}"):
        sgnn.TubeSkin("h36m17")(torch.ones(J, 3, dtype=dtype))
    with pytest.raises(SkelgraphError, match=f"input in floating point, got {dtype}"):
        sgnn.ChebyshevGraphConv(4, 8, "h36m17")(torch.ones(1, J, 4, dtype=dtype))


def test_a_switch_of_a_call_is_a_boolean() -> None:
    x, both = torch.randn(1, J, 4), torch.ones(2, dtype=torch.long)
    calls = [
        ("return_hyperedges", lambda: HYPEREDGE(x, return_hyperedges=both)),
        ("return_hyperedges", lambda: sgnn.UniGCNIIConv(4, "h36m17")(x, return_hyperedges=both)),
        ("return_attention_weights", lambda: sgnn.AllSetConv(4, 8, "h36m17")(x, return_attention_weights=both)),
        ("return_gates", lambda: NODE_EDGE(x, x[:, :BONES], torch.randn(1, PARTS, 4), return_gates=both)),
    ]
    for name, call in calls:
        with pytest.raises(SkelgraphError, match=f"^{name} is Tensor"):
            call()
