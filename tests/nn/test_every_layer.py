"""What every layer and every model must do, on any device, in any precision and for batches of any size."""

from __future__ import annotations

import functools
import inspect

import pytest
import torch
from torch import nn

from skelgraph import models, ops
from skelgraph import nn as sgnn
from skelgraph.nn.conv.weight_sharing_conv import SHARING
from skelgraph.testing.layers import OnlyMeta, floating, reset_after_to_empty, run_on_meta
from skelgraph.topology import JointHypergraph, as_skeleton

J, BONES = 17, 16
HYPERGRAPH = JointHypergraph.from_skeleton("h36m17")
M = HYPERGRAPH.num_hyperedges
SHAPES = {"joints": (J, 4), "bones": (BONES, 4), "hyperedges": (M, 4), "poses": (J, 3)}


def conv(cls, *inputs, **options):
    return functools.partial(cls, 4, 8, "h36m17", **options), inputs or ("joints",)


def plain(cls, *args, inputs=("joints",), **options):
    return functools.partial(cls, *args, **options), inputs


def both(cls, *inputs, **options):
    return [conv(cls, *inputs, dense=dense, **options) for dense in (True, False)]


def learned(cls, *inputs, **options):
    """On pairs of joints and on edges, these computed as matrices and as lists."""
    forms = ({}, {"learn_on": "edges", "dense": True}, {"learn_on": "edges", "dense": False})
    return [conv(cls, *inputs, **form, **options) for form in forms]


def edges():
    return ops.EdgePattern(torch.tensor([[0, 0, 0], [0, 1, 2], [1, 0, 2]], device="cpu"), (1, 3, 3))


