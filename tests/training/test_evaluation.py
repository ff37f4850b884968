"""Weights are judged: of any origin, by every rule of the root, with a head and without, and the result says how."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_mocap
import torch
from tiny_mocap import Run
from torch import Tensor

from skelgraph import metrics as M  # noqa: N812
from skelgraph.__main__ import main
from skelgraph.datasets import PoseDataset, Protocol, load_dataset
from skelgraph.datasets.protocol import POSEAUG
from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.geometry import back_project_relative, estimate_root, flip_average
from skelgraph.models import create_model, load_network
from skelgraph.models.loading import refine_of_run
from skelgraph.models.pretrained import save_weights
from skelgraph.nn import PostRefine
from skelgraph.topology import as_skeleton, matching_joints
from skelgraph.training import LiftingModule, evaluate, load_checkpoint, train
from skelgraph.training.judging import Judge, judged_joints, statements, with_root

Shared = Callable[[str], Path]


def run_command(command: str) -> None:
    assert main(shlex.split(command)) == 0


@pytest.mark.parametrize(
    ("asked", "p1", "p2"),
    [("--no-flip-test --downsample 5", 85.68, 60.15), ("--flip-test --test-downsample 5", 80.63, 55.57)],
)
def test_published_weights_on_open_motion(
    shared_dir: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: str, p1: float, p2: float
) -> None:
    """The released ground-truth network of Modulated GCN on every 5th frame of CMU's test motion, by one command."""
    data, real = shared_dir("data"), shared_dir("real")
    run_command(
        f"evaluate --model modulated_gcn --weights {real}/ckpt_modulated_gcn_gt.pth.tar --dataset mocap "
        f"--data-3d {data}/data_3d_cmu.npz --data-2d {data}/data_2d_cmu_gt.npz --cameras {data}/cameras_cmu.json "
        f"--skeleton h36m16 {asked} --device cpu --no-progress --out {tmp_path}/out"
    )
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert round(metrics["mpjpe_frames_mm"], 2) == p1
    assert round(metrics["p_mpjpe_frames_mm"], 2) == p2
    printed = capsys.readouterr().out
    line = next(line for line in printed.splitlines() if "mean over frames" in line)
    assert [cell.strip() for cell in line.split("│")[1:-1]] == ["mean over frames", "", f"{p1:.2f}", f"{p2:.2f}"]
    assert "Predicted root: subtracted from all joints." in printed
    assert "AUC: mean over 0, 1, ..., 149 mm (GraphMLP)" in printed
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"<td>mean over frames</td><td>2,184</td><td>{p1:.2f}</td><td>{p2:.2f}</td>" in page


