"""Human3.6M's files from what its authors distribute."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import owners
import pytest
import torch

from skelgraph.__main__ import main
from skelgraph.datasets import Human36M
from skelgraph.datasets.preparation import human36m, prepare_human36m
from skelgraph.errors import DataError, SkelgraphError

Motion = dict[str, dict[str, np.ndarray]]


@pytest.fixture(scope="module")
def motion() -> Motion:
    return owners.recordings()


@pytest.fixture(scope="module")
def files(motion: Motion) -> dict[str, bytes]:
    return owners.human36m(motion, "cdf")


def member(path: Path, name: str) -> Any:
    with np.load(path, allow_pickle=True) as archive:
        return archive[name].item()


def check_written(out: Path, motion: Motion) -> None:
    """The files hold the recordings, under VideoPose3D's names, in metres."""
    positions = member(out / "data_3d_h36m.npz", "positions_3d")
    keypoints = member(out / "data_2d_h36m_gt.npz", "positions_2d")
    assert list(positions) == list(keypoints) == list(owners.SUBJECTS)
    names = {own: name for name, own in owners.OWN_NAMES.items()}
    for subject, actions in motion.items():
        expected = {}
        for own, array in actions.items():
            base, space, take = own.partition(" ")
            expected[names.get(base, base) + space + take] = array
        if subject == "S11":
            del expected["Directions"]
        assert positions[subject].keys() == keypoints[subject].keys() == expected.keys()
        for action, array in expected.items():
            found = positions[subject][action]
            assert found.shape == array.shape == (len(array), 32, 3)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, array / 1000, atol=1e-6)
            assert len(keypoints[subject][action]) == 4
            assert {view.shape for view in keypoints[subject][action]} == {(len(array), 17, 2)}
    metadata = member(out / "data_2d_h36m_gt.npz", "metadata")
    assert metadata["num_joints"] == 17
    assert metadata["keypoints_symmetry"] == [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]
    assert sorted(path.name for path in out.iterdir()) == ["data_2d_h36m_gt.npz", "data_3d_h36m.npz"]


def tgz_of_each(root: Path, files: dict[str, bytes]) -> Path:
    root.mkdir()
    for subject in owners.SUBJECTS:
        own = {name: content for name, content in files.items() if name.startswith(f"{subject}/")}
        owners.tgz(root / f"Poses_D3_Positions_{subject}.tgz", own)
    return root


