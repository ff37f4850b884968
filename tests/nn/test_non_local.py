"""The non-local blocks."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import TopologyError
from skelgraph.models.state_dicts import OfficialLayout, join_non_local
from skelgraph.nn import EmbeddedGaussianNonLocal, GroupedNonLocal, joint_pairs
from skelgraph.topology import Skeleton, as_graph, as_skeleton

PUBLISHED = [[2, 3], [5, 6], [1, 4], [0, 7], [8, 9], [14, 15], [11, 12], [10, 13]]


def test_pairs_on_16_joints_are_the_published_ones():
    pairs = joint_pairs("h36m16")
    assert {frozenset(p) for p in pairs} == {frozenset(p) for p in PUBLISHED}


@pytest.mark.parametrize("layout", ["h36m17", "coco17", Skeleton([-1, 0, 0]), Skeleton([-1])], ids=str)
def test_pairs_cover_any_skeleton(layout):
    pairs = joint_pairs(as_skeleton(layout))
    assert sorted(j for pair in pairs for j in pair) == list(range(as_skeleton(layout).num_joints))
    assert sum(len(pair) == 1 for pair in pairs) <= 1 or as_skeleton(layout).name == "coco17"


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


def test_single_nodes_of_a_graph_match_official_code(golden):
    """The block of HGN, over all nodes."""
    reference = golden("hgn_nonlocal")
    keys = ((r"^W\.0\.", "out."), (r"^W\.1\.", "norm."))
    state = OfficialLayout(options=lambda s: {}, keys=keys, convert=join_non_local).translate(reference.state_dict())
    x = reference["in/x"].requires_grad_()
    block = GroupedNonLocal(16, as_graph("h36m17"))
    block.load_state_dict(state)
    y = block.double().eval()(x.mT).mT
    (y * reference["in/g"]).sum().backward()
    reference.assert_close(y, "out/y")
    reference.assert_close(x.grad, "grad/x")
    named = GroupedNonLocal(16, "h36m17", [[joint] for joint in reversed(range(17))]).double().eval()
    named.load_state_dict(block.state_dict())
    torch.testing.assert_close(named(x.mT).mT, y, msg="in which order the groups come is no matter")


def test_embedded_gaussian_equals_equation_by_loops():
    torch.manual_seed(0)
    block = EmbeddedGaussianNonLocal(4, inner_channels=3).double().eval()
    torch.nn.init.normal_(block.norm.weight)
    x = torch.randn(2, 5, 4, dtype=torch.float64)
    theta, phi, g = block.theta_phi_g(x).chunk(3, dim=-1)
    y = torch.zeros(2, 5, 3, dtype=torch.float64)
    for b in range(2):
        for i in range(5):
            scores = torch.stack([(theta[b, i] * phi[b, j]).sum() for j in range(5)]).exp()
            for j in range(5):
                y[b, i] += scores[j] / scores.sum() * g[b, j]
    torch.testing.assert_close(block(x), block.norm(block.out(y)) + x)
    torch.testing.assert_close(block(x[0]), block(x)[0])


def test_embedded_gaussian_matches_official_code(golden):
    """The released block attends over all (frame, joint) positions of ``(B, C, T, J)``."""
    reference = golden("st_gcn_nonlocal")
    keys = ((r"^W\.0\.", "out."), (r"^W\.1\.", "norm."))
    state = OfficialLayout(options=lambda s: {}, keys=keys, convert=join_non_local).translate(reference.state_dict())
    block = EmbeddedGaussianNonLocal(24)
    block.load_state_dict(state)
    x = reference["in/x"].requires_grad_()
    channels, frames, joints = x.shape[1:]
    y = block.double().eval()(x.flatten(2).mT).mT.view(-1, channels, frames, joints)
    (y * reference["in/g"]).sum().backward()
    reference.assert_close(y, "out/y")
    reference.assert_close(x.grad, "grad/x")


@pytest.mark.parametrize("training", [True, False])
def test_embedded_gaussian_gradients(training):
    """Also of the normalisation, whose two-dimensional kernel in the released form is wrong on some CPU builds."""
    torch.manual_seed(0)
    block = EmbeddedGaussianNonLocal(4).double().train(training)
    torch.nn.init.normal_(block.norm.weight)
    parameters = dict(block.named_parameters())
    x = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)

    def function(x, *values):
        return torch.func.functional_call(block, dict(zip(parameters, values, strict=True)), (x.mT,))

    assert torch.autograd.gradcheck(function, (x, *parameters.values()))


def test_embedded_gaussian_starts_as_identity_and_needs_channels():
    x = torch.randn(3, 17, 8)
    torch.testing.assert_close(EmbeddedGaussianNonLocal(8)(x), x)
    assert EmbeddedGaussianNonLocal(8).eval()(x[:0]).shape == (0, 17, 8)
    with pytest.raises(ValueError, match="leaves no inner channel"):
        EmbeddedGaussianNonLocal(1)
