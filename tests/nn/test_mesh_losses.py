"""Losses on meshes."""

from __future__ import annotations

import math

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.nn import TubeSkin, edge_length_loss, laplacian_loss, multi_scale_mse, normal_loss
from skelgraph.topology import mesh_graph


@pytest.fixture(name="body")
def _body():
    torch.manual_seed(0)
    skin = TubeSkin("h36m17", rings=2).double()
    target = skin(torch.randn(2, 17, 3, dtype=torch.float64))
    return target + 0.1 * torch.randn_like(target), target, skin.faces, mesh_graph(skin.faces).edge_index


def test_multi_scale_mse_is_the_published_sum():
    torch.manual_seed(0)
    predictions = [torch.randn(2, n, 3) for n in (17, 48, 96)]
    targets = [torch.randn(2, n, 3) for n in (17, 48, 96)]
    errors = [((p - t) ** 2).mean() for p, t in zip(predictions, targets, strict=True)]
    torch.testing.assert_close(multi_scale_mse(predictions, targets), 100 * errors[0] + errors[1] + errors[2])
    torch.testing.assert_close(multi_scale_mse(predictions[:1], targets[:1], weights=[2]), 2 * errors[0])
    with pytest.raises(SkelgraphError, match="do not fit"):
        multi_scale_mse(predictions, targets[:2])
    with pytest.raises(SkelgraphError, match="do not fit"):
        multi_scale_mse(predictions, [t[:1] for t in targets])


def test_edge_length_loss_by_loops(body):
    prediction, target, faces, edge_index = body
    lengths = [
        abs(
            math.dist(prediction[b, i].tolist(), prediction[b, j].tolist())
            - math.dist(target[b, i].tolist(), target[b, j].tolist())
        )
        for b in range(2)
        for face in faces.tolist()
        for i, j in ((face[0], face[1]), (face[0], face[2]), (face[1], face[2]))
    ]
    assert edge_length_loss(prediction, target, edge_index).item() == pytest.approx(sum(lengths) / len(lengths))


def test_normal_loss_by_loops(body):
    prediction, target, faces, _ = body
    cosines = []
    for b in range(2):
        for i, j, k in faces.tolist():
            normal = torch.linalg.cross(target[b, j] - target[b, i], target[b, k] - target[b, i])
            for p, q in ((i, j), (i, k), (j, k)):
                side = prediction[b, q] - prediction[b, p]
                cosines.append(abs((side @ normal) / (side.norm() * normal.norm())).item())
    assert normal_loss(prediction, target, faces).item() == pytest.approx(sum(cosines) / len(cosines))


def test_laplacian_loss_by_loops(body):
    prediction, target, _, edge_index = body
    for reference in (None, target):
        points = prediction if reference is None else prediction - target
        squares = []
        for b in range(2):
            for vertex in range(points.size(1)):
                neighbours = edge_index[0][edge_index[1] == vertex]
                squares.append((points[b, vertex] - points[b, neighbours].mean(dim=0)).square().sum().item())
        loss = laplacian_loss(prediction, edge_index, reference)
        assert loss.item() == pytest.approx(sum(squares) / len(squares))


def test_zero_at_the_target_and_finite_gradients(body):
    _, target, faces, edge_index = body
    assert edge_length_loss(target, target, edge_index) == 0
    assert normal_loss(target, target, faces) < 1e-12
    assert laplacian_loss(target, edge_index, target) == 0
    moved = target + 3
    assert edge_length_loss(moved, target, edge_index) < 1e-12, "blind to a shift"
    assert laplacian_loss(moved, edge_index, target) < 1e-24, "blind to a shift"
    for points in (target.clone(), torch.zeros_like(target)):
        points.requires_grad_()
        loss = edge_length_loss(points, target, edge_index) + normal_loss(points, target, faces)
        (loss + laplacian_loss(points, edge_index)).backward()
        assert points.grad.isfinite().all()


def test_gradients(body):
    prediction, target, faces, edge_index = body
    points = prediction[:1, :].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: edge_length_loss(x, target[:1], edge_index), points)
    assert torch.autograd.gradcheck(lambda x: normal_loss(x, target[:1], faces), points)
    assert torch.autograd.gradcheck(lambda x: laplacian_loss(x, edge_index, target[:1]), points)


def test_a_vertex_without_edges_adds_nothing():
    points = torch.tensor([[0.0, 0, 0], [2, 0, 0], [9, 9, 9]])
    assert laplacian_loss(points, torch.tensor([[0, 1], [1, 0]])).item() == pytest.approx(8 / 3)
