"""The built wheel alone is enough: weights and example are in it, and a person is lifted by it offline."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from skelgraph.models import shipped_weights

from .archives import ROOT, build, contents
from .environments import LIFT, OFFLINE


@pytest.fixture(scope="module", name="wheel")
def _wheel(require: Callable[[str], ModuleType], tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("hatchling")
    return build("wheel", tmp_path_factory.mktemp("wheel"))


def test_what_is_in_the_wheel(wheel: Path) -> None:
    files = contents(wheel)
    told = {name.partition("/licenses/")[2]: text.decode() for name, text in files.items() if "/licenses/" in name}
    package = {"weights/weights.json", "datasets/four_views.npz", "py.typed"}
    package |= {f"weights/{about.file}" for about in shipped_weights().values()}
    assert {f"skelgraph/{name}" for name in package} <= files.keys()
    for page in ("NOTICE", "docs/models/open.md"):
        assert "The data used in this project was obtained from mocap.cs.cmu.edu." in told[page]


def offline(program: Path, package: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", OFFLINE, program, package, ROOT, ROOT.parent / "shared"]
    return subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)


def test_a_person_is_lifted_offline(wheel: Path, tmp_path: Path) -> None:
    """Sockets and every file of the checkout and of the shared folder are refused."""
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "target")
    process = offline(LIFT, tmp_path / "target", tmp_path)
    assert process.returncode == 0, process.stderr
    assert float(process.stdout) > 0


@pytest.mark.parametrize(
    "line", [f"open({str(ROOT / 'README.md')!r})", "import socket; socket.create_connection(('127.0.0.1', 9))"]
)
def test_what_is_refused_fails_even_if_it_is_swallowed(line: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"try:\n    {line}\nexcept PermissionError:\n    print('refused')\n")
    process = offline(program, tmp_path, tmp_path)
    assert process.stdout == "refused\n"
    assert process.returncode == 1
    assert process.stderr.startswith("refused: [(")
