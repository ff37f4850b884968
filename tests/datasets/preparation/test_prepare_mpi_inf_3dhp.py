"""MPI-INF-3DHP's files from what its authors and SPIN distribute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import owners
import pytest

from skelgraph import as_skeleton
from skelgraph.__main__ import main
from skelgraph.datasets.mpi_inf_3dhp import POSEAUG_FRAMES as KEPT_FRAMES
from skelgraph.datasets.preparation import mpi_inf_3dhp, prepare_mpi_inf_3dhp
from skelgraph.datasets.preparation.mpi_inf_3dhp import TEST_FRAMES, TRAIN_FRAMES
from skelgraph.errors import DataError, SkelgraphError

# of the 28 joints of the training annotations, the 17 of the test annotations
JOINTS = [7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6]
CAMERAS = [0, 1, 2, 4, 5, 6, 7, 8]
LENGTHS = {"TS1": 33, "TS2": 34, "TS3": 35, "TS4": 36, "TS5": 37, "TS6": 31}


class Owners:
    """The annotations of all sequences; each training sequence is of another length."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.train: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.test: dict[str, dict[str, np.ndarray]] = {}
        for subject in range(1, 9):
            for sequence in (1, 2):
                seed = 10 * subject + sequence
                variables, keypoints, positions = owners.training_sequence(4 + subject + 10 * sequence, seed)
                self.files[f"S{subject}/Seq{sequence}/annot.mat"] = owners.mat(variables, compress=subject % 2 == 0)
                self.train[f"S{subject} Seq{sequence}"] = keypoints, positions
        for name, frames in LENGTHS.items():
            size = (1920, 1080) if name in ("TS5", "TS6") else (2048, 2048)
            content, arrays = owners.tested_sequence(frames, int(name[2]), size)
            self.files[f"mpi_inf_3dhp_test_set/{name}/annot_data.mat"] = content
            self.test[name] = arrays


@pytest.fixture(scope="module")
def annotations() -> Owners:
    return Owners()


@pytest.fixture
def source(annotations: Owners, tmp_path: Path) -> Path:
    return owners.folder(tmp_path / "source", annotations.files)


def member(path: Path, name: str) -> Any:
    with np.load(path, allow_pickle=True) as archive:
        return archive[name].item()


def test_counts_of_the_field() -> None:
    assert sum(KEPT_FRAMES.values()) == 2929
    assert [KEPT_FRAMES[a] + KEPT_FRAMES[b] for a, b in (("TS1", "TS2"), ("TS3", "TS4"), ("TS5", "TS6"))] == [
        *(1143, 1058, 728)
    ]
    assert len(TRAIN_FRAMES) == 16
    assert list(TEST_FRAMES) == list(KEPT_FRAMES)


@pytest.mark.parametrize("annotation", ["univ_annot3", "annot3"])
def test_official(annotations: Owners, source: Path, tmp_path: Path, annotation: Any) -> None:
    prepared = prepare_mpi_inf_3dhp(source, tmp_path / "out", annotation=annotation)
    scale = 1.1 if annotation == "annot3" else 1.0
    train = member(tmp_path / "out" / "data_train_3dhp.npz", "data")
    assert list(train) == list(TRAIN_FRAMES)
    for key, (keypoints, positions) in annotations.train.items():
        views, fps = train[key]
        assert fps == (50 if key in ("S1 Seq2", "S3 Seq1", "S3 Seq2", "S5 Seq1", "S5 Seq2") else 25)
        assert list(views) == [str(camera) for camera in CAMERAS]
        for camera in CAMERAS:
            np.testing.assert_allclose(views[str(camera)]["data_2d"], keypoints[camera][:, JOINTS], atol=1e-3)
            np.testing.assert_allclose(views[str(camera)]["data_3d"], scale * positions[camera][:, JOINTS], atol=1e-3)
    test = member(tmp_path / "out" / "data_test_3dhp.npz", "data")
    assert list(test) == list(LENGTHS)
    for key, arrays in annotations.test.items():
        np.testing.assert_allclose(test[key]["data_2d"], arrays["annot2"], atol=1e-3)
        np.testing.assert_allclose(test[key]["data_3d"], scale * arrays["univ_annot3"], atol=1e-3)
        assert test[key]["valid"].tolist() == arrays["valid"].tolist()
    assert prepared.frames["TS1"] == 33
    assert prepared.frames["S8"] == 22 + 32
    assert "S1 Seq1 has 15 frames, published are 6416" in prepared.notes
    assert "TS6 has 31 frames, published are 492" in prepared.notes
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["data_test_3dhp.npz", "data_train_3dhp.npz"]


