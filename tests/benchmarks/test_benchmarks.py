"""The benchmarks run, and their sides compute the same."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_hypergraph(tmp_path, monkeypatch, capsys, require):
    require("dhg")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = importlib.import_module("hypergraph")
    arguments = ["--channels", "4", "--batch-sizes", "1", "2", "--incidences", "800", "--seconds", "0"]
    rows = benchmark.main([*arguments, "--out", str(tmp_path)])
    assert [row["case"] for row in rows] == [case for case in ("1 pose", "2 poses", "800 incidences") for _ in range(2)]
    assert all(set(row["ms"]) == {"ours", "pyg", "dhg"} for row in rows)
    assert json.loads((tmp_path / "hypergraph.json").read_text())["rows"] == rows
    assert "forward+backward" in capsys.readouterr().out


def test_hypergraph_without_dhg_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = importlib.import_module("hypergraph")
    monkeypatch.setattr(benchmark, "HAS_DHG", False)
    arguments = ["--channels", "4", "--batch-sizes", "1", "--incidences", "800", "--seconds", "0"]
    rows = benchmark.main([*arguments, "--out", str(tmp_path)])
    assert all(set(row["ms"]) == {"ours", "pyg"} for row in rows)
    assert "dhg is not installed" in capsys.readouterr().out


def test_sides_that_differ_are_not_timed(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = importlib.import_module("hypergraph")
    hypergraph = benchmark.random_hypergraph(800)
    sides = benchmark.sides_of(hypergraph, torch.randn(1, hypergraph.num_nodes, 4))
    benchmark.check(sides)
    sides["pyg"].layer.bias.data += 1
    with pytest.raises(AssertionError, match="pyg"):
        benchmark.check(sides)
