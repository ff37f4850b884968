"""The distance of segments against many points on them, and by hand."""

from __future__ import annotations

import pytest
import torch

from skelgraph.geometry import segment_distance


def test_against_a_fine_grid() -> None:
    generator = torch.Generator().manual_seed(0)
    ends = torch.randn(2, 300, 2, 3, generator=generator, dtype=torch.float64)
    ends[1, :50] = ends[0, :50] + torch.tensor([0.3, 0, 0])  # parallel
    ends[1, 50:60, 1] = ends[1, 50:60, 0]  # points
    share = torch.linspace(0, 1, 201, dtype=torch.float64)[:, None]
    points = ends[:, :, None, 0] + share * (ends[:, :, None, 1] - ends[:, :, None, 0])
    nearest = torch.cdist(points[0], points[1]).amin((1, 2))
    found = segment_distance(*ends)
    assert (found <= nearest + 1e-12).all()
    torch.testing.assert_close(found, nearest, atol=0.02, rtol=0)
    torch.testing.assert_close(segment_distance(ends[1], ends[0]), found)


@pytest.mark.parametrize(
    ("second", "distance"),
    [
        ([[0.5, -1, 0.2], [0.5, 1, 0.2]], 0.2),  # crosses above
        ([[2.0, 0, 0], [3, 0, 0]], 1.0),  # in one line
        ([[1.0, 1, 0], [4, 5, 0]], 1.0),  # the ends are nearest
        ([[-3.0, -4, 0], [-3, -4, 0]], 5.0),  # a point
        ([[0.2, 0, 0], [0.7, 0, 0]], 0.0),  # lies on it
    ],
    ids=["crossing", "line", "ends", "point", "overlap"],
)
def test_by_hand(second: list[list[float]], distance: float) -> None:
    first = torch.tensor([[0.0, 0, 0], [1, 0, 0]])
    assert float(segment_distance(first, torch.tensor(second))) == pytest.approx(distance, abs=1e-6)
