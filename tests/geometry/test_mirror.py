from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.geometry import flip_average, mirror


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def swap(num_joints: int, left: list[int], right: list[int]) -> list[int]:
    index = list(range(num_joints))
    for a, b in zip(left, right, strict=True):
        index[a], index[b] = b, a
    return index


@pytest.mark.parametrize("joints", [16, 17])
def test_matches_golden(joints: int, golden: Callable[[str], Any]) -> None:
    g = golden("protocol_flip_tta")
    index = swap(joints, g.meta[f"left{joints}"], g.meta[f"right{joints}"])
    x, y, y_of_flipped = g[f"in/x_{joints}"], g[f"in/y_{joints}"], g[f"in/y_of_flipped_{joints}"]
    g.assert_close(mirror(x, index), f"out/x_flipped_{joints}")
    g.assert_close(mirror(y_of_flipped, index), f"out/y_unflipped_{joints}")

    def network(keypoints: Tensor) -> Tensor:
        return y if torch.equal(keypoints, x) else y_of_flipped

    g.assert_close(flip_average(network, x, index), f"out/y_tta_{joints}")


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), pairs=st.integers(0, 4), coordinates=st.integers(1, 4))
def test_mirror_is_an_involution(seed: int, pairs: int, coordinates: int) -> None:
    torch.manual_seed(seed)
    index = swap(9, list(range(pairs)), list(range(8, 8 - pairs, -1)))
    points = torch.randn(2, 9, coordinates)
    once = mirror(points, index)
    assert torch.equal(mirror(once, torch.tensor(index)), points)
    assert torch.equal(once[..., 0], -points[..., index, 0])
    assert torch.equal(once[..., 1:], points[..., index, 1:])


def test_flip_average_of_a_symmetric_network_is_its_output() -> None:
    index = swap(5, [1, 2], [3, 4])
    keypoints = torch.randn(2, 7, 5, 2)

    def lift(x: Tensor) -> Tensor:
        return torch.cat((2 * x, x.square().sum(-1, keepdim=True)), -1)

    torch.testing.assert_close(flip_average(lift, keypoints, index), lift(keypoints))

    def biased(x: Tensor) -> Tensor:
        return lift(x) + torch.tensor([0.1, 0.0, 0.0])

    torch.testing.assert_close(flip_average(biased, keypoints, index), lift(keypoints))  # the bias in x cancels


def test_mirror_is_differentiable() -> None:
    points = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: mirror(p, [0, 2, 1]), points)


@pytest.mark.parametrize("shape", [(16, 3), (3,)])
def test_wrong_joint_count_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(SkelgraphError, match=r"expected \(\.\.\., 17, D\)"):
        mirror(torch.zeros(shape), tuple(range(17)))
