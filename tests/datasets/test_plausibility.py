"""Data that mean something else than they say: what is refused, what the message makes of it, and what passes."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roma
import tiny_mocap
import torch
from torch import Tensor

from skelgraph import Skeleton, as_skeleton
from skelgraph.datasets import Camera, MocapNPZ, MotionClip, PoseDataset, SyntheticMocap, load_dataset
from skelgraph.datasets.plausibility import check_splits
from skelgraph.datasets.synthetic import BODIES, CAMERAS, generate
from skelgraph.errors import DataError
from skelgraph.geometry import camera_to_world, project, world_to_camera
from skelgraph.topology import list_skeletons

OPENCV = [dataclasses.replace(camera, distortion="opencv") for camera in CAMERAS]


def walk(layout: str = "h36m17", frames: int = 60) -> list[Tensor]:
    """Two people walking and sitting, ``(frames, J, 3)``."""
    return list(
        generate([(BODIES["S1"], "Walking 1", "a"), (BODIES["S9"], "Sitting 1", "b")], as_skeleton(layout), frames)
    )


WALK = walk()


def see(camera: Camera, world: Tensor) -> Tensor:
    seen = world_to_camera(world, *(torch.tensor(n).double() for n in (camera.orientation, camera.translation)))
    return project(seen, torch.tensor(camera.intrinsics).double(), camera.distortion)


def film(camera: Camera, given: bool = False, positions: list[Tensor] = WALK) -> list[MotionClip]:
    return [
        MotionClip(f"S{i}", "Walk", camera, world, see(camera, world) if given else None)
        for i, world in enumerate(positions)
    ]


def changed(clips: list[MotionClip], **changes: Any) -> list[MotionClip]:
    return [dataclasses.replace(clip, camera=dataclasses.replace(clip.camera, **changes)) for clip in clips]


def build(clips: list[MotionClip], **options: Any) -> PoseDataset:
    settings = {"skeleton": "h36m17", "name": "own", "split": "train", "frame_rate": 50.0, **options}
    return PoseDataset(clips, sources=("three.npz", "two.npz"), **settings)


def inverse(camera: Camera) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Orientation and translation of world-to-camera, R X + t."""
    q, t = torch.tensor(camera.orientation).double(), torch.tensor(camera.translation).double()
    back = world_to_camera(torch.zeros(1, 3).double(), q, t)[0]
    return (q[0].item(), *(-q[1:]).tolist()), tuple(back.tolist())


def mistaken(camera: Camera, mistake: str) -> dict[str, Any]:
    """What a camera file says that follows another convention."""
    w, x, y, z = camera.orientation
    if mistake == "xyzw":
        return {"orientation": (x, y, z, w)}
    if mistake == "millimetres":
        return {"translation": tuple(1000 * t for t in camera.translation)}
    if mistake == "xyzw, millimetres":
        return mistaken(camera, "xyzw") | mistaken(camera, "millimetres")
    if mistake == "world-to-camera":
        orientation, translation = inverse(camera)
        return {"orientation": orientation, "translation": translation}
    if mistake == "OpenGL":
        turned = roma.unitquat_to_rotmat(torch.tensor([x, y, z, w])) @ torch.diag(torch.tensor([1.0, -1, -1]))
        x, y, z, w = roma.rotmat_to_unitquat(turned).tolist()
        return {"orientation": (w, x, y, z)}
    raise ValueError(mistake)


MISTAKES = {
    "xyzw": "quaternion looks like x, y, z, w",
    "millimetres": "camera translation looks like millimetres",
    "xyzw, millimetres": "quaternion looks like x, y, z, w .* and this camera translation looks like millimetres",
    "world-to-camera": "orientation and translation look like world-to-camera",
    "OpenGL": "axes look like y up, z backward",
}


