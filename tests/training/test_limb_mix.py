"""Limbs of other poses: by hand, by lengths and angles, and what is refused."""

from __future__ import annotations

import pytest
import roma
import torch
from bodies import BODIES
from torch import Tensor

from skelgraph.datasets.synthetic import SyntheticMocap
from skelgraph.errors import TopologyError
from skelgraph.topology import as_skeleton
from skelgraph.training.transforms.bodies import Bend
from skelgraph.training.transforms.limbs import LimbMix

H36M = as_skeleton("h36m17")


def poses(name: str = "h36m17", dtype: torch.dtype = torch.float64) -> Tensor:
    """Generated poses of several people, each turned some other way: ``(B, 1, J, 3)``."""
    data = SyntheticMocap(skeleton=name, seconds=0.4, downsample=7, actions=["Walking"], unchecked=True)
    pose = data.poses_3d[::3].to(dtype)
    turn = roma.random_unitquat(len(pose), dtype=dtype)
    return (pose @ roma.unitquat_to_rotmat(turn).mT)[:, None]


def standing(**joints: tuple[float, float, float]) -> Tensor:
    """A person who stands upright and faces +x, left to +y, some joints elsewhere: ``(17, 3)``."""
    places = {
        "hip": (0, 0, 1),
        "spine": (0, 0, 1.25),
        "thorax": (0, 0, 1.5),
        "neck_nose": (0.1, 0, 1.6),
        "head": (0, 0, 1.75),
    }
    for side, y in (("left", 1), ("right", -1)):
        for joint, (x, across, z) in {
            "hip": (0, 0.13, 1),
            "knee": (0.02, 0.13, 0.55),
            "foot": (0, 0.13, 0.1),
            "shoulder": (0, 0.18, 1.45),
            "elbow": (0, 0.2, 1.15),
            "wrist": (0.02, 0.22, 0.9),
        }.items():
            places[f"{side}_{joint}"] = (x, y * across, z)
    places |= joints
    return torch.tensor([places[name] for name in H36M.joint_names], dtype=torch.float64)


def lengths(positions: Tensor, skeleton: str = "h36m17") -> Tensor:
    edges = torch.tensor(as_skeleton(skeleton).edges)
    return (positions[..., edges[:, 0], :] - positions[..., edges[:, 1], :]).norm(dim=-1)


def taken(mix: LimbMix, positions: Tensor, wanted: list[bool]) -> Tensor:
    """The first pose with limbs of the second, without a check."""
    rows = torch.tensor([wanted, [False] * 4])
    return mix._taken(positions, rows, torch.tensor([[1] * 4, [0] * 4]))


def test_by_hand_a_leg_that_is_lifted_forward() -> None:
    """The other person lies on the back, is twice as large, and has the left thigh at right angles to the trunk."""
    lifted = standing(left_knee=(0.45, 0.13, 1), left_foot=(0.45, 0.13, 0.55))
    lying = 2 * lifted @ roma.rotvec_to_rotmat(torch.tensor([0.4, -1.5708, 0.3], dtype=torch.float64)).T + 7
    own = standing()
    mixed = taken(LimbMix(H36M, 0.4), torch.stack((own, lying))[:, None], [True, False, False, False])
    index = H36M.joint_names.index
    thigh, shin = (
        lengths(own)[H36M.edges.index((index(a), index(b)))]
        for a, b in (("left_hip", "left_knee"), ("left_knee", "left_foot"))
    )
    expected = own.clone()
    expected[index("left_knee")] = own[index("left_hip")] + torch.stack((thigh, 0 * thigh, 0 * thigh))
    expected[index("left_foot")] = expected[index("left_knee")] - torch.stack((0 * shin, 0 * shin, shin))
    torch.testing.assert_close(mixed[0, 0], expected)
    assert torch.equal(mixed[1, 0], lying)


def test_by_hand_an_arm_goes_with_the_shoulders() -> None:
    """The trunk of the one is twisted: the arm is raised in the direction of his shoulders, not of his hips."""
    raised = standing(left_elbow=(0.3, 0.18, 1.45), left_wrist=(0.6, 0.18, 1.45))
    twisted = standing(left_shoulder=(-0.18, 0, 1.45), right_shoulder=(0.18, 0, 1.45))  # faces +y
    mixed = taken(LimbMix(H36M, 0.4), torch.stack((twisted, raised))[:, None], [False, False, True, False])[0, 0]
    elbow, shoulder = (mixed[H36M.joint_names.index(name)] for name in ("left_elbow", "left_shoulder"))
    torch.testing.assert_close(
        elbow - shoulder, torch.tensor([0, 1.0, 0], dtype=torch.float64) * (elbow - shoulder).norm()
    )


