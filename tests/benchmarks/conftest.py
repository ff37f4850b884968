"""The programs of `benchmarks/`, which import each other by their names."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(name="load")
def _load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """``load("open_study")``: one of them as a module."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module