@pytest.mark.parametrize("given", [False, True], ids=["projected", "given"])
@pytest.mark.parametrize("camera", OPENCV, ids=lambda camera: camera.id)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_other_conventions_of_cameras(mistake: str, camera: Camera, given: bool) -> None:
    wrong = changed(film(camera, given), **mistaken(camera, mistake))
    with pytest.raises(
        DataError, match=f"subject S0, action 'Walk', camera {camera.id}.*[tT]h(is|ese) .*{MISTAKES[mistake]}"
    ):
        build(wrong)
    if given:  # what is there can be stored, whatever it means
        assert len(build(wrong, unchecked=True)) == 120


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (1000, r"extent of 1\.\d+e\+03 m.*looks like millimetres \(a body of 1\.\d m; divide by 1000\)"),
        (100, r"extent of 1\d\d m.*looks like centimetres \(a body of 1\.\d m; divide by 100\)"),
        (0.001, r"extent of 0\.001\d+ m; expected 0\.05 to 20"),
        (0, r"extent of 0 m"),
    ],
)
def test_units_of_positions(factor: float, message: str) -> None:
    clips = film(CAMERAS[0])
    clips[1] = dataclasses.replace(clips[1], positions=factor * WALK[1])  # one clip of two
    with pytest.raises(DataError, match=r"three\.npz: subject S1, .*" + message + ".*--unchecked"):
        build(clips)
    camera = {"translation": tuple(factor * t for t in CAMERAS[0].translation)}
    if factor == 1000:
        with pytest.raises(DataError, match="So does the translation of the camera"):
            build(changed(film(CAMERAS[0], positions=[1000 * world for world in WALK]), **camera))


def test_units_of_keypoints() -> None:
    clips = [dataclasses.replace(clip, keypoints=clip.keypoints / 500 - 1) for clip in film(CAMERAS[0], given=True)]
    with pytest.raises(DataError, match=r"two\.npz: .*keypoints look normalised; expected pixels"):
        build(clips)
    clips = [dataclasses.replace(clip, keypoints=clip.keypoints + 5000) for clip in film(CAMERAS[0], given=True)]
    with pytest.raises(DataError, match=r"two\.npz: .*0% are in or near the image"):
        build(clips)


def test_keypoints_of_another_camera() -> None:
    clips = [
        dataclasses.replace(a, keypoints=b.keypoints)
        for a, b in zip(film(CAMERAS[0]), film(CAMERAS[2], True), strict=True)
    ]
    with pytest.warns(UserWarning, match="are the cameras and joints of both files in one order"):
        build(clips)


@pytest.mark.parametrize("frames", [1, 60])
@pytest.mark.parametrize(
    ("layout", "as_if"),
    [
        ("coco17", "h36m17"),
        ("coco17", "mpi_inf_3dhp17"),
        ("h36m17", "coco17"),
        ("h36m17", "mpi_inf_3dhp17"),
        ("mpi_inf_3dhp17", "h36m17"),
        ("mpii16", "h36m16"),
        ("h36m16", "mpii16"),
    ],
)
def test_joints_of_another_layout(layout: str, as_if: str, frames: int) -> None:
    clips = film(CAMERAS[0], positions=walk(layout, 60))
    clips = [dataclasses.replace(clip, positions=clip.positions[:frames]) for clip in clips]
    with pytest.raises(DataError, match=rf"bones of skeleton {as_if} .*not so those of {layout}"):
        build(clips, skeleton=as_if)
    assert build(clips, skeleton=as_if, unchecked=True).skeleton == as_skeleton(as_if)


def test_joints_in_no_known_order() -> None:
    order = np.random.default_rng(0).permutation(17)
    with pytest.raises(DataError, match="are the joints in another order"):
        build(film(CAMERAS[0], positions=[world[:, order] for world in WALK]))
    noise = [torch.from_numpy(np.random.default_rng(0).normal(size=(200, 17, 3), scale=0.4)) for _ in range(2)]
    with pytest.warns(UserWarning, match="100% change their length over time"):
        build(film(CAMERAS[0], positions=noise))


def test_one_arm_longer_is_no_error() -> None:
    world = WALK[0].clone()
    wrist, elbow = (as_skeleton("h36m17").index(name) for name in ("left_wrist", "left_elbow"))
    world[:, wrist] += world[:, wrist] - world[:, elbow]
    build(film(CAMERAS[0], positions=[world]))