def test_graphmlp(annotations: Owners, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare_mpi_inf_3dhp(source, out, variant="graphmlp")
    poses, keypoints = (
        member(out / "data_3d_3dhp.npz", "positions_3d"),
        member(out / "data_2d_3dhp.npz", "positions_2d"),
    )
    names = as_skeleton("mpi_inf_3dhp17").joint_names
    same = {"hip": "pelvis", "thorax": "neck", "neck_nose": "head", "head": "head_top"}
    same |= {"right_foot": "right_ankle", "left_foot": "left_ankle"}
    order = [names.index(same.get(name, name)) for name in as_skeleton("h36m17").joint_names]
    assert order == [14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]
    assert list(poses) == list(keypoints) == [*(f"S{i}" for i in range(1, 9)), *LENGTHS]
    for key, (pixels, positions) in annotations.train.items():
        subject, sequence = key.split()
        assert len(poses[subject][sequence]) == len(keypoints[subject][sequence]) == 8
        for i, camera in enumerate(CAMERAS):
            np.testing.assert_allclose(
                poses[subject][sequence][i], positions[camera][:, JOINTS][:, order] / 1000, atol=1e-6
            )
            np.testing.assert_allclose(keypoints[subject][sequence][i], pixels[camera][:, JOINTS][:, order], atol=1e-3)
    for key, arrays in annotations.test.items():
        (pose,), (pixels) = poses[key]["Seq1"], keypoints[key]["Seq1"][0]
        np.testing.assert_allclose(pose, arrays["univ_annot3"][arrays["valid"]][:, order] / 1000, atol=1e-6)
        np.testing.assert_allclose(pixels, arrays["annot2"][arrays["valid"]][:, order], atol=1e-3)
    metadata = member(out / "data_2d_3dhp.npz", "metadata")
    assert metadata == {"num_joints": 17, "keypoints_symmetry": [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]}


def test_poseaug_from_both_sources(annotations: Owners, source: Path, tmp_path: Path) -> None:
    prepared = prepare_mpi_inf_3dhp(source, tmp_path / "out", variant="poseaug")
    spin = owners.spin(tmp_path / "mpi_inf_3dhp_valid.npz", annotations.test)
    again = prepare_mpi_inf_3dhp(spin, tmp_path / "again", variant="poseaug")
    assert prepared.frames == again.frames
    joints = [14, 8, 9, 10, 11, 12, 13, 15, 1, 0, 5, 6, 7, 2, 3, 4]
    expected_3d, expected_2d, sequences = [], [], []
    for key, arrays in annotations.test.items():
        width, height = (1920, 1080) if key in ("TS5", "TS6") else (2048, 2048)
        kept = [f for f in range(LENGTHS[key]) if f % 3 != 1 and f % 5]  # by how the files are made
        pixels, body = arrays["annot2"][kept][:, joints], arrays["univ_annot3"][kept] / 1000
        expected_2d.append(np.stack([2 * pixels[..., 0] / width - 1, (2 * pixels[..., 1] - height) / width], -1))
        expected_3d.append((body - body[:, 14:15])[:, joints])
        sequences += [key] * len(kept)
        assert f"{key} has {len(kept)} valid frames with all joints in the image, published are" in "".join(again.notes)
    for out in (tmp_path / "out", tmp_path / "again"):
        with np.load(out / "test_3dhp.npz") as archive:  # plain arrays, no pickles
            np.testing.assert_allclose(archive["pose3d"], np.concatenate(expected_3d), atol=2e-6)
            np.testing.assert_allclose(archive["pose2d"], np.concatenate(expected_2d), atol=1e-6)
            assert archive["sequence"].tolist() == sequences


def test_frames_after_the_end_of_the_video_are_left_out(
    annotations: Owners, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = {key: len(keypoints[0]) for key, (keypoints, _) in annotations.train.items()}
    for key, frames in {**lengths, "S3 Seq2": 5}.items():
        monkeypatch.setitem(TRAIN_FRAMES, key, frames)
    for key, frames in LENGTHS.items():
        monkeypatch.setitem(TEST_FRAMES, key, frames)
    prepared = prepare_mpi_inf_3dhp(source, tmp_path / "out")
    assert prepared.notes == []
    views, _ = member(tmp_path / "out" / "data_train_3dhp.npz", "data")["S3 Seq2"]
    assert {len(view["data_3d"]) for view in views.values()} == {5}


def test_archives_and_some_subjects(annotations: Owners, tmp_path: Path) -> None:
    test_set = {name: content for name, content in annotations.files.items() if "/TS" in name}
    source = owners.zipped(tmp_path / "mpi_inf_3dhp_test_set.zip", test_set)
    out = tmp_path / "out"
    with pytest.raises(
        DataError, match=r"no annotations of S1 Seq1, .* such as S1/Seq1/annot\.mat in a folder or arch"
    ):
        prepare_mpi_inf_3dhp(source, out)
    prepared = prepare_mpi_inf_3dhp(tmp_path, out, subjects=list(LENGTHS))  # the archive is found in its folder
    assert prepared.files == [out / "data_test_3dhp.npz"]
    assert not (out / "data_train_3dhp.npz").exists()
    assert member(out / "data_test_3dhp.npz", "data").keys() == LENGTHS.keys()
    assert prepare_mpi_inf_3dhp(source, out, variant="poseaug").frames.keys() == LENGTHS.keys()
    with pytest.raises(SkelgraphError, match="unknown subject of the variant poseaug 'S1'"):
        prepare_mpi_inf_3dhp(source, out, variant="poseaug", subjects=["S1"], overwrite=True)
    with pytest.raises(SkelgraphError, match="variant is 'b'; expected 'official', 'graphmlp' or 'poseaug'"):
        prepare_mpi_inf_3dhp(source, out, variant="b")


def test_a_stopped_run_goes_on(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_mpi_inf_3dhp(source, tmp_path / "out", progress=stop)
    read: list[str] = []
    train = mpi_inf_3dhp._train
    monkeypatch.setattr(mpi_inf_3dhp, "_train", lambda key, *rest: read.append(key) or train(key, *rest))
    prepare_mpi_inf_3dhp(source, tmp_path / "out", variant="graphmlp")  # of the same sequences
    assert 0 < len(read) <= 16 - 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["data_2d_3dhp.npz", "data_3d_3dhp.npz"]


def broken(annotations: Owners, what: str) -> tuple[str, bytes]:
    """A file and what is wrong with it."""
    variables, _, _ = owners.training_sequence(6)
    annot2: Any = variables["annot2"]
    match what:
        case "empty":
            return "S2/Seq1/annot.mat", b""
        case "no 3D":
            del variables["univ_annot3"]
        case "cameras":
            variables["cameras"] = np.arange(14)[::-1]
        case "thirteen":
            variables["annot2"] = annot2[:13]
        case "joints":
            annot2[4, 0] = annot2[4, 0][:, :34]
        case "frames":
            annot2[4, 0] = annot2[4, 0][:5]
        case "all frames":
            for i in range(14):
                annot2[i, 0] = annot2[i, 0][:5]
        case "metres":
            universal: Any = variables["univ_annot3"]
            for i in range(14):
                universal[i, 0] = universal[i, 0] / 1000
        case "NaN":
            annot2[0, 0][2, 10] = np.nan
        case "hdf5":
            return "S2/Seq1/annot.mat", annotations.files["mpi_inf_3dhp_test_set/TS1/annot_data.mat"]
        case "test of version 5":
            return "mpi_inf_3dhp_test_set/TS3/annot_data.mat", owners.mat(variables)
    return "S2/Seq1/annot.mat", owners.mat(variables)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("empty", r"is not a MAT-file of version 5 to 7\.2"),
        ("no 3D", "has no variable 'univ_annot3'; it has: annot2, annot3, cameras, frames"),
        ("cameras", r"cameras is .*, expected the 14 numbers 0 to 13"),
        ("thirteen", r"annot2 is not a cell of 14 arrays \(T, 56\), one for each camera"),
        ("joints", r"annot2 is not a cell of 14 arrays \(T, 56\), one for each camera"),
        ("frames", "annot2 has another number of frames for each camera"),
        ("all frames", "has 5 frames of keypoints and 6 of positions"),
        ("metres", r"the skeleton is 0\.00[0-9]* m large if its positions are millimetres"),
        ("NaN", "has keypoints that are no finite numbers"),
        ("hdf5", r"is a MAT-file of version 7\.3, expected one of version 5"),
        ("test of version 5", "is not an HDF5 file"),
    ],
)
def test_damaged_annotations(annotations: Owners, source: Path, tmp_path: Path, what: str, message: str) -> None:
    name, content = broken(annotations, what)
    owners.folder(source, {name: content})
    with pytest.raises(DataError, match=rf"source/{name}: .*{message}"):
        prepare_mpi_inf_3dhp(source, tmp_path / "out")
    owners.folder(source, {name: annotations.files[name]})
    prepare_mpi_inf_3dhp(source, tmp_path / "out")


@pytest.mark.parametrize("change", ["valid_frame", "annot2", "values"])
def test_test_annotations_of_other_shapes(annotations: Owners, source: Path, tmp_path: Path, change: str) -> None:
    import h5py

    path = source / "mpi_inf_3dhp_test_set" / "TS2" / "annot_data.mat"
    with h5py.File(path, "r+") as file:
        if change == "values":
            file["valid_frame"][3] = 2
        else:
            array = file[change][:-1]
            del file[change]
            file[change] = array
    message = r"annot2 has shape \(3[34], 1, 17, 2\), expected \(3[34], 1, 17, 2\)"
    with pytest.raises(DataError, match="something else than 0 and 1" if change == "values" else message):
        prepare_mpi_inf_3dhp(source, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"part": np.zeros((5, 24, 3))}, r"found imgname .*, expected the names of N images, \(N, 24, 3\) and"),
        ({"imgname": None}, "has no member 'imgname'"),
        ({"confidence": 0}, "a frame lacks one of the 17 joints"),
        ({"S": np.nan}, "a frame lacks one of the 17 joints"),
        ({"prefix": "S"}, "has no frame of TS1; images are called"),
    ],
)
def test_another_spin_file(annotations: Owners, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = owners.spin(tmp_path / "mpi_inf_3dhp_valid.npz", annotations.test)
    with np.load(path) as archive:
        members = {name: archive[name].copy() for name in archive.files}
    match change:
        case {"imgname": _}:
            del members["imgname"]
        case {"confidence": _}:
            members["part"][3, 9, 2] = 0
        case {"S": _}:
            members["S"][3, 14, 0] = np.nan
        case {"prefix": _}:
            members["imgname"] = np.array([name.replace("/TS", "/S") for name in members["imgname"]])
        case _:
            members |= change
    np.savez(path, **members)
    with pytest.raises(DataError, match=rf"mpi_inf_3dhp_valid\.npz: .*{message}"):
        prepare_mpi_inf_3dhp(path, tmp_path / "out", variant="poseaug")
    with pytest.raises(SkelgraphError, match=r"ask for that \(--variant poseaug\)"):
        prepare_mpi_inf_3dhp(path, tmp_path / "out")


def test_the_command(annotations: Owners, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spin = owners.spin(tmp_path / "mpi_inf_3dhp_valid.npz", annotations.test)
    out = tmp_path / "out"
    command = ["data", "prepare", "--dataset", "mpi_inf_3dhp", "--source", str(spin), "--out", str(out)]
    assert main([*command, "--variant", "poseaug"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "Not as published: TS1 has 17 valid frames with all joints in the image, published are 603." in printed
    assert (out / "test_3dhp.npz").exists()
    for wrong, message in (
        (["--variant", "poseaug"], "holds test_3dhp.npz already"),
        (["--variant", "posaug"], "poseaug"),
        (["--annotation", "annot4"], "annotation"),
        (["--variant", "poseaug", "--subjects", "TS7"], "unknown subject of the variant poseaug 'TS7'"),
    ):
        assert main([*command, *wrong]) == 2
        printed = capsys.readouterr().err
        assert message in printed
        assert printed.count("\n") == 1
