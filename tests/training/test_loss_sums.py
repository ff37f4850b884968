"""Losses as weighted sums, of the centre frame or of all frames of a window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_mocap import Run

from skelgraph import create_model
from skelgraph.__main__ import main
from skelgraph.datasets import load_dataset
from skelgraph.errors import SkelgraphError, TopologyError
from skelgraph.nn import (
    PostRefine,
    aligned_pose_loss,
    p_mpjpe_loss,
    smoothness_loss,
    smoothness_weights,
    symmetric_bones,
    symmetry_loss,
)
from skelgraph.topology import Skeleton, as_skeleton
from skelgraph.training import LOSSES, LiftingModule, TrainConfig, load_checkpoint, read_config, register_loss, train
from skelgraph.training.losses import LOSS_SUM, loss_label, make_loss

BODY = as_skeleton("h36m17")


def poses(*batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return 0.3 * torch.randn(*batch, 17, 3, dtype=torch.float64), 0.3 * torch.randn(*batch, 17, 3, dtype=torch.float64)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("mpjpe", [(1, "mpjpe")]),
        ("0.9*mse + 0.1*l1", [(0.9, "mse"), (0.1, "l1")]),
        ("0.9*mse+0.1*l1", [(0.9, "mse"), (0.1, "l1")]),
        ("mpjpe+1e-2*symmetry", [(1, "mpjpe"), (0.01, "symmetry")]),
        (" 1E+2 * mse + .5*p_mpjpe\n+ 1.*l1", [(100, "mse"), (0.5, "p_mpjpe"), (1, "l1")]),
        ("mse + mse", [(1, "mse"), (1, "mse")]),
        ("none", []),
    ],
)
def test_sums_that_are_read(text: str, terms: list[tuple[float, str]]) -> None:
    assert LOSS_SUM.terms(text) == terms
    assert TrainConfig("x").replace(loss=text).training.loss == text


@pytest.mark.parametrize(
    "text",
    ["", " ", "+", "mse +", "+ mse", "mse l1", "0*mse", "-1*mse", "mse - l1", "0.9 mse", "2mse", "mse*0.9", "1e999*mse",
     "nan*mse", "1e+*mse", "0.9*0.1*mse", "(mse)", "mse, l1", "none + mse", "0.5*none", "none ", "mse" + " " * 2000,
     "mse\x1b[2J"],
)  # fmt: skip
def test_sums_that_are_none(text: str) -> None:
    with pytest.raises(SkelgraphError, match=r"loss is .*; expected a weighted sum of 'mpjpe', .* or none") as error:
        TrainConfig("x").replace(loss=text)
    assert "\x1b" not in str(error.value)
    assert len(str(error.value)) < 500


def test_one_checker_for_python_files_and_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = (
        r"loss is '0\.9\*mse \+ 0\.1\*l2'; expected a weighted sum of 'mpjpe', .* such as '0\.9\*mse \+ 0\.1\*l1', "
        r"or none \(did you mean 'l1'\?\)"
    )
    with pytest.raises(SkelgraphError, match=message):
        TrainConfig("x").replace(loss="0.9*mse + 0.1*l2")
    (tmp_path / "a.yaml").write_text("training: {loss: 0.9*mse + 0.1*l2}\n")
    with pytest.raises(SkelgraphError, match=r"a\.yaml: " + message):
        read_config(tmp_path / "a.yaml")
    with pytest.raises(SkelgraphError, match=message.replace("loss is", "LiftingModule: loss is")):
        module(loss="0.9*mse + 0.1*l2")
    assert main(["train", "--loss", "0.9*mse + 0.1*l2", "--out", str(tmp_path / "out")]) == 2
    assert "did you mean 'l1'" in " ".join(capsys.readouterr().err.split())
    (tmp_path / "b.yaml").write_text("training:\n  loss: 0.9*mse + 0.1*l1\nrefinement: {refine_loss: none}\n")
    with pytest.raises(SkelgraphError, match=r"refine-loss is 'none'; expected a weighted sum of .* \+ 0\.1\*l1'$"):
        read_config(tmp_path / "b.yaml")


def test_values_are_those_of_the_terms() -> None:
    pred, target = poses(4)
    distance, off = (pred - target).norm(dim=-1).mean(), pred - target
    symmetry = symmetry_loss(pred, symmetric_bones(BODY))
    for text, expected in (
        ("0.9*mse + 0.1*l1", 0.9 * off.square().mean() + 0.1 * off.abs().mean()),
        ("0.99*mpjpe + 0.01*l1", 0.99 * distance + 0.01 * off.abs().mean()),
        ("mpjpe + 0.5*p_mpjpe", aligned_pose_loss(pred, target)),
        ("aligned", distance + 0.5 * p_mpjpe_loss(pred, target)),
        ("mpjpe + 0.01*symmetry", distance + 0.01 * symmetry),
        ("100*symmetry", 100 * symmetry),
        ("none", torch.zeros((), dtype=torch.float64)),
    ):
        torch.testing.assert_close(make_loss(text, BODY)(pred, target), expected)
    pred, target = poses(4, 5)
    expected = (pred - target).norm(dim=-1).mean() + 2 * smoothness_loss(pred, smoothness_weights(BODY))
    torch.testing.assert_close(make_loss("mpjpe + 2*smoothness", BODY)(pred, target), expected)


def test_what_a_loss_knows_of_the_skeleton_moves_with_the_network() -> None:
    """And is in no checkpoint; compiled training reads it on the device."""
    both = module(loss="mpjpe + symmetry", refine=PostRefine("h36m17", 8), refine_loss="mpjpe + symmetry")
    assert [name for name, _ in both.named_buffers() if "loss" in name] == [
        "loss.parts.0.bones",
        "refine_loss.parts.0.bones",
    ]
    assert not any("loss" in name for name in both.state_dict())
    assert both.to("meta").loss.parts[0].bones.is_meta
    pred, target = poses(4, 5)
    loss = make_loss("mpjpe + symmetry + smoothness", BODY)
    compiled = torch.compile(loss, fullgraph=True)
    torch.testing.assert_close(compiled(pred, target), loss(pred, target))


@pytest.mark.parametrize("name", list(LOSSES))
def test_joints_that_are_not_known_change_nothing(name: str) -> None:
    """Neither their true positions nor, where the term compares with these, the predicted ones."""
    pred, target = poses(3, 4)
    visible = torch.rand(3, 4, 17) < 0.7
    loss = make_loss(name, BODY)
    expected = loss(pred, target, visible=visible)
    broken = torch.where(visible[..., None], target, torch.nan)
    torch.testing.assert_close(loss(torch.where(visible[..., None], pred, 3.0), broken, visible=visible), expected)
    assert loss(pred, target) != expected


def test_units_of_a_sum() -> None:
    assert loss_label("mpjpe") == "mpjpe loss (m)"
    assert loss_label("0.9*mse + 0.1*l1") == "0.9*mse + 0.1*l1 loss (m² + m)"
    assert loss_label("mpjpe + l1", "mse") == "mpjpe + l1 + (mse) of refined poses loss (m + m²)"
    assert loss_label("none", "mpjpe + 0.01*symmetry") == "(mpjpe + 0.01*symmetry) of refined poses loss (m)"


@pytest.fixture
def own_losses_go() -> Iterator[None]:
    before = dict(LOSSES)
    yield
    LOSSES.clear()
    LOSSES.update(before)


@pytest.mark.usefixtures("own_losses_go")
def test_a_loss_that_knows_the_skeleton() -> None:
    @register_loss("root_only", unit="m", help="distance of the root")
    def root_only(skeleton: Skeleton) -> Any:
        return lambda pred, target, *, visible=None: (pred - target)[..., skeleton.root, :].norm(dim=-1).mean()

    pred, target = poses(4)
    found = make_loss("3*root_only", as_skeleton("mpi_inf_3dhp17"))(pred, target)
    torch.testing.assert_close(found, 3 * (pred - target)[:, 14].norm(dim=-1).mean())
    for name in ("none", "a b", "2x", "a+b"):
        with pytest.raises(SkelgraphError, match=r"name of a loss is .*; expected an identifier that is not none"):
            register_loss(name, unit="m", help="x")(root_only)


def module(model: str = "sem_gcn", options: Any = None, **settings: Any) -> LiftingModule:
    torch.manual_seed(0)
    small = {"hidden_channels": 8, "num_blocks": 1} if options is None else options
    return LiftingModule(create_model(model, "h36m17", **small), ("walk",), torch.zeros(17, 3), **settings)


def test_what_cannot_be_trained_on() -> None:
    head = PostRefine("h36m17", 8)
    one, many = {"hidden_channels": (8, 8, 8), "num_frames": 1}, {"hidden_channels": (8, 8, 8), "num_frames": 3}
    for wrong, message in (
        ({"loss": "none"}, "loss is 'none'; expected a loss, as no head is trained in its place"),
        ({"loss_frames": "all"}, "loss-frames is 'all', but SemGCN lifts the centre frame of a window alone"),
        ({"loss": "mpjpe + smoothness"}, "the loss smoothness compares the frames of a window, and is taken of 1"),
        ({"refine": head, "refine_loss": "mpjpe + smoothness"}, "the loss smoothness compares the frames"),
        ({"loss": "smoothness", "loss_frames": "all", "model": "st_gcn_pose", "options": one}, "is taken of 1"),
        ({"loss": "smoothness", "model": "st_gcn_pose", "options": many}, "is taken of 1; expected loss-frames 'all'"),
    ):
        with pytest.raises(SkelgraphError, match=message):
            module(**wrong)
    module(loss="smoothness", loss_frames="all", model="st_gcn_pose", options=many)
    unknown = Skeleton([-1, 0, 1])
    with pytest.raises(TopologyError, match="does not say which joints are left and right"):
        make_loss("mpjpe + symmetry", unknown)


def test_nothing_is_written_of_a_run_that_cannot_be_trained(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    hgn = {"model": "hgn", "options": {"hidden_channels": 8}, "refine": True}
    for wrong, message in (
        ({"loss": "none"}, "loss is 'none'"),
        ({"loss_frames": "all"}, "SemGCN lifts the centre frame"),
        ({"schedule": "every"}, "lr-every is not given, which the schedule every needs"),
        ({"schedule": "multistep"}, "lr-milestones is not given, which the schedule multistep needs"),
        (hgn, "refine is on, but HGN is trained on a loss of its own, without the refined poses"),
    ):
        with pytest.raises(SkelgraphError, match=message):
            train(run.config.replace(out=str(out), **wrong))
        assert not out.exists()


def test_none_leaves_the_refined_pose_alone(files: dict[str, str]) -> None:
    """And trains the network through it, as GraphMLP's second stage does."""
    data = load_dataset("mocap", "train", **files)  # type: ignore[arg-type]
    both = module(loss="none", refine=PostRefine("h36m17", 8), refine_loss="mse").eval()
    both.log = lambda *args, **kwargs: None  # type: ignore[method-assign]
    batch = data.windows(flip=True)[::3]
    assert batch.root_3d is not None
    loss = both.training_step(batch, 0)
    refined = both.refined(both.model(batch.keypoints_2d), batch, batch.root_3d[:, 2])
    torch.testing.assert_close(loss, torch.nn.functional.mse_loss(refined, batch.poses_3d))
    loss.backward()
    assert all(parameter.grad is not None for parameter in both.parameters())


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("st_gcn_pose", {"hidden_channels": (8, 8), "part_channels": 8, "fused_channels": 8, "num_frames": 5}),
        ("video_pose", {"filter_widths": (5,), "hidden_channels": 8}),
        ("video_pose", {"filter_widths": (3,), "hidden_channels": 8, "causal": True}),
    ],
)
def test_all_frames_are_compared_with_their_own_poses(files: dict[str, str], model: str, options: Any) -> None:
    data = load_dataset("mocap", "train", **files)  # type: ignore[arg-type]
    whole = module(model, options, loss="mpjpe", loss_frames="all", refine=PostRefine("h36m17", 8), refine_loss="l1")
    whole.eval().log = lambda *args, **kwargs: None  # type: ignore[method-assign]
    assert whole.model.num_frames == 5
    batch = data.windows(5, flip=True, targets="all")[::7]
    assert batch.root_3d is not None
    found = whole.model.forward_sequence(batch.keypoints_2d)
    refined = whole.refined(found[:, 2], batch, batch.root_3d[:, 2])
    expected = sum((found[:, t] - batch.poses_3d[:, t]).norm(dim=-1).mean() for t in range(5)) / 5
    expected = expected + (refined - batch.poses_3d[:, 2]).abs().mean()
    torch.testing.assert_close(whole.training_step(batch, 0), expected)
    visible = torch.rand(batch.poses_3d.shape[:-1]) < 0.5
    masked = batch._replace(visible_3d=visible, poses_3d=torch.where(visible[..., None], batch.poses_3d, torch.nan))
    expected = (found - batch.poses_3d).norm(dim=-1)[visible].mean()
    expected = expected + (refined - batch.poses_3d[:, 2])[visible[:, 2]].abs().mean()
    torch.testing.assert_close(whole.training_step(masked, 0), expected)