@pytest.fixture(scope="module")
def joint(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Network and head trained together."""
    out = tmp_path_factory.mktemp("joint") / "out"
    config = run.config.replace(out=str(out), refine=True, refine_channels=48, max_epochs=2)
    return Run(config, train(config), out, out / "checkpoints" / "last.ckpt")


def by_hand(path: Path, data: PoseDataset, rule: str = "subtract") -> dict[str, Tensor]:
    """What a network and its head answer, worked out from their weights."""
    network, head = load_network(path), refine_of_run(load_checkpoint(path), path)
    assert head is not None
    batch = data.windows()[:]
    assert batch.root_3d is not None
    assert batch.intrinsics is not None
    x = batch.keypoints_2d[:, 0]
    with torch.no_grad():
        raw = flip_average(network, x, data.skeleton.mirror_index)
        moved = raw.clone()
        moved[:, 0] = 0
        estimated = estimate_root(moved, x, batch.intrinsics)[:, 2]
        assert (estimated.isfinite()).all()
        assert (estimated - batch.root_3d[:, 2]).abs().median() > 0.02
        answers = {
            "network": raw,
            "refined_true_depth": head(
                raw, back_project_relative(x, raw[..., 2], batch.root_3d[:, 2], batch.intrinsics)
            ),
            "refined_estimated_depth": head(raw, back_project_relative(x, raw[..., 2], estimated, batch.intrinsics)),
        }
    for answer in answers.values():
        if rule == "subtract":
            answer -= answer[:, :1].clone()
        elif rule == "zero":
            answer[:, 0] = 0
    return answers


@pytest.mark.parametrize("rule", ["subtract", "zero", "keep"])
def test_network_and_head_are_judged_in_one_command(
    joint: Run,
    files: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    rule: str,
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    run_command(f"evaluate --weights {joint.last} --root {rule} --device cpu --no-progress --out {tmp_path}/out")
    metrics, printed = json.loads((tmp_path / "out" / "metrics.json").read_text()), capsys.readouterr().out
    data = load_dataset("mocap", "test", **files)  # type: ignore[arg-type]
    answers = by_hand(joint.last, data, rule)
    assert metrics["rows"].keys() == answers.keys()
    page = (tmp_path / "out" / "report.html").read_text()
    for row, answer in answers.items():
        found = metrics["rows"][row]
        actions = [data.action_id == i for i in range(len(data.actions))]
        for name, metric in (("mpjpe", M.mpjpe), ("p_mpjpe", M.p_mpjpe)):
            frames = float(metric(answer, data.poses_3d))
            means = [float(metric(answer[rows], data.poses_3d[rows])) for rows in actions]
            assert found[f"{name}_frames_mm"] == pytest.approx(frames, rel=1e-4)
            assert found[f"{name}_mm"] == pytest.approx(np.mean(means), rel=1e-4)
            assert f"{found[f'{name}_mm']:.2f}" in printed
            assert f"<td>{found[f'{name}_mm']:.2f}</td>" in page
        for name, metric in (("pck", M.pck), ("auc", M.auc)):
            assert found[f"{name}_frames"] == pytest.approx(float(metric(answer, data.poses_3d)), abs=0.02)
    assert len({row["mpjpe_mm"] for row in metrics["rows"].values()}) == 3
    assert metrics["mpjpe_mm"] == metrics["rows"]["refined_true_depth"]["mpjpe_mm"]
    for words in (
        "true root depth",
        "estimated root depth",
        "off by",
        "epoch 2 of a run that reports its last epoch",
        "Predicted root: ",
    ):
        assert words in printed
    assert metrics["rows"]["refined_estimated_depth"]["frames_without_depth"] == 0
    assert metrics["rows"]["refined_estimated_depth"]["root_depth_error_mm"] > 20
    assert "refined, estimated root depth" in page


def test_the_test_of_a_joint_run_is_repeated(joint: Run, tmp_path: Path) -> None:
    again = evaluate(joint.last, tmp_path / "again", device="cpu", progress=False)
    assert again["rows"] == joint.metrics["rows"]
    assert joint.metrics["headline"] == "refined_true_depth"
    rows = load_checkpoint(joint.last)["callbacks"]["History"]["rows"]
    assert rows[-1]["val_mpjpe_mm"] == pytest.approx(joint.metrics["mpjpe_mm"], rel=1e-5)
    estimated = evaluate(joint.last, tmp_path / "other", root_depth="estimated", device="cpu", progress=False)
    assert estimated["rows"] == again["rows"]
    assert estimated["mpjpe_mm"] == again["rows"]["refined_estimated_depth"]["mpjpe_mm"]
    assert estimated["per_action"]["walk"]["mpjpe_mm"] != again["per_action"]["walk"]["mpjpe_mm"]


def test_dropout_at_test_is_random_by_the_seed_and_said(joint: Run, tmp_path: Path) -> None:
    def judged(name: str, **changes: Any) -> dict[str, Any]:
        return evaluate(joint.last, tmp_path / name, device="cpu", progress=False, **changes)

    plain, one, again, other = (
        judged("plain"),
        judged("one", refine_dropout_at_test=True),
        judged("again", refine_dropout_at_test=True),
        judged("other", refine_dropout_at_test=True, seed=8),
    )
    assert one["rows"] == again["rows"]
    assert one["rows"]["network"] == plain["rows"]["network"] == other["rows"]["network"]
    errors = {metrics["rows"]["refined_true_depth"]["mpjpe_mm"] for metrics in (plain, one, other)}
    assert len(errors) == 3
    assert any("dropout of the head is on" in text and "seed 8" in text for text in statements(other))
    assert not any("dropout" in text for text in statements(plain))


def test_authors_files_of_both_modules(golden: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A network and a head in the layout of RS-Net's released files, of 16 joints, on motion of 17."""
    files = tiny_mocap.write(tmp_path / "data")
    torch.save(golden("rs_net_model_no_dropout").state_dict(), tmp_path / "model_rsnet_2_eva_post_4704.pth")
    torch.save(golden("rs_net_post_refine").state_dict(), tmp_path / "model_post_refine_2_eva_post_4704.pth")
    data = " ".join(f"--{key.replace('_', '-')} {path}" for key, path in files.items())
    command = (
        f"evaluate --model rs_net --weights {tmp_path}/model_rsnet_2_eva_post_4704.pth --option dropout=null "
        f"--dataset mocap {data} --device cpu --no-progress"
    )
    run_command(f"{command} --out {tmp_path}/network")
    run_command(f"{command} --refine {tmp_path}/model_post_refine_2_eva_post_4704.pth --out {tmp_path}/both")
    network, both = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("network", "both"))
    assert list(network["rows"]) == ["network"]
    assert both["rows"]["network"] == network["rows"]["network"]
    assert len({row["mpjpe_mm"] for row in both["rows"].values()}) == 3
    assert (both["model"], both["weights_of"], both["epochs"]) == ("rs_net", "not known", None)
    assert both["refine"].endswith("model_post_refine_2_eva_post_4704.pth")
    config = json.loads((tmp_path / "both" / "config.json").read_text())["config"]
    assert config["data"]["skeleton"] == "h36m16"
    assert (
        config["refinement"]["refine_channels"]
        == golden("rs_net_post_refine").state_dict()["post_refine.0.bias"].numel()
    )

    for name in ("rs_net", "post_refine"):  # and converted
        source = tmp_path / {"rs_net": "model_rsnet", "post_refine": "model_post_refine"}[name]
        option = "--option dropout=null" if name == "rs_net" else ""
        run_command(
            f"convert-official --model {name} --checkpoint {source}_2_eva_post_4704.pth --skeleton h36m16 {option} "
            f"--out {tmp_path}/{name}.safetensors"
        )
    run_command(
        f"evaluate --checkpoint {tmp_path}/rs_net.safetensors --refine {tmp_path}/post_refine.safetensors "
        f"--dataset mocap {data} --device cpu --no-progress --out {tmp_path}/converted"
    )
    assert json.loads((tmp_path / "converted" / "metrics.json").read_text())["rows"] == both["rows"]


