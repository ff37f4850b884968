"""Terms of a loss that know the skeleton: against the published lists of bones and weights, and numbers by hand."""

from __future__ import annotations

import math

import pytest
import torch
from bodies import BODIES
from torch import Tensor

from skelgraph.errors import SkelgraphError, TopologyError
from skelgraph.nn import smoothness_loss, smoothness_weights, symmetric_bones, symmetry_loss
from skelgraph.topology import Skeleton, as_skeleton

# the bones of the released symmetry terms, by their joints
LEFT = {
    "h36m17": [(0, 4), (4, 5), (5, 6), (8, 11), (11, 12), (12, 13)],
    "h36m16": [(0, 4), (4, 5), (5, 6), (8, 10), (10, 11), (11, 12)],
}
RIGHT = {
    "h36m17": [(0, 1), (1, 2), (2, 3), (8, 14), (14, 15), (15, 16)],
    "h36m16": [(0, 1), (1, 2), (2, 3), (8, 13), (13, 14), (14, 15)],
}


@pytest.mark.parametrize("layout", LEFT)
def test_the_published_pairs_of_bones(layout: str) -> None:
    found = {tuple(tuple(bone) for bone in pair) for pair in symmetric_bones(layout).tolist()}
    assert found == set(zip(LEFT[layout], RIGHT[layout], strict=True))


@pytest.mark.parametrize("layout", BODIES)
def test_every_bone_with_a_mirror_image_is_in_one_pair(layout: str) -> None:
    skeleton = as_skeleton(layout)
    mirror = skeleton.mirror_index
    bones = symmetric_bones(skeleton)
    found = [frozenset(bone) for bone in bones.flatten(0, 1).tolist()]
    sided = [frozenset(edge) for edge in skeleton.edges if {mirror[joint] for joint in edge} != set(edge)]
    assert len(found) == len(set(found))
    assert set(found) == set(sided)
    assert all(set(left) & set(skeleton.left) for left, _ in bones.tolist())
    assert all([mirror[joint] for joint in left] == right for left, right in bones.tolist())


def test_a_bone_between_left_and_right_is_no_pair() -> None:
    ring = Skeleton([-1, 0, 0, 1], symmetric_pairs=[(0, 1), (2, 3)])  # the roots of two limbs, joined
    assert symmetric_bones(ring).tolist() == [[[0, 2], [1, 3]]]


def test_skeletons_without_pairs() -> None:
    with pytest.raises(TopologyError, match="does not say which joints are left and right"):
        symmetric_bones(Skeleton([-1, 0, 0]))
    with pytest.raises(TopologyError, match=r"hand21.* has no bone with a mirror image"):
        symmetric_bones("hand21")


def moved(joint: int, by: float, poses: int = 2) -> Tensor:
    pose = torch.zeros(poses, 17, 3, dtype=torch.float64)
    pose[0, joint, 1] = by
    return pose


def test_symmetry_is_signed_and_summed_over_bones() -> None:
    """One of two poses has a forearm of 0.3 m, all other bones are points."""
    bones = symmetric_bones("h36m17")
    assert symmetry_loss(moved(13, 0.3), bones).item() == pytest.approx(0.15)
    assert symmetry_loss(moved(16, 0.3), bones).item() == pytest.approx(-0.15)
    assert symmetry_loss(moved(11, 0.3), bones).item() == pytest.approx(0.30)  # collar and upper arm
    assert symmetry_loss(moved(8, 0.3), bones).item() == 0  # both collars


@pytest.mark.parametrize("layout", LEFT)
def test_symmetry_as_released(layout: str) -> None:
    torch.manual_seed(0)
    pose = torch.randn(4, 3, as_skeleton(layout).num_joints, 3, dtype=torch.float64)
    expected = 0.0
    for (i, j), (k, m) in zip(LEFT[layout], RIGHT[layout], strict=True):
        left, right = (pose[..., a, :] - pose[..., b, :] for a, b in ((i, j), (k, m)))
        expected += float((left.norm(dim=-1) - right.norm(dim=-1)).mean())
    assert expected != 0
    assert symmetry_loss(pose, symmetric_bones(layout)).item() == pytest.approx(expected)