@pytest.mark.parametrize(
    ("kind", "pack"),
    [
        ("cdf", owners.folder),
        ("cdf", tgz_of_each),
        ("mat", lambda root, files: owners.folder(root, {f"pose/{name}": content for name, content in files.items()})),
        ("mat", lambda root, files: owners.zipped(root.with_suffix(".zip"), files)),
        ("h5", lambda root, files: owners.zipped(root.with_suffix(".zip"), files)),
        ("h5", owners.folder),
    ],
    ids=["cdf folder", "cdf tgz", "mat folder", "mat zip", "h36m.zip", "h36m unpacked"],
)
def test_every_form_in_which_it_is_distributed(
    motion: Motion, tmp_path: Path, kind: str, pack: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    contents = owners.human36m(motion, kind)
    contents |= {name.replace("Directions.", "_ALL."): content for name, content in contents.items()}
    contents |= {name.replace("Positions/", "Positions_mono/"): b"" for name in contents if "D3_Positions" in name}
    source = pack(tmp_path / "source", contents)
    told: list[tuple[str, int, int]] = []
    prepared = prepare_human36m(source, tmp_path / "out", progress=lambda *what: told.append(what))
    check_written(tmp_path / "out", motion)
    assert prepared.files == [tmp_path / "out" / "data_3d_h36m.npz", tmp_path / "out" / "data_2d_h36m_gt.npz"]
    lengths = {subject: sum(map(len, actions.values())) for subject, actions in motion.items()}
    lengths["S11"] -= len(motion["S11"]["Directions"])
    assert prepared.frames == lengths
    assert [done for _, done, total in told if total] == list(range(1, 210))
    assert {total for _, _, total in told} == {209, 0}


def test_ninety_six_frames_of_hdf5(tmp_path: Path) -> None:
    """As many frames as numbers in a frame: the order of the axes is that of the published file."""
    recordings = owners.recordings(96 - 14, ("S1",))
    assert 96 in {len(array) for array in recordings["S1"].values()}
    source = owners.folder(tmp_path / "s", owners.human36m(recordings, "h5"))
    prepare_human36m(source, tmp_path / "out", subjects=["S1"])
    positions = member(tmp_path / "out" / "data_3d_h36m.npz", "positions_3d")["S1"]
    for action, array in recordings["S1"].items():
        np.testing.assert_allclose(positions[owners_name(action)], array / 1000, atol=1e-6)


def owners_name(action: str) -> str:
    return action.replace("TakingPhoto", "Photo").replace("WalkingDog", "WalkDog")


def test_what_is_written_is_what_the_reader_projects(files: dict[str, bytes], tmp_path: Path) -> None:
    source, out = owners.folder(tmp_path / "source", files), tmp_path / "out"
    prepare_human36m(source, out)
    for split in ("train", "test"):
        projected = Human36M(out / "data_3d_h36m.npz", split=split)
        read = Human36M(out / "data_3d_h36m.npz", out / "data_2d_h36m_gt.npz", split=split)
        assert len(read) == len(projected) > 0
        torch.testing.assert_close(read.keypoints_2d, projected.keypoints_2d, atol=1e-6, rtol=0)
        assert torch.equal(read.poses_3d, projected.poses_3d)


def test_keypoints_of_the_reference(golden: Callable[[str], Any]) -> None:
    """What the reference's cameras see of its world points, in pixels."""
    g = golden("protocol_camera")
    world = np.asarray(g.arrays["in/X_world"])  # (subject, camera, frame, joint, 3)
    from skelgraph.datasets.cameras import H36M_CAMERAS, read_cameras
    from skelgraph.geometry import denormalize_screen, project

    subjects = [str(subject) for subject in g.arrays["in/subjects"]]
    cameras = read_cameras(H36M_CAMERAS, subjects)
    for s, subject in enumerate(subjects):
        for c, camera in enumerate(cameras[subject]):
            found = human36m.filmed(world[s, c], cameras[subject])[c]
            seen = project(g["out/X_camera"][s, c], g["out/intrinsic_normalised"][c], "human36m")
            expected = denormalize_screen(seen, camera.width, camera.height)
            np.testing.assert_allclose(found, expected, atol=2e-3)


def test_some_subjects(files: dict[str, bytes], tmp_path: Path) -> None:
    source = owners.folder(tmp_path / "source", {n: c for n, c in files.items() if n.startswith(("S1/", "S9/"))})
    with pytest.raises(DataError, match=r"subject S5: no recording was found.*\(--source\).*\(--subjects\)"):
        prepare_human36m(source, tmp_path / "out")
    prepared = prepare_human36m(source, tmp_path / "out", subjects=["S9", "S1"])
    assert list(prepared.frames) == ["S9", "S1"]
    with pytest.raises(SkelgraphError, match=r"unknown subject of Human3\.6M 'S2'"):
        prepare_human36m(source, tmp_path / "out2", subjects=["S2"])


def test_a_recording_is_missing_and_comes_later(files: dict[str, bytes], motion: Motion, tmp_path: Path) -> None:
    missing = "S6/MyPoseFeatures/D3_Positions/Eating 1.cdf"
    source = owners.folder(tmp_path / "source", {name: c for name, c in files.items() if name != missing})
    with pytest.raises(
        DataError, match=r"subject S6: found Eating \(1\) recordings of these actions, expected 2 of each"
    ):
        prepare_human36m(source, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".human36m.partial"]
    owners.folder(source, {missing: files[missing]})
    prepare_human36m(source, tmp_path / "out")
    check_written(tmp_path / "out", motion)


def test_files_that_are_there_are_kept(files: dict[str, bytes], motion: Motion, tmp_path: Path) -> None:
    source, out = owners.folder(tmp_path / "source", files), tmp_path / "out"
    out.mkdir()
    (out / "data_2d_h36m_gt.npz").write_text("mine")
    (out / "notes.txt").write_text("mine")
    with pytest.raises(SkelgraphError, match=r"out holds data_2d_h36m_gt\.npz already: replace \(--overwrite\)"):
        prepare_human36m(source, out)
    assert (out / "data_2d_h36m_gt.npz").read_text() == "mine"
    prepare_human36m(source, out, overwrite=True)
    assert (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").unlink()
    check_written(out, motion)
    (tmp_path / "file").touch()
    with pytest.raises(SkelgraphError, match="file is no folder"):
        prepare_human36m(source, tmp_path / "file")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a CDF file, or only a part of one"),
        (
            owners.cdf(np.zeros((4, 31, 3))),
            r"found ndarray \(4, 93\) of float32, expected frames of 32 joints, \(T, 96\)",
        ),
        (owners.cdf(np.full((4, 32, 3), np.nan)), "positions that are no finite numbers"),
        (
            owners.cdf(owners.figure("h36m32", 4, 0) / 1000),
            "the skeleton is 0.00[0-9]+ m large if its positions are mil",
        ),
        (
            owners.cdf(owners.figure("h36m32", 4, 0) * 1000),
            "the skeleton is 1.8[0-9]e.03 m large if its positions are mil",
        ),
        (owners.h5(owners.figure("h36m32", 4, 0)), "is not a CDF file"),
    ],
)
def test_a_damaged_recording(files: dict[str, bytes], tmp_path: Path, content: bytes, message: str) -> None:
    name = "S1/MyPoseFeatures/D3_Positions/Phoning.cdf"
    source = owners.folder(tmp_path / "source", {**files, name: content})
    with pytest.raises(DataError, match=rf"source/{name}: .*{message}"):
        prepare_human36m(source, tmp_path / "out")
    owners.folder(source, {name: files[name]})
    prepare_human36m(source, tmp_path / "out")  # and goes on


