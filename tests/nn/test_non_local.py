"""The grouped non-local block."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import TopologyError
from skelgraph.nn import GroupedNonLocal, joint_pairs
from skelgraph.topology import Skeleton, skeleton

PUBLISHED = [[2, 3], [5, 6], [1, 4], [0, 7], [8, 9], [14, 15], [11, 12], [10, 13]]


def test_pairs_on_16_joints_are_the_published_ones():
    pairs = joint_pairs(skeleton("h36m16"))
    assert {frozenset(p) for p in pairs} == {frozenset(p) for p in PUBLISHED}


@pytest.mark.parametrize("layout", ["h36m17", "coco17", Skeleton([-1, 0, 0]), Skeleton([-1])], ids=str)
def test_pairs_cover_any_skeleton(layout):
    pairs = joint_pairs(skeleton(layout))
    assert sorted(j for pair in pairs for j in pair) == list(range(skeleton(layout).num_joints))
    assert sum(len(pair) == 1 for pair in pairs) <= 1 or skeleton(layout).name == "coco17"


def test_equals_equation_by_loops():
    torch.manual_seed(0)
    groups = [[0, 2], [1], [3, 4, 5]]
    block = GroupedNonLocal(4, Skeleton([-1, 0, 1, 2, 3, 4]), groups).double().eval()
    torch.nn.init.normal_(block.norm.weight)
    x = torch.randn(2, 6, 4, dtype=torch.float64)
    theta, phi, g = block.theta_phi_g(x).chunk(3, dim=-1)
    y = torch.zeros(2, 6, 2, dtype=torch.float64)
    for b in range(2):
        for i in range(6):
            for group in groups:
                phi_p = torch.stack([phi[b, j] for j in group]).amax(0)
                g_p = torch.stack([g[b, j] for j in group]).amax(0)
                y[b, i] += torch.relu(block.score[0] @ theta[b, i] + block.score[1] @ phi_p) * g_p / 3
    torch.testing.assert_close(block(x), block.norm(block.out(y)) + x)


def test_starts_as_identity():
    x = torch.randn(3, 17, 8)
    torch.testing.assert_close(GroupedNonLocal(8, "h36m17")(x), x)


@pytest.mark.parametrize("groups", [[[0, 1]], [[0, 1], [1, 2]], [[0, 1], [2, 3]]])
def test_groups_must_cover_every_joint_once(groups):
    with pytest.raises(TopologyError, match="exactly once"):
        GroupedNonLocal(8, Skeleton([-1, 0, 1]), groups)
