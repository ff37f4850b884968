"""Arguments of a topology as tensors."""

from __future__ import annotations

import torch

from skelgraph.topology.arrays import pad_groups


def test_padding_changes_no_maximum_over_a_group():
    groups = [[3], (5, 0, 1), [2, 4]]
    index = pad_groups(groups)
    values = -torch.arange(1.0, 7)  # all negative: padding by zeros, or by another joint, would show
    assert index.dtype == torch.int64
    assert index.tolist() == [[3, 3, 3], [5, 0, 1], [2, 4, 2]]
    assert values[index].amax(1).tolist() == [max(values[list(group)].tolist()) for group in groups]


def test_padding_is_on_the_cpu_whatever_the_default_device():
    with torch.device("meta"):
        assert pad_groups([[0, 1], [2]]).tolist() == [[0, 1], [2, 2]]
