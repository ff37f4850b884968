"""The partitioned adjacency and its graph convolution."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.nn import PartitionedGraphConv, partitioned_adjacency
from skelgraph.topology import Skeleton, as_skeleton

HAND = Skeleton([-1, 0, 1, 0, 3, 0, 5], symmetric_pairs=[(1, 5), (2, 6)], name="hand7")


def test_adjacency_matches_official_code(golden):
    reference = golden("graph_mlp_adjacency")
    for key, frames in (("out/A_pad1", 1), ("out/A_multi", 3)):
        reference.assert_close(partitioned_adjacency("h36m17", frames, dtype=torch.float64).mT, key)
    three = golden("st_gcn_pad1")  # as float32: the rounding, too, is that of the released networks
    torch.testing.assert_close(partitioned_adjacency("h36m17", 3).mT.double(), three["in/A"], atol=0, rtol=0)


def test_adjacency_equals_its_definition_by_loops():
    frames, joints = 3, HAND.num_joints
    distance = HAND.hop_distance()[0]
    expected = torch.zeros(6, frames * joints, frames * joints)
    for sender in range(frames * joints):
        for receiver in range(frames * joints):
            (t, j), (s, i) = divmod(sender, joints), divmod(receiver, joints)
            same_frame, bone = s == t, (i, j) in HAND.edges or (j, i) in HAND.edges
            kinds = [
                same_frame and i == j,
                same_frame and bone and distance[i] < distance[j],
                same_frame and bone and distance[i] > distance[j],
                same_frame and i != j and HAND.mirror_index[i] == j,
                s == t + 1 and i == j,
                s == t - 1 and i == j,
            ]
            expected[:, receiver, sender] = torch.tensor(kinds, dtype=torch.float32)
    expected /= expected.sum(dim=(0, 2))[:, None]
    torch.testing.assert_close(partitioned_adjacency(HAND, frames), expected)


@pytest.mark.parametrize("layout", ["h36m16", "coco17", "mpii16", Skeleton([-1]), Skeleton([-1, 0, -1, 2, 3])], ids=str)
@pytest.mark.parametrize("frames", [1, 2])
def test_every_edge_is_in_one_slice_and_rows_are_means(layout, frames):
    adjacency = partitioned_adjacency(layout, frames)
    assert ((adjacency > 0).sum(dim=0) <= 1).all()
    torch.testing.assert_close(adjacency.sum(dim=(0, 2)), torch.ones(adjacency.size(1)))
    bones = torch.block_diag(*[as_skeleton(layout).adjacency()] * frames) > 0
    assert ((adjacency.sum(dim=0) > 0) | ~bones).all()


def test_center():
    default = partitioned_adjacency("h36m17")
    torch.testing.assert_close(partitioned_adjacency("h36m17", center="spine"), default)
    torch.testing.assert_close(partitioned_adjacency("h36m17", center=7), default)
    hip = partitioned_adjacency("h36m17", center="hip")
    changed = (hip != default).any(dim=0).nonzero().tolist()
    assert changed == [[0, 7], [7, 0]], "only between hip and spine the centre changes sides"
    two_trees = Skeleton([-1, 0, 1, -1, 3, 4])
    closer = partitioned_adjacency(two_trees, center=5)[1]
    assert closer.nonzero().tolist() == [[1, 0], [1, 2], [4, 3], [5, 4]], "the other tree keeps its own centre"


def test_a_bone_between_mirrored_joints_is_a_mirror_link():
    adjacency = partitioned_adjacency(Skeleton([-1, 0], symmetric_pairs=[(0, 1)]))
    assert adjacency[1:3].abs().max() == 0
    torch.testing.assert_close(adjacency[3], torch.tensor([[0, 0.5], [0.5, 0]]))


@pytest.mark.parametrize("arguments", [{"center": "nose"}, {"center": 17}, {"center": -1}, {"num_frames": 0}])
def test_bad_arguments_are_named(arguments):
    with pytest.raises(SkelgraphError, match=r"nose|center is|num_frames is 0"):
        partitioned_adjacency("h36m17", **arguments)


def test_matches_official_code(golden):
    reference = golden("graph_mlp_gcn")
    weight, bias = reference["sd/conv.weight"], reference["sd/conv.bias"]
    conv = PartitionedGraphConv(32, 35, "h36m17").double()
    conv.load_state_dict({"weight": weight.view(4, 35, 32).mT, "bias": bias.view(4, 35)})
    x = reference["in/x"].requires_grad_()
    y = conv(x.squeeze(2).mT).mT.unsqueeze(2)
    (y * reference["in/g"]).sum().backward()
    reference.assert_close(y, "out/y")
    reference.assert_close(x.grad, "grad/x")


@pytest.mark.parametrize("frames", [1, 3])
def test_equals_equation_by_loops(frames):
    torch.manual_seed(0)
    conv = PartitionedGraphConv(3, 5, HAND, num_frames=frames).double()
    adjacency = partitioned_adjacency(HAND, frames).double()
    nodes = frames * HAND.num_joints
    x = torch.randn(2, nodes, 3, dtype=torch.float64)
    expected = torch.zeros(2, nodes, 5, dtype=torch.float64)
    for b in range(2):
        for k in range(len(adjacency)):
            for i in range(nodes):
                for j in range(nodes):
                    expected[b, i] += adjacency[k, i, j] * (x[b, j] @ conv.weight[k] + conv.bias[k])
    torch.testing.assert_close(conv(x), expected)


def test_several_frames_are_one_graph():
    conv = PartitionedGraphConv(3, 5, HAND, num_frames=3)
    x = torch.randn(2, 21, 3)
    torch.testing.assert_close(conv(x.flatten(0, 1)), conv(x).flatten(0, 1))
    moved = x.clone()
    moved[:, 14:] += 1  # the last frame reaches the middle one, not the first
    assert torch.equal(conv(moved)[:, :7], conv(x)[:, :7])
    assert not torch.isclose(conv(moved)[:, 7:14], conv(x)[:, 7:14]).any(dim=-1).any()
    assert "num_frames=3" in repr(conv)
    with pytest.raises(ValueError, match=r"\(\.\.\., 21, 3\)"):
        conv(torch.randn(2, 7, 3))


def test_initialisation_is_that_of_a_1x1_convolution():
    torch.manual_seed(0)
    conv, published = PartitionedGraphConv(64, 128, "h36m17"), torch.nn.Conv2d(64, 4 * 128, 1)
    for ours, theirs in ((conv.weight, published.weight), (conv.bias, published.bias)):
        torch.testing.assert_close(ours.abs().max(), theirs.abs().max(), rtol=0.02, atol=0)
        torch.testing.assert_close(ours.std(), theirs.std(), rtol=0.1, atol=0)
