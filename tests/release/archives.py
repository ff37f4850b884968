"""The wheel and the source distribution: building them, and what has to be in them and what must not."""

from __future__ import annotations

import email
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]


def build(target: Literal["wheel", "sdist"], folder: Path, root: Path = ROOT) -> Path:
    """The wheel or source distribution of a source tree, in a folder that holds no other of its kind."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (archive,) = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return archive


def contents(archive: Path) -> dict[str, bytes]:
    """The files of a wheel, or of a source distribution relative to the one folder in it."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as file:
            return {name: file.read(name) for name in file.namelist()}
    with tarfile.open(archive) as tar:
        members = {member.name.partition("/")[2]: tar.extractfile(member) for member in tar if member.isfile()}
        return {name: file.read() for name, file in members.items() if file is not None}


def requires_python(wheel: Path) -> SpecifierSet:
    """The versions of Python that a wheel allows."""
    (metadata,) = (text for name, text in contents(wheel).items() if name.endswith(".dist-info/METADATA"))
    return SpecifierSet(email.message_from_bytes(metadata)["Requires-Python"])


def unpack(sdist: Path, folder: Path) -> Path:
    """The source tree of a source distribution."""
    with tarfile.open(sdist) as tar:
        tar.extractall(folder, filter="data")
    (tree,) = folder.iterdir()
    return tree


def tracked(root: Path = ROOT) -> set[str]:
    """The files that git knows."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True).stdout
    return set(filter(None, names.split("\0")))


def faults(wheel: Path, sdist: Path, rebuilt: Path, known: Collection[str]) -> list[str]:
    """What is wrong with the files of the archives.

    Args:
        wheel: The wheel.
        sdist: The source distribution.
        rebuilt: The wheel that was built of the source distribution alone.
        known: The files of the project; others, such as runs and caches, are strays.
    """
    files, source, again = contents(wheel), contents(sdist), contents(rebuilt)
    found = [f"{sdist.name}: {name} is no file of the project" for name in sorted(source.keys() - {*known, "PKG-INFO"})]
    packaged = {name for name in files if ".dist-info/" not in name}
    found += [f"{wheel.name}: {name} is no file of the project" for name in sorted(packaged - {*known})]
    expected = {name for name in known if name.startswith("skelgraph/")}
    found += [f"{wheel.name}: {name} is missing" for name in sorted(expected - packaged)]
    differing = sorted(name for name in files.keys() | again.keys() if files.get(name) != again.get(name))
    return found + [f"{sdist.name}: the wheel that is built of it differs in {name}" for name in differing]
