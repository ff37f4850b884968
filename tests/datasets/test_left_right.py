"""Left and right exchanged, a mirrored world, another axis up: what is refused, and what unlucky data must pass."""

from __future__ import annotations

import dataclasses
import warnings

import pytest
import tiny_mocap
import torch
from test_plausibility import WALK, build, film, unknown
from torch import Tensor

from skelgraph import Skeleton, as_skeleton
from skelgraph.datasets import MotionClip
from skelgraph.datasets.synthetic import CAMERAS
from skelgraph.errors import DataError
from skelgraph.viz.drawing import rest_positions

H36M17 = as_skeleton("h36m17")
OTHER_SIDE = list(H36M17.mirror_index)
EXCHANGED = r"two\.npz: the keypoints fit the positions of three\.npz with left and right exchanged \("


def exchanged(clips: list[MotionClip], order: list[int] = OTHER_SIDE, noise: float = 0.0) -> list[MotionClip]:
    """With keypoints of other joints, and normal noise of so many pixels."""
    torch.manual_seed(0)
    return [
        dataclasses.replace(clip, keypoints=clip.keypoints[:, order] + noise * torch.randn(clip.keypoints.shape))
        for clip in clips
    ]


def passes(clips: list[MotionClip], **options: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build(clips, **options)


def standing(angle: float) -> Tensor:
    """A flat figure of 1.7 m that stands with straight legs, turned about the vertical axis by so many degrees."""
    x, z = torch.tensor(rest_positions(H36M17)).double().unbind(-1)
    turn, scale = torch.tensor(angle).double().deg2rad(), 1.7 / (z.max() - z.min())
    return scale * torch.stack((turn.cos() * x, turn.sin() * x, z - z.min()), -1)


@pytest.mark.parametrize("noise", [0.0, 10.0])
@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.id)
def test_sides_of_one_file_are_exchanged(camera, noise: float) -> None:
    with pytest.raises(DataError, match=EXCHANGED + "left_hip and right_hip, .*left_wrist and right_wrist.: one of"):
        build(exchanged(film(camera, given=True), noise=noise))
    with pytest.raises(DataError, match=EXCHANGED):
        build(exchanged(unknown(camera, rooted=False), noise=noise))
    assert len(build(exchanged(film(camera, given=True)), unchecked=True)) == 120


def test_joints_of_one_pair_are_exchanged() -> None:
    order = list(range(17))
    left, right = (H36M17.joint_names.index(f"{side}_foot") for side in ("left", "right"))
    order[left], order[right] = right, left
    with pytest.raises(DataError, match=EXCHANGED + r"left_foot and right_foot\):"):
        build(exchanged(film(CAMERAS[0], given=True), order))


def test_one_camera_of_several_is_a_warning() -> None:
    clips = [clip for camera in CAMERAS[:3] for clip in film(camera, given=True)]
    with pytest.warns(UserWarning, match="subject S0, .* of this camera fit .* left and right exchanged: is its pict"):
        build(exchanged(clips[:1]) + clips[1:])


@pytest.mark.parametrize("noise", [2.0, 15.0, 40.0])
@pytest.mark.parametrize("frames", [1, 2, 60])
@pytest.mark.parametrize("angle", [0.0, 80.0, 90.0, 180.0])
def test_symmetric_poses_and_noise_are_no_exchange(angle: float, frames: int, noise: float) -> None:
    """A figure that stands still with its arms down, seen from the front, from the side and from behind."""
    pose = standing(angle)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*are the cameras and joints of both files in one order")
        clips = film(CAMERAS[0], True, [pose.expand(frames, -1, -1)])
        assert len(build(exchanged(clips, list(range(17)), noise))) == frames


def test_a_single_exchanged_frame_is_too_little() -> None:
    passes(exchanged(film(CAMERAS[1], True, [WALK[1][:1]]), [0, 4, 2, 3, 1, *range(5, 17)]))


def test_a_skeleton_without_sides_is_not_asked() -> None:
    for pairs in (None, ()):
        skeleton = Skeleton(H36M17.parents, H36M17.joint_names, pairs)
        clips = exchanged(film(CAMERAS[0], given=True), [0, 4, 2, 3, 1, *range(5, 17)])
        passes(clips, skeleton=skeleton)


@pytest.mark.parametrize("mistake", ["y and z exchanged", "x turned round", "left and right exchanged"])
def test_knees_bend_forward_in_a_mirrored_world(mistake: str) -> None:
    changed = {
        "y and z exchanged": lambda world: world[..., [0, 2, 1]],
        "x turned round": lambda world: world * torch.tensor([-1.0, 1, 1]),
        "left and right exchanged": lambda world: world[:, OTHER_SIDE],
    }[mistake]
    clips = film(CAMERAS[0], positions=[changed(world) for world in WALK])
    with pytest.raises(DataError, match=r"three\.npz: \d+% of the bent knees bend forward: the world is mirrored"):
        build(clips)


def test_straight_legs_tell_nothing() -> None:
    pose = standing(30.0)
    torch.manual_seed(0)
    passes(film(CAMERAS[0], positions=[(pose + 0.03 * torch.randn(60, 17, 3)) * torch.tensor([-1.0, 1, 1])]))


def test_another_axis_is_up() -> None:
    clips = film(CAMERAS[0]) + film(CAMERAS[1])
    passes(clips, up="z")
    passes(clips)  # nobody said it
    with pytest.raises(DataError, match=r"three\.npz: the bodies lie .* \(up\), and so do the cameras: is it another"):
        build(clips, up="y")


def test_somebody_who_lies_is_a_warning_at_most() -> None:
    lying = [world[..., [0, 2, 1]] * torch.tensor([1.0, -1, 1]) for world in WALK[:1]]
    lying = [
        world - world.amin((0, 1)) * torch.tensor([0.0, 0, 1]) - world.mean((0, 1)) * torch.tensor([1.0, 1, 0])
        for world in lying
    ]
    with pytest.warns(UserWarning, match="the bodies lie in the world .*: is it another axis"):
        build(film(CAMERAS[0], positions=lying), up="z")
    passes(film(CAMERAS[0], positions=[*lying, WALK[0]]), up="z")  # one lies, one stands


@pytest.mark.parametrize("seed", [0, 1, 3, 4, 5])
def test_figures_that_are_no_bodies_tell_nothing(seed: int) -> None:
    """A fifth of a second of joints that sway each for itself, seen by four cameras."""
    world = torch.from_numpy(tiny_mocap.motion(11, seed)).double() + torch.tensor([0.0, 0, 1])
    passes([clip for camera in CAMERAS for clip in film(camera, True, [world])])