SHARED = [sharing for sharing in SHARING if sharing != "nosharing"]
LAYERS = {
    "AllSetConv": [
        *both(sgnn.AllSetConv, heads=2),
        *both(sgnn.AllSetConv, kind="deepsets"),
        *both(sgnn.AllSetConv, variant="released", num_layers=2, dropout=0.5),
        *both(sgnn.AllSetConv, kind="deepsets", variant="released", v2e="mean"),
    ],
    "AssignedHyperedges": [plain(sgnn.AssignedHyperedges, 4, 5, straight_through=hard) for hard in (True, False)],
    "ChebyshevGraphConv": [*both(sgnn.ChebyshevGraphConv), *both(sgnn.ChebyshevGraphConv, normalize=False)],
    "ConditionalAdjacency": [
        plain(sgnn.ConditionalAdjacency, 4, as_skeleton("h36m17").adjacency(), sgnn.self_and_neighbours(J), 3)
    ],
    "ConditionalGraphConv": [
        *learned(sgnn.ConditionalGraphConv),
        *learned(sgnn.ConditionalGraphConv, modulate_self=True),
    ],
    "DropPath": [plain(sgnn.DropPath, 0.5)],
    "Dropout": [plain(sgnn.Dropout, 0.5)],
    "EdgeVertexConv": [
        *both(sgnn.EdgeVertexConv, "joints", "bones"),
        *both(sgnn.EdgeVertexConv, "joints", "bones", kind="directed"),
        plain(sgnn.EdgeVertexConv, 4, 4, "h36m17", kind="difference", inputs=("joints", "bones")),
    ],
    "EmbeddedGaussianNonLocal": [plain(sgnn.EmbeddedGaussianNonLocal, 4)],
    "ExpectedError": [plain(sgnn.ExpectedError, "h36m17", 4, 8, inputs=("joints", "poses"))],
    "FeedForward": [plain(sgnn.FeedForward, 4, 8, norm=True, dropout=0.1)],
    "GraphConvBlock": [plain(lambda: sgnn.GraphConvBlock(sgnn.SemGraphConv(4, 8, "h36m17"), 0.1))],
    "GraphMLPBlock": [plain(sgnn.GraphMLPBlock, 4, "h36m17", 5, 6, drop_path=0.1)],
    "GroupedNonLocal": [plain(sgnn.GroupedNonLocal, 4, "h36m17")],
    "HNHNConv": both(sgnn.HNHNConv),
    "HighOrderGraphConv": [*both(sgnn.HighOrderGraphConv), *both(sgnn.HighOrderGraphConv, reduce="sum", hops="exact")],
    "HyperedgeAttentionConv": [
        *both(sgnn.HyperedgeAttentionConv, heads=2),
        *both(sgnn.HyperedgeAttentionConv, mode="edge"),
        *both(sgnn.HyperedgeAttentionConv, norm="pyg"),
    ],
    "HyperedgeConv": [
        *both(sgnn.HyperedgeConv),
        *both(sgnn.HyperedgeConv, norm="sym"),
        *both(sgnn.HyperedgeConv, group_weights=True),
        *both(sgnn.HyperedgeConv, v2e="max", e2v="softmax"),
    ],
    "ImplicitFairingConv": [
        *both(sgnn.ImplicitFairingConv), *both(sgnn.ImplicitFairingConv, "joints", "joints")
    ],
    "JointBatchNorm": [plain(sgnn.JointBatchNorm, 4)],
    "KNNHyperedges": [plain(sgnn.KNNHyperedges, 3, soft=True)],
    "LearnedOperatorConv": [
        conv(sgnn.LearnedOperatorConv), conv(sgnn.LearnedOperatorConv, groups=("parts", "sym"), positive=False)
    ],
    "MLPGraphBlock": [plain(sgnn.MLPGraphBlock, 4, "h36m17", 6, inputs=("joints", "joints"))],
    "ModulatedAdjacency": [
        plain(sgnn.ModulatedAdjacency, as_skeleton("h36m17").adjacency(dtype=torch.float64), inputs=()),
        plain(lambda: sgnn.ModulatedAdjacency(torch.ones(3, device="cpu"), partition=edges()), inputs=()),
    ],
    "ModulatedGraphConv": [*learned(sgnn.ModulatedGraphConv), *learned(sgnn.ModulatedGraphConv, symmetric=False)],
    "NodeEdgeHyperedgeConv": [
        plain(
            sgnn.NodeEdgeHyperedgeConv, 4, "h36m17", 2, mask=mask, update=update, dynamic_hyperedges=2,
            inputs=("joints", "bones", "hyperedges"),
        )
        for mask, update in (("soft", "linear"), ("hard", "pool"))
    ],
    "PartitionedGraphConv": both(sgnn.PartitionedGraphConv),
    "PostRefine": [plain(sgnn.PostRefine, "h36m17", 8, inputs=("poses", "poses"))],
    "RegularSplittingConv": [
        *learned(sgnn.RegularSplittingConv), *learned(sgnn.RegularSplittingConv, "joints", "joints", reduce="sum")
    ],
    "RelationAttention": [
        plain(sgnn.RelationAttention, 4, 8, HYPERGRAPH.hyperedge_hops(), 2, mask=mask, inputs=("joints", "hyperedges"))
        for mask in ("soft", "hard", "none")
    ],
    "ResidualGraphBlock": [plain(sgnn.ResidualGraphBlock, sgnn.SemGraphConv, 4, as_skeleton("h36m17"), 0.1)],
    "SemCHGraphConv": both(sgnn.SemCHGraphConv),
    "SemGraphConv": both(sgnn.SemGraphConv),
    "SemiDynamicHyperedges": [plain(lambda: sgnn.SemiDynamicHyperedges("h36m17", sgnn.KNNHyperedges(3, soft=True)))],
    "SoftmaxAdjacency": [
        plain(sgnn.SoftmaxAdjacency, as_skeleton("h36m17").hop_mask(1, "within"), 3, inputs=()),
        plain(lambda: sgnn.SoftmaxAdjacency(edges(), over_partitions=True), inputs=()),
    ],
    "TopKAttentionHyperedges": [plain(sgnn.TopKAttentionHyperedges, 4, 3)],
    "TubeSkin": [plain(sgnn.TubeSkin, "h36m17", inputs=("poses",))],
    "UniConv": [case for kind in ("gcn", "gat", "gin", "sage") for case in both(sgnn.UniConv, kind=kind)],
    "UniGCNIIConv": [plain(sgnn.UniGCNIIConv, 4, "h36m17", dense=dense) for dense in (True, False)],
    "WeightSharingConv": [
        *(case for sharing in SHARED for case in both(sgnn.WeightSharingConv, sharing=sharing)),
        *learned(sgnn.WeightSharingConv, sharing="nosharing"),
        *learned(sgnn.WeightSharingConv, sharing="nosharing", num_experts=2),
    ],
    "WeightedJacobiConv": [
        *learned(sgnn.WeightedJacobiConv), *learned(sgnn.WeightedJacobiConv, "joints", "joints", neighbours=True)
    ],
}  # fmt: skip
"""Every layer, with what it is called with."""
UNCALLED = {
    "HyperConv": "has no equation of its own",
    "SkeletonConv": "has no equation of its own",
    "DeepSet": "is called by AllSetConv, on incidences",
    "SetTransformer": "is called by AllSetConv, on incidences",
}
"""Exported layers that this file does not call, and why."""
CASES = [pytest.param(*case, id=f"{name}-{i}") for name, cases in LAYERS.items() for i, case in enumerate(cases)]