@pytest.mark.parametrize("name", BODIES)
def test_lengths_stay_and_nothing_else_moves(name: str) -> None:
    positions = poses(name)
    skeleton = as_skeleton(name)
    mix = LimbMix(skeleton, 1.0)
    wanted, other = mix._chosen(positions, torch.Generator().manual_seed(0))
    mixed = mix._taken(positions, wanted, other)
    assert wanted.all()
    moved = (mixed - positions).norm(dim=-1).amax((0, 1)) > 1e-9
    joints = mix.joints.tolist()
    assert {joint for joint in range(skeleton.num_joints) if moved[joint]} == set(joints)
    torch.testing.assert_close(lengths(mixed, name), lengths(positions, name), atol=1e-12, rtol=1e-9)
    # the angle of knee or elbow is that of the other pose
    for limb in range(4):
        (start, middle), end = mix.limits.bones[limb].tolist(), int(mix.limits.bones[limb + 4, 1])

        def bend(p: Tensor, start: int = start, middle: int = middle, end: int = end) -> Tensor:
            first, second = p[..., middle, :] - p[..., start, :], p[..., end, :] - p[..., middle, :]
            return (first * second).sum(-1) / (first.norm(dim=-1) * second.norm(dim=-1))

        torch.testing.assert_close(bend(mixed), bend(positions)[other[:, limb]])


def test_how_often() -> None:
    positions = poses()[:1].expand(20000, -1, -1, -1)
    wanted, other = LimbMix(H36M, 0.4)._chosen(positions, torch.Generator().manual_seed(0))
    left, right = wanted[:, 0], wanted[:, 1]
    for found, expected in (
        (left & right, 0.4),
        (left ^ right, 0.12),
        (left & ~right, 0.06),
        (wanted[:, 2], 0.4),
        (wanted[:, 3], 0.4),
        (wanted[:, 2] & wanted[:, 3], 0.16),
    ):
        assert float(found.double().mean()) == pytest.approx(expected, abs=0.011)
    assert torch.equal(other[:, 0], other[:, 1])  # both legs of one pose
    assert not torch.equal(other[:, 2], other[:, 3])


def test_windows_are_mixed_as_one() -> None:
    frames = poses()
    windows = torch.stack([frames[i : i + 5, 0] for i in range(len(frames) - 5)])
    mix = LimbMix(H36M, 0.6)
    wanted, other = mix._chosen(windows, torch.Generator().manual_seed(3))
    whole = mix._taken(windows, wanted, other)
    single = torch.cat([mix._taken(windows[:, t, None], wanted, other) for t in range(5)], 1)
    torch.testing.assert_close(whole, single)
    # one frame that cannot be is enough for the window to stay
    folded = standing(left_foot=(0.02, 0.14, 0.98))
    two = torch.stack((standing(), standing()))[:, None].repeat(1, 5, 1, 1)
    two[1, 3] = folded
    always = LimbMix(H36M, 1.0)
    results = [always(two, None, torch.Generator().manual_seed(seed))[0] for seed in range(8)]
    assert all(torch.allclose(result, two[0]) for result in results)


@pytest.mark.parametrize(
    ("joints", "wanted", "column"),
    [
        ({"left_foot": (0.02, 0.14, 0.98)}, [True, False, False, False], 0),  # heel in the hip
        ({"right_wrist": (0.0, -0.2, 1.43)}, [False, False, False, True], 3),
        ({"right_foot": (0.42, -0.13, 0.36)}, [False, True, False, False], 5),  # a knee that bends forward
        ({"left_foot": (0, -0.13, 0.12)}, [True, False, False, False], None),  # through the other leg
        (
            {"left_elbow": (0.1, 0.14, 1.2), "left_wrist": (0, 0.0, 1.2)},
            [False, False, True, False],
            None,
        ),  # in the belly
    ],
    ids=["knee", "elbow", "hyperextended", "crossed", "inside"],
)
def test_what_no_body_can_do_is_not_taken(
    joints: dict[str, tuple[float, float, float]], wanted: list[bool], column: int | None
) -> None:
    pair = torch.stack((standing(), standing(**joints)))[:, None]
    mix = LimbMix(H36M, 1.0)
    mixed = taken(mix, pair, wanted)
    broken = mix.limits.broken(mixed)[0, 0]
    assert not mix.limits.broken(pair)[0].any()
    assert bool(broken[:6].any()) == (column is not None)
    assert broken[6:].any() if column is None else broken[column]
    for seed in range(6):  # whichever of the two is asked: the first never looks like the second
        result = mix(pair, None, torch.Generator().manual_seed(seed))
        assert torch.allclose(result[0], pair[0])


