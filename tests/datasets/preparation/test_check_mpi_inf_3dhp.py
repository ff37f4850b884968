"""What the check says of MPI-INF-3DHP's files, right and wrong ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import owners
import pytest

from skelgraph.__main__ import main
from skelgraph.datasets.preparation import Finding, check_mpi_inf_3dhp, prepare_mpi_inf_3dhp
from skelgraph.errors import DataError

TESTS = {f"TS{i}": 30 + i for i in range(1, 7)}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of all variants."""
    root = tmp_path_factory.mktemp("3dhp")
    owners.folder(root / "source", owners.mpi_inf_3dhp())
    for variant in ("official", "graphmlp", "poseaug"):
        prepare_mpi_inf_3dhp(root / "source", root / "out", variant=variant)
    return root / "out"


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if these short sequences were the published ones."""
    owners.count_as_published(monkeypatch)


def wrong(findings: list[Finding]) -> dict[tuple[str, str], Finding]:
    return {(finding.where, finding.what): finding for finding in findings if finding.verdict == "wrong"}


@pytest.mark.usefixtures("published")
def test_all_right(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    findings = check_mpi_inf_3dhp(prepared)
    assert wrong(findings) == {}
    readings = [finding.where for finding in findings if finding.what == "reading"]
    assert readings == [
        *("mpi_inf_3dhp official train", "mpi_inf_3dhp official test"),
        *("mpi_inf_3dhp graphmlp train", "mpi_inf_3dhp graphmlp test", "mpi_inf_3dhp poseaug test"),
    ]
    assert main(["data", "check", "--dataset", "mpi_inf_3dhp", "--data-root", str(prepared)]) == 0
    assert capsys.readouterr().err == ""
    options = ["--variant", "graphmlp", "--skeleton", "h36m17", "--data-3d", str(prepared)]
    assert main(["data", "check", "--dataset", "mpi_inf_3dhp", *options]) == 0


def test_frames_are_told_by_the_published_numbers(prepared: Path) -> None:
    found = wrong(check_mpi_inf_3dhp(prepared))
    assert "S1 Seq1 4 of 6,416" in found["data_train_3dhp.npz", "frames"].found
    assert "TS6 36 of 492" in found["data_test_3dhp.npz", "frames"].found
    assert "TS1 16 of 603" in found["data_test_3dhp.npz", "valid, all joints in the image"].found
    assert found["test_3dhp.npz", "frames"].found == "103, published are 2,929"
    assert "skelgraph data prepare --dataset mpi_inf_3dhp --variant poseaug" in found["test_3dhp.npz", "frames"].advice
    assert len(found) == 4


Damage = Callable[[Any], Any]


def put(container: Any, key: Any, value: Any) -> None:
    container[key] = value


def scale(data: Any, factor: float) -> None:
    for views in data.values():
        for view in views[0].values():
            view["data_3d"] = view["data_3d"] * factor


def reorder(data: Any) -> None:
    """The joints of the training annotations as they come."""
    for views in data.values():
        for view in views[0].values():
            view["data_3d"] = view["data_3d"][:, [14, 11, 12, 13, 8, 9, 10, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]]


WRONG: dict[str, tuple[str, str, Damage, str, str]] = {
    "a sequence": ("data_train_3dhp", "data", lambda d: d.pop("S4 Seq2"), "sequences", "without S4 Seq2"),
    "a camera": ("data_train_3dhp", "data", lambda d: d["S4 Seq2"][0].pop("5"), "arrays", "S4 Seq2: not"),
    "a joint": (
        "data_train_3dhp",
        "data",
        lambda d: put(d["S4 Seq2"][0]["5"], "data_2d", np.zeros((7, 16, 2))),
        "arrays",
        "S4 Seq2: data_2d",
    ),
    "no fps": ("data_train_3dhp", "data", lambda d: put(d["S5 Seq2"], 1, {}), "frame rates", "S5 Seq2"),
    "fps": ("data_train_3dhp", "data", lambda d: put(d["S5 Seq2"], 1, 25), "frame rates", "S5 Seq2"),
    "frames": (
        "data_train_3dhp",
        "data",
        lambda d: [put(view, name, view[name][:3]) for view in d["S2 Seq1"][0].values() for name in list(view)],
        "frames",
        "S2 Seq1 3 of 5",
    ),
    "metres": ("data_train_3dhp", "data", lambda d: scale(d, 0.001), "unit", r"1\.\d+ mm large"),
    "order": ("data_train_3dhp", "data", reorder, "joint order", "unlike on both sides"),
    "a test sequence": ("data_test_3dhp", "data", lambda d: d.pop("TS4"), "sequences", "without TS4"),
    "valid": ("data_test_3dhp", "data", lambda d: put(d["TS4"], "valid", np.ones(3)), "arrays", "TS4"),
    "all valid": (
        "data_test_3dhp",
        "data",
        lambda d: put(d["TS4"], "valid", np.ones(34, bool)),
        "valid, all joints in the image",
        "TS4 27 of 18",
    ),
    "A without": ("data_3d_3dhp", "positions_3d", lambda d: d["S4"].pop("Seq2"), "sequences", "without S4 Seq2"),
    "A arrays": ("data_2d_3dhp", "positions_2d", lambda d: put(d["TS2"], "Seq1", [3]), "arrays", "TS2 Seq1"),
    "A millimetres": (
        "data_3d_3dhp",
        "positions_3d",
        lambda d: [put(s, q, [1000 * view for view in views]) for s in d.values() for q, views in s.items()],
        "unit",
        r"17\d\d m large",
    ),
}


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong(prepared: Path, tmp_path: Path, name: str) -> None:
    file, member, damage, what, found = WRONG[name]
    for path in prepared.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with np.load(prepared / f"{file}.npz", allow_pickle=True) as archive:
        content = {key: archive[key].item() for key in archive.files}
    damage(content[member])
    np.savez(tmp_path / f"{file}.npz", **content)
    findings = wrong(check_mpi_inf_3dhp(tmp_path))
    finding = findings.pop((f"{file}.npz", what))
    assert re.search(found, finding.found), finding.found
    assert "skelgraph data prepare --dataset mpi_inf_3dhp --variant" in finding.advice
    assert {where for where, _ in findings if where.endswith(".npz")} <= {f"{file}.npz"}


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        ("pose3d", lambda a: a[:-1], "arrays"),
        ("pose2d", lambda a: a[:, :15], "arrays"),
        ("pose3d", lambda a: 1000 * a, "unit"),
        ("pose3d", lambda a: a + 0.1, "root"),
        ("pose2d", lambda a: 1024 * (a + 1), "keypoints"),
        ("pose3d", lambda a: a[:, [0, 1, 2, 3, 6, 5, 4, 7, 8, 9, 12, 11, 10, 13, 14, 15]], "joint order"),
    ],
)
def test_what_is_wrong_with_the_poseaug_file(
    prepared: Path, tmp_path: Path, name: str, change: Callable[[np.ndarray], np.ndarray], what: str
) -> None:
    with np.load(prepared / "test_3dhp.npz") as archive:
        content = {key: archive[key] for key in archive.files}
    np.savez(tmp_path / "3DHP_test.npz", **{**content, name: change(content[name])})
    assert ("3DHP_test.npz", what) in wrong(check_mpi_inf_3dhp(tmp_path))


def test_one_of_two_files(prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "data_3d_3dhp.npz").write_bytes((prepared / "data_3d_3dhp.npz").read_bytes())
    assert ("data_2d_3dhp.npz", "file") in wrong(check_mpi_inf_3dhp(tmp_path))
    with pytest.raises(
        DataError, match=r"holds none of data_train_3dhp\.npz, .*; make it again: skelgraph data prepare"
    ):
        check_mpi_inf_3dhp(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "content", ["text", {"S1": 3}, {"S1": {"Seq1": 3}}, {"TS1": {"Seq1": [None]}}, {"S1 Seq1": [{}, 2]}]
)
@pytest.mark.parametrize("name", ["data_train_3dhp", "data_test_3dhp", "data_3d_3dhp", "data_2d_3dhp", "test_3dhp"])
def test_files_that_are_none(tmp_path: Path, name: str, content: Any) -> None:
    content = np.array(content, dtype=object)
    np.savez(tmp_path / f"{name}.npz", data=content, positions_3d=content, positions_2d=content, pose3d=content)
    assert [key for key in wrong(check_mpi_inf_3dhp(tmp_path)) if key[0] == f"{name}.npz"]
    (tmp_path / f"{name}.npz").write_bytes(b"damaged")
    assert [key for key in wrong(check_mpi_inf_3dhp(tmp_path)) if key[0] == f"{name}.npz"]
