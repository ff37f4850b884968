from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from skelgraph import Skeleton, as_skeleton, list_skeletons
from skelgraph.datasets.human36m import H36M_SUBJECTS
from skelgraph.datasets.synthetic import BODIES, CAMERAS, SyntheticMocap, generate
from skelgraph.datasets.synthetic.motions import ACTIONS
from skelgraph.errors import SkelgraphError
from skelgraph.geometry import project, world_to_camera

BODY = as_skeleton("halpe26")  # with head top, toes and heels


@pytest.fixture(scope="module")
def train() -> SyntheticMocap:
    return SyntheticMocap(split="train")


@pytest.fixture(scope="module")
def test() -> SyntheticMocap:
    return SyntheticMocap(split="test")


def perform(action: str, seed: int = 0, person: str = "S9", frames: int = 200, layout: Skeleton = BODY) -> Tensor:
    return generate([(BODIES[person], action, f"{seed}/{person}/{action}")], layout, frames)[0]


def joints(positions: Tensor, *names: str) -> Tensor:
    return positions[:, [BODY.index(name) for name in names]]


def pixels(positions: Tensor) -> Tensor:
    """What the four cameras see, ``(4, T, J, 2)``."""
    views = []
    for camera in CAMERAS:
        orientation, translation = torch.tensor(camera.orientation).double(), torch.tensor(camera.translation).double()
        seen = world_to_camera(positions, orientation, translation)
        assert seen[..., 2].min() > 2
        views.append(project(seen, torch.tensor(camera.intrinsics).double(), camera.distortion))
    return torch.stack(views)


def assert_plausible(positions: Tensor) -> None:
    """In all pictures, on the floor, not too fast."""
    assert positions.isfinite().all()
    views = pixels(positions)
    assert views.min() > 0
    assert (views < torch.tensor([1000.0, 1002.0])).all()
    assert positions[..., 2].min() > -0.01
    assert (positions[1:] - positions[:-1]).norm(dim=-1).max() * 50 < 12


@pytest.mark.parametrize("action", ACTIONS)
@settings(deadline=None, max_examples=6)
@given(seed=st.integers(0, 10**6), person=st.sampled_from(sorted(BODIES)))
def test_every_performance_is_plausible(action: str, seed: int, person: str) -> None:
    positions = perform(action, seed, person)
    assert_plausible(positions)
    feet = joints(positions, "left_heel", "right_heel", "left_big_toe", "right_big_toe")
    height = 0.45 if action == "Jumping" else 0.12 if action == "Running" else 0.06
    assert feet[..., 2].amin(-1).max() < height
    assert (joints(positions, "head")[:, 0, 2] > joints(positions, "left_heel", "right_heel")[..., 2].amax(-1)).all()


@pytest.mark.parametrize("action", ["Walking", "Throwing", "Turning"])
def test_long_performances_stay_in_the_pictures(action: str) -> None:
    assert_plausible(perform(action, frames=2000))


def test_feet_hold_still_on_the_floor() -> None:
    for action in ("Squatting", "Reaching", "Bending", "Waving"):
        feet = joints(perform(action), "left_heel", "right_heel", "left_big_toe", "right_big_toe")
        speed = (feet[1:] - feet[:-1]).norm(dim=-1).amin(-1) * 50
        assert speed.median() < 0.05


def travelled(positions: Tensor) -> float:
    way = joints(positions, "hip")[:, 0, :2].diff(dim=0)
    return float(way.norm(dim=-1).sum())


def turned(positions: Tensor) -> Tensor:
    """Heading of the hips over time in degrees, unwrapped from zero."""
    x, y = (joints(positions, "left_hip") - joints(positions, "right_hip"))[:, 0, :2].unbind(-1)
    step = torch.atan2(y, x).diff()
    return torch.rad2deg(torch.remainder(step + torch.pi, 2 * torch.pi) - torch.pi).cumsum(0)


