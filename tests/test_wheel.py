"""The built wheel alone is enough: weights and example are in it, and a person is lifted by it offline."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from skelgraph.models import shipped_weights

ROOT = Path(__file__).parents[1]
BOUND = 100  # mm
LIFT = """
import sys

target, checkout, shared, environment = sys.argv[1:]
refused = []
NETWORK = {f"socket.{call}" for call in ("connect", "getaddrinfo", "gethostbyname", "sendto", "sendmsg")}


def watch(event, arguments):
    path = str(arguments[0]) if event == "open" else ""
    is_foreign = path.startswith((checkout, shared)) and not path.startswith(environment)
    if is_foreign or event in NETWORK:
        refused.append((event, *arguments))
        raise PermissionError(f"{event}: {arguments}")


sys.addaudithook(watch)
sys.path.insert(0, target)

import numpy as np
import skelgraph
from skelgraph.datasets import four_views
from skelgraph.lifting import judge

assert skelgraph.__file__.startswith(target), skelgraph.__file__
view = four_views()["cam02"]
(person,) = skelgraph.Lifter()(view.detections).people
assert np.isfinite(person.poses).all() and np.isfinite(person.root).all()
assert not refused, refused
print(len(person.poses), judge(person.poses, "h36m16", view.truth, "blazepose33").mpjpe)
"""


@pytest.fixture(scope="module", name="wheel")
def _wheel(require: Callable[[str], ModuleType], tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_what_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        told = {name.partition("/licenses/")[2]: file.read(name).decode() for name in names if "/licenses/" in name}
    package = {"weights/weights.json", "datasets/four_views.npz", "py.typed"}
    package |= {f"weights/{about.file}" for about in shipped_weights().values()}
    assert {f"skelgraph/{name}" for name in package} <= names
    for page in ("NOTICE", "docs/models/open.md"):
        assert "The data used in this project was obtained from mocap.cs.cmu.edu." in told[page]


def test_a_person_is_lifted_offline(wheel: Path, tmp_path: Path) -> None:
    """Sockets and every file of the checkout and of the shared folder are refused."""
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "target")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    arguments = [str(path) for path in (tmp_path / "target", ROOT, ROOT.parent / "shared", sys.prefix)]
    process = subprocess.run(
        [sys.executable, "-c", LIFT, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    frames, mpjpe = process.stdout.split()
    assert int(frames) == 100
    assert float(mpjpe) < BOUND
