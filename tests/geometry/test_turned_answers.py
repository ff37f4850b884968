"""Answers to rolled and mirrored input, brought back: a network that knows all says the same to all of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from skelgraph.errors import SkelgraphError
from skelgraph.geometry import flip_average, mirror, turned_answers, window_rays
from skelgraph.topology import as_skeleton

MIRROR = as_skeleton("h36m17").mirror_index
ANGLES = (0.0, 0.4, -0.3, math.pi)


def rays(frames: int = 3, batch: int = 5) -> Tensor:
    """People at the edge of a wide picture, who move in it."""
    torch.manual_seed(0)
    points = torch.tensor([1.1, -0.8]) + 0.4 * torch.rand(batch, frames, 17, 2, dtype=torch.float64)
    camera = torch.tensor([1.2, 1.3, 0.1, -0.1], dtype=torch.float64).expand(batch, 4)
    return window_rays(points, camera)[0]


def directions(x: Tensor) -> Tensor:
    """A network that any rotation of the camera turns along: each joint at distance 1, in its own direction."""
    points = normalize(pad(x[..., :2] * x[..., 2:3].exp(), (0, 1), value=1.0), dim=-1)
    centre = points[..., points.size(-3) // 2, :, :]
    return centre - centre[..., :1, :]


def test_an_equivariant_network_has_no_spread() -> None:
    x = rays()
    answers = turned_answers(directions, x, ANGLES, MIRROR)
    assert answers.shape == (8, 5, 17, 3)
    assert directions(x).norm(dim=-1).max() > 0.1
    torch.testing.assert_close(answers, directions(x).expand(8, -1, -1, -1), atol=1e-12, rtol=0)

    def leaning(x: Tensor) -> Tensor:  # and one that is not
        return directions(x) + torch.tensor([0.0, 0.1, 0.0], dtype=x.dtype) * x[..., 0, :, :1]

    assert turned_answers(leaning, x, ANGLES, MIRROR).std(0).max() > 0.05


def test_what_the_network_is_given_is_what_it_was_trained_on() -> None:
    """Boxes of half side 1, whatever the roll; the confidence is handed on and changes sides."""
    x, given = torch.cat((rays(), torch.rand(5, 3, 17, 1, dtype=torch.float64)), -1), []

    def network(x: Tensor) -> Tensor:
        given.append(x)
        return directions(x)

    turned_answers(network, x, ANGLES, MIRROR)
    assert len(given) == 8
    assert torch.equal(given[0], x)
    assert torch.equal(given[4], mirror(x, MIRROR))
    for seen in given:
        centre = seen[:, 1, :, :2]
        torch.testing.assert_close((centre.amax(1) - centre.amin(1)).amax(-1), torch.full((5,), 2.0).double())
    torch.testing.assert_close(given[1][..., 3], x[..., 3])
    torch.testing.assert_close(given[5][..., 3], x[..., MIRROR, 3])


def test_angle_zero_and_the_mirror_image_are_the_two_answers_of_a_flip() -> None:
    weight = torch.randn(3, 3, dtype=torch.float64)

    def network(x: Tensor) -> Tensor:
        return (x[:, 1] @ weight).tanh()

    x = rays()
    both = turned_answers(network, x, (0.0,), MIRROR)
    torch.testing.assert_close(both.mean(0), flip_average(network, x, MIRROR))
    assert turned_answers(network, x, (0.0, 1.0)).shape == (2, 5, 17, 3)
    assert turned_answers(network, x[:0], (0.0, 1.0), MIRROR).shape == (4, 0, 17, 3)


def test_what_is_none_is_refused() -> None:
    for x, angles in ((torch.zeros(2, 17, 2), (0.0,)), (torch.zeros(17, 3), (0.0,)), (rays(), ())):
        with pytest.raises(SkelgraphError, match="expected"):
            turned_answers(directions, x, angles)
