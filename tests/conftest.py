"""Fixtures that find the reference numbers and real data that are not part of the repository.

``SKELGRAPH_SHARED`` names the folder that holds ``golden/``, ``data/`` and ``real/``; by default it is ``shared``
beside
the checkout. Without it the tests that need it are skipped on a user's machine; in CI (``CI`` is set) they must run.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from skelgraph.testing import Golden

ROOT = Path(__file__).resolve().parent.parent
COMMITTED_GOLDEN = ROOT / "tests" / "golden"
SHARED = Path(os.environ.get("SKELGRAPH_SHARED", ROOT.parent / "shared"))

torch.set_num_threads(1)


def _require(path: Path) -> Path:
    if path.exists():
        return path
    message = f"{path} is missing"
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


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Golden]:
    """``golden("sem_gcn_conv")``: the reference file of that name, committed or from the shared folder."""

    def load(name: str) -> Golden:
        committed = COMMITTED_GOLDEN / f"{name}.npz"
        return Golden(committed if committed.exists() else _require(SHARED / "golden" / f"{name}.npz"))

    return load
