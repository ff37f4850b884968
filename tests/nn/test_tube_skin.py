"""The surface around a pose."""

from __future__ import annotations

import copy
import doctest
import math

import pytest
import roma
import torch
from bodies import BODIES

from skelgraph.geometry import mirror
from skelgraph.nn import TubeSkin, tube_skin
from skelgraph.topology import Skeleton, as_skeleton

HAND = Skeleton([-1, 0, 1, 0, 3, 0, 5], name="hand7")


def random_pose(layout, batch=3):
    torch.manual_seed(0)
    return torch.randn(batch, as_skeleton(layout).num_joints, 3, dtype=torch.float64)


@pytest.mark.parametrize("rings", [2, 4])
def test_rings_lie_around_the_bones(rings):
    skin = TubeSkin("h36m17", rings, thickness=0.1).double()
    pose = random_pose("h36m17")
    vertices = skin(pose).view(3, 16, rings, 3, 3)
    for bone, (parent, child) in enumerate(skin.skeleton.edges):
        vector = pose[:, child] - pose[:, parent]
        length = vector.norm(dim=-1)
        for ring in range(rings):
            centre = pose[:, parent] + (ring + 0.5) / rings * vector
            corners = vertices[:, bone, ring]
            torch.testing.assert_close(corners.mean(dim=1), centre)
            spokes = corners - centre[:, None]
            torch.testing.assert_close(spokes.norm(dim=-1), 0.1 * length[:, None].expand(3, 3))
            torch.testing.assert_close((spokes * vector[:, None]).sum(dim=-1), torch.zeros(3, 3, dtype=torch.float64))
            area = torch.linalg.cross(spokes[:, 0], spokes[:, 1])
            assert (area * vector).sum(dim=-1).gt(0).all(), "anticlockwise around the bone"
            sides = (spokes - spokes.roll(1, dims=1)).norm(dim=-1)
            torch.testing.assert_close(sides, 0.1 * math.sqrt(3) * length[:, None].expand(3, 3))


def test_triangles_look_outward():
    """The volume inside a tube is positive."""
    skin = TubeSkin(Skeleton([-1, 0])).double()
    a, b, c = skin(random_pose(skin.skeleton)).unsqueeze(-3)[:, 0, skin.faces].unbind(dim=-2)
    assert ((a * torch.linalg.cross(b, c)).sum(dim=-1).sum(dim=-1) > 0).all()


@pytest.mark.parametrize("name", BODIES)
def test_the_surface_moves_turns_and_grows_with_the_body(name):
    skin, pose = TubeSkin(name).double(), random_pose(name)
    rotation = roma.random_rotmat(dtype=torch.float64)
    moved = skin(2 * pose @ rotation.t() + 5)
    torch.testing.assert_close(moved, 2 * skin(pose) @ rotation.t() + 5)


def test_the_surface_is_mirrored_with_the_body():
    skin, pose = TubeSkin("h36m17").double(), random_pose("h36m17")
    mirrored = skin(mirror(pose, skin.skeleton.mirror_index)).view(3, 16, 4, 3, 3)
    bone_to = {child: bone for bone, (_, child) in enumerate(skin.skeleton.edges)}
    other = [bone_to[skin.skeleton.mirror_index[child]] for _, child in skin.skeleton.edges]
    expected = skin(pose).view(3, 16, 4, 3, 3)[:, other][:, :, :, [0, 2, 1]] * torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(mirrored, expected)


def test_side_0_of_the_spine_lies_to_the_front():
    layout = as_skeleton("h36m17")
    pose = torch.zeros(17, 3)  # axes of a camera that the body faces: x right, y down, z away from the camera
    pose[list(layout.left), 0], pose[list(layout.right), 0] = 0.2, -0.2
    pose[layout.index("spine"), 1] = -0.3
    bone = layout.edges.index((0, layout.index("spine")))
    spoke = TubeSkin(layout)(pose).view(16, 4, 3, 3)[bone, 0, 0] - torch.tensor([0, -0.3 / 8, 0])
    torch.testing.assert_close(spoke, torch.tensor([0, 0, -0.06]))


@pytest.mark.parametrize("layout", ["h36m17", HAND, Skeleton([1, -1, 1, -1])], ids=str)
def test_gradients_and_leading_dimensions(layout):
    skin, pose = TubeSkin(layout).double(), random_pose(layout)
    assert torch.autograd.gradcheck(skin, pose[:1].requires_grad_())
    torch.testing.assert_close(skin(pose[0]), skin(pose)[0])
    assert skin(pose[:0]).shape == (0, 12 * len(skin.skeleton.edges), 3)


def test_a_straight_limb_is_not_twisted():
    skin = TubeSkin(HAND).double()
    pose = random_pose(HAND)
    pose[:, 2] = 2 * pose[:, 1] - pose[:, 0]
    spokes = skin(pose).view(3, 6, 4, 3, 3)
    first, second = (spokes[:, bone] - spokes[:, bone].mean(dim=-2, keepdim=True) for bone in (0, 1))
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize("kind", ["collapsed", "collinear", "folded"])
def test_degenerate_poses_give_finite_surfaces_and_gradients(kind):
    layout = as_skeleton("h36m17")
    pose = torch.zeros(1, 17, 3)
    if kind == "collinear":
        pose[..., 1] = torch.arange(17.0)
    if kind == "folded":
        pose[:, 1::2] = torch.tensor([0.0, 1, 0])
    pose.requires_grad_()
    vertices = TubeSkin(layout)(pose)
    vertices.sum().backward()
    assert vertices.isfinite().all()
    assert pose.grad.isfinite().all()


def test_modules_habits():
    skin = TubeSkin("h36m17")
    assert not skin.state_dict()
    assert repr(skin) == "TubeSkin(h36m17, rings=4, thickness=0.2)"
    pose = torch.randn(2, 17, 3)
    torch.testing.assert_close(copy.deepcopy(skin)(pose), skin(pose))
    torch.testing.assert_close(torch.compile(skin, fullgraph=True, backend="aot_eager")(pose), skin(pose))
    torch._dynamo.reset()
    assert skin.to("meta")(pose.to("meta")).shape == (2, 192, 3)
    assert doctest.testmod(tube_skin, extraglobs={"torch": torch}).attempted > 0
