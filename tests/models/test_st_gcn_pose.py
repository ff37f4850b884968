"""What the local-to-global network does beyond the contract of every model."""

from __future__ import annotations

import pytest
import torch

from skelgraph.models import STGCNPose, load_official
from skelgraph.nn import partitioned_adjacency
from skelgraph.topology import as_skeleton, body_parts, part_skeleton

PUBLISHED_PARTS = [[11, 12, 13], [14, 15, 16], [4, 5, 6], [1, 2, 3], [0, 7, 8, 9, 10]]


@pytest.mark.parametrize(("pad", "frames"), [(0, 1), (1, 3)])
def test_graph_of_parts_is_the_released_one(pad, frames, golden):
    layout = as_skeleton("h36m17")
    assert sorted(body_parts(layout)) == sorted(PUBLISHED_PARTS)
    graph = partitioned_adjacency(part_skeleton(layout, PUBLISHED_PARTS), frames)
    torch.testing.assert_close(graph.mT.double(), golden(f"st_gcn_pad{pad}")["in/A_pool"], atol=0, rtol=0)


@pytest.mark.parametrize("pad", [0, 1])
def test_forward_is_the_centre_frame(pad, golden):
    reference = golden(f"st_gcn_pad{pad}")
    model = load_official("st_gcn_pose", reference.state_dict()).double()
    assert model.num_frames == 2 * pad + 1
    y = model(reference["in/x"].squeeze(-1).permute(0, 2, 3, 1))
    reference.assert_close(y.mT.view(reference["out/y"].shape), "out/y")


def test_weights_of_several_frames_fit_any_number(golden):
    state = golden("st_gcn_pad1").state_dict()
    five = load_official("st_gcn_pose", state, num_frames=5)
    clip = torch.randn(2, 5, 17, 2)
    assert five.forward_sequence(clip).shape == (2, 5, 17, 3)
    torch.testing.assert_close(five(clip), five.forward_sequence(clip)[:, 2])
    torch.testing.assert_close(five(torch.cat([clip[:, :1], clip, clip[:, -1:]], dim=1)), five(clip))


def test_input_normalisation_has_the_released_epsilon():
    assert STGCNPose(hidden_channels=(4,), part_channels=4, fused_channels=4).input_norm.eps == 0.1