def test_a_joint_behind_the_camera() -> None:
    """The camera stands on the floor at y = -5 and looks along +y; one hand reaches past it for one frame."""
    half = 0.5**0.5
    camera = Camera("front", 1920, 1080, (500, 500, 960, 540, 0, 0, 0, 0, 0), (half, -half, 0, 0), (0, -5, 1))
    world = WALK[0].clone()
    world[40, 16] = torch.tensor([0.5, -9.0, 1.3])
    world[41, 13] = torch.tensor([0.5, -5.0, 1.3])  # in its plane
    for distortion in ("opencv", "none"):
        clips = changed(film(camera, positions=[world]), distortion=distortion)
        for unchecked in (False, True):
            with pytest.raises(DataError, match=r"S0, .* camera front: frame 40, joint right_wrist.*depth -4 m"):
                build(clips, unchecked=unchecked)
            with pytest.raises(DataError, match=r"camera front: frame 40, joint right_wrist"):
                build(clips, unchecked=unchecked, downsample=4)
            in_its_plane = [dataclasses.replace(clips[0], positions=torch.cat((WALK[0][:41], world[41:])))]
            with pytest.raises(DataError, match=r"camera front: frame 41, joint left_wrist.*depth 0 m"):
                build(in_its_plane, unchecked=unchecked)
    # Human3.6M's model gives it ordinary pixels, as published; that is asked all the same
    human36m = changed(film(camera, positions=[world]), distortion="human36m")
    with pytest.raises(DataError, match=r"frame 40, joint right_wrist.*unchecked"):
        build(human36m)
    assert build(human36m, unchecked=True).keypoints_2d.isfinite().all()
    # and where the keypoints are given, too
    given = [dataclasses.replace(clip, keypoints=see(camera, WALK[0])) for clip in film(camera, positions=[world])]
    with pytest.raises(DataError, match=r"frame 40, joint right_wrist.*unchecked"):
        build(given)
    assert len(build(given, unchecked=True)) == 60


def test_wide_lens_sees_beyond_45_degrees() -> None:
    camera = Camera("wide", 1920, 1080, (500, 500, 960, 540, 0, 0, 0, 0, 0), (0.5**0.5, -(0.5**0.5), 0, 0), (0, -2, 0))
    world = WALK[0].clone()
    world -= world[:, :1]
    world[0, 3] = torch.tensor([3.0, 0.0, 0.0])  # (3, 0, 2) in camera axes: 500 * 3 / 2 + 960 = 1710 px
    dataset = build(film(camera, positions=[world]))
    assert (dataset.keypoints_2d[0, 3, 0] + 1) * 960 == pytest.approx(1710)


def test_rays_that_a_lens_bends_back_into_the_image() -> None:
    """r (1 - 0.3 r^2) grows up to r = 1.054 (46.5 degrees): a joint at r = 1.5 would be seen at 0.4875."""
    lens = (900, 900, 960, 540, -0.3, 0, 0, 0, 0)
    camera = Camera("wide", 1920, 1080, lens, (0.5**0.5, -(0.5**0.5), 0, 0), (0, -2, 0))
    world = WALK[0].clone()
    world -= world[:, :1]
    build(film(camera, positions=[world]))
    world[7, 3] = torch.tensor([3.0, 0.0, 0.0])
    with pytest.raises(DataError, match=r"frame 7, joint right_foot: lies 56 degrees off.*from 47 degrees on"):
        build(film(camera, positions=[world]))
    assert len(build(film(camera, positions=[world]), unchecked=True)) == 60


@pytest.mark.parametrize(
    ("array", "value", "message"),
    [
        ("positions", 1e39, r"three\.npz: subject S0, .*frame 5, joint left_hip: the position is too large"),
        ("positions", -1e30, r"three\.npz: subject S0, .*frame 5, joint left_hip: is 1e\+30 m from the root"),
        ("keypoints", 1e300, r"two\.npz: subject S0, .*frame 5, joint left_hip: the keypoint is too large"),
        ("keypoints", 1e9, r"two\.npz: subject S0, .*frame 5, joint left_hip: is 2e\+06 half widths"),
    ],
)
def test_single_numbers_out_of_all_bounds(array: str, value: float, message: str) -> None:
    clips = film(CAMERAS[0], given=True)
    numbers = getattr(clips[0], array).clone()
    numbers[5, 4, 0] = value
    wrong = [dataclasses.replace(clips[0], **{array: numbers}), clips[1]]
    with pytest.raises(DataError, match=message):
        build(wrong)
    if "too large" in message:  # nobody can train on that
        with pytest.raises(DataError, match=message):
            build(wrong, unchecked=True)


def test_root_in_the_centre_of_the_camera() -> None:
    world = WALK[0] - WALK[0][:, :1] + torch.tensor(CAMERAS[0].translation, dtype=torch.float64)
    with pytest.raises(DataError, match=r"subject S0, action 'Walk', camera cam0: frame 0, joint hip: .*depth 0 m"):
        build(film(CAMERAS[0], positions=[world]), unchecked=True)