@pytest.mark.parametrize("part", ["whole", "hidden"])
def test_a_run_as_st_gcn_is_trained(files: dict[str, str], tmp_path: Path, part: str) -> None:
    """Its second stage, joint here: all frames, symmetry, smoothness and a head; on data with unknown joints too."""
    options = {"hidden_channels": (8, 8), "part_channels": 8, "fused_channels": 8, "num_frames": 3}
    if part == "hidden":
        import tiny_mocap

        rng = np.random.default_rng(0)
        seen = {
            subject: {action: rng.random((length, 17)) < 0.9 for action, length in actions.items()}
            for subject, actions in tiny_mocap.LENGTHS.items()
        }
        files = tiny_mocap.write(tmp_path / "files", visible=seen)
    config = TrainConfig(str(tmp_path / "out")).replace(
        model="st_gcn_pose", options=options, dataset="mocap", **files, max_epochs=2, device="cpu", progress=False,
        loss="mpjpe + 0.01*symmetry + 1*smoothness", loss_frames="all", refine=True, refine_channels=16,
        refine_loss="mpjpe + 0.01*symmetry",
    )  # fmt: skip
    metrics = train(config)
    rows = load_checkpoint(tmp_path / "out" / "checkpoints" / "last.ckpt")["callbacks"]["History"]["rows"]
    assert rows[1]["train_loss"] < rows[0]["train_loss"]
    assert np.isfinite(metrics["mpjpe_mm"])
