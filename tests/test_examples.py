"""The examples run."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType

import matplotlib as mpl
import pytest
import torch

from skelgraph.testing import check_layer

mpl.use("agg")

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where pickle looks for its classes
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


def test_the_layer_of_extend_layer_keeps_the_contract() -> None:
    example = load("extend_layer")
    check_layer(example.DirectedConv)
    sources = map(inspect.getsource, (example.directed_adjacency, example.DirectedConv))
    assert sum(source.count("\n") for source in sources) < 30, "as README says"


def test_hypergraph_quickstart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--epochs", "1", "--channels", "8", "--downsample", "200", "--out", str(tmp_path)]
    gates = load("hypergraph_quickstart").main(arguments)
    assert gates.shape == (17, 3)
    torch.testing.assert_close(gates.sum(dim=-1), torch.ones(17))
    assert (tmp_path / "hypergraph_h36m17.png").stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert "groups=[parts, sym, swing]" in printed
    assert "hyperedges (8, 13, 64)" in printed
    assert "MPJPE" in printed
