"""Fixtures that find the reference numbers and real data that are not part of the repository.

``SKELGRAPH_SHARED`` names the folder that holds ``golden/``, ``data/`` and ``real/``; by default it is ``shared``
beside
the checkout. Without it the tests that need it are skipped on a user's machine; in CI (``CI`` is set) they must run.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

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


class Golden:
    """The arrays of one reference file as torch tensors (``g["in/x"]``), its ``meta`` and its state dict."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as archive:
            self.arrays: dict[str, np.ndarray] = {k: archive[k] for k in archive.files if k != "meta"}
            self.meta: dict[str, Any] = json.loads(str(archive["meta"]))
        tolerances: dict[str, dict[str, float]] = self.meta["tolerance"]
        self.tolerance = tolerances.get("float64") or tolerances["float32"]  # fixed matrices are given in float32 only

    def __getitem__(self, key: str) -> torch.Tensor:
        value = torch.from_numpy(np.asarray(self.arrays[key]))
        return value.double() if value.is_floating_point() else value

    def __contains__(self, key: str) -> bool:
        return key in self.arrays

    def keys(self, prefix: str = "") -> list[str]:
        """Names of the arrays that start with ``prefix``."""
        return [key for key in self.arrays if key.startswith(prefix)]

    def state_dict(self, prefix: str = "sd/") -> dict[str, torch.Tensor]:
        """The official state dict stored in the file."""
        return {
            k[len(prefix) :]: torch.from_numpy(np.asarray(v)) for k, v in self.arrays.items() if k.startswith(prefix)
        }

    def assert_close(self, actual: torch.Tensor, key: str) -> None:
        """Compare with the stored array at the file's tolerance; buffers after a step may be stored as float32."""
        expected, tolerance = self[key].double(), self.tolerance
        if key.startswith("out/after/") and self.arrays[key].dtype == np.float32:
            tolerance = {"atol": 1e-7, "rtol": 1e-6}
        torch.testing.assert_close(actual.detach().double(), expected, **tolerance, msg=lambda m: f"{key}: {m}")


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Golden]:
    """``golden("sem_gcn_conv")``: the reference file of that name, committed or from the shared folder."""

    def load(name: str) -> Golden:
        committed = COMMITTED_GOLDEN / f"{name}.npz"
        return Golden(committed if committed.exists() else _require(SHARED / "golden" / f"{name}.npz"))

    return load