def test_what_cannot_be_judged_is_refused(
    run: Run, files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_weights(PostRefine("h36m16", hidden_channels=4), tmp_path / "head16")
    save_weights(PostRefine("h36m17", hidden_channels=4), tmp_path / "head17")
    cases: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"model": "rs_net"}, CheckpointError, "holds weights of sem_gcn, expected those of rs_net"),
        ({"skeleton": "h36m16"}, CheckpointError, "'h36m17' of 17 joints, expected 'h36m16'"),
        ({"options": {"hidden_channels": 8}}, SkelgraphError, "knows the options of its network"),
        ({"refine": tmp_path / "head16"}, CheckpointError, "of 16 joints, expected 'h36m17'"),
        ({"refine": run.last}, CheckpointError, "of a run without a refinement head"),
        ({"root": "centre"}, SkelgraphError, "root is 'centre'; expected 'subtract', 'zero' or 'keep'"),
    ]
    for arguments, error, words in cases:
        with pytest.raises(error, match=words):
            evaluate(run.last, tmp_path / "out", device="cpu", progress=False, **arguments)
    load = PoseDataset.__init__

    def without_cameras(self: PoseDataset, *args: Any, **options: Any) -> None:
        load(self, *args, **options)
        self.clips = [type(clip)(**{**vars(clip), "intrinsics": (0.0,) * 9}) for clip in self.clips]

    monkeypatch.setattr(PoseDataset, "__init__", without_cameras)
    with pytest.raises(SkelgraphError, match=r"cannot be refined by .*head17: mocap has no cameras"):
        evaluate(run.last, tmp_path / "out", refine=tmp_path / "head17", device="cpu", progress=False)
    assert not (tmp_path / "out").exists()


