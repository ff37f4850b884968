"""What the check says of Human3.6M's files, right and wrong ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import owners
import pytest
import tiny_mocap

from skelgraph.__main__ import main
from skelgraph.datasets.mocap import HOURGLASS_JOINTS
from skelgraph.datasets.preparation import Finding, check_human36m, human36m, prepare_human36m

Members = dict[str, Any]
SIDES = [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("h36m")
    prepare_human36m(owners.folder(root / "source", owners.human36m(owners.recordings(), "cdf")), root / "out")
    return root / "out"


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if these short recordings were the published ones."""
    owners.count_as_published(monkeypatch)


def members(folder: Path, kind: str) -> Members:
    name = "data_3d_h36m.npz" if kind == "3d" else "data_2d_h36m_gt.npz"
    with np.load(folder / name, allow_pickle=True) as archive:
        return {key: archive[key].item() for key in archive.files}


def wrong(findings: list[Finding]) -> dict[tuple[str, str], Finding]:
    return {(finding.where, finding.what): finding for finding in findings if finding.verdict == "wrong"}


@pytest.mark.usefixtures("published")
def test_all_right(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    findings = check_human36m(prepared / "data_3d_h36m.npz")
    assert wrong(findings) == {}
    told = {(finding.where, finding.what): finding.found for finding in findings}
    assert told["data_3d_h36m.npz", "subjects"] == "S1, S5, S6, S7, S8, S9, S11"
    assert told["data_3d_h36m.npz", "corrupt take"] == "is left out"
    assert told["data_2d_h36m_gt.npz", "joint order"] == "h36m17"
    assert told["human36m gt train", "reading"].endswith("600 clips, 15 actions: S1, S5, S6, S7, S8")
    assert told["human36m gt test", "reading"].endswith("236 clips, 15 actions: S9, S11")
    assert main(["data", "check", "--dataset", "human36m", "--data-root", str(prepared)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "reading" in printed.out


def test_too_few_frames_are_told_by_the_published_number(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = wrong(check_human36m(prepared / "data_3d_h36m.npz"))
    (finding,) = found.values()
    assert finding.what == "frames, train"
    assert finding.found == "6,600, published are 1,559,752"
    assert "skelgraph data prepare --dataset human36m" in finding.advice
    assert main(["data", "check", "--dataset", "human36m", "--data-3d", str(prepared / "data_3d_h36m.npz")]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: 1 of ")
    assert printed.err.count("\n") == 1
    assert "1,559,752" in " ".join(printed.out.split())


def drop(members: Members, *path: Any) -> None:
    for key in path[:-1]:
        members = members[key]
    del members[path[-1]]


def change(members: Members, how: Callable[[np.ndarray], Any], *path: Any) -> None:
    for key in path[:-1]:
        members = members[key]
    members[path[-1]] = how(members[path[-1]])


def put(members: Members, value: Any, *path: Any) -> None:
    change(members, lambda _: value, *path)


def every(members: Members, how: Callable[[np.ndarray], Any]) -> None:
    for actions in members.values():
        for action, value in actions.items():
            actions[action] = [how(view) for view in value] if isinstance(value, list) else how(value)


def corrupt_take(motion: Members) -> None:
    motion["S11"]["Directions"] = motion["S11"]["Directions 1"]


WRONG_3D: dict[str, tuple[Callable[[Members], Any], str, str]] = {
    "a subject": (lambda m: drop(m, "S8"), "subjects", "S1, S5, S6, S7, S9, S11"),
    "a take": (lambda m: drop(m, "S6", "Eating 1"), "recordings", r"S6 Eating \(1\)"),
    "a name": (
        lambda m: m["S7"].update({"TakingPhoto 1": m["S7"].pop("Photo 1")}),
        "recordings",
        r"S7 Photo \(1\), S7 TakingPhoto is unknown",
    ),
    "corrupt take": (corrupt_take, "corrupt take", "is there"),
    "millimetres": (lambda m: every(m, lambda a: 1000 * a), "unit", r"the skeleton is 1\.8\de\+03 m large"),
    "NaN": (lambda m: m["S9"]["Eating"].__setitem__((0, 3, 1), np.nan), "joints", "no finite positions.*: S9 Eating"),
    "joints": (lambda m: change(m, lambda a: a[:, :17], "S9", "Eating"), "joints", "17 and 32 joints"),
    "frames": (lambda m: change(m, lambda a: a[:2], "S1", "Eating"), "frames, train", "published are 6,600"),
}


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("name", WRONG_3D)
def test_what_is_wrong_with_positions(prepared: Path, tmp_path: Path, name: str) -> None:
    damage, what, found = WRONG_3D[name]
    content = members(prepared, "3d")
    damage(content["positions_3d"])
    np.savez(tmp_path / "data_3d_h36m.npz", **content)
    findings = wrong(check_human36m(tmp_path / "data_3d_h36m.npz"))
    finding = findings.pop(("data_3d_h36m.npz", what))
    assert re.search(found, finding.found), finding.found
    assert finding.advice
    assert {what for _, what in findings} <= {"frames, train", "frames", "reading", "file"}


def shift(motion: Members) -> None:
    for view in motion["S11"]["Eating"]:
        view[0, 2, 1] += 0.6


WRONG_2D: dict[str, tuple[Callable[[Members], Any], str, str]] = {
    "a subject": (lambda m: drop(m, "positions_2d", "S8"), "recordings", "without S8 Directions, .* and 22 more"),
    "a camera": (
        lambda m: change(m["positions_2d"], lambda v: v[:3], "S5", "Eating 1"),
        "cameras",
        "not 4: S5 Eating 1",
    ),
    "number": (lambda m: put(m["positions_2d"], 0.5, "S1", "Directions"), "cameras", "not 4: S1 Directions"),
    "frames": (
        lambda m: change(m["positions_2d"]["S5"], lambda v: v[:-1], "Eating 1", 2),
        "frames",
        "fewer than positions: S5 Eating 1",
    ),
    "joints": (lambda m: every(m["positions_2d"], lambda v: v[:, :15]), "joints", "15 joints"),
    "NaN": (
        lambda m: change(m["positions_2d"]["S1"], lambda v: v * np.nan, "Eating", 0),
        "joints",
        "no finite keypoints",
    ),
    "one pixel": (lambda m: shift(m["positions_2d"]), "projection", r"0\.6 px from the positions"),
    "order": (lambda m: every(m["positions_2d"], lambda v: v[:, ::-1]), "projection", "px from the positions"),
    "sides": (lambda m: change(m, lambda v: v[::-1], "metadata", "keypoints_symmetry"), "joint order", "expected left"),
    "metadata": (lambda m: change(m, lambda v: 14, "metadata", "num_joints"), "joint order", "found num_joints 14"),
}


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("name", WRONG_2D)
def test_what_is_wrong_with_keypoints(prepared: Path, tmp_path: Path, name: str) -> None:
    damage, what, found = WRONG_2D[name]
    content = members(prepared, "2d")
    damage(content)
    np.savez(tmp_path / "mine.npz", **content)
    findings = wrong(check_human36m(prepared / "data_3d_h36m.npz", tmp_path / "mine.npz"))
    finding = findings.pop(("mine.npz", what))
    assert re.search(found, finding.found), finding.found
    assert not [where for where, _ in findings if where == "data_3d_h36m.npz"]


@pytest.mark.usefixtures("published")
def test_keypoints_of_detectors(prepared: Path, tmp_path: Path) -> None:
    """Longer tracks, 16 joints without metadata, and the two orders of the stacked hourglass."""
    positions = members(prepared, "3d")
    np.savez(tmp_path / "data_3d_h36m.npz", **positions)
    rng = np.random.default_rng(0)

    def detected(pick: list[int]) -> Members:
        motion = members(prepared, "2d")["positions_2d"]
        every(motion, lambda v: np.concatenate([v, v[-1:]])[:, pick] + rng.normal(size=(len(v) + 1, len(pick), 2)))
        return motion

    without_nose = [j for j in range(17) if j != 9]
    raw = [without_nose[HOURGLASS_JOINTS.index(j)] for j in range(16)]
    ours = {"num_joints": 16, "keypoints_symmetry": [[4, 5, 6, 10, 11, 12], [1, 2, 3, 13, 14, 15]]}
    theirs = {"num_joints": 16, "keypoints_symmetry": [[3, 4, 5, 13, 14, 15], [0, 1, 2, 10, 11, 12]]}
    np.savez(
        tmp_path / "data_2d_h36m_cpn_ft_h36m_dbb.npz",
        positions_2d=detected([*range(17)]),
        metadata={"num_joints": 17, "keypoints_symmetry": SIDES},
    )
    np.savez(tmp_path / "data_2d_h36m_hr.npz", positions_2d=detected(without_nose))
    np.savez(tmp_path / "data_2d_h36m_sh_ft_h36m.npz", positions_2d=detected(raw), metadata=theirs)
    np.savez(tmp_path / "data_2d_h36m_sh_pt_mpii.npz", positions_2d=detected(without_nose), metadata=ours)
    findings = check_human36m(tmp_path / "data_3d_h36m.npz")
    assert wrong(findings) == {}
    orders = {finding.where: (finding.verdict, finding.found) for finding in findings if finding.what == "joint order"}
    assert orders == {
        "data_2d_h36m_cpn_ft_h36m_dbb.npz": ("right", "h36m17"),
        "data_2d_h36m_hr.npz": ("told", "the file does not say; read as h36m16"),
        "data_2d_h36m_sh_ft_h36m.npz": (
            "right",
            "that of the detector, brought into that of h36m16 when it is read",
        ),
        "data_2d_h36m_sh_pt_mpii.npz": ("right", "h36m16"),
    }
    assert sum(finding.what == "reading" for finding in findings) == 8
    # one of them alone, and one that does not say its order though its name stands for two
    assert {f.where for f in check_human36m(tmp_path / "data_3d_h36m.npz", keypoints="hr") if f.what == "cameras"} == {
        "data_2d_h36m_hr.npz"
    }
    np.savez(tmp_path / "data_2d_h36m_sh_ft_h36m.npz", positions_2d=detected(raw))
    (finding,) = wrong(check_human36m(tmp_path / "data_3d_h36m.npz", keypoints="sh")).values()
    assert "in which of two orders" in finding.found


@pytest.mark.parametrize("content", [b"", b"PK\3\4", "not a dictionary", {"S1": 3}, {"S1": {"Eating": 3}}, {1: {2: 3}}])
def test_files_that_are_none(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "data_3d_h36m.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.savez(path, positions_3d=np.array(content, dtype=object))
    findings = check_human36m(path)
    assert wrong(findings)
    assert all(finding.found and finding.advice for finding in wrong(findings).values())
    (tmp_path / "data_2d_h36m_gt.npz").write_bytes(b"")
    assert wrong(check_human36m(path))
    assert wrong(check_human36m(tmp_path / "nowhere.npz"))


@pytest.mark.parametrize("content", ["text", {"S1": 3}, {"S1": {"Eating": 3}}, {"S1": {"Eating": [1, 2, 3, 4]}}])
def test_keypoints_that_are_none(prepared: Path, tmp_path: Path, content: Any) -> None:
    np.savez(tmp_path / "mine.npz", positions_2d=np.array(content, dtype=object), metadata=np.array(3))
    findings = check_human36m(prepared / "data_3d_h36m.npz", tmp_path / "mine.npz")
    assert [finding for finding in wrong(findings).values() if finding.where == "mine.npz"]


def test_the_command(prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["--dataset", "human36m"], "--data-root or --data-3d is missing"),
        (["--dataset", "h36m"], "unknown dataset 'h36m'"),
        (["--dataset", "human36m", "--data-root", str(prepared), "--cameras", "x"], "has no use for: cameras"),
        (["--dataset", "mocap", "--data-root", str(prepared)], "has no files of usual names"),
        (["--dataset", "mocap", "--data-3d", str(prepared / "data_3d_h36m.npz")], "are wrong: see the table"),
        (["--dataset", "human36m", "--data-root", str(tmp_path)], "are wrong: see the table"),
    ):
        assert main(["data", "check", *arguments]) == 2
        printed = capsys.readouterr()
        assert message in printed.err
        assert printed.err.count("\n") == 1
    assert human36m.DATA_3D == "data_3d_h36m.npz"


def test_your_own_motion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = tiny_mocap.write(tmp_path)
    arguments = [part for key, path in files.items() for part in (f"--{key.replace('_', '-')}", path)]
    assert main(["data", "check", "--dataset", "mocap", *arguments]) == 0
    assert "308 frames" in " ".join(capsys.readouterr().out.split())
    positions, _ = tiny_mocap.arrays()
    positions["test"] = {action: 1000 * world for action, world in positions["test"].items()}
    files = tiny_mocap.write(tmp_path, positions)
    assert main(["data", "check", "--dataset", "mocap", *arguments]) == 2
    printed = " ".join(capsys.readouterr().out.split())
    assert "millimetres" in printed
    assert "308 frames" in printed