@pytest.mark.parametrize("seed", range(4))
def test_actions_are_what_they_are_called(seed: int) -> None:
    leg = (BODIES["S9"].offsets()[-2:, 2].sum() * -1).item()
    hip = {action: joints(perform(action, seed), "hip")[:, 0, 2] for action in ("Squatting", "Sitting", "Talking")}
    assert hip["Squatting"].min() < 0.6 * hip["Squatting"].max()
    assert 0.8 * leg / 2 < hip["Sitting"].min() < 0.75 * leg
    assert hip["Talking"].min() > 0.95 * leg

    assert 2 < travelled(perform("Walking", seed)) < 6
    assert travelled(perform("Running", seed)) > travelled(perform("Walking", seed))
    assert travelled(perform("Phoning", seed)) < 3
    assert turned(perform("Turning", seed)).abs().max() > 60
    assert turned(perform("Waving", seed)).abs().max() < 30

    jump = joints(perform("Jumping", seed), "left_big_toe", "right_big_toe", "left_heel", "right_heel")[..., 2]
    assert jump.amin(-1).max() > 0.04
    wave = perform("Waving", seed)
    assert (joints(wave, "left_wrist", "right_wrist")[..., 2] > joints(wave, "neck")[..., 2]).any()
    kick = joints(perform("Kicking", seed), "left_ankle", "right_ankle")[..., 2]
    assert kick.amax() > 0.35
    call = perform("Phoning", seed)
    ears, wrists = joints(call, "left_ear", "right_ear"), joints(call, "left_wrist", "right_wrist")
    assert (ears - wrists).norm(dim=-1).amin(-1).median() < 0.25
    punch = perform("Boxing", seed)
    arm = (joints(punch, "left_wrist", "right_wrist") - joints(punch, "left_shoulder", "right_shoulder")).norm(dim=-1)
    assert (arm.amax(0) > 1.5 * arm.amin(0)).all()


def test_knees_bend_the_human_way() -> None:
    bent = 0
    for action in ACTIONS:
        positions = perform(action, seed=3)
        for side in ("left", "right"):
            limb = joints(positions, f"{side}_hip", f"{side}_knee", f"{side}_ankle", f"{side}_big_toe", f"{side}_heel")
            hip, knee, ankle, toe, heel = limb.unbind(1)
            knee_axis = torch.linalg.cross(knee - hip, ankle - knee)
            # Shin and foot: the toes point to the side of the shin, away from where the knee closes.
            shin_axis = torch.linalg.cross(toe - heel, ankle - knee)
            clearly = knee_axis.norm(dim=-1) > 0.03
            assert ((knee_axis * shin_axis).sum(-1)[clearly] > 0).all(), (action, side)
            bent += int(clearly.sum())
    assert bent > 1000


def test_default_sizes(train: SyntheticMocap, test: SyntheticMocap) -> None:
    assert 30_000 <= len(train) <= 60_000
    assert 8_000 <= len(test) <= 15_000
    assert train.frame_rate == 25
    assert len(train.clips) == 5 * len(ACTIONS) * 2 * 4
    assert len(test.clips) == 2 * len(ACTIONS) * 4
    assert train.keypoints_2d.dtype == train.poses_3d.dtype == torch.float32
    assert train.actions == test.actions == tuple(sorted(ACTIONS))


def test_it_says_that_it_is_synthetic(test: SyntheticMocap) -> None:
    assert test.name == "synthetic"
    assert test.is_synthetic
    assert "generated, not captured" in repr(test)
    assert "comparable to no published result" in repr(test)
    assert "comparable to no published result" in (SyntheticMocap.__doc__ or "")


def test_test_people_are_unseen(train: SyntheticMocap, test: SyntheticMocap) -> None:
    assert train.subjects == H36M_SUBJECTS["train"]
    assert test.subjects == H36M_SUBJECTS["test"]
    assert not set(train.subjects) & set(test.subjects)
    assert len(set(BODIES.values())) == len(BODIES)


def test_people_and_takes_differ(train: SyntheticMocap) -> None:
    starts = [clip.start for clip in train.clips if clip.camera == "cam0"]
    first = train.poses_3d[starts].flatten(1)
    distance = torch.cdist(first, first) + 9 * torch.eye(len(first))
    assert distance.min() > 0.05


def test_poses_are_neither_all_alike_nor_wild(train: SyntheticMocap, test: SyntheticMocap) -> None:
    error = (test.poses_3d - train.mean_pose()).norm(dim=-1).mean()
    assert 0.15 < error < 0.3  # metres; the mean pose of captured motion is as wrong


def test_the_bones_of_a_person_have_one_length(test: SyntheticMocap) -> None:
    parents, children = zip(*test.skeleton.edges, strict=True)
    bones = (test.poses_3d[:, parents] - test.poses_3d[:, children]).norm(dim=-1)
    for subject in test.subjects:
        rows = torch.tensor([test.clips[clip].subject == subject for clip in test.clip_id])
        lengths = bones[rows]
        assert (lengths.amax(0) - lengths.amin(0)).max() < 1e-5
        mean = dict(zip(children, lengths.mean(0).tolist(), strict=True))
        for left, right in test.skeleton.symmetric_pairs:
            assert mean[left] == pytest.approx(mean[right], abs=1e-5)