def test_a_run_with_a_head_on_data_without_cameras(joint: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its network is judged, and the result says that its head is not."""
    load = PoseDataset.__init__

    def without_cameras(self: PoseDataset, *args: Any, **options: Any) -> None:
        load(self, *args, **options)
        self.clips = [type(clip)(**{**vars(clip), "intrinsics": (0.0,) * 9}) for clip in self.clips]

    monkeypatch.setattr(PoseDataset, "__init__", without_cameras)
    metrics = evaluate(joint.last, tmp_path / "out", device="cpu", progress=False)
    assert metrics["rows"]["network"] == joint.metrics["rows"]["network"]
    assert (list(metrics["rows"]), metrics["headline"]) == (["network"], "network")
    assert "The head of the run is not judged: mocap has no cameras." in statements(metrics)


@pytest.mark.parametrize("rule", ["subtract", "zero", "keep"])
def test_rules_of_the_root(rule: Any) -> None:
    pose = torch.randn(3, 5, 3)
    found = with_root(pose, 2, rule)
    if rule == "keep":
        assert torch.equal(found, pose)
        return
    assert (found[:, 2] == 0).all()
    others = [0, 1, 3, 4]
    expected = pose[:, others] - pose[:, 2:3] if rule == "subtract" else pose[:, others]
    torch.testing.assert_close(found[:, others], expected)


def test_the_root_rule_reaches_validation_and_test() -> None:
    torch.manual_seed(0)
    model = create_model("sem_gcn", "h36m17", hidden_channels=8, num_blocks=1).eval()
    x = torch.randn(4, 1, 17, 2)
    raw = model(x)
    for rule in ("subtract", "zero", "keep"):
        module = LiftingModule(model, ("walk",), torch.zeros(17, 3), flip_test=False, root=rule).eval()  # type: ignore[arg-type]
        torch.testing.assert_close(module(x), with_root(raw, 0, rule))  # type: ignore[arg-type]
    assert raw[:, 0].norm() > 0


def judged(data: PoseDataset, pred: Tensor) -> dict[str, Any]:
    """What a judge measures, batch by batch."""
    judge, device = Judge(data, torch.device("cpu")), data.poses_3d
    for rows in torch.arange(len(data)).split(5):
        scene = None if data.scene_id is None else data.scene_id[rows]
        visible = None if data.visible_3d is None else data.visible_3d[rows]
        mask = judged_joints(visible, device[rows], data.skeleton, data.protocol)
        judge.update(pred[rows], data.poses_3d[rows], data.action_id[rows], data.clip_id[rows], mask, scene)
    return judge.results()


def test_the_rule_of_poseaug_matches_the_released_code(golden: Any) -> None:
    reference = golden("protocol_3dhp")

    class Poses:
        """What a judge asks of a data set."""

    data: Any = Poses()
    data.skeleton, data.actions, data.scenes, data.protocol = as_skeleton("h36m16"), ("Seq1",), (), POSEAUG
    judge = Judge(data, torch.device("cpu"))
    pred, target = reference["in/pred"], reference["out/pose3d"]
    pred, target = (pose.float() - pose[:, :1].float() for pose in (pred, target))
    for rows in torch.arange(len(pred)).split(5):
        zeros = torch.zeros(len(rows), dtype=torch.long)
        judge.update(pred[rows], target[rows], zeros, zeros)
    results = judge.results()
    for name, key in (("pck", "out/pck_percent"), ("auc", "out/auc_percent")):
        assert results[name] == pytest.approx(float(reference[key]), rel=1e-5)
        assert results[f"{name}_frames"] == pytest.approx(float(reference[key]), rel=1e-5)
    assert results["mpjpe_mm"] == pytest.approx(float(reference["out/hard_mpjpe_mm"]), rel=1e-5)
    assert results["p_mpjpe_mm"] == pytest.approx(float(reference["out/hard_p_mpjpe_mm"]), rel=1e-5)


def test_joints_that_the_protocol_leaves_out_and_scenes(files: dict[str, str]) -> None:
    """Only some joints and frames count; each scene has its own numbers."""
    data = load_dataset("mocap", "test", **files)  # type: ignore[arg-type]
    names = ("right_knee", "left_wrist", "head")
    data.protocol = Protocol("ours", (0, 50, 100, 150), 120.0, names)
    data.scenes = ("green screen", "outdoor")
    data.scene_id = torch.tensor([clip.camera == "cam1" for clip in data.clips]).long()[data.clip_id]
    data.visible_3d = torch.rand(len(data), 17, generator=torch.Generator().manual_seed(0)) > 0.3
    pred = data.poses_3d + 0.06 * torch.randn(len(data), 17, 3, generator=torch.Generator().manual_seed(1))
    chosen = [data.skeleton.index(name) for name in names]
    results = judged(data, pred)
    error = 1000 * (pred - data.poses_3d).norm(dim=-1)[:, chosen]
    known = data.visible_3d[:, chosen]
    assert results["mpjpe_frames_mm"] == pytest.approx(float(error[known].mean()), rel=1e-5)
    assert results["pck_frames"] == pytest.approx(float((error[known] < 120).float().mean() * 100), rel=1e-5)
    below = torch.stack([(error < threshold).float() for threshold in (0, 50, 100, 150)]).mean(0) * 100
    assert list(results["per_scene"]) == ["green screen", "outdoor"]
    for i, scene in enumerate(data.scenes):
        counts = known & (data.scene_id == i)[:, None]
        numbers = results["per_scene"][scene]
        assert numbers["mpjpe_mm"] == pytest.approx(float(error[counts].mean()), rel=1e-5)
        assert numbers["auc"] == pytest.approx(float(below[counts].mean()), rel=1e-5)
    assert results["per_scene"]["outdoor"] != results["per_scene"]["green screen"]


def test_scenes_reach_table_and_page(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load = PoseDataset.__init__

    def with_scenes(self: PoseDataset, *args: Any, **options: Any) -> None:
        load(self, *args, **options)
        self.scenes = ("green screen", "no green screen")
        self.scene_id = torch.tensor([clip.camera == "cam1" for clip in self.clips]).long()[self.clip_id]
        self.protocol = Protocol("PoseAug", POSEAUG.auc_thresholds_mm, joints=("head", "left_knee"))

    monkeypatch.setattr(PoseDataset, "__init__", with_scenes)
    monkeypatch.setenv("COLUMNS", "120")
    run_command(f"evaluate --weights {run.last} --device cpu --no-progress --out {tmp_path}/out")
    metrics, printed = json.loads((tmp_path / "out" / "metrics.json").read_text()), capsys.readouterr().out
    scenes = metrics["rows"]["network"]["per_scene"]
    line = next(line for line in printed.splitlines() if "network: AUC (%)" in line)
    assert [cell.strip() for cell in line.split("│")[2:4]] == [f"{scenes[scene]['auc']:.2f}" for scene in scenes]
    assert "2 joints: head, left_knee" in printed
    assert "0, 5, ..., 150 mm (PoseAug)" in printed
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<th>no green screen</th>" in page
    assert f"<td>{scenes['no green screen']['pck']:.2f}</td>" in page
    assert {name for name, error in metrics["per_joint_mm"].items() if error is not None} == {"head", "left_knee"}


def test_where_no_depth_can_be_estimated_the_pose_is_that_of_the_network(
    joint: Run, files: dict[str, str], tmp_path: Path
) -> None:
    """A person whom the detector puts at one point, in 5 frames."""
    positions, keypoints = tiny_mocap.arrays()
    keypoints["test"]["walk 3"][0][4:9] = 500.0
    other = tiny_mocap.write(tmp_path / "data", positions, keypoints)
    metrics = evaluate(
        joint.last, tmp_path / "out", dataset="mocap", **other, unchecked=True, device="cpu", progress=False
    )  # fmt: skip
    assert metrics["rows"]["refined_estimated_depth"]["frames_without_depth"] == 5
    assert all(np.isfinite(row["mpjpe_mm"]) for row in metrics["rows"].values())
    assert any("none in 5 frames, whose pose is that of the network" in text for text in statements(metrics))


def write_3dhp(folder: Path, frames: int = 12) -> dict[str, np.ndarray]:
    """P-STMO's file of the test sequences of MPI-INF-3DHP, every other frame of which is valid; and the poses in it, in
    the order of h36m17, metres."""
    order, poses, content = list(matching_joints("h36m17", "mpi_inf_3dhp17")), {}, {}
    for i, subject in enumerate(("TS1", "TS2", "TS3", "TS4", "TS5", "TS6")):
        world = tiny_mocap.motion(frames, i).astype(np.float64)
        poses[subject] = np.stack((world[..., 0], 1 - world[..., 2], world[..., 1] + 4), -1)
        size = np.array((1920, 1080) if i > 3 else (2048, 2048))
        pixels = 1500 * poses[subject][..., :2] / poses[subject][..., 2:] + size / 2
        valid = np.arange(frames) % 2 == i % 2
        content[subject] = {"data_2d": pixels[:, order], "data_3d": 1000 * poses[subject][:, order], "valid": valid}
        poses[subject] = poses[subject][valid] - poses[subject][valid][:, :1]
    folder.mkdir()
    np.savez(folder / "data_test_3dhp.npz", data=np.array(content, dtype=object))
    return poses


def test_a_network_of_human36m_on_mpi_inf_3dhp(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the rule of the data set: 14 joints, valid frames, 31 thresholds, and the columns that users ask for."""
    monkeypatch.setenv("COLUMNS", "140")
    poses = write_3dhp(tmp_path / "data")
    run_command(
        f"evaluate --weights {run.last} --dataset mpi_inf_3dhp --variant official --data-3d {tmp_path}/data "
        f"--no-flip-test --device cpu --no-progress --out {tmp_path}/out"
    )
    metrics, printed = json.loads((tmp_path / "out" / "metrics.json").read_text()), capsys.readouterr().out
    data = load_dataset("mpi_inf_3dhp", "test", data_3d=str(tmp_path / "data"), variant="official")
    with torch.no_grad():
        pred = load_network(run.last)(data.keypoints_2d)[data.frames]
    pred = pred - pred[:, :1]
    judged = [i for i, name in enumerate(data.skeleton.joint_names) if name not in ("hip", "spine", "neck_nose")]
    target = torch.tensor(np.concatenate(list(poses.values()))).float()
    assert len(pred) == len(target) == 6 * 6
    error = 1000 * (pred - target).norm(dim=-1)[:, judged]
    assert error.shape[1] == 14
    row = metrics["rows"]["network"]
    assert row["mpjpe_frames_mm"] == pytest.approx(float(error.mean()), rel=1e-4)
    assert row["pck_frames"] == pytest.approx(float((error < 150).float().mean() * 100), abs=1e-3)
    thresholds = torch.arange(0, 151, 5)
    assert row["auc_frames"] == pytest.approx(float((error[..., None] < thresholds).float().mean() * 100), abs=1e-3)
    scenes = ("green screen", "no green screen", "outdoor")
    for i, scene in enumerate(scenes):
        part = error[12 * i : 12 * (i + 1)]
        assert row["per_scene"][scene]["mpjpe_mm"] == pytest.approx(float(part.mean()), rel=1e-4)
        assert row["per_scene"][scene]["pck"] == pytest.approx(float((part < 150).float().mean() * 100), abs=1e-3)
    line = next(line for line in printed.splitlines() if "network: MPJPE (mm)" in line)
    cells = [cell.strip() for cell in line.split("│")[2:5]]
    assert cells == [f"{row['per_scene'][scene]['mpjpe_mm']:.2f}" for scene in scenes]
    assert "AUC: mean over 0, 5, ..., 150 mm (MPI-INF-3DHP)" in printed
    assert "14 joints: right_hip" in printed
    assert metrics["per_action"]["Seq1"]["frames"] == 36


def test_a_network_of_human36m_on_files_of_another_layout(run: Run, tmp_path: Path) -> None:
    """The same motion in another order gives the same numbers; joints that are missing are named."""
    positions, keypoints = tiny_mocap.arrays()
    order = list(matching_joints("h36m17", "mpi_inf_3dhp17"))
    positions = {s: {a: world[:, order] for a, world in actions.items()} for s, actions in positions.items()}
    keypoints = {s: {a: [v[:, order] for v in views] for a, views in acts.items()} for s, acts in keypoints.items()}
    files = tiny_mocap.write(tmp_path / "data", positions, keypoints)
    changes: dict[str, Any] = {"dataset": "mocap", **files, "device": "cpu", "progress": False}
    other = evaluate(run.last, tmp_path / "out", data_options={"layout": "mpi_inf_3dhp17"}, **changes)
    assert other["rows"] == run.metrics["rows"]
    with pytest.raises(SkelgraphError, match=r"coco17.* has no joint for hip, spine, thorax, neck_nose, head of"):
        evaluate(run.last, tmp_path / "again", data_options={"layout": "coco17"}, **changes)
    assert not (tmp_path / "again").exists()


def test_another_threshold_of_pck(run: Run, files: dict[str, str], tmp_path: Path, capsys: Any) -> None:
    """The thresholds of AUC are shares of it, and the report says which they were."""
    run_command(
        f"evaluate --weights {run.last} --pck-threshold 300 --no-flip-test --device cpu --no-progress "
        f"--out {tmp_path}/out"
    )
    metrics, printed = json.loads((tmp_path / "out" / "metrics.json").read_text()), capsys.readouterr().out
    data = load_dataset("mocap", "test", **files)  # type: ignore[arg-type]
    with torch.no_grad():
        pred = load_network(run.last)(data.keypoints_2d)
    error = 1000 * (pred - pred[:, :1] - data.poses_3d).norm(dim=-1)
    assert 1 < float((error < 150).float().mean() * 100) < metrics["pck_frames"] - 1
    assert metrics["pck_frames"] == pytest.approx(float((error < 300).float().mean() * 100), abs=1e-3)
    thresholds = torch.arange(0, 300, 2)
    assert metrics["auc_frames"] == pytest.approx(float((error[..., None] < thresholds).float().mean() * 100), abs=1e-3)
    assert metrics["protocol"]["pck_threshold_mm"] == 300
    assert "PCK: errors below 300 mm; AUC: mean over 0, 2, ..., 298 mm (GraphMLP, up to 300 mm)" in " ".join(
        printed.split()
    )
    assert "joints within 300 mm (PCK)" in (tmp_path / "out" / "report.html").read_text()
    with pytest.raises(SkelgraphError, match="pck-threshold is 0; expected a number above 0"):
        run.config.replace(pck_threshold=0)
