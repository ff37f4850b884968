"""Files for other programs, run in these."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from test_all_models import SMALL
from test_optimized import trained

import skelgraph
from skelgraph.__main__ import main
from skelgraph.errors import SkelgraphError
from skelgraph.models import create_model, exported, list_models
from skelgraph.models.pretrained import save_weights
from skelgraph.topology import Skeleton

MULTI_FRAME = ["graph_mlp", "mlp_graph", "st_gcn_pose", "video_pose"]
SLOW = {"hgn"}
SMALL_GCN = {"hidden_channels": 8, "num_blocks": 1}


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *(pytest.param(name, {}, marks=[pytest.mark.slow] * (name in SLOW), id=name) for name in list_models()),
        *(pytest.param(name, {"num_frames": 1}, id=f"{name}-1") for name in MULTI_FRAME[1:2]),
        pytest.param("martinez", {"predict_root": False}, id="martinez-root"),
        pytest.param("sem_gcn", {"non_local": True}, id="sem_gcn-non_local"),
        pytest.param("sem_gcn", {"in_channels": 3}, id="sem_gcn-confidence"),
    ],
)
def test_every_model_runs_elsewhere_on_batches_of_any_size(name, options, tmp_path, monkeypatch):
    """In ONNX Runtime and as a program of torch, both of one folded program: to trace it takes most of the time."""
    model, path = trained(name, **options), tmp_path / "model.onnx"
    before = {key: value.clone() for key, value in model.state_dict().items()}
    folded, programs = exported._folded, []

    def once(model, example):
        programs.append(programs[0] if programs else folded(model, example))
        return programs[0]

    monkeypatch.setattr(exported, "_folded", once)
    reported = skelgraph.export_model(model, path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    run = session(path)
    frames = () if model.num_frames == 1 else (model.num_frames,)
    assert bool(frames) == (name in MULTI_FRAME and "num_frames" not in options)
    (put,), (got,) = run.get_inputs(), run.get_outputs()
    assert (put.name, put.shape) == ("keypoints_2d", ["batch", *frames, 17, model.in_channels])
    assert (got.name, got.shape) == ("poses_3d", ["batch", 17, 3])
    program = None
    if not options:
        skelgraph.export_model(model, tmp_path / "model.pt2", "torch-export")
        assert len(programs) == 2
        about = {"skelgraph.json": ""}
        program = torch.export.load(str(tmp_path / "model.pt2"), extra_files=about).module()
        assert json.loads(about["skelgraph.json"])["model"] == name
    torch.manual_seed(1)
    for batch in (1, 3, 8):  # not those of the check before the file gets its name
        x = torch.rand(batch, *frames, 17, model.in_channels) * 2 - 1
        expected = model(x).detach()
        (found,) = run.run(None, {"keypoints_2d": x.numpy()})
        scale = max(1.0, expected.abs().max().item())
        assert found.shape == (batch, 17, 3)
        assert np.abs(found - expected.numpy()).max() <= 1e-4 * scale
        assert reported <= 1e-4 * scale or name == "hgn"  # of other keypoints
        if program is not None:
            torch.testing.assert_close(program(x), expected, atol=1e-4 * scale, rtol=0)


def test_the_file_says_what_it_takes_and_gives(tmp_path):
    """Joint names of a skeleton of the user's own among it, and no paths of the machine that wrote it."""
    skeleton = Skeleton([-1, 0, 1, 0, 3], joint_names=["root", "a", "Arm, left", "ß", "e"], name="mine")
    model, path = create_model("graph_mlp", skeleton, **SMALL["graph_mlp"]), tmp_path / "model.onnx"
    skelgraph.export_model(model, path)
    machine = os.fsencode(Path(skelgraph.__file__).parent)
    assert machine not in path.read_bytes()
    about = session(path).get_modelmeta().custom_metadata_map
    assert about["model"] == "graph_mlp"
    assert about["skelgraph_version"] == skelgraph.__version__
    assert json.loads(about["joint_names"]) == list(skeleton.joint_names)
    assert Skeleton(json.loads(about["parents"])).num_joints == 5
    assert (about["skeleton"], about["num_frames"], about["output_frame"]) == ("mine", "3", "1")
    assert "screen-normalised" in about["input_units"]
    assert about["output_units"].startswith("metres, relative to the root")
    onnx.checker.check_model(onnx.load(path), full_check=True)
    skelgraph.export_model(model, path, "torch-export")
    assert machine not in path.read_bytes()


