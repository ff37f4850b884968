"""The examples run."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = load("train").main(["--epochs", "2", "--downsample", "100", "--out", str(tmp_path)])
    assert 0 < results["mpjpe_mm"] < 1000
    assert f"MPJPE {results['mpjpe_mm']:.1f} mm" in capsys.readouterr().out


def test_extend_layer(capsys: pytest.CaptureFixture[str]) -> None:
    errors = load("extend_layer").main(["--epochs", "1", "--channels", "8", "--downsample", "200"])
    assert list(errors) == ["DirectedConv", "SemGraphConv", "ModulatedGraphConv"]
    assert all(0 < error < 2000 for error in errors.values())
    assert "DirectedConv" in capsys.readouterr().out
