from __future__ import annotations

import pytest
import torch
from torch import Tensor

from skelgraph import Skeleton, as_skeleton, list_skeletons
from skelgraph.datasets.synthetic import generate
from skelgraph.datasets.synthetic.kinematics import STATURE, BodySize
from skelgraph.datasets.synthetic.landmarks import BRANCH_LIMIT, attach

# Of the registered layouts those of people; others may have been registered by other tests.
LAYOUTS = [name for name in list_skeletons() if "hip" in " ".join(as_skeleton(name).joint_names)]
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
HAND = Skeleton(
    [-1, *(0 if joint % 4 == 1 else joint - 1 for joint in range(1, 21))],
    joint_names=[
        "wrist",
        *(f"{finger}{i}" for finger in ("thumb", "index", "middle", "ring", "pinky") for i in range(4)),
    ],
)
NAMELESS = Skeleton([-1, 0, 1, 0, 3, 4, 0, 6, 7])


def bones(layout: Skeleton, positions: Tensor) -> Tensor:
    """Bone lengths, ``(..., num_bones)``."""
    parents, children = zip(*layout.edges, strict=True)
    return (positions[..., parents, :] - positions[..., children, :]).norm(dim=-1)


def perform(layout: Skeleton, action: str = "Throwing", size: BodySize | None = None, **options: Tensor) -> Tensor:
    return generate([(size or BodySize(STATURE), action, "key")], layout, frames=100, **options)[0]


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_joint_of_a_known_layout_has_a_place_of_its_own(name: str) -> None:
    found = attach(as_skeleton(name))
    assert None not in found
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("name", LAYOUTS)
def test_left_and_right_are_mirror_images(name: str) -> None:
    layout = as_skeleton(name)
    found = attach(layout)
    for a, b in ((found[left], found[right]) for left, right in layout.symmetric_pairs):
        assert a is not None
        assert b is not None
        assert b.joint == a.joint.replace("left", "right")
        assert b.offset == (a.offset[0], -a.offset[1], a.offset[2])


@pytest.mark.parametrize("name", LAYOUTS)
def test_anatomical_bones_are_rigid(name: str) -> None:
    layout = as_skeleton(name)
    lengths = bones(layout, perform(layout))
    rigid = lengths.amax(0) - lengths.amin(0) < 1e-6
    if name in ("h36m17", "h36m16", "mpi_inf_3dhp17", "mpi_inf_3dhp28"):
        assert rigid.all()
    # A graph may join points that no bone joins, as hip and shoulder; limbs are bones everywhere.
    inner, outer = ("_hip", "_knee", "_leg", "_shoulder", "_elbow", "_arm"), ("knee", "ankle", "foot", "elbow", "wrist")
    limbs = [
        i
        for i, (parent, child) in enumerate(layout.edges)
        if layout.joint_names[parent].endswith(inner) and layout.joint_names[child].endswith(outer)
    ]
    assert len(limbs) >= 2
    assert rigid[limbs].all()


@pytest.mark.parametrize(
    ("joint", "beside", "meaning"),
    [
        ("left_foot", ["left_knee"], "left_ankle"),
        ("LeftShoulder", ["LeftArm"], "left_clavicle"),
        ("RShoulder", ["RElbow"], "right_shoulder"),
        ("r hand", ["r elbow"], "right_wrist"),
        ("L_UpLeg", ["Hips"], "left_hip"),
        ("LeftForeArm", [], "left_elbow"),
        ("Hips", [], "pelvis"),
        ("spine_base", [], "pelvis"),
        ("neck", [], "neck"),
    ],
)
def test_names_are_understood_in_their_context(joint: str, beside: list[str], meaning: str) -> None:
    (found, *_) = attach(Skeleton([-1, *range(len(beside))], joint_names=[joint, *beside]))
    assert found is not None
    assert found.joint == meaning