@pytest.mark.parametrize(("make", "inputs"), CASES)
@pytest.mark.parametrize("built_there", [True, False])
def test_layers_on_meta(make, inputs, built_there):
    """Forward and backward: no tensor is left on the CPU when a GPU comes."""
    if built_there:
        with torch.device("meta"):
            layer = make()
    else:
        layer = make().to("meta")
    x = [torch.randn(2, *SHAPES[name], device="meta", requires_grad=True) for name in inputs]
    run_on_meta(layer, *x)


@pytest.mark.parametrize("name", models.list_models())
@pytest.mark.parametrize("built_there", [True, False])
def test_models_on_meta(name, built_there):
    if built_there:
        with torch.device("meta"):
            model = models.create_model(name)
    else:
        model = models.create_model(name).to("meta")
    run_on_meta(model, torch.randn(2, J, 2, device="meta", requires_grad=True))
    loss = model.training_loss(
        torch.randn(2, J, 2, device="meta"),
        torch.randn(2, J, 3, device="meta"),
        lambda pred, true: (pred - true).square().mean(),
    )
    with OnlyMeta():
        loss.backward()


@pytest.mark.parametrize(("make", "inputs"), CASES)
def test_reset_after_to_empty(make, inputs):
    """torch's convention: what ``to_empty`` leaves unset, ``reset_parameters`` sets."""
    with torch.device("meta"):
        layer = make()
    reset_after_to_empty(layer)
    results = layer.eval()(*(torch.randn(2, *SHAPES[name]) for name in inputs))
    assert all(value.isfinite().all() for value in floating(results))


@pytest.mark.parametrize("name", models.list_models())
def test_reset_models_after_to_empty(name):
    with torch.device("meta"):
        model = models.create_model(name)
    reset_after_to_empty(model)
    assert model.eval()(torch.randn(2, J, 2)).isfinite().all()


@pytest.fixture(name="double")
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("make", "inputs"), CASES)
def test_layers_in_another_default_precision(make, inputs):
    results = list(floating(make()(*(torch.randn(2, *SHAPES[name]) for name in inputs))))
    assert results
    assert all(value.dtype == torch.float64 for value in results)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("name", models.list_models())
def test_models_in_another_default_precision(name):
    model = models.create_model(name)
    x, y = torch.randn(2, J, 2), torch.randn(2, J, 3)
    assert model(x).dtype == torch.float64
    assert model.training_loss(x, y, lambda pred, true: (pred - true).square().mean()).dtype == torch.float64


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(("make", "inputs"), CASES)
def test_layers_on_an_empty_batch(make, inputs, train, flat):
    layer = make().train(train)
    if not inputs or (flat and not isinstance(layer, sgnn.SkeletonConv | sgnn.HyperConv)):
        pytest.skip("takes no features" if not inputs else "takes no flattened batch")
    x = [torch.randn(0, *SHAPES[name]) for name in inputs]
    if flat:
        x = [value.flatten(0, 1) for value in x]
    x[0].requires_grad_()
    one = layer.eval()(*(torch.randn(1, *SHAPES[name]) for name in inputs))
    results = layer.train(train)(*x)
    for value, like in zip(floating(results), floating(one), strict=True):
        whole = like.flatten(0, 1) if flat else like
        assert (
            value.shape == (whole[:0] if like.size(0) == 1 else like).shape
        )  # a weight of every hyperedge has no poses
    sum(value.sum() for value in floating(results)).backward()
    assert x[0].grad.shape == x[0].shape


@pytest.mark.parametrize("name", models.list_models())
def test_models_on_an_empty_batch(name):
    model = models.create_model(name).eval()
    assert model(torch.randn(0, J, 2)).shape == (0, J, 3)
    assert model(torch.randn(0, 5, J, 2)).shape == (0, J, 3)


def test_every_layer_is_in_the_table():
    exported = {name: getattr(package, name) for package in (sgnn, sgnn.conv, sgnn.hyper) for name in package.__all__}
    layers = {name for name, cls in exported.items() if inspect.isclass(cls) and issubclass(cls, nn.Module)}
    missing = ", ".join(sorted(layers - set(UNCALLED) - set(LAYERS)))
    assert not missing, f"enter {missing} in LAYERS of this file with what it is called with, so that it is tested"
    assert set(LAYERS) | set(UNCALLED) == layers, "what LAYERS or UNCALLED hold is no exported layer"
    for name, cases in LAYERS.items():
        for make, _ in cases:
            assert type(make()) is getattr(sgnn, name)