@pytest.mark.parametrize("file_format", ["onnx", "torch-export"])
@pytest.mark.parametrize("wrong", ["values", "nan"])
def test_a_file_that_does_not_agree_is_not_kept(file_format, wrong, tmp_path, monkeypatch):
    """What folds wrongly, is found out by running the file; the old file stays."""
    fold = exported.fold_constants

    def damaged(module):
        folded = fold(module)
        constant = next(value for key, value in folded.named_buffers() if value.is_floating_point())
        constant.mul_(1.05 if wrong == "values" else float("nan"))
        return folded

    monkeypatch.setattr(exported, "fold_constants", damaged)
    path = tmp_path / "model"
    path.write_bytes(b"old")
    with pytest.raises(
        SkelgraphError, match=r"was not written: it differs from the model by .*expected at most 0\.0001"
    ):
        skelgraph.export_model(trained("sem_gcn"), path, file_format)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_double_precision_and_training_mode_are_no_obstacle(tmp_path):
    model = trained("sem_gcn").double().train()
    assert skelgraph.export_model(model, tmp_path / "m.onnx") < 1e-4
    assert model.training
    assert session(tmp_path / "m.onnx").get_inputs()[0].type == "tensor(float)"


def test_a_model_that_cannot_be_exported_is_named(tmp_path):
    class Branching(type(trained("martinez"))):
        def lift_frame(self, x):
            return super().lift_frame(x) if x.sum() > 0 else super().lift_frame(-x)

    with pytest.raises(SkelgraphError, match="Branching could not be exported: "):
        skelgraph.export_model(Branching("h36m17", hidden_channels=8), tmp_path / "m.onnx")
    with torch.device("meta"):
        empty = create_model("sem_gcn")
    with pytest.raises(SkelgraphError, match="without weights"):
        skelgraph.export_model(empty, tmp_path / "m.onnx")
    with pytest.raises(SkelgraphError, match=r"format is 'tflite'.*onnx"):
        skelgraph.export_model(trained("sem_gcn"), tmp_path / "m.onnx", "tflite")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_without_the_packages_the_extra_is_named(missing, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SkelgraphError, match=rf'{missing} is not installed.*pip install "skelgraph\[export\]"'):
        skelgraph.export_model(trained("martinez"), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
    skelgraph.export_model(trained("martinez"), tmp_path / "m.pt2", "torch-export")


def test_the_command(tmp_path, capsys):
    torch.manual_seed(0)
    model, weights, out = create_model("sem_gcn", **SMALL_GCN).eval(), tmp_path / "w.safetensors", tmp_path / "m.onnx"
    save_weights(model, weights)
    export = ["export", "--weights", str(weights), "--out", str(out)]
    assert main(export) == 0
    joints = model.skeleton.num_joints
    assert f"m.onnx: sem_gcn, (batch, {joints}, 2) -> (batch, {joints}, 3); at most" in capsys.readouterr().out
    x = torch.rand(4, joints, 2)
    np.testing.assert_allclose(session(out).run(None, {"keypoints_2d": x.numpy()})[0], model(x).detach(), atol=1e-4)
    for arguments, words in (
        ([], "exists already: replace it (--overwrite)"),
        (["--overwrite", "--model", "hgcn"], "holds weights of sem_gcn, expected those of hgcn"),
        (["--overwrite", "--format", "tflite"], "tflite"),
    ):
        before = out.read_bytes()
        assert main([*export, *arguments]) == 2
        assert words in capsys.readouterr().err
        assert out.read_bytes() == before
    assert main([*export, "--overwrite", "--format", "torch-export"]) == 0
    with out.open("rb") as file:
        torch.testing.assert_close(torch.export.load(file).module()(x), model(x), atol=1e-4, rtol=0)


def test_the_command_takes_the_authors_files(golden, tmp_path, capsys):
    checkpoint, out = tmp_path / "official.pth", tmp_path / "m.onnx"
    reference = golden("rs_net_model_no_dropout")
    torch.save(reference.state_dict(), checkpoint)
    export = ["export", "--weights", str(checkpoint), "--out", str(out)]
    assert main(export) == 2
    assert "expected --model, its name" in capsys.readouterr().err
    assert main([*export, "--model", "rs_net", "--skeleton", "h36m16", "--option", "dropout=null"]) == 0
    x = reference["in/x"].squeeze(2).squeeze(-1).movedim(1, 2)
    found = session(out).run(None, {"keypoints_2d": x.float().numpy()})[0]
    expected = reference["out/y"].squeeze(2).squeeze(-1).movedim(1, 2)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_an_exported_file_needs_neither_torch_nor_this_library(tmp_path):
    model, path = trained("video_pose"), tmp_path / "model.onnx"
    skelgraph.export_model(model, path)
    code = """
import sys
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
(poses,) = session.run(["poses_3d"], {"keypoints_2d": np.full((2, 9, 17, 2), 0.25, np.float32)})
print(poses.shape, {"torch", "skelgraph"} & set(sys.modules))
np.save(sys.argv[2], poses)
"""
    command = [sys.executable, "-c", code, str(path), str(tmp_path / "poses.npy")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "(2, 17, 3) set()\n"
    expected = model(torch.full((2, 9, 17, 2), 0.25)).detach().numpy()
    np.testing.assert_allclose(np.load(tmp_path / "poses.npy"), expected, atol=1e-4)