def test_toes_are_further_out_than_ankles_where_both_are() -> None:
    foot, ankle = attach(Skeleton([-1, 0], joint_names=["left_foot", "left_ankle"]))
    assert foot is not None
    assert ankle is not None
    assert foot.offset[0] > ankle.offset[0]


def test_spines_are_spread_in_the_order_of_their_bones() -> None:
    layout = as_skeleton("mpi_inf_3dhp28")  # lists them as spine3, spine4, spine2, spine
    standing = perform(layout, "Talking")[..., 2].mean(0)
    chain = [
        layout.index(name) for name in ("pelvis", "spine", "spine2", "spine3", "spine4", "neck", "head", "head_top")
    ]
    assert (standing[chain].diff() > 0.03).all()


@pytest.mark.parametrize("layout", [HAND, NAMELESS, Skeleton([-1]), Skeleton([-1, 0, -1, 2])])
def test_nameless_joints_swing_on_rigid_bones(layout: Skeleton) -> None:
    assert attach(layout) == [None] * layout.num_joints
    positions = perform(layout)
    assert positions.isfinite().all()
    assert positions[..., 2].min() > -1e-6
    assert (positions[1:] - positions[:-1]).norm(dim=-1).max() * 50 < 12
    if layout.edges:
        lengths = bones(layout, positions)
        assert lengths.min() > 0.05
        assert (lengths.amax(0) - lengths.amin(0)).max() < 1e-6
        shape = positions - positions[:, :1]
        assert (shape[50] - shape[0]).norm(dim=-1).max() > 0.02


def test_nameless_joints_turn_only_so_far() -> None:
    """Beside a known joint that stands still, a branch stays inside a cone around its mean direction."""
    layout = Skeleton([-1, 0], joint_names=["pelvis", "tail"])
    branch = torch.nn.functional.normalize(perform(layout, "Talking").diff(dim=1)[:, 0], dim=-1)
    angle = torch.rad2deg((branch @ branch.T).clamp(-1, 1).acos()).max()
    assert 1 < angle < 2 * BRANCH_LIMIT + 10  # the pelvis itself sways a little


def test_an_unknown_joint_hangs_on_its_known_parent() -> None:
    known = as_skeleton("h36m17")
    layout = Skeleton([*known.parents, known.index("right_wrist")], joint_names=[*known.joint_names, "racket"])
    positions = perform(layout)
    torch.testing.assert_close(positions[:, :17], perform(known), atol=0.02, rtol=0)  # raised a little at most
    assert (positions[:, 17] - positions[:, known.index("right_wrist")]).norm(dim=-1).max() < 0.1


def test_given_bone_lengths_are_kept_exactly_and_scale_with_stature() -> None:
    layout = as_skeleton("coco17")
    lengths = torch.tensor([0.1 + 0.02 * joint for joint in range(17)], dtype=torch.float64)
    for size in (BodySize(STATURE), BodySize(1.5, arms=1.2)):
        positions = perform(layout, size=size, bone_lengths=lengths)
        expected = lengths[[child for _, child in layout.edges]] * size.stature / STATURE
        torch.testing.assert_close(bones(layout, positions), expected.expand(100, 16))


def test_given_bone_lengths_keep_the_feet_on_the_floor() -> None:
    layout = as_skeleton("h36m17")
    default = perform(layout, "Walking")
    giant = perform(layout, "Walking", bone_lengths=2 * torch.tensor([1.0] * 17).double())
    torch.testing.assert_close(giant[..., 2].amin(-1), default[..., 2].amin(-1))


def test_the_motion_is_the_same_for_every_skeleton() -> None:
    full, small = as_skeleton("h36m17"), as_skeleton("h36m16")
    shared = [full.index(name) for name in small.joint_names]
    assert torch.equal(perform(full)[:, shared], perform(small))
    assert torch.equal(perform(HAND)[:, 0, :2], perform(full)[:, 0, :2])
