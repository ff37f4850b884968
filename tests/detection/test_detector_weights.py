"""Weight files come out of a wheel, are checked and kept; what is wrong says which file belongs where."""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from pathlib import Path

import pytest

from skelgraph.__main__ import main
from skelgraph.detection import create_detector, fetch_weights
from skelgraph.detection import weights as module
from skelgraph.detection.weights import WeightFile, WeightSource, weight_files, weights_folder
from skelgraph.errors import DataError, SkelgraphError

CONTENTS = {"toy_package/models/first.tflite": b"first" * 1000, "toy_package/models/deep/second.tflite": b"2" * 77}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and a detector ``toy`` whose weights are in a wheel that any Python could install."""
    monkeypatch.setenv("SKELGRAPH_CACHE", str(tmp_path / "cache"))
    files = tuple(
        WeightFile(path, len(content), hashlib.sha256(content).hexdigest()) for path, content in CONTENTS.items()
    )
    source = WeightSource("toy-package", "1.2.3", "MIT", {"python-version": "3.11"}, files)
    monkeypatch.setitem(module.SOURCES, "toy", source)
    return tmp_path / "cache" / "detectors" / "toy"


def wheel(folder: Path, contents: dict[str, bytes] = CONTENTS) -> Path:
    """A wheel as the registry serves them."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "toy_package-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
        archive.writestr("toy_package/__init__.py", "raise RuntimeError('never run')")
        about = "Metadata-Version: 2.1\nName: toy-package\nVersion: 1.2.3\n"
        archive.writestr("toy_package-1.2.3.dist-info/METADATA", about)
        archive.writestr("toy_package-1.2.3.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("toy_package-1.2.3.dist-info/RECORD", "")
    return path


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip knows the packages in this folder alone."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "registry"))
    (tmp_path / "registry").mkdir()
    return tmp_path / "registry"


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*")} if folder.exists() else {}


WHOLE = {Path(name).name: content for name, content in CONTENTS.items()}


def test_the_ordinary_pip_client_downloads_the_wheel(registry: Path, cache: Path) -> None:
    wheel(registry)
    said: list[str] = []
    assert fetch_weights("toy", report=said.append) == [cache / "first.tflite", cache / "second.tflite"]
    assert kept(cache) == WHOLE
    assert said[0].startswith("Downloading toy-package==1.2.3 (MIT) with pip")
    assert f"{cache / 'first.tflite'}: 5,000 bytes, SHA-256 checked." in said


def test_a_second_call_does_nothing(registry: Path, cache: Path) -> None:
    wheel(registry)
    fetch_weights("toy")
    before = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    (registry / "toy_package-1.2.3-py3-none-any.whl").unlink()
    said: list[str] = []
    fetch_weights("toy", report=said.append)
    assert said == [f"{cache}: all weights of toy are there."]
    assert before == {path: path.stat().st_mtime_ns for path in cache.iterdir()}


@pytest.mark.parametrize("damage", [b"", b"First" + b"first" * 999, b"first" * 1001])
def test_a_damaged_file_of_the_cache_is_fetched_again(tmp_path: Path, cache: Path, damage: bytes) -> None:
    fetch_weights("toy", wheel(tmp_path / "here"))
    second = (cache / "second.tflite").stat().st_mtime_ns
    (cache / "first.tflite").write_bytes(damage)
    with pytest.raises(DataError, match=r"first\.tflite is damaged, or another file; skelgraph fetch-detector toy"):
        weight_files("toy")
    fetch_weights("toy", tmp_path / "here" / "toy_package-1.2.3-py3-none-any.whl")
    assert kept(cache) == WHOLE
    assert (cache / "second.tflite").stat().st_mtime_ns == second


def test_other_content_is_refused(tmp_path: Path, cache: Path) -> None:
    path = wheel(tmp_path / "here", {**CONTENTS, "toy_package/models/deep/second.tflite": b"3" * 77})
    expected = hashlib.sha256(b"2" * 77).hexdigest()
    with pytest.raises(DataError, match=rf"second\.tflite: is another file: its SHA-256 is \w+, expected {expected}"):
        fetch_weights("toy", path)
    assert "second.tflite" not in kept(cache)


def test_a_wheel_without_the_files(tmp_path: Path, cache: Path) -> None:
    path = wheel(tmp_path / "here", {"toy_package/models/first.tflite": CONTENTS["toy_package/models/first.tflite"]})
    with pytest.raises(DataError, match=r"\.whl: holds no toy_package/models/deep/second\.tflite"):
        fetch_weights("toy", path)
    (tmp_path / "no.whl").write_bytes(b"PK\x03\x04 no wheel")
    with pytest.raises(DataError, match=r"no\.whl: is damaged"):
        fetch_weights("toy", tmp_path / "no.whl")
    with pytest.raises(DataError, match="there is no such file"):
        fetch_weights("toy", tmp_path / "none.whl")


def test_a_wheel_that_unpacks_to_more_than_it_may(tmp_path: Path, cache: Path) -> None:
    path = wheel(tmp_path / "here", {**CONTENTS, "toy_package/models/first.tflite": bytes(2**27)})
    with pytest.raises(DataError, match="says that it unpacks to 134217728 bytes"):
        fetch_weights("toy", path)
    assert "first.tflite" not in kept(cache)


def test_without_a_registry_the_error_says_which_file_to_put_where(registry: Path, cache: Path) -> None:
    with pytest.raises(DataError) as caught:
        fetch_weights("toy")
    message = str(caught.value)
    assert "pip cannot download toy-package==1.2.3 (ERROR: No matching distribution found for" in message
    assert "--wheel FILE" in message
    assert all(path in message for path in CONTENTS)
    assert f"belong into {cache}." in message
    assert kept(cache) == {}


def test_a_cache_that_cannot_be_written_is_told_before_the_download(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setattr(module, "_download", lambda *_: pytest.fail("downloaded"))
    with pytest.raises(DataError, match=r"toy: cannot be written \(Not a directory\); SKELGRAPH_CACHE names another"):
        fetch_weights("toy")


def test_without_pip(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Environments of other tools have none; the wheel on disk goes without."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "python: No module named pip" >&2\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(DataError, match=r"pip cannot download toy-package==1.2.3 \(python: No module named pip\)"):
        fetch_weights("toy")
    fetch_weights("toy", wheel(tmp_path / "here"))
    assert kept(cache) == WHOLE


def test_a_detector_without_its_weights_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        create_detector("blazepose")
    assert f"{tmp_path}/cache/detectors/blazepose/pose_detection.tflite is missing; " in str(caught.value)
    assert "skelgraph fetch-detector blazepose takes it out of the wheel mediapipe==0.10.21" in str(caught.value)
    with pytest.raises(DataError, match=f"{tmp_path}/own/pose_detection.tflite is missing"):
        create_detector("blazepose", folder=tmp_path / "own")


def test_the_cache_is_where_the_user_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SKELGRAPH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert weights_folder("blazepose") == tmp_path / "xdg" / "skelgraph" / "detectors" / "blazepose"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert weights_folder("blazepose") == tmp_path / "home" / ".cache" / "skelgraph" / "detectors" / "blazepose"
    monkeypatch.setenv("SKELGRAPH_CACHE", "~/weights")
    assert weights_folder("blazepose") == tmp_path / "home" / "weights" / "detectors" / "blazepose"


def test_the_command(tmp_path: Path, cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = wheel(tmp_path / "here")
    assert main(["fetch-detector", "toy", "--wheel", str(path)]) == 0
    assert kept(cache) == WHOLE
    assert main(["fetch-detector", "toy"]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == f"{cache}: all weights of toy are there."
    assert main(["fetch-detector", "toi"]) == 2
    assert "did you mean toy?" in capfd.readouterr().err
    with pytest.raises(SkelgraphError, match="unknown detector with weights to fetch"):
        fetch_weights("rtmlib")
