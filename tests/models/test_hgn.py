"""HGN against numbers from the authors' code, and what is its own."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.models import HGN, HGNOutput, create_model, load_official
from skelgraph.nn import multi_scale_mse
from skelgraph.topology import MultiScaleGraph, Skeleton, tube_faces

SETS = ("17", "48", "96")


@pytest.fixture(name="reference")
def _reference(golden):
    return golden("hgn_model")


@pytest.fixture(name="load")
def _load(reference):
    def load(**options):
        adjacency = [reference[f"in/adj{n}"] for n in SETS]
        return load_official("hgn", reference.state_dict(), adjacency=adjacency, **options).double()

    return load


def leaves_of(reference):
    """The official tensors in float64, through which gradients pass the renaming."""
    leaves = {k: v.double() if v.is_floating_point() else v.clone() for k, v in reference.state_dict().items()}
    for key, value in leaves.items():
        value.requires_grad_(value.is_floating_point() and "running_" not in key)
    return leaves


def call(model, leaves, x):
    class Features(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            return self.model.forward_features(x)

    state = {f"model.{key}": value for key, value in HGN.official.translate(leaves).items()}
    return torch.func.functional_call(Features(), state, (x,))


def test_evaluation_matches_official_code(reference, load):
    x = reference["in/x"].requires_grad_()
    outputs = call(load(), leaves_of(reference), x)
    for name, y in zip(SETS, outputs, strict=True):
        reference.assert_close(y, f"out/y{name}")
    sum((y * reference[f"in/g{name}"]).sum() for name, y in zip(SETS, outputs, strict=True)).backward()
    reference.assert_close(x.grad, "grad/x")
    torch.testing.assert_close(load()(reference["in/x"]), outputs.joints, msg="the joints are the model's output")


def test_simultaneous_fusion_is_the_other_one(reference, load):
    outputs = load(fusion="simultaneous").forward_features(reference["in/x"])
    for name, y in zip(SETS, outputs, strict=True):
        reference.assert_close(y, f"out/y{name}_parallel")
        assert (y - reference[f"out/y{name}"]).abs().max() > 0.1


def test_training_matches_official_code(reference, load):
    leaves = leaves_of(reference)
    joints, coarse, fine = call(load().train(), leaves, reference["in/x"])
    reference.assert_close(joints, "out/train_y17")
    predictions = [joints, coarse[:, reference["in/real48"]], fine[:, reference["in/real96"]]]
    targets = [reference[f"in/target{n}"] for n in SETS]
    parts = torch.stack([torch.nn.functional.mse_loss(p, t) for p, t in zip(predictions, targets, strict=True)])
    reference.assert_close(parts, "out/train_loss_parts")
    loss = multi_scale_mse(predictions, targets)
    reference.assert_close(loss, "out/train_loss")
    loss.backward()
    parameters = [value for value in leaves.values() if value.grad is not None]
    reference.assert_close(torch.nn.utils.clip_grad_norm_(parameters, 1.0), "out/train_total_gnorm")
    norms = reference.keys("out/train_gnorm_clipped/")
    assert len(norms) == len(parameters)
    for key in norms:
        reference.assert_close(leaves[key.removeprefix("out/train_gnorm_clipped/")].grad.norm(), key)
    for key in reference.keys("out/after/"):
        reference.assert_close(leaves[key.removeprefix("out/after/")], key)


def test_official_weights_need_the_graphs(reference):
    with pytest.raises(SkelgraphError, match=r"weights do not hold: adjacency=\[A17, A48, A96\]"):
        load_official("hgn", reference.state_dict())
    matrices = [reference[f"in/adj{n}"].tolist() for n in SETS]
    model = load_official("hgn", reference.state_dict(), adjacency=matrices)
    assert model.config["options"]["hidden_channels"] == 16
    with pytest.raises(SkelgraphError, match="logits"):
        load_official("hgn", reference.state_dict(), adjacency=[*matrices[:2], torch.eye(96)])


@pytest.mark.parametrize("file", ["hgn_coarsen_torus", "hgn_coarsen_sphere"])
def test_parameter_formula(file, golden):
    """1 041 017 + 9 nnz48 + 5 nnz96 at width 128, for any graphs of 48 and 96 nodes."""
    graph = MultiScaleGraph.from_mesh(golden(file)["in/faces"], 3)
    pad = [torch.zeros(n, n) for n in (48, 96)]
    for matrix, level in zip(pad, (-1, -2), strict=True):
        real = graph.adjacency(level)[: len(matrix), : len(matrix)]
        matrix[: len(real), : len(real)] = real
    model = HGN(adjacency=[torch.eye(17) + torch.diag(torch.ones(16), 1) + torch.diag(torch.ones(16), -1), *pad])
    edges = [int((matrix != 0).sum()) for matrix in pad]
    assert sum(p.numel() for p in model.parameters()) == 1_041_017 + 9 * edges[0] + 5 * edges[1]


def test_default_meshes_have_the_published_sizes():
    model = HGN(hidden_channels=8)
    outputs = model.forward_features(torch.randn(2, 17, 2))
    assert [tuple(y.shape) for y in outputs] == [(2, 17, 3), (2, 48, 3), (2, 96, 3)]
    assert model.graph.sizes == (192, 96, 48)


def test_targets_are_group_means_of_the_skin():
    model = HGN(hidden_channels=8)
    pose = torch.randn(2, 17, 3)
    targets = model.targets(pose)
    vertices = model.skin(pose)
    torch.testing.assert_close(targets.joints, pose)
    torch.testing.assert_close(targets.fine, vertices.view(2, 16, 2, 2, 3, 3).mean(dim=3).flatten(1, 3))
    torch.testing.assert_close(targets.coarse, vertices.view(2, 16, 4, 3, 3).mean(dim=2).flatten(1, 2))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model.targets(pose), targets, msg="autocast does not round them")


def test_padding_nodes_are_free(golden):
    """On an official-like hierarchy the real nodes are picked at their places, in the order of the targets."""
    reference = golden("hgn_coarsen_sphere")
    levels = int(reference["in/levels"])
    graph = MultiScaleGraph.from_mesh(reference["in/faces"], levels)
    model = HGN(hidden_channels=8, graph=graph, levels=(levels - 1, levels - 2)).double()
    targets = model.targets(torch.randn(1, 17, 3, dtype=torch.float64), reference["in/vertices"][None])
    reference.assert_close(targets.fine[0], "out/vertices_fine")
    reference.assert_close(targets.coarse[0], "out/vertices_coarse")
    outputs = HGNOutput(*model.forward_features(torch.randn(1, 17, 2, dtype=torch.float64)))
    exact = [outputs.joints * 0 + targets.joints, *(torch.full_like(mesh, 7.0) for mesh in outputs[1:])]
    exact[1][:, reference["out/perm_inv_5"][: targets.coarse.size(1)]] = targets.coarse
    exact[2][:, reference["out/perm_inv_4"][: targets.fine.size(1)]] = targets.fine
    assert model.loss(HGNOutput(*exact), targets) == 0
    exact[1][:, reference["out/perm_inv_5"][0]] += 1
    assert model.loss(HGNOutput(*exact), targets) > 0


def test_training_loss_trains_every_parameter_and_falls():
    torch.manual_seed(0)
    model = create_model("hgn", hidden_channels=8)
    x, y = torch.randn(16, 3, 17, 2), torch.randn(16, 17, 3) * 0.3
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = model.training_loss(x, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad is not None for p in model.parameters())
    assert losses[-1] < 0.5 * losses[0]
    with torch.autocast("cpu", torch.bfloat16):
        low = model.training_loss(x, y)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, model.training_loss(x, y), rtol=0.1, atol=0)


@pytest.mark.parametrize("fusion", ["sequential", "simultaneous"])
def test_the_joints_alone_can_be_trained(fusion):
    torch.manual_seed(0)
    model = create_model("hgn", hidden_channels=8, mesh_loss=False, fusion=fusion)
    x, y = torch.randn(4, 17, 2), torch.randn(4, 17, 3)
    loss = model.training_loss(x, y, torch.nn.functional.l1_loss)
    torch.testing.assert_close(loss, (model(x) - y).abs().mean())
    loss.backward()
    unused = {name for name, p in model.named_parameters() if p.grad is None}
    assert unused == {name for name, p in model.named_parameters() if not p.requires_grad}
    assert {name.split(".")[0] for name in unused} == {"heads", "mixers"}
    with pytest.raises(SkelgraphError, match="loss is None"):
        model.training_loss(x, y)


def test_lifting_gives_the_joints_of_all_outputs():
    model = create_model("hgn", hidden_channels=8).eval()
    x = torch.randn(2, 17, 2)
    torch.testing.assert_close(model(x), model.forward_features(x).joints)


def test_bad_options_are_named(reference):
    graph = MultiScaleGraph.from_mesh(tube_faces("h36m17"), 2)
    with pytest.raises(SkelgraphError, match="fusion is 'parallel'; expected 'sequential' or 'simultaneous'"):
        HGN(fusion="parallel")
    with pytest.raises(SkelgraphError, match="both given"):
        HGN(graph=graph, adjacency=[torch.eye(17)] * 3)
    with pytest.raises(SkelgraphError, match=r"adjacency has \[16, 16, 16\] nodes"):
        HGN(adjacency=[torch.eye(16)] * 3)
    with pytest.raises(SkelgraphError, match="level is 5"):
        HGN(graph=graph, levels=(5, 4))
    with pytest.raises(SkelgraphError, match="without bones"):
        HGN(Skeleton([-1, -1]))
    pose = torch.zeros(1, 17, 3)
    with pytest.raises(SkelgraphError, match="vertices is None"):
        HGN(hidden_channels=8, graph=graph).targets(pose)
    with pytest.raises(SkelgraphError, match="expected a graph"):
        HGN(hidden_channels=8, adjacency=[torch.eye(17)] * 3).targets(pose)


def test_weights_travel_with_graphs_that_are_plain_lists(reference, tmp_path):
    matrices = [reference[f"in/adj{n}"].tolist() for n in SETS]
    model = load_official("hgn", reference.state_dict(), adjacency=matrices)
    model.save_pretrained(tmp_path)
    x = reference["in/x"].float()
    torch.testing.assert_close(HGN.from_pretrained(tmp_path)(x), model(x))
    with pytest.raises(SkelgraphError, match="cannot be saved"):
        HGN(hidden_channels=8, adjacency=[torch.eye(17)] * 3).save_pretrained(tmp_path / "other")
