"""HGN trained on the vertices of SMPL bodies, from the files to the meshes that it predicts."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_hgn
import torch

from skelgraph import load_model
from skelgraph.__main__ import main
from skelgraph.datasets import load_dataset
from skelgraph.errors import SkelgraphError
from skelgraph.models import create_model
from skelgraph.topology import MultiScaleGraph, tube_faces
from skelgraph.training import LiftingModule
from skelgraph.training.checks import check_vertices

pytest.importorskip("smplx")

NETWORK = "--model hgn --option hidden_channels=8 --option graph=smpl --option levels=[5,4]"
MACHINE = "--device cpu --no-progress --max-epochs 1 --batch-size 16"


@pytest.fixture(scope="module", name="files")
def _files(tmp_path_factory):
    return tiny_hgn.write(tmp_path_factory.mktemp("hgn"))


def data(files, smpl=True):
    words = f"--dataset human36m_hgn --data-3d {files['data_3d']} --train-subjects S1 --no-flip --no-flip-test"
    return words + f" --smpl {files['smpl']}" * smpl


def run(command):
    return main(shlex.split(command))


def fails(capsys, command, *words):
    assert run(command) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for word in words:
        assert word in message


def read_obj(path: Path):
    """Vertices and triangles, ids from 0."""
    lines = [line.split() for line in path.read_text().splitlines()]
    assert {line[0] for line in lines} == {"v", "f"}
    corners = [[corner.split("/") for corner in line[1:]] for line in lines if line[0] == "f"]
    assert all(point == texture for face in corners for point, texture in face)
    vertices = np.array([line[1:] for line in lines if line[0] == "v"], dtype=float)
    return vertices, np.array([[int(point) for point, _ in face] for face in corners]) - 1


def test_vertices_reach_the_loss_of_three_meshes(files):
    train_set = load_dataset("human36m_hgn", "train", subjects=["S1"], **files)
    torch.manual_seed(0)
    graph = MultiScaleGraph.from_mesh(train_set.bodies.faces)
    model = create_model("hgn", hidden_channels=8, graph=graph, levels=(5, 4))
    module = LiftingModule(model, train_set.actions, train_set.mean_pose())
    module.log = lambda *_, **__: None
    batch = train_set.windows(vertices=True)[:8]
    loss = module.training_step(batch, 0)

    # targets pooled by hand: each group the plain mean of its direct members
    targets = batch.vertices
    for level in range(4):
        targets = torch.stack([targets[:, graph.parents[level] == i].mean(1) for i in range(graph.sizes[level + 1])], 1)
    coarse = torch.stack([targets[:, graph.parents[4] == i].mean(1) for i in range(graph.sizes[5])], 1)
    outputs = model.forward_features(batch.keypoints_2d[:, 0])
    parts = (
        outputs.joints - batch.poses_3d,
        outputs.coarse[:, graph.position(5)] - coarse,
        outputs.fine[:, graph.position(4)] - targets,
    )
    joints, coarse_term, fine_term = (part.square().mean() for part in parts)
    torch.testing.assert_close(loss, 100 * joints + coarse_term + fine_term)
    for term, head in zip((joints, coarse_term, fine_term), model.heads, strict=True):
        (gradient,) = torch.autograd.grad(term, head.weight, retain_graph=True)
        assert gradient.abs().max() > 0
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_an_epoch_by_the_command_line(files, tmp_path, capsys):
    own = {name: shutil.copytree(path, tmp_path / name) for name, path in files.items()}
    out = tmp_path / "run"
    assert run(f"train {NETWORK} {MACHINE} {data(own)} --save-obj 3 --loss mse --out {out}") == 0
    settings = json.loads((out / "config.json").read_text())["config"]
    assert settings["network"]["options"]["graph"] == "smpl"
    assert settings["data"]["smpl"] == str(own["smpl"])
    shutil.rmtree(own["smpl"])  # nothing below needs the licensed file

    checkpoint = out / "checkpoints" / "last.ckpt"
    model = load_model(checkpoint)
    graph = MultiScaleGraph.from_mesh(torch.from_numpy(tiny_hgn.FACES))
    assert model.graph.sizes == graph.sizes[4:]
    assert torch.equal(model.mesh_faces, graph.triangles(4))

    test_set = load_dataset("human36m_hgn", "test", data_3d=own["data_3d"])
    meshes = sorted((out / "meshes").iterdir())
    assert [path.name.split("_")[0] for path in meshes] == ["000000", "000008", "000015"]
    assert meshes[0].name == "000000_S9_Greeting_1_1.obj"
    for path in meshes:
        vertices, faces = read_obj(path)
        assert np.array_equal(faces, model.mesh_faces)
        keypoints = test_set.keypoints_2d[int(path.name[:6])][None]
        with torch.no_grad():
            expected = model.forward_features(keypoints).fine[0, graph.position(4)]
        np.testing.assert_allclose(vertices, expected, atol=2e-6)

    again = tmp_path / "again"
    words = f"--dataset human36m_hgn --data-3d {own['data_3d']} --no-flip-test --device cpu --no-progress --save-obj 2"
    assert run(f"evaluate --checkpoint {checkpoint} {words} --out {again}") == 0
    first, second = (json.loads((folder / "metrics.json").read_text()) for folder in (out, again))
    assert second["mpjpe_mm"] == pytest.approx(first["mpjpe_mm"])
    assert len(list((again / "meshes").iterdir())) == 2
    assert run(f"evaluate --checkpoint {checkpoint} {words} --out {again} --overwrite --save-obj 1") == 0
    assert len(list((again / "meshes").iterdir())) == 1, "the meshes of the evaluation before are its own"

    model.save_pretrained(tmp_path / "saved")
    saved = load_model(tmp_path / "saved")
    torch.testing.assert_close(saved(test_set.keypoints_2d), model(test_set.keypoints_2d), rtol=0, atol=0)
    capsys.readouterr()


def test_a_stopped_run_goes_on(files, tmp_path):
    out = tmp_path / "run"
    assert run(f"train {NETWORK} {MACHINE} {data(files)} --schedule exponential --out {out}") == 0
    assert run(f"train --resume --out {out} --max-epochs 2") == 0
    assert len(json.loads((out / "metrics.json").read_text())["per_action"]) == 3


@pytest.mark.parametrize(
    ("network", "smpl", "words"),
    [
        ("--model sem_gcn", True, ["learns no vertices", "leave out smpl"]),
        ("--model hgn", True, ["HGN learns no vertices", "graph=smpl"]),
        (NETWORK, False, ["graph is 'smpl'", "expected smpl, the folder"]),
        ("--model sem_gcn --save-obj 2", False, ["save-obj is 2", "no mesh"]),
        (f"{NETWORK} --flip", True, ["mirrored windows", "--no-flip"]),
        ("--model hgn --option graph=tube", False, ["graph is 'tube'", "expected a MultiScaleGraph"]),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(network, smpl, words, files, tmp_path, capsys):
    out = tmp_path / "run"
    fails(capsys, f"train {data(files, smpl)} {network} {MACHINE} --out {out}", *words)
    assert not out.exists()


def test_meshes_of_another_body_are_refused(files):
    train_set = load_dataset("human36m_hgn", "train", subjects=["S1"], **files)
    graph = MultiScaleGraph.from_mesh(tube_faces("smpl24", 3))
    model = create_model("hgn", hidden_channels=8, graph=graph, levels=(5, 4))
    with pytest.raises(SkelgraphError, match="learns the 207 vertices of its graph; the data have 138"):
        check_vertices(model, train_set)
