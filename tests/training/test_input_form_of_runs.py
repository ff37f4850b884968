"""Runs on rays: the form is in their checkpoints, poses are turned along in training and back in every answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_mocap import Run
from torch import Tensor

from skelgraph.__main__ import main
from skelgraph.datasets import PoseDataset, load_dataset
from skelgraph.datasets.windows import PoseBatch
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.geometry import box_view, mirror, to_rays, turn
from skelgraph.models import FrameLifter, load_network
from skelgraph.training import LiftingModule, evaluate, train

MIRROR = torch.tensor([-1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def rays(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("rays") / "out"
    config = run.config.replace(out=str(out), input_form="rays", max_epochs=2)
    return Run(config, train(config), out, out / "checkpoints" / "last.ckpt")


@pytest.fixture(scope="module")
def data(files: dict[str, str]) -> PoseDataset:
    return load_dataset("mocap", "test", **files)


class Truth(FrameLifter):
    """Answers with what it was taught, in the axes of its input."""

    def __init__(self, skeleton: str = "h36m17") -> None:
        super().__init__(skeleton, in_channels=3)
        self.config["input"] = "rays"
        self.weight = torch.nn.Parameter(torch.ones(()))

    def lift_frame(self, x: Tensor) -> Tensor:
        return self.answer * self.weight


def test_a_run_is_evaluated_as_it_was_trained(rays: Run, tmp_path: Path) -> None:
    network = load_network(rays.last)
    assert (network.input_form, network.in_channels) == ("rays", 3)
    again = evaluate(rays.last, tmp_path / "again", progress=False, device="cpu")
    assert again["mpjpe_mm"] == rays.metrics["mpjpe_mm"]
    network.save_pretrained(tmp_path / "weights")
    files = {name: getattr(rays.config.data, name) for name in ("data_3d", "data_2d", "cameras")}
    other = evaluate(tmp_path / "weights", tmp_path / "other", dataset="mocap", **files, progress=False, device="cpu")
    assert other["mpjpe_mm"] == pytest.approx(again["mpjpe_mm"], abs=1e-9)


def test_what_is_judged_by_hand(rays: Run, data: PoseDataset) -> None:
    """Rays from the pixels' cameras, the mirrored ones by mirroring, and the answer turned back."""
    network, batch = load_network(rays.last).double(), data.windows()[:]
    assert batch.intrinsics is not None
    points, camera = batch.keypoints_2d[:, 0].double(), batch.intrinsics.double()
    rotation, size = box_view(points, camera)
    x, index = to_rays(points, rotation, size, camera), data.skeleton.mirror_index
    with torch.no_grad():
        lifted = (network(x) + network(x[:, index] * MIRROR)[:, index] * MIRROR) / 2
    lifted = turn(lifted, rotation.mT)
    errors = 1000 * ((lifted - lifted[:, :1]) - batch.poses_3d).norm(dim=-1).mean(-1)
    assert errors.mean().item() == pytest.approx(rays.metrics["mpjpe_frames_mm"], abs=1e-2)
    assert (rotation - torch.eye(3)).abs().amax() > 0.02


def test_the_loss_is_taken_in_turned_axes_and_answers_come_back(data: PoseDataset) -> None:
    network = Truth()
    module = LiftingModule(network, data.actions, data.mean_pose(), flip_test=False)
    batch = data.windows(frames=3)[:]
    given = batch.in_form("rays")
    network.answer = given.poses_3d
    assert (given.poses_3d - batch.poses_3d).norm(dim=-1).amax() > 0.05
    assert module.batch_loss(batch).item() < 1e-6
    torch.testing.assert_close(module.answers(batch, "network")["network"].pose, batch.poses_3d, atol=1e-6, rtol=0)
    network.answer = batch.poses_3d
    assert module.batch_loss(batch).item() > 0.01


def test_a_mirrored_window_is_the_mirror_image_of_the_window(rays: Run, data: PoseDataset) -> None:
    """Its camera is mirrored, too: rays, poses and answers."""
    windows = data.windows(frames=3, flip=True)
    half = len(windows) // 2
    plain, mirrored = windows[:half].in_form("rays"), windows[half:].in_form("rays")
    index = data.skeleton.mirror_index
    torch.testing.assert_close(mirrored.keypoints_2d, mirror(plain.keypoints_2d, index), atol=1e-5, rtol=0)
    torch.testing.assert_close(mirrored.poses_3d, mirror(plain.poses_3d, index), atol=1e-6, rtol=0)
    network = load_network(rays.last)
    module = LiftingModule(network, data.actions, data.mean_pose()).eval()
    with torch.no_grad():
        answers = module.answers(windows[:], "network")["network"].pose
    torch.testing.assert_close(answers[half:], mirror(answers[:half], index), atol=1e-5, rtol=0)