def test_the_keypoints_are_the_projected_poses(test: SyntheticMocap) -> None:
    clip = test.clips[7]
    rows = slice(clip.start, clip.start + clip.length)
    camera = test.poses_3d[rows] + test.root_3d[rows, None]
    expected = project(camera, torch.tensor(clip.intrinsics), clip.distortion) / 500 - torch.tensor([1.0, 1.002])
    torch.testing.assert_close(test.keypoints_2d[rows], expected, atol=1e-4, rtol=0)
    # The camera stands upright: heads are above feet in the picture, whose y points down.
    head, foot = (test.skeleton.index(name) for name in ("head", "left_foot"))
    assert (test.keypoints_2d[:, head, 1] < test.keypoints_2d[:, foot, 1]).float().mean() > 0.99


def arrays(dataset: SyntheticMocap, subject: str, action: str) -> list[Tensor]:
    rows = torch.tensor([(c.subject, c.action_name) == (subject, action) for c in dataset.clips])[dataset.clip_id]
    return [dataset.keypoints_2d[rows], dataset.poses_3d[rows], dataset.root_3d[rows]]


def test_the_same_data_twice_and_in_any_selection(test: SyntheticMocap) -> None:
    again = SyntheticMocap(split="test")
    assert torch.equal(test.keypoints_2d, again.keypoints_2d)
    assert torch.equal(test.poses_3d, again.poses_3d)
    part = SyntheticMocap(split="test", subjects=["S11"], actions=["Waving", "Bending"])
    assert part.actions == ("Bending", "Waving")
    for action in part.actions:
        for whole, selected in zip(arrays(test, "S11", action), arrays(part, "S11", action), strict=True):
            torch.testing.assert_close(whole, selected, atol=1e-6, rtol=0)


def test_another_seed_gives_other_motion(test: SyntheticMocap) -> None:
    other = SyntheticMocap(split="test", seed=1)
    assert len(other) == len(test)
    assert (other.poses_3d - test.poses_3d).norm(dim=-1).mean() > 0.1


def test_downsampling_keeps_every_nth_frame() -> None:
    options: dict[str, Any] = {"split": "test", "subjects": ["S9"], "actions": ["Running"], "seconds": 1.0}
    full, third = SyntheticMocap(**options, downsample=1), SyntheticMocap(**options, downsample=3)
    assert (full.frame_rate, third.frame_rate) == (50, 50 / 3)
    assert [clip.length for clip in full.clips] == [50] * 4
    assert torch.equal(full.poses_3d[:50:3], third.poses_3d[: third.clips[0].length])


@pytest.mark.parametrize("name", list_skeletons())
def test_any_layout_works(name: str) -> None:
    dataset = SyntheticMocap(split="test", skeleton=name, subjects=["S9"], actions=["Sitting"], seconds=0.5)
    assert dataset.poses_3d.shape == (4 * 13, as_skeleton(name).num_joints, 3)
    assert dataset.keypoints_2d.abs().max() < 1.01
    assert (dataset.poses_3d[:, dataset.skeleton.root] == 0).all()


def test_nameless_skeletons_and_given_bone_lengths_work() -> None:
    tree = Skeleton([-1, 0, 1, 0, 3, 4, 0, 6, 7])
    options: dict[str, Any] = {"split": "test", "skeleton": tree, "seconds": 0.5}
    dataset = SyntheticMocap(**options)
    assert dataset.keypoints_2d.abs().max() < 1
    stretched = SyntheticMocap(**options, bone_lengths=[0, *[0.3] * 8])
    parents, children = zip(*tree.edges, strict=True)
    lengths = (stretched.poses_3d[:, parents] - stretched.poses_3d[:, children]).norm(dim=-1)
    assert lengths.min() == pytest.approx(0.3 * BODIES["S9"].stature / 1.75, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "val"}, "split"),
        ({"subjects": ["S2"]}, "subject"),
        ({"subjects": "S1"}, "sequence"),
        ({"subjects": []}, "empty"),
        ({"subjects": ["S1", "S1"]}, "more than once"),
        ({"actions": ["Wlking"]}, "did you mean Walking"),
        ({"seconds": 0.0}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"downsample": 0}, "downsample"),
        ({"skeleton": "h36m18"}, "h36m17"),
        ({"bone_lengths": [0.3] * 16}, "17 joints"),
        ({"bone_lengths": [0.3] * 16 + [-1.0]}, "positive"),
        ({"bone_lengths": [0.3] * 16 + [float("nan")]}, "finite number"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SkelgraphError, match=message):
        SyntheticMocap(**{"seconds": 0.2, "actions": ["Waving"], **options})


def test_subjects_of_the_other_split_keep_their_takes() -> None:
    options: dict[str, Any] = {"subjects": ["S1", "S9"], "actions": ["Waving"], "seconds": 0.2}
    for split in ("train", "test"):
        actions = [(clip.subject, clip.action) for clip in SyntheticMocap(split=split, **options).clips[::4]]
        assert actions == [("S1", "Waving 1"), ("S1", "Waving 2"), ("S9", "Waving 1")]
