"""What is made of training windows: all parts of a batch fit together, runs repeat, tests stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_mocap
import torch
from torch import Tensor

from skelgraph import cli, training
from skelgraph.datasets import MotionClip, PoseBatch, PoseDataset, load_dataset
from skelgraph.datasets.synthetic import SyntheticMocap
from skelgraph.errors import SkelgraphError
from skelgraph.geometry import back_project_relative, from_rays, project
from skelgraph.topology import as_skeleton
from skelgraph.training import AugmentationConfig, LiftingModule, PoseData, TrainConfig, train
from skelgraph.training.checkpoint import load_checkpoint
from skelgraph.training.transforms.augmentation import Augmentation
from skelgraph.training.transforms.bodies import LimbLengths, tilt
from skelgraph.training.transforms.detections import detector_noise, drop_joints

OUTSIDE = {"virtual_views": True, "roll": 12.0, "tilt": 20.0, "mix": 0.4}


@pytest.fixture(scope="module")
def generated() -> PoseDataset:
    return SyntheticMocap(seconds=0.3, downsample=3, subjects=["S1"], unchecked=True)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def masked(data: PoseDataset) -> PoseDataset:
    """Some joints of the same data are not known, with confidences, as data of detectors have them."""
    data = data.copy()
    data.visible_3d = torch.rand(data.poses_3d.shape[:-1], generator=seeded(9)) > 0.2
    data.visible_3d[:, 0] = True
    data.confidence = torch.rand(data.poses_3d.shape[:-1], generator=seeded(8))
    return data


@pytest.mark.parametrize("frames", [1, 5])
@pytest.mark.parametrize("targets", ["centre", "all"])
@pytest.mark.parametrize("causal", [False, True], ids=["centred", "causal"])
def test_the_parts_of_a_batch_fit_together(generated: PoseDataset, frames: int, targets: Any, causal: bool) -> None:
    windows = masked(generated).windows(frames, flip=True, targets=targets, causal=causal)
    made = Augmentation(windows, AugmentationConfig(**OUTSIDE, limb_lengths=10.0))
    index = torch.arange(len(windows))
    batch, plain = made(index, seeded()), windows[index]
    assert [None if part is None else (part.shape, part.dtype) for part in batch] == [
        None if part is None else (part.shape, part.dtype) for part in plain
    ]
    for same in ("frame", "flipped", "visible_3d"):
        assert torch.equal(getattr(batch, same), getattr(plain, same)), same
    assert batch.visible_3d is not None
    assert batch.confidence is not None
    assert batch.root_3d is not None
    assert batch.intrinsics is not None
    target = windows.target
    # the target frame, from pose, root and camera alone
    poses, known = (p[:, target] if targets == "all" else p for p in (batch.poses_3d, batch.visible_3d))
    seen = project(poses + batch.root_3d[:, None], batch.intrinsics, "none")
    torch.testing.assert_close(seen[known], batch.keypoints_2d[:, target][known], atol=2e-6, rtol=1e-5)
    lifted = back_project_relative(batch.keypoints_2d[:, target], poses[..., 2], batch.root_3d[:, 2], batch.intrinsics)
    torch.testing.assert_close(lifted[known], poses[known], atol=1e-5, rtol=0)
    assert not poses[:, 0].any()
    assert torch.equal(batch.confidence[:, target] == 1, known)
    assert set(batch.confidence.unique().tolist()) == {0.0, 1.0}
    assert not batch.keypoints_2d[batch.confidence == 0].any()


def angles(poses: Tensor) -> Tensor:
    """Distances of all pairs of joints: what no camera changes."""
    return torch.cdist(poses, poses)


def test_a_camera_alone_changes_no_body_and_a_tilt_neither(generated: PoseDataset) -> None:
    windows = generated.windows(3, flip=True, targets="all")
    index = torch.arange(len(windows))
    plain = windows[index]
    for settings in ({"virtual_views": True}, {"virtual_views": True, "roll": 30.0, "tilt": 40.0}):
        batch = Augmentation(windows, AugmentationConfig(**settings))(index, seeded(1))
        torch.testing.assert_close(angles(batch.poses_3d), angles(plain.poses_3d), atol=2e-6, rtol=0)
        assert (batch.poses_3d - plain.poses_3d).norm(dim=-1).mean() > 0.1
        # left stays left: a mirror image would have the same distances
        volume = [torch.linalg.det(b.poses_3d[:, :, [4, 8, 10]]) for b in (batch, plain)]
        torch.testing.assert_close(*volume, atol=1e-5, rtol=1e-3)
    mixed = Augmentation(windows, AugmentationConfig(virtual_views=True, mix=0.4))(index, seeded(1))
    moved = (angles(mixed.poses_3d) - angles(plain.poses_3d)).abs().amax((1, 2, 3)) > 1e-3
    assert 0.5 < float(moved.double().mean()) < 0.95
    bones = torch.tensor(as_skeleton("h36m17").edges)
    lengths = [(b.poses_3d[..., bones[:, 0], :] - b.poses_3d[..., bones[:, 1], :]).norm(dim=-1) for b in (mixed, plain)]
    torch.testing.assert_close(*lengths, atol=2e-6, rtol=0)


def test_without_tilt_people_are_as_upright_as_they_were() -> None:
    """Up in camera axes follows from elevation alone: nothing else turns a standing person."""
    data = SyntheticMocap(seconds=0.3, downsample=5, actions=["Walking"], unchecked=True)
    windows = data.windows(flip=True)
    index = torch.arange(len(windows))
    trunk = {}
    for name, settings in (("level", {}), ("tilted", {"tilt": 20.0}), ("rolled", {"roll": 12.0})):
        batch = Augmentation(windows, AugmentationConfig(virtual_views=True, **settings))(index, seeded(2))
        box = batch.keypoints_2d[:, 0]
        trunk[name] = torch.rad2deg(torch.atan2(box[:, 8, 0] - box[:, 0, 0], box[:, 0, 1] - box[:, 8, 1])).std()
        assert (box[:, 8, 1] < box[:, 0, 1]).double().mean() > 0.97  # thorax above hip
    assert trunk["level"] < trunk["rolled"] - 2
    assert trunk["level"] < trunk["tilted"] - 2


def test_tilt_turns_about_horizontal_axes() -> None:
    up = torch.tensor([0.0, 0, 1], dtype=torch.float64).expand(20000, 3, 1, 3)
    leaning = tilt(up, 20.0, seeded(3))
    assert torch.equal(leaning[:, 0], leaning[:, 2])  # one for all frames
    angle = torch.rad2deg(leaning[:, 0, 0, 2].clamp(-1, 1).acos())
    assert float(angle.square().mean().sqrt()) == pytest.approx(20 * 2**0.5, abs=0.4)  # two axes
    assert leaning[..., :2].mean((0, 1, 2)).abs().max() < 0.01
    # the rotation has no part about the vertical axis: the axis between both is horizontal
    ahead = torch.tensor([1.0, 0, 0], dtype=torch.float64).expand(20000, 1, 1, 3)
    turned = tilt(torch.cat((up[:, :1], ahead), 2), 20.0, seeded(3))[:, 0]
    axis = torch.linalg.cross(up[:, 0, 0], turned[:, 0])
    torch.testing.assert_close((axis * turned[:, 1]).sum(-1), axis[:, 0])


def test_lengths_change_alike_on_both_sides(generated: PoseDataset) -> None:
    skeleton = as_skeleton("h36m17")
    poses = generated.poses_3d.double()[:400].view(100, 4, 17, 3) + 3.0
    scaled = LimbLengths(skeleton, 15.0)(poses, seeded(4))
    torch.testing.assert_close(scaled[..., 0, :], poses[..., 0, :])
    child = torch.tensor([c for _, c in skeleton.edges])
    parent = torch.tensor([p for p, _ in skeleton.edges])
    bones = [p[..., child, :] - p[..., parent, :] for p in (scaled, poses)]
    factor = bones[0].norm(dim=-1) / bones[1].norm(dim=-1)
    torch.testing.assert_close(bones[0], bones[1] * factor[..., None])  # directions stay
    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor))  # as one in time
    assert 0.85 <= float(factor.min()) < 0.86
    assert 1.14 < float(factor.max()) <= 1.15
    of = dict(zip(child.tolist(), factor[:, 0].unbind(-1), strict=True))
    for left, right in skeleton.symmetric_pairs:
        torch.testing.assert_close(of[left], of[right])
    assert not torch.allclose(of[5], of[6])


def test_noise_is_a_share_of_the_box() -> None:
    box = torch.tensor([[0.0, 0.0], [0.1, 0.6], [0.05, 0.3], [0.08, 0.1], [9.0, 9.0]], dtype=torch.float64)
    keypoints = (box * torch.tensor([1.0, 3.0], dtype=torch.float64)[:, None, None]).repeat(10000, 1, 1)[:, None]
    visible = torch.ones(20000, 1, 5, dtype=torch.bool)
    visible[..., 4] = False
    noisy = detector_noise(keypoints, visible, percent=2.0, generator=seeded(5))
    moved = (noisy - keypoints)[:, 0]
    assert not moved[:, 4].any()
    for i, side in enumerate((0.6, 1.8)):
        # of a deviation that is uniform up to s, the mean square is s^2 / 3
        deviation = moved[i::2, :4].square().mean().sqrt()
        assert float(deviation) == pytest.approx(0.02 * side / 3**0.5, rel=0.03)
    assert moved[:, :4].mean().abs() < 1e-3
    quiet = moved[:, :4].square().mean((1, 2)).sqrt() / torch.tensor([0.6, 1.8], dtype=torch.float64).repeat(10000)
    assert float((quiet < 0.002).double().mean()) == pytest.approx(0.1, abs=0.03)  # its size is drawn for each window
    wild = detector_noise(keypoints, visible, percent=0.0, outliers=0.25, generator=seeded(5))
    lost = (wild != keypoints).any(-1)[:, 0, :4]
    assert float(lost.double().mean()) == pytest.approx(0.25, abs=0.01)
    assert (wild[:, :, :4] >= 0).all()
    assert (wild[::2, 0, :4] <= torch.tensor([0.1, 0.6], dtype=torch.float64)).all()


def test_dropped_joints() -> None:
    keypoints = torch.rand(2000, 3, 7, 2, generator=seeded(6)) + 1
    confidence = torch.rand(2000, 3, 7, generator=seeded(7)) * 0.5 + 0.5
    left, sure = drop_joints(keypoints, confidence, rate=0.1, generator=seeded(8))
    assert sure is not None
    lost = sure == 0
    assert float(lost.double().mean()) == pytest.approx(0.1, abs=0.01)
    assert not left[lost].any()
    assert torch.equal(left[~lost], keypoints[~lost])
    assert torch.equal(sure[~lost], confidence[~lost])
    same, none = drop_joints(keypoints, None, rate=0.1, generator=seeded(8))
    assert none is None
    assert torch.equal(same, left)


def test_keypoints_that_are_there_are_spoiled_without_a_new_view(generated: PoseDataset) -> None:
    windows = masked(generated).windows(3)
    index = torch.arange(len(windows))
    plain = windows[index]
    batch = Augmentation(windows, AugmentationConfig(keypoint_noise=1.0, joint_dropout=0.1))(index, seeded())
    for name in set(PoseBatch._fields) - {"keypoints_2d", "confidence", "vertices", "rotation"}:
        assert torch.equal(getattr(batch, name), getattr(plain, name)), name
    assert batch.confidence is not None
    found = batch.confidence > 0
    assert 0 < float((batch.keypoints_2d - plain.keypoints_2d)[found].abs().max()) < 0.1
    assert 0.85 < float(found.double().mean()) < 0.95


def test_other_data_and_skeletons() -> None:
    """A layout whose hips hang from the shoulders; and a hand, which has no limbs to mix but can be filmed."""
    body = SyntheticMocap(skeleton="coco17", seconds=0.2, subjects=["S5"], actions=["Walking"], unchecked=True)
    made = Augmentation(body.windows(flip=True), AugmentationConfig(**OUTSIDE))(torch.arange(40), seeded())
    assert made.keypoints_2d.abs().max() < 16 / 9
    hand = SyntheticMocap(skeleton="hand21", seconds=0.2, subjects=["S5"], actions=["Walking"], unchecked=True)
    view = AugmentationConfig(virtual_views=True, tilt=20.0)
    assert Augmentation(hand.windows(), view)(torch.arange(9), seeded()).poses_3d.isfinite().all()
    with pytest.raises(SkelgraphError, match="no part 'left_leg'"):
        Augmentation(hand.windows(), AugmentationConfig(**OUTSIDE))


def small(files: dict[str, str], out: Path, **changes: Any) -> TrainConfig:
    settings: dict[str, Any] = {
        "dataset": "mocap",
        **files,
        "up": "z",
        "options": {"hidden_channels": 8, "num_blocks": 1},
        "max_epochs": 2,
        "batch_size": 64,
        "schedule": "exponential",
        "seed": 3,
        "device": "cpu",
        "progress": False,
        **OUTSIDE,
        "keypoint_noise": 1.0,
    }
    return TrainConfig(str(out)).replace(**settings | changes)


def weights(out: Path) -> dict[str, Tensor]:
    return load_checkpoint(out / "checkpoints" / "last.ckpt")["state_dict"]


def test_runs_repeat_and_go_on_bit_for_bit(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []
    step, check = LiftingModule.batch_loss, LiftingModule.test_step

    def batch_loss(self: LiftingModule, batch: PoseBatch) -> Tensor:
        seen.append(batch.keypoints_2d)
        return step(self, batch)

    tested: list[Tensor] = []

    def test_step(self: LiftingModule, batch: PoseBatch, batch_idx: int) -> None:
        tested.append(batch.keypoints_2d)
        check(self, batch, batch_idx)

    monkeypatch.setattr(LiftingModule, "batch_loss", batch_loss)
    monkeypatch.setattr(LiftingModule, "test_step", test_step)
    config = small(files, tmp_path / "whole")
    train(config)
    whole = torch.cat(seen)
    # the test data are those of the files
    test_set = load_dataset("mocap", "test", **files)
    assert torch.equal(torch.cat(tested)[:, 0], test_set.keypoints_2d)
    # no two steps see one view, and not the one of the files
    assert len(whole.flatten(1).unique(dim=0)) == len(whole)
    half = len(whole) // 2
    seen.clear()
    train(small(files, tmp_path / "parts", max_epochs=1))
    assert torch.equal(torch.cat(seen), whole[:half])
    seen.clear()
    train(small(files, tmp_path / "parts"), resume=True)
    assert torch.equal(torch.cat(seen), whole[half:])
    for name, weight in weights(tmp_path / "whole").items():
        assert torch.equal(weights(tmp_path / "parts")[name], weight), name
    # another network sees the same, another seed other views
    seen.clear()
    train(small(files, tmp_path / "other", model="martinez", options={"hidden_channels": 16}, max_epochs=1))
    assert torch.equal(torch.cat(seen), whole[:half])
    with pytest.raises(SkelgraphError, match=r"tilt was 20.0, now 10.0"):
        train(small(files, tmp_path / "whole", tilt=10.0), resume=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"up": None}, r"which axis of their world points up; expected up"),
        ({"virtual_views": False}, "roll is 12.0, but no new camera films what it makes"),
        ({"tilt": 91.0}, "tilt is 91.0"),
        ({"mix": 1.1}, "mix is 1.1"),
    ],
    ids=["up", "no-view", "tilt", "mix"],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    files: dict[str, str], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SkelgraphError, match=message):
        train(small(files, tmp_path / "out").replace(**changes))
    assert not (tmp_path / "out").exists()


def test_processes_see_other_views(generated: PoseDataset) -> None:
    """Each process draws for its own windows."""

    class Trainer:
        world_size, current_epoch = 2, 1

        def __init__(self, rank: int) -> None:
            self.global_rank = rank

    def first(rank: int, seed: int, index: Tensor) -> Tensor:
        data = PoseData(generated, generated, seed=seed, augmentation=AugmentationConfig(virtual_views=True))
        data.trainer = Trainer(rank)  # type: ignore[assignment]
        return data.training_batches().batch(index, 0).keypoints_2d

    index = torch.arange(8)
    assert torch.equal(first(0, 1, index), first(0, 1, index))
    assert not torch.equal(first(0, 1, index), first(1, 1, index))
    assert not torch.equal(first(0, 1, index), first(0, 2, index))


def test_data_of_a_clip_without_cameras_are_trained_on_as_before() -> None:
    """Nothing is asked of the data where nothing is made of them."""
    clip = MotionClip("train", "walk 1", _no_camera(), tiny_mocap.motion(9, 0), np.zeros((9, 17, 2)) + 500.0)
    data = PoseDataset([clip], skeleton="h36m17", name="x", split="train", frame_rate=None, unchecked=True)
    assert PoseData(data, data, augmentation=AugmentationConfig()).augmentation is None
    with pytest.raises(SkelgraphError, match="which axis"):
        Augmentation(data.windows(), AugmentationConfig(virtual_views=True))


def _no_camera() -> Any:
    from skelgraph.datasets import Camera

    return Camera("c", 1000, 1000)


def test_the_command_line_has_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configs: list[TrainConfig] = []

    class StoppedError(Exception):
        pass

    def trained(config: TrainConfig, **_: object) -> None:
        configs.append(config)
        raise StoppedError

    monkeypatch.setattr(training, "train", trained)
    numbers = (
        "--virtual-views --roll 12 --tilt 20 --mix 0.4 --bend 15 --limb-lengths 5 --keypoint-noise 1 --outliers 0.03"
    )
    with pytest.raises(StoppedError):
        cli.run(["train", *numbers.split(), "--joint-dropout", "0.05", "--out", str(tmp_path / "out")])
    assert configs[0].augmentation == AugmentationConfig(True, 12.0, 20.0, 0.4, 15.0, 5.0, 1.0, 0.03, 0.05)


@pytest.mark.parametrize("frames", [1, 5])
def test_new_views_as_rays(generated: PoseDataset, frames: int) -> None:
    """Rays are made of what the new camera sees, with its own focal length."""
    windows = masked(generated).windows(frames, flip=True)
    batch = Augmentation(windows, AugmentationConfig(**OUTSIDE))(torch.arange(len(windows)), seeded())
    assert batch.intrinsics is not None
    assert batch.confidence is not None
    given = batch.in_form("rays")
    torch.testing.assert_close(given.to_camera(given.poses_3d), batch.poses_3d, atol=1e-6, rtol=0)
    centre, seen = frames // 2, batch.confidence[:, frames // 2] > 0
    back = from_rays(given.keypoints_2d[:, centre], given.rotation, batch.intrinsics)
    torch.testing.assert_close(back[seen], batch.keypoints_2d[:, centre][seen], atol=2e-6, rtol=1e-5)
    places = given.keypoints_2d[:, centre, :, :2].abs().amax(-1).where(seen, torch.nan)
    largest = places.nan_to_num(0).amax(-1)
    assert ((largest > 0.9) & (largest < 1.2)).float().mean() > 0.95  # a box of half side 1, whatever the camera


def test_a_run_with_new_views_as_rays(tmp_path: Path) -> None:
    config = TrainConfig(str(tmp_path / "run")).replace(
        model="martinez",
        options={"hidden_channels": 8},
        input_form="rays",
        downsample=100,
        test_downsample=100,
        max_epochs=1,
        progress=False,
        **OUTSIDE,
    )
    metrics = train(config)
    again = training.evaluate(tmp_path / "run" / "checkpoints" / "last.ckpt", tmp_path / "test", progress=False)
    assert again["mpjpe_mm"] == pytest.approx(metrics["mpjpe_mm"], rel=1e-5)
