"""The examples run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("example_train", EXAMPLES / "train.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    results = module.main(["--epochs", "2", "--downsample", "100", "--out", str(tmp_path)])
    assert 0 < results["mpjpe_mm"] < 1000
    assert f"MPJPE {results['mpjpe_mm']:.1f} mm" in capsys.readouterr().out