def test_a_stopped_run_goes_on(
    files: dict[str, bytes], motion: Motion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tgz_of_each(tmp_path / "source", files), tmp_path / "out"

    def stop(what: str, done: int, total: int) -> None:
        if done == 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_human36m(source, out, progress=stop)
    assert len(list((out / ".human36m.partial").iterdir())) == 100
    assert not list(out.glob("*.npz"))
    # a source that was changed meanwhile is read again, what is finished is not
    changed = {"S1/MyPoseFeatures/D3_Positions/Eating.cdf": owners.cdf(2 * motion["S1"]["Eating"][:2])}
    own = {name: content for name, content in files.items() if name.startswith("S1/")}
    owners.tgz(source / "Poses_D3_Positions_S1.tgz", own | changed)
    read: list[str] = []
    positions = human36m._positions
    monkeypatch.setattr(
        human36m, "_positions", lambda file, foreign: read.append(file.name) or positions(file, foreign)
    )
    prepare_human36m(source, out)
    assert len(read) == 209 - 100 + 1
    found = member(out / "data_3d_h36m.npz", "positions_3d")["S1"]["Eating"]
    np.testing.assert_allclose(found, 2 * motion["S1"]["Eating"][:2] / 1000, atol=1e-6)


def test_parts_that_are_none(files: dict[str, bytes], tmp_path: Path) -> None:
    source, out = owners.folder(tmp_path / "source", files), tmp_path / "out"
    (out / ".human36m.partial").mkdir(parents=True)
    (out / ".human36m.partial" / "S1 Eating.npz").write_text("mine")
    (out / ".human36m.partial" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"S1 Eating\.npz: .* It is no finished part of a preparation: remove it"):
        prepare_human36m(source, out)
    assert (out / ".human36m.partial" / "S1 Eating.npz").read_text() == "mine"
    (out / ".human36m.partial" / "S1 Eating.npz").unlink()
    prepare_human36m(source, out)
    assert [path.name for path in (out / ".human36m.partial").iterdir()] == ["notes.txt"]


KILLED = """
import os, signal, sys
from skelgraph.datasets.preparation import prepare_human36m
def kill(what, done, total):
    if sys.argv[3] in (what, str(done)):
        os.kill(os.getpid(), signal.SIGKILL)
prepare_human36m(sys.argv[1], sys.argv[2], progress=kill)
"""

FULL = """
import resource, signal, sys
from skelgraph.__main__ import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
sys.exit(main(["data", "prepare", "--dataset", "human36m", "--source", sys.argv[1], "--out", sys.argv[2]]))
"""


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("moment", ["57", "data_3d_h36m.npz", "data_2d_h36m_gt.npz"])
def test_a_killed_run_goes_on(files: dict[str, bytes], motion: Motion, tmp_path: Path, moment: str) -> None:
    source, out = owners.folder(tmp_path / "source", files), tmp_path / "out"
    assert python(KILLED, source, out, moment).returncode == -signal.SIGKILL
    assert len(list((out / ".human36m.partial").iterdir())) == (57 if moment == "57" else 209)
    prepare_human36m(source, out, overwrite=True)
    check_written(out, motion)


def test_a_full_disk(files: dict[str, bytes], motion: Motion, tmp_path: Path) -> None:
    """First for the results, then for a part: nothing half-written is left, and the next run goes on."""
    source, out = owners.folder(tmp_path / "source", files), tmp_path / "out"
    for size, named in ((3000, r".human36m.partial"), (200_000, "data_3d_h36m.npz")):
        process = python(FULL, source, out, size)
        assert process.returncode == 2
        assert process.stderr.startswith("error: [Errno 27] File too large"), process.stderr
        assert named in process.stderr
        assert process.stderr.count("\n") == 1
        assert not list(out.glob("*.npz"))
        assert not list(out.rglob("*.tmp"))
    assert len(list((out / ".human36m.partial").iterdir())) == 209
    prepare_human36m(source, out)
    check_written(out, motion)


def test_the_command(
    files: dict[str, bytes], motion: Motion, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = owners.folder(tmp_path / "source", files), tmp_path / "out"
    command = ["data", "prepare", "--dataset", "human36m", "--source", str(source), "--out", str(out)]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "S11 (" in printed.out
    assert "writing data_3d_h36m.npz" in printed.out
    assert str(out / "data_2d_h36m_gt.npz") in printed.out.replace("\n", "")
    check_written(out, motion)
    for wrong, message in (
        ([], "already: replace (--overwrite) or choose another folder"),
        (["--variant", "official", "--overwrite"], "dataset 'human36m' has no use for: variant"),
        (["--subjects", "S1,S3", "--overwrite"], "unknown subject of Human3.6M 'S3'"),
        (["--source", str(tmp_path / "nowhere"), "--overwrite"], "there is no such file"),
    ):
        assert main([*command, *wrong]) == 2
        printed = capsys.readouterr()
        assert message in printed.err
        assert printed.err.count("\n") == 1
    assert main([*command, "--overwrite", "--no-progress"]) == 0
    assert "S11 (" not in capsys.readouterr().out
    assert main(["data", "prepare", "--dataset", "human36m"]) == 2
    assert "--source is missing" in capsys.readouterr().err
    assert main(["data", "prepare", "--dataset", "h36m", "--source", "x"]) == 2
    assert "unknown dataset that is prepared 'h36m'; did you mean human36m?" in capsys.readouterr().err


def test_what_it_writes_is_no_surprise(files: dict[str, bytes], tmp_path: Path) -> None:
    """No name of an archive becomes one on the disk."""
    evil = {"S1/MyPoseFeatures/D3_Positions/Eating 3.cdf": b"", "S1/MyPoseFeatures/D3_Positions/Nothing.cdf": b""}
    source = owners.tgz(tmp_path / "a.tgz", {**files, **evil, "../evil/S1/MyPoseFeatures/D3_Positions/Eating.cdf": b""})
    with pytest.raises(DataError):
        prepare_human36m(source, tmp_path / "out")
    assert json.dumps(sorted(path.name for path in tmp_path.iterdir())) == '["a.tgz", "out"]'