def test_symmetry_of_what_is_known() -> None:
    """A pair counts where its four joints do, in its own mean; a pair that never does adds nothing."""
    bones = symmetric_bones("h36m17")
    pose = moved(13, 0.3, poses=3) + moved(6, 0.5, poses=3)
    visible = torch.ones(3, 17, dtype=torch.bool)
    assert symmetry_loss(pose, bones, visible).item() == pytest.approx(0.8 / 3)
    visible[1, 16] = False  # of the second pose, on the other side: its pair of forearms has no part
    assert symmetry_loss(pose, bones, visible).item() == pytest.approx(0.3 / 2 + 0.5 / 3)
    visible[:, 12] = False
    assert symmetry_loss(pose, bones, visible).item() == pytest.approx(0.5 / 3)
    assert symmetry_loss(pose, bones, torch.zeros_like(visible)).item() == 0


def test_the_published_weights() -> None:
    expected = [4.0] * 17
    for joint in (2, 5, 12, 15):
        expected[joint] = 2.5
    for joint in (3, 6, 13, 16):
        expected[joint] = 1.0
    assert smoothness_weights("h36m17").tolist() == expected


def test_weights_of_other_skeletons() -> None:
    def named(layout: str) -> dict[str, float]:
        skeleton = as_skeleton(layout)
        return dict(zip(skeleton.joint_names, smoothness_weights(skeleton).tolist(), strict=True))

    halpe, bvh = named("halpe26"), named("cmu_bvh")
    assert (halpe["left_hip"], halpe["left_knee"], halpe["left_ankle"], halpe["left_small_toe"]) == (4, 2.5, 1, 1)
    for side in ("left", "right"):
        arm = ("shoulder", "arm", "fore_arm", "hand", "thumb")
        assert [bvh[f"{side}_{joint}"] for joint in arm] == [4, 4, 2.5, 1, 1]
        assert [bvh[f"{side}_{joint}"] for joint in ("up_leg", "leg", "foot", "toe_base")] == [4, 2.5, 1, 1]
    assert smoothness_weights("hand21").tolist() == [4.0] * 21
    names = ["Hips", "LeftUpperLeg", "LShin", "LFoot", "upperarm.r", "lowerarm.r", "hand.r", "Knee_L", "LegJoint"]
    other = Skeleton([-1, 0, 1, 2, 0, 4, 5, 0, 0], joint_names=names)
    assert smoothness_weights(other).tolist() == [4, 4, 2.5, 1, 4, 2.5, 1, 2.5, 2.5]


@pytest.mark.parametrize("layout", BODIES)
def test_every_body_has_elbows_and_knees(layout: str) -> None:
    weights = smoothness_weights(layout).tolist()
    assert weights.count(2.5) == 4
    assert weights.count(1.0) >= 4


def test_smoothness_by_hand() -> None:
    """Wrist, elbow and head move by 0.1, 0.1 and 0.2 m: (0.01 + 2.5^2 0.01 + 4^2 0.04) / (17 * 3)."""
    pose = torch.zeros(1, 2, 17, 3, dtype=torch.float64)
    pose[0, 1, 13, 0], pose[0, 1, 12, 1], pose[0, 1, 10, 2] = 0.1, 0.1, -0.2
    weights = smoothness_weights("h36m17")
    assert smoothness_loss(pose, weights).item() == pytest.approx(0.7125 / 51)
    still = torch.cat((pose, pose[:, 1:]), 1)
    assert smoothness_loss(still, weights).item() == pytest.approx(0.7125 / 102)
    assert smoothness_loss(pose + 7, weights).item() == pytest.approx(0.7125 / 51)
    visible = torch.ones(1, 2, 17, dtype=torch.bool)
    visible[0, 0, 10] = visible[0, 1, 3] = False  # at either end of a step
    assert smoothness_loss(pose, weights, visible).item() == pytest.approx(0.0725 / 45)
    assert not math.isnan(smoothness_loss(pose, weights, torch.zeros_like(visible)).item())


@pytest.mark.parametrize("shape", [(17, 3), (4, 1, 17, 3)])
def test_smoothness_needs_two_frames(shape: tuple[int, ...]) -> None:
    with pytest.raises(SkelgraphError, match="at least two frames"):
        smoothness_loss(torch.zeros(shape), smoothness_weights("h36m17"))
