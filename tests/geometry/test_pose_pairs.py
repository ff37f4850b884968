"""Checks of pairs of poses and of their masks."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.geometry.pose_pairs import check_pose_pair, check_visible, zero_unknown


@pytest.mark.parametrize("shapes", [((2, 3), (3, 3)), ((3,), (3,)), ((4, 2), (4, 2)), ((1, 5, 3), (5, 3))])
def test_a_pair_of_other_shapes_is_named(shapes):
    first, second = map(torch.zeros, shapes)
    with pytest.raises(SkelgraphError) as error:
        check_pose_pair(first, second, ("source", "target"))
    assert f"source has shape {shapes[0]} and target {shapes[1]}" in str(error.value)


@pytest.mark.parametrize(
    "mask", [torch.ones(2, 5), torch.ones(2, 3, dtype=torch.bool), torch.ones(5, dtype=torch.bool)]
)
def test_a_mask_of_another_shape_or_type_is_refused(mask):
    with pytest.raises(SkelgraphError, match=r"visible is .* expected torch.bool of shape \(2, 5\)"):
        check_visible(mask, torch.zeros(2, 5, 3))


def test_unknown_joints_are_zero_in_both_poses_and_send_no_gradient():
    pred = torch.randn(2, 5, 3, requires_grad=True)
    target = torch.randn(2, 5, 3)
    target[0, 1] = torch.nan
    target[1, 4, 2] = torch.inf
    visible = target.isfinite().all(-1)
    zeroed, known = zero_unknown(visible, pred, target)
    for pose, given in ((zeroed, pred), (known, target)):
        assert torch.equal(pose[visible], given[visible])
        assert not pose[~visible].any()
    (zeroed - known).square().sum().backward()
    assert pred.grad.isfinite().all()
    assert torch.equal(pred.grad.any(-1), visible)