def test_all_frames_masks_vertices_and_confidences(data: PoseDataset) -> None:
    batch = data.windows(frames=5, targets="all")[3:9]
    confidence = torch.full(batch.keypoints_2d.shape[:-1], 0.5)
    confidence[:, :, 4] = 0
    away = batch.keypoints_2d.clone()
    away[:, :, 4] = 30.0
    vertices = batch.poses_3d[:, 2]
    given = batch._replace(keypoints_2d=away, confidence=confidence, vertices=vertices).in_form("rays")
    assert given.rotation is not None
    torch.testing.assert_close(given.poses_3d, turn(batch.poses_3d, given.rotation[:, None]))
    torch.testing.assert_close(given.vertices, given.poses_3d[:, 2])
    torch.testing.assert_close(given.to_camera(given.poses_3d), batch.poses_3d, atol=1e-6, rtol=0)
    assert given.network_input(3).abs().amax() < 4  # the joint that nobody saw does not count
    assert not given.keypoints_2d[:, :, 4, :2].any()
    torch.testing.assert_close(given.network_input(4)[..., 3], confidence)
    with pytest.raises(DataError, match=r"in_channels of the model is 2; expected 3 \(x, y, log of the size\) or 4"):
        given.network_input(2)
    with pytest.raises(DataError, match="in_channels of the model is 4; expected 3, as in the keypoints"):
        given._replace(confidence=None).network_input(4)
    empty = data.windows()[:0].in_form("rays")
    assert empty.to_camera(empty.poses_3d).shape == (0, 17, 3)
    assert batch.in_form("screen") is batch
    assert batch.to_camera(vertices) is vertices


def test_a_head_refines_in_the_axes_of_the_camera(rays: Run, data: PoseDataset, tmp_path: Path) -> None:
    """Trained with a network on rays; and given what it is given without them, where that network answers the truth."""
    config = rays.config.replace(out=str(tmp_path / "out"), refine=True, refine_channels=16, max_epochs=1)
    metrics = train(config)
    assert metrics["rows"]["refined_true_depth"]["mpjpe_mm"] < 500
    network, batch = Truth(), data.windows()[:]
    network.answer = batch.in_form("rays").poses_3d
    given: list[Tensor] = []
    head = torch.nn.Module()
    head.forward = lambda pose, points: given.append(pose) or pose  # type: ignore[method-assign]
    module = LiftingModule(network, data.actions, data.mean_pose(), flip_test=False, loss="mpjpe")
    module.refine, module.refine_loss = head, module.loss  # type: ignore[assignment]
    assert module.batch_loss(batch).item() < 1e-6
    torch.testing.assert_close(given[0], batch.poses_3d, atol=1e-6, rtol=0)


def test_data_without_cameras_and_weights_of_the_other_form_are_refused(run: Run, rays: Run, tmp_path: Path) -> None:
    data = load_dataset("mocap", "test", **{k: getattr(rays.config.data, k) for k in ("data_3d", "data_2d", "cameras")})
    blind: PoseBatch = data.windows()[:2]._replace(intrinsics=None)
    with pytest.raises(DataError, match="the network takes rays"):
        blind.in_form("rays")
    for first, second in ((run, rays), (rays, run)):
        config = second.config.replace(out=str(tmp_path / "new"), init_from=str(first.last))
        with pytest.raises(SkelgraphError, match=r"takes the input form .*, expected"):
            train(config)
    with pytest.raises(SkelgraphError, match="holds a network of the input form 'rays', expected 'screen'"):
        evaluate(rays.last, tmp_path / "new", input_form="screen", progress=False, device="cpu")
    assert not (tmp_path / "new").exists()


def test_the_command(rays: Run, files: dict[str, str], tmp_path: Path) -> None:
    places = " ".join(f"--{name.replace('_', '-')} {path}" for name, path in files.items())
    small = "--option hidden_channels=8 --option num_blocks=1 --max-epochs 1 --device cpu --no-progress"
    assert main(f"train --dataset mocap {places} {small} --input-form rays --out {tmp_path}/out".split()) == 0
    assert load_network(tmp_path / "out" / "checkpoints" / "last.ckpt").input_form == "rays"