def test_what_a_pose_did_before_it_may_still_do() -> None:
    """Legs that are crossed already are no reason to keep the arms."""
    crossed = {"left_foot": (0, -0.13, 0.12)}
    raised = {"left_elbow": (0.3, 0.18, 1.45), "left_wrist": (0.6, 0.18, 1.45)}
    pair = torch.stack((standing(**crossed), standing(**crossed, **raised)))[:, None]
    mix = LimbMix(H36M, 1.0)
    assert mix.limits.broken(pair).flatten(1).any(1).all()
    results = torch.stack([mix(pair, None, torch.Generator().manual_seed(seed))[0, 0] for seed in range(8)])
    height = results[:, H36M.joint_names.index("left_wrist"), 2]
    assert (height > 1.4).any()


def test_unknown_joints_take_no_part() -> None:
    positions = poses()
    visible = torch.ones(positions.shape[:-1], dtype=torch.bool)
    visible[::2, :, H36M.joint_names.index("left_wrist")] = False
    visible[:, :, H36M.joint_names.index("head")] = False  # not needed
    wrong = torch.where(visible[..., None], positions, 1e3)
    mix = LimbMix(H36M, 1.0)
    mixed = mix(wrong, visible, torch.Generator().manual_seed(0))
    assert torch.equal(mixed[::2], wrong[::2])  # cannot be mixed, and nobody takes their limbs
    assert mixed[1::2][visible[1::2]].abs().max() < 10
    assert not torch.equal(mixed[1::2], wrong[1::2])


def test_float32_seed_and_meta() -> None:
    positions = poses(dtype=torch.float32)
    mix = LimbMix(H36M, 0.4)
    one, same, other = (mix(positions, None, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert one.dtype == torch.float32
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    torch.testing.assert_close(lengths(one), lengths(positions), atol=1e-6, rtol=1e-5)
    on_meta = LimbMix(H36M, 0.4, torch.device("meta"))
    assert on_meta(torch.zeros(4, 3, 17, 3, device="meta")).shape == (4, 3, 17, 3)


def test_a_hand_has_no_limbs() -> None:
    with pytest.raises(TopologyError, match="no part 'left_leg'"):
        LimbMix(as_skeleton("hand21"), 0.4)


@pytest.mark.parametrize("name", ["h36m17", "coco17"])
def test_bodies_bend_at_the_hips(name: str) -> None:
    """What is above the legs turns as one about the middle of the hips, to all sides alike; legs and pelvis stay."""
    data = SyntheticMocap(skeleton=name, seconds=0.2, subjects=["S5"], actions=["Walking"], unchecked=True)
    skeleton = data.skeleton
    poses = data.poses_3d[:1].double().expand(4000, skeleton.num_joints, 3)[:, None].expand(-1, 2, -1, -1)
    bend = Bend(skeleton, 10.0)
    bent = bend(poses, generator=torch.Generator().manual_seed(0))
    assert torch.equal(bent[:, 0], bent[:, 1])
    legs = [
        j for j, joint in enumerate(skeleton.joint_names) if any(p in joint for p in ("hip", "knee", "foot", "ankle"))
    ]
    above = [joint for joint in range(skeleton.num_joints) if joint not in legs]
    assert torch.equal(bent[..., legs, :], poses[..., legs, :])
    hips = [skeleton.index("left_hip"), skeleton.index("right_hip")]
    before, after = (p[:, 0, above] - p[:, 0, hips].mean(1, keepdim=True) for p in (poses, bent))
    torch.testing.assert_close(torch.cdist(before, before), torch.cdist(after, after), atol=1e-6, rtol=0)
    torch.testing.assert_close(before.norm(dim=-1), after.norm(dim=-1))
    moved = (after != before).flatten(1).any(1)
    assert float(moved.double().mean()) > 0.7
    turns = roma.rotmat_to_rotvec(roma.rigid_vectors_registration(before[moved], after[moved]))
    assert float(torch.rad2deg(turns).square().mean().sqrt()) == pytest.approx(10, abs=1.0)
    assert torch.rad2deg(turns.mean(0)).abs().max() < 1.5


def test_nobody_is_bent_into_himself_or_without_hips() -> None:
    data = SyntheticMocap(seconds=0.4, subjects=["S5"], unchecked=True)
    poses = data.poses_3d[:1200, None]
    bend = Bend(H36M, 60.0)
    bent = bend(poses, generator=torch.Generator().manual_seed(0))
    assert not (bend.limits.broken(bent) & ~bend.limits.broken(poses)).any()
    stayed = (bent == poses).flatten(1).all(1)
    assert 0.02 < float(stayed.double().mean()) < 0.9
    visible = torch.ones(len(poses), 1, 17, dtype=torch.bool)
    visible[::2, :, H36M.index("left_hip")] = False
    half = bend(poses, visible, torch.Generator().manual_seed(0))
    assert torch.equal(half[::2], poses[::2])
    assert torch.equal(half[1::2], bent[1::2])
