"""How large poses are."""

import math

import torch

from skelgraph.geometry import beside_a_body, pose_sizes


def test_the_longest_side_of_what_is_known() -> None:
    poses = torch.tensor([[[0.0, 0, 0], [1, 3, 2], [9, 0, 0]], [[0, 0, 0], [1, 0, 0], [0, 0, torch.nan]]])
    assert pose_sizes(poses).tolist() == [9, 1]
    visible = torch.tensor([[True, True, False], [True, False, False]])
    sizes = pose_sizes(poses, visible)
    assert sizes[0] == 3
    assert sizes[1].isnan()


def test_what_is_smaller_than_a_body() -> None:
    assert beside_a_body(torch.tensor([0.17, 0.17, math.nan, 3.0])).item() == torch.tensor(0.1).item()
    for sizes in ([0.41, 0.5], [math.nan], [], [0.2, 0.6, 1.0]):  # few poses are of a curled-up body
        assert beside_a_body(torch.tensor(sizes)) == 1