HAND = Skeleton([20, 0, 1, 2, 20, 4, 5, 6, 20, 8, 9, 10, 20, 12, 13, 14, 20, 16, 17, 18, -1])


def hand(size: float) -> Tensor:
    """An open hand that closes: fingers of three bones that turn together."""
    bend = torch.linspace(0, 1.2, 50).double()
    world = torch.zeros(50, 21, 3).double()
    for finger in range(5):
        point = torch.tensor([0.1 * (finger - 2), 0.0, 0.5]).double().expand(50, 3).clone()
        for i in range(4):
            world[:, 4 * finger + i] = point
            angle = bend * (i + 1)
            point = point + 0.13 * torch.stack((0 * bend, angle.sin(), angle.cos()), -1)
    return size * world


NEAR = Camera("near", 640, 480, (600, 600, 320, 240, 0, 0, 0, 0, 0), (0.5**0.5, -(0.5**0.5), 0, 0), (0, -0.5, 0.1))


@pytest.mark.parametrize("size", [0.1, 0.2, 0.25])
def test_hands_pass(size: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build(film(NEAR, positions=[hand(size)]), skeleton=HAND)


@pytest.mark.parametrize("unchecked", [False, True])
def test_a_unit_explains_joints_behind_the_camera(unchecked: bool) -> None:
    above = dataclasses.replace(NEAR, translation=(0, 0, 0.15))
    match = r"behind the camera .* extent of 130 m\. This .* or millimetres \(a body of 0\.13 m; divide by 1000"
    with pytest.raises(DataError, match=match):
        build(film(above, positions=[1000 * hand(0.2) - 200]), skeleton=HAND, unchecked=unchecked)
    with pytest.raises(DataError, match=r"behind the camera \(depth .*\), which has no image of it\.( If|$)"):
        build(film(above, positions=[hand(0.2) - 0.2]), skeleton=HAND, unchecked=unchecked)


def test_a_camera_that_has_most_joints_beside_its_image() -> None:
    angle = float(np.radians(20))  # to the right; the image ends at 28 degrees
    turned = dataclasses.replace(NEAR, orientation=(np.cos(angle / 2), 0, np.sin(angle / 2), 0), translation=(1, 0, 0))
    turn = (torch.tensor(numbers).double() for numbers in (turned.orientation, turned.translation))
    good = film(turned, positions=[camera_to_world(hand(0.2) + torch.tensor([0, 0, 0.5]), *turn)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build(good, skeleton=HAND)
    with pytest.raises(DataError, match=r"near: the camera sees 0% of the joints in its .* looks like world-to-camera"):
        build(changed(good, orientation=inverse(turned)[0]), skeleton=HAND)
    aside = changed(good, intrinsics=(600, 600, 320 + 400, 240, 0, 0, 0, 0, 0))
    with pytest.warns(UserWarning, match=r"near: the camera sees 0% of the joints in its image: is the orientation"):
        build([*aside, *[dataclasses.replace(clip, subject="S7") for clip in good]], skeleton=HAND)


def unknown(
    camera: Camera, given: bool = True, rooted: bool = True, positions: list[Tensor] = WALK
) -> list[MotionClip]:
    """The same motion in the axes of a camera of which only the size of the image is known."""
    clips = []
    for clip in film(camera, True, positions):
        turn = (torch.tensor(numbers).double() for numbers in (camera.orientation, camera.translation))
        seen = world_to_camera(clip.positions.double(), *turn)
        if not rooted:
            seen = seen - seen[:, :1]
        unseen = Camera(camera.id, camera.width, camera.height)
        keypoints = clip.keypoints if given else None
        clips.append(MotionClip(clip.subject, "Walk", unseen, seen, keypoints, is_root_relative=not rooted))
    return clips


@pytest.mark.parametrize("rooted", [True, False])
def test_cameras_that_are_not_known(rooted: bool) -> None:
    camera = CAMERAS[1]
    known, dataset = build(film(camera, given=True)), build(unknown(camera, rooted=rooted))
    torch.testing.assert_close(dataset.poses_3d, known.poses_3d, atol=1e-6, rtol=0)
    assert torch.equal(dataset.keypoints_2d, known.keypoints_2d)
    assert torch.equal(dataset.root_3d.isnan(), torch.full((120, 3), not rooted))
    assert {(clip.intrinsics, clip.orientation, clip.translation) for clip in dataset.clips} == {(None, None, None)}
    assert dataset.windows(3, flip=True)[[0, 200]].keypoints_2d.isfinite().all()
    with pytest.raises(DataError, match="positions cannot be projected: the camera has no intrinsics; expected key"):
        build(unknown(camera, given=False, rooted=rooted))
    calibrated = dataclasses.replace(camera, orientation=None, translation=None)
    relative = [dataclasses.replace(clip, camera=calibrated, keypoints=None) for clip in unknown(camera, rooted=rooted)]
    if rooted:  # in the axes of a camera that is not placed: intrinsics project
        torch.testing.assert_close(build(relative).keypoints_2d, known.keypoints_2d, atol=1e-5, rtol=0)
    else:
        with pytest.raises(DataError, match="positions cannot be projected: they are root-relative; expected keypoint"):
            build(relative)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": 1000}, "the skeleton has an extent of .* This looks like millimetres"),
        ({"turn": [1.0, -1, -1]}, "depth -.* m along its axis|look like y up"),
        ({"turn": [1.0, -1, 1]}, r"three\.npz: subject S0, action 'Walk', camera cam1: .* look like y up \(expected x"),
        ({"turn": [-1.0, 1, 1]}, "These axes look like x left "),
        ({"turn": [-1.0, -1, 1]}, "These axes look like x left, y up "),
        ({"pixels": 1 / 500}, r"two\.npz: .*These keypoints look normalised; expected pixels"),
        ({"is_normalized": True}, r"two\.npz: .*look like pixels; expected normalised ones"),
    ],
)
@pytest.mark.parametrize("rooted", [True, False])
def test_other_conventions_without_a_camera(change: dict[str, Any], message: str, rooted: bool) -> None:
    pixels, is_normalized = change.get("pixels", 1), change.get("is_normalized", False)
    turn = torch.tensor(change.get("turn", [1, 1, 1])).double() * change.get("scale", 1)
    wrong = [
        dataclasses.replace(
            clip, positions=clip.positions * turn, keypoints=clip.keypoints * pixels, is_normalized=is_normalized
        )
        for clip in unknown(CAMERAS[1], rooted=rooted)
    ]
    with pytest.raises(DataError, match=message):
        build(wrong)
    assert len(build(wrong, unchecked=True)) == 120


def test_keypoints_of_other_frames_are_a_warning_without_a_camera() -> None:
    mixed = [
        dataclasses.replace(clip, keypoints=clip.keypoints[:, torch.randperm(17, generator=torch.manual_seed(0))])
        for clip in unknown(CAMERAS[1])
    ]
    with pytest.warns(UserWarning, match="do not point the same way, nor do those of 1 more"):
        build(mixed)


@pytest.mark.parametrize("name", list_skeletons())
def test_bodies_of_every_layout_pass(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build([clip for camera in CAMERAS for clip in film(camera, True, walk(name))], skeleton=name)
        build([clip for camera in CAMERAS for clip in unknown(camera, positions=walk(name))], skeleton=name)


def test_real_data_pass(shared_dir: Callable[[str], Path]) -> None:
    folder = shared_dir("data")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, subjects in (("cmu", ["test", "S02"]), ("deepmimic", ["deepmimic"])):
            for data_2d in (folder / f"data_2d_{name}_gt.npz", None):
                MocapNPZ(folder / f"data_3d_{name}.npz", data_2d, folder / "cameras_cmu.json", subjects=subjects)
        SyntheticMocap(split="test", seconds=1)


def test_own_files_pass(tmp_path: Path) -> None:
    files = tiny_mocap.write(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train, test = (load_dataset("mocap", split, **files) for split in ("train", "test"))
    check_splits(train, test)
    with pytest.raises(DataError, match="training and test data share the subjects train"):
        check_splits(train, load_dataset("mocap", "test", **files, subjects=["test", "train"]))


def test_files_can_be_read_unchecked(tmp_path: Path) -> None:
    positions, _ = tiny_mocap.arrays()
    positions["train"]["walk 1"] = 1000 * positions["train"]["walk 1"]
    files = tiny_mocap.write(tmp_path, positions)
    with pytest.raises(DataError, match=r"data_3d\.npz: subject train, action 'walk 1', .*looks like millimetres"):
        load_dataset("mocap", "train", **files)
    assert len(load_dataset("mocap", "train", **files, unchecked=True).clips) == 6
